"""A copy that ended too early, at any byte, or that something was appended to."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest
from samples import PLACE

import objref
from objref.errors import FormatError


def refused(data: bytes) -> None:
    with pytest.raises(FormatError) as caught:
        objref.open(data)
    assert PLACE.search(str(caught.value)), caught.value


def test_cut_at_every_byte_it_is_no_image(packed: bytes) -> None:
    for length in range(len(packed)):
        refused(packed[:length])


def test_cut_at_every_byte_of_a_raw_image(raw: bytes) -> None:
    for length in range(0, len(raw), 7):
        refused(raw[:length])


def test_cut_and_then_filled_with_zeros_to_its_old_length(packed: bytes) -> None:
    """What a file system may leave after a power cut."""
    for length in range(len(packed)):
        refused(packed[:length].ljust(len(packed), b"\0")) if packed[length:].strip(b"\0") else None


def test_something_appended(packed: bytes) -> None:
    for tail in (b"\0", b"\n", packed[-128:], packed):
        refused(packed + tail)


def test_the_front_is_missing(packed: bytes) -> None:
    for length in range(1, len(packed), 5):
        refused(packed[length:])


def test_a_cut_import_source_leaves_no_image(tmp_path: Path) -> None:
    folder = tmp_path / "dump"
    folder.mkdir()
    (folder / "pages-1.img").write_bytes(bytes(range(256)) * 32)
    whole = tmp_path / "whole.tar"
    with tarfile.open(whole, "w") as archive:
        archive.add(folder, "dump")
    data = whole.read_bytes()
    for length in (0, 100, 600, 1024, 5000):
        cut = tmp_path / "cut.tar"
        cut.write_bytes(data[:length])
        with pytest.raises(FormatError):
            objref.import_image(cut, tmp_path / "out.objref")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cut.tar", "dump", "whole.tar"]
