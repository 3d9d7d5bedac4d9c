"""What an archive or image claims to be costs what it is, not what it claims."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from samples import Forger, small_image

import objref
from objref.archive.extract import extract
from objref.archive.tar_header import END_OF_ARCHIVE
from objref.archive.tar_member import Member
from objref.archive.tar_write import encode_member


def test_a_sparse_member_of_a_tebibyte_takes_no_disk(tmp_path: Path) -> None:
    member = Member(b"huge", size=512, real_size=1 << 40, sparse=((0, 512),), mtime_ns=1)
    extract([encode_member(member) + bytes(512) + END_OF_ARCHIVE], tmp_path / "out", owners="ignore")
    found = os.stat(tmp_path / "out" / "huge")
    assert found.st_size == 1 << 40
    assert found.st_blocks < 64


@pytest.mark.parametrize("folder", ["/etc", "../..", "a/../../b"])
def test_an_export_does_not_send_anybody_elsewhere(tmp_path: Path, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After an export of a directory its user is told where the image directories are; META could name any."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / "inventory.img").write_bytes(b"x")
    objref.import_image(tmp_path / "dump", tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        monkeypatch.setattr(type(image), "layers", [folder])
        with pytest.raises(objref.FormatError, match="lies outside"):
            image.export(tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_count_of_objects_is_not_believed() -> None:
    """Two thousand million objects, in the footer and in a space: refused by what the tables hold, at once."""
    forger = Forger(small_image("raw", plain_tables=True))
    at = len(forger.data) - 128
    forger.put(at + 72, "Q", (1 << 31) - 1)
    with objref.open(forger.seal()) as image, pytest.raises(objref.FormatError):
        image.by_ordinal(1 << 30).objref.upper()
