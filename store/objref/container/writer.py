"""Writing a container: one pass, append only, memory bounded by a few MiB for each section (docs/format.md,
sections 3 to 7).

The stream comes in as runs, in order: `append(section, data)` and `append_pages(data)` keep the bytes, the
order (braid) and the digest, and return the address that the bytes got. Several files may grow at once: runs
of different sections may follow each other in any way. `finish` writes the index and the footer.
"""

from __future__ import annotations

import sys
from array import array
from collections import OrderedDict
from collections.abc import Iterator
from itertools import cycle
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.blocks import decompress
from objref.container.dictionary import Dictionary
from objref.container.digest import StreamDigest
from objref.container.encoding import encode_footer, encode_name, encode_superblock, encode_trailer
from objref.container.ending import (
    TableData,
    piece_entries,
    section_entry,
    space_entry,
    write_directory,
    write_table,
)
from objref.container.options import Options, sound
from objref.container.output import Sink
from objref.container.pages import PageTable
from objref.container.piece_writer import ClosedPiece, PieceWriter, little, trailer_body
from objref.container.section import GrowingSection
from objref.container.spare import Spare, Told, encode_spare
from objref.container.woven import apart
from objref.errors import LimitError

if TYPE_CHECKING:
    from objref_index.build import Index

__all__ = ["ContainerWriter", "Options", "TableData"]

GROUP = 64 << 20
READ_BACK_BLOCKS = 64
SPARE_LOG2, LOST_LOG2 = 14, 20
"""Blocks of most spares: one. Blocks of nothing: as few as a reader may well hold in memory."""


