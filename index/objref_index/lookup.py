"""Tables in memory, from a key straight to where its object starts and ends. Filled in as objects are made ready.

run     spans by place in key order: a start and an end each
hashed  slots of a key, a start and an end, by the remainder of the key: one look at one place in memory for most keys,
        where a directory, the keys and the spans would be three

What was not filled in is zero, and takes no memory: a span that ends at 0 is not ready. A key that finds no room near
its slot is left out. Who finds nothing here asks the key table.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from struct import Struct
from typing import Literal, TypeAlias

from objref_index.keys import IntKeys

__all__ = ["SLOTS", "TRIES", "WORD_BYTES", "HashedTable", "RunTable", "Word", "zeros"]

Word: TypeAlias = Literal["I", "Q"]
"""Starts and ends are of 4 bytes, in data of less than 4 GiB, or of 8."""
WORD_BYTES = {"I": 4, "Q": 8}
SLOTS = {"I": Struct("=QII"), "Q": Struct("=QQQ")}
"""Key, start, end. The native core knows this layout, too (index/fast/fast.c)."""
TRIES = 8
"""Slots from that of its remainder on in which a key may be. There, too."""
HUGE = 2 << 20
"""Bytes of a huge page: less memory is not worth one."""


def zeros(length: int) -> mmap:
    """So many bytes of zeros. Memory is taken as they are written, in huge pages where there are any."""
    found = mmap(-1, max(length, 1), MAP_PRIVATE | MAP_ANONYMOUS)
    if length >= HUGE:
        with suppress(OSError):  # a kernel without huge pages
            found.madvise(MADV_HUGEPAGE)
    return found


class RunTable:
    """Spans of a run of keys, by number. `origin` is that of the first. 8 bytes an object, or 16.

    Behind the last there are as many zeros again, which is what numbers below 0 find.
    """

    def __init__(self, origin: int, count: int, word: Word) -> None:
        self.origin = origin
        self.count = origin + count
        self.word = word
        self.spans = memoryview(zeros(4 * self.count * WORD_BYTES[word])).cast(word)

    def fill(self, start: int, spans: memoryview) -> None:
        """Fill in start, end; start, end; … from place `start` on: at once, so that no thread sees half a span."""
        first = 2 * (self.origin + start)
        self.spans[first : first + len(spans)] = spans


class HashedTable:
    """Keys that are all different, with their spans. 2 to 4 slots of 16 bytes (or 24) an object."""

    def __init__(self, keys: IntKeys, word: Word) -> None:
        self._keys = keys
        self.word = word
        self.modulus = (2 << keys.shape.keys.bit_length()) - 1
        """Odd, so that keys with gaps of one length spread; neighbours stay neighbours."""
        self.layout = SLOTS[word]
        self.slots = memoryview(zeros((self.modulus + TRIES) * self.layout.size))

    def fill(self, start: int, spans: memoryview) -> None:
        """The same for the keys of these places. Nothing is done if they do not ascend."""
        before, stop = max(start - 1, 0), start + len(spans) // 2
        keys = [self._keys.key(i) for i in range(before, stop)]
        if all(a < b for a, b in pairwise(keys)):
            for key, first, end in zip(keys[start - before :], spans[::2], spans[1::2], strict=True):
                self._put(key, first, end)

    def _put(self, key: int, start: int, end: int) -> None:
        for at in self.tries(key):
            found, _, taken = self.layout.unpack_from(self.slots, at)
            if not taken or found == key:
                return self.layout.pack_into(self.slots, at, key, start, end)
        return None

    def tries(self, key: int) -> Iterator[int]:
        """Where in the slots a key may be."""
        size, first = self.layout.size, key % self.modulus
        return iter(range(first * size, (first + TRIES) * size, size))

    def find(self, key: int) -> tuple[int, int]:
        """Start and end of a key; 0, 0 if it is not here."""
        for at in self.tries(key):
            found, start, end = self.layout.unpack_from(self.slots, at)
            if found == key:
                return start, end
        return 0, 0
