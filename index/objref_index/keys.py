"""Key tables: from a key to the ordinal of an object, and back (docs/format.md, section 9).

Two shapes, chosen by the builder from the keys themselves:
run     keys base, base+1, …: nothing is stored
sorted  ascending keys, with a radix directory when there are many
"""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from objref_index.columns import Column, bisect_left

__all__ = ["FORM_BYTES", "FORM_DECIMAL", "FORM_HEX", "FORM_PAIR", "ByteKeys", "IntKeys", "KeyShape", "Ranks"]

FORM_DECIMAL, FORM_HEX, FORM_PAIR, FORM_BYTES = range(4)

Damage = Callable[[str], Exception]
"""Makes the exception to raise when tables contradict themselves."""


class KeyShape(NamedTuple):
    """What a reader must know before it touches a table."""

    keys: int
    run: bool
    base: int
    """First key of a run, smallest key otherwise."""
    first: int | None
    """Ordinal of the first object when the ordinals are contiguous, else None: there is a table `ordinals`."""
    radix_bits: int = 0
    radix_shift: int = 0
    distinct: int = 0


class Ranks:
    """From an ordinal to its place among those of a space."""

    __slots__ = ("_damage", "_ordinals", "shape")

    def __init__(self, shape: KeyShape, ordinals: Column | None, damage: Damage) -> None:
        self.shape = shape
        self._ordinals = ordinals
        self._damage = damage

    def rank(self, ordinal: int) -> int:
        """Place of an ordinal among those of the space, -1 if it is not one of them."""
        n = self.shape.keys
        if self.shape.first is not None:
            j = ordinal - self.shape.first
            return j if 0 <= j < n else -1
        if self._ordinals is None:
            if not n:
                return -1
            raise self._damage("the table of ordinals is missing")
        j = bisect_left(self._ordinals, ordinal, 0, n)
        return j if j < n and self._ordinals[j] == ordinal else -1


class _Places(Ranks):
    """Between places in key order, places in ordinal order, and ordinals."""

    __slots__ = ("_order", "_place")

    def __init__(self, shape: KeyShape, columns: dict[str, Column], damage: Damage) -> None:
        super().__init__(shape, columns.get("ordinals"), damage)
        self._order = columns.get("order")
        self._place = columns.get("place")
        for name, column in columns.items():
            expected = (1 << shape.radix_bits) + 1 if name == "radix" else shape.keys
            if len(column) != expected:
                raise damage(f"table {name} has {len(column)} entries, expected {expected}")
        if ("order" in columns) != ("place" in columns) or (shape.run and "keys" in columns):
            raise damage(f"tables {', '.join(sorted(columns))} do not belong together")

    @property
    def permuted(self) -> bool:
        """Whether the objects came in another order than their keys."""
        return self._order is not None

    def ordinal(self, i: int) -> int:
        """Ordinal of the object with the i-th key."""
        j = i if self._order is None else self._order[i]
        if j >= self.shape.keys:
            raise self._damage(f"key order names place {j} of {self.shape.keys}")
        if self.shape.first is not None:
            return self.shape.first + j
        if self._ordinals is None:
            raise self._damage("the table of ordinals is missing")
        return self._ordinals[j]

    def ordinals(self) -> Iterator[int]:
        """Ordinals of the objects in the order of their keys."""
        return map(self.ordinal, range(self.shape.keys))

    def place(self, ordinal: int) -> int:
        """Place in key order of the key of an object, -1 if the object has none here."""
        j = self.rank(ordinal)
        if j < 0 or self._place is None:
            return j
        i = self._place[j]
        if i >= self.shape.keys or self._order is None or self._order[i] != j:
            raise self._damage(f"key place {i} of {self.shape.keys} does not lead back to place {j}")
        return i

    def _nth(self, i: int, first: int, key: Any) -> int:
        """How many objects claim the key of place i up to there. `first` is where a search found the key."""
        if first > i or (first < i and not self.key(first) == self.key(i - 1) == key):
            raise self._damage(f"keys around place {i} of {self.shape.keys} do not ascend")
        return i - first + 1

    def key(self, i: int) -> Any:
        """The i-th key in ascending order."""
        raise NotImplementedError


