"""Imports and their peers as a user runs them: each in a process of its own, with its time and its peak memory."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from statistics import median
from typing import Any, BinaryIO, NamedTuple

import measuring

__all__ = ["ZSTD", "Contest", "Import", "missing"]

CHILD = """
import json, sys, time
import objref
source, target, options = json.loads(sys.argv[1])
source, options = sys.stdin.buffer if source == "-" else source, objref.Options(**options)
start = time.perf_counter()
report = objref.import_image(source, target, options=options, replace=True)
done = time.perf_counter() - start
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([done, int(peak) * 1024, report.objects, report.references, report.stream_length, report.file_length]))
"""
# VmHWM: ru_maxrss of a child begins with what its parent had.

ZSTD = ("zstd", "-1", "-T2", "-q", "-c")


class Import(NamedTuple):
    """What one import took: seconds, bytes of memory at its peak; and what it made, in bytes."""

    seconds: float
    peak: int
    objects: int
    references: int
    stream: int
    file: int


class Contest:
    """Imports into one folder and what they are measured against. Mutable: keeps what each candidate took and made."""

    def __init__(self, folder: Path) -> None:
        self.target = folder / "import.objref"
        self.last: dict[str, Import] = {}
        self.cpu: dict[str, list[float]] = {}

    def load(self, name: str, source: Path, piped: bool = False, **options: Any) -> float:
        """Seconds to import a directory, or what tar makes of it."""
        with self._counted(name), _tar(source) if piped else nullcontext() as tar:
            arguments = json.dumps(["-" if tar else str(source), str(self.target), options])
            command, stdin = [sys.executable, "-c", CHILD, arguments], tar.stdout if tar else None
            done = subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE, env=measuring.environment())
        self.last[name] = Import(*json.loads(done.stdout))
        return self.last[name].seconds

    def load_made(self, name: str, write: Callable[[BinaryIO], None], **options: Any) -> float:
        """Seconds to import the tar that is written to a pipe meanwhile."""
        command = [sys.executable, "-c", CHILD, json.dumps(["-", str(self.target), options])]
        with (
            self._counted(name),
            subprocess.Popen(command, stdin=-1, stdout=-1, env=measuring.environment()) as child,
        ):
            assert child.stdin is not None
            assert child.stdout is not None
            with child.stdin as pipe:
                write(pipe)
            printed = child.stdout.read()
        self.last[name] = Import(*json.loads(printed))
        return self.last[name].seconds

    def run(self, name: str, command: Sequence[str], source: Path | None = None) -> float:
        """Seconds of a command by itself, or on what tar makes of a directory."""
        with self._counted(name), _tar(source) if source else nullcontext() as tar:
            stdin = tar.stdout if tar else None
            return measuring.seconds(
                lambda: subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.DEVNULL)
            )

    @contextmanager
    def _counted(self, name: str) -> Iterator[None]:
        """What the processes that ended meanwhile took of all cores."""
        before = os.times()
        yield
        after = os.times()
        used = after.children_user + after.children_system - before.children_user - before.children_system
        self.cpu.setdefault(name, []).append(used)

    def columns(self) -> dict[str, dict[str, str]]:
        """Columns for a table: time of all cores, how large the file is, and the peak of memory."""
        return {
            "CPU s": {name: f"{median(values):.2f}" for name, values in self.cpu.items()},
            "file / stream": {name: f"{i.file / i.stream:.3f}" for name, i in self.last.items()},
            "peak MiB": {name: f"{i.peak / (1 << 20):.0f}" for name, i in self.last.items()},
        }


def _tar(source: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["tar", "-C", str(source), "-cf", "-", "."], stdout=subprocess.PIPE)


def missing(*programs: str) -> tuple[str, ...]:
    """Those of the programs that are not installed."""
    return tuple(name for name in programs if shutil.which(name) is None)
