"""Where the bytes of sections went: old addresses to new ones, those of lost bytes too. Needs numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from objref.container.format import ADDRESS_MASK
from objref.errors import FormatError
from objref_index.objects import LISTED, NOWHERE, SPARSE

__all__ = ["Moves", "Places", "Tables"]

Words = npt.NDArray[np.uint64]
MASK, SHIFT = np.uint64(ADDRESS_MASK), np.uint64(48)


class Moves:
    """Collects. Mutable. Places are `section << 48 | address`."""

    def __init__(self) -> None:
        self._rows = array("Q")

    def add(self, old: int, new: int, length: int) -> None:
        """These bytes went from one place to another."""
        rows = self._rows
        if rows and rows[-3] + rows[-1] == old and rows[-2] + rows[-1] == new:
            rows[-1] += length
        elif length:
            rows.extend((old, new, length))

    def places(self) -> Places:
        """All of them, to be asked."""
        rows = np.array(self._rows, np.uint64).reshape(-1, 3)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        if len(rows):  # runs of several strands alternate: what belongs together becomes one
            touch = (rows[1:, :2] == rows[:-1, :2] + rows[:-1, 2:]).all(axis=1)
            first = np.flatnonzero(np.r_[True, ~touch])
            rows = np.c_[rows[first, :2], np.add.reduceat(rows[:, 2], first)]
        return Places(rows[:, 0].copy(), rows[:, 1].copy(), rows[:, 2].copy())


class Places(NamedTuple):
    """Ascending runs of old places, where each went, and its length."""

    starts: Words
    targets: Words
    lengths: Words

    def moved(self, where: Words, lengths: Words) -> tuple[Words, npt.NDArray[np.bool_]]:
        """The new place of each, and which of them are in more than one place now."""
        if not len(where):
            return where, np.zeros(0, bool)
        if not len(self.starts):
            raise FormatError("objects name bytes that no section has (R17)")
        first = self._run(where)
        last = self._run(where + lengths - np.uint64(1))
        wrong = where - self.starts[first] > self.lengths[first]
        wrong |= where + lengths > self.starts[last] + self.lengths[last]
        if wrong.any():
            raise FormatError("objects name bytes that no section has (R17)")
        return self.targets[first] + (where - self.starts[first]), first != last

    def _run(self, where: Words) -> npt.NDArray[np.int64]:
        return np.maximum(np.searchsorted(self.starts, where, side="right") - 1, 0)

    def pieces(self, where: int, length: int) -> Iterator[tuple[int, int]]:
        """(place, length) of bytes in more than one place."""
        i = int(self._run(np.array([where], np.uint64))[0])
        while length:
            inside = where - int(self.starts[i])
            part = min(length, int(self.lengths[i]) - inside)
            yield int(self.targets[i]) + inside, part
            where, length, i = where + part, length - part, i + 1


class Tables:
    """Objects and extents at their new places. Mutable."""

    def __init__(self, objects: Any, extents: Any, places: Places, lost: int) -> None:
        """The words of both tables. `lost`: the section of what is lost, 0 when nothing is."""
        rows = np.asarray(objects).astype(np.uint64).reshape(-1, 2)
        self._where, self.what = rows[:, 0].copy(), rows[:, 1].copy()
        self._old = np.asarray(extents).astype(np.uint64).reshape(-1, 3)
        self._places, self._lost = places, lost
        self._new: list[Any] = []
        self._count = 0
        self.touched = np.zeros(len(self._where), bool)
        """Objects that have lost bytes."""
        self._move()

    def _move(self) -> None:
        section, lengths = self._where >> SHIFT, self.what & MASK
        listed = section == LISTED
        plain = ~listed & (section != NOWHERE) & (lengths > 0)
        self._where[~listed & (lengths == 0)] = 0
        moved, broken = self._places.moved(self._where[plain], lengths[plain])
        split = np.zeros(len(section), bool)
        split[plain] = broken
        before = self._where.copy()
        self._where[plain] = moved
        self.touched[plain] = moved >> SHIFT == self._lost if self._lost else False
        rows, cut = self._moved_rows()
        for i in np.flatnonzero(listed | split).tolist():
            if listed[i]:
                self._copy_list(i, int(before[i]) & ADDRESS_MASK, rows, cut)
            else:
                self._add(i, 0, self._split(0, int(before[i]), int(lengths[i])))

    def _moved_rows(self) -> tuple[Words, npt.NDArray[np.bool_]]:
        """All rows of the extents table, those of extents at their new places."""
        rows, cut = self._old.copy(), np.zeros(len(self._old), bool)
        heads = np.zeros(len(rows), bool)
        at = 0
        while at < len(rows):
            heads[at] = True
            at += int(rows[at, 1]) + 1
        named = ~heads & (rows[:, 1] >> SHIFT != NOWHERE) & (rows[:, 2] > 0)
        rows[named, 1], cut[named] = self._places.moved(rows[named, 1], rows[named, 2])
        return rows, cut

    def _copy_list(self, i: int, at: int, rows: Words, cut: npt.NDArray[np.bool_]) -> None:
        count = int(self._old[at, 1])
        mine = slice(at + 1, at + 1 + count)
        found = rows[mine]
        if cut[mine].any():
            parts = []
            for row, old, broken in zip(found, self._old[mine].tolist(), cut[mine].tolist(), strict=True):
                parts.append(self._split(*old) if broken else row[None])
            found = np.concatenate(parts)
        self._add(i, int(self._old[at, 0]), found)

    def _split(self, at: int, where: int, length: int) -> Words:
        rows = []
        for place, part in self._places.pieces(where, length):
            rows.append((at, place, part))
            at += part
        return np.array(rows, np.uint64)

    def _add(self, i: int, flags: int, rows: Words) -> None:
        if self._lost and (rows[:, 1] >> SHIFT == self._lost).any():
            self.touched[i] = True
        head = np.array([[flags & SPARSE, len(rows), int(rows[:, 2].sum())]], np.uint64)
        self._new += [head, rows]
        self._where[i] = np.uint64(LISTED << 48 | self._count)
        self._count += len(rows) + 1

    def objects(self) -> bytes:
        """The objects table."""
        return np.stack([self._where, self.what], axis=1).astype("<u8").tobytes()

    def extents(self) -> bytes:
        """The extents table."""
        return np.concatenate(self._new).astype("<u8").tobytes() if self._new else b""
