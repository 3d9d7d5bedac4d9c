"""Cut, flipped and lying images: every byte is kept, and what is found was really there."""

from __future__ import annotations

import random
import struct
import tracemalloc
from typing import Any

import pytest
from dobriyan.collecting import read, split
from dobriyan.making import CRED, EXAMPLE, FS, MM, PID, Writer, header, realistic

from objref.dialects.dobriyan import DIALECT
from objref.dialects.dobriyan.doubts import DOUBTS_MAX
from objref.limits import DEFAULT

SMALL = realistic(2)


def span_of(w: Writer) -> dict[str, tuple[int, int]]:
    spans = {name: int(name.partition(":")[2], 0) for name in w.objects}
    return {name: (at, at + len(w.objects[name])) for name, at in spans.items()}


# -- cut ----------------------------------------------------------------------------------------------------


def test_cut_at_every_byte() -> None:
    """Exactly the objects that are there whole; a note unless the cut is between two objects."""
    data, spans = bytes(SMALL), span_of(SMALL)
    for size in range(len(data)):
        found = split([data[:size]]) if size % 8 in (1, 2, 3, 6) else read(data[:size], 0)
        whole = {name for name, (_, end) in spans.items() if end <= size}
        assert set(found.objects) - {"header:0"} == whole, size
        inside = size < 84 or any(start < size < end for start, end in spans.values())
        assert bool(found.noted("cut")) == inside, size
        assert len(found.notes) <= 1
        assert found.edges == {edge for edge in SMALL.edges if edge[0] in whole}


def test_a_cut_says_what_is_missing() -> None:
    (note,) = split([EXAMPLE[:200]]).notes
    assert note == ("cut", "pos:0xb0", "ends after 24 of 56 bytes of FILE: 32 are missing")
    (note,) = split([EXAMPLE[:90]]).notes
    assert note == ("cut", "pos:0x58", "ends after 2 of 8 bytes of an object's header: 6 are missing")
    (note,) = split([EXAMPLE[:80]]).notes
    assert note == ("cut", "header:0", "ends after 80 bytes, inside the header: 4 are missing")
    (note,) = split([]).notes
    assert note == ("cut", "header:0", "an empty stream: all 84 bytes of the header are missing")


def test_cut_inside_an_unknown_object() -> None:
    w = Writer()
    w.cred()
    at = w.put(99, bytes(10_000))
    found = read(bytes(w)[:5000])
    assert list(found.objects) == ["header:0", "cred:0x58"]
    (note,) = found.notes
    assert (note.what, note.where) == ("cut", f"pos:{at:#x}")
    assert f"ends after {5000 - at} of 10008 bytes" in note.text


# -- unknown ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 3, 8, 1000, 70_000])
def test_unknown_objects_are_framed_and_kept_and_what_follows_is_found(size: int) -> None:
    w = Writer()
    w.put(99, b"x" * size)
    w.put(2**32 - 1, b"y" * size)
    w.file(w.cred())
    w.put(16, b"z" * size)
    found = read(bytes(w))
    assert found.objects == w.objects | {"header:0": header()}
    assert found.edges == w.edges
    assert [note.what for note in found.notes] == ["unknown"] * 3


def test_the_images_of_february_have_other_numbers() -> None:
    """UTS_NS 1, CRED 2, version 1: the lengths tell that they are no TASK_STRUCT and no NSPROXY."""
    w = Writer()
    uts, cred = w.put(1, bytes(384)), w.put(2, bytes(64))
    found = read(bytes(w))
    assert set(found.objects) == {"header:0", f"unknown:{uts:#x}", f"unknown:{cred:#x}"}
    assert found.edges == set()
    assert "TASK_STRUCT of 392 bytes, expected 112" in found.notes[0].text


@pytest.mark.parametrize(
    ("head", "why"),
    [
        (header(version=2), "image version 2"),
        (header(version=1 << 32 | 1), "image version 4294967297"),
        (header(architecture=2), "architecture 2"),
        (b"X" + header()[1:], "signature"),
    ],
)
def test_images_of_other_versions_are_kept_and_not_looked_into(head: bytes, why: str) -> None:
    """That of April too: its version is a le32, what follows it is not known."""
    w = Writer(head)
    w.file(w.cred())
    found = read(bytes(w))
    assert found.objects == {}
    assert [note.what for note in found.notes] == ["unread"]
    assert why in found.notes[0].text


# -- lies ---------------------------------------------------------------------------------------------------


def damage(data: bytes) -> Any:
    """Whatever the bytes: nothing is lost, and what is found is what stands there (`read` asserts it)."""
    return read(data, 0)


def test_every_bit_flipped() -> None:
    """No object begins where none did. Without a note the objects are the same, unless the flipped header is one that
    is valid, too (a CRED of 72 bytes is a PID of 15 numbers, a PID may end wherever an object begins): no
    reader can know better, and references to what was there dangle."""
    data, spans = bytearray(bytes(SMALL)), span_of(SMALL)
    starts = {start: name for name, (start, _) in spans.items()}
    headers = {start + i: name for start, name in starts.items() for i in range(8)}
    for i in range(len(data)):
        for bit in (0, 3, 7) if i in headers else (i % 8,):
            data[i] ^= 1 << bit
            found = damage(bytes(data)) if i in headers and bit == 3 else split([data])
            data[i] ^= 1 << bit
            assert set(found.positions) <= set(starts), (i, bit)
            assert i not in headers or headers[i] not in found.objects or headers[i].startswith("pid:"), (i, bit)
            if not found.notes and i not in headers:  # a field changed
                assert set(found.objects) == {*SMALL.objects, "header:0"}, (i, bit)


