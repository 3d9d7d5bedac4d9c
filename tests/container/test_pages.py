"""A hash nominates, the bytes decide: pages that collide, and more pages than can be remembered."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLE, page, small_events, write_events

import objref
from objref.cli import main
from objref.container import format as f
from objref.container import pages
from objref.container.pages import PageTable
from objref.container.writer import Options
from objref.limits import DEFAULT

Hash = Callable[[bytes | memoryview], int]
WEAK: dict[str, Hash] = {
    "all the same": lambda _: 0,
    "two": lambda data: data[0] & 1,
    "like a zero page": lambda data: pages.ZERO_HASH if data[0] < 4 else data[0],
}


class Stored:
    """What a page table stores, in memory. Mutable."""

    def __init__(self, cap: int) -> None:
        self.data = bytearray()
        self.table = PageTable(self._append, self._read, cap)

    def _append(self, data: memoryview) -> int:
        self.data += data
        return (len(self.data) - len(data)) // f.PAGE

    def _read(self, slot: int) -> bytes:
        return bytes(self.data[slot * f.PAGE : (slot + 1) * f.PAGE])

    def take(self, data: bytes) -> bytes:
        """Append pages; returns what their slots give back."""
        slots = self.table.slots(memoryview(data))
        assert len(slots) == len(data) // f.PAGE
        return b"".join(page(0) if slot == f.ZERO_PAGE else self._read(slot) for slot in slots)


FILLS = st.lists(st.lists(st.integers(0, 6), max_size=15), max_size=6)


@pytest.mark.parametrize("weak", WEAK)
@settings(max_examples=60, deadline=None)
@given(fills=FILLS, cap=st.integers(0, 9))
def test_pages_that_collide_are_told_apart(weak: str, fills: list[list[int]], cap: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "xxh3", WEAK[weak])
        patch.setattr(pages, "ZERO_HASH", WEAK[weak](pages.ZERO) if weak != "like a zero page" else 77)
        stored = Stored(cap)
        for batch in fills:
            data = b"".join(map(page, batch))
            assert stored.take(data) == data


def test_pages_that_differ_in_their_last_byte_only() -> None:
    stored = Stored(100)
    variants = [page(0)[:-1] + bytes([i]) for i in range(256)] * 2
    assert stored.take(b"".join(variants)) == b"".join(variants)
    assert len(stored.data) == 255 * f.PAGE


@pytest.mark.parametrize("cap", [0, 1, 3, 100])
def test_more_pages_than_are_remembered(cap: int) -> None:
    stored = Stored(cap)
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
    monkeypatch.setattr(pages, "xxh3", lambda _: 0)
    monkeypatch.setattr(pages, "ZERO_HASH", 0)
    path = tmp_path / "x.objref"
    write_events(path, list(small_events()))
    with objref.open(path) as image:
        assert image["member"]["pages.img"] == page(1) + page(0) + page(2) + page(1) + page(0) + page(3)
