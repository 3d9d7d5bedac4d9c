"""How long do many objects at once take? `python bench/batches.py --quick`

10,000 ids drawn uniformly, warm, as a numpy array (and, said so, as a list), against lmdb's cursor.getmulti with ready
keys, which gives a list of pairs. `views` are where the objects lie in the mapped file: arrays of starts and ends over
one buffer. `views, each taken` makes a memoryview of each, as a program that hands them on would. Times are those of
the thread; a value is the mean of several batches.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import thread_time
from typing import Any

import cores
import making
import measuring
import numpy as np
import peers
import reporting
from measuring import Measure
from reporting import Run, Scale, Table, Target

GETMULTI = "lmdb cursor.getmulti"
IDS, EACH = 10_000, 10
AT_LEAST = {
    f"views, {cores.PYTHON}": 10, f"joined, {cores.PYTHON}": 4, f"joined, {cores.NATIVE}": 25
}  # fmt: skip


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    if not find_spec("lmdb"):
        return
    for count in run.scale.objects:
        with ExitStack() as stack:
            found = measuring.rounds(_candidates(run.folder, count, stack), run.scale.rounds)
        targets = tuple(
            Target(
                f"get_many of {count:,}, {name}, times lmdb's speed",
                measuring.ratios(found[GETMULTI], found[name]),
                limit,
                "x",
                at_least=True,
            )
            for name, limit in AT_LEAST.items()
            if name in found
        )
        yield Table(f"{IDS:,} of {count:,} objects at once, for each", "ns", 1e9, found, GETMULTI, targets=targets)


def _candidates(folder: Path, count: int, stack: ExitStack) -> dict[str, Measure]:
    ids = np.random.default_rng(making.SEED).integers(1, count + 1, IDS)
    cursor = stack.enter_context(peers.open_lmdb(peers.lmdb_environment(folder, count))).cursor()
    keys = [peers.KEY.pack(key) for key in ids.tolist()]
    image, several = making.image(making.files_image(folder, count), codec="raw"), {}
    for core in cores.CORES:
        files = cores.space(image, stack, core)
        for name, ask in _asks(files, ids).items():
            several[f"{name}, {core}"] = partial(_mean, ask)
        _agree(files, ids, cursor.getmulti(keys))
    several[GETMULTI] = partial(_mean, partial(cursor.getmulti, keys))
    return several


def _asks(files: Any, ids: Any) -> dict[str, Callable[[], Any]]:
    listed = ids.tolist()
    return {
        "joined": lambda: files.get_many(ids),
        "joined, from a list": lambda: files.get_many(listed),
        "views": lambda: files.get_many(ids, form="views"),
        "views, each taken": lambda: list(files.get_many(ids, form="views")),
    }


def _mean(ask: Callable[[], Any]) -> float:
    """Seconds of this thread for each object."""
    start = thread_time()
    for _ in range(EACH):
        ask()
    return (thread_time() - start) / EACH / IDS


def _agree(files: Any, ids: Any, pairs: list[tuple[bytes, bytes]]) -> None:
    """The peer gives the same bytes, each distinct id once."""
    wanted = dict(pairs)
    batch = files.get_many(ids)
    if any(bytes(view) != wanted[peers.KEY.pack(key)] for view, key in zip(batch, ids.tolist(), strict=True)):
        raise SystemExit("the peers differ")


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 1_000_000)), Scale((10_000, 200_000), 0, 3)))
