"""Objects on their way out: columns of those that lie in one run, tokens for those that several runs make up.

A batch is what the stream had between two places that the stream itself determines, never the pieces in which it came:
so the same stream gives the same ordinals.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence

from objref.dialects.events import Alias, Edges, Event, Objects, Part, Run, Whole
from objref.dialects.linux_cr.kinds import KIND, OBJECTS
from objref.dialects.linux_cr.memory import Memory

__all__ = ["Batch", "Frame"]

RECORDS = "records"
NAMED = frozenset(KIND[name] for name in OBJECTS)
KEY_MASK = 0xFFFFFFFF


class Frame:
    """An object whose records still come. Mutable.

    `wants`: names of the records that it may yet take, and how many (-1: any number). `loose`: it may be complete.
    `codes`: its references, as role << 48 | kind << 32 | key.
    """

    __slots__ = ("codes", "count", "end", "key", "kind", "loose", "memory", "parts", "start", "token", "wants")

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
    """Objects of one kind in one run, and their references. Mutable."""

    __slots__ = ("codes", "keys", "lengths", "sources", "starts")

    def __init__(self) -> None:
        self.keys, self.starts, self.lengths = array("Q"), array("Q"), array("Q")
        self.sources: list[int] = []
        self.codes: list[int] = []


class Batch:
    """Finished objects since the last flush. Mutable."""

    def __init__(self) -> None:
        self._columns: dict[str, _Column] = {}
        self._wholes: list[Frame] = []
        self._parts: list[Part] = []
        self._tokens = 0
        self._ordinal = 0
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
            column.sources.extend([len(column.keys)] * len(codes))
            column.codes.extend(codes)
        column.keys.append(key)
        column.starts.append(start)
        column.lengths.append(length)

    def close(self, frame: Frame) -> None:
        """An object that is complete, or will not become so."""
        if not frame.token and not frame.parts and frame.start >= 0:
            self.add(frame.kind, frame.key, frame.start, frame.end - frame.start, frame.codes)
            return
        self.spill(frame)
        self._wholes.append(frame)

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
        sources, codes = array("I"), array("Q")
        for kind, column in self._columns.items():
            first = self._number(KIND[kind], column.keys)
            sources.extend([first + i for i in column.sources])
            codes.extend(column.codes)
            yield Objects(KIND[kind], 0, column.keys, column.starts, column.lengths)
        self._columns.clear()
        for frame in self._wholes:
            ordinal = self._number(KIND[frame.kind], (frame.key,))
            sources.extend([ordinal] * len(frame.codes))
            codes.extend(frame.codes)
            # merge=False lets the collector forget the token: nothing refers to it later
            yield Whole(KIND[frame.kind], 0, frame.key, frame.token, False)
        self._wholes.clear()
        if codes:
            yield _edges(sources, codes)

    def _number(self, kind: int, keys: Sequence[int]) -> int:
        first = self._ordinal
        self._ordinal += len(keys)
        if kind in NAMED:
            self._alias_keys.extend(keys)
            self._alias_ordinals.extend(range(first, self._ordinal))
        return first

    def finish(self) -> Iterator[Event]:
        """The space in which everything that has an OBJREF record is found."""
        if self._alias_keys:
            yield Alias(KIND["obj"], 0, self._alias_keys, self._alias_ordinals)


def _edges(sources: array[int], codes: array[int]) -> Edges:
    roles = array("B", [code >> 48 for code in codes])
    kinds = array("H", [code >> 32 & 0xFFFF for code in codes])
    return Edges(0, sources, roles, kinds, array("Q", [code & KEY_MASK for code in codes]))
