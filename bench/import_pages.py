"""How fast is memory imported? `python bench/import_pages.py --quick`

Pages of a real process, told apart by a few pointers, with zero pages and repeats, against zstd -1 -T2 on the same
bytes: from a directory, and "piped": what tar makes of it, through a pipe. Both cores in use; every import in a
process of its own, with checksums, digest and sync, which zstd does not have.
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

AT_LEAST = 0.6
PAIRS = (("objref import", "zstd -1 -T2"), ("objref import, piped", "zstd -1 -T2, piped"))


def measure(run: Run) -> Iterator[Table]:
    """One table."""
    source, contest = making.memory_image(run.folder, run.scale.megabytes), Contest(run.folder)
    left_out = missing("zstd", "tar")
    found = measuring.rounds(_candidates(source, contest, left_out), run.scale.rounds)
    size = run.scale.megabytes << 20
    columns = {"MB/s": {name: f"{size / 1e6 / s.median:,.0f}" for name, s in found.items()}, **contest.columns()}
    targets = tuple(
        Target(f"{ours}, speed against {theirs}", measuring.ratios(found[theirs], found[ours]), AT_LEAST, "x", True)
        for ours, theirs in PAIRS
        if ours in found and theirs in found
    )
    title = f"Import of {run.scale.megabytes:,} MiB of memory"
    yield Table(title, "s", 1, found, "zstd -1 -T2", columns, targets, left_out)


def _candidates(source: Path, contest: Contest, left_out: tuple[str, ...]) -> dict[str, measuring.Measure]:
    loads = {
        "objref import": {},
        "objref import, raw": {"codec": "raw"},
        "objref import, piped": {"piped": True},
    }
    several = {name: partial(contest.load, name, source, **how) for name, how in loads.items()}
    file = str(source / "pages-1.img")
    several["zstd -1 -T2"] = partial(contest.run, "zstd -1 -T2", [*ZSTD, file])
    several["zstd -1 -T2, piped"] = partial(contest.run, "zstd -1 -T2, piped", ZSTD, source)
    needs = {"zstd": "zstd", "tar": "piped"}
    return {name: measure for name, measure in several.items() if not any(needs[peer] in name for peer in left_out)}


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((), 1024, 5), Scale((), 192, 3)))
