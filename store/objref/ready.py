"""What of a space is ready to be looked up in memory: where its objects start and end, stripe by stripe of its keys.

A span is written when the rows of its stripe and all blocks that these name were checked; until then it is zero, which
reads as no bytes. Objects that are raw in a mapped file are looked up in the map. Packed ones are, if all of their
section fits into `limits.decoded`, decoded into memory of their own at the same address, block by block.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from contextlib import suppress
from mmap import mmap
from operator import add
from typing import TYPE_CHECKING

from objref.container import format as f
from objref.errors import FormatError
from objref_index.lookup import HashedTable, RunTable, Word, zeros
from objref_index.objects import ADDRESS_MASK

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["STRIPE_LOG2", "Ready", "make_ready"]

STRIPE_LOG2 = 8
"""Keys that become ready together: fewer make the first touch faster, more make all first touches together faster."""
CHECK_AHEAD = 64 << 20
"""A stripe of keys whose objects hold more is read object by object."""


class Ready:
    """What is ready of a space: `data`, and a table of where its objects are in it, stripe by stripe. Mutable."""

    in_file = False
    """Whether `data` is the file."""

    def __init__(
        self, image: Image, entry: f.SpaceEntry, section: f.Section, data: mmap, table: RunTable | HashedTable
    ) -> None:
        self._image = image
        self._entry = entry
        self._section = section
        self.data = data
        self.table = table
        self._done: set[int] = set()

    def touch(self, place: int) -> bool:
        """Make the stripe of a place ready, if it can be; False if that was tried before."""
        stripe = place >> STRIPE_LOG2
        if stripe in self._done:
            return False
        self._prepare(stripe << STRIPE_LOG2, min((stripe + 1) << STRIPE_LOG2, self._entry.keys))
        self._done.add(stripe)
        return True

    def _prepare(self, start: int, stop: int) -> None:
        """What does not lie together, or has damage in it, becomes ready by halves; in the end object by object."""
        found = None
        with suppress(FormatError):
            found = self._checked(self._entry.first + start, self._entry.first + stop)
            if found is not None:
                self.table.fill(start, found)
        if found is None and stop - start > 1:
            middle = (start + stop) >> 1
            self._prepare(start, middle)
            self._prepare(middle, stop)

    def _checked(self, start: int, stop: int) -> memoryview | None:
        """Spans of objects start…stop-1, their rows and blocks checked. None unless all lie together."""
        rows = self._image.object_table.words(start, stop)
        where = rows[::2]
        ends = list(map(add, where, [what & ADDRESS_MASK for what in rows[1::2]]))
        low, high, begin = min(where), max(ends), self._section.id << 48
        if low < begin or not 0 < high - low <= CHECK_AHEAD:  # of nothing no block would be checked
            return None
        shift = self._shift(low - begin, high - begin)
        if shift is None:
            return None
        spans = array(self.table.word, [0]) * len(rows)
        spans[::2] = array(self.table.word, [at + shift - begin for at in where])
        spans[1::2] = array(self.table.word, [at + shift - begin for at in ends])
        return memoryview(spans)

    def _shift(self, low: int, high: int) -> int | None:
        """From addresses low…high-1 of the section, checked, to their offsets in `data`; None if they have none."""
        raise NotImplementedError


class _Mapped(Ready):
    """In the file itself."""

    in_file = True

    def _shift(self, low: int, high: int) -> int | None:
        container, section = self._image.container, self._section
        piece = container.find_piece(section.id, low)
        if container.mapped is None or high > piece.address + piece.length:
            return None
        container.check_blocks(section, piece, low - piece.address, high - piece.address)
        return piece.offset - piece.address - container.mapped[1]


class _Decoded(Ready):
    """In memory that holds the section's content at its addresses."""

    def _shift(self, low: int, high: int) -> int | None:
        if high > len(self.data):
            return None
        at = low
        for chunk in self._image.container.chunks(self._section.id, low, high - low):
            self.data[at : at + len(chunk)] = chunk
            at += len(chunk)
        return 0


def make_ready(image: Image, entry: f.SpaceEntry, table: Callable[[Word], RunTable | HashedTable]) -> Ready | None:
    """With a table for words of such a size. None where objects must be read one by one. Takes no memory before
    something is touched."""
    container = image.container
    section = container.sections.get(image.object_table.words(entry.first, entry.first + 1)[0] >> 48)
    if section is None or section.role != f.STRAND or container.mapped is None:
        return None
    if section.codec == f.RAW and not section.dictionary:
        data = container.mapped[0]
        return _Mapped(image, entry, section, data, table(_word(len(data))))
    length = max((p.address + p.length for p in container.pieces(section.id)), default=0)
    if image.decoded + length > container.limits.decoded:
        return None
    image.decoded += length
    return _Decoded(image, entry, section, zeros(length), table(_word(length)))


def _word(length: int) -> Word:
    return "Q" if length >> 32 else "I"
