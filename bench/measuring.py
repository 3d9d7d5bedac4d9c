"""How it is measured: interleaved rounds, medians, one core, and a report that says on what.

Peers take turns (a, b, c, a, b, c, …), so whatever else the machine does meets them all alike; ratios are
medians of the ratios of each round.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

__all__ = ["Samples", "environment", "machine", "pin", "ratio", "rounds", "seconds", "table", "write_json"]


class Samples(NamedTuple):
    """Measured values of one candidate, round by round. `unit` as the bench says."""

    values: list[float]

    @property
    def median(self) -> float:
        """The middle."""
        return statistics.median(self.values)

    @property
    def best(self) -> float:
        """The smallest: what the machine can do when nobody disturbs."""
        return min(self.values)

    @property
    def spread(self) -> float:
        """(largest - smallest) / median."""
        return (max(self.values) - min(self.values)) / self.median if self.median else 0.0

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        ends = {"min": self.best, "max": max(self.values)}
        return {"median": self.median, **ends, "spread": self.spread, "rounds": len(self.values)}


def pin(core: int = 0) -> bool:
    """Stay on one core. False where that cannot be had."""
    try:
        os.sched_setaffinity(0, {sorted(os.sched_getaffinity(0))[core]})
    except (AttributeError, OSError, IndexError):
        return False
    return True


def rounds(candidates: dict[str, Callable[[], float]], n: int) -> dict[str, Samples]:
    """n rounds of all candidates, each in turn; a first round is thrown away."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for number in range(n + 1):
        for name, measure in candidates.items():
            value = measure()
            if number:
                found[name].append(value)
    return {name: Samples(values) for name, values in found.items()}


def ratio(a: Samples, b: Samples) -> float:
    """Median over the rounds of a / b."""
    return statistics.median(x / y for x, y in zip(a.values, b.values, strict=True))


def environment() -> dict[str, str]:
    """For child processes: as a user has it, with bytecode kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def machine() -> dict[str, Any]:
    """What it was measured on, and with what."""
    from objref._version import library_versions, version

    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "build": " ".join(platform.python_build()),
        "objref": version(),
        "libraries": library_versions(),
        "load": os.getloadavg()[0],
        "date": time.strftime("%Y-%m-%d"),
    }


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()


def table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A Markdown table on standard output, so that it can be pasted as it is."""
    rows = [list(row) for row in rows]
    widths = [max(len(row[i]) for row in [list(head), *rows]) for i in range(len(head))]
    print(f"\n{title}\n")
    for row in (head, ["-" * width for width in widths], *rows):
        print("| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |")
    sys.stdout.flush()


def write_json(path: str, results: dict[str, Any]) -> None:
    """The results with the machine, for later comparison."""
    with open(path, "w") as out:
        json.dump({"machine": machine(), "command": sys.argv, **results}, out, indent=1)
        out.write("\n")
