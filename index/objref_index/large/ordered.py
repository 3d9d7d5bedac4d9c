"""Rows in the order of their first column, however many there are. Needs numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from objref_index.columns import Word
from objref_index.large.scratch import ROWS, AnyArray, Scratch, Stretch

__all__ = ["Ordered"]

FAN = 64
"""Parts that rows are divided into when they are too many to be sorted at once."""
SORTED = 4 * ROWS
"""Rows that are sorted in memory."""
ROOM = 32 << 20
"""Bytes of them in memory meanwhile."""

Rows = tuple[AnyArray, ...]


class Ordered:
    """Rows to be put in order, the equal ones as they came. Mutable."""

    def __init__(self, scratch: Scratch, words: tuple[Word, ...], top: int) -> None:
        """`top`: above all keys."""
        self._scratch = scratch
        self._words = words
        self._top = top
        self._columns = self._new()
        self._last = 0
        self.ascending = True
        """Whether the rows came in order."""

    def put(self, *rows: AnyArray) -> None:
        """The next rows."""
        key = rows[0]
        if not len(key):
            return
        self.ascending = self.ascending and int(key[0]) >= self._last and bool(np.all(key[1:] >= key[:-1]))
        self._last = int(key[-1])
        _extend([self._columns], [rows])

    def chunks(self) -> Iterator[Rows]:
        """All rows in order, some at a time."""
        if self.ascending:
            return _as_they_are(self._columns)
        return self._ordered(self._columns, 0, self._top)

    def _new(self) -> list[Stretch]:
        return [Stretch(self._scratch, word) for word in self._words]

    def _ordered(self, columns: list[Stretch], low: int, high: int) -> Iterator[Rows]:
        """Rows with keys low…high-1."""
        count = columns[0].count
        if count <= SORTED:
            rows = tuple(column.read(0, count) for column in columns)
            order = np.argsort(rows[0], kind="stable")
            yield tuple(column[order] for column in rows)
        elif high - low <= 1:
            yield from _as_they_are(columns)
        else:
            span = -(-(high - low) // FAN)
            for i, part in enumerate(self._divided(columns, low, span)):
                yield from self._ordered(part, low + i * span, min(low + (i + 1) * span, high))

    def _divided(self, columns: list[Stretch], low: int, span: int) -> list[list[Stretch]]:
        parts = [self._new() for _ in range(FAN)]
        for rows in _as_they_are(columns):
            which = ((rows[0].astype(np.uint64) - np.uint64(low)) // np.uint64(span)).astype(np.uint8)
            order = np.argsort(which, kind="stable")
            cuts = np.searchsorted(which[order], np.arange(1, FAN))
            split = [np.split(column[order], cuts) for column in rows]
            _extend(parts, list(zip(*split, strict=True)))
        return parts


def _extend(parts: list[list[Stretch]], rows: list[Rows]) -> None:
    """Append rows to each part, and make room."""
    for columns, values in zip(parts, rows, strict=True):
        for column, more in zip(columns, values, strict=True):
            column.extend(more)
    flat = [column for columns in parts for column in columns]
    if sum(column.held for column in flat) > ROOM:
        for column in flat:
            column.flush()


def _as_they_are(columns: list[Stretch]) -> Iterator[Rows]:
    return zip(*(column.chunks() for column in columns), strict=True)
