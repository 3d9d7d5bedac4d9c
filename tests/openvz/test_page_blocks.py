"""Small page blocks, which go through many at a time: nothing differs but the time."""

from __future__ import annotations

import io
import itertools
import random
import struct
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objref.dialects.events import Woven
from objref.dialects.openvz.splitter import CptSplitter
from objref.importer import import_image
from openvz.collecting import collect
from openvz.making import PAGE, Maker

BASE = 0x10_0000_0000


def memories(sizes: list[list[int]]) -> bytes:
    """An MM for each list: page blocks of so many pages; -1: a block without pages, -2: copied pages."""
    m, count = Maker(), itertools.count(1)
    m.section(4)
    first = 0
    for blocks in sizes:
        mm = m.begin("MM", 1)
        first = first or mm
        for k, n in enumerate(blocks):
            at = BASE + k * 64 * PAGE
            if n == -1:
                m.leaf("PAGES", 0, o16=("Q", at), o24=("Q", at + PAGE))
            elif n == -2:
                m.leaf("COPYPAGES", o16=("Q", at), o24=("Q", at + PAGE), o32=("Q", first))
            else:
                m.pages(at, b"".join(struct.pack("<Q", next(count)) * (PAGE // 8) for _ in range(n)))
        m.end()
    m.end()
    return m.finish()


def woven(data: bytes) -> int:
    splitter = CptSplitter()
    events = itertools.chain(splitter.feed(data), splitter.finish())
    return sum(len(event.data) for event in events if isinstance(event, Woven))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.lists(st.sampled_from([1, 1, 1, 2, 5, 31, 33, -1, -2]), max_size=8), max_size=3), st.integers(0, 99))
def test_pieces_make_no_difference(sizes: list[list[int]], seed: int) -> None:
    data = memories(sizes)
    rng = random.Random(seed)
    cuts = sorted({rng.randrange(len(data) + 1) for _ in range(rng.choice((3, 40, 400)))})
    whole = collect(data)
    assert collect(data, cuts).same() == whole.same()
    pages = sum(n for blocks in sizes for n in blocks if n > 0)
    assert sum(len(b"".join(thing.at.values())) for thing in whole.things if thing.at) >= pages * PAGE
    assert whole.paged == pages * PAGE


def test_most_go_together() -> None:
    data = memories([[1] * 200])
    assert woven(data) > len(data) * 0.9
    assert not collect(data).notes


@pytest.mark.parametrize(("offset", "value"), [
    (0, 4096), (0, 1 << 40), (8, 3), (12, 40 << 0), (14, 3), (16, BASE + 1), (16, 1 << 63), (24, BASE), (24, 0),
])  # fmt: skip
def test_one_among_them_that_is_broken(offset: int, value: int) -> None:
    """The same notes and objects, whether it came with others or alone."""
    data = bytearray(memories([[1] * 12]))
    at = data.index(struct.pack("<QQ", BASE + 5 * 64 * PAGE, BASE + 5 * 64 * PAGE + PAGE)) - 16
    struct.pack_into({0: "<Q", 8: "<I", 12: "<H", 14: "<H"}.get(offset, "<Q"), data, at + offset, value)
    whole = collect(bytes(data))
    assert collect(bytes(data), range(500, len(data), 500)).same() == whole.same()
    assert whole.notes


def test_what_is_stored_does_not_depend_on_the_pieces(tmp_path: Path) -> None:
    data, made = memories([[1] * 700, [2, 1] * 50]), set()
    for k, size in enumerate((1 << 20, 1 << 16, 5000)):
        source = io.BytesIO(data)
        source.read = lambda n=-1, size=size, read=source.read: read(size if n < 0 else min(n, size))  # type: ignore[method-assign, misc]
        import_image(source, tmp_path / f"{k}.objref")
        made.add((tmp_path / f"{k}.objref").read_bytes())
    assert len(made) == 1


def test_cut_among_them() -> None:
    data = memories([[1] * 6])
    first = data.index(struct.pack("<QQ", BASE, BASE + PAGE)) - 16
    for n in (*range(first, first + 70, 3), first + 3 * (PAGE + 32), first + 3 * (PAGE + 32) + 20):
        assert collect(data[:n]).same() == collect(data[:n], range(300, n, 300)).same()
        assert "cut" in collect(data[:n]).what()
