"""`check` of Dobriyan images: nothing is found in sound ones; damage by its name."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

from dobriyan.making import EXAMPLE, realistic

import objref


def findings(data: bytes, to: Path, **how: Any) -> list[Any]:
    objref.import_image(io.BytesIO(data), to, **how)
    with objref.open(to) as image:
        return list(image.check())


def test_nothing_is_wrong_with_a_sound_image(tmp_path: Path) -> None:
    assert findings(bytes(realistic(30)), tmp_path / "x.objref") == []


def test_an_image_without_tasks(tmp_path: Path) -> None:
    found = findings(EXAMPLE, tmp_path / "x.objref")
    assert [(one.what, one.severity) for one in found] == [("no-tasks", "warning")]


def test_a_position_that_leads_nowhere(tmp_path: Path) -> None:
    """The file of the example names its credentials by position 0x68."""
    data = bytearray(EXAMPLE)
    struct.pack_into("<Q", data, data.rindex(struct.pack("<Q", 0x68)), 0x70)
    found = findings(bytes(data), tmp_path / "x.objref")
    assert [(one.what, one.severity, one.where) for one in found if one.severity == "error"] == [
        ("dangling", "error", "file:0xb0")
    ]


def test_an_image_that_ends_early(tmp_path: Path) -> None:
    found = findings(bytes(realistic(5))[:-4], tmp_path / "x.objref", partial="keep")
    assert "cut" in {one.what for one in found}


def test_an_image_that_cannot_be_followed(tmp_path: Path) -> None:
    data = bytearray(bytes(realistic(5)))
    struct.pack_into("<II", data, 88, 1, 3)  # type and length of the first object
    found = findings(bytes(data), tmp_path / "x.objref")
    assert ("unread", "error") in {(one.what, one.severity) for one in found}
