"""The content of sections: trailers and blocks, read and checked at first touch, and bytes by their address.

Safe for many threads: what is remembered is either there or not.
"""

from __future__ import annotations

from _thread import allocate_lock
from bisect import bisect_right
from itertools import pairwise

from objref.container import format as f
from objref.container.blocks import check_block, decode_block
from objref.container.decoding import decode_piece, decode_trailer
from objref.container.source import Source
from objref.container.tables import Tables
from objref.errors import FormatError, IntegrityError, LimitError, LostError, UnsupportedError
from objref.limits import DEFAULT, Limits
from objref_index.columns import cast
from objref_index.named import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections import OrderedDict
    from collections.abc import Iterator

    from objref.container.dictionary import Dictionary
else:
    from _collections import OrderedDict  # which `collections` only names

__all__ = ["JOIN", "Content", "Trail", "slot_runs"]

JOIN = 1 << 20


class Trail(NamedTuple):
    """A group trailer with its body, checked. `ends` and `checks` are those of the group's blocks."""

    header: f.Trailer
    body: memoryview
    ends: memoryview
    checks: memoryview

    def piece(self, i: int) -> f.Piece:
        """The i-th piece entry."""
        return decode_piece(self.body, i * f.PIECE.size)


class Content(Tables):
    """Tables and the bytes of sections. What it remembers is bounded by `limits.cache`, but for trailers and tables."""

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        super().__init__(source, limits)
        self._trails: dict[int, Trail] = {}
        self._blocks: OrderedDict[tuple[int, int], bytes | memoryview] = OrderedDict()
        self._cached = 0
        self._dictionaries: OrderedDict[int, Dictionary] = OrderedDict()
        self._looked_at: dict[tuple[int, int], bytearray] = {}
        """Blocks of raw pieces that were checked to be looked at in place, a byte each."""
        self._lock = allocate_lock()

    # -- blocks --------------------------------------------------------------------------------------------

    def trail(self, group: int) -> Trail:
        """A group's trailer, read and checked at first touch."""
        found = self._trails.get(group)
        if found is None:
            found = self._trails[group] = self._read_trail(group)
        return found

    def _read_trail(self, group: int) -> Trail:
        array = self._arrays.get(f.GROUPS)
        if array is None or group >= array.entries:
            raise FormatError(f"directory: no group {group}")
        entry = f.GroupEntry(*f.GROUP_ENTRY.unpack_from(self._directory, array.offset + group * array.entry_size))
        header = decode_trailer(bytes(self.source.read(entry.offset, f.TRAILER.size)), entry.offset)
        where = f"group {group}, trailer at offset {entry.offset}"
        if header.check != entry.check or header.number != group:
            raise IntegrityError(f"{where}: it is not the one that the directory names")
        ends_at = header.pieces * f.PIECE.size
        checks_at = -(-(ends_at + 4 * header.blocks) // 8) * 8
        if header.body_length != checks_at + 8 * header.blocks:
            raise FormatError(f"{where}: body of {header.body_length} bytes for {header.blocks} blocks")
        at = entry.offset + f.TRAILER.size
        body = memoryview(self._checked(where, at, header.body_length, header.body_check))
        ends = cast(body[ends_at : ends_at + 4 * header.blocks], "I")
        return Trail(header, body, ends, cast(body[checks_at:], "Q"))

    def _place(self, piece: f.PieceEntry, index: int, section: f.Section) -> tuple[int, int, int, int]:
        """(file offset, stored length, content length, check) of the index-th block of a piece."""
        trail = self.trail(piece.group)
        i = piece.first_block + index
        if i >= len(trail.ends):
            raise FormatError(f"section {section.name}: block {i} of group {piece.group} is not in its trailer")
        start, end = (trail.ends[i - 1] if index else 0), trail.ends[i]
        length = min(1 << section.block_log2, piece.length - (index << section.block_log2))
        # Raw blocks are also found without their ends, in mapped files: both ways must lead to the same bytes.
        stray = section.codec == f.RAW and (start != index << section.block_log2 or end - start != length)
        if not 0 <= end - start <= length or stray:
            raise FormatError(
                f"section {section.name}: block {i} of group {piece.group} stores {end - start} bytes (R8)"
            )
        return piece.offset + start, end - start, length, trail.checks[i]

    def find_piece(self, section: int, address: int) -> f.PieceEntry:
        """The piece that holds an address."""
        found = self._all_pieces().get(section)
        i = bisect_right(found.addresses, address) - 1 if found else -1
        if found is None or i < 0 or address >= found.pieces[i].address + found.pieces[i].length:
            name = self.sections[section].name if section in self.sections else section
            raise FormatError(f"section {name}: address {address:#x} belongs to nothing (R17)")
        return found.pieces[i]

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> bytes | memoryview:
        """Content of the index-th block of a piece, checked."""
        key = (section.id, (piece.address >> section.block_log2) + index)
        with self._lock:
            found = self._blocks.get(key)
            if found is not None:
                self._blocks.move_to_end(key)
                return found
        offset, stored, length, check = self._place(piece, index, section)
        where = f"section {section.name}, block {key[1]}, offset {offset}"
        if section.codec not in (f.RAW, f.ZSTD):
            raise UnsupportedError(f"{where}: codec {section.codec}")
        dictionary = self.dictionary(section) if section.dictionary and stored != length else None
        content = decode_block(self.source.read(offset, stored), length, check, where, dictionary)
        self._remember(key, content)
        return content

    def dictionary(self, section: f.Section) -> Dictionary:
        """What the frames of a section may refer to, read and checked at first touch (R19). A few are kept."""
        number = section.dictionary
        with self._lock:
            found = self._dictionaries.get(number)
            if found is not None:
                self._dictionaries.move_to_end(number)
                return found
        from objref.container.dictionary import Dictionary

        found = Dictionary(self._dictionary_content(section))
        with self._lock:
            self._dictionaries[number] = found
            while len(self._dictionaries) > 1 and self._held_dictionaries() > self.limits.dictionaries:
                self._dictionaries.popitem(last=False)
        return found

    def _held_dictionaries(self) -> int:
        return sum(d.length for d in self._dictionaries.values())

    def _dictionary_content(self, section: f.Section) -> bytes:
        entry, where = self.sections.get(section.dictionary), f"section {section.name}, dictionary {section.dictionary}"
        pieces = self.pieces(section.dictionary)
        if section.codec != f.ZSTD or entry is None or entry.role != f.DICTIONARY or entry.dictionary:
            raise FormatError(f"{where}: no dictionary, or none that this section may have (R19)")
        if entry.codec not in (f.RAW, f.ZSTD):
            raise UnsupportedError(f"{where}: codec {entry.codec}")
        if len(pieces) != 1 or pieces[0].blocks != 1:
            raise FormatError(f"{where}: {len(pieces)} pieces, expected one of a single block (R19)")
        offset, stored, length, check = self._place(pieces[0], 0, entry)
        return bytes(decode_block(self.source.read(offset, stored), length, check, f"{where}, offset {offset}"))

    def check_blocks(self, section: f.Section, piece: f.PieceEntry, start: int, end: int) -> None:
        """Check the blocks of a piece that hold its bytes start…end-1, without keeping them."""
        for index in range(start >> section.block_log2, -(-end >> section.block_log2)):
            offset, stored, _, check = self._place(piece, index, section)
            check_block(self.source.read(offset, stored), check, f"section {section.name}, offset {offset}")

    def _remember(self, key: tuple[int, int], content: bytes | memoryview) -> None:
        with self._lock:
            if key not in self._blocks:
                self._blocks[key] = content
                self._cached += len(content)
            while self._cached > self.limits.cache and len(self._blocks) > 1:
                self._cached -= len(self._blocks.popitem(last=False)[1])

    # -- bytes of a section --------------------------------------------------------------------------------

    def chunks(self, section: int, address: int, length: int) -> Iterator[bytes | memoryview]:
        """`length` bytes from `address`, block by block. Of the page table section: pages, not slots."""
        entry = self.sections.get(section)
        if entry is None:
            raise FormatError(f"section {section} does not exist")
        if entry.role == f.PAGE_TABLE:
            yield from self._page_chunks(entry, address, length)
            return
        if entry.role == f.LOST:
            raise LostError(f"{length} bytes are lost: they did not come back when the image was recovered")
        if entry.role >= len(f.ROLE_NAMES):
            raise UnsupportedError(f"section {entry.name}: unknown role {entry.role}: a newer objref can read it")
        while length:
            piece = self.find_piece(section, address)
            inside = address - piece.address
            index, at = inside >> entry.block_log2, inside & ((1 << entry.block_log2) - 1)
            block = self.block(entry, piece, index)
            part = block[at : at + length] if at or length < len(block) else block
            yield part
            address += len(part)
            length -= len(part)

    def read(self, section: int, address: int, length: int) -> bytes | memoryview:
        """`length` bytes from `address`, at once."""
        if length > self.limits.read:
            raise LimitError(f"{length} bytes at once, limit {self.limits.read}: read a range")
        parts = list(self.chunks(section, address, length))
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _page_chunks(self, table: f.Section, address: int, length: int) -> Iterator[bytes | memoryview]:
        """Pages by page address: number * PAGE + offset in the page."""
        number, at = address >> f.PAGE_LOG2, address & (f.PAGE - 1)
        pages = -(-(at + length) // f.PAGE)
        for slots in self.chunks_of_slots(table, number, pages):
            for run in slot_runs(slots):
                for chunk in self._slot_chunks(*run):
                    part = chunk[at : at + length]
                    at = 0
                    length -= len(part)
                    yield part

    def chunks_of_slots(self, table: f.Section, number: int, pages: int) -> Iterator[memoryview]:
        """The slots of `pages` pages from page `number`, by block of the page table."""
        strand = table._replace(role=f.STRAND)
        address, length = number * 4, pages * 4
        while length:
            piece = self.find_piece(table.id, address)
            inside = address - piece.address
            index, at = inside >> strand.block_log2, inside & ((1 << strand.block_log2) - 1)
            part = memoryview(self.block(strand, piece, index))[at : at + length]
            yield cast(part, "I")
            address += len(part)
            length -= len(part)

    @property
    def page_section(self) -> f.Section:
        """The section that holds pages."""
        found = [s for s in self.sections.values() if s.role == f.PAGES]
        if len(found) != 1:
            raise FormatError(f"{len(found)} sections hold pages, expected one")
        return found[0]

    def _slot_chunks(self, slot: int, pages: int) -> Iterator[bytes | memoryview]:
        """Content of consecutive slots (or of zero pages), block by block, whole pages."""
        if slot == f.ZERO_PAGE:
            for done in range(0, pages, JOIN >> f.PAGE_LOG2):
                yield bytes(min(pages - done, JOIN >> f.PAGE_LOG2) << f.PAGE_LOG2)
            return
        section = self.page_section
        address, length = slot << f.PAGE_LOG2, pages << f.PAGE_LOG2
        while length:
            piece = self.find_piece(section.id, address)
            inside = address - piece.address
            index, at = inside >> section.block_log2, inside & ((1 << section.block_log2) - 1)
            part = self.block(section, piece, index)[at : at + length]
            if not part or len(part) & (f.PAGE - 1):
                raise FormatError(f"slot {address >> f.PAGE_LOG2} is not a whole page (R12)")
            yield part
            address += len(part)
            length -= len(part)


def slot_runs(slots: memoryview) -> Iterator[tuple[int, int]]:
    """(first slot, pages): consecutive slots, and runs of zero pages, together."""
    cuts = [i + 1 for i, (a, b) in enumerate(pairwise(slots)) if b != (a if a == f.ZERO_PAGE else a + 1)]
    start = 0
    for end in [*cuts, len(slots)]:
        if slots[start] == f.RESERVED_SLOT:
            raise FormatError("page table: reserved slot number (R12)")
        yield slots[start], end - start
        start = end
