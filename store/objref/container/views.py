"""Bytes of a section as they lie in the file: no copy, where blocks are stored as they are and the source has memory.

Checked at the first touch of each block, and then no more: a program that maps 10 GB touches them often.
"""

from __future__ import annotations

from objref.container import format as f
from objref.container.content import Content, slot_runs
from objref.container.source import BytesSource, MapSource
from objref.errors import UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from mmap import mmap

__all__ = ["Views"]


class Views(Content):
    """Content that can also be looked at where it lies."""

    @property
    def mapped(self) -> tuple[mmap, int] | None:
        """Memory in which raw pieces lie, and what to subtract from their offsets; None where nothing is mapped."""
        source = self.source
        return (source.map, 0) if isinstance(source, MapSource) and source.map is not None else None

    def position(self, section: int, address: int, length: int) -> int:
        """Where in the file these bytes begin, checked at first touch; UsageError unless they lie there together as
        they are."""
        place = self._together(section, address, length)
        if place is None:
            for _ in self.places(section, address, length):  # says why, if they are packed
                pass
            raise UsageError(f"{length} bytes at {address:#x} of section {section} lie in several places of the file")
        piece, start = place
        self._check_once(piece, start, start + length)
        return piece.offset + start

    def view(self, section: int, address: int, length: int) -> memoryview:
        """`length` bytes from `address`: of the file itself if it is mapped (or bytes) and they lie together in one
        piece of raw blocks, else a copy."""
        place = self._together(section, address, length)
        if place is None or not isinstance(self.source, MapSource | BytesSource):
            return memoryview(self.read(section, address, length))
        piece, start = place
        self._check_once(piece, start, start + length)
        return memoryview(self.source.read(piece.offset + start, length))

    def places(self, section: int, address: int, length: int) -> Iterator[tuple[int, int]]:
        """(offset, length) in the file of these bytes, run by run, checked. Zero pages, which are stored nowhere, are
        left out. UsageError where bytes do not lie in the file as they are."""
        entry = self.sections.get(section)
        if entry is not None and entry.role == f.PAGE_TABLE:
            for slot, start, stop in self._of_slots(entry, address, length):
                if slot != f.ZERO_PAGE:
                    yield from self._places(self.page_section, (slot << f.PAGE_LOG2) + start, stop - start)
        else:
            yield from self._places(entry, address, length)

    def _places(self, entry: f.Section | None, address: int, length: int) -> Iterator[tuple[int, int]]:
        if entry is None or entry.role not in (f.STRAND, f.PAGES) or entry.codec != f.RAW:
            raise UsageError(
                f"section {entry.name if entry else 0} is packed: only in what `objref index` or `objref import "
                "--compress none` made do bytes have a place, and those of pages after `--pages raw`, too"
            )
        while length:
            piece = self.find_piece(entry.id, address)
            inside = address - piece.address
            part = min(length, piece.length - inside)
            self.check_blocks(entry, piece, inside, inside + part)
            yield piece.offset + inside, part
            address += part
            length -= part

    def _of_slots(self, table: f.Section, address: int, length: int) -> Iterator[tuple[int, int, int]]:
        """(slot, start, stop) of each run of pages: its bytes start…stop-1, counted from its first slot."""
        start = address & (f.PAGE - 1)
        for slot, count in self._runs_of_slots(table, address >> f.PAGE_LOG2, -(-(start + length) // f.PAGE)):
            stop = min(count << f.PAGE_LOG2, start + length)
            yield slot, start, stop
            start, length = 0, length - (stop - start)

    def _together(self, section: int, address: int, length: int) -> tuple[f.PieceEntry, int] | None:
        """The raw piece that holds all of these bytes, and where they begin in it."""
        entry = self.sections.get(section)
        if entry is not None and entry.role == f.PAGE_TABLE and length:
            slot = self._first_slot(entry, address, length)
            entry, address = (None, 0) if slot is None else (self.page_section, slot * f.PAGE + address % f.PAGE)
        if entry is None or entry.codec != f.RAW or entry.dictionary or entry.role not in (f.STRAND, f.PAGES):
            return None
        if not length:
            return None
        piece = self.find_piece(entry.id, address)
        start = address - piece.address
        return (piece, start) if start + length <= piece.length else None

    def _first_slot(self, table: f.Section, address: int, length: int) -> int | None:
        """The slot of the first of these pages, if the others follow it."""
        number = address >> f.PAGE_LOG2
        pages = -(-(address % f.PAGE + length) // f.PAGE)
        first = following = None
        for slot, count in self._runs_of_slots(table, number, pages):
            if slot == f.ZERO_PAGE or following not in (None, slot):
                return None
            first, following = (slot if first is None else first), slot + count
        return first

    def _runs_of_slots(self, table: f.Section, number: int, pages: int) -> Iterator[tuple[int, int]]:
        for slots in self.chunks_of_slots(table, number, pages):
            yield from slot_runs(slots)

    def _check_once(self, piece: f.PieceEntry, start: int, end: int) -> None:
        section = self.sections[piece.section]
        done = self._looked_at.setdefault((piece.section, piece.address), bytearray(piece.blocks))
        for index in range(start >> section.block_log2, -(-end >> section.block_log2)):
            if not done[index]:
                self.check_blocks(
                    section, piece, index << section.block_log2, min(end, (index + 1) << section.block_log2)
                )
                done[index] = 1
