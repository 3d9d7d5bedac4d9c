"""A collector for tests: events in, plain dicts out. It checks the rules of events.py on the way."""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

from objref.dialects.dobriyan import DIALECT
from objref.dialects.events import Alias, Edges, Event, Note, Objects, Run, Whole
from objref.limits import DEFAULT


class Found(NamedTuple):
    """What a stream holds."""

    stream: bytes
    objects: dict[str, bytes]
    edges: set[tuple[str, str, str]]
    notes: list[Note]
    positions: dict[int, str]
    """Key in `pos` -> objref."""

    def noted(self, what: str) -> list[Note]:
        return [note for note in self.notes if note.what == what]

    @property
    def dangling(self) -> set[str]:
        return {target for _, _, target in self.edges if target not in self.objects}


def name_of(kind: int, key: int) -> str:
    found = DIALECT.kinds[kind]
    return f"{found.name}:{key:#x}" if found.form else f"{found.name}:{key}"


class Collector:
    """Mutable."""

    def __init__(self) -> None:
        self.stream = bytearray()
        self.names: list[str] = []
        self.objects: dict[str, bytes] = {}
        self.tokens: dict[int, bytearray] = {}
        self.edges: set[tuple[int, str, str]] = set()
        self.notes: list[Note] = []
        self.positions: dict[int, int] = {}
        self.last = b""

    def take(self, event: Event) -> None:
        {Run: self.run, Objects: self.found, Whole: self.whole, Edges: self.refer, Note: self.notes.append,
         Alias: self.alias}[type(event)](event)  # type: ignore[operator]  # fmt: skip

    def run(self, run: Run) -> None:
        assert run.data, "an empty run"
        self.last = bytes(run.data)
        self.stream += self.last
        for token, start, length, _ in run.parts:
            assert start + length <= len(self.last)
            self.tokens.setdefault(token, bytearray()).extend(self.last[start : start + length])

    def add(self, kind: int, key: int, data: bytes) -> None:
        name = name_of(kind, key)
        assert name not in self.objects
        self.names.append(name)
        self.objects[name] = data

    def found(self, objects: Objects) -> None:
        for key, start, length in zip(objects.keys, objects.starts, objects.lengths, strict=True):
            assert start + length <= len(self.last)
            self.add(objects.kind, key, self.last[start : start + length])

    def whole(self, whole: Whole) -> None:
        assert isinstance(whole.key, int)
        self.add(whole.kind, whole.key, bytes(self.tokens.pop(whole.token)))

    def refer(self, edges: Edges) -> None:
        for source, role, kind, key in zip(edges.sources, edges.roles, edges.kinds, edges.keys, strict=True):
            self.edges.add((source, DIALECT.roles[role].name, name_of(kind, key)))

    def alias(self, alias: Alias) -> None:
        assert not self.positions, "aliases of a kind must come in one event"
        assert DIALECT.kinds[alias.kind].name == "pos"
        self.positions = dict(zip(alias.keys, alias.ordinals, strict=True))

    def done(self) -> Found:
        edges = {(self.names[source], role, target) for source, role, target in self.edges}
        positions = {key: self.names[ordinal] for key, ordinal in self.positions.items()}
        return Found(bytes(self.stream), self.objects, edges, self.notes, positions)


def split(pieces: Iterable[bytes]) -> Found:
    """What these pieces of a stream hold."""
    splitter, collector, length = DIALECT.splitter(DEFAULT), Collector(), 0
    for piece in pieces:
        length += len(piece)
        for event in splitter.feed(piece):
            collector.take(event)
        assert len(collector.stream) <= length
        assert length - len(collector.stream) <= 8192, "holds back more than one object"
    for event in splitter.finish():
        collector.take(event)
    return collector.done()


def byte_wise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def random_pieces(data: bytes, seed: int) -> Iterator[bytes]:
    r, at = random.Random(seed), 0
    while at < len(data):
        n = r.choice((0, 1, 7, 8, 64, 1000))
        yield data[at : at + n]
        at += n


def read(data: bytes, seeds: int = 2) -> Found:
    """What an image holds: the same whole, byte by byte and in pieces, and every byte is kept.

    Everywhere: an object's bytes are those at its key, and say its length; `pos` names each once.
    """
    found: Any = split([data])
    assert found.stream == data
    assert found == split(byte_wise(data))
    for seed in range(seeds):
        assert found == split(random_pieces(data, seed))
    for name, body in found.objects.items():
        at = int(name.partition(":")[2], 0)
        assert data[at : at + len(body)] == body, name
        assert name == "header:0" or int.from_bytes(body[4:8], "little") == len(body), name
    named = {int(name.partition(":")[2], 0): name for name in found.objects if name != "header:0"}
    assert found.positions == named
    return found
