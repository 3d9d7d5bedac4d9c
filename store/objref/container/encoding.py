"""From values to the bytes of docs/format.md: what a writer needs of `format`."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.errors import FormatError

__all__ = ["encode_directory", "encode_footer", "encode_name", "encode_piece", "encode_superblock", "encode_trailer"]


def encode_name(name: str) -> bytes:
    """24 bytes, zero padded."""
    data = name.encode()
    if len(data) > 24:
        raise FormatError(f"name {name!r} is longer than 24 bytes")
    return data


def encode_superblock() -> bytes:
    """The first 64 bytes of a file."""
    body = f.SUPERBLOCK.pack(f.SUPERBLOCK_MAGIC, f.MAJOR, f.MINOR, 0, 0, bytes(36), 0)[:-8]
    return body + f.CHECK.pack(xxh3(body))


def encode_trailer(t: f.Trailer) -> bytes:
    """Header of a trailer; its own check is computed."""
    body = f.TRAILER.pack(
        f.GROUP_MAGIC, t.number, 0, t.offset, t.start, t.stream_from, t.stream_to, t.pieces, t.blocks, t.previous,
        t.digest, t.body_length, t.body_check, 0, 0,
    )[:-8]  # fmt: skip
    return body + f.CHECK.pack(xxh3(body))


def encode_piece(p: f.Piece) -> bytes:
    """A piece entry of a trailer."""
    return f.PIECE.pack(
        p.section, p.role, p.codec, p.block_log2, 0, p.dictionary, p.address, p.length, p.offset, p.blocks,
        p.first_block, encode_name(p.name),
    )  # fmt: skip


def encode_footer(e: f.Footer) -> bytes:
    """The last 128 bytes of a file."""
    body = f.FOOTER.pack(
        f.FOOTER_MAGIC, e.directory_offset, e.directory_length, e.directory_check, e.stream_digest, e.stream_length,
        e.objects, e.references, e.file_length, e.groups, f.PAGE_LOG2, e.codec, bytes(2), e.last_check, 0, f.END_MAGIC,
    )  # fmt: skip
    return body[:112] + f.CHECK.pack(xxh3(body[:112])) + f.END_MAGIC


def encode_directory(arrays: dict[int, list[bytes]]) -> bytes:
    """The directory, from the encoded entries of each array."""
    head = [f.DIRECTORY_HEAD.pack(len(arrays), 0)]
    at = f.DIRECTORY_HEAD.size + f.ARRAY.size * len(arrays)
    for what, entries in arrays.items():
        head.append(f.ARRAY.pack(what, f.ENTRY_STRUCTS[what].size, len(entries), at))
        at += f.ENTRY_STRUCTS[what].size * len(entries)
    return b"".join(head) + b"".join(b"".join(entries) for entries in arrays.values())
