"""Sorted keys and their directory as flat memory, filled in as stripes of them are checked.

What nobody asked for is zero, and takes no memory: a key that is found there was checked, and so was its place. So a
search may look at all of it without asking what is ready: what it finds is right, what it does not find is looked for
in the key table.
"""

from __future__ import annotations

from array import array
from itertools import pairwise
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap

from objref_index.keys import IntKeys

__all__ = ["UnpackedKeys", "zeros"]


def zeros(words: int, word: str) -> memoryview:
    """So many zeros; memory is taken as they are written."""
    size = {"I": 4, "Q": 8}[word]
    return memoryview(mmap(-1, max(words, 1) * size, MAP_PRIVATE | MAP_ANONYMOUS)).cast("B").cast(word)  # type: ignore[call-overload, no-any-return]


class UnpackedKeys:
    """Keys that are all different, and where each bucket of them begins. Mutable."""

    def __init__(self, keys: IntKeys) -> None:
        self._table = keys
        self.base = keys.shape.base
        self.shift = keys.shape.radix_shift if keys.radix is not None else 63
        self.keys = zeros(keys.shape.keys, "Q")
        """Ascending, where they are filled in."""
        self.radix = zeros((1 << keys.shape.radix_bits) + 1 if keys.radix is not None else 2, "I")
        """First place of each bucket; one more: the number of keys."""
        if keys.radix is None:
            self.radix[1] = keys.shape.keys
        self._stripes: set[int] = set()

    def fill(self, start: int, stop: int) -> bool:
        """Fill in the keys of places start…stop-1; False, and nothing is done, if they do not ascend."""
        before = max(start - 1, 0)
        found = [self._table.key(i) for i in range(before, stop)]
        if any(a >= b for a, b in pairwise(found)):
            return False
        self.keys[start:stop] = memoryview(array("Q", found[start - before :]))
        return True

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
