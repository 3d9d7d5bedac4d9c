"""The keys of objects in the order of their ordinals, out of the key tables of an image. Needs numpy."""

from __future__ import annotations

from heapq import heapify, heappop, heapreplace
from typing import Any, NamedTuple

import numpy as np

from objref.backing import Backing
from objref.container import format as f
from objref.errors import FormatError
from objref_index import FORM_BYTES, Column
from objref_index.arrays import Ints, window

__all__ = ["Keyed", "Keys", "SpaceKeys"]

AT_ONCE = 8192


class Keyed(NamedTuple):
    """Objects of one space: their ordinals, ascending, and their keys: numbers, or names."""

    space: f.SpaceEntry
    ordinals: Ints
    keys: Any


class SpaceKeys:
    """One space, read once by ascending ordinals. Mutable."""

    def __init__(self, container: Backing, space: f.SpaceEntry) -> None:
        self.space = space
        self._at = 0
        container.keys(space)  # its shape is checked
        self._names = container.byte_keys(space) if space.form == FORM_BYTES else None
        self._columns: dict[str, Column | None] = {
            name: container.column(name, space.number) for name in ("ordinals", "place", "ordinal keys")
        }
        self._keys = container.column("keys", space.number) if space.form != FORM_BYTES else None
        self._all: Ints | None = None

    @property
    def next(self) -> int:
        """The ordinal that comes next; -1 at the end."""
        if self._at >= self.space.keys:
            return -1
        ordinals = self._columns["ordinals"]
        return self.space.first + self._at if ordinals is None else int(window(ordinals, self._at, self._at + 1)[0])

    def take(self, stop: int | None = None) -> Keyed:
        """The next objects below `stop`, at most AT_ONCE."""
        start, end = self._at, min(self.space.keys, self._at + AT_ONCE)
        column = self._columns["ordinals"]
        if column is None:
            ordinals = np.arange(self.space.first + start, self.space.first + end)
        else:
            ordinals = window(column, start, end).astype(np.int64)
        if (ordinals[1:] <= ordinals[:-1]).any():
            raise FormatError(f"space {self.space.name}: its ordinals do not ascend")
        if stop is not None:
            ordinals = ordinals[: np.searchsorted(ordinals, stop)]
        self._at += len(ordinals)
        return Keyed(self.space, ordinals, self._of(start, self._at))

    def _of(self, start: int, end: int) -> Any:
        """Keys of the objects of these ranks."""
        by_rank, place = self._columns["ordinal keys"], self._columns["place"]
        if by_rank is not None:
            return window(by_rank, start, end)
        places = np.arange(start, end) if place is None else window(place, start, end).astype(np.int64)
        if len(places) and int(places.max()) >= self.space.keys:
            raise FormatError(f"space {self.space.name}: place {int(places.max())} of {self.space.keys} keys")
        if self._names is not None:
            return [self._names.key(int(i)) for i in places]
        if self._keys is None:
            return places.astype(np.uint64) + np.uint64(self.space.base)
        if place is None:
            return window(self._keys, start, end)
        if self._all is None:  # in no order: 8 bytes for each key of the space
            self._all = window(self._keys, 0, self.space.keys)
        return self._all[places]


class Keys:
    """The own keys of all objects, by ascending ordinals. Mutable."""

    def __init__(self, container: Backing) -> None:
        self._spaces = [SpaceKeys(container, s) for s in container.spaces if not s.flags & f.SPACE_ALIAS]
        self._heap = [(space.next, i) for i, space in enumerate(self._spaces) if space.space.keys]
        heapify(self._heap)

    def take(self, stop: int) -> list[Keyed]:
        """All below `stop`, in the order of the first of each: those of a space are together."""
        found = []
        while self._heap and self._heap[0][0] < stop:
            i = self._heap[0][1]
            found.append(self._spaces[i].take(stop))
            following = self._spaces[i].next
            if following < 0:
                heappop(self._heap)
            else:
                heapreplace(self._heap, (following, i))
        return found
