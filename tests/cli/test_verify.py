"""`objref verify` as its users meet it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import objref
from objref.cli import main
from objref.container import format as f


@pytest.fixture
def broken(image: Path, tmp_path: Path) -> Path:
    """A byte of the first block of pages changed."""
    data = bytearray(image.read_bytes())
    with objref.open(image) as found:
        pages = next(s for s in found.container.sections.values() if s.role == f.PAGES)
        data[found.container.pieces(pages.id)[0].offset + 6] ^= 1
    path = tmp_path / "broken.objref"
    path.write_bytes(data)
    return path


def test_a_sound_image(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(image)]) == 0
    shown = capsys.readouterr()
    assert "sound" in shown.out
    assert "SHA-256" in shown.out
    assert not shown.err
    assert main(["verify", "--quick", str(image)]) == 0
    assert "contents were not read" in capsys.readouterr().out


def test_a_damaged_image_says_where_whom_and_what_is_left(broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(broken)]) == 4
    out = capsys.readouterr().out
    assert "section page-data, block 0" in out
    assert "touches " in out
    assert "objects are whole" in out
    assert "the stream" not in out  # no digest proves a part of it
    assert max(map(len, out.splitlines()[:-1])) <= 80
    assert main(["verify", "--quick", str(broken)]) == 0  # it does not look there, and says so


def test_json_and_quiet(image: Path, broken: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", "--json", str(broken)]) == 4
    report = json.loads(capsys.readouterr().out)
    assert report["sound"] is False
    assert report["findings"][0]["objrefs"]
    assert main(["verify", "--quiet", str(broken)]) == 4
    assert main(["verify", "--quiet", str(image)]) == 0
    assert capsys.readouterr().out == ""


def test_what_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("not an image\n" * 100)
    for name, code in (("empty", 4), ("text", 4), ("missing", 7), (".", 2)):
        assert main(["verify", str(tmp_path / name)]) == code, name
        shown = capsys.readouterr()
        assert shown.out + shown.err
