"""What an import reads: a directory, or a tar, compressed or not, as one stream of uncompressed tar bytes.

The stream comes in chunks of exactly 1 MiB (the last may be shorter), however the pipe delivers: what is cut
by chunks downstream is cut the same each time. A source is read once, front to back, and never sought in. The
format is told by its first bytes, never by a suffix: Podman writes zstd under `.tar.gz`.

Memory: a chunk, the window of the decompressor (at most 128 MiB), and little else. No input, however well it
compresses, makes more: zlib, bz2 and lzma are told how much they may put out, and zstd, whose binding cannot
be told, is fed one block at a time, which gives at most 128 KiB (RFC 8878, 3.1.1.2.4).
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from struct import Struct
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, Protocol, Self

from objref.dialects.directory import AnyPath, OnSkip, image_roots, naming, read_directory, refuse
from objref.dialects.tar import BLOCK, is_header
from objref.errors import (
    FormatError,
    LimitError,
    SourceError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from types import TracebackType

    import zstandard

__all__ = ["CHUNK", "WINDOW_MAX", "Readable", "Source", "open_source"]

CHUNK = 1 << 20
READ = 1 << 18  # uncompressed bytes taken at a time: from pipes 1.7 times as fast as whole chunks
STEP = 1 << 16  # compressed bytes taken at a time: how exactly the place of damage can be told
WINDOW_MAX = 1 << 27
"""Largest window of a decompressor: `zstd --long=27`; `xz -9` has half of it."""
XZ_MEMORY_MAX = WINDOW_MAX + CHUNK


class Readable(Protocol):
    """A binary file, pipe or socket file: all that is asked of it is `read`."""

    def read(self, size: int, /) -> bytes | None: ...


class Source:
    """The uncompressed tar stream of a source, to be iterated once within a `with`. Mutable: owns its files.

    `kind` is "directory" or "tar", `compression` the format's name or None, `name` what messages call it.
    """

    def __init__(
        self,
        name: str,
        kind: Literal["directory", "tar"],
        compression: str | None,
        pieces: Iterator[bytes],
        close: Callable[[], None],
    ) -> None:
        self.name = name
        self.kind: Literal["directory", "tar"] = kind
        self.compression = compression
        self._chunks = _chunks(pieces)
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened here; a file object that was handed in stays open."""
        self._close()


def open_source(
    source: AnyPath | Readable,
    *,
    root: AnyPath | None = None,
    on_skip: OnSkip = refuse,
    limits: Limits = DEFAULT,
) -> Source:
    """Open a directory, a file or a binary file object (for standard input: `sys.stdin.buffer`).

    `root`, `on_skip`: see `directory.image_roots` and `directory.read_directory`; without `on_skip`, what
    cannot be kept is an error. Errors, here and while iterating: SourceError if the system refuses or a file
    changes, TruncatedError and FormatError with the place in the compressed input, UnsupportedError,
    LimitError.
    """
    if not isinstance(source, str | bytes | os.PathLike):
        return _open_stream(source, str(getattr(source, "name", "input")), lambda: None)
    if os.path.isdir(source):
        folder, names = image_roots(source, root, on_skip=on_skip, limits=limits)
        pieces = read_directory(folder, only=names, on_skip=on_skip)
        return Source(os.fsdecode(source), "directory", None, pieces, lambda: None)
    with naming(os.fsencode(source)):
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - the Source closes it
    try:
        return _open_stream(file, os.fsdecode(source), file.close)
    except BaseException:
        file.close()
        raise


def _open_stream(file: Readable, name: str, close: Callable[[], None]) -> Source:
    _widen_pipe(file)
    source = _Input(file, name)
    head = source.peek(BLOCK)
    if not head:
        raise TruncatedError(f"{name}: empty; expected a tar archive or a compressed one")
    if is_header(head):
        return Source(name, "tar", None, _plain(source), close)
    compression = next((known for known in COMPRESSIONS if known.starts(head)), None)
    if compression is None:
        _explain(head, name)
    pieces, head = _peek_pieces(compression.decode(source), BLOCK)
    if not is_header(head):
        _explain(head, f"{name} ({compression.name})")
    return Source(name, "tar", compression.name, pieces, close)


