"""What every index can be asked, whether its tables lie in a container or in a database beside a stream.

`IntKeys`, `ByteKeys` and `TreeKeys` are KeyTables; `ObjectTable` is Objects, `ReferenceTable` References.
"""

from __future__ import annotations

from objref_index.keys import KeyShape
from objref_index.objects import ExtentList, Row
from objref_index.references import Dangling, Edge, Side

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Protocol
else:
    Protocol = object

__all__ = ["KeyTable", "NameTable", "NumberTable", "Objects", "References"]


class KeyTable(Protocol):
    """Keys of one space, ascending; equal ones in stream order. A key is an int or bytes."""

    @property
    def shape(self) -> KeyShape:
        """How many keys there are, and of what kind."""

    def find(self, key: Any, /) -> int:
        """Ordinal of the first object with this key, or -1."""

    def find_all(self, key: Any, /) -> list[int]:
        """Ordinals of all objects that claim this key, in stream order."""

    def claim(self, ordinal: int, /) -> tuple[Any, int] | None:
        """(key, n): the object is the n-th (from 1) to claim that key; None when it has no key here."""

    def keys(self) -> Iterator[Any]:
        """All keys, repeated ones repeated."""

    def ordinals(self) -> Iterator[int]:
        """Ordinals of the objects in the order of their keys."""


class NumberTable(KeyTable, Protocol):
    """Keys that are u64."""

    @property
    def permuted(self) -> bool:
        """Whether the objects may have come in another order than their keys."""

    def nearest(self, key: int, n: int, /) -> list[int]:
        """Up to n different keys, the closest to a key that is not there."""


class NameTable(KeyTable, Protocol):
    """Keys that are bytes."""

    def key(self, place: int, /) -> bytes:
        """The one at this place of their order."""

    def around(self, key: bytes, n: int, /) -> list[bytes]:
        """Up to n names before the place of a name, and n from there on."""


class Objects(Protocol):
    """Rows by ordinal."""

    @property
    def count(self) -> int:
        """How many objects there are."""

    def words(self, start: int, stop: int, /) -> list[int]:
        """The rows of objects start…stop-1, two words each."""

    def row(self, ordinal: int, /) -> Row:
        """Row of an object, 0 <= ordinal < count."""

    def extents(self, row: Row, /) -> ExtentList:
        """Where the bytes of an object are."""


class References(Protocol):
    """References of objects, forward and backward."""

    objects: int
    """How many objects there are."""

    def side(self, forward: bool, /) -> Side | None:
        """The arrays of those from objects, or of those to objects; None when there are none at all."""

    def of(self, ordinal: int, /) -> Iterator[Edge]:
        """References from an object."""

    def to(self, ordinal: int, /) -> Iterator[Edge]:
        """References to an object."""

    def dangling(self, i: int, /) -> Dangling:
        """What the i-th dangling reference names."""

    @property
    def dangling_count(self) -> int:
        """How many references lead to nothing in the image."""
