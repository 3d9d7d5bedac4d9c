"""Memory pages on their way in: zero pages are not stored, identical pages once. A hash nominates, the bytes decide."""

from __future__ import annotations

from array import array
from collections.abc import Callable

from xxhash import xxh3_64_intdigest as xxh3

from objref.container.format import PAGE, ZERO_PAGE

__all__ = ["PageTable"]

ZERO = bytes(PAGE)
ZERO_HASH = xxh3(ZERO)

Read = Callable[[int], bytes]
Append = Callable[[memoryview], int]


class PageTable:
    """Remembers pages by hash, up to a cap. Mutable.

    `append(data)` stores new pages (a multiple of PAGE bytes) and returns the slot of the first; `read(slot)`
    gives a stored page.
    """

    def __init__(self, append: Append, read: Read, cap: int) -> None:
        self._append = append
        self._read = read
        self._cap = cap
        self._seen: dict[int, int] = {}
        self.pages = self.zero = self.repeated = 0

    @property
    def full(self) -> bool:
        """Whether the cap was reached: from then on only pages seen before are found again."""
        return len(self._seen) >= self._cap

    def slots(self, data: memoryview) -> array[int]:
        """Slots of the pages of `data` (a multiple of PAGE bytes), new pages stored. Hot path.

        Pages are compared as bytes: comparing memoryviews looks at one element at a time.
        """
        seen = self._seen
        here: dict[int, int] = {}
        fresh: list[int] = []
        twins: list[tuple[int, int]] = []
        hashes = [xxh3(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]
        slots = array("I", bytes(4 * len(hashes)))
        for i, h in enumerate(hashes):
            if h == ZERO_HASH and _page(data, i) == ZERO:
                slots[i] = ZERO_PAGE
                self.zero += 1
            elif (slot := seen.get(h)) is not None and self._read(slot) == _page(data, i):
                slots[i] = slot
                self.repeated += 1
            elif (twin := here.setdefault(h, i)) != i and _page(data, twin) == _page(data, i):
                twins.append((i, twin))
                self.repeated += 1
            else:
                fresh.append(i)
        self._store(data, fresh, hashes, slots)
        for i, twin in twins:
            slots[i] = slots[twin]
        self.pages += len(hashes)
        return slots

    def _store(self, data: memoryview, fresh: list[int], hashes: list[int], slots: array[int]) -> None:
        """Store new pages, neighbours in one call, and remember them while there is room."""
        room = self._cap - len(self._seen)
        start = 0
        while start < len(fresh):
            end = start + 1
            while end < len(fresh) and fresh[end] == fresh[end - 1] + 1:
                end += 1
            first = self._append(data[fresh[start] * PAGE : (fresh[end - 1] + 1) * PAGE])
            for k in range(start, end):
                slots[fresh[k]] = first + k - start
                if k < room:
                    self._seen.setdefault(hashes[fresh[k]], first + k - start)
            start = end


def _page(data: memoryview, i: int) -> bytes:
    return data[i * PAGE : (i + 1) * PAGE].tobytes()
