"""The directory of a container: what is in it and where, by number and by name.

Opening reads the superblock, the footer and the directory, nothing else.
"""

from __future__ import annotations

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.blocks import content_size, decompress
from objref.container.decoding import check_superblock, decode_arrays, decode_footer, decode_name
from objref.container.source import Source
from objref.errors import FormatError, IntegrityError, LimitError
from objref.limits import DEFAULT, Limits
from objref_index.named import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["Directory"]

UNITS = {f.BRAID: f.BRAID_RUN.size, f.PAGE_TABLE: 4, f.PAGES: f.PAGE}
"""What the content of such a section consists of: a piece that ends inside one is broken."""


class _Pieces(NamedTuple):
    """The pieces of one section, ascending, and where each begins."""

    addresses: list[int]
    pieces: list[f.PieceEntry]


class Directory:
    """Sections, pieces, groups, spaces, kinds and roles, as the directory lists them."""

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        self.source = source
        self.limits = limits
        self._open()
        self._sections: dict[int, f.Section] | None = None
        self._pieces: dict[int, _Pieces] | None = None

    def _open(self) -> None:
        length = self.source.length
        smallest = f.SUPERBLOCK.size + f.FOOTER.size
        self._check_front()
        if length < smallest:
            raise FormatError(f"{self.source.name}: {length} bytes have no room for a footer: it is torn (R2)")
        footer = bytes(self.source.read(length - f.FOOTER.size, f.FOOTER.size))
        self.footer = decode_footer(footer, length)
        self._directory = self._read_directory()
        self._arrays = decode_arrays(self._directory)

    def _check_front(self) -> None:
        front = bytes(self.source.read(0, min(f.SUPERBLOCK.size, self.source.length)))
        check_superblock(front, self.source.name)

    def _read_directory(self) -> memoryview:
        footer = self.footer
        if footer.directory_length > self.limits.directory:
            raise LimitError(f"directory of {footer.directory_length} bytes, limit {self.limits.directory}")
        data = self.source.read(footer.directory_offset, footer.directory_length)
        if xxh3(data) != footer.directory_check:
            raise IntegrityError(
                f"directory at offset {footer.directory_offset}: checksum {xxh3(data):016x}, "
                f"expected {footer.directory_check:016x}"
            )
        return memoryview(data if footer.codec == f.RAW else self._unpacked(data))

    def _unpacked(self, stored: bytes | memoryview) -> bytes:
        """The content of a packed directory: small, whatever its frame states."""
        where = f"directory at offset {self.footer.directory_offset}"
        length = content_size(stored, where)
        most = min(f.PACKED_DIRECTORY_MAX, self.limits.directory)
        if length > most:
            raise LimitError(f"{where}: packed, {length} bytes of content, limit {most}")
        return decompress(stored, length, where)

    def _entries(self, what: int) -> Iterator[tuple[Any, ...]]:
        array, layout = self._arrays.get(what), f.ENTRY_STRUCTS[what]
        if array is not None:
            for i in range(array.entries):
                yield layout.unpack_from(self._directory, array.offset + i * array.entry_size)

    def foreign_arrays(self) -> list[int]:
        """Arrays that this version does not know, or whose entries are longer than those that it knows."""
        count = f.DIRECTORY_HEAD.unpack_from(self._directory)[0]
        places = range(f.DIRECTORY_HEAD.size, f.DIRECTORY_HEAD.size + f.ARRAY.size * count, f.ARRAY.size)
        several = [f.ARRAY.unpack_from(self._directory, at) for at in places]
        return [what for what, size, *_ in several if what not in f.ENTRY_STRUCTS or size != f.ENTRY_STRUCTS[what].size]

    def count(self, what: int) -> int:
        """How many entries an array has."""
        array = self._arrays.get(what)
        return array.entries if array is not None else 0

    @property
    def sections(self) -> dict[int, f.Section]:
        """Sections by number."""
        if self._sections is None:
            found = {e[0]: f.Section._make((*e[:8], decode_name(e[8]))) for e in self._entries(f.SECTIONS)}
            if len(found) != self.count(f.SECTIONS) or 0 in found or 0xFFFF in found:
                raise FormatError("directory: numbers of sections are 1…65534, each once")
            self._sections = found
        return self._sections

    @property
    def groups(self) -> list[f.GroupEntry]:
        """Where the trailers are, in order."""
        return [f.GroupEntry._make(e) for e in self._entries(f.GROUPS)]

    @property
    def spaces(self) -> list[f.SpaceEntry]:
        """All spaces."""
        entries = list(self._entries(f.SPACES))
        if any(any(e[11]) for e in entries):
            raise FormatError("directory: bytes 42…55 of a space must be zero (R1)")
        return [f.SpaceEntry._make((*e[:11], decode_name(e[12]))) for e in entries]

    @property
    def kinds(self) -> list[f.KindEntry]:
        """All kinds."""
        return [f.KindEntry(e[0], e[3], e[4], decode_name(e[5])) for e in self._entries(f.KINDS)]

    @property
    def roles(self) -> list[f.RoleEntry]:
        """All roles of references."""
        return [f.RoleEntry(e[0], chr(e[1]), decode_name(e[4])) for e in self._entries(f.ROLES)]

    def pieces(self, section: int) -> list[f.PieceEntry]:
        """The pieces of a section by address; they follow each other as R6 says."""
        found = self._all_pieces().get(section)
        return found.pieces if found else []

    def _all_pieces(self) -> dict[int, _Pieces]:
        if self._pieces is None:
            by_section: dict[int, list[f.PieceEntry]] = {}
            for e in self._entries(f.PIECES):
                by_section.setdefault(e[0], []).append(f.PieceEntry._make(e))
            self._pieces = {
                number: _Pieces([p.address for p in self._sound(number, pieces)], pieces)
                for number, pieces in by_section.items()
            }
        return self._pieces

    def _sound(self, number: int, pieces: list[f.PieceEntry]) -> list[f.PieceEntry]:
        section = self.sections.get(number)
        if section is None:
            raise FormatError(f"directory: a piece of section {number}, which does not exist")
        if not f.BLOCK_LOG2_MIN <= section.block_log2 <= f.BLOCK_LOG2_MAX:
            raise FormatError(f"section {section.name}: blocks of 2^{section.block_log2} bytes (R5)")
        at, block, unit = 0, 1 << section.block_log2, UNITS.get(section.role, 1)
        for p in pieces:
            if p.address != at or p.blocks != -(-p.length // block) or not p.length or at + p.length > f.ADDRESS_MASK:
                raise FormatError(f"section {section.name}: piece at address {p.address:#x}, expected {at:#x} (R6, R9)")
            if p.length % unit:
                raise FormatError(f"section {section.name}: piece of {p.length} bytes, no multiple of {unit} (R9)")
            if p.zero or p.zero2:
                raise FormatError(f"section {section.name}: bytes 2 and 40 of a piece's entry must be zero (R1)")
            at += -(-p.length // block) * block
        return pieces
