"""How much memory does an import take? `python bench/memory.py --quick`

The peak of a process that imports, its libraries included (VmHWM). References take most: a socket has three of them
here, two of which name objects that are not in the image, which is the dearest kind. Objects are made in a directory
(0.7 GB for `--objects 10M`), pages as they are piped (`--gigabytes 10` needs room for the image only).
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from functools import partial

import making
import measuring
import reporting
from importing import Contest, Import
from reporting import Run, Scale, Table, Target

LIMITS = ((256, 1_000_010, 2 << 30), (300, 1_000_010, 1 << 62), (512, 1 << 62, 1 << 62))
"""MiB of memory, up to how many objects, and up to how many bytes of stream."""
MIB = 1 << 20


def measure(run: Run) -> Iterator[Table]:
    """One table."""
    contest, sources = Contest(run.folder), {"nothing": making.files_image(run.folder, 0)}
    for count in run.scale.objects:
        sources[f"{count:,} files, no references"] = making.files_image(run.folder, count)
        sources[f"{count:,} sockets, three references each"] = making.files_image(
            run.folder, count, making.socket_messages
        )
    peaks = {name: partial(_peak, contest, name, partial(contest.load, name, path)) for name, path in sources.items()}
    pages = f"{run.scale.megabytes:,} MiB of memory, piped"
    write = partial(making.write_memory_tar, run.scale.megabytes)
    peaks[pages] = partial(_peak, contest, pages, partial(contest.load_made, pages, write))
    found = measuring.rounds(peaks, run.scale.rounds)
    columns = {
        "objects": {name: f"{i.objects:,}" for name, i in contest.last.items()},
        "references": {name: f"{i.references:,}" for name, i in contest.last.items()},
        "k objects/s": {name: f"{i.objects / i.seconds / 1e3:,.0f}" for name, i in contest.last.items()},
    }
    targets = tuple(
        Target(f"memory of an import: {name}", s.times(1 / MIB), _limit(contest.last[name]), "MiB")
        for name, s in found.items()
    )
    yield Table("Peak memory of an import", "MiB", 1 / MIB, found, "", columns, targets[1:])


def _limit(done: Import) -> float:
    return next(limit for limit, objects, stream in LIMITS if done.objects <= objects and done.stream <= stream)


def _peak(contest: Contest, name: str, load: Callable[[], float]) -> float:
    load()
    return contest.last[name].peak


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 1024, 2), Scale((200_000,), 192, 1)))
