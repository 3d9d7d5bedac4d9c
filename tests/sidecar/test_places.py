"""Where an object lies in a stream that nobody touched: the question that started it all."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from samples import SAMPLE
from linux_cr import making

import objref


@pytest.fixture
def stream(tmp_path: Path) -> Path:
    """A linux-cr stream with its index beside it."""
    path = tmp_path / "dump.cr"
    path.write_bytes(b"".join(making.stream(tasks=20, pages=40)))
    objref.index_file(path)
    return path


def test_the_bytes_at_its_places_are_the_object(stream: Path) -> None:
    data = stream.read_bytes()
    with objref.open(stream) as image:
        for found in image.objects():
            joined = b"".join(data[offset : offset + length] for offset, length in found.places())
            assert joined == b"".join(part for part in found.parts)
        assert image["obj:1"].places()


def test_places_in_a_container_that_packs_nothing(tmp_path: Path) -> None:
    image = tmp_path / "x.objref"
    objref.import_image(SAMPLE, image, options=objref.Options(codec="raw"))
    data = image.read_bytes()
    with objref.open(image) as opened:
        (offset, length), *more = opened["file:6"].places()
        assert not more
        assert data[offset : offset + length] == opened["file:6"].bytes


def test_a_changed_place_is_not_named(stream: Path) -> None:
    with objref.open(stream) as image:
        offset, length = image["obj:1"].places()[0]
    data = bytearray(stream.read_bytes())
    data[offset + length - 1] ^= 1
    stream.write_bytes(data)
    with pytest.raises(objref.IntegrityError, match="changed"), objref.open(stream) as image:
        image["obj:1"].places()


def test_packed_bytes_have_no_place(tmp_path: Path) -> None:
    image = tmp_path / "x.objref"
    objref.import_image(SAMPLE, image)
    with objref.open(image) as opened, pytest.raises(objref.UsageError, match="packed"):
        opened["file:6"].places()


def test_get_where(stream: Path) -> None:
    command = [sys.executable, "-m", "objref", "get", stream, "obj:1", "--where"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with objref.open(stream) as image:
        assert shown.splitlines() == [f"{offset:#x}+{length}" for offset, length in image["obj:1"].places()]
    refused = subprocess.run([*command, "--part", "0"], capture_output=True, text=True)
    assert refused.returncode == 2
    assert "--where" in refused.stderr
