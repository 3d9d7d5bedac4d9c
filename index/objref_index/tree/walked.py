"""A tree read page by page, without LMDB: for few questions it is not worth checking all of it for LMDB's sake.

Whoever walks sees checked bytes only, and no damage can crash him. Layouts: `mdb.c` of LMDB 0.9 (data format 1), on
little-endian machines with 64 bits.
"""

from __future__ import annotations

import struct
import sys

from objref_index.named import NamedTuple
from objref_index.tree.layout import VALUE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from objref_index.tree.opened import Tree

__all__ = ["Sparing", "Walked", "can_walk"]

PAGE_HEAD = struct.Struct("<QHHHH")
"""number, pad, flags, end of the node offsets, start of the nodes."""
META = struct.Struct("<IIQQ 48x IHHQQQQQ QQ")
"""magic, version, address, size of the map; (the database of free pages;) pad, flags, depth, branch, leaf and overflow
pages, entries, root; last page, transaction."""
NODE = struct.Struct("<HHHH")
"""Of a branch: three parts of a page number; of a leaf: two of the length of its value, flags. Then: of its key."""
OFFSET = struct.Struct("<H")
MAGIC, FORMAT = 0xBEEFC0DE, 1
BRANCH, LEAF, META_PAGE = 0x01, 0x02, 0x08
METAS = 2
FEW = 4
"""Questions for which a tree is walked."""
NO_PAGE = (1 << 64) - 1
DEPTH_MAX = 32
"""CURSOR_STACK of mdb.c."""


def can_walk() -> bool:
    """Whether this machine has such trees."""
    return sys.byteorder == "little" and struct.calcsize("@N") == 8


class _Page(NamedTuple):
    """A page: what it is, and where its nodes begin, in ascending order of their keys."""

    data: bytes | memoryview
    flags: int
    nodes: list[int]

    def key(self, i: int) -> bytes:
        """The key of the i-th node."""
        at = self.nodes[i] + NODE.size
        return bytes(self.data[at : at + NODE.unpack_from(self.data, self.nodes[i])[3]])


class Walked:
    """A tree of `length` bytes in pages of `page_size`.

    read    gives bytes of it, checked: (offset, length)
    damage  makes the exception to raise when it is unsound
    """

    def __init__(
        self,
        length: int,
        page_size: int,
        read: Callable[[int, int], bytes | memoryview],
        damage: Callable[[str], Exception],
    ) -> None:
        self._length, self._page_size = length, page_size
        self._read, self._damage = read, damage
        self._root, self.count = self._newest()

    def _newest(self) -> tuple[int, int]:
        """(root, entries) of the newest of both meta pages."""
        found = []
        for number in range(METAS):
            data = self._bytes_of(number)
            magic, version, _, _, _, flags, *_, entries, root, _, transaction = META.unpack_from(data, PAGE_HEAD.size)
            if PAGE_HEAD.unpack_from(data)[2] != META_PAGE or (magic, version) != (MAGIC, FORMAT) or flags:
                raise self._damage(f"meta page {number} of the tree is not that of data format {FORMAT}")
            found.append((transaction, root, entries))
        return max(found)[1:]

    def _bytes_of(self, number: int) -> bytes | memoryview:
        size = self._page_size
        if number >= self._length // size:
            raise self._damage(f"the tree names page {number} of {self._length // size}")
        return self._read(number * size, size)

    def get(self, key: bytes) -> bytes | None:
        """The value of a key, or None."""
        number = self._root
        if number == NO_PAGE:
            return None
        for _ in range(DEPTH_MAX):
            page = self._page(number)
            i = _place(page, key)
            if page.flags == LEAF:
                return self._value(page, i) if i >= 0 and page.key(i) == key else None
            low, middle, high, _ = NODE.unpack_from(page.data, page.nodes[max(i, 0)])
            number = low | middle << 16 | high << 32
        raise self._damage("the tree is too deep: its pages lead in circles")

    def _page(self, number: int) -> _Page:
        data = self._bytes_of(number)
        itself, _, flags, lower, upper = PAGE_HEAD.unpack_from(data)
        count = (lower - PAGE_HEAD.size) // OFFSET.size
        if itself != number or flags not in (BRANCH, LEAF) or not count > 0 or lower > upper or upper > len(data):
            raise self._damage(f"page {number} of the tree is none of its branches and leaves")
        nodes = [offset for (offset,) in OFFSET.iter_unpack(data[PAGE_HEAD.size : PAGE_HEAD.size + 2 * count])]
        if min(nodes) < upper or max(nodes) > len(data) - NODE.size:
            raise self._damage(f"page {number} of the tree has nodes outside")
        return _Page(data, flags, nodes)

    def _value(self, page: _Page, i: int) -> bytes:
        low, high, flags, key = NODE.unpack_from(page.data, page.nodes[i])
        start, length = page.nodes[i] + NODE.size + key, low | high << 16
        if flags or length != VALUE.size or start + length > len(page.data):
            raise self._damage(f"the tree has a value of {length} bytes, expected {VALUE.size}")
        return bytes(page.data[start : start + length])


def _place(page: _Page, key: bytes) -> int:
    """The last node whose key is not above `key`, or -1. The first key of a branch counts as below all."""
    low, high = int(page.flags == BRANCH), len(page.nodes)
    while low < high:
        middle = (low + high) >> 1
        if page.key(middle) <= key:
            low = middle + 1
        else:
            high = middle
    return low - 1


class Sparing:
    """A tree that is walked for the first questions about a key and opened at the next one, or at any other question:
    then it answers all of them sooner. Mutable: it counts. Safe for many threads."""

    def __init__(self, walked: Walked, opened: Callable[[], Tree]) -> None:
        self._walked: Walked | None = walked
        self._opened = opened
        self._left = FEW

    def value(self, key: bytes) -> tuple[int, int, int, int] | None:
        """(where, what, ordinal, n) of an entry."""
        walked = self._walked
        if walked is None:
            return self._opened().value(key)
        self._left -= 1
        if self._left <= 0:
            self._walked = None
        found = walked.get(key)
        return None if found is None else VALUE.unpack(found)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._opened(), name)
