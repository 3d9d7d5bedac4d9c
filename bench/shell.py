"""How long does one object from the shell take? `python bench/shell.py --quick`

`objref get IMAGE file:ID`, from fork to exit, bytecode cached, against Python that does nothing, or loads zstd: out of
containers, and out of a stream through the index beside it.
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

import objref

LIMIT = 50
NOTHING = "python -c pass"
LIBRARY = "python -c 'import zstandard'"
TESTS = Path(__file__).resolve().parents[1] / "tests"
LAYOUT, FILES = "v23-rc2", 2000


def measure(run: Run) -> Iterator[Table]:
    """All numbers of objects in one table."""
    program = Path(sys.executable).with_name("objref")
    command = [str(program)] if os.path.exists(program) else [sys.executable, "-m", "objref"]
    several: dict[str, measuring.Measure] = {
        NOTHING: partial(_run, [sys.executable, "-c", "pass"]),
        LIBRARY: partial(_run, [sys.executable, "-c", "import zstandard"]),
    }
    for count in run.scale.objects:
        image = making.image(making.files_image(run.folder, count))
        get = [*command, "get", str(image), f"file:{count // 2}"]
        several[f"objref get, {count:,} objects"] = partial(_run, get)
    path, count, name = _beside(run.folder, max(run.scale.objects) // 10)
    several[f"the same, {count:,} objects, index beside"] = partial(_run, [*command, "get", str(path), name])
    found = measuring.rounds(several, run.scale.rounds)
    ours = {name: samples for name, samples in found.items() if name not in (NOTHING, LIBRARY)}
    targets = tuple(Target(name, samples.times(1e3), LIMIT, "ms") for name, samples in ours.items())
    yield Table("One object from the shell", "ms", 1e3, found, NOTHING, targets=targets)


def _beside(folder: Path, objects: int) -> tuple[Path, int, str]:
    """A stream of about so many objects with an index beside it, how many they are, and one in the midst."""
    sys.path.insert(0, str(TESTS))
    from linux_cr.making import stream

    path = folder / f"shell-{objects}.cr"
    if not path.exists():
        with open(path, "wb") as out:
            out.writelines(stream(max(1, objects // FILES * 2), pages=1, layout=LAYOUT, files=FILES))
        objref.index_file(path, replace=True)
    with objref.open(path) as image:
        keys = list(image["file"])
        return path, len(image), f"file:{keys[len(keys) // 2]}"


def _run(command: list[str]) -> float:
    return measuring.seconds(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=measuring.environment())
    )


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 10_000_000), 0, 25), Scale((10_000, 200_000))))