def _widen_pipe(file: Readable) -> None:
    """A pipe that holds 1 MiB needs a sixteenth of the reads. Where it cannot be had, nothing is lost."""
    with suppress(OSError, AttributeError, ValueError, TypeError, ImportError):
        import fcntl

        fd = file.fileno()  # type: ignore[attr-defined]
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)


# Pieces and chunks


def _chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes, cut into exact chunks. A piece that is a chunk already is passed on as it is."""
    held: list[bytes | memoryview] = []
    room = CHUNK
    for piece in pieces:
        if len(piece) == room == CHUNK:
            yield piece
            continue
        rest = memoryview(piece)
        while rest:
            held.append(rest[:room])
            room -= len(held[-1])
            rest = rest[len(held[-1]) :]
            if not room:
                yield b"".join(held)
                held, room = [], CHUNK
    if held:
        yield b"".join(held)


def _peek_pieces(pieces: Iterator[bytes], size: int) -> tuple[Iterator[bytes], bytes]:
    """The same pieces again, and their first `size` bytes."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= size:
            break
    return _prepend(head, pieces), head[:size]


def _prepend(head: bytes, pieces: Iterator[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from pieces


class _Input:
    """The source's own bytes, front to back, with a count. Mutable; what was read too far can be put back."""

    def __init__(self, file: Readable, name: str) -> None:
        self._file = file
        self._held = b""
        self.name = name
        self.position = 0

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`; none at the end."""
        data, self._held = self._held[:size], self._held[size:]
        if len(data) < size:
            data += self._read_file(size - len(data))
        self.position += len(data)
        return data

    def _read_file(self, size: int) -> bytes:
        with naming(os.fsencode(self.name)):
            data = self._file.read(size)
        if data is None:
            raise SourceError(f"{self.name}: it does not block, and has nothing to read now")
        if not isinstance(data, bytes):
            raise UsageError(f"{self.name}: expected a binary file, found one of {type(data).__name__}")
        return data

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        pieces = []
        while size and (piece := self.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def put_back(self, data: bytes) -> None:
        self._held = data + self._held
        self.position -= len(data)

    def peek(self, size: int) -> bytes:
        data = self.take(size)
        self.put_back(data)
        return data

    def error(self, kind: type[FormatError], what: str, position: int | None = None) -> FormatError:
        at = self.position if position is None else position
        return kind(f"{self.name}: byte {at} of the compressed input: {what}")


def _plain(source: _Input) -> Iterator[bytes]:
    while piece := source.read(READ):
        yield piece


# gzip, bzip2, xz: decoders of the standard library, one for each member of the stream


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
    source: _Input,
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
            raise _trailing(source, name)


def _member(source: _Input, name: str, decoder: _Decoder) -> Iterator[bytes]:
    before = source.position
    while not decoder.eof:
        data = b""
        if decoder.needs_input:
            before = source.position
            data = source.read(STEP)
            if not data:
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


def _skip_zeros(source: _Input) -> int:
    """Skip zero bytes; how many there were."""
    start = source.position
    while data := source.read(STEP):
        rest = data.lstrip(b"\0")
        if rest:
            source.put_back(rest)
            break
    return source.position - start


def _trailing(source: _Input, name: str) -> FormatError:
    found = source.peek(8)
    return source.error(FormatError, f"the {name} data has ended, and other bytes follow: {found!r}")


def _gzip(source: _Input) -> Iterator[bytes]:
    return _members(source, "gzip", b"\x1f\x8b", _Gunzip, pad=1)


def _xz(source: _Input) -> Iterator[bytes]:
    return _members(source, "xz", b"\xfd7zXZ\0", _Unxz, pad=4)


def _bzip2(source: _Input) -> Iterator[bytes]:
    return _members(source, "bzip2", b"BZh", _new_bunzip, pad=0)


# zstd, block by block

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


def _is_zstd(head: bytes) -> bool:
    return head.startswith(ZSTD_MAGIC) or _is_skippable(head)


def _zstd(source: _Input) -> Iterator[bytes]:
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
            raise _trailing(source, "zstd")


def _exactly(source: _Input, size: int) -> bytes:
    data = source.take(size)
    if len(data) < size:
        raise source.error(TruncatedError, "the zstd data ends too early")
    return data


def _skip_frame(source: _Input) -> None:
    _, left = SKIPPABLE.unpack(_exactly(source, SKIPPABLE.size))
    while left:
        left -= len(_exactly(source, min(left, STEP)))


def _zstd_frame(source: _Input, context: zstandard.ZstdDecompressor) -> Iterator[bytes]:
    header, has_checksum = _frame_header(source)
    decoder = context.decompressobj()
    decoder.decompress(header)
    last = False
    while not last:
        last, block = _zstd_block(source)
        if last and has_checksum:
            block += _exactly(source, 4)
        piece = decoder.decompress(block)
        if piece:
            yield piece
    if not decoder.eof:
        raise source.error(FormatError, "damaged zstd data: the frame does not end with its last block")


def _frame_header(source: _Input) -> tuple[bytes, bool]:
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


def _zstd_block(source: _Input) -> tuple[bool, bytes]:
    """The next block with its header, checked so that it cannot grow beyond BLOCK_MAX."""
    start = source.position
    head = _exactly(source, BLOCK_HEADER)
    bits = int.from_bytes(head, "little")
    kind, size = bits >> 1 & 3, bits >> 3
    if kind == RESERVED or size > BLOCK_MAX:
        raise source.error(FormatError, f"damaged zstd data: block of type {kind}, {size} bytes", start)
    return bool(bits & 1), head + _exactly(source, 1 if kind == RLE else size)


class _Compression(NamedTuple):
    name: str
    starts: Callable[[bytes], bool]
    decode: Callable[[_Input], Iterator[bytes]]


def _starting(magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


COMPRESSIONS = (
    _Compression("gzip", _starting(b"\x1f\x8b"), _gzip),
    _Compression("zstd", _is_zstd, _zstd),
    _Compression("xz", _starting(b"\xfd7zXZ\0"), _xz),
    _Compression("bzip2", _starting(b"BZh"), _bzip2),
)


# What else it may be

UNSUPPORTED = (
    (b"\x04\x22\x4d\x18", "lz4 data"),
    (b"\x1f\x9d", "compress (.Z) data"),
    (b"LZIP", "lzip data"),
    (b"\x5d\0\0", "lzma data without the xz container"),
    (b"PK\x03\x04", "a zip archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (b"070701", "a cpio archive"),
    (b"070707", "a cpio archive"),
)
HINTS = (
    (b"\x89ORF\r\n\x1a\n", "an objref container; it needs no import"),
    (b"\x19\x43\x56\x54", "a single CRIU image file; give the directory that holds it"),
    (b"\x40\x59\x10\x55", "a single CRIU image file; give the directory that holds it"),
    (b"\x7fELF", "an ELF program or core dump"),
    (b"{", "JSON text"),
)


def _explain(head: bytes, name: str) -> NoReturn:
    """Say what was found instead of a tar."""
    unsupported = _known(head, UNSUPPORTED)
    if unsupported:
        raise UnsupportedError(f"{name}: found {unsupported}; gzip, zstd, xz, bzip2 or plain tar can be read")
    raise FormatError(f"{name}: not a tar archive: found {_known(head, HINTS) or _describe(head)}")


def _known(head: bytes, table: tuple[tuple[bytes, str], ...]) -> str | None:
    return next((what for magic, what in table if head.startswith(magic)), None)


def _describe(head: bytes) -> str:
    inner = next((known.name for known in COMPRESSIONS if known.starts(head)), None)
    if inner:
        return f"{inner} data inside the compressed data"
    if not head:
        return "nothing: the compressed data holds no bytes"
    if len(head) < BLOCK:
        return f"{len(head)} bytes, less than one tar header: {head[:16]!r}"
    if head[257:262] == b"ustar":
        return "a tar header whose checksum is wrong, at byte 0: it is damaged"
    return f"bytes that start with {head[:16]!r}"
