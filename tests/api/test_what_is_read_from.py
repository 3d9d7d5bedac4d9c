"""An export does not replace what it reads, and what reads a range says when it gives less."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from linux_cr.making import stream

import objref

SAMPLE = Path(__file__).resolve().parents[1] / "images" / "tree.tar.zst"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "x.objref"
    objref.import_image(SAMPLE, path)
    return path


@pytest.mark.parametrize("form", ["tar", "native"])
@pytest.mark.parametrize("name", ["x.objref", "./x.objref", "other"])
def test_an_image_is_not_exported_over_itself(
    image: Path, form: str, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(image.parent)
    os.link(image, "other")
    before = image.read_bytes()
    with objref.open(image) as opened, pytest.raises(objref.UsageError, match="is what the image is read from"):
        objref.export_image(opened, name, form=form, replace=True)
    assert image.read_bytes() == before
    assert sorted(os.listdir()) == ["other", "x.objref"]


def test_nor_over_the_index_or_the_stream_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "dump.cr"
    path.write_bytes(b"".join(stream(2)))
    objref.index_file(path)
    before = [name.read_bytes() for name in sorted(tmp_path.iterdir())]
    with objref.open(path) as opened:
        for dest in (path, f"{path}.objref-index"):
            with pytest.raises(objref.UsageError, match="is what the image is read from"):
                opened.export(dest, replace=True)
    assert [name.read_bytes() for name in sorted(tmp_path.iterdir())] == before


def test_another_file_may_be_replaced(image: Path, tmp_path: Path) -> None:
    dest = tmp_path / "bytes"
    dest.write_bytes(b"old")
    with objref.open(image.read_bytes()) as opened:
        objref.export_image(opened, dest, replace=True)
        assert dest.stat().st_size == opened.stream_length


def test_a_range_ends_where_the_object_ends(image: Path) -> None:
    """The command line refuses it, since there a file that is too short would not be noticed."""
    with objref.open(image) as opened:
        found = opened["file:6"]
        whole = found.bytes
        assert found.read(0, 10**9) == found.read() == whole
        assert found.read(5, 10**9) == found.read(5) == whole[5:]
        assert found.read(len(whole), 10**9) == b""
        for start, stop in ((len(whole) + 1, 10**9), (-1, 5), (5, 3)):
            with pytest.raises(objref.UsageError, match="not ascending or lies outside"):
                found.read(start, stop)
