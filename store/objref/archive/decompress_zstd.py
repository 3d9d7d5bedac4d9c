"""zstd taken apart block by block.

python-zstandard cannot be told how much it may put out, so it is fed one block at a time, which gives at most
128 KiB (RFC 8878, 3.1.1.2.4).
"""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING

from objref.archive.decompress import STEP, WINDOW_MAX, trailing
from objref.errors import FormatError, LimitError, TruncatedError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import zstandard

    from objref.archive.source_bytes import Input

__all__ = ["is_zstd", "zstd"]

#   off  size  field (RFC 8878, 3.1.2: a skippable frame)
#     0     4  magic 0x184D2A50 to 5F
#     4     4  size of what follows
SKIPPABLE = Struct("<II")
SKIPPABLE_MAGIC = 0x184D2A50 >> 4
ZSTD_MAGIC = b"\x28\xb5\x2f\xfd"
FRAME_HEADER_MAX = 18
BLOCK_HEADER = 3  # bit 0: last, bits 1-2: type, the others: size
BLOCK_MAX = 1 << 17
RAW, RLE, RESERVED = 0, 1, 3


def _is_skippable(head: bytes) -> bool:
    return len(head) >= 4 and int.from_bytes(head[:4], "little") >> 4 == SKIPPABLE_MAGIC


def is_zstd(head: bytes) -> bool:
    """Whether the first bytes are those of a frame, skippable ones included."""
    return head.startswith(ZSTD_MAGIC) or _is_skippable(head)


def zstd(source: Input) -> Iterator[bytes]:
    """Pieces of what the frames hold, one after the other."""
    import zstandard

    context = zstandard.ZstdDecompressor(max_window_size=WINDOW_MAX)
    while head := source.peek(4):
        if _is_skippable(head):
            _skip_frame(source)
        elif head == ZSTD_MAGIC:
            try:
                yield from _zstd_frame(source, context)
            except zstandard.ZstdError as error:
                raise source.error(FormatError, f"damaged zstd data just before: {error}") from error
        else:
            raise trailing(source, "zstd")


def _exactly(source: Input, size: int) -> bytes:
    data = source.take(size)
    if len(data) < size:
        raise source.error(TruncatedError, "the zstd data ends too early")
    return data


def _skip_frame(source: Input) -> None:
    _, left = SKIPPABLE.unpack(_exactly(source, SKIPPABLE.size))
    while left:
        left -= len(_exactly(source, min(left, STEP)))


def _zstd_frame(source: Input, context: zstandard.ZstdDecompressor) -> Iterator[bytes]:
    header, has_checksum = _frame_header(source)
    decoder = context.decompressobj()
    decoder.decompress(header)
    last = False
    while not last:
        last, block = _zstd_block(source)
        piece = decoder.decompress(block)
        if piece:
            yield piece
    if has_checksum:
        decoder.decompress(_exactly(source, 4))
    if not decoder.eof:
        raise source.error(FormatError, "damaged zstd data: the frame does not end with its last block")


def _frame_header(source: Input) -> tuple[bytes, bool]:
    """The bytes of a frame's header, and whether a checksum ends the frame."""
    import zstandard

    start = source.position
    head = source.take(FRAME_HEADER_MAX)
    if len(head) < 5:
        raise source.error(TruncatedError, "the zstd data ends too early")
    size = zstandard.frame_header_size(head)
    if len(head) < size:
        raise source.error(TruncatedError, "the zstd data ends too early")
    found = zstandard.get_frame_parameters(head)
    if found.window_size > WINDOW_MAX:
        what = f"zstd: a window of {found.window_size} bytes, the limit is {WINDOW_MAX} (--long=27)"
        raise source.error(LimitError, what, start)
    if found.dict_id:
        raise source.error(UnsupportedError, f"zstd: needs the dictionary {found.dict_id}", start)
    source.put_back(head[size:])
    return head[:size], found.has_checksum


def _zstd_block(source: Input) -> tuple[bool, bytes]:
    """The next block with its header, checked so that it cannot grow beyond BLOCK_MAX."""
    start = source.position
    head = _exactly(source, BLOCK_HEADER)
    bits = int.from_bytes(head, "little")
    kind, size = bits >> 1 & 3, bits >> 3
    if kind == RESERVED or size > BLOCK_MAX:
        raise source.error(FormatError, f"damaged zstd data: block of type {kind}, {size} bytes", start)
    return bool(bits & 1), head + _exactly(source, 1 if kind == RLE else size)
