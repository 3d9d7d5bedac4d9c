"""Every byte layout of docs/format.md, declared once, each beside the rule that it must obey.

Decoding gives a value whose own fields are sound (magic, checksum, zero bytes); what relates two structures to each
other is checked by the reader.
"""

import struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as xxh3

from objref.errors import FormatError, IntegrityError, LimitError, UnsupportedError
from objref_index.columns import Word

MAJOR, MINOR = 0, 2
PACKED_DIRECTORY = 1
"""Incompatible feature bit 0: the directory may be one zstd frame."""
PAGE_LOG2 = 12
PAGE = 1 << PAGE_LOG2
STRIPE_LOG2 = 16
STRIPE = 1 << STRIPE_LOG2
RAW_ALIGN = 4096
TABLE_ALIGN = 64
ADDRESS_MASK = (1 << 48) - 1
BLOCK_LOG2_MIN, BLOCK_LOG2_MAX = 12, 22
PACKED_DIRECTORY_MAX = 1 << 20
ZERO_PAGE = 0xFFFFFFFF
RESERVED_SLOT = 0xFFFFFFFE
OBJECTS_MAX, REFERENCES_MAX = (1 << 31) - 1, (1 << 32) - 1

STRAND, BRAID, PAGE_TABLE, PAGES, DICTIONARY = range(5)
ROLE_NAMES = ("strand", "braid", "page table", "pages", "dictionary")
RAW, ZSTD, STRIPED = range(3)
"""STRIPED: tables only."""
CODEC_NAMES = ("raw", "zstd")
CRITICAL, BULK = 1, 2
"""Flags of a section. Bulk: it is read in long runs, so its blocks may be larger."""
SPACE_RUN, SPACE_CONTIGUOUS, SPACE_ALIAS = 1, 2, 4

# Arrays of the directory.
SECTIONS, GROUPS, PIECES, TABLES, SPACES, KINDS, ROLES = range(1, 8)

# Tables. Those of spaces are owned by a space number, the others by 0.
TABLE_IDS = {
    "objects": 1,
    "extents": 2,
    "keys": 3,
    "ends": 4,
    "ordinals": 5,
    "order": 6,
    "place": 7,
    "radix": 8,
    "reference ends": 9,
    "targets": 10,
    "roles": 11,
    "referrer ends": 12,
    "sources": 13,
    "source roles": 14,
    "dangling": 15,
    "META": 16,
    "NOTES": 17,
    "ordinal keys": 18,
    "tree checks": 19,
}
TABLE_WORDS: dict[str, Word] = {
    "objects": "Q",
    "extents": "Q",
    "keys": "Q",
    "ends": "I",
    "ordinals": "I",
    "order": "I",
    "place": "I",
    "radix": "I",
    "reference ends": "I",
    "targets": "I",
    "roles": "B",
    "referrer ends": "I",
    "sources": "I",
    "source roles": "B",
    "dangling": "Q",
    "ordinal keys": "Q",
    "tree checks": "Q",
}

WORD_BYTES = {"Q": 8, "I": 4, "B": 1}

SUPERBLOCK_MAGIC = b"\x89ORF\r\n\x1a\n"
GROUP_MAGIC = b"ORFGROUP"
FOOTER_MAGIC = b"ORFFOOT\n"
END_MAGIC = b"ORFEND\r\n"

CHECK = struct.Struct("<Q")
BRAID_RUN = struct.Struct("<Q")
SUPERBLOCK = struct.Struct("<8sHHII36sQ")
TRAILER = struct.Struct("<8sIIQQQQIIQ32sQQQQ")
PIECE = struct.Struct("<HBBBBHQQQII24s")
FOOTER = struct.Struct("<8sQQQ32sQQQQIBB2sQQ8s")
DIRECTORY_HEAD = struct.Struct("<II")
ARRAY = struct.Struct("<HHIQ")
SECTION_ENTRY = struct.Struct("<HBBBBHQQ24s")
GROUP_ENTRY = struct.Struct("<QQQ")
PIECE_ENTRY = struct.Struct("<HHIQQQIIQ")
TABLE_ENTRY = struct.Struct("<HHBBHQQQQQ")
SPACE_ENTRY = struct.Struct("<HHHBBQQQQBB14s24s")
KIND_ENTRY = struct.Struct("<HHIQQ24s")
ROLE_ENTRY = struct.Struct("<HBBI24s")

ENTRY_STRUCTS = {
    SECTIONS: SECTION_ENTRY,
    GROUPS: GROUP_ENTRY,
    PIECES: PIECE_ENTRY,
    TABLES: TABLE_ENTRY,
    SPACES: SPACE_ENTRY,
    KINDS: KIND_ENTRY,
    ROLES: ROLE_ENTRY,
}


class Trailer(NamedTuple):
    """Header of a group trailer, without magic, zero bytes and checks of itself."""

    number: int
    offset: int
    start: int
    stream_from: int
    stream_to: int
    pieces: int
    blocks: int
    previous: int
    digest: bytes
    body_length: int
    body_check: int
    check: int = 0


