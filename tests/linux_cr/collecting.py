"""Events into objects, the slow and plain way: what the splitter says, checked against itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from objref.dialects import events as ev
from objref.dialects.linux_cr import DIALECT
from objref.dialects.linux_cr.splitter import LinuxCrSplitter


class Collected(NamedTuple):
    stream: bytes
    objects: list[tuple[str, bytes]]
    """(objref, bytes), by ordinal."""
    edges: set[tuple[str, str, str]]
    """(source, role, target); a target of the space obj by the kind that it has."""
    memory: dict[str, dict[int, bytes]]
    notes: list[ev.Note]
    dangling: set[tuple[str, str, str]]

    def of(self, objref: str) -> list[bytes]:
        return [data for name, data in self.objects if name == objref]

    def told(self, what: str) -> list[ev.Note]:
        return [note for note in self.notes if note.what == what]


class _Collector:
    def __init__(self) -> None:
        self.stream = bytearray()
        self.last = 0
        self.tokens: dict[int, bytearray] = {}
        self.objects: list[tuple[int, int, bytes]] = []
        self.edges: list[ev.Edges] = []
        self.alias: list[tuple[int, int, int]] = []
        self.memory: dict[str, dict[int, bytes]] = {}
        self.notes: list[ev.Note] = []

    def take(self, events: Iterable[ev.Event]) -> None:
        for event in events:
            getattr(self, "on_" + type(event).__name__.lower())(event)

    def on_run(self, run: ev.Run) -> None:
        assert len(run.data), "an empty run"
        self.last = len(self.stream)
        self.stream += run.data
        for token, start, length, _ in run.parts:
            assert start >= 0
            assert start + length <= len(run.data)
            self.tokens.setdefault(token, bytearray()).extend(run.data[start : start + length])

    def on_pages(self, pages: ev.Pages) -> None:
        assert len(pages.data)
        assert len(pages.data) % 4096 == 0
        self.stream += pages.data
        for token in pages.tokens:
            self.tokens.setdefault(token, bytearray()).extend(pages.data)

    def on_woven(self, woven: ev.Woven) -> None:
        assert sum(woven.turns) == len(woven.data)
        assert all(woven.turns)
        self.stream += woven.data
        self.tokens.setdefault(woven.token, bytearray()).extend(woven.data)
        at = 0
        for bits, pages in zip(woven.turns[::2], woven.turns[1::2], strict=True):
            assert pages % 4096 == 0
            for token in woven.tokens:
                self.tokens.setdefault(token, bytearray()).extend(woven.data[at + bits : at + bits + pages])
            at += bits + pages

    def on_objects(self, objects: ev.Objects) -> None:
        for key, start, length in zip(objects.keys, objects.starts, objects.lengths, strict=True):
            assert self.last + start + length <= len(self.stream)
            self.objects.append((objects.kind, key, bytes(self.stream[self.last + start : self.last + start + length])))

    def on_whole(self, whole: ev.Whole) -> None:
        assert isinstance(whole.key, int)
        self.objects.append((whole.kind, whole.key, bytes(self.tokens.get(whole.token, b""))))

    def on_derived(self, made: ev.Derived) -> None:
        name = f"{DIALECT.kinds[made.kind].name}:{made.key}"
        self.objects.append((made.kind, made.key, b""))
        pages, end = self.memory.setdefault(name, {}), 0
        for at, token, offset, length in zip(made.at, made.tokens, made.offsets, made.lengths, strict=True):
            assert at >= end, "overlap"
            end = at + length
            data = self.tokens[token][offset : offset + length]
            assert len(data) == length
            pages.update({at + i: bytes(data[i : i + 4096]) for i in range(0, length, 4096)})

    def on_edges(self, edges: ev.Edges) -> None:
        self.edges.append(edges)

    def on_alias(self, alias: ev.Alias) -> None:
        assert not self.alias, "one Alias makes one space"
        self.alias = [(alias.kind, key, o) for key, o in zip(alias.keys, alias.ordinals, strict=True)]

    def on_note(self, note: ev.Note) -> None:
        self.notes.append(note)

    def finish(self) -> Collected:
        kinds, roles = DIALECT.kinds, DIALECT.roles
        names = [f"{kinds[kind].name}:{key}" for kind, key, _ in self.objects]
        known = {(kind, key): i for i, (kind, key, _) in reversed(list(enumerate(self.objects)))}
        known |= {(kind, key): i for kind, key, i in reversed(self.alias)}
        edges, dangling = set(), set()
        for e in self.edges:
            for source, role, kind, key in zip(e.sources, e.roles, e.kinds, e.keys, strict=True):
                target = known.get((kind, key))
                if target is None:
                    dangling.add((names[source], roles[role].name, f"{kinds[kind].name}:{key}"))
                else:
                    edges.add((names[source], roles[role].name, names[target]))
        objects = [(name, data) for name, (_, _, data) in zip(names, self.objects, strict=True)]
        return Collected(bytes(self.stream), objects, edges, self.memory, self.notes, dangling)


def collect(pieces: Iterable[bytes | memoryview]) -> Collected:
    """What a splitter makes of a stream in these pieces."""
    splitter, collector = LinuxCrSplitter(), _Collector()
    for piece in pieces:
        collector.take(splitter.feed(piece))
    collector.take(splitter.finish())
    return collector.finish()


def cut(data: bytes, sizes: Iterator[int]) -> Iterator[bytes]:
    """The stream in pieces of these sizes."""
    at = 0
    while at < len(data):
        size = next(sizes)
        yield data[at : at + size]
        at += size
