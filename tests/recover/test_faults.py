"""Seeded faults on real images, a few of the thousands of `campaign.py`: found, never wrong bytes, all untouched objects
back."""

from __future__ import annotations

from pathlib import Path

import pytest
from recover.faults import KINDS, Fault, Sound, fault, image_of, known, outcome

IMAGES = Path(__file__).resolve().parents[1] / "images"
NAMES = ("tree.tar.zst", "predump.tar.zst", "scene.cr")
FAULTS = 16
AT_ONCE = 4


@pytest.fixture(scope="module", params=NAMES)
def sample(request: pytest.FixtureRequest) -> tuple[bytes, Sound]:
    """An image, and what is to be known of it."""
    data = image_of(IMAGES / request.param)
    return data, known(data)


@pytest.mark.parametrize("kind", range(len(KINDS)), ids=KINDS)
def test_the_three_things_that_must_hold(sample: tuple[bytes, Sound], kind: int, tmp_path: Path) -> None:
    data, sound = sample
    for seed in range(kind, FAULTS, len(KINDS)):
        found = outcome(sound, fault(data, seed), tmp_path)
        assert not found.wrong, f"seed {seed}"
        assert not found.missed, f"seed {seed}"
        assert not found.missing, f"seed {seed}"


@pytest.mark.parametrize("seed", range(8))
def test_several_faults_at_once(sample: tuple[bytes, Sound], seed: int, tmp_path: Path) -> None:
    """What comes back is nobody's promise, but it is sound, and of wrong bytes there are none."""
    data, sound = sample
    for n in range(AT_ONCE):
        data = fault(data, seed * AT_ONCE + n + seed % 3).data
    found = outcome(sound, Fault("several", data, [(0, len(sample[0]))]), tmp_path)
    assert not found.wrong
    assert not found.missed
