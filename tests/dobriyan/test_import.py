"""The whole way: an image into a container, objects by position, and the same bytes back."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from dobriyan.making import realistic

import objref


@pytest.fixture(scope="module")
def data() -> bytes:
    """An image of forty tasks."""
    return bytes(realistic(40))


def test_an_image_comes_back_and_its_objects_are_found(data: bytes, tmp_path: Path) -> None:
    objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        assert image.dialect.name == "dobriyan"
        assert b"".join(image.stream()) == data
        for found in image.objects():
            assert image[found.objref] == found
            if found.decodes:
                found.decode()
        task = next(iter(image["task"]))
        assert image[f"pos:{task:#x}"].objref == f"task:{task:#x}"


def test_the_command_line_takes_it_compressed_from_a_pipe(data: bytes, tmp_path: Path) -> None:
    run = [sys.executable, "-m", "objref"]
    packed = zstandard.ZstdCompressor().compress(data)
    subprocess.run([*run, "import", "-", "-o", tmp_path / "x.objref"], input=packed, check=True, timeout=60)
    exported = subprocess.run([*run, "export", tmp_path / "x.objref", "-o", "-"], capture_output=True, check=True, timeout=60)
    assert exported.stdout == data
    listed = subprocess.run([*run, "ls", tmp_path / "x.objref", "task"], capture_output=True, check=True, timeout=60)
    assert len(listed.stdout.splitlines()) == 40


def test_a_stream_comes_back_as_a_file_only(tmp_path: Path) -> None:
    """What has no members cannot become a directory."""
    objref.import_image(io.BytesIO(bytes(realistic(3))), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image, pytest.raises(objref.UsageError, match="one stream"):
        image.export(tmp_path / "d", form="directory")
