"""Batches of items, most of which have one of a few shapes: those are followed in columns, protobuf gets the others.

Shapes are learned from the items as they come, a few of them in each batch. Whether there is one decides only about
time: an item is read the same in both ways (tests/criu/test_shapes.py).
"""

from __future__ import annotations

from array import array
from typing import NamedTuple

import numpy as np

from objref.dialects.criu.columns import FEW, I64, Columns, Text, follow
from objref.dialects.criu.parsing import parser
from objref.dialects.criu.refs import rules_of
from objref.dialects.criu.rules import Rule, asked_by
from objref.dialects.criu.shape import Shape, shape_of

__all__ = ["Alike", "Shapes"]

LEARN = 4
"""Items that a batch may learn from. One without company costs as much as some dozen that are parsed."""
SAMPLE_MAX = 1 << 13
"""Bytes of an item that is learned from: a path of 4 KiB fits in."""
KNOWN_MAX = 16


class Known(NamedTuple):
    """A shape, and what messages of it refer to."""

    shape: Shape
    prefix: str
    rules: tuple[Rule, ...]


class Alike(NamedTuple):
    """Messages of a known shape."""

    columns: Columns
    known: Known


class Shapes:
    """The shapes of one kind of message. Mutable: it learns, and what was found most often is looked for first."""

    def __init__(self, name: str, path: str) -> None:
        """`path`: of a field that is read besides those that the rules read, or empty."""
        self._name = name
        self._path = path
        self._known: list[Known] = []

    def sort(self, buffer: bytes, starts: array[int], lengths: array[int]) -> tuple[list[Alike], I64]:
        """Items in columns, and the places of those that are in none."""
        batch = _Batch(buffer, starts, lengths)
        for known in self._known:
            batch.take(known)
        for turn in range(LEARN):
            item = batch.sample(turn)
            if item and (learned := self._learn(item)) is not None:
                batch.take(learned)
        self._remember(batch.found)
        return batch.found, batch.left

    def _learn(self, item: bytes) -> Known | None:
        try:
            message = parser(self._name)(item)
        except ValueError:
            return None
        refers = rules_of(self._name, message)
        if refers is None:
            return None
        prefix, rules = refers
        asked = {prefix + path for path in asked_by(rules)} | {self._path}
        shape = shape_of(message, item, asked)
        return Known(shape, prefix, rules) if shape is not None else None

    def _remember(self, found: list[Alike]) -> None:
        """Those that were found, the commonest first, and after them those that were not."""
        now = [alike.known for alike in sorted(found, key=lambda alike: -len(alike.columns.rows))]
        seen = {id(known) for known in now}
        self._known = [*now, *(known for known in self._known if id(known) not in seen)][:KNOWN_MAX]


class _Batch:
    """Items that are being sorted. Mutable."""

    def __init__(self, buffer: bytes, starts: array[int], lengths: array[int]) -> None:
        self.found: list[Alike] = []
        self.left: I64 = np.arange(len(starts))
        self._taken = np.zeros(len(starts), bool)
        self._buffer = buffer
        self._text = Text(buffer)
        self._starts = np.asarray(starts).astype(np.int64)
        self._ends = self._starts + np.asarray(lengths).astype(np.int64)

    def take(self, known: Known) -> None:
        """Put the items of this shape into columns."""
        if len(self.left) < FEW:
            return
        columns = follow(known.shape, self._text, self.left, self._starts, self._ends)
        if columns is not None:
            self.found.append(Alike(columns, known))
            self._taken[columns.rows] = True
            self.left = np.flatnonzero(~self._taken)

    def sample(self, turn: int) -> bytes:
        """An item to learn from, or none."""
        if len(self.left) < FEW:
            return b""
        row = int(self.left[len(self.left) * turn // LEARN])
        start, end = int(self._starts[row]), int(self._ends[row])
        return self._buffer[start:end] if end - start <= SAMPLE_MAX else b""
