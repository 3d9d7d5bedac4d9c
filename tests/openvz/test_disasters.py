"""Cut, flipped and lying files: all bytes stay, what is wrong is said, nothing wrong is made."""

from __future__ import annotations

import random
import struct
import time
import tracemalloc

import pytest

from objref.dialects.events import Note
from objref.dialects.openvz.kinds import KIND_OF, KINDS, OBJECTS
from objref.dialects.openvz.layouts import layout
from objref.dialects.openvz.splitter import CptSplitter
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


PAGES_AT = SMALL.index(page(1))
FRAME = [i for i in range(len(SMALL)) if not 16 < i - PAGES_AT < 2 * PAGE - 16 or i % 499 == 0]
"""Every byte that is not in the middle of page contents, and some that are."""


WITHOUT_LAYOUT = {KINDS[KIND_OF[number]].name for number in OBJECTS if layout(number, 1) is None}


def test_cut_anywhere() -> None:
    whole = {t.key: t for t in collect(SMALL).things if t.at is None}
    for length in FRAME[1:]:
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


def test_a_cut_says_what_is_missing() -> None:
    note = next(n for n in collect(ONE_FILE[:250]).notes if n.what == "cut")
    assert note.where == "pos:0xe8"
    assert note.text == (
        "the file ends at 250; missing: 54 of 72 bytes of a FILES; 54 of 88 bytes of section files-struct; the trailer section"
    )
    (note,) = collect(ONE_FILE[:40]).notes
    assert note == ("cut", "pos:0x0", "the file ends at 40, inside its header of 80 bytes")


def test_every_cut_of_the_examples_byte_by_byte() -> None:
    for data in (SMALLEST, ONE_FILE):
        for length in range(1, len(data), 7):
            cut = data[:length]
            assert collect(cut, range(1, length)).same() == collect(cut).same()
            assert "cut" in collect(cut).what()


def test_every_bit_flipped() -> None:
    """No object begins where none did. One that is gone or has another length is told of; so is one of another kind, if
    anything is known of structs of that kind."""
    true = {t.key: (t.kind, len(t.data)) for t in collect(SMALL).things if t.at is None}
    heads = {at + i for at in true for i in range(16)}
    for i in FRAME:
        for bit in range(8) if i in heads else (i % 8,):
            damaged = bytearray(SMALL)
            damaged[i] ^= 1 << bit
            found = collect(bytes(damaged))
            now = {t.key: (t.kind, len(t.data)) for t in found.things if t.at is None and t.kind != "unknown"}
            assert set(now) <= set(true), (i, bit)
            changed = {kind for key, (kind, _) in now.items() if kind != true[key][0]}
            assert now == true or found.notes or (changed and changed <= WITHOUT_LAYOUT), (i, bit)


def test_flipped_bytes_of_a_whole_scene() -> None:
    data = scene(FLAVOURS[9], tasks=2, files=2).data
    chance = random.Random(3)
    for _ in range(60):
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


def _with_section(at: int, length: int) -> bytes:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<Q", damaged, at, length)
    return bytes(damaged)


def test_a_section_that_swallows_the_next_one() -> None:
    """Its header reads as the header of an object without content: type 5, a SIGHAND_STRUCT. The walk goes on there."""
    whole = collect(ONE_FILE)
    for length in (136 + 16, 136 + 20, 136 + 88, 1 << 40):
        found = collect(_with_section(80, length))
        assert [(t.kind, t.key, len(t.data)) for t in found.things] == [(t.kind, t.key, len(t.data)) for t in whole.things]
        text = f"says {length} bytes: the next section is at pos:0xd8, and it is taken to end there"
        assert found.notes == [("length", "pos:0x50", text)]


def test_an_object_that_is_a_header_only_is_no_section() -> None:
    m = Maker()
    for number, header_only in ((7, 5), (32, 19), (25, 14)):
        m.section(number)
        at = len(m.out)
        m.out += struct.pack("<QIHH", 16, header_only, 16, 0)
        m.end()
    found = collect(m.finish())
    assert not found.notes
    assert found.find("pos", at).kind == "slm-sgreg"


def test_an_object_where_a_section_should_be() -> None:
    """A section that ends early: what follows reads as a section, by its type and length; it is none."""
    m = Maker()
    m.section(7)
    for _ in range(3):
        m.begin("SIGHAND", 1)
        m.leaf("SIGHANDLER")
        m.end()
    m.end()
    damaged = bytearray(m.finish())
    struct.pack_into("<Q", damaged, 80, 16 + 72)
    found = collect(bytes(damaged))
    assert [t.kind for t in found.things if t.kind in ("sighand-struct", "unknown")] == ["sighand-struct", "unknown", "unknown"]
    assert [n.what for n in found.notes] == ["section", "section"]
    assert found.find("pos", 80 + 16 + 72).data == bytes(damaged[168:240])


