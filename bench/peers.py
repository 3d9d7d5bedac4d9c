"""What else could hold objects by id: the same messages in lmdb, SQLite, a dict, and CRIU's own file.

Each peer fills itself in a folder, once, and gives functions from key to bytes.
"""

from __future__ import annotations

import sqlite3
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import making

if TYPE_CHECKING:
    import lmdb

__all__ = ["KEY", "fill_lmdb", "fill_sqlite", "lmdb_environment", "open_lmdb", "open_sqlite", "scan", "sqlite_gets"]

KEY = struct.Struct("=Q")
"""A key as lmdb's MDB_INTEGERKEY wants it."""
MAP = 1 << 36

Get = Callable[[int], bytes]


def lmdb_environment(folder: Path, count: int) -> Path:
    """An lmdb environment with the messages of `making.files_image`, made unless it is there."""
    path = folder / f"lmdb-{count}"
    if not path.exists():
        fill_lmdb(path, making.file_messages(count))
    return path


def fill_lmdb(path: Path, messages: Iterable[bytes]) -> None:
    """In one transaction, ascending."""
    import lmdb

    with lmdb.open(str(path), map_size=MAP, max_dbs=1, sync=False) as env:
        db = env.open_db(b"files", integerkey=True)
        with env.begin(write=True, db=db) as txn:
            txn.cursor().putmulti(((KEY.pack(i), m) for i, m in enumerate(messages, 1)), append=True)


@contextmanager
def open_lmdb(path: Path) -> Iterator[lmdb.Transaction]:
    """One read transaction; its `get` takes `KEY.pack(id)`."""
    import lmdb

    with (
        lmdb.open(str(path), readonly=True, lock=False, max_dbs=1) as env,
        env.begin(db=env.open_db(b"files", integerkey=True)) as txn,
    ):
        yield txn


@contextmanager
def open_sqlite(folder: Path, count: int) -> Iterator[Get]:
    """A database with the messages of `making.files_image`, made unless it is there."""
    path = folder / f"sqlite-{count}"
    if not path.exists():
        fill_sqlite(path, making.file_messages(count))
    with sqlite_gets(path) as get:
        yield get


def fill_sqlite(path: Path, messages: Iterable[bytes]) -> None:
    """In one transaction, ascending."""
    db = sqlite3.connect(path)
    db.execute("create table files (id integer primary key, message blob)")
    db.executemany("insert into files values (?, ?)", enumerate(messages, 1))
    db.commit()
    db.close()


@contextmanager
def sqlite_gets(path: Path) -> Iterator[Get]:
    """By rowid, mapped, within one transaction."""
    db = sqlite3.connect(path)
    db.execute(f"pragma mmap_size = {MAP}")
    db.execute("begin")
    select, query = db.cursor().execute, "select message from files where id = ?"
    try:
        yield lambda key: select(query, (key,)).fetchone()[0]
    finally:
        db.close()


def scan(path: Path, wanted: int) -> bytes:
    """What CRIU and crit do: decode item after item until the one that is wanted."""
    from objref.dialects.criu.schema import message_class

    parse, unpack = message_class("file_entry").FromString, making.LENGTH.unpack_from
    data, at = path.read_bytes(), 8
    while at < len(data):
        item = data[at + 4 : at + 4 + unpack(data, at)[0]]
        if parse(item).id == wanted:
            return item
        at += 4 + len(item)
    raise KeyError(wanted)
