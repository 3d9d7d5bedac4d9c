"""An image that a newer objref made of a format that this one does not know: all but meaning is still there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import small_events, small_image
from sidecar.making import stream_of

import objref

Run = Callable[..., tuple[int, str, str]]
STREAM = stream_of(list(small_events()))


@pytest.fixture
def unknown(tmp_path: Path) -> Path:
    path = tmp_path / "new.objref"
    path.write_bytes(small_image())
    return path


@pytest.mark.parametrize(
    ("line", "shown"),
    [
        ("info {}", "dialect small"),
        ("ls {}", "item"),
        ("ls {} item", "item:11"),
        ("ls {} item --json", "item:11"),
        ("get {} item:11", "item 1 of the run"),
        ("get {} item:11 --where", None),
        ("show {} item:11", "next"),
        ("show {} mem:7", "mem:7"),
        ("refs {} item:11", "next H"),
        ("refs {} item:11 --depth 3", "mem:7"),
        ("graph {} item:11 -o -", "digraph"),
        ("verify {}", "sound"),
        ("export {} -o {}.tar", "SHA-256 as imported"),
        ("export {} --as native -o {}.native", "seal"),
        ("repack {} -o {}.small", "right"),
    ],
)
def test_what_needs_no_dialect_works(run: Run, unknown: Path, line: str, shown: str | None) -> None:
    code, out, error = run(*line.format(unknown, unknown).split())
    if shown is None:  # clear, and about something else
        assert code == 2
        assert "packed" in error
    else:
        assert (code, error) == (0, "")
        assert shown in out


@pytest.mark.parametrize(
    ("line", "code"), [("show {} item:11 --json", 2), ("extract {} item:11 -o {}.part", 6)]
)
def test_what_needs_it_says_so(run: Run, unknown: Path, line: str, code: int) -> None:
    found, out, error = run(*line.format(unknown, unknown).split())
    assert (found, out) == (code, "")
    assert "dialect 'small' is not known to this version" in error
    assert len(error.splitlines()) == 1
    assert [path.name for path in unknown.parent.iterdir()] == ["new.objref"]


def test_it_comes_back_and_goes_through_a_native_stream(run: Run, unknown: Path, tmp_path: Path) -> None:
    assert run("export", unknown, "-o", tmp_path / "back")[0] == 0
    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(STREAM).digest()
    assert run("export", unknown, "--as", "native", "-o", tmp_path / "native")[0] == 0
    assert run("import", tmp_path / "native", "-o", tmp_path / "again.objref")[0] == 0
    assert json.loads(run("info", tmp_path / "again.objref", "--json")[1])["meta"]["dialect"] == "small"
    with objref.open(unknown) as before, objref.open(tmp_path / "again.objref") as after:
        assert [o.objref for o in before.objects()] == [o.objref for o in after.objects()]
        assert before["item:11"].bytes == after["item:11"].bytes
        assert not before["item:11"].decodes
        assert before["item:11"].brief == ""
