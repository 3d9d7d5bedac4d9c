"""One target in a child of its own: memory bounded by RLIMIT_AS, each input by CPU time, and a death is a finding, too.

The input that runs is written down before it runs, so that what kills the process is known.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import signal
import time
import traceback
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from random import Random
from types import FrameType
from typing import NamedTuple, NoReturn
from unittest import mock

import zstandard
from fuzz.targets import TARGETS, Target

__all__ = ["MEMORY", "SECONDS", "Finding", "Tally", "keep", "minimised", "replay", "run", "signature", "within"]

MEMORY = 384 << 20
"""Bytes of address space that an input may cost: the limits of `fuzz.asking.LIMITS`, a window of zstd, and threads."""
SECONDS = 10
"""CPU seconds that an input may cost."""
SILENCE = 120
"""Seconds without a sign of life (a long call in C sees no alarm): the child is killed."""
TRIES = 400


class TooLongError(BaseException):
    """An input took more than SECONDS; no `except Exception` catches it."""


class Finding(NamedTuple):
    """An input that breaks the invariant."""

    target: str
    signature: str
    data: bytes
    text: str


class Tally(NamedTuple):
    """What a run did."""

    runs: int
    seconds: float
    findings: list[Finding]


def run(
    target: Target, *, seed: int = 0, seconds: float = 0, runs: int = 0, folder: Path, guided: bool = False
) -> Tally:
    """Run a target for so many seconds or inputs in children, until one has done its work."""
    findings: dict[str, Finding] = {}
    done, began = 0, time.monotonic()
    for part in count():
        left = seconds - (time.monotonic() - began) if seconds else 0
        if (seconds and left <= 0) or (runs and done >= runs):
            break
        said = _child(target, (seed << 16) + part, left, runs - done if runs else 0, folder, guided)
        done += said.runs
        findings |= {finding.signature: finding for finding in said.findings}
        if not said.died and not seconds:
            break
    return Tally(done, time.monotonic() - began, list(findings.values()))


class _Said(NamedTuple):
    runs: int
    findings: list[Finding]
    died: bool


def _child(target: Target, seed: int, seconds: float, runs: int, folder: Path, guided: bool) -> _Said:
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("now", "runs", "findings"):
        (folder / name).unlink(missing_ok=True)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            work = _guided if guided else _loop
            work(target, seed, seconds, runs, folder)
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    status = _watched(child, folder)
    done = int(_text(folder / "runs") or 0)
    findings = [_read(line) for line in _text(folder / "findings").splitlines()]
    if os.WIFSIGNALED(status):
        data = (folder / "now").read_bytes()
        name = signal.Signals(os.WTERMSIG(status)).name
        findings.append(Finding(target.name, f"killed by {name}", data, f"the process was killed by {name}"))
    elif status:
        raise RuntimeError(f"the harness of {target.name} failed; see the traceback above")
    return _Said(done, findings, os.WIFSIGNALED(status))


def _watched(child: int, folder: Path) -> int:
    """The wait status of a child, which is killed when it gives no sign of life."""
    seen, since = "", time.monotonic()
    while True:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            return status
        time.sleep(0.02)
        if (now := _text(folder / "runs")) != seen:
            seen, since = now, time.monotonic()
        elif time.monotonic() - since > SILENCE:
            os.kill(child, signal.SIGKILL)
            return os.waitpid(child, 0)[1]


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _read(line: str) -> Finding:
    target, name, data, text = json.loads(line)
    return Finding(target, name, bytes.fromhex(data), text)


# -- in the child -------------------------------------------------------------------------------------------------


def _loop(target: Target, seed: int, seconds: float, runs: int, folder: Path) -> None:
    try_one, seeds = _trier(target, folder), target.seeds()
    dice, ends = Random(seed), time.monotonic() + seconds
    for n in range(runs) if runs else count():
        if seconds and time.monotonic() > ends:
            return
        try_one(target.mutate(dice, dice.choice(seeds)) if n else seeds[0])


def _guided(target: Target, seed: int, seconds: float, runs: int, folder: Path) -> None:
    from fuzz.guided import fuzz

    fuzz(target, _trier(target, folder), seed, seconds, runs, folder)


def _trier(target: Target, folder: Path) -> Callable[[bytes], None]:
    """What tries an input, keeps the first of each kind of finding, minimised, and never raises."""
    seeds = target.seeds()
    for data in seeds[:2]:  # imports, tables, caches: what is there before the limit is set
        target.check(data)
    _limit_memory()
    numbers, known = count(1), set[str]()
    now = os.open(folder / "now", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)
    runs = os.open(folder / "runs", os.O_RDWR | os.O_CREAT | os.O_TRUNC, 0o600)

    def try_one(data: bytes) -> None:
        os.ftruncate(now, 0)
        os.pwrite(now, data, 0)
        os.pwrite(runs, str(next(numbers)).encode(), 0)
        problem = within(target, data)
        if problem is None or (name := signature(problem)) in known:
            return
        known.add(name)
        text = "".join(traceback.format_exception(problem))
        least = minimised(target, data, name, seeds)
        with open(folder / "findings", "a") as out:
            print(json.dumps((target.name, name, least.hex(), text)), file=out, flush=True)

    return try_one


def _limit_memory() -> None:
    with open("/proc/self/statm") as statm:
        now = int(statm.read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY, now + MEMORY))


def within(target: Target, data: bytes) -> BaseException | None:
    """What breaks the invariant of a target, if something does."""
    previous = signal.signal(signal.SIGPROF, _too_long)
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    try:
        target.check(data)
    except (Exception, TooLongError) as error:
        return error
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, previous)
    return None


def _too_long(number: int, frame: FrameType | None) -> NoReturn:
    raise TooLongError(f"more than {SECONDS} s of CPU time")


def signature(problem: BaseException) -> str:
    """The error and where it was raised: by this, findings are told apart."""
    frames = traceback.extract_tb(problem.__traceback__)
    ours = [f for f in frames if "/objref" in f.filename] or frames
    place = ours[-1]
    kind = type(problem).__name__
    if isinstance(problem, TooLongError):  # wherever it happened to be
        return kind
    # A broken invariant is told apart by what was expected, an error that nobody foresaw by where it comes from.
    text = str(problem)[:60] if isinstance(problem, AssertionError) else ""
    return f"{kind} {Path(place.filename).name}:{place.name}:{place.lineno} {text}".strip()


def minimised(target: Target, data: bytes, name: str, seeds: list[bytes]) -> bytes:
    """A smaller input with the same signature, or one that differs less from a seed: within TRIES attempts."""
    left = iter(range(TRIES))

    def same(candidate: bytes) -> bool:
        problem = within(target, candidate)
        return problem is not None and signature(problem) == name

    near = [seed for seed in seeds if len(seed) == len(data)]
    if near:
        return _like(data, min(near, key=lambda seed: _distance(seed, data)), same, left)
    return _shorter(data, same, left)


def _distance(one: bytes, other: bytes) -> int:
    return sum(a != b for a, b in zip(one, other, strict=True))


def _like(data: bytes, seed: bytes, same: Callable[[bytes], bool], left: Iterator[int]) -> bytes:
    """Take back changed bytes, runs of them first."""
    size = len(data)
    while size >= 1:
        for at in range(0, len(data), size):
            if data[at : at + size] == seed[at : at + size]:
                continue
            if next(left, None) is None:
                return data
            candidate = data[:at] + seed[at : at + size] + data[at + size :]
            data = candidate if same(candidate) else data
        size //= 4
    return data


def _shorter(data: bytes, same: Callable[[bytes], bool], left: Iterator[int]) -> bytes:
    """Leave out parts, large ones first."""
    size = len(data) // 2
    while size >= 1:
        at = 0
        while at < len(data):
            if next(left, None) is None:
                return data
            candidate = data[:at] + data[at + size :]
            if same(candidate):
                data = candidate
            else:
                at += size
        size //= 2
    return data


def keep(finding: Finding, folder: Path) -> Path:
    """Write an input to `folder`, as TARGET-DIGEST.zst, with what it broke beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{finding.target}-{hashlib.sha256(finding.data).hexdigest()[:12]}.zst"
    path.write_bytes(zstandard.compress(finding.data, 19))
    path.with_suffix(".txt").write_text(f"{finding.signature}\n\n{finding.text}")
    return path


def replay(path: Path) -> BaseException | None:
    """What a kept input breaks today. All objects are asked."""
    with mock.patch("fuzz.asking.MANY", 1 << 16):
        return _replayed(path)


def _replayed(path: Path) -> BaseException | None:
    return within(TARGETS[path.name.rpartition("-")[0]], zstandard.decompress(path.read_bytes()))