class ContainerWriter(PieceWriter):
    """Writes one container to a Sink, an `Output` or what stands for one. Mutable; unusable after its first error."""

    def __init__(self, output: Sink, options: Options | None = None, dictionary: Dictionary | None = None) -> None:
        """`dictionary`: that of the pages, if it is known beforehand, made for their level."""
        super().__init__(output, sound(options or Options()), dictionary)
        self._by_name: dict[str, GrowingSection] = {}
        self._digest = StreamDigest()
        self._runs = array("Q")
        self._pieces: list[f.Piece] = []
        self._groups: list[f.GroupEntry] = []
        self._piece_groups: list[int] = []
        self._group_start = f.SUPERBLOCK.size
        self._group_from = 0
        self._decoded: OrderedDict[int, bytes] = OrderedDict()
        self._packed = self.options.codec != "raw"
        output.write(encode_superblock())
        self._braid_section: GrowingSection | None = None
        self._spare: GrowingSection | None = None
        self._braided = b""
        self._lost: GrowingSection | None = None
        self._page_table: GrowingSection | None = None
        self._pages: GrowingSection | None = None
        self.seen = PageTable(self._append_new_pages, self._read_page, self.options.seen_pages)

    # -- the stream ----------------------------------------------------------------------------------------

    @property
    def stream_length(self) -> int:
        """Bytes of the stream so far."""
        return self._digest.length

    def stream_digest(self) -> bytes:
        """SHA-256 of the stream so far."""
        return self._digest.digest()

    def section(self, name: str, *, bulk: bool = False) -> int:
        """Number of the strand of that name, made at its first use."""
        found = self._by_name.get(name)
        if found is None:
            log2 = self.options.bulk_log2 if bulk else self.options.block_log2
            found = self._by_name[name] = self._new(name, f.STRAND, log2, self.options.level)
            found.bulk = bulk
            if found.codec == f.ZSTD and self.options.record_dictionary_log2:
                found.learns = 1 << self.options.record_dictionary_log2
        return found.number

    def append(self, section: int, data: bytes | memoryview) -> int:
        """The next bytes of the stream, kept in that section. Returns the address of the first."""
        self._digest.update(data)
        self._run(section, len(data))
        return self._append(self._sections[section - 1], data)

    def append_pages(self, data: memoryview) -> int:
        """The next bytes of the stream, whole pages. Returns the page address of the first (page number * PAGE)."""
        self._digest.update(data)
        self._run(self.page_section, len(data))
        return self._append_slots(data)

    def _append_slots(self, data: memoryview) -> int:
        assert self._page_table is not None  # for mypy: made with its number
        slots = self.seen.slots(data)
        if sys.byteorder == "big":
            slots.byteswap()
        return self._append(self._page_table, slots.tobytes()) // 4 * f.PAGE

    def append_woven(self, section: int, data: memoryview, turns: array[int]) -> Iterator[tuple[int, int, int]]:
        """The next bytes of the stream: bytes for a section and whole pages in turn (`turns`: the lengths of both, more
        than 0). Yields (address of the bytes, of the pages, number of turns): those of such a run follow each other."""
        at = done = 0
        strand, table = self._sections[section - 1], self.page_section
        while done < len(turns):
            n = self._turns_at_once(strand, turns, done)
            some = turns[done : done + 2 * n]
            part = data[at : at + sum(some)]
            bits, pages = apart(part, some)
            self._digest.update(part)
            self._run(section, some[0])
            self._runs.extend(mark | length for mark, length in zip(cycle((table << 48, section << 48)), some[1:]))
            yield self._append(strand, bits), self._append_slots(memoryview(pages)), n
            at, done = at + len(part), done + len(some)

    def _turns_at_once(self, strand: GrowingSection, turns: array[int], first: int) -> int:
        """How many turns, at least one, go together: as long as no section hands over a batch, what is stored does not
        depend on how many came at once."""
        assert self._pages is not None  # for mypy: made with the page table
        assert self._page_table is not None
        bits, pages = max(turns[first::2]), max(turns[first + 1 :: 2])
        room = min(self._room(self._pages), self._room(self._page_table) // 4 * f.PAGE)
        return max(1, min((len(turns) - first) // 2, (self._room(strand) - 1) // bits, (room - 1) // pages))

    @property
    def page_section(self) -> int:
        """The section number that extents of pages name."""
        if self._page_table is None:
            self._make_page_sections()
        assert self._page_table is not None  # for mypy: just made
        return self._page_table.number

    def end_batch(self) -> None:
        """A place where a group may end: all that was appended belongs to whole records."""
        if self.stream_length - self._group_from >= GROUP or self._holds_much():
            self._end_group()

    def end_group(self) -> None:
        """A group ends here, however short it is: a repack keeps to the groups of its source."""
        if self.stream_length > self._group_from:
            self._end_group()

    def append_lost(self, length: int) -> int:
        """The next bytes of the stream are lost: zeros in their place, which no reader takes for anything else.
        Returns the address of the first."""
        if self._lost is None:
            self._lost = self._new("lost", f.LOST, LOST_LOG2, self.options.level)
        address = self._lost.next
        for done in range(0, length, 1 << LOST_LOG2):
            zeros = bytes(min(length - done, 1 << LOST_LOG2))
            self.append(self._lost.number, zeros)
        return address

    @property
    def lost_section(self) -> int:
        """The section number that extents of what is lost name; 0: nothing was lost."""
        return self._lost.number if self._lost is not None else 0

    def _run(self, section: int, length: int) -> None:
        runs = self._runs
        if runs and runs[-1] >> 48 == section:
            runs[-1] += length
        elif length:
            runs.append(section << 48 | length)

    # -- pages ---------------------------------------------------------------------------------------------

    def _make_page_sections(self) -> None:
        options = self.options
        self._page_table = self._new("page-table", f.PAGE_TABLE, options.block_log2, options.level)
        self._pages = self._new("page-data", f.PAGES, options.page_block_log2, options.page_level)
        if self._pages.codec == f.ZSTD and options.dictionary_log2:
            self._pages.learns = 1 << options.dictionary_log2

    def _append_new_pages(self, data: memoryview) -> int:
        assert self._pages is not None  # for mypy: made with the page table
        slot = self._append(self._pages, data) // f.PAGE
        if slot + len(data) // f.PAGE >= f.RESERVED_SLOT:
            raise LimitError(f"more than {f.RESERVED_SLOT} distinct pages")
        return slot

    def _read_page(self, slot: int) -> bytes:
        """A page that was stored before: still in the buffer, or read back from the file."""
        section = self._pages
        assert section is not None  # for mypy: pages were stored
        assert section.places is not None
        assert section.lengths is not None
        at = slot * f.PAGE
        number = at >> section.block_log2
        known = len(section.places) + len(section.chunks)
        if number >= known:
            return self._read_waiting(section, at - (known << section.block_log2))
        block = self._decoded.get(number)
        if block is None:
            block = self._read_back(section, number, section.lengths[number])
            self._decoded[number] = block
            if len(self._decoded) > READ_BACK_BLOCKS:
                self._decoded.popitem(last=False)
        at &= section.block - 1
        return block[at : at + f.PAGE]

    def _read_waiting(self, section: GrowingSection, at: int) -> bytes:
        for batch in self._batches:
            if batch.section is section:
                if at < len(batch.content):
                    return bytes(batch.content[at : at + f.PAGE])
                at -= len(batch.content)
        return bytes(section.pending[at : at + f.PAGE])

    def _read_back(self, section: GrowingSection, number: int, length: int) -> bytes:
        assert section.places is not None  # for mypy: pages were stored
        written = len(section.places)
        if number < written:
            place = section.places[number]
            stored = self._out.read(place >> 24, place & 0xFFFFFF)
        else:
            stored = bytes(section.chunks[number - written])
        return stored if len(stored) == length else decompress(stored, length, "page read back", section.dictionary)

    # -- groups --------------------------------------------------------------------------------------------

    def _end_group(self) -> None:
        self._braid()
        self._trailer(self._close_pieces())

    def _braid(self) -> None:
        if not self._runs:
            return
        braid = self._braid_section
        if braid is None:
            braid = self._braid_section = self._new("braid", f.BRAID, self.options.block_log2, self.options.level)
        self._braided = little(self._runs)
        self._append(braid, self._braided)
        self._runs = array("Q")

    def _before_pieces(self) -> None:
        """The spare of the group, behind what was written and before what was not (docs/format.md, section 4)."""
        spare, out = self._spare, self._out
        if spare is None:
            spare = self._spare = self._new("spare", f.SPARE, SPARE_LOG2, self.options.level)
        waiting = [Told(self._piece(s), s.ends, s.checks) for s in self._sections if s.piece_length or s is spare]
        order = {f.SPARE: 0, f.PAGES: 2}  # as they will lie
        waiting.sort(key=lambda told: order.get(told.piece.role, 1))
        told = [Told(*closed) for closed in self._closed] + waiting
        previous = self._groups[-1].check if self._groups else 0
        saying = Spare(
            len(self._groups), self._group_start, self._group_from, self.stream_length, previous,
            self._digest.digest(), told, self._braided,
        )  # fmt: skip
        self._braided = b""
        data = memoryview(encode_spare(saying, out.position, self.options.level))
        blocks = [data[at : at + spare.block] for at in range(0, len(data), spare.block)]
        self._keep(spare, blocks, blocks)  # as they are, so that it can be found by its magic
        spare.next += len(data)
        spare.length += len(data)
        spare.piece_length = len(data)
        self._close_piece(spare)

    def _trailer(self, pieces: list[ClosedPiece]) -> None:
        entries, body, blocks = trailer_body(pieces)
        previous = self._groups[-1].check if self._groups else 0
        number, offset = len(self._groups), self._out.position
        header = encode_trailer(
            f.Trailer(
                number, offset, self._group_start, self._group_from, self.stream_length, len(entries), blocks,
                previous, self._digest.digest(), len(body), xxh3(body),
            )
        )  # fmt: skip
        self._out.write(header + body)
        check = f.CHECK.unpack_from(header, f.TRAILER.size - 8)[0]
        self._groups.append(f.GroupEntry(offset, check, self.stream_length))
        self._pieces += entries
        self._piece_groups += [number] * len(entries)
        self._group_start, self._group_from = self._out.position, self.stream_length

    # -- the end -------------------------------------------------------------------------------------------

    def settle(self, index: Index) -> Index:
        """The index as it will be stored: as it is."""
        return index

    def about(self) -> dict[str, Any]:
        """What META says of the writer: the options, and what became of the pages."""
        seen = self.seen
        pages = {"all": seen.pages, "zero": seen.zero, "repeated": seen.repeated, "cap_reached": seen.full}
        return {"options": self.options._asdict(), "pages": pages}

    def finish(
        self,
        tables: list[TableData],
        spaces: list[f.SpaceEntry],
        kinds: list[f.KindEntry],
        roles: list[f.RoleEntry],
        objects: int,
        references: int,
    ) -> f.Footer:
        """Write tables, directory and footer. The output still has to be committed."""
        if not self._groups:
            self._enlarge()
        if self.stream_length > self._group_from or not self._groups:
            self._end_group()
        arrays = {
            f.SECTIONS: [section_entry(s) for s in self._sections],
            f.GROUPS: [f.GROUP_ENTRY.pack(*group) for group in self._groups],
            f.PIECES: piece_entries(self._pieces, self._piece_groups),
            f.TABLES: [
                write_table(self._out, table, self.options.level, self._packed and self.options.tables == "packed")
                for table in tables
            ],
            f.SPACES: [space_entry(s) for s in spaces],
            f.KINDS: [f.KIND_ENTRY.pack(k.id, 0, 0, k.objects, k.bytes, encode_name(k.name)) for k in kinds],
            f.ROLES: [f.ROLE_ENTRY.pack(r.id, ord(r.strength), 0, 0, encode_name(r.name)) for r in roles],
        }
        offset = self._out.position
        directory, codec = write_directory(self._out, arrays, self._packed, self.options.level)
        footer = f.Footer(
            offset, len(directory), xxh3(directory), self._digest.digest(), self.stream_length, objects, references,
            self._out.position + f.FOOTER.size, len(self._groups), self._groups[-1].check, codec,
        )  # fmt: skip
        self._out.write(encode_footer(footer))
        return footer

    def _enlarge(self) -> None:
        """The image ends within its first group: what is small and not yet cut gets larger blocks."""
        self._braid()
        for section in self._sections:
            if section.codec == f.ZSTD and section.length == len(section.pending):
                log2 = min(max(len(section.pending) - 1, 0).bit_length(), self.options.whole_log2)
                section.block_log2 = max(section.block_log2, log2)

    def close(self) -> None:
        """Let go of the threads."""
        self._digest.close()
        super().close()
