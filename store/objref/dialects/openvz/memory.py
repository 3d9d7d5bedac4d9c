"""Memory by address: what the page blocks of an address space say, put together at the end of the file.

PAGES with content are bytes of the file, PAGES without are zero, COPYPAGES are the same addresses of another address
space, which stands before. Pages that are only promised (LAZYPAGES, PRAM) or whose place in the block the facts do not
give (ITERPAGES) are not in the image. Blocks of a deleted file's INODE are its content, by offset.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

from objref.dialects.events import Derived, Edges, Event, Note
from objref.dialects.openvz.bodies import PAD
from objref.dialects.openvz.kinds import BODY_DATA, KIND, NUMBER, ROLE, VOID
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.ledger import Ledger, at, one

__all__ = ["BLOCKS", "FILE_TOKEN", "PAGES", "RANGE", "Memories", "Owner"]

FILE_TOKEN = 1
"""The token of all bytes of the file: an offset in it is a position."""
HOLE = 0
"""The token of zero bytes."""
DATA, ZERO, COPY = range(3)
PAGES, COPYPAGES, PRAM = NUMBER["PAGES"], NUMBER["COPYPAGES"], 12
ELSEWHERE = frozenset(NUMBER[name] for name in ("LAZYPAGES", "REMAPPAGES", "ITERPAGES", "ITERYOUNGPAGES"))
BLOCKS = ELSEWHERE | {PAGES, COPYPAGES}
RANGE, SOURCE, SOURCE_AT = Struct("<QQ"), Struct("<Q"), 32
SPAN_MAX = 1 << 47
"""Bytes that one address space may hold: what x86-64 has, and below what an object table can say."""
COPIED_MAX = 1 << 20
"""Rows that COPYPAGES may add to all address spaces together: a file of n bytes could else ask for n * n of them."""


class Owner(NamedTuple):
    """The MM or INODE that page blocks belong to."""

    position: int
    kind: int


class _Blocks:
    """Page blocks of one owner, in file order. Mutable."""

    __slots__ = ("kind", "lengths", "sources", "starts", "total", "types")

    def __init__(self, kind: int) -> None:
        self.kind = kind
        self.starts, self.lengths, self.sources = array("Q"), array("Q"), array("Q")
        self.types = array("B")
        self.total = 0

    def add(self, start: int, length: int, source: int, what: int) -> bool:
        if not 0 < length <= SPAN_MAX - self.total or start + length > 1 << 64:
            return False
        self.total += length
        self.starts.append(start)
        self.lengths.append(length)
        self.sources.append(source)
        self.types.append(what)
        return True


class _Rows:
    """Where addresses are: ascending, without overlap. Mutable while it is made."""

    __slots__ = ("at", "lengths", "offsets", "tokens")

    def __init__(self) -> None:
        self.at, self.tokens, self.offsets, self.lengths = array("Q"), array("Q"), array("Q"), array("Q")

    def add(self, start: int, token: int, offset: int, length: int) -> None:
        self.at.append(start)
        self.tokens.append(token)
        self.offsets.append(offset)
        self.lengths.append(length)

    def within(self, start: int, length: int) -> Iterator[tuple[int, int, int, int]]:
        """The rows of a range of addresses, clipped to it."""
        end = start + length
        i = max(bisect_right(self.at, start) - 1, 0)
        while i < len(self.at) and self.at[i] < end:
            low, high = max(self.at[i], start), min(self.at[i] + self.lengths[i], end)
            if low < high:
                token = self.tokens[i]
                yield low, token, self.offsets[i] + (low - self.at[i] if token else 0), high - low
            i += 1


class Memories:
    """All address spaces and deleted files of an image. Mutable."""

    def __init__(self) -> None:
        self._blocks: dict[int, _Blocks] = {}
        self._rows: dict[int, _Rows] = {}
        self._copied = 0
        self._elsewhere = array("Q")

    def block(self, position: int, head: bytes | memoryview, content: int, room: int, owner: Owner | None) -> str:
        """A page block of less than a page; `room` bytes follow its struct. Returns what is wrong with it."""
        number = HEAD.unpack_from(head)[1]
        if len(head) < HEAD.size + RANGE.size:
            return f"a page block whose struct has {len(head)} bytes"
        low, high = RANGE.unpack_from(head, HEAD.size)
        if owner is None:
            return "a page block outside of an MM or INODE"
        if number == PAGES and content == BODY_DATA:
            return self._bytes(owner, low, high, position + len(head), room)
        sound = True
        if number == COPYPAGES and len(head) >= SOURCE_AT + SOURCE.size:
            sound = self.copy(owner, low, high - low, *SOURCE.unpack_from(head, SOURCE_AT))
        elif number == PAGES and content == VOID:
            sound = self.zero(owner, low, high - low)
        elif number in ELSEWHERE or (number == PAGES and content == PRAM):
            self._elsewhere.append(position)
        else:
            return f"a page block of content kind {content} and {room} bytes"
        return "" if sound else f"addresses {low:#x}…{high:#x} make no sense"

    def _bytes(self, owner: Owner, low: int, high: int, position: int, room: int) -> str:
        if not 0 < high - low <= room < high - low + PAD:
            return f"addresses {low:#x}…{high:#x} and {room} bytes of pages do not agree"
        return "" if self.data(owner, low, high - low, position) else f"addresses {low:#x}…{high:#x} make no sense"

    def data(self, owner: Owner, start: int, length: int, position: int) -> bool:
        """Pages whose bytes stand at `position`. False when addresses make no sense."""
        return self._add(owner, start, length, position, DATA)

    def zero(self, owner: Owner, start: int, length: int) -> bool:
        """Zero pages."""
        return self._add(owner, start, length, 0, ZERO)

    def copy(self, owner: Owner, start: int, length: int, source: int) -> bool:
        """Pages of the address space whose MM is at `source`."""
        return self._add(owner, start, length, source, COPY)

    def _add(self, owner: Owner, start: int, length: int, source: int, what: int) -> bool:
        blocks = self._blocks.get(owner.position)
        if blocks is None:
            blocks = self._blocks[owner.position] = _Blocks(owner.kind)
        return blocks.add(start, length, source, what)

    def has(self, position: int) -> bool:
        """Whether there is memory of the object at that position."""
        return position in self._blocks

    def finish(self, ledger: Ledger) -> Iterator[Event]:
        """Every address space as a sparse object, in file order: what is copied stands before its copies."""
        if self._elsewhere:
            text = f"{len(self._elsewhere)} page blocks, this one and others, say where pages are outside of this file"
            yield Note("elsewhere", at(self._elsewhere[0]), text)
        for position, blocks in sorted(self._blocks.items()):
            name = "mem" if blocks.kind == KIND["mm"] else "content"
            rows = _Rows()
            yield from self._lay(position, blocks, rows)
            self._rows[position] = rows
            ledger.take(1)
            yield Derived(KIND[name], 0, position, True, rows.at, rows.tokens, rows.offsets, rows.lengths)
            source = array("I", (ledger.ordinal_at(position),))
            yield Edges(0, source, array("B", (ROLE[name],)), array("H", (KIND[name],)), one(position))

    def _lay(self, position: int, blocks: _Blocks, rows: _Rows) -> Iterator[Note]:
        end = 0
        for i in sorted(range(len(blocks.starts)), key=blocks.starts.__getitem__):
            start, length, source, what = blocks.starts[i], blocks.lengths[i], blocks.sources[i], blocks.types[i]
            if start < end:
                yield Note(
                    "overlap",
                    at(position),
                    f"two page blocks hold {start:#x}: {start:#x}…{start + length:#x} is left out",
                )
                continue
            end = start + length
            if what == COPY:
                yield from self._copy(position, start, length, source, rows)
            else:
                rows.add(start, FILE_TOKEN if what == DATA else HOLE, source, length)

    def _copy(self, position: int, start: int, length: int, source: int, rows: _Rows) -> Iterator[Note]:
        other, found = self._rows.get(source), 0
        if other is not None:
            for row in other.within(start, length):
                self._copied += 1
                if self._copied > COPIED_MAX:
                    yield Note(
                        "copied", at(position), f"more than {COPIED_MAX} copied page blocks: the rest is left out"
                    )
                    return
                rows.add(*row)
                found += row[3]
        if found < length:
            yield Note(
                "copied", at(position), f"{start:#x}…{start + length:#x} is copied from {at(source)}, "
                f"which stands not before it or lacks {length - found} of these bytes",
            )  # fmt: skip
