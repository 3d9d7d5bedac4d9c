"""How fast are many small objects imported? `python bench/import_objects.py --quick`

A made CRIU directory with one files.img, against zstd -1 -T2 on the same bytes. zstd does not look into them; what
looking costs at least is "protobuf, each item": CRIU's own way, and nothing done with it; "into SQLite" keeps them by
their id, too, with a B-tree of ids as the only index and nothing compressed or checked. Every import runs in a
process of its own, Python's libraries loaded within the time that counts, both cores in use, and syncs its file.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from importing import ZSTD, Contest, missing
from reporting import Run, Scale, Table, Target

AT_LEAST = {200_000: 300, 1_000_000: 500}
"""Thousands of objects a second, by how many there are: Python's start costs the smaller more."""
DECODE = """
import sys
from objref.dialects.criu.schema import message_class
parse, data, at = message_class("file_entry").FromString, open(sys.argv[1], "rb").read(), 8
while at < len(data):
    length = int.from_bytes(data[at : at + 4], "little")
    parse(data[at + 4 : at + 4 + length]).id
    at += 4 + length
"""
SQLITE = """
import sqlite3, sys
def items(data, at=8):
    while at < len(data):
        length = int.from_bytes(data[at : at + 4], "little")
        item = data[at + 4 : at + 4 + length]
        yield parse(item).id, item
        at += 4 + length
from objref.dialects.criu.schema import message_class
parse = message_class("file_entry").FromString
db = sqlite3.connect(sys.argv[2])
db.execute("CREATE TABLE files (id INTEGER PRIMARY KEY, data BLOB)")
db.executemany("INSERT INTO files VALUES (?, ?)", items(open(sys.argv[1], "rb").read()))
db.commit()
"""


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    for count in run.scale.objects:
        yield _table(run, count, making.files_image(run.folder, count))


def _table(run: Run, count: int, source: Path) -> Table:
    contest, left_out, file = Contest(run.folder), missing("zstd"), source / "files.img"
    candidates: dict[str, measuring.Measure] = {
        name: partial(contest.load, name, source, codec=codec)
        for name, codec in (("objref import", "zstd"), ("objref import, raw", "raw"))
    }
    decode = [sys.executable, "-c", DECODE, str(file)]
    candidates["protobuf, each item"] = partial(contest.run, "protobuf, each item", decode)
    candidates["into SQLite"] = partial(_into_sqlite, contest, file, run.folder / "import.sqlite")
    if not left_out:
        candidates["zstd -1 -T2"] = partial(contest.run, "zstd -1 -T2", [*ZSTD, str(file)])
    found = measuring.rounds(candidates, run.scale.rounds)
    rates = {name: f"{count / s.median / 1e3:,.0f}" for name, s in found.items()}
    rate = found["objref import"].over(count / 1e3)
    least = next((least for most, least in AT_LEAST.items() if count <= most), max(AT_LEAST.values()))
    ratio = measuring.ratios(found["objref import"], found["into SQLite"])
    targets = (
        Target(f"import of {count:,} small objects", rate, least, "k objects/s", at_least=True),
        Target(f"import of {count:,} small objects / into SQLite", ratio, 1, "x"),
    )
    title = f"Import of {count:,} files, {file.stat().st_size / 1e6:.0f} MB"
    columns = {"k objects/s": rates, **contest.columns()}
    return Table(title, "s", 1, found, "protobuf, each item", columns, targets, left_out)


def _into_sqlite(contest: Contest, file: Path, database: Path) -> float:
    """Seconds to put the items into a table by their id: one transaction, synced at its end."""
    database.unlink(missing_ok=True)
    return contest.run("into SQLite", [sys.executable, "-c", SQLITE, str(file), str(database)])


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 0, 5), Scale((200_000,), 0, 3)))
