"""What is written at the end of a container: tables, their stripes, and the entries of the directory."""

from typing import NamedTuple, Protocol

from xxhash import xxh3_64_intdigest as xxh3
from zstandard import ZstdCompressor

from objref.container import format as f
from objref.container.encoding import encode_directory, encode_name
from objref.container.output import Sink
from objref.container.planes import to_planes
from objref.container.section import GrowingSection

__all__ = ["TableData", "piece_entries", "section_entry", "space_entry", "write_directory", "write_table"]

SMALL_TABLE = 256 << 10
PACKED_MAX = 64 << 20
WRITTEN = 1 << 20
"""Bytes of a table that are read and written at once."""


class Bytes(Protocol):
    """The bytes of a table: in memory, or read as they are asked for."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> bytes | memoryview: ...


class TableData(NamedTuple):
    """A table to store: `what` of the format, the space that owns it or 0, and its bytes."""

    name: str
    owner: int
    data: Bytes


def section_entry(s: GrowingSection) -> bytes:
    """The directory's entry of a section."""
    flags = f.CRITICAL if s.role not in (f.STRAND, f.SPARE) else f.BULK * s.bulk
    return f.SECTION_ENTRY.pack(
        s.number, s.role, s.codec, s.block_log2, flags, s.dictionary_number, s.length, s.stored, encode_name(s.name)
    )


def piece_entries(pieces: list[f.Piece], groups: list[int]) -> list[bytes]:
    """The directory's entries of pieces, by section and address. `groups`: that of each piece."""
    order = sorted(range(len(pieces)), key=lambda i: (pieces[i].section, pieces[i].address))
    return [
        f.PIECE_ENTRY.pack(p.section, 0, groups[i], p.address, p.length, p.offset, p.blocks, p.first_block, 0)
        for i, p in ((i, pieces[i]) for i in order)
    ]


def write_table(output: Sink, table: TableData, level: int, planes: bool = False) -> bytes:
    """Write a table: a small one compressed, a long one with a check for each stripe; with `planes`, each of these
    packed. Returns its entry."""
    data = table.data
    what, length = f.TABLE_IDS[table.name], len(data)
    if length <= SMALL_TABLE:
        packed = ZstdCompressor(level=level).compress(data[:])
        if len(packed) < length:
            offset = output.position
            output.write(packed)
            return f.TABLE_ENTRY.pack(
                what, table.owner, f.ZSTD, f.STRIPE_LOG2, 0, offset, len(packed), length, xxh3(packed), 0
            )
    if planes and table.name in f.TABLE_WORDS and f.STRIPE < length <= PACKED_MAX:
        return _write_planes(output, table, data, level)
    output.align(f.TABLE_ALIGN)
    offset = output.position
    for at in range(0, length, WRITTEN):
        output.write(data[at : at + WRITTEN])
    check = _write_stripes(output, data) if length > f.STRIPE else xxh3(data[:])
    return f.TABLE_ENTRY.pack(what, table.owner, f.RAW, f.STRIPE_LOG2, 0, offset, length, length, check, 0)


def write_directory(output: Sink, arrays: dict[int, list[bytes]], packed: bool, level: int) -> tuple[bytes, int]:
    """Write the directory, packed if it may be and shrinks. Returns what was written, and its codec."""
    directory, codec = encode_directory(arrays), f.RAW
    if packed and len(directory) <= SMALL_TABLE:
        frame = ZstdCompressor(level=level).compress(directory)
        if len(frame) < len(directory):
            directory, codec = frame, f.ZSTD
    output.write(directory)
    return directory, codec


def _write_planes(output: Sink, table: TableData, data: Bytes, level: int) -> bytes:
    compressor, width = ZstdCompressor(level=level), f.WORD_BYTES[f.TABLE_WORDS[table.name]]
    offset, ends, checks = output.position, b"", b""
    for at in range(0, len(data), f.STRIPE):
        stripe = bytes(data[at : at + f.STRIPE])
        frame = compressor.compress(to_planes(stripe, width))
        kept = frame if len(frame) < len(stripe) else stripe
        output.write(kept)
        ends += f.CHECK.pack(output.position - offset)
        checks += f.CHECK.pack(xxh3(kept))
    stored = output.position - offset
    output.align(8)
    output.write(ends + checks)
    return f.TABLE_ENTRY.pack(
        f.TABLE_IDS[table.name], table.owner, f.STRIPED, f.STRIPE_LOG2, 0, offset, stored, len(data),
        xxh3(ends + checks), 0,
    )  # fmt: skip


def _write_stripes(output: Sink, data: Bytes) -> int:
    output.align(8)
    checks = b"".join(f.CHECK.pack(xxh3(data[at : at + f.STRIPE])) for at in range(0, len(data), f.STRIPE))
    output.write(checks)
    return xxh3(checks)


def space_entry(s: f.SpaceEntry) -> bytes:
    """The directory's entry of a space."""
    return f.SPACE_ENTRY.pack(*s[:11], bytes(14), encode_name(s.name))
