"""cgroup.img and seccomp.img: one item that is many objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.kinds import KIND, MESSAGES
from objref.dialects.criu.parsing import parser
from objref.dialects.criu.state import same_source
from objref.dialects.events import Edges, Event, Objects

__all__ = ["GroupsFile"]

FIXED = {1: 8, 5: 4}
"""Wire types of fixed length."""
GROUP = {3: 1, 4: -1}
"""Start and end of a group: CRIU has none, but unknown fields may be anything."""


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
        yield Edges(self.member.layer, *same_source(owner, "part", kind, keys))
        for i, previous in enumerate(chain):
            if previous is not None:
                edge = same_source(first + i, "previous", kind, array("Q", [previous]))
                yield Edges(self.member.layer, *edge)


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
