"""How it is measured: interleaved rounds, medians, and a report that says on what.

Peers take turns (a, b, c, a, b, c, …), so whatever else the machine does meets them all alike; ratios are
medians of the ratios of each round.
"""

from __future__ import annotations

import os
import platform
import statistics
import sysconfig
import time
from collections.abc import Callable, Sequence
from types import FunctionType
from typing import Any, NamedTuple

__all__ = ["Measure", "Samples", "each", "environment", "machine", "own", "ratios", "rounds", "seconds"]

Measure = Callable[[], float]
PACKAGES = ("lmdb", "numpy", "protobuf", "xxhash")


class Samples(NamedTuple):
    """Measured values of one candidate, round by round, in the unit that the table says."""

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

    def times(self, factor: float) -> Samples:
        """In another unit."""
        return Samples([value * factor for value in self.values])

    def over(self, value: float) -> Samples:
        """value / sample: rates from times."""
        return Samples([value / x for x in self.values])

    def summary(self) -> dict[str, Any]:
        """For JSON."""
        return {"median": self.median, "spread": self.spread, "values": self.values}


def rounds(candidates: dict[str, Measure], n: int) -> dict[str, Samples]:
    """n rounds of all candidates, each in turn; before them one that is thrown away, unless n is 1."""
    found: dict[str, list[float]] = {name: [] for name in candidates}
    for _ in range(n + (n > 1)):
        for name, measure in candidates.items():
            found[name].append(measure())
    return {name: Samples(values[-n:]) for name, values in found.items()}


def ratios(a: Samples, b: Samples) -> Samples:
    """a / b, round by round."""
    return Samples([x / y for x, y in zip(a.values, b.values, strict=True)])


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def each(get: Callable[[Any], Any], keys: Sequence[Any]) -> float:
    """Seconds of this thread for each get(key): time that others had the core does not count."""
    start = time.thread_time_ns()
    for key in keys:
        get(key)
    return (time.thread_time_ns() - start) / len(keys) / 1e9


def own(loop: FunctionType) -> FunctionType:
    """A copy with code of its own: the interpreter adapts code to the types it meets, and peers must not share that."""
    return FunctionType(loop.__code__.replace(), loop.__globals__)


def environment() -> dict[str, str]:
    """For child processes: as a user has it, with bytecode kept."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def machine() -> dict[str, Any]:
    """What it was measured on, and with what."""
    from importlib.metadata import version as installed

    from objref._version import library_versions, version

    return {
        "cpu": _cpu(),
        "cores": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version() + ("" if _optimized() else ", built without optimizations"),
        "objref": version(),
        "libraries": library_versions() | {name: installed(name) for name in PACKAGES},
        "load": round(os.getloadavg()[0], 2),
        "date": time.strftime("%Y-%m-%d"),
    }


def _optimized() -> bool:
    """Whether Python was built with profiles of itself: a third faster in what is written in Python."""
    return "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def _cpu() -> str:
    try:
        with open("/proc/cpuinfo") as lines:
            return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor()
