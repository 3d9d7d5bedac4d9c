"""What a splitter says, collected in plain dicts: the model that scenes and imports are compared with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

from objref.dialects import events as ev
from objref.dialects.criu.splitter import CriuSplitter
from objref.names import format_objref

if TYPE_CHECKING:
    from criu.making import Scene

Ranges = list[tuple[int, bytes]]


def joined(found: Iterable[tuple[int, bytes]]) -> Ranges:
    """Ranges of memory, ascending; those that touch become one."""
    ranges: Ranges = []
    for at, data in sorted(found):
        if ranges and ranges[-1][0] + len(ranges[-1][1]) == at:
            ranges[-1] = (ranges[-1][0], ranges[-1][1] + data)
        else:
            ranges.append((at, data))
    return ranges


class Found(NamedTuple):
    """All that a stream turned out to hold, by objref."""

    stream: bytes
    pieces: dict[str, list[bytes]]
    memory: dict[str, Ranges]
    edges: list[tuple[str, str, str]]
    notes: list[tuple[str, str]]
    layers: tuple[str, ...]
    order: list[str]
    """Objrefs by ordinal."""


class _Object(NamedTuple):
    kind: int
    layer: int
    key: Any
    pieces: list[bytes]
    memory: Ranges | None


class _Collector:
    """Mutable."""

    def __init__(self) -> None:
        self.stream = bytearray()
        self.last: bytes = b""
        self.tokens: dict[int, list[bytearray]] = {}
        self.objects: list[_Object] = []
        self.edges: list[tuple[int, int, int, int, int]] = []
        self.aliases: list[ev.Alias] = []
        self.late: list[ev.Retarget | ev.Forget] = []
        self.notes: list[ev.Note] = []
        self.layers = ev.Layers([0], [])

    def take(self, event: ev.Event) -> None:
        getattr(self, "on_" + type(event).__name__.lower())(event)

    def on_run(self, run: ev.Run) -> None:
        self.last = bytes(run.data)
        assert self.last, "an empty run"
        self.stream += self.last
        for part in run.parts:
            assert 0 <= part.start <= part.start + part.length <= len(self.last)
            self._add(part.token, self.last[part.start : part.start + part.length], part.new)

    def _add(self, token: int, data: bytes, new: bool) -> None:
        pieces = self.tokens.setdefault(token, [])
        if new or not pieces:
            pieces.append(bytearray())
        pieces[-1] += data

    def on_pages(self, pages: ev.Pages) -> None:
        assert len(pages.data) % 4096 == 0
        self.stream += pages.data
        for token in pages.tokens:
            self._add(token, bytes(pages.data), False)

    def on_objects(self, some: ev.Objects) -> None:
        for key, start, length in zip(some.keys, some.starts, some.lengths, strict=True):
            assert start + length <= len(self.last)
            self.objects.append(_Object(some.kind, some.layer, key, [self.last[start : start + length]], None))

    def on_whole(self, whole: ev.Whole) -> None:
        pieces = [bytes(piece) for piece in self.tokens.get(whole.token, [])]
        if whole.runs is not None:
            content, data = bytearray(whole.size), b"".join(pieces)
            for offset, length in whole.runs:
                content[offset : offset + length], data = data[:length], data[length:]
            assert not data
            pieces = [bytes(content)]
        self.objects.append(_Object(whole.kind, whole.layer, whole.key, pieces, None))

    def on_derived(self, made: ev.Derived) -> None:
        memory = []
        end = 0
        for at, token, offset, length in zip(made.at, made.tokens, made.offsets, made.lengths, strict=True):
            assert at >= end, "segments overlap"
            assert length
            end = at + length
            data = b"".join(self.tokens[token]) if token else bytes(length)
            memory.append((at, data[offset : offset + length] if token else data))
            assert len(memory[-1][1]) == length, "beyond the file"
        self.objects.append(_Object(made.kind, made.layer, made.key, [], memory if made.sparse else None))

    def on_edges(self, edges: ev.Edges) -> None:
        for source, role, kind, key in zip(edges.sources, edges.roles, edges.kinds, edges.keys, strict=True):
            self.edges.append((source, role, edges.layer, kind, key))

    def on_alias(self, alias: ev.Alias) -> None:
        self.aliases.append(alias)

    def on_retarget(self, late: ev.Retarget) -> None:
        self.late.append(late)

    def on_forget(self, late: ev.Forget) -> None:
        self.late.append(late)

    def on_layers(self, layers: ev.Layers) -> None:
        self.layers = layers

    def on_note(self, note: ev.Note) -> None:
        self.notes.append(note)

    # -- the end -------------------------------------------------------------------------------------------

    def found(self) -> Found:
        numbers, kinds, roles = self.layers.numbers, CriuSplitter.kinds, CriuSplitter.roles
        order, pieces, memory = [], {}, {}
        by_key: dict[tuple[int, int, Any], list[str]] = {}
        for one in self.objects:
            same = by_key.setdefault((numbers[one.layer], one.kind, one.key), [])
            kind = kinds[one.kind]
            name = format_objref(numbers[one.layer], kind.name, one.key, kind.form, len(same) + 1)
            same.append(name)
            order.append(name)
            if one.memory is None:
                pieces[name] = one.pieces
            else:
                memory[name] = joined(one.memory)
        for alias in self.aliases:
            for key, ordinal in zip(alias.keys, alias.ordinals, strict=True):
                by_key.setdefault((numbers[alias.layer], alias.kind, key), []).append(order[ordinal])
        edges = []
        for source, role, layer, kind_number, key in self._settled():
            kind = kinds[kind_number]
            target = by_key.get((numbers[layer], kind_number, key))
            name = target[0] if target else format_objref(numbers[layer], kind.name, key, kind.form)
            edges.append((order[source], roles[role].name, name))
        notes = sorted((note.what, note.where) for note in self.notes)
        return Found(bytes(self.stream), pieces, memory, sorted(edges), notes, tuple(self.layers.paths), order)

    def _settled(self) -> Iterator[tuple[int, int, int, int, int]]:
        for source, role, layer, kind, key in self.edges:
            for late in self.late:
                if isinstance(late, ev.Retarget) and late.layer == layer and kind in late.kinds:
                    kind = late.to
            gone = (
                late.layer == layer and late.kind == kind and (late.keys is None or key in late.keys)
                for late in self.late
                if isinstance(late, ev.Forget)
            )
            if not any(gone):
                yield source, role, layer, kind, key


def split(pieces: Iterable[bytes]) -> Found:
    """What the splitter finds in a stream that comes in these pieces."""
    splitter, collector = CriuSplitter(), _Collector()
    for piece in pieces:
        for event in splitter.feed(piece):
            collector.take(event)
    for event in splitter.finish():
        collector.take(event)
    return collector.found()


def expected(scene: Scene) -> Found:
    """What a scene says that it holds. `order` is left empty, notes of the import are left out."""
    from criu.making import Link, filled, members_of

    pieces: dict[str, list[bytes]] = {}
    memory: dict[str, Ranges] = {}
    edges: set[tuple[str, str, str]] = set()
    for folder in scene.folders:
        pieces |= folder.pieces
        memory |= {name: joined(found.items()) for name, found in folder.memory.items()}
        edges |= folder.edges
    claims: dict[bytes, int] = {}
    for raw, content in members_of(scene.folders) if scene.members is None else scene.members:
        path = raw.removeprefix(b"./").rstrip(b"/")
        claims[path] = claims.get(path, 0) + 1
        data = b"" if content is None or isinstance(content, Link) else content
        pieces[format_objref(0, "member", path, 3, claims[path])] = [data if isinstance(data, bytes) else filled(data)]
    layers = scene.layers
    if layers is None:
        layers = tuple(folder.name for folder in sorted(scene.folders, key=lambda f: f.layer))
    return Found(scene.tar(), pieces, memory, sorted(edges), sorted(scene.notes), layers, [])
