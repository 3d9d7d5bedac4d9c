"""What of a space is ready to be looked up in memory: where its objects start and end, stripe by stripe of its keys.

A span is written when the rows of its stripe and all blocks that these name were checked; until then it is zero, which
reads as no bytes. Objects that are raw in a mapped file are looked up in the map. Packed ones are, if all of their
section fits into `limits.cache`, decoded into memory of their own at the same address, block by block.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from mmap import mmap
from operator import add
from typing import TYPE_CHECKING, Literal

from objref.container import format as f
from objref.errors import FormatError
from objref_index.objects import ADDRESS_MASK
from objref_index.unpacked import words, zeros

if TYPE_CHECKING:
    from objref.image import Image
    from objref_index.unpacked import UnpackedKeys

__all__ = ["STRIPE_LOG2", "Ready", "make_ready"]

STRIPE_LOG2 = 8
"""Keys that become ready together: fewer make the first touch faster, more make all first touches together faster."""
CHECK_AHEAD = 64 << 20
"""A stripe of keys whose objects hold more is read object by object."""


class Ready:
    """Spans of the objects of a space within `data`, by place in key order. Mutable.

    Memory is taken as it is touched: 8 bytes an object (16 in files of 4 GiB or more), in huge pages where there are
    any. `origin` is the number of the first place; behind the last there are as many zeros again, which is what
    numbers below 0 find.
    """

    in_file = False
    """Whether `data` is the file."""

    def __init__(
        self, image: Image, entry: f.SpaceEntry, section: f.Section, data: mmap, origin: int, keys: UnpackedKeys | None
    ) -> None:
        self._image = image
        self._entry = entry
        self._section = section
        self._keys = keys
        self.origin = origin
        self.data = data
        self.count = origin + entry.keys
        self.word: Literal["I", "Q"] = "Q" if len(data) >> 32 else "I"
        self.spans = words(4 * self.count, self.word)
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
            self._write(start, stop, found)
        elif stop - start > 1:
            middle = (start + stop) >> 1
            self._prepare(start, middle)
            self._prepare(middle, stop)

    def _write(self, start: int, stop: int, found: memoryview) -> None:
        with suppress(FormatError):  # a damaged key
            if self._keys is None or self._keys.fill(start, stop):
                first = 2 * (self.origin + start)
                self.spans[first : first + len(found)] = found  # at once, so that no thread sees half a span

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
        spans = array(self.word, [0]) * len(rows)
        spans[::2] = array(self.word, [at + shift - begin for at in where])
        spans[1::2] = array(self.word, [at + shift - begin for at in ends])
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


def make_ready(image: Image, entry: f.SpaceEntry, origin: int, keys: UnpackedKeys | None) -> Ready | None:
    """None where objects must be read one by one. Takes no memory before something is touched."""
    container = image.container
    section = container.sections.get(image.object_table.words(entry.first, entry.first + 1)[0] >> 48)
    if section is None or section.role != f.STRAND or container.mapped is None:
        return None
    if section.codec == f.RAW and not section.dictionary:
        return _Mapped(image, entry, section, container.mapped[0], origin, keys)
    length = max((p.address + p.length for p in container.pieces(section.id)), default=0)
    if image.decoded + length > container.limits.cache:
        return None
    image.decoded += length
    return _Decoded(image, entry, section, zeros(length), origin, keys)