class Piece(NamedTuple):
    """A piece entry of a trailer: a run of blocks of one section, together in the file."""

    section: int
    role: int
    codec: int
    block_log2: int
    dictionary: int
    address: int
    length: int
    offset: int
    blocks: int
    first_block: int
    name: str


class Section(NamedTuple):
    """A section of the directory. `length` counts content, `stored` what lies in the file."""

    id: int
    role: int
    codec: int
    block_log2: int
    flags: int
    dictionary: int
    length: int
    stored: int
    name: str


class GroupEntry(NamedTuple):
    """Where a group's trailer is."""

    offset: int
    check: int
    stream_to: int


class PieceEntry(NamedTuple):
    """A piece, as lookups need it."""

    section: int
    zero: int
    group: int
    address: int
    length: int
    offset: int
    blocks: int
    first_block: int
    zero2: int


class TableEntry(NamedTuple):
    """Where a table is and how it is checked."""

    what: int
    owner: int
    codec: int
    stripe_log2: int
    zero: int
    offset: int
    stored: int
    length: int
    check: int
    zero2: int


class SpaceEntry(NamedTuple):
    """A space of keys (docs/format.md, section 9)."""

    number: int
    kind: int
    layer: int
    form: int
    flags: int
    keys: int
    base: int
    first: int
    distinct: int
    radix_bits: int
    radix_shift: int
    name: str


class KindEntry(NamedTuple):
    """A kind of object, with how many there are and how many bytes they span."""

    id: int
    objects: int
    bytes: int
    name: str


class RoleEntry(NamedTuple):
    """A role of references. `strength` is one of "HSKO"."""

    id: int
    strength: str
    name: str


class Footer(NamedTuple):
    """The commit point."""

    directory_offset: int
    directory_length: int
    directory_check: int
    stream_digest: bytes
    stream_length: int
    objects: int
    references: int
    file_length: int
    groups: int
    last_check: int
    codec: int = RAW
    """Of the directory."""


def encode_name(name: str) -> bytes:
    """24 bytes, zero padded."""
    data = name.encode()
    if len(data) > 24:
        raise FormatError(f"name {name!r} is longer than 24 bytes")
    return data


def decode_name(data: bytes) -> str:
    """Names of a file are data: anything that is not plain UTF-8 text is shown escaped."""
    text = data.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def encode_superblock(features: int = 0) -> bytes:
    """The first 64 bytes of a file with these incompatible features."""
    body = SUPERBLOCK.pack(SUPERBLOCK_MAGIC, MAJOR, MINOR, features, 0, bytes(36), 0)[:-8]
    return body + CHECK.pack(xxh3(body))


def check_superblock(data: bytes, name: str) -> int:
    """The incompatible features; raises unless these are the first 64 bytes of a file that this version reads
    (R1 to R4). `name` of the file."""
    if not data:
        raise FormatError(f"{name}: no superblock: the file is empty")
    if data[:8] != SUPERBLOCK_MAGIC:
        found, magic = data[:8].hex(" "), SUPERBLOCK_MAGIC.hex(" ")
        raise FormatError(f"{name}: not an objref file: it starts with {found}, not {magic}")
    if len(data) < SUPERBLOCK.size:
        raise FormatError(f"{name}: superblock: {len(data)} bytes, expected {SUPERBLOCK.size}")
    _, major, minor, incompatible, _, zero, check = SUPERBLOCK.unpack(data)
    if check != xxh3(data[:-8]):
        raise IntegrityError(f"superblock at offset 0: checksum {xxh3(data[:-8]):016x}, expected {check:016x}")
    if major != MAJOR:
        raise UnsupportedError(f"format version {major}.{minor}: this objref reads version {MAJOR} (R3)")
    if incompatible & ~PACKED_DIRECTORY:
        text = f"superblock: unknown incompatible features {incompatible:#x}: a newer objref is needed (R4)"
        raise UnsupportedError(text)
    _zero("superblock", 20, zero)
    return int(incompatible)


def _zero(what: str, at: int, data: bytes) -> None:
    if data.count(0) != len(data):
        raise FormatError(f"{what}: bytes at {at} must be zero, found {bytes(data[:8]).hex(' ')} (R1)")


def encode_trailer(t: Trailer) -> bytes:
    """Header of a trailer; its own check is computed."""
    body = TRAILER.pack(
        GROUP_MAGIC, t.number, 0, t.offset, t.start, t.stream_from, t.stream_to, t.pieces, t.blocks, t.previous,
        t.digest, t.body_length, t.body_check, 0, 0,
    )[:-8]  # fmt: skip
    return body + CHECK.pack(xxh3(body))


