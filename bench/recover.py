"""How long does a recovery take? `python bench/recover.py --quick`

Against an import of the same image, which is what it would take to make it again. Three faults: a damaged block (the
index is kept, the content copied), a damaged index (the stream is split again, then copied), and a cut.
CPU time of all threads, in one process, since the clock tells of the other programs of a busy machine, too.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from reporting import Run, Scale, Table, Target

import objref

IMPORT, AT_MOST = "objref import", 3.0


def measure(run: Run) -> Iterator[Table]:
    """Memory, and open files."""
    yield _table(f"{run.scale.megabytes:,} MiB of memory", making.memory_image(run.folder, run.scale.megabytes), run)
    for count in run.scale.objects:
        yield _table(f"{count:,} files", making.files_image(run.folder, count), run)


def _table(what: str, source: Path, run: Run) -> Table:
    target = run.folder / "recovered.objref"
    data = making.image(source).read_bytes()
    calls = {IMPORT: partial(objref.import_image, source, target, replace=True)}
    for name, damaged in _faults(data):
        path = run.folder / f"{name.replace(' ', '-')}.objref"
        path.write_bytes(damaged)
        calls[name] = partial(objref.recover, path, target, replace=True)
    found = measuring.rounds({name: partial(_cpu, call) for name, call in calls.items()}, run.scale.rounds)
    worst = max((name for name in found if name != IMPORT), key=lambda name: found[name].median)
    text, ratio = f"recovering {what}, CPU time over import", measuring.ratios(found[worst], found[IMPORT])
    targets = (Target(text, ratio, AT_MOST, "x", False),)
    return Table(f"Recovering {what}, {len(data) / 1e6:.0f} MB", "s of CPU", 1, found, IMPORT, {}, targets)


def _faults(data: bytes) -> Iterator[tuple[str, bytes]]:
    middle = 2 * len(data) // 3
    yield "a damaged block", data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
    yield "a damaged index", data[:-200] + bytes([data[-200] ^ 1]) + data[-199:]
    yield "a cut at two thirds", data[:middle]


def _cpu(call: Callable[[], object]) -> float:
    before = time.process_time()
    call()
    return time.process_time() - before


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 256, 5), Scale((200_000,), 64, 3)))
