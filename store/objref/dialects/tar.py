"""Tar streams taken apart (`TarSplitter`) and headers put together (`encode_member`). Pure: no I/O in here.

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

import re
import sys
from functools import partial
from struct import Struct
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, NoReturn

from objref.errors import (
    FormatError,
    IntegrityError,
    LimitError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from objref.limits import DEFAULT, Limits

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

__all__ = [
    "BLOCK",
    "END_OF_ARCHIVE",
    "Begin",
    "Content",
    "End",
    "Event",
    "Header",
    "Member",
    "MemberType",
    "TarSplitter",
    "encode_member",
    "is_header",
    "padding",
]

BLOCK = 512
ZERO_BLOCK = bytes(BLOCK)
END_OF_ARCHIVE = 2 * ZERO_BLOCK
LINE_MAX = 21  # a decimal number below 2^64 and its newline
RUNS_MAX = 1 << 20
"""Data runs of one sparse member: about 100 MB of memory at worst, 4 GiB of alternate pages."""

#   off  size  field
#     0   100  name, NUL-terminated unless all 100 bytes are used
#   100     8  mode        numbers: octal text, or base-256 when the first byte has its top bit set
#   108     8  uid
#   116     8  gid
#   124    12  size        bytes of content stored in the stream
#   136    12  mtime       seconds
#   148     8  checksum    sum of the 512 bytes, this field taken as spaces
#   156     1  typeflag
#   157   100  linkname
#   257     8  magic       "ustar\0" "00" = POSIX, "ustar  \0" = GNU, anything else = V7
#   265    32  uname
#   297    32  gname
#   329     8  devmajor
#   337     8  devminor
#   345   155  prefix      POSIX only; 131 bytes when `tail` ends in "tar\0" (star keeps times after it)
#   500    12  tail
HEADER = Struct("100s8s8s8s12s12s8sc100s8s32s32s8s8s155s12s")
CHECKSUM = slice(148, 156)

#   off  size  field (GNU type S: over prefix and tail)
#   386    96  four runs
#   482     1  extended    not NUL: extension blocks follow
#   483    12  real size
OLD_SPARSE = Struct("386x96sc12s17x")
#     0   504  21 runs
#   504     1  extended
OLD_SPARSE_MORE = Struct("504sc7x")
RUN = Struct("12s12s")  # offset, length

POSIX_MAGIC = b"ustar\x0000"
HIGH_BYTES = bytes(range(128))
OCTAL_DIGITS = b"01234567"

MemberType = Literal["file", "dir", "symlink", "hardlink", "chardev", "blockdev", "fifo", "other"]
EndRule = Literal["required", "optional"]
Runs = tuple[tuple[int, int], ...]

TYPES: dict[bytes, MemberType] = {
    b"\0": "file",
    b"0": "file",
    b"1": "hardlink",
    b"2": "symlink",
    b"3": "chardev",
    b"4": "blockdev",
    b"5": "dir",
    b"6": "fifo",
    b"7": "file",  # contiguous
    b"D": "dir",  # GNU incremental: its content is a list of names
    b"S": "file",  # GNU sparse
}
FLAGS: dict[MemberType, bytes] = {kind: flag for flag, kind in TYPES.items() if b"0" <= flag <= b"6"}
WITHOUT_CONTENT = frozenset([b"1", b"2", b"3", b"4", b"5", b"6"])
TRAILING = sys.maxsize  # bytes left: all that comes


class Member(NamedTuple):
    """One member, its extended headers applied. Names are bytes as the stream has them: data, not paths."""

    name: bytes
    type: MemberType = "file"
    mode: int = 0o644
    """Permission bits, at most 0o7777."""
    uid: int = 0
    gid: int = 0
    mtime_ns: int = 0
    size: int = 0
    """Bytes of content that the stream holds: for a sparse file the sum of its runs, without the map."""
    linkname: bytes = b""
    devmajor: int = 0
    devminor: int = 0
    sparse: Runs | None = None
    """Runs (offset, length) of data, ascending, none empty. None: not sparse."""
    real_size: int = 0
    """Length of the file once its holes are back; `size` unless sparse."""
    typeflag: bytes = b"0"
    pax: tuple[tuple[bytes, bytes], ...] = ()
    """The member's own pax records in stream order; those of global headers are applied but not listed."""

    @property
    def path(self) -> bytes:
        """The name without leading `./` and trailing `/`; empty for the root."""
        name = self.name
        while name.startswith(b"./"):
            name = name[2:].lstrip(b"/")
        name = name.rstrip(b"/")
        return b"" if name == b"." else name