def decode_trailer(data: bytes, offset: int) -> Trailer:
    """Header of the trailer that was read at `offset`."""
    if len(data) < TRAILER.size or data[:8] != GROUP_MAGIC:
        raise FormatError(f"group trailer at offset {offset}: found {bytes(data[:8])!r}, expected {GROUP_MAGIC!r}")
    f = TRAILER.unpack(data)
    if f[14] != xxh3(data[:-8]):
        raise IntegrityError(f"group trailer at offset {offset}: header checksum differs")
    if f[3] != offset:
        raise FormatError(f"group trailer at offset {offset} says that it lies at {f[3]}")
    _zero("group trailer", 12, data[12:16])
    _zero("group trailer", 112, data[112:120])
    return Trailer._make((f[1], *f[3:13], f[14]))


def encode_piece(p: Piece) -> bytes:
    """A piece entry of a trailer."""
    return PIECE.pack(
        p.section, p.role, p.codec, p.block_log2, 0, p.dictionary, p.address, p.length, p.offset, p.blocks,
        p.first_block, encode_name(p.name),
    )  # fmt: skip


def decode_piece(data: bytes | memoryview, at: int) -> Piece:
    """A piece entry at position `at` of a trailer's body."""
    f = PIECE.unpack_from(data, at)
    return Piece._make((*f[:4], *f[5:11], decode_name(f[11])))


def encode_footer(f: Footer) -> bytes:
    """The last 128 bytes of a file."""
    body = FOOTER.pack(
        FOOTER_MAGIC, f.directory_offset, f.directory_length, f.directory_check, f.stream_digest, f.stream_length,
        f.objects, f.references, f.file_length, f.groups, PAGE_LOG2, f.codec, bytes(2), f.last_check, 0, END_MAGIC,
    )  # fmt: skip
    return body[:112] + CHECK.pack(xxh3(body[:112])) + END_MAGIC


def decode_footer(data: bytes, file_length: int, features: int = 0) -> Footer:
    """The last 128 bytes of a file of this length with these features (R2, R13, R14)."""
    if len(data) < FOOTER.size or data[-8:] != END_MAGIC or data[:8] != FOOTER_MAGIC:
        raise FormatError(f"no footer at offset {file_length - len(data)}: the file is torn or was never finished (R2)")
    f = FOOTER.unpack(data)
    if f[14] != xxh3(data[:112]):
        raise IntegrityError(f"footer: checksum {xxh3(data[:112]):016x}, expected {f[14]:016x}")
    footer = Footer._make((*f[1:10], f[13], f[11]))
    if footer.file_length != file_length:
        raise FormatError(f"footer: the file should have {footer.file_length} bytes, it has {file_length} (R14)")
    if f[10] != PAGE_LOG2:
        raise UnsupportedError(f"footer: page unit of 2^{f[10]} bytes, this version knows 2^{PAGE_LOG2}")
    if footer.directory_offset + footer.directory_length != file_length - FOOTER.size:
        raise FormatError("footer: the directory does not end where the footer begins (R13)")
    if footer.codec > (ZSTD if features & PACKED_DIRECTORY else RAW):
        raise FormatError(f"footer: codec {footer.codec} of the directory, which the superblock does not announce (R4)")
    _zero("footer", 102, f[12])
    if footer.objects > OBJECTS_MAX or footer.references > REFERENCES_MAX:
        raise LimitError(f"footer: {footer.objects} objects with {footer.references} references")
    return footer


def encode_directory(arrays: dict[int, list[bytes]]) -> bytes:
    """The directory, from the encoded entries of each array."""
    head = [DIRECTORY_HEAD.pack(len(arrays), 0)]
    at = DIRECTORY_HEAD.size + ARRAY.size * len(arrays)
    for what, entries in arrays.items():
        head.append(ARRAY.pack(what, ENTRY_STRUCTS[what].size, len(entries), at))
        at += ENTRY_STRUCTS[what].size * len(entries)
    return b"".join(head) + b"".join(b"".join(entries) for entries in arrays.values())


class Array(NamedTuple):
    """One array of the directory: where its entries are and how long each is."""

    entry_size: int
    entries: int
    offset: int


def decode_arrays(directory: bytes | memoryview) -> dict[int, Array]:
    """The arrays that this version knows, within bounds (R15)."""
    if len(directory) < DIRECTORY_HEAD.size:
        raise FormatError(f"directory: {len(directory)} bytes")
    count, zero = DIRECTORY_HEAD.unpack_from(directory)
    if zero:
        raise FormatError(f"directory: bytes at 4 must be zero, found {zero:#x} (R1)")
    if count > (len(directory) - DIRECTORY_HEAD.size) // ARRAY.size:
        raise FormatError(f"directory: {count} arrays do not fit into {len(directory)} bytes")
    arrays: dict[int, Array] = {}
    for i in range(count):
        what, size, n, offset = ARRAY.unpack_from(directory, DIRECTORY_HEAD.size + ARRAY.size * i)
        known = ENTRY_STRUCTS.get(what)
        if known is None:
            continue
        if size < known.size or what in arrays or offset > len(directory) or n * size > len(directory) - offset:
            raise FormatError(f"directory: array {what} ({n} entries of {size} bytes at {offset}) is not sound (R15)")
        arrays[what] = Array(size, n, offset)
    return arrays
