"""Faults at every call: `python tests/faults/run.py`. Compiles the shim, and runs `inside.py` with it preloaded.

Exit codes: 0 nothing found, 1 something was.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
MEMORY = "/dev/shm"
"""Where a sync costs nothing."""


def build(folder: Path) -> Path:
    """The shim as a shared object in a folder."""
    made = folder / "shim.so"
    command = ["cc", "-shared", "-fPIC", "-O1", "-o", str(made), str(HERE / "shim.c"), "-ldl"]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return made


def faults(shim: Path, operations: str = "all", names: str = "all", first: int = 1, step: int = 1) -> Iterator[dict[str, Any]]:
    """What was found, for each operation and fault, at the points first, first + step, …"""
    command = [sys.executable, str(HERE / "inside.py"), operations, names, str(first), str(step)]
    environment = os.environ | {"LD_PRELOAD": str(shim)}
    if os.access(MEMORY, os.W_OK):
        environment["TMPDIR"] = MEMORY
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None  # for mypy: as asked
        for line in process.stdout:
            yield json.loads(line)
    if process.returncode not in (0, 1):
        raise RuntimeError(f"{' '.join(command)}: ended with {process.returncode}")


def main() -> int:
    """Print a line for each operation and fault, and what was wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--operations", default="all", help="comma separated (default: all)")
    parser.add_argument("--faults", default="all", help="comma separated: kill, EIO, ENOSPC, disk full, disk gone, EINTR, short")
    parser.add_argument("--first", type=int, default=1, help="the first call that fails")
    parser.add_argument("--step", type=int, default=1, help="every so many calls")
    args = parser.parse_args()
    points = wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        for done in faults(build(Path(folder)), args.operations, args.faults, args.first, args.step):
            print(f"{done['operation']:<18} {done['fault']:<10} {done['points']:>5} points  {len(done['problems'])} problems", flush=True)
            for problem in done["problems"]:
                print(f"  {problem}", flush=True)
            points, wrong = points + done["points"], wrong + len(done["problems"])
    print(f"{points} points, {wrong} problems")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
