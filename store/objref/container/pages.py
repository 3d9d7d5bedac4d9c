"""Memory pages on their way in: zero pages are not stored, identical pages once. A hash nominates, the bytes decide."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

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
        hashes = [xxh3(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]
        self.pages += len(hashes)
        seen, slots = self._seen, array("I", bytes(4 * len(hashes)))
        known = [i for i, h in enumerate(hashes) if h in seen or h == ZERO_HASH]
        told = [i for i in known if self._is_known(data, i, hashes[i], slots)]
        fresh = sorted(set(range(len(hashes))).difference(told)) if told else range(len(hashes))
        twins: list[tuple[int, int]] = []
        if len(told) < len(known) or len({hashes[i] for i in fresh}) < len(fresh):
            fresh, twins = self._without_twins(data, fresh, hashes)
        for first, stop in _runs(fresh):
            self._store(data, first, stop, hashes, slots)
        for i, twin in twins:
            slots[i] = slots[twin]
        return slots

    def _is_known(self, data: memoryview, i: int, h: int, slots: array[int]) -> bool:
        """Whether a page is zero or was seen, by its bytes; then it gets its slot."""
        if h == ZERO_HASH and _page(data, i) == ZERO:
            slots[i] = ZERO_PAGE
            self.zero += 1
            return True
        slot = self._seen.get(h)
        if slot is None or self._read(slot) != _page(data, i):
            return False
        slots[i] = slot
        self.repeated += 1
        return True

    def _without_twins(
        self, data: memoryview, fresh: Sequence[int], hashes: list[int]
    ) -> tuple[list[int], list[tuple[int, int]]]:
        """Those of the new pages that are not the same as one before, and the others with the one that they are."""
        first: dict[int, int] = {}
        alone: list[int] = []
        twins: list[tuple[int, int]] = []
        for i in fresh:
            twin = first.setdefault(hashes[i], i)
            if twin != i and _page(data, twin) == _page(data, i):
                twins.append((i, twin))
            else:
                alone.append(i)
        self.repeated += len(twins)
        return alone, twins

    def _store(self, data: memoryview, first: int, stop: int, hashes: list[int], slots: array[int]) -> None:
        """Store new pages that are neighbours."""
        slot = self._append(data[first * PAGE : stop * PAGE])
        slots[first:stop] = array("I", range(slot, slot + stop - first))
        self._remember(hashes[first:stop], slot)

    def _remember(self, hashes: list[int], slot: int) -> None:
        """Pages in slots from this one on, while there is room. The first page of a hash stays the one."""
        seen, room = self._seen, self._cap - len(self._seen)
        for k, h in enumerate(hashes[:room] if room < len(hashes) else hashes, slot):
            seen.setdefault(h, k)


def _runs(places: Sequence[int]) -> Iterator[tuple[int, int]]:
    """(first, last + 1) of those that follow each other."""
    cuts = [k + 1 for k, (a, b) in enumerate(pairwise(places)) if b != a + 1]
    for start, stop in pairwise([0, *cuts, len(places)] if places else []):
        yield places[start], places[stop - 1] + 1


def _page(data: memoryview, i: int) -> bytes:
    return data[i * PAGE : (i + 1) * PAGE].tobytes()
