"""Runs in a process with the shim preloaded: every command line, failing or killed at each call in turn, in children.

Prints one line of JSON for each (operation, fault): how many points there were, and what was wrong at which of them.
"""

from __future__ import annotations

import ctypes
import errno
import gc
import json
import os
import re
import shutil
import signal
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from faults.operations import OPERATIONS, Operation

from objref.cli import main

OPEN, READ, WRITE, SYNC, NAME, REMOVE, META, CLOSE = (1 << i for i in range(8))
ALL = 255
COUNT, KILL, FAIL, SHORT = 1, 2, 3, 4
LITTER = re.compile(r"\.(.+)\.[0-9a-f]{8}\.partial")
SHIM = ctypes.CDLL(None)


class Fault(NamedTuple):
    """What happens, to which calls; `lasting`: to all that follow, too."""

    how: int
    number: int
    families: int
    lasting: bool = False
    harmless: bool = False
    """Whether the command must end as if nothing had happened."""


FAULTS = {
    "kill": Fault(KILL, 0, ALL),
    "EIO": Fault(FAIL, errno.EIO, ALL),
    "ENOSPC": Fault(FAIL, errno.ENOSPC, OPEN | WRITE | SYNC | NAME),
    "disk full": Fault(FAIL, errno.ENOSPC, WRITE, lasting=True),
    "disk gone": Fault(FAIL, errno.EIO, READ | WRITE | SYNC, lasting=True),
    "EINTR": Fault(FAIL, errno.EINTR, OPEN | READ | WRITE | SYNC, harmless=True),
    "short": Fault(SHORT, 0, READ | WRITE, harmless=True),
}
NOT_HARMLESS = {("index", "short"), ("index-again", "short"), ("index", "EINTR"), ("index-again", "EINTR")}
"""LMDB takes a short write, and some interrupted calls, for an error: what must be so then is what must be after any."""


class End(NamedTuple):
    """How a child ended."""

    code: int
    """Exit code, -1 when it was killed."""
    fired: int
    family: int
    said: str


def run(operation: Operation, here: Path, fault: Fault, at: int, report: Path) -> End:
    """The command line in a child, the fault at the n-th call below `here`."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        _run_child(operation, here, fault, at, report, write)
    os.close(write)
    status = os.waitpid(child, 0)[1]
    told = os.read(read, 64).split()
    os.close(read)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL, f"died of {signal.Signals(os.WTERMSIG(status)).name}"
        return End(-1, at, 0, "")
    return End(os.WEXITSTATUS(status), int(told[0]), int(told[1]), report.read_text())


def _run_child(operation: Operation, here: Path, fault: Fault, at: int, report: Path, write: int) -> None:
    code = 99
    try:
        os.chdir(here)
        fd = os.open(report, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(fd, 1)
        os.dup2(fd, 2)
        SHIM.fault_arm(os.fsencode(str(here) + "/"), fault.how, ctypes.c_long(at), fault.number, fault.families, fault.lasting)
        code = main(list(operation.arguments))
        SHIM.fault_disarm()
        with suppress(OSError):
            sys.stdout.flush()
            sys.stderr.flush()
    finally:
        os.write(write, b"%d %d" % (SHIM.fault_fired(), SHIM.fault_family()))
        os._exit(code)


# -- what must be so afterwards ------------------------------------------------------------------------------------

State = dict[str, Any]


def state(here: Path) -> State:
    """All below a folder: name → content, or a folder's own state."""
    found: State = {}
    for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
        if entry.is_dir(follow_symlinks=False):
            found[entry.name] = state(Path(entry.path))
        elif entry.is_symlink():
            found[entry.name] = ("link", os.readlink(entry.path))
        else:
            found[entry.name] = Path(entry.path).read_bytes()
    return found


def wrong(operation: Operation, before: State, after: State, now: State, fault: Fault, end: End, name: str) -> Iterator[str]:
    """What is not as it must be."""
    litter = [found for found in now if LITTER.fullmatch(found)]
    rest = {k: v for k, v in now.items() if k not in litter}
    if {k: v for k, v in rest.items() if k not in operation.outputs} != {
        k: v for k, v in before.items() if k not in operation.outputs
    }:
        yield f"other files changed: {sorted(rest)}"
    for output in operation.outputs:
        if rest.get(output) not in (before.get(output), after.get(output)):
            yield f"{output}: neither the old nor the new"
    if len(litter) > len(operation.outputs) * (end.code == -1 or end.family == REMOVE):
        yield f"left behind: {litter}"
    if end.code != -1:
        yield from _wrong_end(operation, before, after, rest, fault, end, name)


