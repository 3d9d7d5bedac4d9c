"""One image file of a CRIU directory, taken apart as its bytes come (docs/criu.md).

Each class has `feed(data)` and `end()`, which give events. Every byte that goes in comes out in a run, in order, also
when the file is not what its name says: then it is kept as it is, with a note.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from itertools import count
from typing import Any, NamedTuple

from objref.container.format import PAGE
from objref.dialects.criu.kinds import COMMON_MAGIC, KIND, MESSAGES, SERVICE_MAGIC, FileKind, ImageName
from objref.dialects.criu.refs import EXTRACT, LayerState, Outbox
from objref.dialects.events import Edges, Event, Note, Objects, Pages, Part, Run, Whole
from objref.limits import Limits

__all__ = ["File", "Member", "Numbering", "Pagemap", "open_file"]

LENGTH = struct.Struct("<I")
PAIR_HIGH = 32
KEY_MASK = (1 << 64) - 1
TAIL_SECTION = "page-tail"
OTHER_SECTION = "other"
REMEMBERED = frozenset(["pipe-data", "fifo-data", "ipcns-shm", "ipcns-msg", "ipcns-sem", "netdev"])
"""Kinds whose keys the end of the stream asks for."""


class Numbering:
    """Ordinals, given out in the order in which objects are announced. Mutable."""

    def __init__(self) -> None:
        self.next = 0
        self.token = 0

    def take(self, n: int) -> int:
        """Ordinal of the first of the next n objects."""
        first = self.next
        self.next += n
        return first

    def new_token(self) -> int:
        """A token that was not used before."""
        self.token += 1
        return self.token


class Member(NamedTuple):
    """What a file splitter must know about the file it splits."""

    path: str
    """For notes."""
    layer: int
    token: int
    size: int
    runs: tuple[tuple[int, int], ...] | None
    real_size: int


class Pagemap(NamedTuple):
    """A page map as it was read: where each entry is, its pages, its flags (1 parent, 2 lazy, 4 present)."""

    pages_id: int
    vaddr: array[int]
    pages: array[int]
    flags: array[int]


class File:
    """A file that nobody looks into. The other classes begin like it."""

    def __init__(self, member: Member, numbering: Numbering) -> None:
        self.member = member
        self._numbering = numbering

    def feed(self, data: memoryview) -> Iterator[Event]:
        """The next bytes of the file."""
        yield self._run(OTHER_SECTION, data, bulk=True)

    def end(self) -> Iterator[Event]:
        """The file is complete."""
        return iter(())

    def _run(self, section: str, data: bytes | memoryview, bulk: bool = False) -> Run:
        return Run(section, data, (Part(self.member.token, 0, len(data)),), bulk)

    def _whole(self, kind: str, number: int) -> Whole:
        """The object that is this file."""
        self._numbering.take(1)
        member = self.member
        return Whole(KIND[kind], member.layer, number, member.token, True, member.runs, member.real_size)

    def _note(self, what: str, text: str) -> Note:
        return Note(what, self.member.path, text)


class HoledFile(File):
    """An image file with holes. CRIU makes none there, and items cannot be followed where no bytes are stored."""

    def end(self) -> Iterator[Event]:
        yield self._note("holes", "has holes, which only pages and raw files may have: kept, not looked into")


class RawFile(File):
    """A file without structure that CRIU wrote: firewall rules, the content of a tmpfs."""

    def __init__(self, member: Member, numbering: Numbering, name: ImageName) -> None:
        super().__init__(member, numbering)
        self._name = name

    def feed(self, data: memoryview) -> Iterator[Event]:
        yield self._run(self._name.spec.kind, data, bulk=True)

    def end(self) -> Iterator[Event]:
        yield self._whole(self._name.spec.kind, self._name.number)


class PagesFile(File):
    """Memory pages, page by page wherever the pieces end. A part of a page at the end is kept aside."""

    def __init__(self, member: Member, numbering: Numbering, name: ImageName) -> None:
        super().__init__(member, numbering)
        self._name = name
        self._carry = b""

    def feed(self, data: memoryview) -> Iterator[Event]:
        tokens = (self.member.token,)
        if self._carry:
            missing = PAGE - len(self._carry)
            self._carry += data[:missing]
            data = data[missing:]
            if len(self._carry) < PAGE:
                return
            yield Pages(memoryview(self._carry), tokens)
            self._carry = b""
        whole = len(data) // PAGE * PAGE
        if whole:
            yield Pages(data[:whole], tokens)
        self._carry = bytes(data[whole:])

    def end(self) -> Iterator[Event]:
        if self._carry:
            yield self._run(TAIL_SECTION, self._carry)
        yield self._whole(self._name.spec.kind, self._name.number)


Parser = Callable[[bytes], Any]


def parser(name: str) -> Parser:
    """Bytes to a message of that name; ValueError for others. (protobuf is imported late: it is slow to start.)"""
    from google.protobuf.message import DecodeError

    from objref.dialects.criu.schema import message_class

    parse = message_class(name).FromString

    def checked(data: bytes) -> Any:
        try:
            return parse(data)
        except DecodeError as error:  # no ValueError
            raise ValueError(str(error)) from None

    return checked


class ImageFile(File):
    """Header, then length-prefixed items to the end of the file, each an object."""

    def __init__(
        self, member: Member, numbering: Numbering, name: ImageName, state: LayerState, limits: Limits
    ) -> None:
        super().__init__(member, numbering)
        self.spec: FileKind = name.spec
        self.number = name.number
        self._state = state
        self._limit = limits.item
        self._carry = bytearray()
        self._need = 4
        self._done = 0
        self._index = 0
        self._started = False
        self._kept_as_is = False
        self._parse: Parser | None = None
        self._key = _key_rule(name.spec.key, name.number)

    # -- bytes in ------------------------------------------------------------------------------------------

    def feed(self, data: memoryview) -> Iterator[Event]:
        if self._kept_as_is:
            yield self._run(self._section, data)
            return
        self._carry += data
        if len(self._carry) < self._need:
            return
        buffer = bytes(self._carry)
        self._carry.clear()
        start = 0
        if not self._started:
            start = self._header(buffer)
            if not start:
                yield from self._give_up(buffer)
                return
            if start > len(buffer):
                self._carry += buffer
                self._need = start
                return
            self._started = True
        yield from self._items(buffer, start)

    @property
    def _section(self) -> str:
        return self.spec.kind if self._started else OTHER_SECTION

    def _header(self, buffer: bytes) -> int:
        """Length of the header, 0 when it is another file's. It may be longer than what is there so far."""
        first = LENGTH.unpack_from(buffer)[0]
        if first == self.spec.magic:
            return 4  # inventory.img, and all files of images of version 1
        if first not in (COMMON_MAGIC, SERVICE_MAGIC):
            return 0
        return 8 if len(buffer) < 8 or LENGTH.unpack_from(buffer, 4)[0] == self.spec.magic else 0

    def _give_up(self, buffer: bytes) -> Iterator[Event]:
        self._kept_as_is = True
        yield self._note(
            "foreign", f"starts with {buffer[:8].hex(' ')}, not as a {self.spec.kind} image; kept as it is"
        )
        yield self._run(self._section, buffer)

    def end(self) -> Iterator[Event]:
        left = len(self._carry)
        if not self._started and not self._kept_as_is:
            text = f"ends inside its header, after {left} bytes" if left else "is empty, without a header"
            yield self._note("truncated", text)
        elif left:
            yield self._note("truncated", f"ends inside the item at {self._done}: {left} bytes kept as they are")
        if left:
            yield self._run(self._section, bytes(self._carry))

    # -- items ---------------------------------------------------------------------------------------------

    def _items(self, buffer: bytes, at: int) -> Iterator[Event]:
        """The whole items of the buffer. What is left is carried over."""
        starts, lengths, end = array("Q"), array("Q"), len(buffer)
        unpack, broken, limit = LENGTH.unpack_from, None, self._limit
        self._need = 4
        while at + 4 <= end:
            length = unpack(buffer, at)[0]
            after = at + 4 + length
            if after > end or length > limit:
                broken = self._broken(at, length)
                self._need = 4 + length
                break
            starts.append(at + 4)
            lengths.append(length)
            at = after
        if broken:
            self._kept_as_is = True
            yield broken
            run = buffer
        else:
            run = buffer[:at]
            self._carry += buffer[at:]
        self._done += len(run)
        if run:
            yield self._run(self._section, run)
        if starts:
            yield from self._objects(buffer, starts, lengths)

    def _broken(self, at: int, length: int) -> Note | None:
        at += self._done
        left = self.member.size - at - 4
        if length <= left and length <= self._limit:
            return None
        what = "truncated" if length > left else "oversized"
        return self._note(what, f"item at {at} says {length} bytes, {left} are left; kept as it is from there")

    @property
    def parse(self) -> Parser:
        """Gives the protobuf message of an item."""
        if self._parse is None:
            self._parse = parser(self.spec.message)
        return self._parse

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        """One object for each item that parses. Hot path (bench/import.py)."""
        from google.protobuf.message import DecodeError

        from objref.dialects.criu.schema import message_class

        outbox = Outbox(self._state)
        outbox.number = self.number
        outbox.source = self._numbering.next
        extract, key_of, parse = EXTRACT.get(self.spec.message), self._key, message_class(self.spec.message).FromString
        keys, bad = array("Q"), []
        put = keys.append
        for i, start, length in zip(count(self._index), starts, lengths, strict=False):
            try:
                message = parse(buffer[start : start + length])
            except (DecodeError, ValueError) as error:
                bad.append(i - self._index)  # keys that count places count this one, too
                yield self._note(
                    "unparsed", f"item of {length} bytes is no {self.spec.message} ({error}); kept as it is"
                )
                continue
            put(key_of(message, i))
            if extract is not None:
                extract(message, outbox)
            outbox.source += 1
        self._index += len(starts)
        for i in reversed(bad):
            del starts[i], lengths[i]
        self._numbering.take(len(keys))
        if self.spec.kind in REMEMBERED:
            self._state.keys.setdefault(self.spec.kind, set()).update(keys)
        yield Objects(KIND[self.spec.kind], self.member.layer, keys, starts, lengths)
        if outbox.sources:
            yield Edges(self.member.layer, outbox.sources, outbox.roles, outbox.kinds, outbox.keys)


