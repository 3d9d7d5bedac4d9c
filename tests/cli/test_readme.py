"""The README shows what happens: its commands are run, and what it prints below them is what they print."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
if not README.exists():
    pytest.skip("the README is not part of what is installed", allow_module_level=True)

SHOWN = re.compile(r"```sh\n([^`]*)```\n\n```\n([^`]*)```\n")
SETUP = re.compile(r"^python3 -m venv .*? sh -ec '\n(.*)'\n$", re.S)
PACKED = re.compile(r" in [\d.]+ KB, \d+%|; [\d.]+ KB beside|, \d+ blocks")
"""What differs with the version of a library."""


def blocks() -> list[tuple[str, str]]:
    """(commands, what they print), without setting up."""
    return [(SETUP.sub(r"\1\n", commands), printed) for commands, printed in SHOWN.findall(README.read_text())]


@pytest.mark.parametrize(("commands", "printed"), blocks(), ids=lambda text: str(text).partition("\n")[0][:40])
def test_what_the_readme_shows(tmp_path: Path, commands: str, printed: str) -> None:
    (tmp_path / "tests").symlink_to(ROOT / "tests")
    (tmp_path / "objref").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m objref "$@"\n')
    (tmp_path / "objref").chmod(0o755)
    path = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-ec", commands], capture_output=True, text=True, cwd=tmp_path, env=path, check=False)
    assert done.returncode == 0, done.stderr
    assert PACKED.sub("", done.stdout) == PACKED.sub("", printed)


def test_there_is_something_to_run() -> None:
    assert len(blocks()) == 2
