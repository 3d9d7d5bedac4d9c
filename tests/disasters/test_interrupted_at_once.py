"""Ctrl-C may come at the very moment that the file is made: it is not left behind then, either."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from objref.container.output import Output


@pytest.mark.parametrize("after", ["open", "fchmod", "returned"])
def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: str) -> None:
    """Python runs handlers of signals when a call returns: before its result is stored anywhere."""

    def interrupted(name: str) -> None:
        true = getattr(os, name)

        def call(*arguments: object) -> None:
            true(*arguments)
            raise KeyboardInterrupt

        monkeypatch.setattr(os, name, call)

    def make() -> None:
        Output(tmp_path / "x")
        raise KeyboardInterrupt

    if after != "returned":
        interrupted(after)
    with pytest.raises(KeyboardInterrupt):
        make()
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_what_was_committed_stays_and_a_child_removes_nothing(tmp_path: Path) -> None:
    output = Output(tmp_path / "x")
    child = os.fork()
    if child == 0:
        del output
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert len(os.listdir(tmp_path)) == 1
    with output:
        output.write(b"whole")
        output.commit()
    del output
    assert (tmp_path / "x").read_bytes() == b"whole"
    assert os.listdir(tmp_path) == ["x"]


def test_what_could_not_be_made_is_not_removed(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="cannot be created"):
        Output(tmp_path / "none" / "x")
