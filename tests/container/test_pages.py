"""A hash nominates, the bytes decide: pages that collide, and more pages than can be remembered."""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLE, page, small_events, write_events

import objref
from objref.cli import main
from objref.container import format as f
from objref.container import seen
from objref.container.pages import PageTable
from objref.container.seen import Seen, SeenInPython
from objref.container.writer import Options
from objref.limits import DEFAULT
from objref_index import core

Hash = Callable[[bytes | memoryview], int]
WEAK: dict[str, Hash] = {
    "all the same": lambda _: 0,
    "two": lambda data: data[0] & 1,
    "like a zero page": lambda data: seen.ZERO_HASH if data[0] < 4 else data[0],
}
KEY = bytes(range(256)) * 16
Native: Any = getattr(core.native(), "Pages", None)
native = pytest.mark.skipif(Native is None, reason="the native core was not built (no compiler), or is not wanted")
MAKERS = [SeenInPython, pytest.param(lambda cap: Native(cap, KEY), marks=native, id="native")]


class Stored:
    """What a page table stores, in memory. Mutable."""

    def __init__(self, cap: int, made: Seen | None = None) -> None:
        self.data = bytearray()
        self.slots: list[int] = []
        self.table = PageTable(self._append, self._read, cap, made)

    def _append(self, data: memoryview) -> int:
        self.data += data
        return (len(self.data) - len(data)) // f.PAGE

    def _read(self, slot: int) -> bytes:
        return bytes(self.data[slot * f.PAGE : (slot + 1) * f.PAGE])

    def take(self, data: bytes) -> bytes:
        """Append pages; returns what their slots give back."""
        slots = self.table.slots(memoryview(data))
        self.slots += slots
        assert len(slots) == len(data) // f.PAGE
        return b"".join(page(0) if slot == f.ZERO_PAGE else self._read(slot) for slot in slots)


FILLS = st.lists(st.lists(st.integers(0, 6), max_size=15), max_size=6)


