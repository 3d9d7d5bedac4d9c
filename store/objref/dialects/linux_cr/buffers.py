"""What is in the BUFFER behind a TREE, PIDS or EPOLL_ITEMS record: entries of known layout."""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator

from objref.dialects.linux_cr.references import fields

__all__ = ["Tree", "epoll_items", "pid_entries"]

ENTRY = 24
WATCHES = "12:watches"
FIELDS = 5
"""vpid, vppid, vtgid, vpgid, vsid"""


class Tree:
    """The entries of the TREE: the tasks, in the order in which they come. 20 bytes a task. Mutable."""

    def __init__(self, order: str) -> None:
        self._form = struct.Struct(order + "5i4x")
        self.entries = array("i")
        self.vpids: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.entries) // FIELDS

    def read(self, data: bytearray, at: int, length: int) -> None:
        """Take the payload of the BUFFER."""
        for entry in self._form.iter_unpack(memoryview(data)[at : at + length // ENTRY * ENTRY]):
            self.entries.extend(entry)
        self.vpids = frozenset(self.entries[::FIELDS])

    def entry(self, k: int) -> array[int]:
        """vpid, vppid, vtgid, vpgid, vsid of the k-th task."""
        return self.entries[FIELDS * k : FIELDS * k + FIELDS]


def epoll_items(data: bytearray, at: int, length: int, order: str) -> list[int]:
    """References of the items: the files that are watched."""
    code = fields(WATCHES, order).codes[0]
    form = struct.Struct(order + "12xi8x")
    view = memoryview(data)[at : at + length // ENTRY * ENTRY]
    return [code | file for (file,) in form.iter_unpack(view) if file > 0]


def pid_entries(data: bytearray, at: int, length: int, order: str) -> Iterator[tuple[int, int, int]]:
    """(number of the entry, where it starts, its length): u32 depth, then depth + 1 numbers."""
    end, k = at + length, 0
    while at + 8 <= end:
        depth: int = struct.unpack_from(order + "I", data, at)[0]
        size = 8 + 4 * depth
        if at + size > end:
            return
        yield k, at, size
        at, k = at + size, k + 1