class TableFile(ImageFile):
    """fdinfo-N.img: descriptors, and the table they make together."""

    def end(self) -> Iterator[Event]:
        yield from super().end()
        ordinal = self._numbering.next
        yield self._whole("fdtable", self.number)
        fds = self._state.fd_tables.get(self.number, array("Q"))
        keys = array("Q", (self.number << PAIR_HIGH | fd for fd in fds))
        yield Edges(self.member.layer, *_same(ordinal, "fd", "fd", keys))


class PagemapFile(ImageFile):
    """pagemap-N.img: one object with all its entries, which are also kept for the memory they describe."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._map = Pagemap(0, array("Q"), array("Q"), array("B"))
        self._has_head = False
        self.foreign = False

    @property
    def pagemap(self) -> Pagemap | None:
        """The entries, or None when they do not tell where pages are."""
        return self._map if self._has_head and not self.foreign else None

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        from google.protobuf.unknown_fields import UnknownFieldSet

        head, entry = parser("pagemap_head"), parser("pagemap_entry")
        for start, length in zip(starts, lengths, strict=True):
            item = buffer[start : start + length]
            try:
                if not self._index:
                    self._map = self._map._replace(pages_id=head(item).pages_id)
                    self._has_head = True
                else:
                    message = entry(item)
                    self.foreign |= len(UnknownFieldSet(message)) > 0
                    self._keep(message)
            except ValueError as error:
                yield self._note("unparsed", f"item {self._index} does not parse ({error}); its pages are not found")
                self.foreign = True
            self._index += 1

    def _keep(self, m: Any) -> None:
        flags = m.flags if m.HasField("flags") else 4
        if m.in_parent:
            flags = flags | 1 if m.HasField("flags") else 1
        self._map.vaddr.append(m.vaddr)
        self._map.pages.append(m.nr_pages if m.HasField("nr_pages") else m.compat_nr_pages)
        self._map.flags.append(flags & 0xFF)

    def end(self) -> Iterator[Event]:
        yield from super().end()
        if self.foreign:
            yield self._note("foreign", "has entries of a newer CRIU (compressed pages?); memory is not addressable")
        ordinal = self._numbering.next
        yield self._whole(self.spec.kind, self.number)
        if self._has_head:
            yield Edges(self.member.layer, *_same(ordinal, "pages", "pages", array("Q", [self._map.pages_id])))


class GroupsFile(ImageFile):
    """cgroup.img and seccomp.img: one item whose parts are referred to by themselves."""

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        """Item by item, so that the parts follow their own: there is one, but who knows."""
        for start, length in zip(starts, lengths, strict=True):
            found, sizes = array("Q", [start]), array("Q", [length])
            yield from super()._objects(buffer, found, sizes)
            if found:  # it parsed
                yield from self._parts(buffer[start : start + length], start)

    def _parts(self, item: bytes, start: int) -> Iterator[Event]:
        owner = self._numbering.next - 1
        kind = "cgset" if self.spec.kind == "cgroup" else "seccomp-filter"
        parse = parser(MESSAGES[kind])
        at, sizes, keys, chain = array("Q"), array("Q"), array("Q"), []
        for i, (inner, size) in enumerate(_submessages(item, 1)):
            message = parse(item[inner : inner + size])
            at.append(start + inner)
            sizes.append(size)
            keys.append(message.id if kind == "cgset" else i)
            chain.append(message.prev if kind != "cgset" and message.HasField("prev") else None)
        self._state.keys.setdefault(kind, set()).update(keys)
        first = self._numbering.take(len(keys))
        yield Objects(KIND[kind], self.member.layer, keys, at, sizes)
        yield Edges(self.member.layer, *_same(owner, "part", kind, keys))
        for i, previous in enumerate(chain):
            if previous is not None:
                edge = _same(first + i, "previous", kind, array("Q", [previous]))
                yield Edges(self.member.layer, *edge)


def _same(source: int, role: str, kind: str, keys: array[int]) -> tuple[array[int], array[int], array[int], array[int]]:
    """Columns of references that differ only in their key."""
    from objref.dialects.criu.kinds import ROLE

    n = len(keys)
    return array("I", [source]) * n, array("B", [ROLE[role]]) * n, array("H", [KIND[kind]]) * n, keys


FIXED = {1: 8, 5: 4}
"""Wire types of fixed length."""
GROUP = {3: 1, 4: -1}
"""Start and end of a group: CRIU has none, but unknown fields may be anything."""


def _submessages(data: bytes, field: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of each occurrence of a length-delimited field of a message that is known to parse."""
    at = depth = 0
    while at < len(data):
        tag, at = _varint(data, at)
        wire = tag & 7
        if wire == 0:
            _, at = _varint(data, at)
        elif wire == 2:
            size, at = _varint(data, at)
            if tag >> 3 == field and not depth:
                yield at, size
            at += size
        else:
            at += FIXED.get(wire, 0)
            depth += GROUP.get(wire, 0)


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7


