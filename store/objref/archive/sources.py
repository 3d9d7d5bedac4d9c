"""What an import reads: a directory, or a tar, compressed or not, as one stream of uncompressed tar bytes.

The stream comes in chunks of exactly 1 MiB (the last may be shorter), however the pipe delivers: what is cut
by chunks downstream is cut the same each time. Only what has frames of its own, as the native stream, comes as it is
delivered: of memory each copy costs as much as reading it. A source is read once, front to back, and never sought in.
The format is told by its first bytes, never by a suffix: Podman writes zstd under `.tar.gz`.

Memory: a chunk, the window of the decompressor (at most 128 MiB), and little else, whatever the input.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, NamedTuple, NoReturn, Self

from objref.archive.decompress import bzip2, gzip, xz
from objref.archive.decompress_zstd import is_zstd, zstd
from objref.archive.directory import read_directory
from objref.archive.directory_parents import image_roots
from objref.archive.paths import AnyPath, OnSkip, naming, refuse
from objref.archive.source_bytes import CHUNK, Input, Readable
from objref.archive.tar_header import BLOCK, is_header
from objref.errors import FormatError, TruncatedError, UnsupportedError
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from types import TracebackType

__all__ = ["Source", "open_source"]

Kind = Literal["directory", "tar", "stream"]
OnCut = Callable[[str], None]
"""Told where compressed data ends too early; what was decoded up to there is the stream. May raise."""
Known = Callable[[bytes], bool]

LEAST = 1 << 16  # of pieces that are passed on as they come: a pipe may give single bytes
READ = 1 << 18  # uncompressed bytes taken at a time: from pipes 1.7 times as fast as whole chunks


class Source:
    """The uncompressed tar stream of a source, to be iterated once within a `with`. Mutable: owns its files.

    `kind` is "directory" or "tar", `compression` the format's name or None, `name` what messages call it.
    """

    def __init__(
        self,
        name: str,
        kind: Kind,
        compression: str | None,
        pieces: Iterator[bytes],
        close: Callable[[], None],
        folders: Sequence[AnyPath] = (),
    ) -> None:
        self.name = name
        self.folders = folders
        self.kind: Kind = kind
        self.compression = compression
        self._pieces = pieces
        self._close = close

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close what was opened here; a file object that was handed in stays open."""
        with suppress(OSError):  # what was read was read
            self._close()


def open_source(
    source: AnyPath | Readable,
    *,
    root: AnyPath | None = None,
    on_skip: OnSkip = refuse,
    on_cut: OnCut | None = None,
    known: Known = lambda head: False,
    framed: Known = lambda head: False,
    expected: str = "a tar archive",
    limits: Limits = DEFAULT,
) -> Source:
    """Open a directory, a file or a binary file object (for standard input: `sys.stdin.buffer`).

    `root`, `on_skip`: see `directory_parents.image_roots` and `directory.read_directory`; without `on_skip`,
    what cannot be kept is an error. Without `on_cut` compressed data that ends too early is one, too. `expected`: what
    may come, in words. `framed`: what is not cut into chunks. Errors, here
    and while iterating: SourceError if the system refuses or a file changes, TruncatedError and FormatError with
    the place in the compressed input, UnsupportedError, LimitError.
    """
    if not isinstance(source, str | bytes | os.PathLike):
        return _open_stream(
            source, str(getattr(source, "name", "input")), lambda: None, known, framed, expected, on_cut
        )
    if os.path.isdir(source):
        folder, names = image_roots(source, root, on_skip=on_skip, limits=limits)
        pieces = _chunks(read_directory(folder, only=names, on_skip=on_skip))
        read = [os.path.join(os.fsencode(folder), name) for name in names] or [os.fsencode(folder)]
        return Source(os.fsdecode(source), "directory", None, pieces, lambda: None, read)
    with naming(os.fsencode(source)):
        file = open(source, "rb", buffering=0)  # noqa: SIM115 - the Source closes it
    try:
        return _open_stream(file, os.fsdecode(source), file.close, known, framed, expected, on_cut)
    except BaseException:
        file.close()
        raise