class Header(NamedTuple):
    """Bytes that are not content: headers, extensions, maps, padding, the end blocks and all after them."""

    data: bytes


class Begin(NamedTuple):
    """A member starts. All its headers have been given out before."""

    member: Member


class Content(NamedTuple):
    """A piece of the member's content; a view of the bytes that were fed, so those must not be changed."""

    data: bytes | memoryview


class End(NamedTuple):
    """The member's content is complete."""


Event = Header | Begin | Content | End
END = End()


class _Raw(NamedTuple):
    """The fields of HEADER."""

    name: bytes
    mode: bytes
    uid: bytes
    gid: bytes
    size: bytes
    mtime: bytes
    checksum: bytes
    typeflag: bytes
    linkname: bytes
    magic: bytes
    uname: bytes
    gname: bytes
    devmajor: bytes
    devminor: bytes
    prefix: bytes
    tail: bytes


# Numbers and records


def _number(field: bytes, what: str) -> int:
    """A header's number: octal text (blank is 0) or base-256 in two's complement."""
    if field[0] & 0x80:
        bits = 8 * len(field) - 1
        value = int.from_bytes(field, "big") & ((1 << bits) - 1)
        return value - (1 << bits) if value >> (bits - 1) else value
    text = field.partition(b"\0")[0].strip(b" ")
    if text.translate(None, OCTAL_DIGITS):
        raise FormatError(f"{what}: expected an octal number, found {field!r}")
    return int(text or b"0", 8)


def _decimal(text: bytes, what: str) -> int:
    if not re.fullmatch(rb"-?[0-9]{1,20}", text):
        raise FormatError(f"{what}: expected a decimal number, found {text[:40]!r}")
    return int(text)


def _nanoseconds(text: bytes) -> int:
    """A pax time, exact: digits beyond the ninth are dropped."""
    match = re.fullmatch(rb"(-?)([0-9]{1,20})(?:\.([0-9]*))?", text)
    if match is None:
        raise FormatError(f"pax mtime: expected seconds with a fraction, found {text[:40]!r}")
    sign, whole, fraction = match.groups()
    value = int(whole) * 10**9 + int((fraction or b"")[:9].ljust(9, b"0"))
    return -value if sign else value


def _natural(value: int, what: str) -> int:
    if not 0 <= value < 1 << 63:
        raise FormatError(f"{what}: expected 0 to 2^63-1, found {value}")
    return value


