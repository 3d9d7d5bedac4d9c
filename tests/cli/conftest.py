"""One imported image for all command line tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import objref
from objref.cli import main

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


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run a command line in this process: (exit code, standard output, standard error)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = capfd.readouterr()
        return code, out, err

    return call
