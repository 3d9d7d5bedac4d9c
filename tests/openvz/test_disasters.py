"""Cut, flipped and lying files: all bytes stay, what is wrong is said, nothing wrong is made."""

from __future__ import annotations

import random
import struct
import time

import pytest

from openvz.collecting import collect
from openvz.making import FLAVOURS, PAGE, Maker, page, scene
from openvz.test_examples import ONE_FILE, SMALLEST


def _small() -> bytes:
    """One of each way to walk, in 10 KB."""
    m = Maker()
    m.section(32)
    m.begin("CGROUP", 0, o16=("I", 1), o20=("i", 0))
    m.name(b"web")
    m.out += struct.pack("<2I", 100, 0)
    m.end()
    m.end()
    m.section(2)
    file = m.begin("FILE", 1)
    m.name(b"/etc/a")
    m.end()
    m.end()
    m.section(4)
    m.begin("MM", 1)
    m.begin("VMA", 1, o16=("Q", file))
    m.pages(0x1000, page(1) + page(2))
    m.end()
    m.leaf("MM_AUXV", 2, b"auxv")
    m.end()
    m.end()
    return m.finish()


SMALL = _small()


def test_cut_anywhere() -> None:
    whole = {t.key: t for t in collect(SMALL).things if t.at is None}
    for length in range(len(SMALL)):
        found = collect(SMALL[:length])
        assert "cut" in found.what(), length
        for thing in found.things:
            if thing.at is None:
                assert whole[thing.key].data.startswith(thing.data)
                assert whole[thing.key].kind == thing.kind
            else:
                for at, row in thing.at.items():
                    assert (page(1) + page(2)).startswith(row)
                    assert at == 0x1000
        complete = {k for k, t in whole.items() if k + len(t.data) <= length}
        assert complete <= {t.key for t in found.things}, length


def test_cut_examples_byte_by_byte() -> None:
    for data in (SMALLEST, ONE_FILE):
        for length in range(len(data)):
            cut = data[:length]
            assert collect(cut, range(1, length)).same() == collect(cut).same()
            assert "cut" in collect(cut).what()


def test_flipped_bytes() -> None:
    """Every byte of the small file outside of its pages."""
    for i in range(len(SMALL)):
        if i % 13 and 600 < i < len(SMALL) - 300:
            continue
        for bit in (0x01, 0x80, 0xFF):
            damaged = bytearray(SMALL)
            damaged[i] ^= bit
            collect(bytes(damaged))


def test_flipped_bytes_of_a_whole_scene() -> None:
    data = scene(FLAVOURS[9], tasks=2, files=2).data
    chance = random.Random(3)
    for _ in range(150):
        damaged = bytearray(data)
        for _ in range(chance.choice((1, 1, 5, 50))):
            damaged[chance.randrange(80, len(data))] ^= 1 << chance.randrange(8)
        cuts = sorted(chance.sample(range(1, len(data)), 5))
        assert collect(bytes(damaged), cuts).same() == collect(bytes(damaged)).same()


def test_random_bytes_behind_a_header() -> None:
    chance = random.Random(4)
    for _ in range(200):
        collect(SMALL[: chance.randrange(80, 600)] + chance.randbytes(3000))


@pytest.mark.parametrize(("offset", "value", "what"), [(96, 15, "length"), (96, 1 << 40, "length"), (80, 15, "section")])
def test_lengths_that_lead_nowhere(offset: int, value: int, what: str) -> None:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<Q", damaged, offset, value)
    found = collect(bytes(damaged))
    assert what in found.what()
    assert ("pos", 96) not in found.aliases
    if what == "length":
        assert found.find("pos", 264).kind == "filedesc"
        assert "dangling" in found.what()


def test_a_header_length_below_the_header() -> None:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<H", damaged, 96 + 12, 8)
    assert {"length", "dangling"} <= collect(bytes(damaged)).what()


def test_a_section_that_ends_inside_its_object() -> None:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<Q", damaged, 80, 100)
    found = collect(bytes(damaged))
    assert {"length"} <= found.what()
    assert found.find("section", 80).data == bytes(damaged[80:180])


