"""Pages seen before, by hash, up to a cap: the native table where it was built and is wanted, else one in Python."""

from __future__ import annotations

import os
from array import array
from typing import Protocol

from xxhash import xxh3_64_intdigest as xxh3

from objref.container.format import PAGE, RESERVED_SLOT, ZERO_PAGE
from objref_index.core import native

__all__ = ["NEW", "Seen", "SeenInPython", "page_at", "seen_pages"]

NEW = RESERVED_SLOT
"""In place of a slot: of a page that was not seen before."""
ZERO = bytes(PAGE)
ZERO_HASH = xxh3(ZERO)


class Seen(Protocol):
    """Remembers pages. Mutable. `hashes` and `slots` hold a number for each page of `data`."""

    @property
    def taken(self) -> int:
        """How many pages are remembered."""

    def look(self, data: memoryview, hashes: array[int], slots: array[int], /) -> tuple[int, list[int]]:
        """Write the hash of each page and its slot: ZERO_PAGE, NEW, or that of a page with the same hash.
        Returns how many are zero, and the pages with such a slot, which only their bytes can prove."""

    def number(self, data: memoryview, hashes: array[int], slots: array[int], first: int, /) -> list[int]:
        """Give NEW pages the slots from `first` on, those that are the same one, and remember them while there is
        room. Returns what is to be stored: starts and ends of runs of pages in turn."""


def seen_pages(cap: int) -> Seen:
    """An empty table for `cap` pages."""
    made = getattr(native(), "Pages", None)
    return SeenInPython(cap) if made is None else made(cap, os.urandom(PAGE))


class SeenInPython:
    """What index/fast/pages.c does, in Python. Mutable."""

    def __init__(self, cap: int) -> None:
        self._cap = cap
        self._slots: dict[int, int] = {}

    @property
    def taken(self) -> int:
        """How many pages are remembered."""
        return len(self._slots)

    def look(self, data: memoryview, hashes: array[int], slots: array[int], /) -> tuple[int, list[int]]:
        """See `Seen`. Hot path."""
        found = [xxh3(data[at : at + PAGE]) for at in range(0, len(data), PAGE)]
        hashes[:], slots[:] = array("Q", found), array("I", [NEW]) * len(found)
        seen, zero, known = self._slots, 0, []
        for i in [i for i, h in enumerate(found) if h in seen or h == ZERO_HASH]:
            if found[i] == ZERO_HASH and page_at(data, i) == ZERO:
                slots[i] = ZERO_PAGE
                zero += 1
            elif found[i] in seen:
                slots[i] = seen[found[i]]
                known.append(i)
        return zero, known

    def number(self, data: memoryview, hashes: array[int], slots: array[int], first: int, /) -> list[int]:
        """See `Seen`. The first page of a hash stays the one. Hot path."""
        seen = self._slots
        fresh: list[int] = []
        for i, slot in enumerate(slots):
            if slot != NEW:
                continue
            known = seen.get(hashes[i])
            if known is not None and known >= first and page_at(data, fresh[known - first]) == page_at(data, i):
                slots[i] = known
                continue
            slots[i] = first + len(fresh)
            if known is None and len(seen) < self._cap:
                seen[hashes[i]] = slots[i]
            fresh.append(i)
        return _runs(fresh)


def _runs(places: list[int]) -> list[int]:
    """Starts and ends of those that follow each other."""
    runs: list[int] = []
    for place in places:
        if runs and runs[-1] == place:
            runs[-1] = place + 1
        else:
            runs += place, place + 1
    return runs


def page_at(data: memoryview, i: int) -> bytes:
    """A page, to be compared as bytes: comparing memoryviews looks at one element at a time."""
    return data[i * PAGE : (i + 1) * PAGE].tobytes()
