"""Objects on their way out: columns of those that lie in one run, tokens for those that several runs make up.

A batch is what the stream had between two places that the stream itself determines, never the pieces in which it came:
so the same stream gives the same ordinals. Objects of one kind are numbered in the order in which they become complete.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from objref.dialects.events import Alias, Edges, Event, Objects, Part, Run, Whole
from objref.dialects.linux_cr.kinds import KIND, OBJECTS
from objref.dialects.linux_cr.memory import Memory

__all__ = ["RECORDS", "Batch", "Frame"]

RECORDS = "records"
"""The section of all records but their long payloads."""
NAMED = frozenset(KIND[name] for name in OBJECTS)
KEY_MASK = 0xFFFFFFFF


class Frame:
    """An object whose records still come. Mutable.

    `wants`: names of the records that it may yet take, and how many (-1: any number). `loose`: it may be complete.
    `codes`: its references, as role << 48 | kind << 32 | key.
    """

    __slots__ = ("area", "codes", "count", "end", "key", "kind", "loose", "memory", "parts", "start", "token", "wants")

    def __init__(self, kind: str, key: int, wants: dict[str, int], loose: bool = False) -> None:
        self.kind, self.key, self.wants, self.loose = kind, key, wants, loose
        self.start = self.end = -1
        """Its last piece, in the batch that is being made."""
        self.parts: list[tuple[int, int]] = []
        """The pieces before it, in the same batch."""
        self.token = 0
        self.codes: list[int] | array[int] = []
        self.count = 0
        self.memory: Memory | None = None
        """The private memory of an mm."""
        self.area: tuple[Memory, bool] | None = None
        """Where pages that come next go; whether they come by number, and not by address."""

    def take(self, start: int, end: int) -> None:
        """A record of it lies there in the batch."""
        if self.end == start:
            self.end = end
            return
        if self.start >= 0:
            self.parts.append((self.start, self.end))
        self.start, self.end = start, end

    @property
    def objref(self) -> str:
        """For notes."""
        return f"{self.kind}:{self.key:#x}" if self.kind == "record" else f"{self.kind}:{self.key}"


class _Column:
    """Complete objects of one kind: those in one piece as columns, the others with their place among them. Mutable."""

    __slots__ = ("codes", "keys", "lengths", "sources", "starts", "wholes")

    def __init__(self) -> None:
        self.keys, self.starts, self.lengths = array("Q"), array("Q"), array("Q")
        self.wholes: list[tuple[int, Frame]] = []
        self.sources, self.codes = array("I"), array("Q")
        """References; a source is counted from the first object of the column."""

    def __len__(self) -> int:
        return len(self.keys) + len(self.wholes)

    def refer(self, codes: Sequence[int]) -> None:
        """References of the next object."""
        self.sources.extend([len(self)] * len(codes))
        self.codes.extend(codes)

    def events(self, kind: int) -> Iterator[Objects | Whole]:
        """The objects in their order."""
        at = 0
        for place, frame in (*self.wholes, (len(self.keys), None)):
            if place > at:
                yield Objects(kind, 0, self.keys[at:place], self.starts[at:place], self.lengths[at:place])
            at = place
            if frame is not None:  # merge=False lets the importer forget the token: nothing refers to it later
                yield Whole(kind, 0, frame.key, frame.token, False)

    def all_keys(self) -> Iterator[int]:
        """The keys in that order."""
        at = 0
        for place, frame in self.wholes:
            yield from self.keys[at:place]
            yield frame.key
            at = place
        yield from self.keys[at:]


class Batch:
    """Complete objects since the last flush. Mutable."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._parts: list[Part] = []
        self._tokens = 0
        self.ordinal = 0
        """Objects flushed so far."""
        self._alias_keys, self._alias_ordinals = array("Q"), array("I")

    def new_token(self) -> int:
        """A token that was not used before."""
        self._tokens += 1
        return self._tokens

    def add(self, kind: str, key: int, start: int, length: int, codes: Sequence[int] = ()) -> None:
        """An object in one piece."""
        column = self._columns.get(kind)
        if column is None:
            column = self._columns[kind] = _Column()
        if codes:
            column.refer(codes)
        column.keys.append(key)
        column.starts.append(start)
        column.lengths.append(length)

    def close(self, frame: Frame) -> None:
        """An object that is complete, or will not become so."""
        if not frame.token and not frame.parts and frame.start >= 0:
            self.add(frame.kind, frame.key, frame.start, frame.end - frame.start, frame.codes)
            return
        self.spill(frame)
        column = self._columns.setdefault(frame.kind, _Column())
        column.refer(frame.codes)
        column.wholes.append((len(column.keys), frame))

    def spill(self, frame: Frame) -> None:
        """The pieces of an object become parts of its token."""
        if not frame.token:
            frame.token = self.new_token()
        if frame.start >= 0:
            for start, end in (*frame.parts, (frame.start, frame.end)):
                self._parts.append(Part(frame.token, start, end - start))
            frame.parts.clear()
            frame.start = frame.end = -1

    def flush(self, data: bytes) -> Iterator[Event]:
        """The run that the batch is of, and all objects that are complete."""
        if data:
            yield Run(RECORDS, data, tuple(self._parts))
        self._parts.clear()
        for name, column in self._columns.items():
            kind = KIND[name]
            yield from column.events(kind)
            if kind in NAMED:
                self._alias_keys.extend(column.all_keys())
                self._alias_ordinals.extend(range(self.ordinal, self.ordinal + len(column)))
            if column.codes:
                yield _edges(column, self.ordinal)
            self.ordinal += len(column)
        self._columns.clear()

    def finish(self) -> Iterator[Event]:
        """The space in which everything that has an OBJREF record is found."""
        if self._alias_keys:
            yield Alias(KIND["obj"], 0, self._alias_keys, self._alias_ordinals)


def _edges(column: _Column, first: int) -> Edges:
    codes = column.codes
    sources = array("I", [first + source for source in column.sources])
    roles = array("B", [code >> 48 for code in codes])
    kinds = array("H", [code >> 32 & 0xFFFF for code in codes])
    return Edges(0, sources, roles, kinds, array("Q", [code & KEY_MASK for code in codes]))
