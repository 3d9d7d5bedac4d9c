"""gzip, bzip2 and xz taken apart by the decoders of the standard library; zstd is in decompress_zstd.

No input, however well it compresses, makes more than a chunk at a time: the decoders are told how much they
may put out, and xz how much memory it may take.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from objref.archive.source_bytes import CHUNK
from objref.errors import FormatError, LimitError, TruncatedError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from objref.archive.source_bytes import Input

__all__ = ["STEP", "WINDOW_MAX", "bzip2", "gzip", "trailing", "xz"]

STEP = 1 << 16  # compressed bytes taken at a time: how exactly the place of damage can be told
WINDOW_MAX = 1 << 27
"""Largest window of a decompressor: `zstd --long=27`; `xz -9` has half of it."""
XZ_MEMORY_MAX = WINDOW_MAX + CHUNK


# One decoder for each member of the stream


class _Decoder(Protocol):
    """What bz2 and lzma have in common."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Gunzip:
    """zlib with the interface of bz2 and lzma. Mutable."""

    def __init__(self) -> None:
        import zlib

        self._zlib = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: with gzip header and checksum
        self._error = zlib.error

    @property
    def eof(self) -> bool:
        return self._zlib.eof

    @property
    def needs_input(self) -> bool:
        return not self._zlib.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._zlib.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._zlib.decompress(self._zlib.unconsumed_tail + data, max_length)
        except self._error as error:
            raise ValueError(str(error)) from error


def _new_bunzip() -> _Decoder:
    import bz2

    return bz2.BZ2Decompressor()


class _Unxz:
    """lzma with a limit on memory, and errors that need no import to be caught. Mutable."""

    def __init__(self) -> None:
        import lzma

        self._lzma = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_MAX)
        self._error = lzma.LZMAError

    @property
    def eof(self) -> bool:
        return self._lzma.eof

    @property
    def needs_input(self) -> bool:
        return self._lzma.needs_input

    @property
    def unused_data(self) -> bytes:
        return self._lzma.unused_data

    def decompress(self, data: bytes, max_length: int = -1) -> bytes:
        try:
            return self._lzma.decompress(data, max_length)
        except self._error as error:
            if "limit" in str(error).lower():
                raise MemoryError(f"it needs a window of more than {WINDOW_MAX} bytes") from error
            raise ValueError(str(error)) from error


def _members(
    source: Input,
    name: str,
    magic: bytes,
    new: Callable[[], _Decoder],
    pad: int,
) -> Iterator[bytes]:
    """Decode member after member. `pad`: zeros may follow one, in multiples of this; 0: none may."""
    while True:
        yield from _member(source, name, new())
        end = source.position
        zeros = _skip_zeros(source) if pad else 0
        following = source.peek(len(magic))
        if pad and zeros % pad:
            raise source.error(FormatError, f"{zeros} zeros after {name} data, not a multiple of {pad}", end)
        if not following:
            return
        if following != magic:
            raise trailing(source, name)


def _member(source: Input, name: str, decoder: _Decoder) -> Iterator[bytes]:
    before = source.position
    while not decoder.eof:
        data = b""
        if decoder.needs_input:
            before = source.position
            data = source.read(STEP)
            if not data:
                yield from _held_back(decoder)
                raise source.error(TruncatedError, f"the {name} data ends too early")
        try:
            piece = decoder.decompress(data, CHUNK)
        except MemoryError as error:
            raise source.error(LimitError, f"{name}: {error}", before) from error
        except (ValueError, OSError, EOFError) as error:
            what = f"damaged {name} data here or up to byte {source.position}: {error}"
            raise source.error(FormatError, what, before) from error
        if piece:
            yield piece
    source.put_back(decoder.unused_data)


def _held_back(decoder: _Decoder) -> Iterator[bytes]:
    """What a decoder can still give without further input: zlib keeps the rest of a match that did not fit."""
    while piece := decoder.decompress(b"", CHUNK):
        yield piece


def _skip_zeros(source: Input) -> int:
    """Skip zero bytes; how many there were."""
    start = source.position
    while data := source.read(STEP):
        rest = data.lstrip(b"\0")
        if rest:
            source.put_back(rest)
            break
    return source.position - start


def trailing(source: Input, name: str) -> FormatError:
    """The error for bytes that follow the last member."""
    found = source.peek(8)
    return source.error(FormatError, f"the {name} data has ended, and other bytes follow: {found!r}")


def gzip(source: Input) -> Iterator[bytes]:
    """Pieces of what gzip data holds; zeros may follow its members (tape blocks)."""
    return _members(source, "gzip", b"\x1f\x8b", _Gunzip, pad=1)


def xz(source: Input) -> Iterator[bytes]:
    """Pieces of what xz data holds; its padding is a multiple of 4."""
    return _members(source, "xz", b"\xfd7zXZ\0", _Unxz, pad=4)


def bzip2(source: Input) -> Iterator[bytes]:
    """Pieces of what bzip2 data holds."""
    return _members(source, "bzip2", b"BZh", _new_bunzip, pad=0)
