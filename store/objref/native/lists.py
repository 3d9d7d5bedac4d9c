"""Extents of objects that are in several places: rows wait for the objects that take them (N15). Needs numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from objref.errors import FormatError
from objref.native import layout as n
from objref_index.arrays import Ints

__all__ = ["Lists", "Waiting"]

COUNT = np.uint64(n.SPARSE_BIT - 1)


class Lists(NamedTuple):
    """Rows `at, strand << 48 | offset, length` of several lists: list i has rows ends[i-1]…ends[i]-1."""

    sparse: Ints
    ends: Ints
    rows: Ints


class Waiting:
    """Rows that came before their objects. Mutable."""

    def __init__(self) -> None:
        self._parts: list[Ints] = []
        self.count = 0

    def add(self, rows: Ints) -> None:
        """Further rows."""
        self._parts.append(rows)
        self.count += len(rows)

    def take(self, where: Ints, lengths: Ints) -> Lists:
        """The rows of objects in several places, by the low 48 bits of their `where`; each list is checked."""
        sparse = where & np.uint64(n.SPARSE_BIT) != 0
        counts = where & COUNT
        if len(counts) and (int(counts.max()) > self.count or int(counts.sum()) > self.count):
            raise FormatError(f"objects take {int(counts.sum())} rows of extents, {self.count} have come (N15)")
        ends = np.cumsum(counts.astype(np.int64))
        rows = self._pop(int(ends[-1]) if len(ends) else 0)
        _check(sparse, ends, rows, lengths)
        return Lists(sparse, ends, rows)

    def _pop(self, count: int) -> Ints:
        if not count:
            return np.zeros((0, 3), np.uint64)
        joined = np.concatenate(self._parts) if len(self._parts) > 1 else self._parts[0]
        self.count -= count
        self._parts = [joined[count:]] if self.count else []
        return joined[:count]


def _check(sparse: Ints, ends: Ints, rows: Ints, lengths: Ints) -> None:
    """Rows ascend, leave no gap unless sparse, and add up."""
    at, size = rows[:, 0], rows[:, 2]
    stop = at + size
    starts = np.r_[np.int64(0), ends[:-1]] if len(ends) else ends
    full = ends > starts
    first = np.zeros(len(rows), bool)
    first[starts[full]] = True
    before = np.r_[np.uint64(0), stop[:-1]] if len(rows) else stop
    before[first] = 0
    loose = np.repeat(sparse, ends - starts)
    wrong = (stop < at) | (at < before) | (~loose & (at != before))
    totals = np.zeros(len(ends), np.uint64)
    if full.any():
        totals[full] = np.add.reduceat(size, starts[full])
    if wrong.any() or (totals != lengths).any():
        raise FormatError("extents overlap, leave a gap, or do not add up to their object (N15)")
