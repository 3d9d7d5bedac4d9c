"""Reading a container: nothing is read before it is needed, nothing is used before it is checked.

Opening reads the superblock, the footer and the directory. Trailers, blocks and tables are read and checked at
first touch. Safe for many threads: what is remembered is either there or not.
"""

import threading
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any, NamedTuple

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.blocks import check_block, decode_block, decompress
from objref.container.source import Source
from objref.errors import FormatError, IntegrityError, LimitError, UnsupportedError
from objref.limits import DEFAULT, Limits
from objref_index import FORM_BYTES, Column, IntKeys, KeyShape, ObjectTable, ReferenceTable
from objref_index.columns import cast
from objref_index.keys import ByteKeys

__all__ = ["Container", "Trail"]

JOIN = 1 << 20
UNITS = {f.BRAID: f.BRAID_RUN.size, f.PAGE_TABLE: 4, f.PAGES: f.PAGE}
"""What the content of such a section consists of: a piece that ends inside one is broken."""


class Trail(NamedTuple):
    """A group trailer with its body, checked. `ends` and `checks` are those of the group's blocks."""

    header: f.Trailer
    body: memoryview
    ends: memoryview
    checks: memoryview

    def piece(self, i: int) -> f.Piece:
        """The i-th piece entry."""
        return f.decode_piece(self.body, i * f.PIECE.size)


class _Pieces(NamedTuple):
    """The pieces of one section, ascending, and where each begins."""

    addresses: list[int]
    pieces: list[f.PieceEntry]