def test_a_trailer_that_disagrees() -> None:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<Q", damaged, 304 + 16 + 24 + 2 * 8, 88)
    found = collect(bytes(damaged))
    assert [n.what for n in found.notes] == ["dangling", "trailer"]
    assert "pos:0x58" in found.notes[1].text
    assert "trailing" in collect(ONE_FILE + b"more").what()
    assert "section" in collect(ONE_FILE[:216] + ONE_FILE[80:]).what()


def test_what_the_facts_do_not_cover() -> None:
    other = bytearray(ONE_FILE)
    struct.pack_into("<I", other, 96 + 8, 9999)
    found = collect(bytes(other))
    assert found.find("pos", 96).kind == "unknown"
    assert "unknown-type" in found.what()
    assert ("pos", 192) not in found.aliases
    for offset, value in ((6, 0x400), (6, 0x900), (8, 2), (8, 9)):
        other = bytearray(ONE_FILE)
        struct.pack_into("<H", other, offset, value)
        found = collect(bytes(other))
        assert found.what() == {"version"}
        assert [t.kind for t in found.things] == ["header"]
    longer = bytearray(ONE_FILE)
    struct.pack_into("<H", longer, 264 + 12, 40 + 8)
    assert "length" in collect(bytes(longer)).what()


def test_a_section_number_beyond_the_last() -> None:
    other = bytearray(ONE_FILE)
    struct.pack_into("<I", other, 88, 35)
    found = collect(bytes(other))
    assert "section" in found.what()
    assert found.find("section", 80).data == bytes(other[80:216])
    assert found.find("pos", 264).kind == "filedesc"


def _blocks(*blocks: tuple[int, int, int]) -> bytes:
    """An MM with page blocks (start, end, bytes)."""
    m = Maker()
    m.section(4)
    m.begin("MM", 1)
    m.begin("VMA", 1)
    for start, end, length in blocks:
        m.leaf("PAGES", 2, b"\x07" * length, o16=("Q", start), o24=("Q", end))
    m.end()
    m.end()
    m.end()
    return m.finish()


def test_pages_that_contradict_themselves() -> None:
    for block in ((0, PAGE, 2 * PAGE), (0, 2 * PAGE, PAGE), (PAGE, 0, PAGE), (5, 105, 100), ((1 << 64) - PAGE, 0, PAGE)):
        found = collect(_blocks(block))
        assert found.what() == {"pages"}, block
        assert not [t for t in found.things if t.kind == "mem"]
    twice = collect(_blocks((PAGE, 3 * PAGE, 2 * PAGE), (2 * PAGE, 3 * PAGE, PAGE)))
    assert twice.what() == {"overlap"}


def test_zero_pages_without_end() -> None:
    m = Maker()
    m.section(4)
    m.begin("MM", 1)
    for _ in range(100):
        m.leaf("PAGES", 0, o16=("Q", 0), o24=("Q", 1 << 46))
    m.leaf("PAGES", 0, o16=("Q", 0), o24=("Q", 1 << 63))
    m.end()
    m.end()
    assert {"pages", "overlap"} <= collect(m.finish()).what()


def test_deep_nesting_takes_no_time() -> None:
    for large in (False, True):
        m = Maker()
        m.section(4)
        for _ in range(3000):
            m.begin("MM" if large else "FILES", 1)
        m.out += bytes(8192)
        for _ in range(3001):
            m.end()
        data, start = m.finish(), time.monotonic()
        assert "depth" in collect(data).what()
        assert time.monotonic() - start < 2


def test_many_copies_of_many_pages_are_bounded() -> None:
    n = 1200
    m = Maker()
    m.section(4)
    last = 0
    for i in range(n):
        mm = m.begin("MM", 1)
        m.leaf("PAGES", 0, o16=("Q", i << 13), o24=("Q", (i << 13) + PAGE))
        for j in range(i and 1):
            m.leaf("COPYPAGES", o16=("Q", (n + j) << 13), o24=("Q", 1 << 40), o32=("Q", last))
        last = mm
        m.end()
    m.end()
    start = time.monotonic()
    collect(m.finish())
    assert time.monotonic() - start < 10
