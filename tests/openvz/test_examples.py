"""The hand-built examples of the facts."""

from __future__ import annotations

import struct

from openvz.collecting import collect

HEADER = bytes.fromhex("791c01635000030801000000000000000000000000 10e803".replace(" ", "")) + bytes(56)
NULL8 = b"\xff" * 8


def _trailer(**slots: int) -> bytes:
    table = [struct.unpack("<Q", NULL8)[0]] * 27
    for name, position in slots.items():
        table[int(name[1:])] = position
    return (
        bytes.fromhex("08010000000000001700000010000000") + bytes.fromhex("f8000000000000000a040000f8000000") + bytes(8)
        + struct.pack("<27Q", *table) + bytes.fromhex("1b000000791c0163")
    )  # fmt: skip


SMALLEST = HEADER + _trailer(s23=80)
ONE_FILE = (
    HEADER
    + bytes.fromhex(
        """
        8800000000000000 0200000010000000 7800000000000000 0400000060000100
        0280000003000000 0000000000000000 0000000000000000 a481000000000000
        ffffffffffffffff ffffffffffffffff ffffffff00000000 0000000000000000
        0000000000000000 ffffffffffffffff 1800000000000000 0610000010000300
        2f6574632f610000 5800000000000000 0500000010000000 4800000000000000
        0300000020000100 0000000000010000 0400000000000000 2800000000000000
        0104000028000000 0300000000000000 6000000000000000 0000000000000000
        """
    )
    + _trailer(s2=80, s5=216, s23=304)
)


def test_smallest() -> None:
    assert len(SMALLEST) == 344
    found = collect(SMALLEST)
    assert not found.notes
    assert [(t.kind, t.key, len(t.data)) for t in found.things] == [
        ("header", 0, 80), ("trailer", 96, 248), ("section", 80, 264)
    ]  # fmt: skip
    assert found.references(96) == [("section", "pos", 80)]


def test_one_file_and_one_table() -> None:
    assert len(ONE_FILE) == 568
    found = collect(ONE_FILE)
    assert not found.notes
    assert {(t.kind, t.key, len(t.data)) for t in found.things} == {
        ("header", 0, 80), ("section", 80, 136), ("file", 96, 120), ("name", 192, 24), ("section", 216, 88),
        ("files", 232, 72), ("filedesc", 264, 40), ("section", 304, 264), ("trailer", 320, 248),
    }  # fmt: skip
    assert found.references(264) == [("file", "pos", 96)]
    assert found.references(96) == [("part", "pos", 192)]
    assert found.find("files-index", 0).key == 232


def test_both_byte_by_byte() -> None:
    for data in (SMALLEST, ONE_FILE):
        assert collect(data, range(1, len(data))).same() == collect(data).same()
