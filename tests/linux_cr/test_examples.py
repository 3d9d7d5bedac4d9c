"""The hand-built examples of the facts, byte for byte."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from linux_cr.collecting import collect

import objref

UTS = "".join(text.encode().hex().ljust(130, "0") for text in ("2.6.33", "#1", "x86_64"))
HEADER = """01000000480000000 0d2a2c00ced fe00 0200020006002100 0600000000000000 1000000040004100 4100410041004100
    4100100000101300 c6e5a04b00000000 0100000000000000"""
TAIL = "29230000 10000000 00efdec00c2a2d00"
LEAD = f"{HEADER}0400000049000000{UTS[:130]}0400000049000000{UTS[130:260]}0400000049000000{UTS[260:]}"
COMMON = """02000000 10000000 0100000000020000 03000000 08000000 04000000 13000000 6c736d5f6e6f6e65000000
    07000000 0d000000 64756d6d79"""
OLD = """65000000 10000000 0100000000000000 04000000 20000000 0100000000000000 0100000001000000 0100000000000000
    66000000 40000000 4000000010000000 0000000011000000""" + "00" * 40
COMM = "05000000 18000000 7a6f6d62696500000000000000000000"
NEW = """65000000 18000000 01000000 00000000 01000000 00000000 04000000 10000000 00000000 01000000
    66000000 10000000 0100000000000000 04000000 20000000 0100000000f0ffff 0100000001000000 0100000000000000
    67000000 50000000 0000000040000000 1000000000000000 1100000000000000""" + "00" * 48
FRAGMENT = """06000000 10000000 02000000 01000000
    2d010000 10000000 01000000 00000000 06000000 10000000 03000000 02000000
    30010000 30000000 01000000 03000000 02800000 00000000""" + "00" * 24 + """2f010000 0f000000 2f6574632f6100
    2e010000 18000000 02000000 03000000 00000000 00000000"""


def made(*parts: str) -> bytes:
    return bytes.fromhex("".join("".join(parts).split()))


A = made(LEAD, TAIL)
B = made(LEAD, COMMON, OLD, COMM, TAIL)
C = bytearray(made(LEAD, COMMON, NEW, COMM, TAIL))
C[22:24], C[80:86] = b"\x26\0", b"2.6.38"


@pytest.mark.parametrize(("data", "length"), [(A, 307), (B, 499), (C, 555)])
def test_lengths_and_bytes(data: bytes, length: int) -> None:
    assert len(data) == length
    for got in (collect([data]), collect(bytes([b]) for b in data)):
        assert got.stream == data
        assert not got.told("cut")


def test_b_one_zombie() -> None:
    got = collect([B])
    assert got.of("task:1") == [B[395:483]]
    assert got.of("tree:0") == [B[347:395]]
    assert got.of("header:0") == [B[:347]]
    assert got.of("layout:4") == [b""]  # v20


def test_c_one_pid_tag() -> None:
    got = collect([bytes(C)])
    assert got.of("task:1") == [C[435:539]]
    assert got.of("pid:1") == [C[379:387]]
    assert ("task:1", "pid", "pid:1") in got.edges
    assert "parent-pid" not in {role for _, role, _ in got.edges}  # -4096 is none
    assert got.of("layout:9")  # no record tells b6cdf01 from 1fd8e6e


def test_d_file_table() -> None:
    fragment = made(FRAGMENT)
    assert len(fragment) == 135
    objs = made("68000000 20000000 01000000", "00" * 20)
    got = collect([B[:483] + fragment + objs + B[483:]])
    assert got.of("file-table:1") == [fragment[:32] + fragment[111:]]
    assert got.of("file:2") == [fragment[32:111]]
    assert got.edges >= {("task:1", "file-table", "file-table:1"), ("file-table:1", "fd", "file:2")}


def test_e_page_chunk() -> None:
    """In an mm of one private area."""
    chunk = made("93010000 10000000 0100000000000000 04000000 10100000 0010000000000000") + b"page" * 1024
    end = made("93010000 10000000 0000000000000000")
    mm = made("06000000 10000000 04000000 05000000 91010000 78000000 01000000", "00" * 108, "04000000 08000000")
    vma = made("92010000 48000000 02000000", "00" * 60)
    context = made("94010000 18000000", "00" * 16)
    got = collect([B[:483] + mm + vma + chunk + end + context + B[483:]])
    assert got.memory["mem:5"] == {0x1000: b"page" * 1024}
    assert got.of("mm:5") == [mm + vma + chunk + end + context]
    assert not got.told("incomplete")


@pytest.mark.parametrize("data", [A, B, bytes(C)], ids="ABC")
def test_imported_and_given_back(data: bytes, tmp_path: Path) -> None:
    objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        assert b"".join(map(bytes, image.stream())) == data
        assert not image.notes()
    assert objref.verify_image(tmp_path / "x.objref").sound
