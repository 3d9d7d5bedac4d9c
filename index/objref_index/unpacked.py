"""Sorted keys and their directory as flat memory, filled in as stripes of them are checked.

What nobody asked for is zero, and takes no memory: a key that is found there was checked, and so was its place. So a
search may look at all of it without asking what is ready: what it finds is right, what it does not find is looked for
in the key table.
"""

from __future__ import annotations

from array import array
from contextlib import suppress
from itertools import pairwise
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import Literal

from objref_index.keys import IntKeys

__all__ = ["WORD_BYTES", "UnpackedKeys", "words", "zeros"]

WORD_BYTES = {"I": 4, "Q": 8}

HUGE = 2 << 20
"""Bytes of a huge page: less memory is not worth one."""


def zeros(length: int) -> mmap:
    """So many bytes of zeros. Memory is taken as they are written, in huge pages where there are any."""
    found = mmap(-1, max(length, 1), MAP_PRIVATE | MAP_ANONYMOUS)
    if length >= HUGE:
        with suppress(OSError):  # a kernel without huge pages
            found.madvise(MADV_HUGEPAGE)
    return found


def words(count: int, word: Literal["I", "Q"]) -> memoryview:
    """So many zeros of 4 or 8 bytes."""
    return memoryview(zeros(count * WORD_BYTES[word])).cast(word)


class UnpackedKeys:
    """Keys that are all different, and where each bucket of them begins. Mutable.

    `guess`: with a finer directory in `guesses`, from which one or two looks lead to nearly every key: what Python
    needs, where a bisection of four keys takes longer than all the rest.
    """

    def __init__(self, keys: IntKeys, *, guess: bool) -> None:
        self._table = keys
        self.base = keys.shape.base
        self.shift = keys.shape.radix_shift if keys.radix is not None else 63
        self.keys = words(keys.shape.keys, "Q")
        """Ascending, where they are filled in."""
        self.radix = words((1 << keys.shape.radix_bits) + 1 if keys.radix is not None else 2, "I")
        """First place of each bucket; one more: the number of keys."""
        if keys.radix is None:
            self.radix[1] = keys.shape.keys
        self._stripes: set[int] = set()
        bits = keys.shape.keys.bit_length() + 1 if guess else 0
        last = keys.key(keys.shape.keys - 1)
        self.guess_shift = max((last - self.base).bit_length() - bits, 0)
        self.guesses = words((1 << bits) + 1, "I")
        """The place of the first key of each of these buckets, if it was filled in."""

    def fill(self, start: int, stop: int) -> bool:
        """Fill in the keys of places start…stop-1; False, and nothing is done, if they do not ascend."""
        before = max(start - 1, 0)
        found = [self._table.key(i) for i in range(before, stop)]
        if any(a >= b for a, b in pairwise(found)):
            return False
        self.keys[start:stop] = memoryview(array("Q", found[start - before :]))
        if len(self.guesses) > 2:
            self._fill_guesses(start, found[start - before :])
        return True

    def _fill_guesses(self, start: int, keys: list[int]) -> None:
        guesses, base, shift = self.guesses, self.base, self.guess_shift
        for place, key in enumerate(keys, start):
            bucket = key - base >> shift
            if not 0 < guesses[bucket] <= place:
                guesses[bucket] = place

    def fill_bucket(self, key: int) -> bool:
        """Fill in the directory around the bucket of a key; False if it was."""
        column = self._table.radix
        bucket = (key - self.base) >> self.shift
        if column is None or not 0 <= bucket < len(column) - 1:
            return False
        size = column.stripe_values
        new = {bucket // size, (bucket + 1) // size} - self._stripes
        for k in new:
            self.radix[k * size : (k + 1) * size] = column.stripe(k)
        self._stripes |= new
        return bool(new)
