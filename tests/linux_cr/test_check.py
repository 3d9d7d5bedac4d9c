"""`check` of linux-cr streams: nothing is found in sound ones; damage by its name."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import pytest
from linux_cr.making import LAYOUTS, MACHINES, Maker, stream, type_number

import objref

SHIPPED = Path(__file__).resolve().parents[1] / "images" / "scene.cr"


def findings(data: bytes, to: Path) -> list[Any]:
    objref.import_image(io.BytesIO(data), to)
    with objref.open(to) as image:
        return list(image.check())


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("machine", MACHINES)
def test_nothing_is_wrong_with_a_sound_stream(layout: str, machine: str, tmp_path: Path) -> None:
    data = b"".join(stream(tasks=4, pages=0, layout=layout, machine=machine))
    assert findings(data, tmp_path / "x.objref") == []


def test_nothing_is_wrong_with_the_stream_that_we_ship(tmp_path: Path) -> None:
    assert findings(SHIPPED.read_bytes(), tmp_path / "x.objref") == []


def test_a_stream_that_ends_early(tmp_path: Path) -> None:
    data = b"".join(stream(tasks=4, pages=0))
    objref.import_image(io.BytesIO(data[:-300]), tmp_path / "x.objref", partial="keep")
    with objref.open(tmp_path / "x.objref") as image:
        found = list(image.check())
    assert "cut" in {one.what for one in found}
    assert {one.severity for one in found} == {"error"}


def test_pages_where_the_task_has_no_memory(tmp_path: Path) -> None:
    """The scene with pages has some at 0x70000000, for which it makes no area."""
    found = findings(b"".join(stream(tasks=1, pages=5)), tmp_path / "x.objref")
    assert [(one.what, one.severity) for one in found] == [("outside-areas", "error")]
    assert "0x70000000" in found[0].text


def changed(field: int, value: int, record: str) -> bytes:
    """The first record of that type with another number in it."""
    data = bytearray(b"".join(stream(tasks=2, pages=0)))
    at, number = 0, type_number(record, "v20")
    while struct.unpack_from("<I", data, at)[0] != number:
        at += struct.unpack_from("<I", data, at + 4)[0]
    struct.pack_into("<I", data, at + field, value)
    return bytes(data)


def test_counts_that_do_not_fit(tmp_path: Path) -> None:
    found = findings(changed(8, 40, "FILE_TABLE"), tmp_path / "x.objref")
    assert [(one.what, one.severity) for one in found] == [("incomplete", "error"), ("count", "error")]
    assert found[1].text == "says 40 of FILE_DESC, 11 came"


def test_an_id_that_leads_nowhere(tmp_path: Path) -> None:
    found = findings(changed(12, 4000, "MM"), tmp_path / "x.objref")
    assert [(one.what, one.severity) for one in found] == [("dangling", "error")]
    assert "file:4000" in found[0].text


def test_an_area_that_ends_before_it_begins(tmp_path: Path) -> None:
    found = findings(changed(40, 0, "VMA"), tmp_path / "x.objref")
    assert "area" in {one.what for one in found}


def test_nothing_to_restart(tmp_path: Path) -> None:
    maker = Maker("v20")
    maker.leading([])
    maker.tail()
    found = findings(bytes(maker.out), tmp_path / "x.objref")
    assert [(one.what, one.severity) for one in found] == [("no-tasks", "warning")]
