"""A writer whose stream has holes: an import goes on as if they were bytes, and none of them becomes content.

What is imported gets addresses as if nothing were lost; where the bytes really went is put into the index at the end.
Needs numpy.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from objref.container import format as f
from objref.container.output import Sink
from objref.container.writer import ContainerWriter, Options
from objref.recovery.lost import Ranges
from objref.recovery.places import Moves, Tables
from objref_index.build import Index

__all__ = ["HoledWriter"]


class HoledWriter(ContainerWriter):
    """Writes what is left of a stream. Mutable; unusable after its first error."""

    def __init__(self, output: Sink, options: Options, lost: Ranges, says: Callable[[int], dict[str, Any]]) -> None:
        """
        lost  positions of the stream that hold filler; it may grow until they are reached
        says  what META says of the recovery, of that many objects that have lost bytes
        """
        super().__init__(output, options)
        self._holes, self._says = lost, says
        self._moves = Moves()
        self._next: dict[int, int] = {}
        self.touched: list[int] = []
        """Ordinals of objects that have lost bytes, once the index is settled."""

    def append(self, section: int, data: bytes | memoryview) -> int:
        """The next bytes of the stream. Returns the address of the first as if nothing were lost."""
        if section == self.lost_section:
            return super().append(section, data)
        return self._take(section, memoryview(data), self._put)

    def append_pages(self, data: memoryview) -> int:
        """The next bytes of the stream, whole pages."""
        return self._take(self.page_section, data, self._put_pages)

    def append_woven(self, section: int, data: memoryview, turns: array[int]) -> Iterator[tuple[int, int, int]]:
        """Bytes for a section and whole pages in turn. Yields (address of the bytes, of the pages, 1)."""
        at = 0
        for length, pages in zip(turns[::2], turns[1::2], strict=True):
            middle = at + length
            yield self.append(section, data[at:middle]), self.append_pages(data[middle : middle + pages]), 1
            at = middle + pages

    def _take(self, section: int, data: memoryview, put: Callable[[int, int, memoryview], None]) -> int:
        first = at = self._next.get(section, 0)
        self._next[section] = first + len(data)
        for length, lost in self._holes.parts(self.stream_length, len(data)):
            part = data[at - first : at - first + length]
            if lost:
                address = self.append_lost(length)
                self._moves.add(section << 48 | at, self.lost_section << 48 | address, length)
            else:
                put(section, at, part)
            at += length
        return first

    def _put(self, section: int, at: int, data: memoryview, into: int = 0) -> None:
        into = into or section
        address = super().append(into, data)
        self._moves.add(section << 48 | at, into << 48 | address, len(data))

    def _put_pages(self, section: int, at: int, data: memoryview) -> None:
        whole = len(data) // f.PAGE * f.PAGE
        if whole:
            address = super().append_pages(data[:whole])
            self._moves.add(section << 48 | at, section << 48 | address, whole)
        if whole < len(data):  # a hole begins or ends inside a page
            self._put(section, at + whole, data[whole:], self.section("broken pages"))

    # -- the end -------------------------------------------------------------------------------------------

    def settle(self, index: Index) -> Index:
        """The index, with the places where bytes really are."""
        tables = index.tables
        moved = Tables(tables["objects"], tables.get("extents", []), self._moves.places(), self.lost_section)
        self.touched = moved.touched.nonzero()[0].tolist()
        made = {"objects": np.frombuffer(moved.objects(), "<u8"), "extents": np.frombuffer(moved.extents(), "<u8")}
        return index._replace(tables=tables | made)

    def about(self) -> dict[str, Any]:
        """What META says of the writer, and of the recovery."""
        return {**super().about(), "recovered": self._says(len(self.touched))}
