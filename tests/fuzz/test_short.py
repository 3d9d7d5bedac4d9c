"""A short campaign with fixed dice, what earlier ones found, and whether a campaign finds what there is to find."""

from __future__ import annotations

import ctypes
import faulthandler
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from fuzz.campaign import keep, replay, run
from fuzz.run import FOUND
from fuzz.targets import TARGETS, Target

RUNS = {
    "container": 8, "records": 8, "sidecar": 30, "native": 20, "criu": 12, "linux-cr": 10, "openvz": 10, "dobriyan": 20,
    "extract": 20, "convert": 100, "tar": 80, "compressed": 200,
}  # fmt: skip
"""About a second each."""
KEPT = sorted(FOUND.glob("*.zst"))


@pytest.mark.parametrize("name", TARGETS)
def test_a_short_campaign_finds_nothing(name: str, tmp_path: Path) -> None:
    done = run(TARGETS[name], seed=20261124, runs=RUNS[name], folder=tmp_path)
    assert done.runs == RUNS[name]
    for finding in done.findings:
        print(finding.text)
        pytest.fail(f"{keep(finding, tmp_path)}: {finding.signature}")


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.name)
def test_what_was_found_stays_fixed(path: Path) -> None:
    problem = replay(path)
    if problem is not None:
        raise problem


def test_every_target_says_what_must_hold() -> None:
    for target in TARGETS.values():
        assert target.invariant.endswith("."), target.name
        assert not target.invariant.rstrip(".").count(". "), f"{target.name}: in one sentence"


# -- is it found? -------------------------------------------------------------------------------------------------


def add_one(dice: Random, data: bytes) -> bytes:
    return data[:-1] + bytes([dice.randrange(256)])


def raises(data: bytes) -> None:
    if data[-1] > 200:
        raise IndexError("a bug")


def runs_on(data: bytes) -> None:
    while data[-1] > 200:
        pass


def takes_memory(data: bytes) -> None:
    bytearray(1 << 31 if data[-1] > 200 else 1)


def dies(data: bytes) -> None:
    if data[-1] > 200:
        faulthandler.disable()
        ctypes.string_at(8)


BUGS = {
    "IndexError": raises,
    "TooLongError": runs_on,
    "MemoryError": takes_memory,
    "killed by SIGSEGV": dies,
}


@pytest.mark.parametrize("what", BUGS)
def test_a_bug_is_found_and_its_input_is_made_small(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fuzz.campaign.SECONDS", 0.05)
    check: Callable[[bytes], None] = BUGS[what]
    target = Target("buggy", lambda: [b"some bytes before" + b"\0"], add_one, check)
    done = run(target, seed=1, runs=40, folder=tmp_path)
    assert {finding.signature.partition(" test_short")[0] for finding in done.findings} == {what}
    least = done.findings[0].data
    assert least[-1] > 200
    assert least[:-1] == b"some bytes before"
    assert done.runs == 40
