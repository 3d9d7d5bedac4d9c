"""`check` of CPT files: nothing is found in sound ones; damage by its name."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from openvz.making import FLAVOURS, scene

import objref


def findings(data: bytes, to: Path) -> list[Any]:
    objref.import_image(io.BytesIO(data), to)
    with objref.open(to) as image:
        return list(image.check())


@pytest.mark.parametrize("number", range(len(FLAVOURS)))
def test_no_error_in_a_sound_file(number: int, tmp_path: Path) -> None:
    """Of 2.6.18 there are structs that are not known, which is said."""
    found = findings(scene(FLAVOURS[number]).data, tmp_path / "x.objref")
    assert {one.severity for one in found} <= {"warning"}
    assert {one.what for one in found} <= {"layout", "dangling"}


def test_most_of_them_have_no_finding_at_all(tmp_path: Path) -> None:
    clean = [n for n, one in enumerate(FLAVOURS) if not findings(scene(one).data, tmp_path / f"{n}.objref")]
    assert len(clean) >= 6


def edited(where: str, offset: int, value: int) -> bytes:
    made = scene()
    data = bytearray(made.data)
    struct.pack_into("<Q", data, made.where[where] + offset, value)
    return bytes(data)


def test_a_position_that_leads_nowhere(tmp_path: Path) -> None:
    """A file's inode."""
    made = scene()
    objref.import_image(io.BytesIO(made.data), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        file = next(one for one in image.objects("file") if any(r.role == "inode" for r in one.references))
        position = int(file.objref.partition(":")[2], 16)
        inode = int(next(r for r in file.references if r.role == "inode").target_objref.partition(":")[2], 16)
    data = bytearray(made.data)
    at = data.index(struct.pack("<Q", inode), position)
    struct.pack_into("<Q", data, at, inode + 4)
    found = findings(bytes(data), tmp_path / "y.objref")
    assert [(one.what, one.severity, one.where) for one in found] == [("dangling", "error", file.objref)]


def test_a_file_that_ends_early(tmp_path: Path) -> None:
    data = scene().data
    objref.import_image(io.BytesIO(data[: len(data) // 2]), tmp_path / "x.objref", partial="keep")
    with objref.open(tmp_path / "x.objref") as image:
        found = list(image.check())
    assert "cut" in {one.what for one in found}


def test_an_area_that_moved_leaves_its_pages(tmp_path: Path) -> None:
    made = scene()
    objref.import_image(io.BytesIO(made.data), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        mm = next(one for one in image.objects("mem") if one.ranges)
        low = mm.ranges[0][0]
        area = next(
            one for one in image.objects("vma") if one.decode()["cpt_start"] <= low < one.decode()["cpt_end"]
        )
        position, start = int(area.objref.partition(":")[2], 16), area.decode()["cpt_start"]
    data = bytearray(made.data)
    at = data.index(struct.pack("<Q", start), position)
    struct.pack_into("<QQ", data, at, 0x1000, 0x2000)
    found = findings(bytes(data), tmp_path / "y.objref")
    assert "outside-areas" in {one.what for one in found}


def test_a_trailer_of_another_file(tmp_path: Path) -> None:
    data = bytearray(scene().data)
    data[-20] ^= 1
    found = findings(bytes(data), tmp_path / "x.objref")
    assert {("trailer", "error")} <= {(one.what, one.severity) for one in found}
