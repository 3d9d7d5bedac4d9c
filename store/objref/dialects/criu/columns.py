"""Many messages of one shape, followed at once: each step of the shape is a few calls of numpy for all of them.

What does not have exactly that shape drops out on the way and is left to protobuf. A message that is left has been
followed from its first byte to its last, every length in it leads to where it says, and every number ends; so
protobuf would read it, and read the same. Cursors never leave the message that they are in.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from google.protobuf.descriptor import FieldDescriptor

from objref.dialects.criu.shape import LITERAL_MAX, WORD, Shape, Step

__all__ = ["FEW", "I64", "Columns", "Text", "follow"]

I64: TypeAlias = npt.NDArray[np.int64]
U64: TypeAlias = npt.NDArray[np.uint64]

FEW = 64
"""Below this many messages the calls of numpy cost more than protobuf does."""
VARINT_MAX = 10
PAD = bytes(LITERAL_MAX + VARINT_MAX + WORD)
STOP, ONE = 0x8080808080808080, np.uint64(1)
PLACES = np.uint64(0x0102030405060708)
"""(1 << 8 * k) * PLACES has k + 1 in its highest byte."""
HALVES = tuple(
    (np.uint64(low), np.uint64(low << apart), np.uint64(gap))
    for low, apart, gap in ((0x007F007F007F007F, 8, 1), (0x00003FFF00003FFF, 16, 2), (0x000000000FFFFFFF, 32, 4))
)
"""Groups of 7, 14, 28 bits: their places, those of their neighbours, and the gap that closes between them."""


class Text:
    """The bytes that messages lie in, readable as a word from every place."""

    __slots__ = ("words",)

    def __init__(self, data: bytes) -> None:
        padded = data + PAD
        self.words: npt.NDArray[Any] = np.ndarray((len(padded) - WORD + 1,), "<u8", padded, strides=(1,))

    def at(self, places: I64) -> U64:
        """The words at these places."""
        found: U64 = self.words[places]
        return found


class Columns:
    """Messages of one shape: their places among those asked about, and the fields that were asked for."""

    __slots__ = ("_values", "rows", "shape")

    def __init__(self, shape: Shape, rows: I64, values: dict[str, npt.NDArray[Any]]) -> None:
        self.shape = shape
        self.rows = rows
        self._values = values

    def value(self, path: str) -> npt.NDArray[Any]:
        """A field of all of them, signed when its type is: an array, or one number when they have the same."""
        found = self._values.get(path)
        return found if found is not None else np.asarray(self.shape.common(path))

    def has(self, path: str) -> bool:
        """Whether they have that field."""
        return self.shape.has(path)


def follow(shape: Shape, text: Text, rows: I64, starts: I64, ends: I64) -> Columns | None:
    """Those of the messages that have this shape, None when they are few. `rows` are places in `starts` and `ends`."""
    cursors = _Cursors(text, rows, starts[rows], ends[rows])
    for step in shape.steps:
        STEPS[step.action](cursors, step)
        if len(cursors.rows) < FEW:
            return None
    cursors.keep(cursors.at == cursors.ends)
    return Columns(shape, cursors.rows, cursors.values) if len(cursors.rows) >= FEW else None


class _Cursors:
    """Where in each message the next step begins. Mutable."""

    def __init__(self, text: Text, rows: I64, at: I64, ends: I64) -> None:
        self.rows = rows
        self.at = at
        self.ends = ends
        self.values: dict[str, npt.NDArray[Any]] = {}
        self._text = text
        self._open: list[I64] = []
        """Ends of the messages around the cursor, the outermost first."""

    def keep(self, good: npt.NDArray[np.bool_]) -> None:
        """Only these messages stay."""
        if good.all():
            return
        left = np.flatnonzero(good)
        self.rows, self.at, self.ends = self.rows[left], self.at[left], self.ends[left]
        self._open = [ends[left] for ends in self._open]
        self.values = {path: values[left] for path, values in self.values.items()}

    def same(self, step: Step) -> None:
        """A literal, and small numbers in it."""
        words = self._text.at(self.at)
        mask, literal = (np.uint64(int.from_bytes(data, "little")) for data in (step.mask, step.literal))
        good = words & mask == literal
        for place, path, kind in step.reads:
            self.values[path] = DECODE[kind](words >> np.uint64(8 * place) & np.uint64(0x7F))
        self.at += len(step.literal)
        self.keep(good & (self.at <= self.ends))

    def skip(self, step: Step) -> None:
        """A number of fixed length."""
        _, good = self._literal(step)
        self.at += len(step.literal) + step.size
        self.keep(good & (self.at <= self.ends))

    def number(self, step: Step) -> None:
        """A varint."""
        values, good = self._varint(step, asked=bool(step.field))
        if step.field:
            self.values[step.field] = DECODE[step.type](values)
        self.keep(good)

    def text(self, step: Step) -> None:
        """A length, and so many bytes."""
        lengths, good = self._varint(step, asked=True)
        self.at += _length(lengths)
        self.keep(good & (self.at <= self.ends))

    def open(self, step: Step) -> None:
        """A length, and a message of that length."""
        lengths, good = self._varint(step, asked=True)
        self._open.append(self.at + _length(lengths))
        self.keep(good)

    def close(self, step: Step) -> None:
        """That message ends here."""
        self.keep(self._open.pop() == self.at)

    def _literal(self, step: Step) -> tuple[U64, npt.NDArray[np.bool_]]:
        """The words at the cursors, and whether they begin with the literal."""
        words, size = self._text.at(self.at), len(step.literal)
        expected = np.uint64(int.from_bytes(step.literal, "little"))
        return words, words & np.uint64((1 << 8 * size) - 1) == expected

    def _varint(self, step: Step, asked: bool) -> tuple[U64, npt.NDArray[np.bool_]]:
        """The numbers after the literal, if they are asked for, and whether all is as it should be. Cursors move on."""
        words, good = self._literal(step)
        size = len(step.literal)
        words >>= np.uint64(8 * size)
        stops = ~words & np.uint64(STOP >> 8 * size)
        lowest = stops & -stops
        lengths = (lowest >> np.uint64(7)) * PLACES >> np.uint64(56)
        values = _squeezed(words & (lowest - ONE)) if asked else words
        long = np.flatnonzero(stops == 0)
        if len(long):
            self._long(long, size, words, lengths, values, good)
        self.at += lengths.astype(np.int64)
        self.at += size
        good &= self.at <= self.ends
        return values, good

    def _long(self, long: I64, size: int, words: U64, lengths: U64, values: U64, good: npt.NDArray[np.bool_]) -> None:
        """Varints that go on in the next word; those of more than ten bytes, and of more than 64 bits, are not good."""
        have = WORD - size
        more = self._text.at(self.at[long] + WORD)
        stops = ~more & np.uint64(STOP)
        lowest = stops & -stops
        lengths[long] = np.uint64(have) + ((lowest >> np.uint64(7)) * PLACES >> np.uint64(56))
        more &= lowest - ONE
        good[long] &= more >> np.uint64(8 * (VARINT_MAX - have - 1)) <= ONE  # the tenth byte: all but the last go on
        values[long] = _squeezed(words[long]) | _squeezed(more) << np.uint64(7 * have)


def _squeezed(words: U64) -> U64:
    """Seven bits of each byte, joined."""
    if not len(words) or int(words.max()) < 0x80:
        return words
    words = words & np.uint64(0x7F7F7F7F7F7F7F7F)
    for low, high, gap in HALVES:
        words = words & low | (words & high) >> gap
    return words


def _length(values: U64) -> I64:
    """Lengths that can be added to a cursor; what is too long for any message is still too long."""
    return np.minimum(values, np.uint64(1 << 40)).astype(np.int64)


def _narrow(values: U64) -> U64:
    return values & np.uint64(0xFFFFFFFF)


def _zigzag(values: U64) -> I64:
    return (values >> ONE).view(np.int64) ^ -(values & ONE).view(np.int64)


DECODE: dict[int, Callable[[U64], npt.NDArray[Any]]] = {
    FieldDescriptor.TYPE_UINT32: _narrow,
    FieldDescriptor.TYPE_UINT64: lambda v: v,
    FieldDescriptor.TYPE_INT32: lambda v: v.astype(np.uint32).view(np.int32).astype(np.int64),
    FieldDescriptor.TYPE_INT64: lambda v: v.view(np.int64),
    FieldDescriptor.TYPE_SINT32: lambda v: _zigzag(_narrow(v)),
    FieldDescriptor.TYPE_SINT64: _zigzag,
    FieldDescriptor.TYPE_BOOL: lambda v: (v != 0).astype(np.int64),
}
"""Type of a field -> from varints to what protobuf makes of them."""

STEPS: dict[str, Callable[[_Cursors, Step], None]] = {
    "number": _Cursors.number,
    "skip": _Cursors.skip,
    "text": _Cursors.text,
    "open": _Cursors.open,
    "close": _Cursors.close,
    "same": _Cursors.same,
}