class Container:
    """An open container. What it remembers is bounded by `limits.cache`, but for trailers and tables."""

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        self.source = source
        self.limits = limits
        length = source.length
        smallest = f.SUPERBLOCK.size + f.FOOTER.size
        f.check_superblock(bytes(source.read(0, min(f.SUPERBLOCK.size, length))))
        if length < smallest:
            raise FormatError(f"{source.name}: {length} bytes have no room for a footer: it is torn (R2)")
        self.footer = f.decode_footer(bytes(source.read(length - f.FOOTER.size, f.FOOTER.size)), length)
        self._directory = self._read_directory()
        self._arrays = f.decode_arrays(self._directory)
        self._sections: dict[int, f.Section] | None = None
        self._tables: dict[tuple[int, int], f.TableEntry] | None = None
        self._pieces: dict[int, _Pieces] | None = None
        self._trails: dict[int, Trail] = {}
        self._blocks: OrderedDict[tuple[int, int], bytes | memoryview] = OrderedDict()
        self._cached = 0
        self._lock = threading.Lock()

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
        return memoryview(data)

    # -- the directory -------------------------------------------------------------------------------------

    def _entries(self, what: int) -> Iterator[tuple[Any, ...]]:
        array, layout = self._arrays.get(what), f.ENTRY_STRUCTS[what]
        if array is not None:
            for i in range(array.entries):
                yield layout.unpack_from(self._directory, array.offset + i * array.entry_size)

    def count(self, what: int) -> int:
        """How many entries an array has."""
        array = self._arrays.get(what)
        return array.entries if array is not None else 0

    @property
    def sections(self) -> dict[int, f.Section]:
        """Sections by number."""
        if self._sections is None:
            found = {e[0]: f.Section._make((*e[:8], f.decode_name(e[8]))) for e in self._entries(f.SECTIONS)}
            if len(found) != self.count(f.SECTIONS) or 0 in found or 0xFFFF in found:
                raise FormatError("directory: numbers of sections are 1…65534, each once")
            self._sections = found
        return self._sections

    @property
    def groups(self) -> list[f.GroupEntry]:
        """Where the trailers are, in order."""
        return [f.GroupEntry(*e) for e in self._entries(f.GROUPS)]

    @property
    def spaces(self) -> list[f.SpaceEntry]:
        """All spaces."""
        entries = list(self._entries(f.SPACES))
        if any(any(e[11]) for e in entries):
            raise FormatError("directory: bytes 42…55 of a space must be zero (R1)")
        return [f.SpaceEntry._make((*e[:11], f.decode_name(e[12]))) for e in entries]

    @property
    def kinds(self) -> list[f.KindEntry]:
        """All kinds."""
        return [f.KindEntry(e[0], e[3], e[4], f.decode_name(e[5])) for e in self._entries(f.KINDS)]

    @property
    def roles(self) -> list[f.RoleEntry]:
        """All roles of references."""
        return [f.RoleEntry(e[0], chr(e[1]), f.decode_name(e[4])) for e in self._entries(f.ROLES)]

    def pieces(self, section: int) -> list[f.PieceEntry]:
        """The pieces of a section by address; they follow each other as R6 says."""
        found = self._all_pieces().get(section)
        return found.pieces if found else []

    def _all_pieces(self) -> dict[int, _Pieces]:
        if self._pieces is None:
            by_section: dict[int, list[f.PieceEntry]] = {}
            for e in self._entries(f.PIECES):
                by_section.setdefault(e[0], []).append(f.PieceEntry(*e))
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

    # -- tables --------------------------------------------------------------------------------------------

    def _table(self, name: str, owner: int) -> f.TableEntry | None:
        if self._tables is None:
            self._tables = {(e[0], e[1]): f.TableEntry(*e) for e in self._entries(f.TABLES)}
        return self._tables.get((f.TABLE_IDS[name], owner))

    def table(self, name: str, owner: int = 0, limit: int | None = None) -> bytes | memoryview:
        """The whole content of a table, checked; empty when there is none."""
        entry = self._table(name, owner)
        if entry is None:
            return b""
        if limit is not None and entry.length > limit:
            raise LimitError(f"table {name} of {entry.length} bytes, limit {limit}")
        load = self._loader(name, entry)
        if entry.length <= f.STRIPE:
            return load(0) if entry.length else b""
        return b"".join(load(k) for k in range(-(-entry.length // f.STRIPE)))

    def column(self, name: str, owner: int = 0) -> Column | None:
        """A table of integers, read and checked by the stripe."""
        entry = self._table(name, owner)
        if entry is None:
            return None
        word = f.TABLE_WORDS[name]
        return Column(self._loader(name, entry), word, entry.length // {"Q": 8, "I": 4, "B": 1}[word])

    def _loader(self, name: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        where = f"table {name} at offset {entry.offset}"
        end = self.footer.directory_offset
        if entry.zero or entry.zero2:
            raise FormatError(f"{where}: bytes 6 and 40 of its entry must be zero (R1)")
        if entry.offset > end or entry.stored > end - entry.offset or entry.stripe_log2 != f.STRIPE_LOG2:
            raise FormatError(f"{where}: {entry.stored} bytes are not inside the file (R16)")
        if entry.codec == f.ZSTD:
            return self._packed_loader(where, entry)
        if entry.codec != f.RAW or entry.length != entry.stored:
            raise UnsupportedError(f"{where}: unknown codec {entry.codec}")
        if entry.length <= f.STRIPE:
            return lambda k: self._checked(where, entry.offset, entry.length, entry.check)
        return self._striped_loader(where, entry)

    def _checked(self, where: str, offset: int, length: int, check: int) -> bytes | memoryview:
        data = self.source.read(offset, length)
        check_block(data, check, where)
        return data

    def _packed_loader(self, where: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        if entry.length > self.limits.table:
            raise LimitError(f"{where}: {entry.length} bytes, limit {self.limits.table}")
        content: list[memoryview] = []

        def load(k: int) -> memoryview:
            if not content:
                stored = self._checked(where, entry.offset, entry.stored, entry.check)
                content.append(memoryview(decompress(stored, entry.length, where)))
            return content[0][k << f.STRIPE_LOG2 : (k + 1) << f.STRIPE_LOG2]

        return load

    def _striped_loader(self, where: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        stripes = -(-entry.length // f.STRIPE)
        at = -(-(entry.offset + entry.length) // 8) * 8
        checks: list[memoryview] = []

        def load(k: int) -> bytes | memoryview:
            if not checks:
                checks.append(cast(self._checked(f"{where}: its stripes", at, stripes * 8, entry.check), "Q"))
            start = k << f.STRIPE_LOG2
            length = min(f.STRIPE, entry.length - start)
            return self._checked(f"{where}, stripe {k}", entry.offset + start, length, checks[0][k])

        return load

    def objects(self) -> ObjectTable:
        """The object table."""
        words, count = self.column("objects"), self.footer.objects
        if (words.count if words else 0) != 2 * count or count >= 1 << 31:
            raise FormatError(f"table objects does not have the {count} rows that the footer says")
        return ObjectTable(words, self.column("extents"), count, damaged)

    def references(self) -> ReferenceTable:
        """The reference arrays."""
        names = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling")
        columns = {name: column for name in names if (column := self.column(name)) is not None}
        if len(columns.get("targets", ())) != self.footer.references:
            raise FormatError(f"table targets does not have the {self.footer.references} rows that the footer says")
        ends, objects = ("reference ends", "referrer ends"), self.footer.objects
        if columns and any(name not in columns or len(columns[name]) != objects + 1 for name in ends):
            raise FormatError("the reference tables do not fit the objects")
        for a, b in (("targets", "roles"), ("sources", "source roles")):
            if columns and len(columns.get(a, ())) != len(columns.get(b, ())):
                raise FormatError(f"tables {a} and {b} differ in length")
        return ReferenceTable(columns, objects, damaged)

    def int_keys(self, space: f.SpaceEntry) -> IntKeys:
        """The key table of a space whose keys are numbers."""
        return IntKeys(self._shape(space), self._key_columns(space), damaged)

    def byte_keys(self, space: f.SpaceEntry) -> ByteKeys:
        """The key table of a space whose keys are names."""
        return ByteKeys(
            self._shape(space),
            self._key_columns(space),
            lambda: memoryview(self.table("keys", space.number)),
            damaged,
        )

    def _shape(self, s: f.SpaceEntry) -> KeyShape:
        first = s.first if s.flags & f.SPACE_CONTIGUOUS else None
        if first is not None and first + s.keys > self.footer.objects:
            raise FormatError(f"space {s.name}: objects {first}…{first + s.keys} of {self.footer.objects}")
        run = bool(s.flags & f.SPACE_RUN)
        if s.form > FORM_BYTES:
            raise UnsupportedError(f"space {s.name}: unknown form of keys {s.form}")
        broken = s.distinct != s.keys or s.base + s.keys > 1 << 64 or s.form == FORM_BYTES
        if s.distinct > s.keys or (run and broken):
            raise FormatError(f"space {s.name}: {s.keys} keys from {s.base:#x}, {s.distinct} of them distinct")
        return KeyShape(s.keys, run, s.base, first, s.radix_bits, s.radix_shift, s.distinct)

    def _key_columns(self, s: f.SpaceEntry) -> dict[str, Column]:
        """The tables of a space. A table that its entry does not call for would contradict it, so it is refused."""
        numbers = s.form != FORM_BYTES
        names = ("ends", "ordinals", "order", "place") + ("keys",) * numbers + ("radix",) * bool(s.radix_bits)
        columns = {name: column for name in names if (column := self.column(name, s.number)) is not None}
        expected = {"radix": (1 << s.radix_bits) + 1}
        for name, column in columns.items():
            if len(column) != expected.get(name, s.keys):
                raise FormatError(f"space {s.name}: table {name} has {len(column)} entries, expected {s.keys}")
        needed = [] if s.flags & f.SPACE_RUN else ["keys" if numbers else "ends"]
        needed += ["radix"] if s.radix_bits else []
        needed += [] if s.flags & f.SPACE_CONTIGUOUS else ["ordinals"]
        needed += ["order", "place"] if "order" in columns or "place" in columns else []
        if s.keys and (missing := [name for name in needed if name not in columns]):
            raise FormatError(f"space {s.name}: table {missing[0]} is missing")
        if excess := [name for name in columns if name not in needed]:
            raise FormatError(f"space {s.name}: table {excess[0]} does not belong to keys of this shape")
        return columns

    def meta(self) -> dict[str, Any]:
        """META: what made this file, from what, with which options."""
        import json

        try:
            found = json.loads(bytes(self.table("META", limit=self.limits.meta)) or b"{}")
        except (ValueError, RecursionError) as error:
            raise FormatError(f"table META is not JSON: {error}") from None
        return found if isinstance(found, dict) else {}

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
        header = f.decode_trailer(bytes(self.source.read(entry.offset, f.TRAILER.size)), entry.offset)
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
        if section.codec not in (f.RAW, f.ZSTD) or section.dictionary:
            raise UnsupportedError(f"{where}: codec {section.codec}, dictionary {section.dictionary}")
        content = decode_block(self.source.read(offset, stored), length, check, where)
        self._remember(key, content)
        return content

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
    def _page_section(self) -> f.Section:
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
        section = self._page_section
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

    # -- the stream ----------------------------------------------------------------------------------------

    def braid(self) -> Iterator[tuple[int, int]]:
        """The runs of the stream: (strand, length)."""
        for section in self.sections.values():
            if section.role == f.BRAID:
                for piece in self.pieces(section.id):
                    for chunk in self.chunks(section.id, piece.address, piece.length):
                        for run in cast(chunk, "Q"):
                            yield run >> 48, run & f.ADDRESS_MASK

    def stream(self) -> Iterator[bytes | memoryview]:
        """The stream, in order. Ends in IntegrityError when its digest differs: the last chunk is not handed
        out before."""
        import hashlib

        digest, done = hashlib.sha256(), 0
        cursors = {s.id: _Cursor(self, s) for s in self.sections.values() if s.role in (f.STRAND, f.PAGE_TABLE)}
        held: list[bytes | memoryview] = []
        size = 0
        for strand, length in self.braid():
            cursor = cursors.get(strand)
            if cursor is None:
                raise self._no_strand(strand)
            if length % cursor.unit:
                raise FormatError(f"braid: {length} bytes of pages are not whole pages (R11)")
            for chunk in cursor.take(length):
                digest.update(chunk)
                held.append(chunk)
                size += len(chunk)
                done += len(chunk)
                if size >= JOIN:
                    yield from held[:-1]
                    held, size = held[-1:], len(held[-1])
        self._finish_stream(digest.digest(), done, cursors)
        yield from held

    def _no_strand(self, number: int) -> FormatError:
        entry = self.sections.get(number)
        if entry is not None and entry.role >= len(f.ROLE_NAMES):
            return UnsupportedError(f"braid: section {entry.name} has the unknown role {entry.role}")
        return FormatError(f"braid: section {number} is no strand (R10)")

    def _finish_stream(self, digest: bytes, done: int, cursors: dict[int, "_Cursor"]) -> None:
        if done != self.footer.stream_length:
            raise FormatError(f"the stream has {done} bytes, the footer says {self.footer.stream_length} (R10)")
        if digest != self.footer.stream_digest:
            raise IntegrityError(
                f"the stream's SHA-256 is {digest.hex()}, expected {self.footer.stream_digest.hex()}: "
                "what was written is not what was imported"
            )
        for number, cursor in cursors.items():
            if cursor.left:
                raise FormatError(
                    f"section {self.sections[number].name}: {cursor.left} bytes are not in the braid (R10)"
                )

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()
        self._blocks.clear()


class _Cursor:
    """Takes a strand's bytes from its start, piece after piece. Mutable."""

    def __init__(self, container: Container, section: f.Section) -> None:
        self._container = container
        self._section = section
        scale = f.PAGE // 4 if section.role == f.PAGE_TABLE else 1
        self.unit = f.PAGE if section.role == f.PAGE_TABLE else 1
        self._spans = [(p.address * scale, p.length * scale) for p in reversed(container.pieces(section.id))]

    @property
    def left(self) -> int:
        """Bytes that were not taken."""
        return sum(length for _, length in self._spans)

    def take(self, length: int) -> Iterator[bytes | memoryview]:
        """The next `length` bytes."""
        while length:
            if not self._spans:
                raise FormatError(f"braid: {length} bytes more than section {self._section.name} has (R10)")
            address, have = self._spans.pop()
            part = min(length, have)
            if have > part:
                self._spans.append((address + part, have - part))
            yield from self._container.chunks(self._section.id, address, part)
            length -= part


def slot_runs(slots: memoryview) -> Iterator[tuple[int, int]]:
    """(first slot, pages): consecutive slots, and runs of zero pages, together."""
    cuts = [i + 1 for i, (a, b) in enumerate(pairwise(slots)) if b != (a if a == f.ZERO_PAGE else a + 1)]
    start = 0
    for end in [*cuts, len(slots)]:
        if slots[start] == f.RESERVED_SLOT:
            raise FormatError("page table: reserved slot number (R12)")
        yield slots[start], end - start
        start = end


def damaged(text: str) -> IntegrityError:
    """The exception for index tables that contradict themselves."""
    return IntegrityError(f"index: {text}")