def _wrong_end(operation: Operation, before: State, after: State, rest: State, fault: Fault, end: End, name: str) -> Iterator[str]:
    outputs = [(rest.get(o), before.get(o), after.get(o)) for o in operation.outputs]
    if "Traceback" in end.said:
        yield f"a traceback: {end.said[-300:]}"
    if end.code == 0:
        if any(found != new for found, _, new in outputs):
            yield "code 0, and not all is there"
        return
    if fault.harmless and (operation.name, name) not in NOT_HARMLESS:
        yield f"{name} must not matter: {end.said[-200:]}"
    if end.code != 7:
        yield f"code {end.code}, expected 7: {end.said[-200:]}"
    last = end.said.strip().splitlines()[-1:]
    if not last or not last[0].startswith("objref: "):
        yield f"no error in one line: {end.said[-200:]!r}"
    elif fault.number and os.strerror(fault.number) not in end.said:
        yield f"does not say why: {last[0]}"
    new = any(found == new != old for found, old, new in outputs)
    if new and "whole and in place" not in end.said and len(outputs) == 1:
        yield f"code {end.code}, and the new one is there without a word: {last}"
    if "nothing was left" in end.said and new and len(outputs) == 1:
        yield "`nothing was left` is not so"


class Campaign:
    """One command line, prepared once. Mutable: a folder that each point finds as it was."""

    def __init__(self, operation: Operation, root: Path) -> None:
        self.operation = operation
        self._source, self._here, self._said = root / "source", root / "here", root / "said"
        self._source.mkdir()
        operation.prepare(self._source)
        self._before = state(self._source)
        self._warm()
        end = self._run(Fault(COUNT, 0, ALL), 0)
        assert end.code == 0, (operation.name, end.said)
        self._after = state(self._here)

    def _run(self, fault: Fault, at: int) -> End:
        if self._here.exists():
            _clear(self._here)
        shutil.copytree(self._source, self._here, symlinks=True)
        return run(self.operation, self._here, fault, at, self._said)

    def _warm(self) -> None:
        """Once in this process, so that children find all modules loaded."""
        shutil.copytree(self._source, self._here, symlinks=True)
        back, out = os.getcwd(), os.dup(1)
        try:
            os.chdir(self._here)
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
            main(list(self.operation.arguments))
        finally:
            os.dup2(out, 1)
            os.close(out)
            os.chdir(back)

    def at_every(self, name: str, first: int, step: int) -> dict[str, Any]:
        """One fault at each point, until the operation completes."""
        fault, problems, points = FAULTS[name], [], 0
        for at in count(first, step):
            end = self._run(fault, at)
            if not end.fired:
                break
            points += 1
            found = wrong(self.operation, self._before, self._after, state(self._here), fault, end, name)
            problems += [f"at call {at} (family {end.family}): {text}" for text in found]
        return {"operation": self.operation.name, "fault": name, "points": points, "problems": problems}


def _clear(here: Path) -> None:
    for folder, _, _ in os.walk(here):
        os.chmod(folder, stat.S_IRWXU)
    shutil.rmtree(here)


def run_all() -> int:
    """Arguments: operations, faults (comma separated, or all), first point, step."""
    operations, faults, first, step = sys.argv[1:5]
    gc.collect()
    gc.freeze()
    bad = 0
    for operation in OPERATIONS if operations == "all" else operations.split(","):
        with tempfile.TemporaryDirectory(prefix="faults-") as root:
            campaign = Campaign(OPERATIONS[operation], Path(root))
            for name in FAULTS if faults == "all" else faults.split(","):
                done = campaign.at_every(name, int(first), int(step))
                print(json.dumps(done), flush=True)
                bad += bool(done["problems"])
    return int(bool(bad))


if __name__ == "__main__":
    sys.exit(run_all())
