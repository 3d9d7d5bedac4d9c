"""Spares: what a trailer says, and the braid of its group, a second time and in another place (docs/format.md,
section 4). A fault that takes one of them leaves the other.

A spare is written before the pieces that its group still has in memory, so it cannot say where they lie; but they
follow it, one behind the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from struct import Struct, error
from typing import NamedTuple

from xxhash import xxh3_64_intdigest as xxh3
from zstandard import ZstdCompressor

from objref.container import format as f
from objref.container.blocks import decompress
from objref.container.decoding import decode_name
from objref.container.encoding import encode_name
from objref.container.planes import from_planes, to_planes
from objref.errors import FormatError, IntegrityError, LimitError

__all__ = ["MAGIC", "Spare", "Told", "decode_spare", "encode_spare"]

MAGIC = b"ORFSPARE"
HEAD = Struct("<8sQIIQ")
"""Magic, its own offset, bytes of the frame, bytes of its content, XXH3 of all that without this field."""
BODY = Struct("<IIIIQQQQ32s")
"""Group, pieces, blocks, runs; start, stream from, stream to, previous, digest: as the trailer has them."""
ROW = Struct("<HBBBBHQQQ")
"""Of each piece: section, role, codec, block_log2, bytes of its name, dictionary, address, length, offset (0: it lies
behind the spare)."""
CONTENT_MAX = 256 << 20
"""A trailer of 64 MiB of stream has at most 16384 blocks and as many runs as it has bytes / 8."""


class Told(NamedTuple):
    """A piece without its place, and the ends and checks of its blocks. Offset 0: it lies behind the spare."""

    piece: f.Piece
    ends: Sequence[int]
    checks: Sequence[int]


class Spare(NamedTuple):
    """What a spare says. Of its own piece, the one of role `SPARE`, it does not know length, blocks and checks."""

    number: int
    start: int
    stream_from: int
    stream_to: int
    previous: int
    digest: bytes
    told: list[Told]
    runs: bytes
    """Of the braid, as in its section."""


def encode_spare(spare: Spare, offset: int, level: int) -> bytes:
    """The bytes of a spare that will lie at `offset`."""
    rows, names, sizes, checks = b"", b"", [], b""
    for piece, ends, sums in spare.told:
        name = encode_name(piece.name)
        rows += ROW.pack(
            piece.section, piece.role, piece.codec, piece.block_log2, len(name), piece.dictionary, piece.address,
            piece.length, piece.offset,
        )  # fmt: skip
        names += name
        sizes += [b - a for a, b in pairwise((0, *ends))]
        checks += Struct(f"<{len(sums)}Q").pack(*sums)
    head = BODY.pack(
        spare.number, len(spare.told), len(sizes), len(spare.runs) // 8, spare.start, spare.stream_from,
        spare.stream_to, spare.previous, spare.digest,
    )  # fmt: skip
    planes = to_planes(rows, ROW.size), names, to_planes(Struct(f"<{len(sizes)}I").pack(*sizes), 4)
    content = b"".join((head, *planes, to_planes(spare.runs, 8), checks))
    frame = ZstdCompressor(level=level).compress(content)
    front = HEAD.pack(MAGIC, offset, len(frame), len(content), 0)[:-8]
    return front + f.CHECK.pack(xxh3(front + frame)) + frame


def decode_spare(data: bytes | memoryview, offset: int) -> tuple[Spare, int]:
    """The spare that was read at `offset`, and its length. `data` may go on behind it."""
    where = f"spare at offset {offset}"
    if len(data) < HEAD.size or bytes(data[:8]) != MAGIC:
        raise FormatError(f"{where}: found {bytes(data[:8])!r}, expected {MAGIC!r}")
    _, at, stored, length, check = HEAD.unpack_from(data)
    end = HEAD.size + stored
    frame = bytes(data[HEAD.size : end])
    if at != offset or len(frame) < stored or xxh3(bytes(data[: HEAD.size - 8]) + frame) != check:
        raise IntegrityError(f"{where}: its checksum differs, or it lies in another place")
    if length > CONTENT_MAX:
        raise LimitError(f"{where}: {length} bytes of content, limit {CONTENT_MAX}")
    try:
        return _decode(decompress(frame, length, where)), end
    except error as wrong:
        raise FormatError(f"{where}: {wrong} (R21)") from None


def _decode(content: bytes) -> Spare:
    number, pieces, blocks, runs, start, stream_from, stream_to, previous, digest = BODY.unpack_from(content)
    at = BODY.size
    rows = list(ROW.iter_unpack(from_planes(content[at : at + pieces * ROW.size], ROW.size)))
    at += pieces * ROW.size
    names = []
    for row in rows:
        names.append(decode_name(content[at : at + row[4]]))
        at += row[4]
    sizes = Struct(f"<{blocks}I").unpack(from_planes(content[at : at + 4 * blocks], 4))
    at += 4 * blocks
    braid, at = from_planes(content[at : at + 8 * runs], 8), at + 8 * runs
    checks = Struct(f"<{blocks}Q").unpack(content[at:])
    told = _told(rows, names, sizes, checks)
    return Spare(number, start, stream_from, stream_to, previous, digest, told, braid)


def _told(rows: list[tuple[int, ...]], names: list[str], sizes: tuple[int, ...], checks: tuple[int, ...]) -> list[Told]:
    found, first = [], 0
    for row, name in zip(rows, names, strict=True):
        section, role, codec, log2, _, dictionary, address, length, offset = row
        if not f.BLOCK_LOG2_MIN <= log2 <= f.BLOCK_LOG2_MAX:
            raise FormatError(f"spare: blocks of 2^{log2} bytes (R5)")
        stop = first if role == f.SPARE else first + -(-length >> log2)
        ends, done = [], 0
        for size in sizes[first:stop]:
            done += size
            ends.append(done)
        piece = f.Piece(section, role, codec, log2, dictionary, address, length, offset, stop - first, 0, name)
        found.append(Told(piece, ends, checks[first:stop]))
        first = stop
    return found
