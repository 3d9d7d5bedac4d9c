"""An image file, item by item: its header, length-prefixed messages, an object of each (docs/criu.md).

Files that are more than that begin like it: fdtable, pagemap, groups, payload.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Callable, Iterator
from operator import attrgetter
from typing import Any

from objref.dialects.criu.kinds import COMMON_MAGIC, KIND, SERVICE_MAGIC, FileKind, ImageName
from objref.dialects.criu.member import OTHER_SECTION, File, Member, Numbering
from objref.dialects.criu.parsing import Parser, parse_all, parser
from objref.dialects.criu.refs import EXTRACT
from objref.dialects.criu.state import LayerState, Outbox
from objref.dialects.events import Edges, Event, Note, Objects
from objref.limits import Limits

__all__ = ["LENGTH", "PAIR_HIGH", "REMEMBERED", "ImageFile"]

LENGTH = struct.Struct("<I")
PAIR_HIGH = 32
KEY_MASK = (1 << 64) - 1
REMEMBERED = frozenset(["pipe-data", "fifo-data", "ipcns-shm", "ipcns-msg", "ipcns-sem", "netdev"])
"""Kinds whose keys the end of the stream asks for."""


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
        yield from self.cut()

    def cut(self) -> Iterator[Event]:
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
        put_start, put_length = starts.append, lengths.append
        unpack, broken, limit = LENGTH.unpack_from, None, self._limit
        self._need = 4
        while at + 4 <= end:
            length = unpack(buffer, at)[0]
            after = at + 4 + length
            if after > end or length > limit:
                broken = self._broken(at, length)
                self._need = 4 + length
                break
            put_start(at + 4)
            put_length(length)
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
        """One object for each item that parses. Hot path (bench/import_objects.py)."""
        outbox = Outbox(self._state)
        outbox.number = self.number
        outbox.source = self._numbering.next
        extract, key_of, base = EXTRACT.get(self.spec.message), self._key, self._index
        keys, bad = array("Q"), array("Q")
        put = keys.append
        for good, errors in parse_all(self.spec.message, buffer, starts, lengths):
            for i, message in good:
                put(key_of(message, base + i))
                if extract is not None:
                    extract(message, outbox)
                outbox.source += 1
            for i, error in errors:
                bad.append(i)  # keys that count places count this one, too
                yield self._note(
                    "unparsed", f"item of {lengths[i]} bytes is no {self.spec.message} ({error}); kept as it is"
                )
        self._index += len(starts)
        for i in reversed(bad):
            del starts[i], lengths[i]
        self._numbering.take(len(keys))
        if self.spec.kind in REMEMBERED:
            self._state.keys.setdefault(self.spec.kind, set()).update(keys)
        yield Objects(KIND[self.spec.kind], self.member.layer, keys, starts, lengths)
        if outbox.sources:
            yield Edges(self.member.layer, outbox.sources, outbox.roles, outbox.kinds, outbox.keys)


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
    get = attrgetter(field)
    return lambda m, i: get(m) & KEY_MASK
