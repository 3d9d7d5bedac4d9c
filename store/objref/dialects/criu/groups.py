"""cgroup.img and seccomp.img: one item that is many objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.kinds import KIND, MESSAGES
from objref.dialects.criu.parsing import parser
from objref.dialects.criu.state import same_source
from objref.dialects.criu.wire import END_GROUP, LENGTH_DELIMITED, START_GROUP, fields
from objref.dialects.events import Edges, Event, Objects

__all__ = ["GroupsFile"]

GROUP = {START_GROUP: 1, END_GROUP: -1}
"""Start and end of a group: CRIU has none, but unknown fields may be anything."""


class GroupsFile(ImageFile):
    """cgroup.img and seccomp.img: one item whose parts are referred to by themselves."""

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        """Item by item, so that the parts follow their own: there is one, but who knows."""
        for start, length in zip(starts, lengths, strict=True):
            before = self._numbering.next
            yield from super()._objects(buffer, array("Q", [start]), array("Q", [length]))
            if self._numbering.next > before:  # it parsed
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


def _submessages(data: bytes, number: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of each occurrence of a length-delimited field of a message that is known to parse."""
    depth = 0
    for field in fields(data, 0, len(data)):
        depth += GROUP.get(field.wire, 0)
        if field.number == number and field.wire == LENGTH_DELIMITED and not depth:
            yield field.content, field.end - field.content
