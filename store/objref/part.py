"""A part of an image as an image of its own, for dialects that have no form for a part: objects as they were, with
their ids, references and memory. What export gives of it are their bytes one after the other, and no stream.
"""

from __future__ import annotations

import os
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from objref.container import format as f
from objref.dialects import events as ev
from objref.dialects.cuts import Cuts, Kind
from objref.dialects.plan import Plan, Request
from objref.errors import UnsupportedError
from objref_index import FORM_BYTES
from objref_index.objects import NOWHERE

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["plan_part", "write_part"]

PIECE = 1 << 20
CLASSES = {"soft": Kind("drop", {"drop": "the reference stays, and leads to nothing in the new image"})}
MEANING = "a reference that may lead to nothing: what it means is left out"
DESCENT = "parent"
"""Role that makes a subtree."""


def plan_part(image: Image, request: Request) -> Plan:
    """The closure of what was asked for (docs/graph.md), with what descends from it in the scope "subtree"."""
    cuts = Cuts(request.policy, CLASSES)
    if any(space.form == FORM_BYTES for space in image.container.spaces):
        raise UnsupportedError("a part of an image whose objects have names for ids")
    names = tuple(dict.fromkeys(request.objrefs))
    roots = tuple(image.object(name) for name in names)
    roles = [DESCENT] if request.scope == "subtree" and any(r.name == DESCENT for r in image.container.roles) else []
    below = tuple(image.closure(*roots, direction="reverse", roles=roles)) if roles else roots
    always = [found for kind in image.dialect.always if (0, kind) in image.spaces() for found in image[kind].objects()]
    needed = image.closure(*below, *always)
    for crossing in needed.cut().leaving:
        target = crossing.target_objref
        cuts.add("soft", crossing.source.objref, crossing.role, target, MEANING)
    cuts.check_all_used()
    kept = tuple(found.objref for found in below)
    note = f"{len(needed)} of {len(image)} objects; what export gives of them is no {image.dialect.name} stream"
    return Plan(names, kept, (), tuple(cuts.found.values()), (), (), (), (note,), objects=tuple(needed.ordinals))


def write_part(image: Image, plan: Plan, dest: str | os.PathLike[str], *, replace: bool) -> int:
    """Write what was planned, as an .objref file. Returns the bytes of the objects."""
    from objref.collector import Collector
    from objref.container.output import Output
    from objref.container.writer import ContainerWriter
    from objref_index.build import Columns

    with Output(dest, replace=replace) as output:
        writer = ContainerWriter(output)
        try:
            collector = Collector(writer, image.dialect, image.container.limits, Columns())
            for event in _events(image, plan):
                collector.take([event])
                writer.end_batch()
            collector.finish({"kind": "extract", "compression": None})
        finally:
            writer.close()
        output.commit()
        return writer.stream_length


def _events(image: Image, plan: Plan) -> Iterator[ev.Event]:
    bytes_of = _Bytes(image, plan.objects)
    yield from bytes_of.events()
    for ordinal in plan.objects:
        yield _object(image, ordinal, bytes_of)
    yield from _references(image, plan.objects)
    yield from _aliases(image, plan.objects)
    yield ev.Note(ev.CUT, "", f"a part: {plan.notes[0]}")


# -- bytes --------------------------------------------------------------------------------------------------


class _Run(NamedTuple):
    """Bytes of a section that objects have. `offset`: where they are among all of that section."""

    start: int
    stop: int
    offset: int


