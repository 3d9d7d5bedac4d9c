"""A key table in a tree: the keys of one space of numbers."""

from __future__ import annotations

import struct

from objref_index.columns import Column
from objref_index.keys import KeyShape, Ranks
from objref_index.tree.layout import CLAIM, KEY, KEY_SIZE, SPACE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from objref_index.tree.opened import Tree
    from objref_index.tree.walked import Sparing

__all__ = ["TreeKeys"]

LAST_KEY = (1 << 64) - 1


class TreeKeys(Ranks):
    """Keys that are u64.

    number     of the space, with which its entries begin
    ordinals   of its objects, ascending; None when they are contiguous
    by_rank    their keys in that order; None for a run in order
    """

    __slots__ = ("_by_rank", "_prefix", "number", "tree")

    def __init__(
        self,
        tree: Tree | Sparing,
        number: int,
        shape: KeyShape,
        ordinals: Column | None,
        by_rank: Column | None,
        damage: Callable[[str], Exception],
    ) -> None:
        super().__init__(shape, ordinals, damage)
        self.tree = tree
        self.number = number
        self._by_rank = by_rank
        self._prefix = SPACE.pack(number)

    @property
    def permuted(self) -> bool:
        """Whether the objects may have come in another order than their keys."""
        return self._by_rank is not None

    def find(self, key: int) -> int:
        """Ordinal of the first object with this key, or -1."""
        try:
            found = self.tree.value(KEY.pack(self.number, key))
        except struct.error:  # no u64
            return -1
        return -1 if found is None else self._sound(found[2], found[3], 1)

    def _sound(self, ordinal: int, n: int, expected: int) -> int:
        if n != expected:
            raise self._damage(f"the tree of space {self.number} says claim {n}, expected {expected}")
        return ordinal

    def find_all(self, key: int) -> list[int]:
        """Ordinals of all objects that claim this key, in stream order."""
        try:
            prefix = KEY.pack(self.number, key)
        except struct.error:
            return []
        found = (self.tree.unpacked(value) for _, value in self.tree.entries(prefix, prefix))
        return [self._sound(ordinal, n, i) for i, (_, _, ordinal, n) in enumerate(found, 1)]

    def claim(self, ordinal: int) -> tuple[int, int] | None:
        """(key, n): the object is the n-th (from 1) to claim that key."""
        j = self.rank(ordinal)
        if j < 0:
            return None
        key = self.shape.base + j if self._by_rank is None else self._by_rank[j]
        found = self.tree.value(KEY.pack(self.number, key))
        if found is not None and found[2] != ordinal:
            found = self.tree.value(CLAIM.pack(self.number, key, ordinal))
        if found is None or found[2] != ordinal:
            raise self._damage(f"key {key} of object {ordinal} is not in the tree of space {self.number}")
        return key, found[3]

    def keys(self) -> Iterator[int]:
        """All keys, ascending, repeated ones repeated."""
        return (KEY.unpack_from(key)[1] for key, _ in self._entries())

    def ordinals(self) -> Iterator[int]:
        """Ordinals of the objects in the order of their keys."""
        return (self.tree.unpacked(value)[2] for _, value in self._entries())

    def _entries(self) -> Iterator[tuple[bytes, bytes]]:
        n = 0
        for entry in self.tree.entries(self._prefix, self._prefix):
            yield entry
            n += 1
        if n != self.shape.keys:
            raise self._damage(f"the tree of space {self.number} has {n} entries, expected {self.shape.keys}")

    def nearest(self, key: int, n: int) -> list[int]:
        """Up to n different keys, the closest to a key that is not there."""
        around: set[int] = set()
        low = high = min(max(key, 0), LAST_KEY)
        for _ in range(n):  # from key to key, since thousands may claim the same one
            below, above = self._below(low), self._from(high)
            around |= {k for k in (below, above) if k is not None}
            low = low if below is None else below
            high = high if above is None else min(above + 1, LAST_KEY)
        return sorted(sorted(around, key=lambda k: (abs(k - key), k))[:n])

    def _below(self, key: int) -> int | None:
        found = self.tree.last_before(KEY.pack(self.number, key))
        return None if found is None else self._key_of(found)

    def _from(self, key: int) -> int | None:
        for found, _ in self.tree.entries(KEY.pack(self.number, key), self._prefix):
            return self._key_of(found)
        return None

    def _key_of(self, entry: bytes) -> int | None:
        """The key of an entry, None in another space."""
        if len(entry) < KEY_SIZE:
            raise self._damage(f"the tree has a key of {len(entry)} bytes")
        number, key = KEY.unpack_from(entry)
        return int(key) if number == self.number else None
