"""How long does one object by its id take? `python bench/lookup.py --quick`

Same data, same ids, same process: uniform random, warm. objref reads `files[id]` with its checksums verified, at first
touch, before the clock starts. lmdb is asked twice within one read transaction: with ready-made keys, which is
lmdb.get alone and what the target is set against, and from the integer, as a program with an id would ask.
Times are those of the thread.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import thread_time_ns
from typing import Any

import making
import measuring
import peers
import reporting
from measuring import Measure, own
from reporting import Run, Scale, Table, Target

import objref

HOT, LMDB = "objref files[id], raw", "lmdb.get, ready key"
AT_MOST = 0.65
GETS = 200_000


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    left_out = tuple(name for name in ("lmdb", "sqlite3") if find_spec(name) is None)
    for count in run.scale.objects:
        with ExitStack() as stack:
            candidates = _candidates(run.folder, count, left_out, stack)
            found = measuring.rounds(candidates, run.scale.rounds)
        targets: tuple[Target, ...] = ()
        if LMDB in found and count == max(run.scale.objects):
            text = f"files[id] of {count:,} objects, time against lmdb.get"
            targets = (Target(text, measuring.ratios(found[HOT], found[LMDB]), AT_MOST, "x"),)
        title = f"One object of {count:,} by its id"
        yield Table(title, "ns", 1e9, found, LMDB, targets=targets, left_out=left_out)


def _candidates(folder: Path, count: int, left_out: tuple[str, ...], stack: ExitStack) -> dict[str, Measure]:
    draw = random.Random(making.SEED)
    ids = [draw.randrange(1, count + 1) for _ in range(min(GETS, 20 * count))]
    source, held = making.files_image(folder, count), dict(enumerate(making.file_messages(count), 1))
    raw, zstd = (_space(source, codec, stack) for codec in ("raw", "zstd"))
    for key in range(1, count + 1, 100):  # every stripe and block is checked before the clock starts
        raw[key]
    gets: dict[str, Callable[[int], bytes]] = {}
    several: dict[str, Measure] = {
        HOT: partial(own(_items), raw, ids),
        "dict in memory": partial(own(_items), held, ids),
    }
    if "lmdb" not in left_out:
        get, pack = stack.enter_context(peers.open_lmdb(peers.lmdb_environment(folder, count))).get, peers.KEY.pack
        gets["lmdb.get, packing the id"] = lambda key: get(pack(key))
        several[LMDB] = partial(own(measuring.each), get, [pack(key) for key in ids])
        several["lmdb.get, packing the id"] = partial(own(measuring.each), gets["lmdb.get, packing the id"], ids)
    if "sqlite3" not in left_out:
        gets["SQLite by rowid"] = stack.enter_context(peers.open_sqlite(folder, count))
        several["SQLite by rowid"] = partial(own(measuring.each), gets["SQLite by rowid"], ids[: GETS // 4])
    several["objref files[id], zstd"] = partial(own(_items), zstd, ids[: GETS // 20])
    scan = partial(peers.scan, source / "files.img")
    several["decode everything"] = partial(own(measuring.each), scan, [count // 2])  # the mean of uniform lookups
    _agree(count, [raw.__getitem__, zstd.__getitem__, held.__getitem__, scan, *gets.values()])
    return several


def _space(source: Path, codec: str, stack: ExitStack) -> Any:
    return stack.enter_context(objref.open(making.image(source, codec=codec), access="map"))["file"]


def _items(mapping: Any, keys: list[int]) -> float:
    """Seconds of this thread for each mapping[key]."""
    start = thread_time_ns()
    for key in keys:
        mapping[key]
    return (thread_time_ns() - start) / len(keys) / 1e9


def _agree(count: int, gets: list[Callable[[int], bytes]]) -> None:
    """All peers give the same bytes, or the comparison is worth nothing."""
    for key in {1, count // 2, count}:
        if len({get(key) for get in gets}) != 1:
            raise SystemExit(f"the peers differ on object {key}")


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 1_000_000)), Scale((10_000, 200_000), 0, 3)))
