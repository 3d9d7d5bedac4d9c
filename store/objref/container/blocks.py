"""One block: compressed or as it is, checked before it is decoded.

zstandard ignores `max_output_size` when a frame states its size, so the frame's header is compared with what
the container expects before any memory is taken (R7).
"""

from __future__ import annotations

from _thread import _local as local  # which `threading` only names

from xxhash import xxh3_64_intdigest as xxh3

from objref.container.zstd import library
from objref.errors import FormatError, IntegrityError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from zstandard import ZstdDecompressor

    from objref.container.dictionary import Dictionary

__all__ = ["check_block", "check_frame", "content_size", "decode_block", "decompress", "decompressor"]

_local = local()


def decompressor() -> ZstdDecompressor:
    """One for each thread: making one costs 35 times as much as decoding a small frame."""
    found: ZstdDecompressor | None = getattr(_local, "decompressor", None)
    if found is None:
        found = _local.decompressor = library().ZstdDecompressor()
    return found


def content_size(stored: bytes | memoryview, where: str) -> int:
    """What the header of a frame states."""
    zstandard = library()
    try:
        return int(zstandard.get_frame_parameters(stored).content_size)
    except zstandard.ZstdError as error:
        raise FormatError(f"{where}: damaged zstd frame: {error}") from None


def decompress(stored: bytes | memoryview, length: int, where: str, dictionary: Dictionary | None = None) -> bytes:
    """The content of one zstd frame that must hold exactly `length` bytes."""
    zstandard = library()
    if wrong := check_frame(stored, length):
        raise FormatError(f"{where}: {wrong}")
    try:
        made = decompressor() if dictionary is None else dictionary.decompressor()
        content = made.decompress(stored, max_output_size=length, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise FormatError(f"{where}: damaged zstd frame: {error}") from None
    if len(content) != length:
        raise FormatError(f"{where}: zstd frame holds {len(content)} bytes, expected {length}")
    return content


def check_frame(stored: bytes | memoryview, length: int) -> str | None:
    """What keeps a zstd frame from being the block of this length; None when nothing does."""
    zstandard = library()
    try:
        frame = zstandard.get_frame_parameters(stored)
    except zstandard.ZstdError as error:
        return f"damaged zstd frame: {error}"
    if frame.content_size == length and frame.window_size <= max(length, 1024) and not frame.dict_id:
        return None
    return (
        f"zstd frame states {frame.content_size} bytes (window {frame.window_size}, "
        f"dictionary {frame.dict_id}), expected {length} (R7)"
    )


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