@pytest.mark.parametrize("weak", WEAK)
@settings(max_examples=60, deadline=None)
@given(fills=FILLS, cap=st.integers(0, 9))
def test_pages_that_collide_are_told_apart(weak: str, fills: list[list[int]], cap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(seen, "xxh3", WEAK[weak])
        patch.setattr(seen, "ZERO_HASH", WEAK[weak](seen.ZERO) if weak != "like a zero page" else 77)
        stored = Stored(cap, SeenInPython(cap))
        for batch in fills:
            data = b"".join(map(page, batch))
            assert stored.take(data) == data


@native
@pytest.mark.parametrize("mask", [0, 1, 1 << 63])
@settings(max_examples=60, deadline=None)
@given(fills=FILLS, cap=st.integers(0, 9))
def test_the_native_table_tells_them_apart_too(mask: int, fills: list[list[int]], cap: int) -> None:
    """With one or two hashes for all pages: what does not enter is stored again, and every slot gives back its page."""
    table = Native(cap, KEY, mask)
    stored = Stored(cap, table)
    for batch in fills:
        data = b"".join(map(page, batch))
        assert stored.take(data) == data
    assert table.taken <= min(cap, 1 + (mask > 0))


@native
@settings(max_examples=150, deadline=None)
@given(fills=FILLS, cap=st.integers(0, 9), key=st.binary(min_size=1, max_size=8))
def test_both_tables_give_the_same_slots(fills: list[list[int]], cap: int, key: bytes) -> None:
    """The file must not tell which of them was at work, nor with which key."""
    python = Stored(cap, SeenInPython(cap))
    native = Stored(cap, Native(cap, (hashlib.shake_128(key).digest(f.PAGE))))
    for batch in fills:
        data = b"".join(map(page, batch))
        assert native.take(data) == python.take(data) == data
    assert (native.slots, native.data) == (python.slots, python.data)
    said = [(t.pages, t.zero, t.repeated, t.full) for t in (native.table, python.table)]
    assert said[0] == said[1]


@native
def test_a_table_that_grows() -> None:
    many = [n.to_bytes(8, "little") * 512 for n in range(1, 3001)]
    stored = Stored(2500, Native(2500, KEY))
    for start in range(0, 3000, 700):
        stored.take(b"".join(many[start : start + 700]))
    assert stored.slots == list(range(3000))
    assert stored.table.full
    again = stored.take(b"".join(many))
    assert again == b"".join(many)
    assert stored.slots[3000:] == [*range(2500), *range(3000, 3500)]


@native
def test_buffers_that_do_not_fit() -> None:
    for wrong in ((-1, KEY), (1, KEY[1:]), (1, "x"), (1 << 64, KEY)):
        with pytest.raises((ValueError, TypeError, OverflowError)):
            Native(*wrong)
    table = Native(5, KEY)
    for lengths in ((4095, 8, 4), (4096, 7, 4), (4096, 8, 8), (8192, 8, 4), (0, 8, 0)):
        buffers = [bytearray(length) for length in lengths]
        with pytest.raises(ValueError, match="whole pages"):
            table.look(*buffers)
        with pytest.raises(ValueError, match="whole pages"):
            table.number(*buffers, 0)
    with pytest.raises((TypeError, BufferError)):
        table.look(bytes(4096), bytes(8), bytes(4))
    assert table.look(b"", bytearray(), bytearray()) == (0, [])
    assert table.number(b"", bytearray(), bytearray(), 0) == []
    with pytest.raises(ValueError, match="made once"):
        table.__init__(5, KEY)


@native
@settings(max_examples=150, deadline=None)
@given(st.data())
def test_hashes_and_slots_that_nobody_looked_up(data: st.DataObject) -> None:
    """Nothing outside of the buffers is read, whatever stands in them and whatever the first slot is."""
    table, word = Native(6, KEY), st.sampled_from([0, 1, 2, 5, (1 << 32) - 2, (1 << 32) - 1])
    for _ in range(data.draw(st.integers(1, 5))):
        fills = data.draw(st.lists(st.integers(0, 3), max_size=6))
        slots = array("I", data.draw(st.lists(word, min_size=len(fills), max_size=len(fills))))
        hashes = array("Q", data.draw(st.lists(word, min_size=len(fills), max_size=len(fills))))
        runs = table.number(b"".join(map(page, fills)), hashes, slots, data.draw(word))
        assert all(0 <= start < stop <= len(fills) for start, stop in zip(runs[::2], runs[1::2], strict=True))


@pytest.mark.parametrize("make", MAKERS)
def test_pages_that_differ_in_their_last_byte_only(make: Callable[[int], Seen]) -> None:
    stored = Stored(300, make(300))
    variants = [page(0)[:-1] + bytes([i]) for i in range(256)] * 2
    assert stored.take(b"".join(variants)) == b"".join(variants)
    assert len(stored.data) == 255 * f.PAGE


@pytest.mark.parametrize("cap", [0, 1, 3, 100])
@pytest.mark.parametrize("make", MAKERS)
def test_more_pages_than_are_remembered(make: Callable[[int], Seen], cap: int) -> None:
    stored = Stored(cap, make(cap))
    for _ in range(3):
        for fill in range(1, 10):
            assert stored.take(page(fill)) == page(fill)
    assert len(stored.data) // f.PAGE == 9 + 2 * max(9 - cap, 0)
    assert stored.table.full == (cap <= 9)
    assert stored.table.repeated == 2 * min(cap, 9)


def test_the_cap_is_reported_and_harms_nothing(tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    write_events(path, list(small_events()), Options(seen_pages=1))
    with objref.open(path) as image:
        assert image.meta["pages"]["cap_reached"]
        assert image.meta["options"]["seen_pages"] == 1
        found = image["member"]["pages.img"]
        assert found == page(1) + page(0) + page(2) + page(1) + page(0) + page(3)
        assert hashlib.sha256(b"".join(image.stream())).hexdigest() == image.stream_sha256


def test_info_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The cap is a limit of the import; what was stored twice because of it is found when the image is repacked."""
    sizes = {}
    for cap in (0, 1000):
        path = tmp_path / f"{cap}.objref"
        objref.import_image(SAMPLE, path, limits=DEFAULT._replace(seen_pages=cap))
        assert main(["info", str(path)]) == 0
        assert ("table of pages seen was full" in capsys.readouterr().out) == (cap == 0)
        with objref.open(path) as image:
            sizes[cap] = next(s.length for s in image.container.sections.values() if s.role == f.PAGES)
    assert sizes[1000] < sizes[0]
    objref.repack_image(tmp_path / "0.objref", tmp_path / "again", options=Options())
    with objref.open(tmp_path / "again") as image:
        assert not image.meta["pages"]["cap_reached"]
        assert next(s.length for s in image.container.sections.values() if s.role == f.PAGES) == sizes[1000]


def test_a_weak_hash_through_a_whole_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(core.VARIABLE, "0")
    monkeypatch.setattr(seen, "xxh3", lambda _: 0)
    monkeypatch.setattr(seen, "ZERO_HASH", 0)
    path = tmp_path / "x.objref"
    write_events(path, list(small_events()))
    with objref.open(path) as image:
        assert image["member"]["pages.img"] == page(1) + page(0) + page(2) + page(1) + page(0) + page(3)
