"""Tables of unsigned integers, checked stripe by stripe at first touch and remembered.

A stripe is the unit of checking (64 KiB). `Load` returns the bytes of stripe k after checking them; the last one
may be short. The column never looks at bytes that `Load` did not return, so what is damaged elsewhere costs nothing.
"""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Literal, TypeAlias

__all__ = ["STRIPE_LOG2", "Column", "Load", "Word", "cast"]

STRIPE_LOG2 = 16

Load: TypeAlias = "Callable[[int], bytes | memoryview]"
Word: TypeAlias = "Literal['B', 'H', 'I', 'Q']"
"""A type code of `struct` with a fixed size here: B (1 byte), H (2), I (4), Q (8)."""

SIZE_LOG2: dict[Word, int] = {"B": 0, "H": 1, "I": 2, "Q": 3}


def cast(data: bytes | memoryview, word: Word) -> memoryview:
    """The bytes as integers, without a copy on little-endian machines. Bytes beyond a whole word are cut off."""
    size = 1 << SIZE_LOG2[word]
    view = memoryview(data)
    view = view[: len(view) // size * size]
    if sys.byteorder == "big" and size > 1:
        from array import array  # which imports `collections`

        swapped = array(word, view.tobytes())
        swapped.byteswap()
        return memoryview(swapped)
    return view.cast("B").cast(word)


class Column:
    """`count` integers. Mutable: it remembers the stripes that were checked. Safe for many threads (a stripe may be
    loaded twice, never half)."""

    __slots__ = ("_load", "_mask", "_shift", "_stripes", "_word", "count")

    def __init__(self, load: Load, word: Word, count: int) -> None:
        self._load = load
        self._word = word
        self._shift = STRIPE_LOG2 - SIZE_LOG2[word]
        self._mask = (1 << self._shift) - 1
        self._stripes: list[memoryview | None] = [None] * ((count + self._mask) >> self._shift)
        self.count = count

    def __getitem__(self, i: int) -> int:
        stripe = self._stripes[i >> self._shift]
        if stripe is None:
            stripe = self.stripe(i >> self._shift)
        value: int = stripe[i & self._mask]
        return value

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[int]:
        return self.slice(0, self.count)

    def stripe(self, k: int) -> memoryview:
        """Stripe k as integers: `1 << shift` of them, fewer in the last."""
        found = self._stripes[k]
        if found is None:
            found = self._stripes[k] = cast(self._load(k), self._word)
        return found

    def fresh(self, k: int) -> memoryview:
        """Stripe k, loaded and checked again, and not remembered: for one look at all of a long table."""
        return cast(self._load(k), self._word)

    @property
    def stripe_values(self) -> int:
        """How many integers a whole stripe has."""
        return self._mask + 1

    def values(self, start: int, stop: int) -> list[int]:
        """Values start…stop-1 at once."""
        found: list[int] = []
        while start < stop:
            k = start >> self._shift
            end, base = min(stop, (k + 1) << self._shift), k << self._shift
            found += self.stripe(k)[start - base : end - base].tolist()
            start = end
        return found

    def slice(self, start: int, stop: int) -> Iterator[int]:
        """Values start…stop-1 in order, a stripe at a time."""
        while start < stop:
            k = start >> self._shift
            end = min(stop, (k + 1) << self._shift)
            base = k << self._shift
            yield from self.stripe(k)[start - base : end - base]
            start = end


def bisect_left(column: Column, value: int, lo: int, hi: int) -> int:
    """First place in the ascending values lo…hi-1 whose value is not below `value`."""
    while lo < hi:
        middle = (lo + hi) >> 1
        if column[middle] < value:
            lo = middle + 1
        else:
            hi = middle
    return lo
