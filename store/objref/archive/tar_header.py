"""The header of a tar member, a block of 512 bytes: its fields, its numbers, its checksum."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from objref.archive.tar_member import Member, MemberType
from objref.errors import FormatError, IntegrityError

__all__ = [
    "BLOCK",
    "CHECKSUM",
    "END_OF_ARCHIVE",
    "FLAGS",
    "HEADER",
    "POSIX_MAGIC",
    "ZERO_BLOCK",
    "Raw",
    "field_text",
    "is_header",
    "natural",
    "number",
    "padding",
    "plain_member",
    "verify",
]

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
END_OF_ARCHIVE = 2 * ZERO_BLOCK

#   off  size  field
#     0   100  name, NUL-terminated unless all 100 bytes are used
#   100     8  mode        numbers: octal text, or base-256 when the first byte has its top bit set
#   108     8  uid
#   116     8  gid
#   124    12  size        bytes of content stored in the stream
#   136    12  mtime       seconds
#   148     8  checksum    sum of the 512 bytes, this field taken as spaces
#   156     1  typeflag
#   157   100  linkname
#   257     8  magic       "ustar\0" "00" = POSIX, "ustar  \0" = GNU, anything else = V7
#   265    32  uname
#   297    32  gname
#   329     8  devmajor
#   337     8  devminor
#   345   155  prefix      POSIX only; 131 bytes when `tail` ends in "tar\0" (star keeps times after it)
#   500    12  tail
HEADER = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
CHECKSUM = slice(148, 156)

POSIX_MAGIC = b"ustar\x0000"
HIGH_BYTES = bytes(range(128))
OCTAL_DIGITS = b"01234567"

TYPES: dict[bytes, MemberType] = {
    b"\0": "file",
    b"0": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "chardev",
    b"4": "blockdev",
    b"5": "dir",
    b"6": "fifo",
    b"7": "file",  # contiguous
    b"D": "dir",  # GNU incremental: its content is a list of names
    b"S": "file",  # GNU sparse
}
FLAGS: dict[MemberType, bytes] = {kind: flag for flag, kind in TYPES.items() if b"0" <= flag <= b"6"}


class Raw(NamedTuple):
    """The fields of HEADER."""

    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    checksum: bytes
    typeflag: bytes
    linkname: bytes
    magic: bytes
    uname: bytes
    gname: bytes
    devmajor: bytes
    devminor: bytes
    prefix: bytes
    tail: bytes


def padding(size: int) -> bytes:
    """Zero bytes which fill content of that size up to a whole block."""
    return bytes(-size % BLOCK)


# Numbers and text


def number(field: bytes, what: str) -> int:
    """A header's number: octal text (blank is 0) or base-256 in two's complement."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if value >> (bits - 1) else value
    text = field.partition(b"\0")[0].strip(b" ")
    if text.translate(None, OCTAL_DIGITS):
        raise FormatError(f"{what}: expected an octal number, found {field!r}")
    return int(text or b"0", 8)


def natural(value: int, what: str) -> int:
    """The same number, if it can be a size or an offset."""
    if not 0 <= value < 1 << 63:
        raise FormatError(f"{what}: expected 0 to 2^63-1, found {value}")
    return value


def field_text(field: bytes) -> bytes:
    """A header's text: up to the first NUL."""
    return field.partition(b"\0")[0]


# Checksums


def _checksum(block: bytes) -> tuple[int, int]:
    """The sum of a header over unsigned and over signed bytes: old tars took chars as signed."""
    rest = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    unsigned = sum(rest)
    return unsigned, unsigned - 256 * len(rest.translate(None, HIGH_BYTES))


def verify(block: bytes, field: bytes) -> None:
    """Compare a header with its checksum field: IntegrityError."""
    try:
        recorded, sums = number(field, "header checksum"), _checksum(block)
    except FormatError as error:
        raise IntegrityError(str(error)) from error
    if recorded not in sums:
        raise IntegrityError(f"header checksum: its bytes add up to {sums[0]:#o}, it says {recorded:#o}")


def is_header(block: bytes) -> bool:
    """Whether 512 bytes can start a tar: a header with a good checksum, or the zeros of an empty archive."""
    if len(block) != BLOCK:
        return False
    try:
        verify(block, block[CHECKSUM])
    except FormatError:
        return block == ZERO_BLOCK
    return True


# From a header to a member


def _header_name(raw: Raw) -> bytes:
    name = field_text(raw.name)
    if raw.magic[:6] != POSIX_MAGIC[:6]:
        return name
    prefix = field_text(raw.prefix[:131] if raw.tail.endswith(b"tar\0") else raw.prefix)
    return prefix + b"/" + name if prefix else name


def _device(raw: Raw) -> tuple[int, int]:
    """Only devices have numbers there: V7 and some later tars leave junk in the fields."""
    if raw.typeflag not in b"34" or not raw.magic.startswith(b"ustar"):
        return 0, 0
    return number(raw.devmajor, "devmajor"), number(raw.devminor, "devminor")


def plain_member(raw: Raw) -> Member:
    """What the header alone says. Its `real_size` is left at 0."""
    major, minor = _device(raw)
    return Member(
        name=_header_name(raw),
        type=TYPES.get(raw.typeflag, "other"),
        mode=number(raw.mode, "mode") & 0o7777,
        uid=number(raw.uid, "uid"),
        gid=number(raw.gid, "gid"),
        mtime_ns=number(raw.mtime, "mtime") * 10**9,
        size=natural(number(raw.size, "size"), "size"),
        linkname=field_text(raw.linkname),
        devmajor=major,
        devminor=minor,
        typeflag=raw.typeflag,
    )
