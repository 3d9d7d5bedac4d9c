"""One block: compressed or as it is, checked before it is decoded.

zstandard ignores `max_output_size` when a frame states its size, so the frame's header is compared with what
the container expects before any memory is taken (R7).
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from xxhash import xxh3_64_intdigest as xxh3

from objref.errors import FormatError, IntegrityError

if TYPE_CHECKING:
    from zstandard import ZstdDecompressor

    from objref.container.dictionary import Dictionary

__all__ = ["check_block", "content_size", "decode_block", "decompress"]

_local = threading.local()


def _decompressor() -> ZstdDecompressor:
    """One for each thread: making one costs 35 times as much as decoding a small frame."""
    found: ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        from zstandard import ZstdDecompressor

        found = _local.decompressor = ZstdDecompressor()
    return found


def content_size(stored: bytes | memoryview, where: str) -> int:
    """What the header of a frame states."""
    import zstandard

    try:
        return int(zstandard.get_frame_parameters(stored).content_size)
    except zstandard.ZstdError as error:
        raise FormatError(f"{where}: damaged zstd frame: {error}") from None


def decompress(stored: bytes | memoryview, length: int, where: str, dictionary: Dictionary | None = None) -> bytes:
    """The content of one zstd frame that must hold exactly `length` bytes."""
    import zstandard

    try:
        frame = zstandard.get_frame_parameters(stored)
        if frame.content_size != length or frame.window_size > max(length, 1024) or frame.dict_id:
            raise FormatError(
                f"{where}: zstd frame states {frame.content_size} bytes (window {frame.window_size}, "
                f"dictionary {frame.dict_id}), expected {length} (R7)"
            )
        decompressor = _decompressor() if dictionary is None else dictionary.decompressor()
        content = decompressor.decompress(stored, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError(f"{where}: damaged zstd frame: {error}") from None
    if len(content) != length:
        raise FormatError(f"{where}: zstd frame holds {len(content)} bytes, expected {length}")
    return content


def check_block(stored: bytes | memoryview, check: int, where: str) -> None:
    """Raises IntegrityError unless the stored bytes have this XXH3."""
    if xxh3(stored) != check:
        raise IntegrityError(f"{where}: checksum {xxh3(stored):016x}, expected {check:016x}: the bytes are damaged")


def decode_block(
    stored: bytes | memoryview, length: int, check: int, where: str, dictionary: Dictionary | None = None
) -> bytes | memoryview:
    """Checked content of one block. Stored length = content length means "as it is"."""
    check_block(stored, check, where)
    return stored if len(stored) == length else decompress(stored, length, where, dictionary)
