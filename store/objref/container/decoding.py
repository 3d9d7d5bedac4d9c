"""From the bytes of docs/format.md to values: what a reader needs of `format`.

A value's own fields are sound (magic, checksum, zero bytes); what relates two structures to each other is checked by
the reader.
"""

from __future__ import annotations

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.errors import FormatError, IntegrityError, LimitError, UnsupportedError

__all__ = ["check_superblock", "decode_arrays", "decode_footer", "decode_name", "decode_piece", "decode_trailer"]


def decode_name(data: bytes) -> str:
    """Names of a file are data: anything that is not plain UTF-8 text is shown escaped."""
    text = data.rstrip(b"\0").decode("utf-8", "backslashreplace")
    return text if text.isprintable() else text.encode("unicode_escape").decode()


def check_superblock(data: bytes, name: str) -> None:
    """Raises unless these are the first 64 bytes of a file that this version reads (R1 to R4). `name` of the file."""
    if not data:
        raise FormatError(f"{name}: no superblock: the file is empty")
    if data[:8] != f.SUPERBLOCK_MAGIC:
        found, magic = data[:8].hex(" "), f.SUPERBLOCK_MAGIC.hex(" ")
        raise FormatError(f"{name}: not an objref file: it starts with {found}, not {magic}")
    if len(data) < f.SUPERBLOCK.size:
        raise FormatError(f"{name}: superblock: {len(data)} bytes, expected {f.SUPERBLOCK.size}")
    _, major, minor, incompatible, _, zero, check = f.SUPERBLOCK.unpack(data)
    if check != xxh3(data[:-8]):
        raise IntegrityError(f"superblock at offset 0: checksum {xxh3(data[:-8]):016x}, expected {check:016x}")
    if major != f.MAJOR:
        how = "a newer objref is needed" if major > f.MAJOR else "it is older than 1.0: import the source again"
        raise UnsupportedError(f"format version {major}.{minor}, this objref reads version {f.MAJOR}: {how} (R3)")
    if incompatible:
        text = f"superblock: unknown incompatible features {incompatible:#x}: a newer objref is needed (R4)"
        raise UnsupportedError(text)
    _zero("superblock", 20, zero)


def _zero(what: str, at: int, data: bytes) -> None:
    if data.count(0) != len(data):
        raise FormatError(f"{what}: bytes at {at} must be zero, found {bytes(data[:8]).hex(' ')} (R1)")


def decode_trailer(data: bytes, offset: int) -> f.Trailer:
    """Header of the trailer that was read at `offset`."""
    if len(data) < f.TRAILER.size or data[:8] != f.GROUP_MAGIC:
        raise FormatError(f"group trailer at offset {offset}: found {bytes(data[:8])!r}, expected {f.GROUP_MAGIC!r}")
    e = f.TRAILER.unpack(data)
    if e[14] != xxh3(data[:-8]):
        raise IntegrityError(f"group trailer at offset {offset}: header checksum differs")
    if e[3] != offset:
        raise FormatError(f"group trailer at offset {offset} says that it lies at {e[3]}")
    _zero("group trailer", 12, data[12:16])
    _zero("group trailer", 112, data[112:120])
    return f.Trailer._make((e[1], *e[3:13], e[14]))


def decode_piece(data: bytes | memoryview, at: int) -> f.Piece:
    """A piece entry at position `at` of a trailer's body."""
    e = f.PIECE.unpack_from(data, at)
    return f.Piece._make((*e[:4], *e[5:11], decode_name(e[11])))


def decode_footer(data: bytes, file_length: int) -> f.Footer:
    """The last 128 bytes of a file of this length (R2, R13, R14)."""
    if len(data) < f.FOOTER.size or data[-8:] != f.END_MAGIC or data[:8] != f.FOOTER_MAGIC:
        raise FormatError(f"no footer at offset {file_length - len(data)}: the file is torn or was never finished (R2)")
    e = f.FOOTER.unpack(data)
    if e[14] != xxh3(data[:112]):
        raise IntegrityError(f"footer: checksum {xxh3(data[:112]):016x}, expected {e[14]:016x}")
    footer = f.Footer._make((*e[1:10], e[13], e[11]))
    if footer.file_length != file_length:
        raise FormatError(f"footer: the file should have {footer.file_length} bytes, it has {file_length} (R14)")
    if e[10] != f.PAGE_LOG2:
        raise UnsupportedError(f"footer: page unit of 2^{e[10]} bytes, this version knows 2^{f.PAGE_LOG2}")
    if footer.directory_offset + footer.directory_length != file_length - f.FOOTER.size:
        raise FormatError("footer: the directory does not end where the footer begins (R13)")
    if footer.codec > f.ZSTD:
        raise FormatError(f"footer: codec {footer.codec} of the directory, expected 0 or 1 (R13)")
    _zero("footer", 102, e[12])
    if footer.objects > f.OBJECTS_MAX or footer.references > f.REFERENCES_MAX:
        raise LimitError(f"footer: {footer.objects} objects with {footer.references} references")
    return footer


def decode_arrays(directory: bytes | memoryview) -> dict[int, f.Array]:
    """The arrays that this version knows, within bounds (R15)."""
    if len(directory) < f.DIRECTORY_HEAD.size:
        raise FormatError(f"directory: {len(directory)} bytes")
    count, zero = f.DIRECTORY_HEAD.unpack_from(directory)
    if zero:
        raise FormatError(f"directory: bytes at 4 must be zero, found {zero:#x} (R1)")
    if count > (len(directory) - f.DIRECTORY_HEAD.size) // f.ARRAY.size:
        raise FormatError(f"directory: {count} arrays do not fit into {len(directory)} bytes")
    arrays: dict[int, f.Array] = {}
    for i in range(count):
        what, size, n, offset = f.ARRAY.unpack_from(directory, f.DIRECTORY_HEAD.size + f.ARRAY.size * i)
        known = f.ENTRY_STRUCTS.get(what)
        if known is None:
            continue
        if size < known.size or what in arrays or offset > len(directory) or n * size > len(directory) - offset:
            raise FormatError(f"directory: array {what} ({n} entries of {size} bytes at {offset}) is not sound (R15)")
        arrays[what] = f.Array(size, n, offset)
    return arrays
