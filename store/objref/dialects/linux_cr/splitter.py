"""Framing: a linux-cr stream in pieces of any size becomes records, and runs of bytes.

A record is an 8-byte header (u32 type, u32 length with the header) and what follows; nothing is between records. Small
records are gathered into runs of the section `records`, memory pages pass through as pages, other long records in
`data`, and what cannot be followed in `other`. Held at any time: a batch, one small record, part of a page.
"""

from __future__ import annotations

import struct
import sys
from array import array
from collections.abc import Callable, Generator, Iterator

from objref.dialects.events import Derived, Event, Note, Pages, Part, Run, Whole, Woven
from objref.dialects.linux_cr.batch import RECORDS, Batch
from objref.dialects.linux_cr.chunks import find_chunks
from objref.dialects.linux_cr.grammar import Grammar
from objref.dialects.linux_cr.kinds import KIND, KINDS, ROLES
from objref.dialects.linux_cr.memory import Memory
from objref.dialects.linux_cr.notebook import Notebook
from objref.dialects.linux_cr.numbering import HEADER_LENGTH, byte_order
from objref.limits import DEFAULT, Limits

__all__ = ["LinuxCrSplitter"]

PAGE = 4096
STEP = 1 << 15
"""Bytes that are copied into the batch at once."""
BATCH = 1 << 18
DATA, OTHER, TAIL = "data", "other", "page-tail"
Took = Generator[Event, None, int]
"""A mode: takes bytes from the front of a piece and returns how many."""


