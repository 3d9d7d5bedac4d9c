"""Seeded faults on real images, a few of the thousands of `campaign.py`: found, never wrong bytes, all untouched objects
back."""

from __future__ import annotations

from pathlib import Path

import pytest
from recover.faults import KINDS, Sound, fault, image_of, known, outcome

IMAGES = Path(__file__).resolve().parents[1] / "images"
NAMES = ("tree.tar.zst", "predump.tar.zst", "scene.cr")
FAULTS = 16


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