LIES = [
    0,
    1,
    7,
    8,
    9,
    12,
    16,
    20,
    24,
    28,
    32,
    48,
    56,
    72,
    112,
    120,
    264,
    392,
    4096,
    4104,
    2**16,
    2**31,
    2**32 - 8,
    2**32 - 1,
]


@pytest.mark.parametrize("lie", LIES)
def test_lengths_that_lie(lie: int) -> None:
    """A true object keeps its kind only with its true bytes; an end inside another object is no place to go on."""
    data, spans = bytes(SMALL), span_of(SMALL)
    true = {start for start, _ in spans.values()}
    for name, (at, end) in spans.items():
        found = damage(data[: at + 4] + struct.pack("<I", lie) + data[at + 8 :])
        if lie == end - at:
            continue
        assert set(found.positions) <= true
        if name in found.objects:  # only a PID may have many lengths: its claim ends where another object begins
            assert name.startswith("pid:")
            assert (at + lie + 7) // 8 * 8 in {*true, len(data)}
        else:
            assert found.notes


def test_a_uid_and_a_gid_are_no_object_although_they_read_as_one() -> None:
    """A PID that claims 8 bytes more ends at a CRED's uid 8, gid 8, which looks like an MM_STRUCT."""
    w = Writer()
    w.put(PID, struct.pack("<II", 0, 1), length=24)
    w.cred(8, 8)
    w.cred(8, 8)
    found = read(bytes(w))
    assert list(found.objects) == ["header:0"]
    assert [note.what for note in found.notes] == ["doubtful", "unread"]


def test_a_placeholder_after_a_pid_counts_when_something_sure_follows() -> None:
    w = Writer()
    w.pid(1)
    w.put(MM)
    w.put(FS, bytes(4))
    found = read(bytes(w))
    assert found.objects == w.objects | {"header:0": header()}
    assert found.notes == []


def test_a_pid_whose_padding_is_not_zero_is_unknown() -> None:
    w = Writer()
    at = w.put(PID, struct.pack("<I", 0), length=12)
    w.data += b"\1\0\0\0"
    w.cred()
    found = read(bytes(w))
    assert list(found.objects) == ["header:0", f"unknown:{at:#x}", f"cred:{at + 16:#x}"]
    assert "padding is not zero" in found.notes[0].text


def test_a_long_pid_passes_in_pieces() -> None:
    w = Writer()
    w.pid(*range(50_000))
    w.cred()
    found = read(bytes(w))
    assert found.objects == w.objects | {"header:0": header()}
    assert found.notes == []


def test_no_object_is_shorter_than_its_header_and_nothing_is_read_behind_it() -> None:
    for tail in (bytes(8), bytes(5000), struct.pack("<II", CRED, 7) + bytes(64)):
        found = read(EXAMPLE + tail)
        assert list(found.objects) == ["header:0", "pid:0x58", "cred:0x68", "file:0xb0"]
        assert [(note.what, note.where) for note in found.notes] == [("unread", "pos:0xe8")]


# -- references ---------------------------------------------------------------------------------------------


def test_positions_to_nothing_into_the_middle_and_to_other_kinds_dangle() -> None:
    for wrong in (0, 1, 0x59, 0x60, 0x58, 0x70, 0xB0, 0x1000, 2**63, 2**64 - 2):
        w = Writer()
        w.pid(1)
        w.cred()
        w.file(wrong)
        found = read(bytes(w))
        assert found.edges == {("file:0xb0", "cred", f"cred:{wrong:#x}")}
        assert found.dangling == {f"cred:{wrong:#x}"}
        assert found.notes == []


def test_forward_references_and_loops_are_kept() -> None:
    """The posted writer makes none, an image may hold them: the last file is the owner's pid, a nsproxy its own net."""
    w = Writer()
    w.file(0x58 + 56, owner=0x58 + 56 + 72)
    w.cred()
    w.pid(1)
    at = len(w.data)
    w.nsproxy(at, at, at, at, at)
    found = read(bytes(w))
    assert found.edges == w.edges
    assert ("file:0x58", "owner", "pid:0xd8") in found.edges
    assert found.dangling == {f"{kind}:{at:#x}" for kind in ("uts-ns", "ipc-ns", "mnt-ns", "pid-ns", "net-ns")}


# -- time and memory ----------------------------------------------------------------------------------------


def test_memory_is_bounded_whatever_a_length_says() -> None:
    w = Writer()
    w.put(99, b"", length=2**32 - 1)
    splitter, chunk = DIALECT.splitter(DEFAULT), bytes(1 << 16)
    tracemalloc.start()
    for piece in (bytes(w), *[chunk] * 500):
        for _ in splitter.feed(piece):
            pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def test_doubts_have_a_limit() -> None:
    w = Writer()
    for _ in range(DOUBTS_MAX + 1):
        w.put(99)
    w.cred()
    found = split([bytes(w)])
    assert found.stream == bytes(w)
    assert list(found.objects) == ["header:0"]
    assert [note.what for note in found.notes] == ["doubtful", "unread"]
    assert found.noted("unread")[0].text.startswith("too many objects in doubt")


def test_random_bytes_after_a_header() -> None:
    for seed in range(200):
        r = random.Random(seed)
        words = [r.choice((0, 1, 8, 12, 13, 14, 15, 16, 48, 56, 72, 112, 2**32 - 1)) for _ in range(200)]
        damage(header() + bytes(4) + struct.pack("<200I", *words))
        damage(header() + r.randbytes(r.randrange(400)))