class _Bytes:
    """The bytes of some objects, each once: objects may lie in each other. A token stands for a section."""

    def __init__(self, image: Image, ordinals: tuple[int, ...]) -> None:
        self._image = image
        spans: dict[int, list[tuple[int, int]]] = {}
        table = image.object_table
        for ordinal in ordinals:
            for extent in table.extents(table.row(ordinal)).extents:
                if extent.section != NOWHERE:
                    spans.setdefault(extent.section, []).append((extent.address, extent.address + extent.length))
        self._runs = {section: _joined(sorted(found)) for section, found in sorted(spans.items())}
        self._starts = {section: [run.start for run in runs] for section, runs in self._runs.items()}

    def events(self) -> Iterator[ev.Run | ev.Pages]:
        """All of them."""
        sections = self._image.container.sections
        for section, runs in self._runs.items():
            entry = sections[section]
            paged = entry.role == f.PAGE_TABLE and not any(run.start % f.PAGE or run.stop % f.PAGE for run in runs)
            for run in runs:
                for piece in self._pieces(section, run):
                    if paged:
                        yield ev.Pages(memoryview(piece), (section,))
                    else:
                        yield ev.Run(entry.name, piece, (ev.Part(section, 0, len(piece)),), entry.role == f.PAGE_TABLE)

    def _pieces(self, section: int, run: _Run) -> Iterator[bytes]:
        for at in range(run.start, run.stop, PIECE):
            yield b"".join(self._image.container.chunks(section, at, min(PIECE, run.stop - at)))

    def place(self, section: int, address: int) -> tuple[int, int]:
        """Token of an address of a section, and where it is among the bytes of that."""
        run = self._runs[section][bisect_right(self._starts[section], address) - 1]
        return section, run.offset + address - run.start


def _joined(spans: list[tuple[int, int]]) -> list[_Run]:
    runs: list[_Run] = []
    for start, stop in spans:
        if runs and start <= runs[-1].stop:
            runs[-1] = runs[-1]._replace(stop=max(stop, runs[-1].stop))
        else:
            before = runs[-1].offset + runs[-1].stop - runs[-1].start if runs else 0
            runs.append(_Run(start, stop, before))
    return runs


# -- objects and references ---------------------------------------------------------------------------------


def _key(image: Image, ordinal: int, kind: int) -> int:
    claim = image.space(image.kind_name(kind)).claim(ordinal)
    return int(claim[0]) if claim is not None else 0


def _object(image: Image, ordinal: int, bytes_of: _Bytes) -> ev.Derived:
    row = image.object_table.row(ordinal)
    places = image.object_table.extents(row)
    columns = tuple(array("Q") for _ in range(4))
    for extent in places.extents:
        place = (0, 0) if extent.section == NOWHERE else bytes_of.place(extent.section, extent.address)
        for column, value in zip(columns, (extent.at, *place, extent.length), strict=True):
            column.append(value)
    return ev.Derived(row.kind, 0, _key(image, ordinal, row.kind), places.sparse, *columns)


def _references(image: Image, ordinals: tuple[int, ...]) -> Iterator[ev.Edges]:
    """All of them: those that lead out are named as before."""
    table, rows = image.reference_table, image.object_table
    for source, ordinal in enumerate(ordinals):
        edges = ev.Edges(0, array("I"), array("B"), array("H"), array("Q"))
        for edge in table.of(ordinal):
            if edge.target is None:
                lost = table.dangling(edge.dangling)
                kind, key = lost.kind, lost.key
            else:
                kind = rows.row(edge.target).kind
                key = _key(image, edge.target, kind)
            for column, value in zip(edges[1:], (source, edge.role, kind, key), strict=True):
                column.append(value)
        if edges.sources:
            yield edges


def _aliases(image: Image, ordinals: tuple[int, ...]) -> Iterator[ev.Alias]:
    """Further keys."""
    kinds = {kind.name: number for number, kind in enumerate(image.dialect.kinds)}
    for entry in image.container.spaces:
        if not entry.flags & f.SPACE_ALIAS:
            continue
        space, keys, numbers = image.space(entry.name), array("Q"), array("I")
        for number, ordinal in enumerate(ordinals):
            claim = space.claim(ordinal)
            if claim is not None:
                keys.append(int(claim[0]))
                numbers.append(number)
        if keys:
            yield ev.Alias(kinds[entry.name], 0, keys, numbers)
