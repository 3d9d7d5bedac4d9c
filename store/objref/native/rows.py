"""The rows of objects with offsets in place of addresses, as far as their bytes have gone out. Needs numpy."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from objref.backing import Backing
from objref.container import format as f
from objref.errors import FormatError
from objref.native import layout as n
from objref.native.offsets import Offsets, offsets_of
from objref_index.arrays import Ints, different, window
from objref_index.objects import LISTED, NOWHERE, Row

__all__ = ["Ready", "Rows"]

AT_ONCE = 8192
MASK, SHIFT = np.uint64(f.ADDRESS_MASK), np.uint64(48)


class Ready(NamedTuple):
    """Objects first…first+len-1: the columns `where` and `what` of OBJECTS, and the rows of EXTENTS they take."""

    first: int
    where: Ints
    what: Ints
    extents: Ints


class _Some(NamedTuple):
    """Some rows from ordinal `first`, converted. `lists`: extents by place in them."""

    first: int
    where: Ints
    what: Ints
    lists: dict[int, Ints]


class Rows:
    """Reads the objects table once. Mutable. `strands`: the number in the stream of each section."""

    def __init__(self, container: Backing, strands: dict[int, int]) -> None:
        self._container = container
        self._strands = strands
        self._words = container.column("objects")
        self._table = container.objects()
        self._offsets: dict[int, Offsets] = {}
        self._some = _Some(0, np.zeros(0, np.uint64), np.zeros(0, np.uint64), {})
        self.next = 0
        """The next ordinal."""

    def ready(self, gone: Ints) -> Ready | None:
        """The next objects all of whose bytes have gone out, some of them; None when there is none. `gone`: bytes of
        each strand, by number."""
        if self.next == self._some.first + len(self._some.where):
            if self.next == self._table.count:
                return None
            self._some = self._load(self.next)
        some, skip = self._some, self.next - self._some.first
        count = self._whole(some, skip, gone)
        if not count:
            return None
        lists = [some.lists[i] for i in range(skip, skip + count) if i in some.lists] if some.lists else []
        part = slice(skip, skip + count)
        extents = np.concatenate(lists) if lists else np.zeros((0, 3), np.uint64)
        self.next += count
        return Ready(self.next - count, some.where[part], some.what[part], extents)

    def _whole(self, some: _Some, skip: int, gone: Ints) -> int:
        """How many rows from `skip` on need nothing that has not gone out."""
        where, what = some.where[skip:], some.what[skip:]
        strand = where >> SHIFT
        plain = strand < LISTED
        whole = ~plain
        whole[plain] = (where[plain] & MASK) + (what[plain] & MASK) <= gone[strand[plain].astype(np.int64)]
        for i, rows in some.lists.items():
            if i >= skip:
                ends = (rows[:, 1] & MASK) + rows[:, 2]
                numbers = (rows[:, 1] >> SHIFT).astype(np.int64)
                whole[i - skip] = bool(((ends <= gone[numbers]) | (numbers == 0)).all())
        return len(whole) if whole.all() else int(np.argmin(whole))

    # -- converting ----------------------------------------------------------------------------------------

    def _load(self, first: int) -> _Some:
        stop = min(self._table.count, first + AT_ONCE)
        assert self._words is not None  # for mypy: there are objects
        words = window(self._words, 2 * first, 2 * stop).reshape(-1, 2)
        where, what = words[:, 0].copy(), words[:, 1].copy()
        lists = {}
        for i in np.flatnonzero(where >> SHIFT == LISTED).tolist():
            row = Row(LISTED, int(where[i]) & f.ADDRESS_MASK, int(what[i]) >> 48, int(what[i]) & f.ADDRESS_MASK)
            found = self._table.extents(row)
            lists[i] = self._converted(found.extents)
            where[i] = LISTED << 48 | found.sparse * n.SPARSE_BIT | len(lists[i])
        plain = where >> SHIFT != LISTED
        where[plain] = self._placed(where[plain], what[plain] & MASK)
        return _Some(first, where, what, lists)

    def _converted(self, extents: Any) -> Ints:
        rows = np.array([(e.at, e.section << 48 | e.address, e.length) for e in extents], np.uint64).reshape(-1, 3)
        rows[:, 1] = self._placed(rows[:, 1], rows[:, 2], holes=True)
        return rows

    def _placed(self, where: Ints, lengths: Ints, holes: bool = False) -> Ints:
        """`strand << 48 | offset` for `section << 48 | address`."""
        sections, addresses = where >> SHIFT, where & MASK
        out = np.zeros(len(where), np.uint64)
        for number in different(sections):
            mine = sections == number
            if number == NOWHERE:
                if addresses[mine].any() or (lengths[mine].any() and not holes):
                    raise FormatError("index: an object that lies nowhere has an address or bytes")
                continue
            offsets = self._offsets_of(number).of(addresses[mine], lengths[mine])
            out[mine] = np.uint64(self._strands[number] << 48) | offsets
        return out

    def _offsets_of(self, number: int) -> Offsets:
        found = self._offsets.get(number)
        if found is None:
            if number not in self._strands:
                raise FormatError(f"index: objects in section {number}, which is no strand (R17)")
            found = self._offsets[number] = offsets_of(self._container, self._container.sections[number])
        return found
