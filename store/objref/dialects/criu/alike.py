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
"""Items that a batch may learn from; one after a batch in which that did not pay."""
PAYS = 16
"""Following one item some way costs up to a tenth of parsing it: a shape pays that one in so many items have."""
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
        self._turns = LEARN

    def sort(self, buffer: bytes, starts: array[int], lengths: array[int]) -> tuple[list[Alike], I64]:
        """Items in columns, and the places of those that are in none."""
        batch = _Batch(buffer, starts, lengths)
        paid = [known for known in self._known if batch.take(known)]
        tried = 0
        for turn in range(self._turns):
            item = batch.sample(turn)
            tried += bool(item)
            if item and (learned := self._learn(item)) is not None and batch.take(learned):
                paid.append(learned)
                tried = 0
        self._turns = 1 if tried else LEARN
        self._remember(paid, batch.found)
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

    def _remember(self, paid: list[Known], found: list[Alike]) -> None:
        """Those that paid, the commonest first. The others are learned again when there are more of them."""
        rows = {id(alike.known): len(alike.columns.rows) for alike in found}
        self._known = sorted(paid, key=lambda known: -rows[id(known)])[:KNOWN_MAX]


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

    def take(self, known: Known) -> bool:
        """Put the items of this shape into columns; was it worth it?"""
        tried = len(self.left)
        if tried < FEW:
            return False
        columns = follow(known.shape, self._text, self.left, self._starts, self._ends)
        if columns is None:
            return False
        self.found.append(Alike(columns, known))
        self._taken[columns.rows] = True
        self.left = np.flatnonzero(~self._taken)
        return len(columns.rows) * PAYS >= tried

    def sample(self, turn: int) -> bytes:
        """An item to learn from, or none."""
        if len(self.left) < FEW:
            return b""
        row = int(self.left[len(self.left) * turn // LEARN])
        start, end = int(self._starts[row]), int(self._ends[row])
        return self._buffer[start:end] if end - start <= SAMPLE_MAX else b""