class IntKeys(_Places):
    """Keys that are u64."""

    __slots__ = ("_keys", "_radix")

    def __init__(self, shape: KeyShape, columns: dict[str, Column], damage: Damage) -> None:
        super().__init__(shape, columns, damage)
        self._keys = columns.get("keys")
        self._radix = columns.get("radix")

    def first_place(self, key: int) -> int:
        """Place of the first key not below `key`."""
        shape = self.shape
        if shape.run or self._keys is None:
            return min(max(key - shape.base, 0), shape.keys)
        lo, hi = 0, shape.keys
        if self._radix is not None:
            bucket = (key - shape.base) >> shape.radix_shift
            if bucket < 0:
                return 0
            if bucket >> shape.radix_bits:
                return shape.keys
            lo, hi = self._radix[bucket], self._radix[bucket + 1]
            if not lo <= hi <= shape.keys:
                raise self._damage(f"radix bucket {bucket} spans {lo}…{hi} of {shape.keys} keys")
        return bisect_left(self._keys, key, lo, hi)

    def key(self, i: int) -> int:
        """The i-th key in ascending order."""
        return self.shape.base + i if self._keys is None else self._keys[i]

    def find(self, key: int) -> int:
        """Ordinal of the first object with this key, or -1."""
        i = self.first_place(key)
        if i < self.shape.keys and self.key(i) == key:
            return self.ordinal(i)
        self._check_absent(i, key)
        return -1

    def _check_absent(self, i: int, key: int) -> None:
        """Its neighbours prove that a key is not there: a wrong directory hides nothing."""
        after = i < self.shape.keys and self.key(i) <= key
        if after or (i > 0 and self.key(i - 1) >= key):
            raise self._damage(f"keys around place {i} of {self.shape.keys} do not ascend, or the directory lies")

    def find_all(self, key: int) -> list[int]:
        """Ordinals of all objects that claim this key, in stream order."""
        i, found = self.first_place(key), []
        while i < self.shape.keys and self.key(i) == key:
            found.append(self.ordinal(i))
            i += 1
        if not found:
            self._check_absent(i, key)
        return found

    def claim(self, ordinal: int) -> tuple[int, int] | None:
        """(key, n): the object is the n-th (from 1) to claim that key."""
        i = self.place(ordinal)
        if i < 0:
            return None
        key = self.key(i)
        return key, self._nth(i, self.first_place(key), key)

    def keys(self) -> Iterator[int]:
        """All keys, ascending, repeated ones repeated."""
        n = self.shape.keys
        return iter(range(self.shape.base, self.shape.base + n)) if self._keys is None else self._keys.slice(0, n)

    def nearest(self, key: int, n: int) -> list[int]:
        """Up to n different keys, the closest to a key that is not there."""
        low = high = self.first_place(key)
        around: set[int] = set()
        for _ in range(n):  # from key to key, since thousands may claim the same one
            if low > 0:
                around.add(below := self.key(low - 1))
                low = self.first_place(below)
            if high < self.shape.keys:
                around.add(above := self.key(high))
                high = self.first_place(above + 1)
        return sorted(sorted(around, key=lambda k: (abs(k - key), k))[:n])


class ByteKeys(_Places):
    """Keys that are bytes: names. `names` returns the joined bytes of all keys, checked."""

    __slots__ = ("_bytes", "_ends", "_names")

    def __init__(
        self, shape: KeyShape, columns: dict[str, Column], names: Callable[[], memoryview], damage: Damage
    ) -> None:
        super().__init__(shape, columns, damage)
        self._ends = columns.get("ends")
        self._names = names
        self._bytes: memoryview | None = None

    def key(self, i: int) -> bytes:
        """The i-th key in ascending order."""
        if self._ends is None:
            raise self._damage("the table of the ends of names is missing")
        if self._bytes is None:
            self._bytes = self._names()
        start, end = (self._ends[i - 1] if i else 0), self._ends[i]
        if not start <= end <= len(self._bytes):
            raise self._damage(f"name {i} spans {start}…{end} of {len(self._bytes)} bytes")
        return self._bytes[start:end].tobytes()

    def first_place(self, key: bytes) -> int:
        """Place of the first key not below `key`."""
        lo, hi = 0, self.shape.keys
        while lo < hi:
            middle = (lo + hi) >> 1
            if self.key(middle) < key:
                lo = middle + 1
            else:
                hi = middle
        return lo

    def find(self, key: bytes) -> int:
        """Ordinal of the first object with this name, or -1."""
        i = self.first_place(key)
        return self.ordinal(i) if i < self.shape.keys and self.key(i) == key else -1

    def find_all(self, key: bytes) -> list[int]:
        """Ordinals of all objects of this name, in stream order."""
        i, found = self.first_place(key), []
        while i < self.shape.keys and self.key(i) == key:
            found.append(self.ordinal(i))
            i += 1
        return found

    def claim(self, ordinal: int) -> tuple[bytes, int] | None:
        """(name, n): the object is the n-th (from 1) of that name."""
        i = self.place(ordinal)
        if i < 0:
            return None
        key = self.key(i)
        return key, self._nth(i, self.first_place(key), key)

    def around(self, key: bytes, n: int) -> list[bytes]:
        """Up to n names before the place of a name, and n from there on."""
        i = self.first_place(key)
        return [self.key(p) for p in range(max(0, i - n), min(self.shape.keys, i + n))]

    def keys(self) -> Iterator[bytes]:
        """All names, ascending, repeated ones repeated."""
        return (self.key(i) for i in range(self.shape.keys))
