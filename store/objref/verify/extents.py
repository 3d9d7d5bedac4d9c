"""The extents table beside the objects table: one list for each object that needs one, in their order (R18)."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import NamedTuple

import numpy as np

from objref.findings import Finding, Findings
from objref_index import Column
from objref_index.arrays import Ints, window
from objref_index.objects import EXTENT_WORDS, SPARSE

__all__ = ["ExtentWalk", "Rows"]

WINDOW = 1 << 16
"""Rows that are looked at together: their lengths, each below 2^48, can be added up in 64 bits."""
LENGTH_MAX = np.uint64((1 << 48) - 1)
TOP = np.uint64((1 << 64) - 1)


class Rows(NamedTuple):
    """Extents with the ordinals of their objects."""

    owners: Ints
    where: Ints
    """section << 48 | address"""
    lengths: Ints


class _Lists(NamedTuple):
    """What the objects table says of objects with lists."""

    owners: Ints
    heads: Ints
    lengths: Ints


class ExtentWalk:
    """Goes through the extents table once, as objects ask for their lists. Mutable."""

    def __init__(self, column: Column | None, findings: Findings) -> None:
        self._column = column
        self._count = len(column) // EXTENT_WORDS if column is not None else 0
        self._findings = findings
        self._next = 0
        self._wrong: list[int] = []
        self.broken = False
        """Whether the table is damaged: then it cannot be walked, only asked for single lists."""

    def take_wrong(self) -> list[int]:
        """Objects whose lists were wrong since the last call."""
        wrong, self._wrong = self._wrong, []
        return wrong

    def lists(self, owners: Ints, heads: Ints, lengths: Ints) -> Iterator[Rows]:
        """The extents of these objects, whose rows name these heads; wrong ones are found and left out."""
        left = _Lists(owners, heads.astype(np.int64), lengths)
        while len(left.owners):
            head = int(left.heads[0])
            if not head < self._count:
                self._say(int(left.owners[0]), f"its list is row {head} of {self._count}")
                left = _Lists(*(column[1:] for column in left))
                continue
            if head != self._next:
                text = f"its list is row {head}, the list before it ends at {self._next} (R18)"
                self._findings.say("extents", f"object #{int(left.owners[0])}", text, "R18")
                self._next = head
            done = yield from self._some(left)
            left = _Lists(*(column[done:] for column in left))

    def finish(self) -> None:
        """All objects have been asked: no row may be left."""
        if self._next < self._count:
            text = f"rows {self._next}…{self._count - 1} are in the list of no object (R18)"
            self._findings.say("extents", "table extents", text, "R18")

    def _some(self, left: _Lists) -> Generator[Rows, None, int]:
        """The lists that begin and end in one window, or one that is longer. Returns how many objects are done."""
        rows = self._read(self._next, WINDOW)
        heads = left.heads[:WINDOW]
        outside = (heads < self._next) | (heads >= self._next + len(rows))  # heads need not ascend, whatever R18 says
        inside = heads[: int(np.argmax(outside)) if outside.any() else len(heads)] - self._next
        counts = rows[inside, 1]
        ends = np.where(counts <= np.uint64(WINDOW), inside + 1 + counts.astype(np.int64), WINDOW + 1)
        fits = (inside == np.r_[0, ends[:-1]]) & (ends <= len(rows))
        done = len(fits) if fits.all() else int(np.argmin(fits))
        if not done:
            yield from self._long(left, int(counts[0]))
            return 1
        yield self._checked(rows[: ends[done - 1]], inside[:done], _Lists(*(column[:done] for column in left)))
        self._next += int(ends[done - 1])
        return done

    def _read(self, start: int, rows: int) -> Ints:
        assert self._column is not None  # for mypy: there are rows
        stop = min(start + rows, self._count)
        return window(self._column, start * EXTENT_WORDS, stop * EXTENT_WORDS).reshape(-1, EXTENT_WORDS)

    def _checked(self, rows: Ints, heads: Ints, lists: _Lists) -> Rows:
        """The extents of whole lists, without those of lists that break a rule."""
        counts = np.diff(np.r_[heads, len(rows)])
        owner = np.repeat(np.arange(len(heads)), counts)
        is_head = np.zeros(len(rows), bool)
        is_head[heads] = True
        sparse = (rows[heads, 0] & np.uint64(SPARSE)).astype(bool)[owner]
        lengths = np.where(is_head, np.uint64(0), rows[:, 2])
        wrong = _misplaced(np.where(is_head, np.uint64(0), rows[:, 0]), lengths, np.roll(is_head, 1), sparse) & ~is_head
        wrong |= lengths > LENGTH_MAX
        held = np.add.reduceat(np.minimum(lengths, LENGTH_MAX), heads)
        bad = np.add.reduceat(wrong, heads, dtype=np.int64) > 0
        differs = (held != rows[heads, 2]) | (held != lists.lengths)
        for k in np.flatnonzero(bad | differs)[:100]:
            text = "its extents overlap, descend or leave a gap" if bad[k] else self._held(held[k], lists.lengths[k])
            self._say(int(lists.owners[k]), text)
        keep = ~is_head & ~bad[owner]
        return Rows(lists.owners[owner[keep]], rows[keep, 1], lengths[keep])

    def _held(self, held: Ints, length: Ints) -> str:
        return f"its extents hold {held} bytes, expected {length}"

    def _long(self, left: _Lists, count: int) -> Iterator[Rows]:
        """A list longer than a window, or one that says it is."""
        owner, head = int(left.owners[0]), self._next
        if count > self._count - head - 1:
            self._say(owner, f"its list says {count} rows, {self._count - head - 1} are left")
            self._next += 1
            return
        first = self._read(head, 1)[0]
        sparse, end, held = bool(first[0] & np.uint64(SPARSE)), np.uint64(0), 0
        for start in range(head + 1, head + 1 + count, WINDOW - 1):
            rows = self._read(start, min(WINDOW - 1, head + 1 + count - start))
            at, lengths = rows[:, 0], np.minimum(rows[:, 2], LENGTH_MAX)
            before = np.r_[end, at[:-1] + lengths[:-1]]
            if _wrong_places(at, lengths, before, np.full(len(rows), sparse)).any() or (rows[:, 2] > LENGTH_MAX).any():
                self._say(owner, "its extents overlap, descend or leave a gap")
                break
            end, held = at[-1] + lengths[-1], held + int(lengths.sum())
            yield Rows(np.full(len(rows), owner), rows[:, 1], lengths)
        else:
            if not held == int(first[2]) == int(left.lengths[0]):
                self._say(owner, f"its extents hold {held} bytes, expected {int(left.lengths[0])}")
        self._next = head + 1 + count

    def _say(self, owner: int, text: str) -> None:
        self._wrong.append(owner)
        self._findings.add(Finding("extents", f"object #{owner}", f"{text} (R18)", ("R18",), (f"#{owner}",), 1))


def _misplaced(at: Ints, lengths: Ints, first: Ints, sparse: Ints) -> Ints:
    before = np.r_[np.uint64(0), at[:-1] + lengths[:-1]]
    return _wrong_places(at, lengths, np.where(first, np.uint64(0), before), sparse)


def _wrong_places(at: Ints, lengths: Ints, before: Ints, sparse: Ints) -> Ints:
    """Extents that begin before the one before them ended, leave a gap where there may be none, or leave 64 bits."""
    return (at < before) | ((at > before) & ~sparse) | (at > TOP - lengths)
