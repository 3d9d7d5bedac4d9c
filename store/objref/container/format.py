"""Every byte layout of docs/format.md, declared once, with the values that it is read into.

`decoding` and `encoding` lead from the one to the other.
"""

from __future__ import annotations

import struct

from objref_index.columns import Word
from objref_index.named import NamedTuple

MAJOR, MINOR = 1, 0
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

STRAND, BRAID, PAGE_TABLE, PAGES, DICTIONARY, SPARE, LOST = range(7)
ROLE_NAMES = ("strand", "braid", "page table", "pages", "dictionary", "spare", "lost")
IN_STREAM = (STRAND, PAGE_TABLE, LOST)
"""Roles that the braid names."""
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


class Array(NamedTuple):
    """One array of the directory: where its entries are and how long each is."""

    entry_size: int
    entries: int
    offset: int