def _open_stream(
    file: Readable,
    name: str,
    close: Callable[[], None],
    known: Known,
    framed: Known,
    expected: str,
    on_cut: OnCut | None,
) -> Source:
    _widen_pipe(file)
    source = Input(file, name)
    head = source.peek(BLOCK)
    if not head:
        raise TruncatedError(f"{name}: empty; expected {expected}, compressed or not")
    if kind := _kind(head, known):
        cutting = _large if framed(head) else _chunks
        return Source(name, kind, None, cutting(_plain(source)), close)
    compression = next((codec for codec in COMPRESSIONS if codec.starts(head)), None)
    if compression is None:
        _explain(head, name, expected)
    cut: list[TruncatedError] = []
    pieces, head = _peek_pieces(_to_cut(compression.decode(source), cut), BLOCK)
    kind = _kind(head, known)
    if kind is None:
        _explain(head, f"{name} ({compression.name})", expected, cut)
    cutting = _large if framed(head) else _chunks
    return Source(name, kind, compression.name, cutting(_telling(pieces, cut, name, on_cut)), close)


def _to_cut(pieces: Iterator[bytes], cut: list[TruncatedError]) -> Iterator[bytes]:
    """The pieces up to where the compressed data ends too early, if it does."""
    try:
        yield from pieces
    except TruncatedError as error:
        cut.append(error)


def _telling(pieces: Iterator[bytes], cut: list[TruncatedError], name: str, on_cut: OnCut | None) -> Iterator[bytes]:
    """The same pieces; at their end it is told, or raised, that there should be more."""
    yield from pieces
    for error in cut:
        if on_cut is None:
            raise error
        on_cut(str(error).removeprefix(f"{name}: "))


def _kind(head: bytes, known: Known) -> Kind | None:
    """What uncompressed bytes are, by their first ones."""
    if is_header(head):
        return "tar"
    return "stream" if known(head) else None


def _widen_pipe(file: Readable) -> None:
    """A pipe that holds 1 MiB needs a sixteenth of the reads. Where it cannot be had, nothing is lost."""
    with suppress(OSError, AttributeError, ValueError, TypeError, ImportError):
        import fcntl

        fd = file.fileno()  # type: ignore[attr-defined]
        if stat.S_ISFIFO(os.fstat(fd).st_mode):
            fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, CHUNK)


def _plain(source: Input) -> Iterator[bytes]:
    while piece := source.read(READ):
        yield piece


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


def _large(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes; only small pieces are joined."""
    held = bytearray()
    for piece in pieces:
        if not held and len(piece) >= LEAST:
            yield piece
            continue
        held += piece
        if len(held) >= LEAST:
            yield bytes(held)
            held.clear()
    if held:
        yield bytes(held)


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


# How it may be compressed


class _Compression(NamedTuple):
    name: str
    starts: Callable[[bytes], bool]
    decode: Callable[[Input], Iterator[bytes]]


def _starting(magic: bytes) -> Callable[[bytes], bool]:
    return lambda head: head.startswith(magic)


COMPRESSIONS = (
    _Compression("gzip", _starting(b"\x1f\x8b"), gzip),
    _Compression("zstd", is_zstd, zstd),
    _Compression("xz", _starting(b"\xfd7zXZ\0"), xz),
    _Compression("bzip2", _starting(b"BZh"), bzip2),
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
    (b"\x89ORF\r\n\x1a\n", "an objref container; `objref export` gives back the stream that it holds"),
    (b"\x89ORN\r\n\x1a\n", "the native stream of an image, which `objref import` takes"),
    (b"\x19\x43\x56\x54", "a single CRIU image file; give the directory that holds it"),
    (b"\x40\x59\x10\x55", "a single CRIU image file; give the directory that holds it"),
    (b"\x7fELF", "an ELF program or core dump"),
    (b"{", "JSON text"),
)


def _explain(head: bytes, name: str, expected: str, cut: Sequence[TruncatedError] = ()) -> NoReturn:
    """Say what was found instead of what may come."""
    if cut and len(head) < BLOCK:
        raise TruncatedError(f"{cut[0]}: nothing that could be kept came before")
    unsupported = _known(head, UNSUPPORTED)
    if unsupported:
        raise UnsupportedError(f"{name}: found {unsupported}; gzip, zstd, xz, bzip2 or plain tar can be read")
    raise FormatError(f"{name}: found {_known(head, HINTS) or _describe(head)}; expected {expected}")


def _known(head: bytes, table: tuple[tuple[bytes, str], ...]) -> str | None:
    return next((what for magic, what in table if head.startswith(magic)), None)


def _describe(head: bytes) -> str:
    inner = next((codec.name for codec in COMPRESSIONS if codec.starts(head)), None)
    if inner:
        return f"{inner} data inside the compressed data"
    if not head:
        return "nothing: the compressed data holds no bytes"
    if len(head) < BLOCK:
        return f"{len(head)} bytes, less than one tar header: {head[:16]!r}"
    if head[257:262] == b"ustar":
        return "a tar header whose checksum is wrong, at byte 0: it is damaged"
    return f"bytes that start with {head[:16]!r}"
