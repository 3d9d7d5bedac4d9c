"""How long does one object by its id take? `python bench/lookup.py --quick`

Same data, same ids, same process: uniform random, warm. objref reads `files[id]` with its checksums verified, at first
touch, before the clock starts. lmdb is asked twice within one read transaction: with ready-made keys, which is
lmdb.get alone and what the target is set against, and from the integer, as a program with an id would ask.
Times are those of the thread.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import thread_time_ns
from typing import Any

import cores
import making
import measuring
import peers
import reporting
from measuring import Measure, Samples, own
from reporting import Run, Scale, Table, Target

HOT, PYTHON = "objref files[id], raw", "objref files[id], raw, pure Python"
PACKED, BY_BLOCKS = "objref files[id], zstd", "objref files[id], zstd, block by block"
LMDB = "lmdb.get, ready key"
AT_MOST = {PYTHON: 0.65, PACKED: 1.0} | ({HOT: 0.35} if cores.NATIVE in cores.CORES else {})
GETS = 200_000
EVERY = 50
"""Of these objects one is read before the clock starts: every stripe and block is checked by then."""


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    left_out = tuple(name for name in ("lmdb", "sqlite3") if find_spec(name) is None)
    first: dict[str, Samples] = {}
    for count in run.scale.objects:
        with ExitStack() as stack:
            candidates = _candidates(run.folder, count, left_out, stack)
            found = measuring.rounds(candidates, run.scale.rounds)
        targets = [
            Target(f"{name} of {count:,}, against lmdb.get", measuring.ratios(found[name], found[LMDB]), limit, "x")
            for name, limit in AT_MOST.items()
            if LMDB in found
        ]
        if first and LMDB in found:
            targets += [_growth(name, first, found) for name in (HOT, PYTHON)]
        first = first or found
        title = f"One object of {count:,} by its id"
        yield Table(title, "ns", 1e9, found, LMDB, targets=tuple(targets), left_out=left_out)


def _growth(name: str, few: dict[str, Samples], many: dict[str, Samples]) -> Target:
    """How much longer it takes among more objects, against how much longer lmdb takes."""
    growth = measuring.ratios(measuring.ratios(many[name], few[name]), measuring.ratios(many[LMDB], few[LMDB]))
    return Target(f"{name}, growth with the objects against lmdb's", growth, 1.0, "x")


def _candidates(folder: Path, count: int, left_out: tuple[str, ...], stack: ExitStack) -> dict[str, Measure]:
    draw = random.Random(making.SEED)
    ids = [draw.randrange(1, count + 1) for _ in range(min(GETS, 20 * count))]
    source, held = making.files_image(folder, count), dict(enumerate(making.file_messages(count), 1))
    plain, packed = (making.image(source, codec=codec) for codec in ("raw", "zstd"))
    raw, zstd = cores.space(plain, stack), cores.space(packed, stack, decoded=0)
    python, cached = cores.space(plain, stack, cores.PYTHON), cores.space(packed, stack)
    for key in range(1, count + 1, EVERY):
        raw[key], python[key], cached[key]
    gets: dict[str, Callable[[int], bytes]] = {}
    several: dict[str, Measure] = {
        HOT: partial(own(items), raw, ids),
        PYTHON: partial(own(items), python, ids),
        PACKED: partial(own(items), cached, ids),
        "dict in memory": partial(own(items), held, ids),
    }
    if "lmdb" not in left_out:
        get, pack = stack.enter_context(peers.open_lmdb(peers.lmdb_environment(folder, count))).get, peers.KEY.pack
        gets["lmdb.get, packing the id"] = lambda key: get(pack(key))
        several[LMDB] = partial(own(measuring.each), get, [pack(key) for key in ids])
        several["lmdb.get, packing the id"] = partial(own(measuring.each), gets["lmdb.get, packing the id"], ids)
    if "sqlite3" not in left_out:
        gets["SQLite by rowid"] = stack.enter_context(peers.open_sqlite(folder, count))
        several["SQLite by rowid"] = partial(own(measuring.each), gets["SQLite by rowid"], ids[: GETS // 4])
    several[BY_BLOCKS] = partial(own(items), zstd, ids[: GETS // 20])
    scan = partial(peers.scan, source / "files.img")
    several["decode everything"] = partial(own(measuring.each), scan, [count // 2])  # the mean of uniform lookups
    asks = [mapping.__getitem__ for mapping in (raw, python, cached, zstd, held)]
    agree([1, count // 2, count], [*asks, scan, *gets.values()])
    return several


def items(mapping: Any, keys: list[int]) -> float:
    """Seconds of this thread for each mapping[key]."""
    start = thread_time_ns()
    for key in keys:
        mapping[key]
    return (thread_time_ns() - start) / len(keys) / 1e9


def agree(ids: Sequence[int], gets: list[Callable[[int], bytes]]) -> None:
    """All peers give the same bytes, or the comparison is worth nothing."""
    for key in (ids[0], ids[len(ids) // 2], ids[-1]):
        if len({get(key) for get in gets}) != 1:
            raise SystemExit(f"the peers differ on object {key}")


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 1_000_000)), Scale((10_000, 200_000), 0, 3)))
