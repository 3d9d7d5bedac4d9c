"""And if ids have gaps, if neighbours are asked for, if nothing is in memory? `python bench/lookup_shapes.py --quick`

The same messages under ids that are a run, that have gaps, or that are drawn from 32 bits; asked at random, and one
after the other; against lmdb.get with ready keys. Warm as in bench/lookup.py. Cold: both files are put out of the page
cache (which is checked), opened, and asked for a few hundred objects at random; there times are of the clock.
"""

from __future__ import annotations

import gc
import os
import random
import sys
import time
from array import array
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import cores
import lookup
import making
import measuring
import peers
import reporting
from measuring import Measure, own
from reporting import Run, Scale, Table, Target

SHAPES = {"run": making.file_messages, "gappy": making.gappy_messages, "sparse": making.sparse_messages}
LMDB = "lmdb.get, ready key"
AT_MOST = {
    ("run", cores.PYTHON): 0.65,
    ("run", cores.NATIVE): 0.35,
    ("sparse", cores.PYTHON): 1.1,
    ("sparse", cores.NATIVE): 0.5,
}
GETS, COLD = 200_000, 300
TRIES, STRAY = 20, 0.05
"""A share of pages that others may have in memory."""


def measure(run: Run) -> Iterator[Table]:
    """A table for each number of objects, shape and order; and one of cold files."""
    if not find_spec("lmdb"):
        return
    for count in run.scale.objects:
        for shape in SHAPES:
            for order in ("uniform", "neighbours"):
                yield _warm(run, count, shape, order)
    try:
        yield _cold(run, max(run.scale.objects))
    except StaysWarm as reason:
        print(f"cold files left out: {reason}", file=sys.stderr)


class StaysWarm(Exception):  # noqa: N818 - no error, only no table
    """Some pages of a file cannot be put out of memory: somebody uses them."""


def environment(folder: Path, count: int, shape: str) -> Path:
    """An lmdb environment of these messages, made unless it is there."""
    import lmdb

    if shape == "run":
        return peers.lmdb_environment(folder, count)
    path = folder / f"lmdb-{shape}-{count}"
    if not path.exists():
        with lmdb.open(str(path), map_size=peers.MAP, max_dbs=1, sync=False) as env:
            db = env.open_db(b"files", integerkey=True)
            with env.begin(write=True, db=db) as txn:
                both = zip(making.ids_of(shape, count), SHAPES[shape](count), strict=True)
                txn.cursor().putmulti(((peers.KEY.pack(i), message) for i, message in both), append=True)
    return path


def _warm(run: Run, count: int, shape: str, order: str) -> Table:
    ids = making.ids_of(shape, count)
    asked = _asked(ids, order, min(GETS, 20 * count))
    with ExitStack() as stack:
        get = stack.enter_context(peers.open_lmdb(environment(run.folder, count, shape))).get
        several: dict[str, Measure] = {}
        for core in cores.CORES:
            files = cores.space(_image(run, count, shape), stack, core)
            for key in ids[:: lookup.EVERY]:
                files[key]
            lookup.agree(ids, [files.__getitem__, lambda key: get(peers.KEY.pack(key))])
            several[core] = partial(own(lookup.items), files, asked)
        several[LMDB] = partial(own(measuring.each), get, [peers.KEY.pack(key) for key in asked])
        found = measuring.rounds(several, run.scale.rounds)
    return Table(
        f"One object of {count:,}, ids: {shape}, {order}",
        "ns",
        1e9,
        found,
        LMDB,
        targets=tuple(_targets(found, count, shape, order)),
    )


def _image(run: Run, count: int, shape: str) -> Path:
    return making.image(making.files_image(run.folder, count, SHAPES[shape]), codec="raw")


def _asked(ids: Sequence[int], order: str, gets: int) -> list[int]:
    draw = random.Random(making.SEED)
    asked = draw.choices(ids, k=gets) if order == "uniform" else [ids[i % len(ids)] for i in range(gets)]
    return array("Q", asked).tolist()  # numbers of their own: those of a list of all ids would be all over memory


def _targets(found: dict[str, measuring.Samples], count: int, shape: str, order: str) -> Iterator[Target]:
    for core in cores.CORES:
        if order == "uniform" and (shape, core) in AT_MOST:
            text = f"files[id] of {count:,}, {shape}, {core}, time against lmdb.get"
            yield Target(text, measuring.ratios(found[core], found[LMDB]), AT_MOST[shape, core], "x")


# -- cold -----------------------------------------------------------------------------------------------------


def _cold(run: Run, count: int) -> Table:
    draw = random.Random(making.SEED)
    asked = [draw.randrange(1, count + 1) for _ in range(COLD)]
    path, tree = _image(run, count, "run"), environment(run.folder, count, "run")
    several: dict[str, Measure] = {
        core: partial(_read_cold, path, partial(_ask_objref, path, core, asked)) for core in cores.CORES
    }
    several[LMDB] = partial(_read_cold, tree / "data.mdb", partial(_ask_lmdb, tree, asked))
    return Table(
        f"One object of {count:,}, cold, opening included", "µs", 1e6, measuring.rounds(several, run.scale.rounds), LMDB
    )


def _read_cold(path: Path, ask: Callable[[], None]) -> float:
    """Seconds of the clock for each object, the page cache being empty of this file."""
    gc.collect()  # what is mapped stays in memory
    fd = os.open(path, os.O_RDONLY)
    try:
        os.fsync(fd)
        for _ in range(TRIES):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
            if (left := _cached(fd)) <= STRAY:
                break
            time.sleep(0.1)
        else:
            raise StaysWarm(f"{left:.0%} of the pages of {path.name} stay in memory")
    finally:
        os.close(fd)
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) / COLD


def _cached(fd: int, samples: int = 200) -> float:
    """The share of a file's pages that are in memory."""
    length, found = os.fstat(fd).st_size, 0
    for i in range(samples):
        with suppress(BlockingIOError):
            found += os.preadv(fd, [bytearray(1)], length * i // samples, os.RWF_NOWAIT) > 0
    return found / samples


def _ask_objref(path: Path, core: str, asked: list[int]) -> None:
    with ExitStack() as stack:
        files = cores.space(path, stack, core)
        for key in asked:
            files[key]


def _ask_lmdb(path: Path, asked: list[int]) -> None:
    with peers.open_lmdb(path) as txn:
        for key in asked:
            txn.get(peers.KEY.pack(key))


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 1_000_000)), Scale((10_000, 200_000), 0, 3)))