def _records(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """The records "LENGTH KEY=VALUE\\n" of a pax header; LENGTH counts itself and the newline."""
    at = 0
    while at < len(content):
        space = content.find(b" ", at, at + 20)
        digits = content[at : max(space, at)]
        if not digits.isdigit():
            raise FormatError(f"pax record at +{at}: expected its length, found {content[at : at + 20]!r}")
        end = at + int(digits)
        if not space + 1 < end <= len(content) or content[end - 1] != 0x0A:
            raise FormatError(
                f"pax record at +{at}: its length says {end - at}, and no newline is there"
                f" ({len(content) - at} bytes are left)"
            )
        key, equals, value = content[space + 1 : end - 1].partition(b"=")
        if not key or not equals:
            found = content[space + 1 : end][:40]
            raise FormatError(f"pax record at +{at}: expected KEY=VALUE, found {found!r}")
        yield key, value
        at = end


# Checksums


def _checksum(block: bytes) -> tuple[int, int]:
    """The sum of a header over unsigned and over signed bytes: old tars took chars as signed."""
    rest = block[: CHECKSUM.start] + b" " * 8 + block[CHECKSUM.stop :]
    unsigned = sum(rest)
    return unsigned, unsigned - 256 * len(rest.translate(None, HIGH_BYTES))


def _verify(block: bytes, field: bytes) -> None:
    try:
        recorded, sums = _number(field, "header checksum"), _checksum(block)
    except FormatError as error:
        raise IntegrityError(str(error)) from error
    if recorded not in sums:
        raise IntegrityError(f"header checksum: its bytes add up to {sums[0]:#o}, it says {recorded:#o}")


def is_header(block: bytes) -> bool:
    """Whether 512 bytes can start a tar: a header with a good checksum, or the zeros of an empty archive."""
    if len(block) != BLOCK:
        return False
    try:
        _verify(block, block[CHECKSUM])
    except FormatError:
        return block == ZERO_BLOCK
    return True


# Sparse maps


def _runs(numbers: Sequence[int], stored: int, real_size: int) -> Runs:
    """Offsets and lengths in turn, checked: ascending, inside the file, together what is stored."""
    if len(numbers) % 2:
        raise FormatError(f"sparse map: expected pairs, found {len(numbers)} numbers")
    if len(numbers) > 2 * RUNS_MAX:
        raise LimitError(f"sparse map: {len(numbers) // 2} runs, the limit is {RUNS_MAX}")
    runs, end, total = [], 0, 0
    for offset, length in zip(numbers[::2], numbers[1::2], strict=True):
        if offset < end or length < 0 or offset + length > real_size:
            raise FormatError(
                f"sparse map: run {offset}+{length} does not lie between {end} and the file's end {real_size}"
            )
        end, total = offset + length, total + length
        if length:
            runs.append((offset, length))
    if total != stored:
        raise FormatError(f"sparse map: its runs hold {total} bytes, the member stores {stored}")
    return tuple(runs)


def _old_sparse_numbers(runs: bytes) -> list[int]:
    """Runs of GNU type S; the first without text ends the list."""
    numbers: list[int] = []
    for offset, length in RUN.iter_unpack(runs):
        if not offset[0]:
            break
        numbers += _number(offset, "sparse offset"), _number(length, "sparse length")
    return numbers


def _pax_number(values: Mapping[bytes, bytes], key: bytes) -> int:
    if key not in values:
        raise FormatError(f"sparse member: pax record {key!r} is missing")
    return _natural(_decimal(values[key], str(key)), str(key))


def _pax_map(records: Sequence[tuple[bytes, bytes]]) -> list[int] | None:
    """Numbers of a 0.1 map (one list with commas) or a 0.0 map (repeated records); None: not sparse."""
    listed = [value for key, value in records if key == b"GNU.sparse.map"]
    if listed:
        return [_decimal(text, "GNU.sparse.map") for text in listed[-1].split(b",")]
    keys = (b"GNU.sparse.offset", b"GNU.sparse.numbytes")
    repeated = [(key, value) for key, value in records if key in keys]
    if [key for key, _ in repeated] != list(keys) * (len(repeated) // 2):
        raise FormatError("sparse map: GNU.sparse.offset and GNU.sparse.numbytes do not alternate")
    return [_decimal(value, str(key)) for key, value in repeated] or None


class _MapText:
    """The 1.0 map as it comes in blocks: decimal lines COUNT, then OFFSET and LENGTH of each run. Mutable."""

    __slots__ = ("_blocks", "_lines", "_wanted", "size")

    def __init__(self) -> None:
        self._blocks: list[bytes] = []
        self._lines = 0
        self._wanted = 1
        self.size = 0

    def add(self, block: bytes) -> None:
        if not self._blocks:
            count = _natural(_decimal(block.partition(b"\n")[0], "sparse map"), "sparse map")
            if count > RUNS_MAX:
                raise LimitError(f"sparse map: {count} runs, the limit is {RUNS_MAX}")
            self._wanted = 1 + 2 * count
        self._blocks.append(block)
        self._lines += block.count(b"\n")
        self.size += len(block)
        if self.size > self._wanted * LINE_MAX + BLOCK:
            raise FormatError(f"sparse map: longer than {self._wanted} numbers can be")

    @property
    def complete(self) -> bool:
        return self._lines >= self._wanted

    def numbers(self) -> list[int]:
        lines = b"".join(self._blocks).split(b"\n", self._wanted)[1:-1]
        return [_decimal(line, "sparse map") for line in lines]


def _encode_map(runs: Runs, real_size: int) -> bytes:
    """Map of pax sparse 1.0, padded. An empty run ends a file that ends in a hole: GNU tar wants it."""
    listed = list(runs)
    if not runs or sum(runs[-1]) != real_size:
        listed.append((real_size, 0))
    text = b"%d\n" % len(listed) + b"".join(b"%d\n%d\n" % run for run in listed)
    return text + padding(len(text))


def padding(size: int) -> bytes:
    """Zero bytes which fill content of that size up to a whole block."""
    return bytes(-size % BLOCK)


# From headers to a member

RULES: tuple[tuple[bytes, str, Callable[[bytes], object]], ...] = (
    (b"path", "name", bytes),
    (b"GNU.sparse.name", "name", bytes),
    (b"linkpath", "linkname", bytes),
    (b"size", "size", lambda text: _natural(_decimal(text, "pax size"), "pax size")),
    (b"uid", "uid", lambda text: _decimal(text, "pax uid")),
    (b"gid", "gid", lambda text: _decimal(text, "pax gid")),
    (b"mtime", "mtime_ns", _nanoseconds),
)


def _text(field: bytes) -> bytes:
    return field.partition(b"\0")[0]


def _header_name(raw: _Raw) -> bytes:
    name = _text(raw.name)
    if raw.magic[:6] != POSIX_MAGIC[:6]:
        return name
    prefix = _text(raw.prefix[:131] if raw.tail.endswith(b"tar\0") else raw.prefix)
    return prefix + b"/" + name if prefix else name


def _device(raw: _Raw) -> tuple[int, int]:
    """Only devices have numbers there: V7 and some later tars leave junk in the fields."""
    if raw.typeflag not in b"34" or not raw.magic.startswith(b"ustar"):
        return 0, 0
    return _number(raw.devmajor, "devmajor"), _number(raw.devminor, "devminor")


def _plain_member(raw: _Raw) -> Member:
    major, minor = _device(raw)
    return Member(
        name=_header_name(raw),
        type=TYPES.get(raw.typeflag, "other"),
        mode=_number(raw.mode, "mode") & 0o7777,
        uid=_number(raw.uid, "uid"),
        gid=_number(raw.gid, "gid"),
        mtime_ns=_number(raw.mtime, "mtime") * 10**9,
        size=_natural(_number(raw.size, "size"), "size"),
        linkname=_text(raw.linkname),
        devmajor=major,
        devminor=minor,
        typeflag=raw.typeflag,
    )


def _settle(member: Member) -> Member:
    """Apply what depends on the final name and size (see the module's rules)."""
    if member.typeflag in WITHOUT_CONTENT:
        return member._replace(size=0)
    if member.type == "file" and not member.size and member.name.endswith(b"/") and member.sparse is None:
        member = member._replace(type="dir")
    return member._replace(real_size=member.size)


def _extend(member: Member, values: Mapping[bytes, bytes]) -> Member:
    """Apply pax records. An empty value means: as if the record were not there."""
    changes: dict[str, Any] = {field: rule(values[key]) for key, field, rule in RULES if values.get(key)}
    return member._replace(**changes) if changes else member


# The splitter


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
        raw = _Raw(*HEADER.unpack(block))
        _verify(block, raw.checksum)
        extension = EXTENSIONS.get(raw.typeflag)
        if extension is not None:
            return self._extension(raw, extension)
        own = self._records
        values = {**self._globals, **dict(own)} if own or self._globals else {}
        member = _plain_member(raw)._replace(pax=tuple(own))
        member = _settle(_extend(self._long_names(member), values))
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
        self._mode, self._left, self._what = self._content, member.size, f"the content of {member.name!r}"
        return [Begin(member)]

    def _end_member(self) -> tuple[Event]:
        pad = -self._member.size % BLOCK
        if pad:
            self._mode, self._left = self._padding, pad
            self._what = f"the padding after {self._member.name!r}"
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

    def _extension(self, raw: _Raw, rule: _Extension) -> list[Event]:
        size = _natural(_number(raw.size, "size"), "size")
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
        self._records += _records(content)

    def _add_globals(self, content: bytes) -> None:
        for key, value in _records(content):
            if key == b"size" or key.startswith(b"GNU.sparse."):
                raise UnsupportedError(f"global pax header: {key!r} can be meant for one member only")
            self._globals[key] = value
        total = sum(len(key) + len(value) for key, value in self._globals.items())
        if total > self._limits.tar_header:
            raise LimitError(f"global pax headers: {total} bytes, the limit is {self._limits.tar_header}")

    def _add_long_name(self, content: bytes) -> None:
        self._longs["name"] = _text(content)

    def _add_long_link(self, content: bytes) -> None:
        self._longs["linkname"] = _text(content)

    # Sparse members: the map is read before the member begins, and given out as Header

    def _old_sparse(self, member: Member, block: bytes) -> list[Event]:
        runs, extended, real_size = OLD_SPARSE.unpack(block)
        member = member._replace(real_size=_natural(_number(real_size, "real size"), "real size"))
        return self._old_sparse_runs(member, _old_sparse_numbers(runs), extended)

    def _old_sparse_more(self, member: Member, numbers: list[int], block: bytes) -> list[Event]:
        runs, extended = OLD_SPARSE_MORE.unpack(block)
        numbers += _old_sparse_numbers(runs)
        return self._old_sparse_runs(member, numbers, extended)

    def _old_sparse_runs(self, member: Member, numbers: list[int], extended: bytes) -> list[Event]:
        if len(numbers) > 2 * RUNS_MAX or extended == b"\0":
            return self._begin(member._replace(sparse=_runs(numbers, member.size, member.real_size)))
        then = partial(self._old_sparse_more, member, numbers)
        self._gather(BLOCK, f"the sparse map of {member.name!r}", then)
        return []

    def _pax_sparse(self, member: Member, values: Mapping[bytes, bytes]) -> list[Event]:
        version = (values.get(b"GNU.sparse.major", b"0"), values.get(b"GNU.sparse.minor", b"0"))
        if version == (b"1", b"0"):
            real_size = _pax_number(values, b"GNU.sparse.realsize")
            return self._map_block(member._replace(real_size=real_size), _MapText())
        if version not in ((b"0", b"0"), (b"0", b"1")):
            raise UnsupportedError(f"sparse format {version!r}: 0.0, 0.1 and 1.0 are known")
        numbers = _pax_map(member.pax)
        if numbers is None:
            return self._begin(member)
        real_size = _pax_number(values, b"GNU.sparse.size")
        runs = _runs(numbers, member.size, real_size)
        return self._begin(member._replace(sparse=runs, real_size=real_size))

    def _map_block(self, member: Member, text: _MapText) -> list[Event]:
        if text.size >= member.size:
            raise FormatError(f"sparse map of {member.name!r}: longer than the {member.size} bytes stored")
        self._gather(BLOCK, f"the sparse map of {member.name!r}", partial(self._map_more, member, text))
        return []

    def _map_more(self, member: Member, text: _MapText, block: bytes) -> list[Event]:
        text.add(block)
        if not text.complete:
            return self._map_block(member, text)
        stored = member.size - text.size
        runs = _runs(text.numbers(), stored, member.real_size)
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


# Writing headers

FIELD_BYTES = 100  # of name and linkname
SMALL_MAX = 0o7777777  # uid, gid, device numbers
LARGE_MAX = 0o77777777777  # size, mtime: 8 GiB - 1
PAX_NAME = b"././@PaxHeader"  # what tarfile writes; readers ignore it


def _record(key: bytes, value: bytes) -> bytes:
    body = b" %b=%b\n" % (key, value)
    digits = len(str(len(body)))
    if len(str(len(body) + digits)) > digits:
        digits += 1
    return b"%d%b" % (len(body) + digits, body)


def _seconds(mtime_ns: int) -> bytes:
    whole, fraction = divmod(abs(mtime_ns), 10**9)
    text = b"%b%d" % (b"-" if mtime_ns < 0 else b"", whole)
    return text + (b".%09d" % fraction).rstrip(b"0") if fraction else text


def _is_plain(name: bytes) -> bool:
    return name.isascii() and len(name) <= FIELD_BYTES and b"\0" not in name


def _is_utf8(name: bytes) -> bool:
    try:
        name.decode()
    except UnicodeDecodeError:
        return False
    return True


def _needed_records(member: Member, name: bytes, stored: int) -> Iterator[tuple[bytes, bytes]]:
    """What the header's fields cannot say, in writing order. No other records: the form is canonical."""
    if not (_is_utf8(member.name) and _is_utf8(member.linkname)):
        yield b"hdrcharset", b"BINARY"
    if not _is_plain(name):
        yield b"path", name
    if not _is_plain(member.linkname):
        yield b"linkpath", member.linkname
    if stored > LARGE_MAX:
        yield b"size", b"%d" % stored
    for key, value in ((b"uid", member.uid), (b"gid", member.gid)):
        if not 0 <= value <= SMALL_MAX:
            yield key, b"%d" % value
    if member.mtime_ns % 10**9 or not 0 <= member.mtime_ns // 10**9 <= LARGE_MAX:
        yield b"mtime", _seconds(member.mtime_ns)
    if member.sparse is not None:
        yield b"GNU.sparse.major", b"1"
        yield b"GNU.sparse.minor", b"0"
        yield b"GNU.sparse.name", member.name
        yield b"GNU.sparse.realsize", b"%d" % member.real_size


def _octal(value: int, width: int) -> bytes:
    """Octal digits and a NUL; 0 where a pax record says it instead."""
    return b"%0*o\0" % (width - 1, value if 0 <= value < 8 ** (width - 1) else 0)


def _header_block(member: Member, flag: bytes, name: bytes, stored: int) -> bytes:
    block = HEADER.pack(
        name,
        _octal(member.mode, 8),
        _octal(member.uid, 8),
        _octal(member.gid, 8),
        _octal(stored, 12),
        _octal(member.mtime_ns // 10**9, 12),
        b" " * 8,
        flag,
        member.linkname,
        POSIX_MAGIC,
        b"",
        b"",
        _octal(member.devmajor, 8),
        _octal(member.devminor, 8),
        b"",
        b"",
    )
    checksum = b"%06o\0 " % sum(block)
    return block[: CHECKSUM.start] + checksum + block[CHECKSUM.stop :]


def _stored_name(member: Member) -> bytes:
    """Directories end in `/`; the name of sparse files warns readers that know no holes."""
    if member.type == "dir":
        return member.name if member.name.endswith(b"/") else member.name + b"/"
    if member.sparse is None:
        return member.name
    folder, slash, base = member.name.rpartition(b"/")
    return folder + slash + b"GNUSparseFile.0/" + base


def encode_member(member: Member, *, limits: Limits = DEFAULT) -> bytes:
    """All blocks before the member's content: a pax header if needed, the header, the sparse map.

    Canonical: equal members give equal bytes. `pax` and `typeflag` are not consulted, user and group names
    stay empty. Content (`size` bytes) and `padding` must follow. Errors: UsageError; LimitError (long names).
    """
    flag = FLAGS.get(member.type)
    if flag is None or max(member.devmajor, member.devminor) > SMALL_MAX or not 0 <= member.mode <= 0o7777:
        raise UsageError(f"{member.name!r}: no tar header can say this: {member.type}, mode {member.mode:o}")
    name = _stored_name(member)
    sparse_map = b"" if member.sparse is None else _encode_map(member.sparse, member.real_size)
    stored = len(sparse_map) + member.size
    records = b"".join(_record(*pair) for pair in _needed_records(member, name, stored))
    if len(records) > limits.tar_header:
        found, limit = len(records), limits.tar_header
        raise LimitError(f"{member.name[:80]!r}: pax header of {found} bytes, the limit is {limit}")
    header = _header_block(member, flag, name, stored) + sparse_map
    if not records:
        return header
    pax = _header_block(Member(PAX_NAME), b"x", PAX_NAME, len(records))
    return pax + records + padding(len(records)) + header
