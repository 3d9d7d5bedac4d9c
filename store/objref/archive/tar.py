"""Tar streams taken apart (`TarSplitter`). Headers are put together in tar_write. Pure: no I/O in here.

Understood: V7, ustar, pax (x, g, Solaris X), GNU (L, K, base-256 numbers, old sparse S), pax sparse 0.0, 0.1,
1.0. Sources: POSIX.1-2017 pax, "ustar Interchange Format" and "pax Interchange Format"; the GNU tar manual,
"Basic Tar Format" and "Sparse Formats"; tar(5) of libarchive. Where readers disagree, the rules of GNU tar,
Go and Python hold:

- Links, directories, devices and fifos have no content, whatever their size field says. Only libarchive reads
  content after a pax hard link (GNU tar takes its size as 0); here that ends in a checksum error, so loudly.
- A `file` of size 0 whose name ends in `/` is a directory: V7 had no type for it. With a size it is a file.
- The first zero block ends the archive. What follows, more archives included, is kept, not interpreted.
- A name comes from GNU.sparse.name, else pax path, else GNU L, else the header.
- A global header may not set what is one member's own (size, GNU.sparse.*): readers differ, so it is refused.
"""

from __future__ import annotations

import sys
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from objref.archive.tar_header import (
    BLOCK,
    HEADER,
    ZERO_BLOCK,
    Raw,
    field_text,
    natural,
    number,
    plain_member,
    verify,
)
from objref.archive.tar_member import END, Begin, Content, End, Event, Header, Member
from objref.archive.tar_pax import apply_records, decode_records
from objref.archive.tar_sparse import (
    OLD_SPARSE,
    OLD_SPARSE_MORE,
    RUNS_MAX,
    MapText,
    checked_runs,
    old_sparse_numbers,
    pax_map,
    pax_number,
)
from objref.archive.tar_write import encode_member
from objref.errors import FormatError, LimitError, TruncatedError, UnsupportedError
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = ["Begin", "Content", "End", "Event", "Header", "Member", "TarSplitter", "encode_member"]

EndRule = Literal["required", "optional"]

WITHOUT_CONTENT = frozenset([b"1", b"2", b"3", b"4", b"5", b"6"])
TRAILING = sys.maxsize  # bytes left: all that comes


def _settle(member: Member) -> Member:
    """Apply what depends on the final name and size (see the module's rules)."""
    if member.typeflag in WITHOUT_CONTENT:
        return member._replace(size=0)
    if member.type == "file" and not member.size and member.name.endswith(b"/") and member.sparse is None:
        member = member._replace(type="dir")
    return member._replace(real_size=member.size)


