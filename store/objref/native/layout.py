"""The bytes of a native stream, declared once (docs/native.md)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as xxh3

from objref.errors import FormatError, IntegrityError, UnsupportedError

__all__ = [
    "ALIASES",
    "ALIAS_HEAD",
    "ANCILLARY",
    "BODY_MAX",
    "BULK",
    "COUNTS",
    "END",
    "EXTENTS",
    "EXTENT_ROW",
    "FRAME",
    "KNOWN",
    "LAYERS",
    "MAGIC",
    "MARK",
    "MARK_BODY",
    "MAX",
    "META",
    "NAMES",
    "NOTES",
    "OBJECTS",
    "OBJECT_ROW",
    "PAGES",
    "PROLOGUE",
    "REFERENCES",
    "RUNS",
    "SCHEMA",
    "SCHEMA_ENTRY",
    "SCHEMA_HEAD",
    "SEALED",
    "SPARSE_BIT",
    "STRAND",
    "STRANDS",
    "TYPES",
    "Counts",
    "check_prologue",
    "link_of",
    "prologue",
]  # fmt: skip

MAGIC = b"\x89ORN\r\n\x1a\n"
MAJOR, MINOR = 1, 0
BODY_MAX = 1 << 20
"""What a writer puts into a frame, but for its tables."""
MAX = BODY_MAX + (1 << 16)
LAYERS = 4096
ANCILLARY = 0x8000

SCHEMA, META, NOTES, STRANDS, RUNS, NAMES, EXTENTS, OBJECTS, REFERENCES, ALIASES, MARK, END = range(1, 13)
TYPES = ("?", "SCHEMA", "META", "NOTES", "STRANDS", "RUNS", "NAMES", "EXTENTS", "OBJECTS", "REFERENCES", "ALIASES",
         "MARK", "END")  # fmt: skip
KNOWN = frozenset(range(SCHEMA, END + 1))
WITH_OPERAND = frozenset((NAMES, ALIASES))

PROLOGUE = struct.Struct("<8sHHIIIQ")
FRAME = struct.Struct("<HHIQQQ")
LINK = struct.Struct("<Q24s")
SCHEMA_HEAD = struct.Struct("<24sII")
SCHEMA_ENTRY = struct.Struct("<HB5s24s")
STRAND = struct.Struct("<HBBI24s")
COUNTS = struct.Struct("<II")
"""How many entries a payload has, and zero, or how many names (REFERENCES)."""
ALIAS_HEAD = struct.Struct("<IHH")
MARK_BODY = struct.Struct("<QQQQQQQQ32s32s")
SEALED = MARK_BODY.size - 32
"""Bytes of MARK_BODY that its seal covers."""

PAGES = 2
"""The role of a strand of memory pages."""
BULK = 1
SPARSE_BIT = 1 << 47
OBJECT_ROW = 8 + 8 + 8 + 2
EXTENT_ROW = 24


class Counts(NamedTuple):
    """What MARK and END say of the stream before them."""

    position: int
    """Of the frame's header."""
    frame: int
    stream: int
    objects: int
    references: int
    aliases: int
    notes: int


def prologue() -> bytes:
    """The first 32 bytes."""
    body = PROLOGUE.pack(MAGIC, MAJOR, MINOR, 0, 0, 0, 0)[:-8]
    return body + struct.pack("<Q", xxh3(body))


def check_prologue(data: bytes) -> int:
    """The first link of the chain; raises for what is not the first 32 bytes of a stream that this version reads."""
    magic, major, minor, incompatible, _, zero, check = PROLOGUE.unpack(data)
    if magic != MAGIC:
        raise FormatError(f"not a native stream: it starts with {data[:8].hex(' ')}")
    if check != xxh3(data[:24]):
        raise IntegrityError("native stream: the prologue (bytes 0 to 31) is damaged: its checksum differs (N3)")
    if major != MAJOR or incompatible:
        raise UnsupportedError(
            f"native stream of version {major}.{minor}, features {incompatible:#x}: this version reads {MAJOR}.x (N2)"
        )
    if zero:
        raise FormatError("native stream: bytes 20 to 23 must be zero (N1)")
    found: int = check
    return found


def link_of(before: int, header: bytes | memoryview) -> int:
    """The link of a frame, from that of the frame before and its own first 24 bytes."""
    return xxh3(LINK.pack(before, bytes(header[:24])))
