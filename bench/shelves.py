"""The stores of stores.py: how each is filled, and how it gives one object.

Each is used as its documentation asks for many small records that are written once: one transaction or batch, keys
ascending, no compression but what the store does by itself.
"""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import peers

import objref

__all__ = ["OBJREF", "SHELVES", "Shelf"]

Get = Callable[[Any], bytes]
FILES = 100_000
"""From here on, stores that are meant for files are left alone."""
ORDERED = struct.Struct(">Q")


class Shelf(NamedTuple):
    """One store. `fill(path, messages)`: ids count from 1. `opened(path)` gives `get(key(id)) -> bytes`."""

    module: str
    fill: Callable[[Path, Sequence[bytes]], Any]
    opened: Callable[[Path], AbstractContextManager[Get]]
    key: Callable[[int], Any] = ORDERED.pack
    most: int = 1 << 31
    slow: int = 1
    """Of so many lookups one is measured: where each takes as long as hundreds elsewhere."""


def numbered(messages: Sequence[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """Keys that sort as their numbers do."""
    return ((ORDERED.pack(i), m) for i, m in enumerate(messages, 1))


def plain(i: int) -> int:
    """An id as it is."""
    return i


# -- objref -------------------------------------------------------------------------------------------------


@contextmanager
def _objref(path: Path) -> Iterator[Get]:
    with objref.open(path, access="map") as image:
        yield image["file"].__getitem__


OBJREF = Shelf("objref", lambda path, messages: None, _objref, plain)
"""Filled by an import."""


# -- key-value stores ---------------------------------------------------------------------------------------


def _fill_lmdb(path: Path, messages: Sequence[bytes]) -> None:
    peers.fill_lmdb(path, messages)


@contextmanager
def _lmdb(path: Path) -> Iterator[Get]:
    with peers.open_lmdb(path) as txn:
        yield txn.get


def _fill_sqlite(path: Path, messages: Sequence[bytes]) -> None:
    peers.fill_sqlite(path, messages)


def _fill_gdbm(path: Path, messages: Sequence[bytes]) -> None:
    import dbm.gnu

    with dbm.gnu.open(str(path), "nf") as db:
        for key, message in numbered(messages):
            db[key] = message
        db.reorganize()
        db.sync()


@contextmanager
def _gdbm(path: Path) -> Iterator[Get]:
    import dbm.gnu

    with dbm.gnu.open(str(path), "r") as db:
        yield db.__getitem__


def _fill_leveldb(path: Path, messages: Sequence[bytes]) -> None:
    import plyvel

    with plyvel.DB(str(path), create_if_missing=True, compression=None, bloom_filter_bits=10) as db:
        with db.write_batch(sync=True) as batch:
            for key, message in numbered(messages):
                batch.put(key, message)
        db.compact_range()


@contextmanager
def _leveldb(path: Path) -> Iterator[Get]:
    import plyvel

    with plyvel.DB(str(path), compression=None, bloom_filter_bits=10) as db:
        yield db.get


def _fill_rocksdb(path: Path, messages: Sequence[bytes]) -> None:
    from rocksdict import Options, Rdict

    db = Rdict(str(path), Options(raw_mode=True))
    for key, message in numbered(messages):
        db[key] = message
    db.flush()
    db.close()


@contextmanager
def _rocksdb(path: Path) -> Iterator[Get]:
    from rocksdict import AccessType, Options, Rdict

    db = Rdict(str(path), Options(raw_mode=True), access_type=AccessType.read_only())
    try:
        yield db.__getitem__
    finally:
        db.close()


# -- arrays and logs ----------------------------------------------------------------------------------------


def _fill_hdf5(path: Path, messages: Sequence[bytes]) -> None:
    import h5py
    import numpy as np

    with h5py.File(path, "w") as file:
        records = file.create_dataset("files", (len(messages),), h5py.vlen_dtype(np.uint8))
        records[:] = np.array([np.frombuffer(m, np.uint8) for m in messages], object)


@contextmanager
def _hdf5(path: Path) -> Iterator[Get]:
    import h5py

    with h5py.File(path) as file:
        records = file["files"]
        yield lambda i: records[i - 1].tobytes()


def _fill_mcap(path: Path, messages: Sequence[bytes]) -> None:
    from mcap.writer import CompressionType, Writer

    with path.open("wb") as out:
        writer = Writer(out, compression=CompressionType.NONE, chunk_size=1 << 14)  # as small as objref's blocks
        writer.start()
        channel = writer.register_channel("files", "protobuf", 0)
        for i, message in enumerate(messages, 1):
            writer.add_message(channel, log_time=i, publish_time=i, data=message)
        writer.finish()


@contextmanager
def _mcap(path: Path) -> Iterator[Get]:
    from mcap.reader import SeekingReader

    with path.open("rb") as file:
        reader = SeekingReader(file)
        yield lambda i: next(iter(reader.iter_messages(start_time=i, end_time=i + 1)))[2].data


# -- files in a file ----------------------------------------------------------------------------------------


def _fill_zip(path: Path, messages: Sequence[bytes]) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for i, message in enumerate(messages, 1):
            archive.writestr(zipfile.ZipInfo(str(i)), message)


@contextmanager
def _zip(path: Path) -> Iterator[Get]:
    with zipfile.ZipFile(path) as archive:
        yield archive.read


def _fill_tar(path: Path, messages: Sequence[bytes]) -> None:
    with tarfile.open(path, "w") as archive:
        for i, message in enumerate(messages, 1):
            member = tarfile.TarInfo(str(i))
            member.size = len(message)
            archive.addfile(member, io.BytesIO(message))


@contextmanager
def _tar(path: Path) -> Iterator[Get]:
    with tarfile.open(path) as archive:
        members = {member.name: member for member in archive}
        yield lambda name: archive.extractfile(members[name]).read()  # type: ignore[union-attr]


def _fill_git(path: Path, messages: Sequence[bytes]) -> None:
    """A pack, its index, and what git has no place for: the name of each object by its id."""
    from dulwich.object_format import DEFAULT_OBJECT_FORMAT
    from dulwich.objects import Blob
    from dulwich.pack import write_pack

    path.mkdir()
    blobs = [Blob.from_string(message) for message in messages]
    write_pack(str(path / "pack"), [(blob, None) for blob in blobs], DEFAULT_OBJECT_FORMAT, deltify=False)
    (path / "names").write_bytes(b"".join(bytes.fromhex(blob.id.decode()) for blob in blobs))


@contextmanager
def _git(path: Path) -> Iterator[Get]:
    from dulwich.object_format import DEFAULT_OBJECT_FORMAT
    from dulwich.pack import Pack

    names = (path / "names").read_bytes()
    with Pack(str(path / "pack"), object_format=DEFAULT_OBJECT_FORMAT) as pack:
        yield lambda i: b"".join(pack.get_raw(names[20 * i - 20 : 20 * i])[1:])


SHELVES = {
    "lmdb": Shelf("lmdb", _fill_lmdb, _lmdb, peers.KEY.pack),
    "SQLite": Shelf("sqlite3", _fill_sqlite, peers.sqlite_gets, plain),
    "dbm.gnu": Shelf("_gdbm", _fill_gdbm, _gdbm),
    "LevelDB (plyvel)": Shelf("plyvel", _fill_leveldb, _leveldb),
    "RocksDB (rocksdict)": Shelf("rocksdict", _fill_rocksdb, _rocksdb),
    "HDF5 (h5py)": Shelf("h5py", _fill_hdf5, _hdf5, plain, FILES, 10),
    "MCAP": Shelf("mcap", _fill_mcap, _mcap, plain, 10_000, 200),
    "zip": Shelf("zipfile", _fill_zip, _zip, str, FILES, 10),
    "tar": Shelf("tarfile", _fill_tar, _tar, str, FILES, 10),
    "git pack (dulwich)": Shelf("dulwich", _fill_git, _git, plain, FILES, 10),
}
