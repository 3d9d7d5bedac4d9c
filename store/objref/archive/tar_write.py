"""Headers put together: what `tar.TarSplitter` takes apart. Pure: no I/O in here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.archive.tar_header import CHECKSUM, FLAGS, HEADER, POSIX_MAGIC, padding
from objref.archive.tar_member import Member
from objref.archive.tar_pax import encode_record, encode_time
from objref.archive.tar_sparse import encode_map
from objref.errors import LimitError, UsageError
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["encode_member"]

FIELD_BYTES = 100  # of name and linkname
SMALL_MAX = 0o7777777  # uid, gid, device numbers
LARGE_MAX = 0o77777777777  # size, mtime: 8 GiB - 1
PAX_NAME = b"././@PaxHeader"  # what tarfile writes; readers ignore it


def _is_plain(name: bytes) -> bool:
    return name.isascii() and len(name) <= FIELD_BYTES and b"\0" not in name


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _needed_records(member: Member, name: bytes, stored: int) -> Iterator[tuple[bytes, bytes]]:
    """What the header's fields cannot say, in writing order. No other records: the form is canonical."""
    if not (_is_utf8(member.name) and _is_utf8(member.linkname)):
        yield b"hdrcharset", b"BINARY"
    if not _is_plain(name):
        yield b"path", name
    if not _is_plain(member.linkname):
        yield b"linkpath", member.linkname
    if stored > LARGE_MAX:
        yield b"size", b"%d" % stored
    for key, value in ((b"uid", member.uid), (b"gid", member.gid)):
        if not 0 <= value <= SMALL_MAX:
            yield key, b"%d" % value
    if member.mtime_ns % 10**9 or not 0 <= member.mtime_ns // 10**9 <= LARGE_MAX:
        yield b"mtime", encode_time(member.mtime_ns)
    if member.sparse is not None:
        yield b"GNU.sparse.major", b"1"
        yield b"GNU.sparse.minor", b"0"
        yield b"GNU.sparse.name", member.name
        yield b"GNU.sparse.realsize", b"%d" % member.real_size


def _octal(value: int, width: int) -> bytes:
    """Octal digits and a NUL; 0 where a pax record says it instead."""
    return b"%0*o\0" % (width - 1, value if 0 <= value < 8 ** (width - 1) else 0)


def _header_block(member: Member, flag: bytes, name: bytes, stored: int) -> bytes:
    block = HEADER.pack(
        name,
        _octal(member.mode, 8),
        _octal(member.uid, 8),
        _octal(member.gid, 8),
        _octal(stored, 12),
        _octal(member.mtime_ns // 10**9, 12),
        b" " * 8,
        flag,
        member.linkname,
        POSIX_MAGIC,
        b"",
        b"",
        _octal(member.devmajor, 8),
        _octal(member.devminor, 8),
        b"",
        b"",
    )
    checksum = b"%06o\0 " % sum(block)
    return block[: CHECKSUM.start] + checksum + block[CHECKSUM.stop :]


def _stored_name(member: Member) -> bytes:
    """Directories end in `/`; the name of sparse files warns readers that know no holes."""
    if member.type == "dir":
        return member.name if member.name.endswith(b"/") else member.name + b"/"
    if member.sparse is None:
        return member.name
    folder, slash, base = member.name.rpartition(b"/")
    return folder + slash + b"GNUSparseFile.0/" + base


def encode_member(member: Member, *, limits: Limits = DEFAULT) -> bytes:
    """All blocks before the member's content: a pax header if needed, the header, the sparse map.

    Canonical: equal members give equal bytes. `pax` and `typeflag` are not consulted, user and group names
    stay empty. Content (`size` bytes) and `padding` must follow. Errors: UsageError; LimitError (long names).
    """
    flag = FLAGS.get(member.type)
    if flag is None or max(member.devmajor, member.devminor) > SMALL_MAX or not 0 <= member.mode <= 0o7777:
        raise UsageError(f"{member.name!r}: no tar header can say this: {member.type}, mode {member.mode:o}")
    name = _stored_name(member)
    sparse_map = b"" if member.sparse is None else encode_map(member.sparse, member.real_size)
    stored = len(sparse_map) + member.size
    records = b"".join(encode_record(*pair) for pair in _needed_records(member, name, stored))
    if len(records) > limits.tar_header:
        found, limit = len(records), limits.tar_header
        raise LimitError(f"{member.name[:80]!r}: pax header of {found} bytes, the limit is {limit}")
    header = _header_block(member, flag, name, stored) + sparse_map
    if not records:
        return header
    pax = _header_block(Member(PAX_NAME), b"x", PAX_NAME, len(records))
    return pax + records + padding(len(records)) + header