class TarSplitter:
    """Takes a tar stream apart as it passes. Mutable, and unusable after its first error.

    The data of all Header and Content events, joined, is the stream. It may be fed in any pieces: only the
    cuts between neighbouring events of one sort then differ. Exhaust each iterator before the next call.
    `end="optional"` accepts a stream that stops between two members: GNU tar does, but a torn one may, too.

    Errors: FormatError, IntegrityError, LimitError, TruncatedError, UnsupportedError; all name the byte.
    """

    def __init__(self, *, end: EndRule = "required", limits: Limits = DEFAULT) -> None:
        self._end_rule = end
        self._limits = limits
        self._position = 0  # of the next byte fed
        self._failure: FormatError | None = None
        self._globals: dict[bytes, bytes] = {}
        self._stray_at: int | None = None
        self._ended = False
        self._forget_extensions()
        self._await_header()

    @property
    def position(self) -> int:
        """Bytes fed so far."""
        return self._position

    @property
    def ended(self) -> bool:
        """Whether the end-of-archive marker has passed."""
        return self._ended

    @property
    def stray_at(self) -> int | None:
        """Where the first byte after the end marker lies that is not zero (an appended archive?), or None."""
        return self._stray_at

    def feed(self, data: bytes) -> Iterator[Event]:
        """Events of the next bytes."""
        if self._failure:
            raise self._failure
        view, at = memoryview(data), 0
        while at < len(view):
            piece = view[at : at + self._left]
            at += len(piece)
            self._left -= len(piece)
            self._position += len(piece)
            yield from self._mode(piece)

    def finish(self) -> Iterator[Event]:
        """The stream is over: yields what was held back, then TruncatedError if something is missing."""
        if self._failure:
            raise self._failure
        if self._ended:
            return
        if self._held:
            yield Header(bytes(self._held))
        inside = self._what or ("a header" if self._held or self._extension_bytes else "")
        if inside:
            reason = f"the stream ends inside {inside}; {self._left} more bytes were expected"
            self._fail(TruncatedError(reason), self._position)
        if not self._position:
            self._fail(TruncatedError("the stream is empty; expected a tar archive"), 0)
        if self._end_rule == "required":
            reason = "the stream ends without the end marker, a block of zeros: members may be missing"
            self._fail(TruncatedError(reason), self._position)

    # Modes: what becomes of the next `_left` bytes

    def _gather(self, count: int, what: str, then: Callable[[bytes], list[Event]]) -> None:
        """Collect exactly `count` bytes, give them out as a Header, then call `then` with them."""
        self._mode, self._left, self._what, self._then = self._gathering, count, what, then
        self._held = bytearray()
        self._start = self._position

    def _gathering(self, piece: memoryview) -> Sequence[Event]:
        if self._left:
            self._held += piece
            return ()
        block = bytes(self._held + piece) if self._held else bytes(piece)
        self._held = bytearray()
        try:
            return [Header(block), *self._then(block)]
        except FormatError as error:
            self._fail(error, self._start)

    def _fail(self, error: FormatError, position: int) -> NoReturn:
        self._failure = type(error)(f"tar stream, byte {position}: {error}")
        raise self._failure from None

    def _await_header(self) -> None:
        self._gather(BLOCK, "", self._header)

    def _content(self, piece: memoryview) -> Sequence[Event]:
        return (Content(piece),) if self._left else (Content(piece), *self._end_member())

    def _padding(self, piece: memoryview) -> Sequence[Event]:
        if not self._left:
            self._await_header()
        return (Header(bytes(piece)),)

    def _trailing(self, piece: memoryview) -> Sequence[Event]:
        data = bytes(piece)
        self._left = TRAILING
        if self._stray_at is None and data != bytes(len(data)):
            self._stray_at = self._position - len(data.lstrip(b"\0"))
        return (Header(data),)

    # Steps

    def _header(self, block: bytes) -> list[Event]:
        if block == ZERO_BLOCK:
            self._ended, self._mode, self._left = True, self._trailing, TRAILING
            return []
        raw = Raw(*HEADER.unpack(block))
        verify(block, raw.checksum)
        extension = EXTENSIONS.get(raw.typeflag)
        if extension is not None:
            return self._extension(raw, extension)
        own = self._records
        values = {**self._globals, **dict(own)} if own or self._globals else {}
        member = plain_member(raw)._replace(pax=tuple(own))
        member = _settle(apply_records(self._long_names(member), values))
        self._forget_extensions()
        if member.type != "file":
            return self._begin(member)
        if raw.typeflag == b"S":
            return self._old_sparse(member, block)
        return self._pax_sparse(member, values)

    def _begin(self, member: Member) -> list[Event]:
        self._member = member
        if not member.size:
            return [Begin(member), *self._end_member()]
        self._mode, self._left, self._what = self._content, member.size, f"the content of {_shown(member.name)}"
        return [Begin(member)]

    def _end_member(self) -> tuple[Event]:
        pad = -self._member.size % BLOCK
        if pad:
            self._mode, self._left = self._padding, pad
            self._what = f"the padding after {_shown(self._member.name)}"
        else:
            self._await_header()
        return (END,)

    # Extended headers

    def _forget_extensions(self) -> None:
        self._records: list[tuple[bytes, bytes]] = []
        self._longs: dict[str, Any] = {}
        self._extension_bytes = 0

    def _long_names(self, member: Member) -> Member:
        return member._replace(**self._longs) if self._longs else member

    def _extension(self, raw: Raw, rule: _Extension) -> list[Event]:
        size = natural(number(raw.size, "size"), "size")
        self._extension_bytes += size
        if self._extension_bytes > self._limits.tar_header:
            found, limit = self._extension_bytes, self._limits.tar_header
            raise LimitError(f"{rule.what}: {found} bytes before one member, the limit is {limit}")
        if size:
            self._gather(size + -size % BLOCK, rule.what, partial(self._apply, rule.apply, size))
        else:
            self._await_header()
        return []

    def _apply(self, apply: Callable[[TarSplitter, bytes], None], size: int, block: bytes) -> list[Event]:
        apply(self, block[:size])
        self._await_header()
        return []

    def _add_records(self, content: bytes) -> None:
        self._records += decode_records(content)

    def _add_globals(self, content: bytes) -> None:
        for key, value in decode_records(content):
            if key == b"size" or key.startswith(b"GNU.sparse."):
                raise UnsupportedError(f"global pax header: {key!r} can be meant for one member only")
            self._globals[key] = value
        total = sum(len(key) + len(value) for key, value in self._globals.items())
        if total > self._limits.tar_header:
            raise LimitError(f"global pax headers: {total} bytes, the limit is {self._limits.tar_header}")

    def _add_long_name(self, content: bytes) -> None:
        self._longs["name"] = field_text(content)

    def _add_long_link(self, content: bytes) -> None:
        self._longs["linkname"] = field_text(content)

    # Sparse members: the map is read before the member begins, and given out as Header

    def _old_sparse(self, member: Member, block: bytes) -> list[Event]:
        runs, extended, real_size = OLD_SPARSE.unpack(block)
        member = member._replace(real_size=natural(number(real_size, "real size"), "real size"))
        return self._old_sparse_runs(member, old_sparse_numbers(runs), extended)

    def _old_sparse_more(self, member: Member, numbers: list[int], block: bytes) -> list[Event]:
        runs, extended = OLD_SPARSE_MORE.unpack(block)
        numbers += old_sparse_numbers(runs)
        return self._old_sparse_runs(member, numbers, extended)

    def _old_sparse_runs(self, member: Member, numbers: list[int], extended: bytes) -> list[Event]:
        if len(numbers) > 2 * RUNS_MAX or extended == b"\0":
            return self._begin(member._replace(sparse=checked_runs(numbers, member.size, member.real_size)))
        then = partial(self._old_sparse_more, member, numbers)
        self._gather(BLOCK, f"the sparse map of {_shown(member.name)}", then)
        return []

    def _pax_sparse(self, member: Member, values: Mapping[bytes, bytes]) -> list[Event]:
        version = (values.get(b"GNU.sparse.major", b"0"), values.get(b"GNU.sparse.minor", b"0"))
        if version == (b"1", b"0"):
            real_size = pax_number(values, b"GNU.sparse.realsize")
            return self._map_block(member._replace(real_size=real_size), MapText())
        if version not in ((b"0", b"0"), (b"0", b"1")):
            raise UnsupportedError(f"sparse format {version!r}: 0.0, 0.1 and 1.0 are known")
        numbers = pax_map(member.pax)
        if numbers is None:
            return self._begin(member)
        real_size = pax_number(values, b"GNU.sparse.size")
        runs = checked_runs(numbers, member.size, real_size)
        return self._begin(member._replace(sparse=runs, real_size=real_size))

    def _map_block(self, member: Member, text: MapText) -> list[Event]:
        if text.size >= member.size:
            raise FormatError(f"sparse map of {_shown(member.name)}: longer than the {member.size} bytes stored")
        self._gather(BLOCK, f"the sparse map of {_shown(member.name)}", partial(self._map_more, member, text))
        return []

    def _map_more(self, member: Member, text: MapText, block: bytes) -> list[Event]:
        text.add(block)
        if not text.complete:
            return self._map_block(member, text)
        stored = member.size - text.size
        runs = checked_runs(text.numbers(), stored, member.real_size)
        return self._begin(member._replace(size=stored, sparse=runs))


class _Extension(NamedTuple):
    """A header that speaks about the next member."""

    what: str
    apply: Callable[[TarSplitter, bytes], None]


EXTENSIONS: dict[bytes, _Extension] = {
    b"x": _Extension("pax header", TarSplitter._add_records),
    b"X": _Extension("pax header", TarSplitter._add_records),
    b"g": _Extension("global pax header", TarSplitter._add_globals),
    b"L": _Extension("GNU long name", TarSplitter._add_long_name),
    b"K": _Extension("GNU long link name", TarSplitter._add_long_link),
}


def _shown(name: bytes) -> str:
    """A name for messages, in which what is not UTF-8 is escaped."""
    return repr(name.decode("utf-8", "backslashreplace"))
