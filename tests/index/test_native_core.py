"""The native core, fed with tables that nobody checked: it finds what a plain search finds, and never looks outside."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from objref_index import core
from objref_index.lookup import TRIES

Spans: Any = getattr(core.native(), "Spans", object)
pytestmark = pytest.mark.skipif(Spans is object, reason="the native core was not built (no compiler), or is not wanted")

LAST = (1 << 64) - 1
SLOW = b"slow"
EDGES = [0, 1, 2, 5, 1 << 31, (1 << 32) - 1, 1 << 32, 1 << 63, LAST - 1, LAST]


class Looked(Spans):
    def _slow(self, key: object) -> bytes:
        return SLOW


class Tables:
    """Tables as somebody may have written them, and a plain search in them."""

    def __init__(self, draw: Any) -> None:
        word = draw(st.sampled_from((4, 8)))
        number = st.integers(0, 40) | st.sampled_from(EDGES)
        self.data = bytes(range(draw(st.integers(0, 40))))
        count = draw(st.integers(0, 12))
        limit = 1 << (8 * word)
        self.spans = [draw(number) % limit for _ in range(2 * count)]
        self.base = draw(number)
        self.modulus = draw(st.sampled_from((0, 0, 1, 3, 7, 100)))
        self.keys = [draw(number) for _ in range(count)]
        pack = struct.Struct("=II" if word == 4 else "=QQ").pack
        both = [pack(*self.spans[2 * i : 2 * i + 2]) for i in range(count)]
        if self.modulus:
            both = [struct.pack("=Q", key) + span for key, span in zip(self.keys, both, strict=True)]
        self.core = Looked(self.data, b"".join(both), word, self.base, self.modulus)

    def place(self, key: int) -> int | None:
        if not self.modulus:
            return key - self.base if 0 <= key - self.base < len(self.keys) else None
        first = key % self.modulus
        return next((i for i in range(first, min(first + TRIES, len(self.keys))) if self.keys[i] == key), None)

    def span(self, key: Any) -> tuple[int, int] | None:
        place = self.place(key) if type(key) is int and 0 <= key <= LAST else None
        if place is None:
            return None
        start, end = self.spans[2 * place : 2 * place + 2]
        return (start, end) if start < end <= len(self.data) else None


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_whatever_stands_in_the_tables(data: st.DataObject) -> None:
    tables = Tables(data.draw)
    keys = data.draw(st.lists(st.sampled_from([*EDGES, tables.base, *tables.keys]) | st.integers(0, 60), max_size=30))
    for key in [*keys, -1, 1 << 64, -(1 << 70), 1.0, True, None, "1"]:
        span = tables.span(key)
        assert tables.core[key] == (SLOW if span is None else tables.data[slice(*span)])
    found = [tables.span(key) for key in keys]
    numbers, starts, ends = np.array(keys, np.uint64), np.empty(len(keys), np.int64), np.empty(len(keys), np.int64)
    assert tables.core._locate_into(numbers, starts, ends) == found.count(None)
    assert list(zip(starts.tolist(), ends.tolist(), strict=True)) == [span or (0, 0) for span in found]
    joined = b"".join(tables.data[slice(*span)] for span in found if span)
    limit = data.draw(st.sampled_from([len(joined), len(joined) + 1, 1 << 40, len(joined) - 1]))
    made = tables.core._join_into(numbers, starts, ends, limit)
    assert made == (None if None in found or limit < len(joined) else joined)
    if made is not None:
        assert [made[a:b] for a, b in zip(starts, ends, strict=True)] == [tables.data[slice(*span)] for span in found if span]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=20), st.integers(0, 3), st.integers(0, 3))
@example([0, 1, 2, 3] * 5, 1, 0)
def test_arrays_that_overlap(keys: list[int], first: int, second: int) -> None:
    core = Looked(bytes(range(100)), struct.pack("=8I", 0, 100, 5, 6, 50, 99, 7, 70), 4, 0)
    memory = np.zeros(len(keys) + 8, np.int64)
    starts, ends = memory[first : first + len(keys)], memory[second : second + len(keys)]
    try:
        made = core._join_into(np.array(keys, np.uint64), starts, ends, 1 << 20)
    except ValueError:
        return
    assert made is None or len(made) <= 100 * len(keys)


@pytest.mark.parametrize(
    "tables",
    [
        (b"", b"\0" * 9, 4, 0),
        (b"", b"\0" * 8, 3, 0),
        (b"", b"\0" * 8, 0, 0),
        (b"", b"\0" * 8, -4, 0),
        (b"", b"\0" * 8, 4, -1),
        (b"", b"\0" * 8, 4, 1 << 64),
        (b"", b"\0" * 8, 4, 0, 5),
        (b"", b"\0" * 16, 8, 0, 5),
        (b"", b"\0" * 16, 4, 0, -1),
        (b"", b"\0" * 16, 4, 0, 1 << 64),
        ("", b"", 4, 0),
        (b"", None, 4, "0"),
    ],
)
def test_tables_that_do_not_fit(tables: tuple[Any, ...]) -> None:
    core = Looked.__new__(Looked)
    with pytest.raises((ValueError, TypeError, OverflowError)):
        core.__init__(*tables)
    assert core[0] == SLOW


def test_made_once_and_let_go_of() -> None:
    data = bytearray(b"hello")
    core = Looked(data, struct.pack("=2I", 0, 5), 4, 0)
    with pytest.raises(TypeError):
        core.__init__(data, b"", 4, 0)
    with pytest.raises(BufferError):
        data.clear()
    assert core[0] == b"hello"
    core._release()
    core._release()
    data.clear()
    assert core[0] == SLOW
    for size in (7, 16):
        with pytest.raises(ValueError, match="one length"):
            core._locate_into(bytes(8), bytearray(size), bytearray(8))
    with pytest.raises((TypeError, BufferError)):
        core._locate_into(bytes(8), bytes(8), bytearray(8))
