"""Where else could objects be kept by their ids, and at what price? `python bench/stores.py --quick`

The same messages in every store that Python programs use for this, one record for each: filled, measured, opened, read.
objref's file is made by an import: filling it includes parsing every message and finding its references; its checksums
are verified, and the original comes back from it. Stores of files (zip, tar, a pack of git, HDF5) take part up to 100 k
objects, MCAP up to 10 k: beyond that, one is busy with them for hours. Times are the clock's, but for lookups (those of
the thread; a first round is thrown away). Keys are made, in the form of each store, before the clock starts.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import making
import measuring
import reporting
import shelves
from measuring import Samples, own
from reporting import Run, Scale, Table
from shelves import Shelf

import objref

GETS = 20_000
LMDB = "lmdb"
OBJREF = {"objref, raw": objref.Options(codec="raw"), "objref, fast": objref.Options.preset("fast")}


def measure(run: Run) -> Iterator[Table]:
    """For each number of objects: filling, size, opening, reading."""
    left_out = tuple(name for name, shelf in shelves.SHELVES.items() if find_spec(shelf.module) is None)
    for count in run.scale.objects:
        chosen = {
            name: shelf for name, shelf in shelves.SHELVES.items() if name not in left_out and count <= shelf.most
        }
        yield from _tables(run, count, chosen, left_out)


def _tables(run: Run, count: int, chosen: dict[str, Shelf], left_out: tuple[str, ...]) -> Iterator[Table]:
    folder, rounds = run.folder / f"stores-{count}", run.scale.rounds
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    source = making.files_image(run.folder, count)
    messages = list(making.file_messages(count))
    paths = {name: folder / name.replace(" ", "-") for name in (*OBJREF, *chosen)}
    fills = {name: partial(_import, source, paths[name], options) for name, options in OBJREF.items()}
    fills |= {name: partial(_fill, shelf, paths[name], messages) for name, shelf in chosen.items()}
    filled = measuring.rounds(fills, 1)
    sizes = {name: Samples([_size(path) / count]) for name, path in paths.items()}
    yield Table(f"Filling a store with {count:,} objects", "s", 1, filled, LMDB, left_out=left_out)
    yield Table(f"Bytes for each of {count:,} objects", "bytes", 1, sizes, LMDB)
    shelved = {**dict.fromkeys(OBJREF, shelves.OBJREF), **chosen}
    opens = {name: partial(_first, shelf, paths[name], count) for name, shelf in shelved.items()}
    title = f"Opening {count:,} objects, and the first one"
    yield Table(title, "ms", 1e3, measuring.rounds(opens, min(rounds, 3)), LMDB)
    found = _gets(shelved, paths, messages, rounds)
    yield Table(f"One object of {count:,} by its id", "ns", 1e9, found, LMDB, size=count)


def _gets(shelved: dict[str, Shelf], paths: dict[str, Path], messages: list[bytes], rounds: int) -> dict[str, Samples]:
    draw = random.Random(making.SEED)
    count = len(messages)
    ids = [draw.randrange(1, count + 1) for _ in range(min(GETS, count))]
    several: dict[str, measuring.Measure] = {}
    with ExitStack() as stack:
        for name, shelf in shelved.items():
            get = stack.enter_context(shelf.opened(paths[name]))
            if any(get(shelf.key(i)) != messages[i - 1] for i in {1, count // 2, count, *ids[:100]}):
                raise SystemExit(f"{name} gives other bytes than were put into it")
            keys = [shelf.key(i) for i in ids[:: shelf.slow]]
            several[name] = partial(own(measuring.each), get, keys)
        return measuring.rounds(several, rounds)


def _import(source: Path, path: Path, options: objref.Options) -> float:
    return measuring.seconds(partial(objref.import_image, source, path, options=options))


def _fill(shelf: Shelf, path: Path, messages: list[bytes]) -> float:
    return measuring.seconds(partial(shelf.fill, path, messages))


def _first(shelf: Shelf, path: Path, count: int) -> float:
    def first() -> None:
        with shelf.opened(path) as get:
            get(shelf.key(count // 2))

    return measuring.seconds(first)


def _size(path: Path) -> int:
    """What is allocated, of a file or all files of a folder: LMDB's and git's files have holes or stand in several."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return sum(min(p.stat().st_size, p.stat().st_blocks * 512) for p in files)


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 100_000, 1_000_000), 0, 5), Scale((10_000,), 0, 3)))
