"""From one layout of rev 6 to another, as a filter: bytes in, bytes out, one record in memory.

Exact means: what comes out converts back to the same bytes. What cannot is an error with its reason and position, and
what came out before is a partial stream.

old numbering: v23-rc1. New numbering: b6cdf01 (the same structs but for TTY), v23-rc2 (TASK with flags, VMA with
hugetlb_shift). Before an area of memory comes, nothing tells the last two apart: the records up to there are held.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from objref.dialects.linux_cr.convert_pids import read_table, to_numbers, to_tags
from objref.dialects.linux_cr.convert_record import LAYOUTS, NEW, InexactError, Route, shift_items
from objref.dialects.linux_cr.entries import EPOLL_ITEM
from objref.dialects.linux_cr.numbering import CONVERTIBLE, HEADER_LENGTH, Layout, arch_name, byte_order
from objref.dialects.linux_cr.records import find_record
from objref.dialects.linux_cr.revision import Revision
from objref.errors import FormatError, LimitError, TruncatedError, UnsupportedError, UsageError
from objref.limits import Limits

__all__ = ["LinuxCrConverter"]

BY_LABEL = {layout.label: layout for layout in LAYOUTS}
REV = 6
SMALL = 1 << 16
"""Longer records pass through, since no ids are in them."""
HELD = 16 << 20
"""Bytes that may be held until the layout is known."""
RAW = frozenset(["BUFFER", "STRING", "PIPE_BUF", "CPU_FPU", "MM_CONTEXT_LDT", "FILE_NAME", "LSM_INFO"])
ANNOUNCE = ("PIDS", "TREE", "EPOLL_ITEMS")
AMBIGUOUS = (Layout.REV6_OLD, Layout.REV6_NEW)


def _layout(label: str, what: str) -> Layout:
    if label not in BY_LABEL:
        raise UsageError(f"{what} {label!r}: the layouts are {', '.join(CONVERTIBLE)}")
    return BY_LABEL[label]


class LinuxCrConverter:
    """See `dialect.Converter`. Mutable; unusable after its first error."""

    def __init__(self, target: str, source: str | None, limits: Limits) -> None:
        self._target = _layout(target, "target")
        self._claimed = None if source is None else _layout(source, "source")
        self._limit = limits.item
        self._revision = Revision()
        self._order = "<"
        self._head = struct.Struct("<II")
        self._route: Route | None = None
        self._buffer = bytearray()
        self._at = 0  # position in the stream of the buffer's first byte
        self._left = 0  # bytes of a long record that pass through
        self._held: list[tuple[int, bytes]] = []
        self._held_bytes = 0
        self._ended = False
        self._failed = False  # the checkpoint, not the conversion
        self._pending: bytes = b""  # PIDS, TREE or EPOLL_ITEMS, whose BUFFER comes next
        self._numbers: list[int] = []
        self._placed = False  # the TREE came

    # -- the filter ----------------------------------------------------------------------------------------

    def feed(self, data: bytes | memoryview) -> Iterator[bytes]:
        """The next bytes of the stream."""
        view = memoryview(data).cast("B") if len(data) else memoryview(b"")
        if self._left and not self._buffer:
            passing, view = view[: self._left], view[self._left :]
            self._left -= len(passing)
            self._at += len(passing)
            yield bytes(passing)
        self._buffer += view
        made, at = bytearray(), 0
        try:
            while (taken := self._step(at, made)) > 0:
                at += taken
        finally:
            self._at += at
            del self._buffer[:at]
        if made:
            yield bytes(made)

    def finish(self) -> Iterator[bytes]:
        """The stream has ended."""
        if self._left or (self._buffer and not self._ended):
            raise TruncatedError(f"the stream ends at byte {self._at + len(self._buffer)}, inside a record")
        if not self._ended and not self._failed:
            raise TruncatedError(f"the stream ends at byte {self._at} without TAIL")
        if self._pending:
            raise TruncatedError(f"the stream ends at byte {self._at}, before a BUFFER that must follow")
        if self._held:
            yield self._release(self._undecided())

    def _step(self, at: int, made: bytearray) -> int:
        """Take something at the front of the buffer; returns how much, 0: more bytes are needed."""
        have = len(self._buffer) - at
        if self._ended or self._left:
            taken = have if self._ended else min(have, self._left)
            self._left -= 0 if self._ended else taken
            made += memoryview(self._buffer)[at : at + taken]
            return taken
        if not self._at and not at:
            if have < HEADER_LENGTH:
                return 0
            self._begin(bytes(self._buffer[:HEADER_LENGTH]))
        if have < 8:
            return 0
        type_: int
        length: int
        type_, length = self._head.unpack_from(self._buffer, at)
        position = self._at + at
        if length < 8:
            raise FormatError(f"a record of type {type_} at byte {position} has length {length}, below its header's 8")
        if length > SMALL and not self._pending and self._route is not None:
            return self._long(self._route, type_, length, at, made)
        limit = self._limit if self._route is not None else HELD
        if length > limit:
            raise LimitError(f"a record of {length} bytes at byte {position}, limit {limit}")
        if have < length:
            return 0
        made += self._take(position, type_, bytes(self._buffer[at : at + length]))
        return length

    def _long(self, route: Route, type_: int, length: int, at: int, made: bytearray) -> int:
        """Only its header is looked at."""
        name = route.name(type_)
        if name not in RAW:
            raise self._refused(self._at + at, f"{name or f'type {type_}'} of {length} bytes is none of the facts")
        made += route.head(name, length)
        self._left = length - 8
        return 8

    # -- the layout ----------------------------------------------------------------------------------------

    def _begin(self, header: bytes) -> None:
        self._order = byte_order(header)
        if not self._order:
            raise FormatError("the stream does not begin with the header of a linux-cr stream")
        self._head = struct.Struct(self._order + "II")
        rev = struct.unpack_from(self._order + "H", header, 24)[0]
        if rev != REV:
            raise UnsupportedError(f"header at byte 0: rev {rev}; only rev {REV} has two numberings")
        arch = arch_name(rev, int.from_bytes(header[16:18], "little"), self._order == ">")
        self._revision.begin(rev, arch)

    def _take(self, position: int, type_: int, data: bytes) -> bytes:
        revision = self._revision
        if revision.learn(type_, len(data)):
            self._check(position)
        if revision.layout in AMBIGUOUS:
            return self._hold(position, data)
        return (self._release(revision.layout) if self._route is None else b"") + self._translate(position, data)

    def _check(self, position: int) -> None:
        """What was learned against what the caller said, and against what can be converted at all."""
        layout, claimed = self._revision.layout, self._claimed
        if layout == Layout.V20:
            raise self._refused(position, "TASK of 64 bytes: v20, whose tasks lack fields that the others have")
        if claimed is None:
            return
        if layout == Layout.REV6_NEW and claimed in NEW:
            self._revision.set(claimed)
        elif layout != claimed:
            raise UsageError(f"the record at byte {position} is one of {layout.label}, not of {claimed.label}")

    def _hold(self, position: int, data: bytes) -> bytes:
        self._held.append((position, data))
        self._held_bytes += len(data)
        ends = self._revision.names.get(_type(data, self._order)) == "TAIL"
        return self._release(self._undecided()) if ends or self._held_bytes > HELD else b""

    def _undecided(self) -> Layout:
        """The layout, where nothing in the stream has told it. Without a task nothing differs."""
        tasks = any(self._revision.names.get(_type(data, self._order)) == "TASK" for _, data in self._held)
        if tasks:
            raise UnsupportedError(
                f"nothing up to byte {self._at + len(self._buffer)} tells {NEW[0].label} from {NEW[1].label}: "
                "say which of them it is (--from)"
            )
        self._revision.set(LAYOUTS[0] if self._revision.layout == Layout.REV6_OLD else NEW[-1])
        return self._revision.layout

    def _release(self, layout: Layout) -> bytes:
        held, self._held, self._held_bytes = self._held, [], 0
        self._route = Route(self._order, layout, self._target, self._revision.x86)
        return b"".join(self._translate(position, data) for position, data in held)

    # -- records -------------------------------------------------------------------------------------------

    def _translate(self, position: int, data: bytes) -> bytes:
        try:
            return self._one(data)
        except InexactError as why:
            raise self._refused(position, str(why)) from None

    def _one(self, data: bytes) -> bytes:
        route = self._route
        assert route is not None  # for mypy: the layout is known
        name = route.name(_type(data, self._order))
        if self._pending:
            return self._announced(route, name, data)
        if route.renumbers:
            self._check_place(route, name)
            if name in ANNOUNCE and self._count(name, data):
                self._pending = data
                return b""
        self._ended = self._ended or name == "TAIL"
        self._failed = self._failed or name == "ERROR"
        return route.record(data)

    def _check_place(self, route: Route, name: str) -> None:
        """The pids come once, directly before the TREE, and before any id."""
        if name in ("PIDS", "TREE") and self._placed:
            raise InexactError(f"a second {name}")
        if self._numbers and not self._placed and name != "TREE":
            raise InexactError(f"{name or 'a record'} where the TREE should be")
        if name == "TREE" and route.source in NEW and not self._numbers:
            raise InexactError("TREE without PIDS")
        if name in ("OBJREF", "TASK") and not route.shift:
            raise InexactError(f"{name} before the pids: ids of such a stream are not those of a subtree checkpoint")

    def _count(self, name: str, data: bytes) -> int:
        """How many entries it announces. PIDS and TREE always have a BUFFER."""
        if find_record(name, len(data), self._revision.layout) is None:
            raise InexactError(f"{name} of {len(data)} bytes")
        if name != "EPOLL_ITEMS":
            return 1
        items: int = struct.unpack_from(self._order + "I", data, len(data) - 4)[0]
        return items

    def _announced(self, route: Route, name: str, data: bytes) -> bytes:
        first, self._pending = self._pending, b""
        what = route.name(_type(first, self._order))
        if name != "BUFFER":
            raise InexactError(f"{name or 'a record'} where the BUFFER of {what} should be")
        if what == "EPOLL_ITEMS":
            items = self._count(what, first)
            if len(data) - 8 != items * EPOLL_ITEM.length:
                raise InexactError(f"{items} items of an epoll in {len(data) - 8} bytes")
            return route.record(first) + shift_items(route, data)
        return self._table(route, first, data) if what == "PIDS" else self._tree(route, first, data)

    def _table(self, route: Route, first: bytes, data: bytes) -> bytes:
        self._numbers = read_table(first, data, self._order)
        route.shift = -len(self._numbers)
        return b""

    def _tree(self, route: Route, first: bytes, data: bytes) -> bytes:
        self._placed = True
        if route.target in NEW:
            pids, table, body = to_tags(first, data, self._order)
            route.shift = len(table) // 8
            before = _made(route, "PIDS", pids) + _made(route, "BUFFER", table)
        else:
            before, body = b"", to_numbers(first, data, self._numbers, self._order)
        return before + route.record(first) + _made(route, "BUFFER", body)

    def _refused(self, position: int, why: str) -> UnsupportedError:
        return UnsupportedError(f"record at byte {position}: cannot be converted exactly: {why}")


def _made(route: Route, name: str, payload: bytes) -> bytes:
    return route.head(name, 8 + len(payload)) + payload


def _type(data: bytes, order: str) -> int:
    type_: int = struct.unpack_from(order + "I", data)[0]
    return type_
