"""Memory pages on their way in: zero pages are not stored, identical pages once. A hash nominates, the bytes decide."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from objref.container.format import PAGE
from objref.container.seen import NEW, Seen, page_at, seen_pages

__all__ = ["PageTable"]

Read = Callable[[int], bytes]
Append = Callable[[memoryview], int]


class PageTable:
    """Remembers pages by hash, up to a cap. Mutable.

    `append(data)` stores new pages (a multiple of PAGE bytes, perhaps none) and returns the slot of the first;
    `read(slot)` gives a stored page.
    """

    def __init__(self, append: Append, read: Read, cap: int, seen: Seen | None = None) -> None:
        self._append = append
        self._read = read
        self._cap = cap
        self._seen = seen_pages(cap) if seen is None else seen
        self.pages = self.zero = self.repeated = 0

    @property
    def full(self) -> bool:
        """Whether the cap was reached: from then on only pages seen before are found again."""
        return self._seen.taken >= self._cap

    def slots(self, data: memoryview) -> array[int]:
        """Slots of the pages of `data` (a multiple of PAGE bytes), new pages stored. Hot path."""
        count = len(data) // PAGE
        hashes, slots = array("Q", bytes(8 * count)), array("I", bytes(4 * count))
        zero, known = self._seen.look(data, hashes, slots)
        for i in known:
            if self._read(slots[i]) != page_at(data, i):
                slots[i] = NEW
        runs = self._seen.number(data, hashes, slots, self._append(data[:0]))
        stored = 0
        for first, stop in zip(runs[::2], runs[1::2], strict=True):
            self._append(data[first * PAGE : stop * PAGE])
            stored += stop - first
        self.pages += count
        self.zero += zero
        self.repeated += count - zero - stored
        return slots