def test_counts_that_lie() -> None:
    m = Maker()
    m.section(12)
    m.begin("INODE", 1)
    bits = m.bits(b"x" * 100)
    m.end()
    m.end()
    m.section(11)
    m.begin("UNDO", 1)
    record = m.leaf("UNDO_REC", 9, bytes(6), align=False, o20=("I", 3))
    m.end()
    m.end()
    m.section(22)
    m.name(b"host")
    m.end()
    data = m.finish()
    for at, offset, count in ((bits, 16, 4), (bits, 16, 1 << 31), (record, 20, 2), (record, 20, 0xFFFFFFFF)):
        damaged = bytearray(data)
        struct.pack_into("<I", damaged, at + offset, count)
        (note,) = collect(bytes(damaged)).notes
        assert note[:2] == ("length", f"pos:{at:#x}")
        assert "bytes of content, and has room for" in note.text
    damaged = bytearray(data)
    struct.pack_into("<I", damaged, len(data) - 248 + 20, 3)
    (note,) = collect(bytes(damaged)).notes
    assert "says 3 64-bit tasks: there are 0" in note.text


def test_content_that_contradicts_its_kind() -> None:
    for content, what in ((0, "length"), (2, "content"), (99, "content")):
        damaged = bytearray(ONE_FILE)
        struct.pack_into("<H", damaged, 96 + 14, content)
        found = collect(bytes(damaged))
        assert [(n.what, n.where) for n in found.notes] == [(what, "pos:0x60")]
        assert ("pos", 192) not in found.aliases
    damaged = bytearray(ONE_FILE)
    damaged[192 + 16 + 6] = 1  # the NUL of the name, and what pads it
    damaged[192 + 16 + 7] = 1
    assert collect(bytes(damaged)).what() == {"length"}


def test_a_struct_of_a_length_that_no_kernel_wrote() -> None:
    damaged = bytearray(ONE_FILE)
    struct.pack_into("<H", damaged, 232 + 12, 32 - 8)
    assert "layout" in collect(bytes(damaged)).what()


def test_a_cgroup_that_is_not_as_the_facts_say() -> None:
    for body in (b"", bytes(8), struct.pack("<2I", 100, 7), b"\x18" + bytes(7) + struct.pack("<IHH", 4102, 16, 3) + b"no NUL.." + bytes(4)):
        m = Maker()
        m.section(32)
        group = m.leaf("CGROUP", 0, body, align=False, o16=("I", 0), o20=("i", -1))
        m.end()
        found = collect(m.finish())
        assert [(n.what, n.where) for n in found.notes if n.what != "trailer"] == [("length", f"pos:{group:#x}")]
        assert found.references(group) == []


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
    for block in ((0, PAGE, 2 * PAGE), (0, 2 * PAGE, PAGE), (PAGE, 0, PAGE), ((1 << 64) - PAGE, 0, PAGE)):
        found = collect(_blocks(block))
        assert found.what() == {"pages"}, block
        assert not [t for t in found.things if t.kind == "mem"]
    twice = collect(_blocks((PAGE, 3 * PAGE, 2 * PAGE), (2 * PAGE, 3 * PAGE, PAGE)))
    assert twice.what() == {"overlap"}


def test_content_that_is_no_whole_page_is_memory_too() -> None:
    for length in (100, PAGE + 100):
        found = collect(_blocks((PAGE, PAGE + length, length)))
        assert not found.notes
        assert found.find("mem", 96).at == {PAGE: b"\x07" * length}


def test_pages_that_are_elsewhere_are_no_memory() -> None:
    m = Maker()
    m.section(4)
    mm = m.begin("MM", 1)
    m.begin("VMA", 1)
    first = m.leaf("LAZYPAGES", o16=("Q", PAGE), o24=("Q", 2 * PAGE))
    m.leaf("ITERPAGES", 2, bytes(16), o16=("Q", 2 * PAGE), o24=("Q", 4 * PAGE))
    m.leaf("PAGES", 12, bytes(8), o16=("Q", 4 * PAGE), o24=("Q", 5 * PAGE))
    m.end()
    m.end()
    m.end()
    found = collect(m.finish())
    assert [(n.what, n.where) for n in found.notes] == [("elsewhere", f"pos:{first:#x}")]
    assert not [t for t in found.things if t.kind == "mem"]
    assert found.references(mm, "mem") == []


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


@pytest.mark.parametrize("kind", ["NAME", "MM", "PAGES", "UBC", "FILES"])
def test_memory_is_bounded_whatever_a_length_says(kind: str) -> None:
    m = Maker()
    m.section(4)
    at = m.begin(kind, 2 if kind in ("NAME", "PAGES") else 1, o16=("Q", 0), o24=("Q", 1 << 46))
    struct.pack_into("<Q", m.out, 80, 1 << 60)
    struct.pack_into("<Q", m.out, at, 1 << 46)
    splitter, chunk = CptSplitter(), bytes(1 << 16)
    tracemalloc.start()
    for piece in (bytes(m.out), *[chunk] * 300):
        for _ in splitter.feed(piece):
            pass
    notes = [event for event in splitter.finish() if isinstance(event, Note)]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2 << 20
    assert "cut" in {note.what for note in notes}


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
    n = 500
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
