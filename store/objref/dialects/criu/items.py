"""An image file, item by item: its header, length-prefixed messages, an object of each (docs/criu.md).

Files that are more than that begin like it: fdtable, pagemap, groups, payload.
"""

from __future__ import annotations

import struct
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.item_keys import ItemKeys
from objref.dialects.criu.kinds import COMMON_MAGIC, KIND, SERVICE_MAGIC, FileKind, ImageName
from objref.dialects.criu.member import OTHER_SECTION, File, Member, Numbering
from objref.dialects.criu.parsing import Parser, parse_all, parser
from objref.dialects.criu.refs import EXTRACT
from objref.dialects.criu.rules import follow_columns
from objref.dialects.criu.state import LayerState, Outbox
from objref.dialects.events import Event, Note, Objects
from objref.limits import Limits

if TYPE_CHECKING:
    from objref.dialects.criu.alike import Alike, Shapes

__all__ = ["LENGTH", "REMEMBERED", "ImageFile"]

LENGTH = struct.Struct("<I")
MANY = 128
"""Items from which it pays to look for shapes among them."""
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
        self._keys = ItemKeys(name.spec.key, name.number)
        self._shapes: Shapes | None = None

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
        starts, lengths, after = whole_items(buffer, at, self._limit)
        broken = None
        self._need = 4
        if after + 4 <= len(buffer):
            length = LENGTH.unpack_from(buffer, after)[0]
            broken = self._broken(after, length)
            self._need = 4 + length
        if broken:
            self._kept_as_is = True
            yield broken
            run = buffer
        else:
            run = buffer[:after]
            self._carry += buffer[after:]
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
        outbox, bad = Outbox(self._state, self.number), array("Q")
        keys = array("Q", bytes(8 * len(starts)))
        alike, others = self._sorted(buffer, starts, lengths)
        for good, errors in parse_all(self.spec.message, buffer, starts, lengths, others):
            bad.extend(place for place, _ in errors)
            self._put(good, bad, keys, outbox)
            for place, error in errors:
                text = f"item of {lengths[place]} bytes is no {self.spec.message} ({error}); kept as it is"
                yield self._note("unparsed", text)
        for some in alike:
            self._put_columns(some, bad, keys, outbox)
        self._index += len(starts)
        keys, starts, lengths = (without(column, bad) for column in (keys, starts, lengths))
        self._numbering.take(len(keys))
        if self.spec.kind in REMEMBERED:
            self._state.keys.setdefault(self.spec.kind, set()).update(keys)
        yield Objects(KIND[self.spec.kind], self.member.layer, keys, starts, lengths)
        yield from outbox.events(self.member.layer)

    def _sorted(self, buffer: bytes, starts: array[int], lengths: array[int]) -> tuple[list[Alike], Sequence[int]]:
        """Items that are followed in columns, and the places of those that protobuf parses."""
        if len(starts) < MANY:
            return [], range(len(starts))
        if self._shapes is None:
            from objref.dialects.criu.alike import Shapes

            self._shapes = Shapes(self.spec.message, self._keys.path)
        alike, left = self._shapes.sort(buffer, starts, lengths)
        return alike, left.tolist()

    def _put(self, good: Iterable[tuple[int, Any]], bad: array[int], keys: array[int], outbox: Outbox) -> None:
        """Keys and references of messages with these places in the batch. `bad`: the places before them without one."""
        key_of, extract = self._keys.of, EXTRACT.get(self.spec.message)
        base, first = self._index, self._numbering.next
        for place, message in good:
            keys[place] = key_of(message, base + place)  # keys that count places count bad ones, too
            if extract is not None:
                outbox.source = first + place - bisect_left(bad, place) if bad else first + place
                extract(message, outbox)

    def _put_columns(self, some: Alike, bad: array[int], keys: array[int], outbox: Outbox) -> None:
        """The same of messages in columns. `bad`: all such places of the batch."""
        import numpy as np

        rows = some.columns.rows
        np.frombuffer(keys, np.uint64)[rows] = self._keys.column(some.columns, self._index + rows)
        ordinals = self._numbering.next + rows - np.searchsorted(np.asarray(bad), rows)
        follow_columns(some.known.rules, some.known.prefix, some.columns, ordinals, outbox)


def whole_items(buffer: bytes, at: int, limit: int) -> tuple[array[int], array[int], int]:
    """Starts and lengths of the items from there on that are whole and within the limit; where the next begins."""
    import numpy as np

    begins, unpack, last = array("Q"), LENGTH.unpack_from, len(buffer) - LENGTH.size
    put = begins.append
    while at <= last:
        put(at)
        at += unpack(buffer, at)[0] + 4
    if at > len(buffer):
        at = begins.pop()
    starts = np.array(begins, np.uint64) + np.uint64(LENGTH.size)
    lengths = np.append(np.asarray(begins)[1:], np.uint64(at)) - starts if begins else starts
    oversized = np.flatnonzero(lengths > limit)
    if len(oversized):
        n = int(oversized[0])
        at, starts, lengths = begins[n], starts[:n], lengths[:n]
    return array("Q", starts.tobytes()), array("Q", lengths.tobytes()), at


def without(column: array[int], places: array[int]) -> array[int]:
    """The column without the values at these places."""
    if not places:
        return column
    import numpy as np

    return array("Q", np.delete(np.asarray(column), np.asarray(places)).tobytes())