KeyRule = Callable[[Any, int], int]


def _key_rule(rule: str, number: int) -> KeyRule:
    """(message, place in the file) -> key."""
    high = number << PAIR_HIGH
    fixed: dict[str, KeyRule] = {
        "zero": lambda m, i: 0,
        "name": lambda m, i: number,
        "index": lambda m, i: i,
        "name/index": lambda m, i: high | i,
    }
    if rule in fixed:
        return fixed[rule]
    field = rule.removeprefix("name/")
    if rule == "name/desc.id":
        return lambda m, i: high | m.desc.id
    if rule.startswith("name/"):
        return lambda m, i: high | getattr(m, field) & 0xFFFFFFFF
    return lambda m, i: getattr(m, field) & KEY_MASK


def open_file(name: ImageName | None, member: Member, numbering: Numbering, state: LayerState, limits: Limits) -> File:
    """The splitter for a file of this name."""
    from objref.dialects.criu.payload import PayloadFile

    if name is None:
        return File(member, numbering)
    kind = name.spec.kind
    if kind in ("pages", "pages-shmem"):
        return PagesFile(member, numbering, name)
    if not name.spec.message:
        return RawFile(member, numbering, name)
    if member.runs is not None:
        return HoledFile(member, numbering)
    special: dict[str, type[ImageFile]] = {
        "fd": TableFile,
        "pagemap": PagemapFile,
        "pagemap-shmem": PagemapFile,
        "cgroup": GroupsFile,
    }
    special |= {"seccomp": GroupsFile}
    chosen: type[ImageFile] = PayloadFile if name.spec.payload else special.get(kind, ImageFile)
    return chosen(member, numbering, name, state, limits)
