"""How much memory does an import take? `python bench/memory.py --quick`

The peak of a process that imports, its libraries included (VmHWM). References take most: a socket has three of them
here, two of which name objects that are not in the image, which is the dearest kind.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from importing import Contest
from reporting import Run, Scale, Table, Target

LIMIT = 256
MIB = 1 << 20


def measure(run: Run) -> Iterator[Table]:
    """One table."""
    contest, sources = Contest(run.folder), {"nothing": making.files_image(run.folder, 0)}
    for count in run.scale.objects:
        sources[f"{count:,} files, no references"] = making.files_image(run.folder, count)
        sources[f"{count:,} sockets, three references each"] = making.files_image(
            run.folder, count, making.socket_messages
        )
    sources[f"{run.scale.megabytes:,} MiB of memory"] = making.memory_image(run.folder, run.scale.megabytes)
    found = measuring.rounds({name: partial(_peak, contest, *item) for name, item in _named(sources)}, run.scale.rounds)
    columns = {
        "objects": {name: f"{i.objects:,}" for name, i in contest.last.items()},
        "references": {name: f"{i.references:,}" for name, i in contest.last.items()},
        "k objects/s": {name: f"{i.objects / i.seconds / 1e3:,.0f}" for name, i in contest.last.items()},
    }
    targets = tuple(Target(f"memory of an import: {name}", s.times(1 / MIB), LIMIT, "MiB") for name, s in found.items())
    yield Table("Peak memory of an import", "MiB", 1 / MIB, found, "", columns, targets[1:])


def _named(sources: dict[str, Path]) -> Iterator[tuple[str, tuple[str, Path]]]:
    return ((name, (name, source)) for name, source in sources.items())


def _peak(contest: Contest, name: str, source: Path) -> float:
    contest.load(name, source)
    return contest.last[name].peak


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 1024, 2), Scale((200_000,), 192, 1)))
