"""Events into objects: what an import would make of them, with a dict."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

from objref.dialects.events import Alias, Derived, Edges, Event, Forget, Note, Objects, Pages, Run, Woven
from objref.dialects.openvz.kinds import KINDS, ROLES
from objref.dialects.openvz.splitter import CptSplitter


class Thing(NamedTuple):
    """An object: kind, position, bytes; `at` for memory: address -> bytes."""

    kind: str
    key: int
    data: bytes
    at: dict[int, bytes] | None = None


class Collected:
    """All that a splitter said. Mutable."""

    def __init__(self) -> None:
        self.stream = bytearray()
        self.things: list[Thing] = []
        self.notes: list[Note] = []
        self.edges: list[tuple[int, str, str, int]] = []
        self.aliases: dict[tuple[str, int], int] = {}
        self.paged = 0
        self._last = 0

    def take(self, events: Iterable[Event]) -> None:
        for event in events:
            getattr(self, "_" + type(event).__name__.lower())(event)

    def _run(self, run: Run) -> None:
        assert len(run.data)
        self._last = len(self.stream)
        assert [(p.token, p.start, p.length) for p in run.parts] in ([(1, 0, len(run.data))], [])
        self.stream += run.data

    def _pages(self, pages: Pages) -> None:
        assert pages.data.nbytes % 4096 == 0
        self.paged += pages.data.nbytes
        self.stream += pages.data

    def _woven(self, woven: Woven) -> None:
        assert sum(woven.turns) == len(woven.data)
        assert (woven.token, woven.tokens) == (1, ())
        assert all(pages and pages % 4096 == 0 for pages in woven.turns[1::2])
        self.paged += sum(woven.turns[1::2])
        self.stream += woven.data

    def _objects(self, objects: Objects) -> None:
        for key, start, length in zip(objects.keys, objects.starts, objects.lengths, strict=True):
            begin = self._last + start
            assert begin + length <= len(self.stream)
            self.things.append(Thing(KINDS[objects.kind].name, key, bytes(self.stream[begin : begin + length])))

    def _derived(self, made: Derived) -> None:
        rows, end = {}, -1
        for at, token, offset, length in zip(made.at, made.tokens, made.offsets, made.lengths, strict=True):
            assert at > end
            assert token == 0 or offset + length <= len(self.stream)
            rows[at] = bytes(self.stream[offset : offset + length]) if token else bytes(min(length, 1 << 20))
            end = at + length - 1
        name = KINDS[made.kind].name
        if made.sparse:
            self.things.append(Thing(name, made.key, b"", rows))
        else:
            self.things.append(Thing(name, made.key, b"".join(rows.values())))

    def _edges(self, edges: Edges) -> None:
        for source, role, kind, key in zip(edges.sources, edges.roles, edges.kinds, edges.keys, strict=True):
            assert source < len(self.things)
            self.edges.append((source, ROLES[role].name, KINDS[kind].name, key))

    def _alias(self, alias: Alias) -> None:
        for key, ordinal in zip(alias.keys, alias.ordinals, strict=True):
            assert ordinal < len(self.things)
            self.aliases.setdefault((KINDS[alias.kind].name, key), ordinal)

    def _forget(self, forget: Forget) -> None:
        name = KINDS[forget.kind].name if forget.kind is not None else None
        self.edges = [e for e in self.edges if e[2] != name or (forget.keys is not None and e[3] not in forget.keys)]

    def _note(self, note: Note) -> None:
        self.notes.append(note)

    # -- asking --------------------------------------------------------------------------------------------

    def find(self, space: str, key: int) -> Thing:
        """By `pos`, `pid`, `socket-index`, …, or `mem`."""
        if (space, key) in self.aliases:
            return self.things[self.aliases[space, key]]
        return next(t for t in self.things if t.kind == space and t.key == key)

    def references(self, position: int, role: str = "") -> list[tuple[str, str, int]]:
        """(role, space, key) from the object at a position."""
        me = self.aliases["pos", position]
        return [edge[1:] for edge in self.edges if edge[0] == me and role in ("", edge[1])]

    def what(self) -> set[str]:
        return {note.what for note in self.notes}

    def same(self) -> Any:
        """All but how the stream was cut."""
        return self.things, sorted(self.edges), self.aliases, self.notes, bytes(self.stream)


def collect(data: bytes, cuts: Iterable[int] = ()) -> Collected:
    """Split bytes, fed in pieces that end at `cuts`."""
    splitter, collected, at = CptSplitter(), Collected(), 0
    for cut in (*cuts, len(data)):
        collected.take(splitter.feed(bytearray(data[at:cut])))
        at = cut
    collected.take(splitter.finish())
    assert bytes(collected.stream) == data
    return collected