class LinuxCrSplitter:
    """Splits a linux-cr stream. Mutable; see `events.Splitter`."""

    kinds = KINDS
    roles = ROLES

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._limits = limits
        self._batch = Batch()
        self._notebook = Notebook()
        self._grammar = Grammar("<", self._batch, self._notebook, limits.item)
        self._record = struct.Struct("<II")
        self._mode: Callable[[memoryview], Took] = self._first
        self._buffer = bytearray()
        self._at = 0
        self._need = HEADER_LENGTH
        self._base = 0
        """Position in the stream of the buffer's first byte."""
        self._left = 0
        """Bytes of a long record that still have to pass."""
        self._tokens: tuple[int, ...] = ()
        self._memory: Memory | None = None
        self._page = b""
        self._rest = 0
        self._rest_at = 0

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """The next bytes of the stream."""
        view = memoryview(data).cast("B") if data else memoryview(b"")
        at = 0
        while at < len(view):
            at += yield from self._mode(view[at:])

    # -- records -------------------------------------------------------------------------------------------

    def _first(self, view: memoryview) -> Took:
        """The first record tells the byte order."""
        taken = min(HEADER_LENGTH - len(self._buffer), len(view))
        self._buffer += view[:taken]
        if len(self._buffer) < HEADER_LENGTH:
            return taken
        order = byte_order(bytes(self._buffer[:16]))
        if not order:
            self._notebook.add("no-header", "", "does not begin with the header of a linux-cr stream: kept as it is")
            yield from self._give_up(0)
            return taken
        self._record = struct.Struct(order + "II")
        self._grammar = Grammar(order, self._batch, self._notebook, self._limits.item)
        self._mode, self._need = self._records, 8
        yield from self._walk()
        return taken

    def _records(self, view: memoryview) -> Took:
        taken = 0 if self._buffer else (yield from self._chunks(view))
        if taken:
            return taken
        taken = min(STEP, len(view))
        self._buffer += view[:taken]
        if len(self._buffer) < self._need:
            return taken
        yield from self._walk()
        if self._mode == self._records or not self._buffer:
            return taken
        surplus = len(self._buffer)  # of a long record: it is taken from the piece, without a copy
        self._buffer.clear()
        return taken - surplus

    def _walk(self) -> Iterator[Event]:
        """Every record that is there."""
        grammar, unpack = self._grammar, self._record.unpack_from
        buffer, at = self._buffer, self._at
        end = len(buffer)
        while True:
            if at + 8 > end:
                self._need = at + 8
                break
            type_, length = unpack(buffer, at)
            reach = length
            if length < 8 or length > 4096 or grammar.pages:
                reach = grammar.reach(type_, length, self._base + at) if length >= 8 else 0
                if reach < 8:
                    self._at = at
                    yield from self._damaged(type_, length)
                    return
            if at + reach > end:
                self._need = at + reach
                break
            grammar.record(type_, length, buffer, at, reach)
            at += reach
            if reach < length:
                self._at = at
                yield from self._pass(length, reach)
                return
            if at >= BATCH or grammar.ended:
                self._at = at
                yield from self._flush()
                at, end = 0, len(buffer)
                if grammar.ended:
                    yield from self._give_up(0)
                    return
        self._at = at

    def _flush(self) -> Iterator[Event]:
        """What was walked over becomes a run."""
        grammar = self._grammar
        for frame in grammar.stack:
            if frame.start >= 0:
                self._batch.spill(frame)
        yield from self._batch.flush(bytes(memoryview(self._buffer)[: self._at]))
        del self._buffer[: self._at]
        self._base += self._at
        grammar.base = self._base
        self._at = 0

    # -- long records --------------------------------------------------------------------------------------

    def _pass(self, length: int, reach: int) -> Iterator[Event]:
        grammar = self._grammar
        self._left = length - reach
        if grammar.pages and grammar.area is not None:
            self._memory, by_number = grammar.area
            self._memory.add(self._addresses(reach), grammar.page, grammar.page if by_number else 1)
        yield from self._flush()
        owner = grammar.passing
        assert owner is not None  # for mypy: the record went to an object
        if not owner.token:
            self._batch.spill(owner)
        self._tokens = (owner.token,)
        if self._memory is not None:
            self._tokens += (self._memory.token,)
        self._mode = self._pages if grammar.pages else self._data

    def _chunks(self, view: memoryview) -> Took:
        """Small chunks of pages, behind one that told how they look."""
        open_area = self._grammar.open_area()
        if open_area is None:
            return 0
        token, (memory, by_number), form = open_area
        length, turns, addresses = find_chunks(view, form)
        if length:
            memory.add(addresses, form.page, form.page if by_number else 1)
            yield Woven(RECORDS, view[:length], turns, token, (memory.token,))
            self._base += length
            self._grammar.base = self._base
        return length

    def _addresses(self, reach: int) -> array[int]:
        grammar = self._grammar
        found = array("Q" if grammar.word == 8 else "I")
        found.frombytes(memoryview(self._buffer)[self._at - reach + 8 : self._at])
        if (sys.byteorder == "big") != (grammar.order == ">"):
            found.byteswap()
        return found

    def _pages(self, view: memoryview) -> Took:
        """Memory: whole pages; what a piece has of the last one waits for the rest."""
        taken = min(self._left, len(view))
        data = view[:taken]
        self._left -= taken
        if self._page:
            missing = PAGE - len(self._page)
            self._page += data[:missing]
            data = data[missing:]
            if len(self._page) == PAGE:
                yield Pages(memoryview(self._page), self._tokens)
                self._base += PAGE
                self._page = b""
        whole = len(data) // PAGE * PAGE
        if whole:
            yield Pages(data[:whole], self._tokens)
            self._base += whole
        if whole < len(data):
            self._page = bytes(data[whole:])
        self._passed()
        return taken

    def _data(self, view: memoryview) -> Took:
        taken = min(self._left, len(view))
        self._left -= taken
        yield Run(DATA, view[:taken], tuple(Part(token, 0, taken) for token in self._tokens), True)
        self._base += taken
        self._passed()
        return taken

    def _passed(self) -> None:
        if not self._left:
            self._grammar.base = self._base
            self._memory = None
            self._grammar.passed()
            self._mode, self._need = self._records, 8

    # -- what cannot be followed ---------------------------------------------------------------------------

    def _damaged(self, type_: int, length: int) -> Iterator[Event]:
        where = self._base + self._at
        why = "below the 8 of its header" if length < 8 else "more than such a record can have"
        text = f"record of type {type_} at {where} has length {length}, {why}: kept as it is from there"
        self._notebook.add("damaged", f"{where:#x}", text)
        yield from self._give_up(self._at)

    def _give_up(self, at: int) -> Iterator[Event]:
        """Whatever comes is kept as it is."""
        self._at = at
        if at:
            yield from self._flush()
        self._mode, self._rest_at = self._verbatim, self._base
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            yield from self._verbatim(memoryview(data))

    def _verbatim(self, view: memoryview) -> Took:
        if not self._rest:
            self._rest = self._batch.new_token()
            if self._grammar.ended:
                text = "data after the end of the stream: kept, not looked into"
                self._notebook.add("trailing", f"{self._rest_at:#x}", text)
        yield Run(OTHER, view, (Part(self._rest, 0, len(view)),), True)
        self._base += len(view)
        return len(view)

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self) -> Iterator[Event]:
        """The stream has ended."""
        yield from self._cut()
        grammar = self._grammar
        while grammar.stack:
            grammar.close_top()
        yield from self._flush()
        yield from self._kept()
        for memory in grammar.memories:
            yield from memory.derive()
        layout = grammar.revision.layout
        if layout:
            none: array[int] = array("Q")
            yield Derived(KIND["layout"], 0, int(layout), False, none, none, none, none)
        yield from self._batch.finish()
        yield from self._notebook.take()

    def _kept(self) -> Iterator[Event]:
        if self._rest:
            yield Whole(KIND["rest"], 0, self._rest_at, self._rest, False)

    def _cut(self) -> Iterator[Event]:
        """What the stream lacks; the bytes of the record that it breaks off in are kept."""
        grammar = self._grammar
        text = self._missing()
        if self._page:
            yield Run(TAIL, self._page, (Part(self._tokens[0], 0, len(self._page)),))
            self._page = b""
        if self._memory is not None:
            self._memory.clip(self._memory.stored - -(-self._left // PAGE) * PAGE)
        if text:
            yield Note("cut", f"{self._end():#x}", text)
        if self._mode != self._verbatim and len(self._buffer) > self._at:
            yield from self._flush()
            yield from self._give_up(0)
        if grammar.tasks < len(grammar.tree):
            what = "cut" if text else "tree"  # a checkpoint that failed or lies is whole, as streams go
            yield Note(what, "tree:0", f"{len(grammar.tree)} tasks, {grammar.tasks} of them came")

    def _end(self) -> int:
        return self._base + len(self._buffer) + len(self._page)

    def _missing(self) -> str:
        """Why the stream is not complete; "" when it is, or when something else is noted already."""
        grammar, have = self._grammar, len(self._buffer) - self._at
        if self._mode == self._verbatim:
            return ""
        if self._mode == self._first:
            return f"ends after {have} bytes, inside its header"
        within = f" of {grammar.stack[-1].objref}" if grammar.stack else ""
        if self._left:
            return f"ends {self._left} bytes before the end of a record{within}"
        if have >= 8:
            type_, length = self._record.unpack_from(self._buffer, self._at)
            name = grammar.revision.name(type_, length) or f"type {type_}"
            return f"ends inside a record{within}: {have} of the {length} bytes of a {name}"
        if have:
            return f"ends inside the header of a record{within}"
        if not grammar.errors:
            return f"ends without TAIL, in the midst{within}" if within else "ends without TAIL"
        return ""
