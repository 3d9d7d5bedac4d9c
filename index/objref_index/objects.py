"""The object table: from an ordinal to where the object's bytes are (docs/format.md, section 8)."""

from __future__ import annotations

from objref_index.columns import Column
from objref_index.named import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["ADDRESS_MASK", "LISTED", "NOWHERE", "Extent", "ObjectTable", "Row", "pack_row"]

ADDRESS_MASK = (1 << 48) - 1
NOWHERE = 0
LISTED = 0xFFFF
SPARSE = 1
ROW_WORDS, EXTENT_WORDS = 2, 3


class Row(NamedTuple):
    """A row of the object table. Lengths and addresses in bytes."""

    section: int
    address: int
    kind: int
    length: int


class Extent(NamedTuple):
    """`length` bytes at `address` of `section`, found at offset `at` of the object (section 0: zero bytes)."""

    at: int
    section: int
    address: int
    length: int


class ExtentList(NamedTuple):
    """The extents of one object, ascending. `stored`: what they hold together."""

    sparse: bool
    stored: int
    extents: list[Extent]


_row = Row._make
"""Hot path: no look at the names of the fields."""


def pack_row(section: int, address: int, kind: int, length: int) -> tuple[int, int]:
    """The two words of a row."""
    return section << 48 | address, kind << 48 | length


class ObjectTable:
    """Rows by ordinal. `extents` is the extents table, or None when no object needs it."""

    __slots__ = ("_damage", "_extents", "_words", "count")

    def __init__(
        self, words: Column | None, extents: Column | None, count: int, damage: Callable[[str], Exception]
    ) -> None:
        self._words = words
        self._extents = extents
        self._damage = damage
        self.count = count
        if words is not None and len(words) < ROW_WORDS * count:
            raise damage(f"the table of objects has {len(words) // ROW_WORDS} rows, expected {count}")

    def words(self, start: int, stop: int) -> list[int]:
        """The rows of objects start…stop-1, two words each (see `pack_row`)."""
        if not 0 <= start <= stop <= self.count or self._words is None:
            raise self._damage(f"objects {start}…{stop} of {self.count}")
        return self._words.values(ROW_WORDS * start, ROW_WORDS * stop)

    def row(self, ordinal: int) -> Row:
        """Row of an object, 0 <= ordinal < count."""
        if not 0 <= ordinal < self.count or self._words is None:
            raise self._damage(f"object {ordinal} of {self.count}")
        where, what = self._words[2 * ordinal], self._words[2 * ordinal + 1]
        return _row((where >> 48, where & ADDRESS_MASK, what >> 48, what & ADDRESS_MASK))

    def extents(self, row: Row) -> ExtentList:
        """Where the bytes of an object are, whatever the number of its extents."""
        if row.section == NOWHERE:
            if row.length:
                raise self._damage(f"an object of {row.length} bytes lies nowhere")
            return ExtentList(False, 0, [])
        if row.section != LISTED:
            return ExtentList(False, row.length, [Extent(0, row.section, row.address, row.length)])
        return self._listed(row)

    def _listed(self, row: Row) -> ExtentList:
        words = self._extents
        if words is None or row.address >= words.count // EXTENT_WORDS:
            raise self._damage(f"extent list {row.address} is not in the extents table")
        head = row.address * EXTENT_WORDS
        flags, rows, stored = words[head], words[head + 1], words[head + 2]
        if rows > words.count // EXTENT_WORDS - row.address - 1:
            raise self._damage(f"extent list {row.address} says {rows} rows, more than there are")
        values = list(words.slice(head + EXTENT_WORDS, head + EXTENT_WORDS * (rows + 1)))
        sparse = bool(flags & SPARSE)
        if not sum(values[2::3]) == stored == row.length:
            raise self._damage(f"extents of list {row.address} hold {sum(values[2::3])} bytes, expected {row.length}")
        return ExtentList(sparse, stored, self._checked(values, row, sparse))

    def _checked(self, values: list[int], row: Row, sparse: bool) -> list[Extent]:
        extents, at = [], 0
        for start, where, length in zip(values[::3], values[1::3], values[2::3], strict=True):
            if start < at or start + length > 1 << 64 or (start > at and not sparse):
                raise self._damage(f"extents of list {row.address} overlap or leave a gap at offset {start:#x}")
            at = start + length
            extents.append(Extent(start, where >> 48, where & ADDRESS_MASK, length))
        return extents
