"""How long does one object from the shell take? `python bench/shell.py --quick`

`objref get IMAGE file:ID`, from fork to exit, bytecode cached, against Python that does nothing.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from reporting import Run, Scale, Table, Target

LIMIT = 50
NOTHING = "python -c pass"


def measure(run: Run) -> Iterator[Table]:
    """All numbers of objects in one table."""
    program = Path(sys.executable).with_name("objref")
    command = [str(program)] if os.path.exists(program) else [sys.executable, "-m", "objref"]
    several: dict[str, measuring.Measure] = {NOTHING: partial(_run, [sys.executable, "-c", "pass"])}
    for count in run.scale.objects:
        image = making.image(making.files_image(run.folder, count))
        get = [*command, "get", str(image), f"file:{count // 2}"]
        several[f"objref get, {count:,} objects"] = partial(_run, get)
    found = measuring.rounds(several, run.scale.rounds)
    targets = tuple(Target(name, s.times(1e3), LIMIT, "ms") for name, s in found.items() if name != NOTHING)
    yield Table("One object from the shell", "ms", 1e3, found, NOTHING, targets=targets)


def _run(command: list[str]) -> float:
    return measuring.seconds(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=measuring.environment())
    )


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 10_000_000), 0, 25), Scale((10_000, 200_000))))
