"""One imported image for all command line tests."""

from __future__ import annotations

from pathlib import Path

import pytest

import objref

SAMPLE = Path(__file__).resolve().parents[1] / "images" / "tree.tar.zst"


@pytest.fixture(scope="session")
def sample() -> Path:
    """A real dump as an archive."""
    return SAMPLE


@pytest.fixture(scope="session")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, imported."""
    path = tmp_path_factory.mktemp("cli") / "tree.objref"
    objref.import_image(SAMPLE, path)
    return path
