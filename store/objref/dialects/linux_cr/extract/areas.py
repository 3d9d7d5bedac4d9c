"""Shared memory: the first area that names a segment has its pages behind it, later ones say so by another type.

If the one with the pages is left out, or comes later now, the first that is written gets them.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from objref.dialects.linux_cr.extract.original import PAGES
from objref.dialects.linux_cr.kinds import KIND, ROLE
from objref.errors import UnsupportedError

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft
    from objref.dialects.linux_cr.extract.original import Record

__all__ = ["Area", "Areas"]

ANON, IPC, HUGE = 4, 7, 9
FIRST = {5: ANON, 8: IPC, 10: HUGE}
"""vma_type of a later area → that of the first. (7 and 8 have no pages; that 7 is the first is by analogy with 4.)"""
LATER = {first: later for later, first in FIRST.items()}
TYPE = 8


class Area(NamedTuple):
    """How a VMA is written. `pages`: (object, start, stop) of what is put behind it; `skip`: what is there is not."""

    data: bytes
    pages: tuple[int, int, int] | None = None
    skip: bool = False


class Areas:
    """Which segments have their pages already. Mutable."""

    def __init__(self, draft: Draft) -> None:
        self._draft = draft
        self._shown: set[tuple[int, int]] = set()
        self._moved: set[tuple[int, int]] = set()
        self._hosts: dict[int, dict[tuple[int, int], tuple[int, int, int]]] = {}

    def write(self, mm: int, record: Record) -> Area:
        """What becomes of a VMA."""
        type_, _, inode = struct.unpack_from(self._draft.original.order + "Iii", record.data, TYPE)
        name = FIRST.get(type_, type_), inode
        if name[0] not in LATER or inode <= 0:
            return Area(record.data)
        if type_ == name[0]:
            again = name in self._moved
            self._shown.add(name)
            return Area(self._typed(record, LATER[type_]), skip=True) if again else Area(record.data)
        if name in self._shown:
            return Area(record.data)
        pages = self._find(mm, name)
        self._shown.add(name)
        if pages is None:
            return Area(record.data)
        self._moved.add(name)
        return Area(self._typed(record, name[0]), pages if pages[1] < pages[2] else None)

    def _typed(self, record: Record, type_: int) -> bytes:
        data = bytearray(record.data)
        struct.pack_into(self._draft.original.order + "I", data, TYPE, type_)
        return bytes(data)

    def _find(self, mm: int, name: tuple[int, int]) -> tuple[int, int, int] | None:
        """Where the pages of a segment are; None when no area has them."""
        if name[0] == HUGE:
            raise UnsupportedError(
                f"{self._draft.original.objref(mm)}: huge pages of {name[1]} are with a task that is left out, "
                "and how they are stored is not known"
            )
        segment = self._draft.original.find(KIND["shmem"], name[1])
        holders = self._draft.original.linking(segment, ROLE["segment"]) if segment is not None else ()
        for holder in sorted(holders, key=self._draft.original.begin):
            if self._draft.original.kind(holder) == "mm" and name in self._firsts(holder):
                return self._firsts(holder)[name]
        return None

    def _firsts(self, mm: int) -> dict[tuple[int, int], tuple[int, int, int]]:
        """The areas of an mm that are the first of a segment, and where their pages are."""
        if mm not in self._hosts:
            found: dict[tuple[int, int], tuple[int, int, int]] = {}
            last: tuple[int, int] | None = None
            for record in self._draft.original.records(mm):
                if record.name == "VMA":
                    type_, _, inode = struct.unpack_from(self._draft.original.order + "Iii", record.data, TYPE)
                    last = (type_, inode) if type_ in LATER else None
                    if last is not None:
                        found.setdefault(last, (mm, record.stop, record.stop))
                elif record.name == PAGES and last is not None and found[last][1] == record.start:
                    found[last] = mm, record.start, record.stop
            self._hosts[mm] = found
        return self._hosts[mm]
