"""The only place where the events of a dialect meet the writer: runs are appended, tokens become extents, objects and
references columns of the index."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from typing import Any

from objref.container.writer import ContainerWriter
from objref.cuts import CUTS, partial_of, shortened
from objref.dialects import events as ev
from objref.dialects.dialect import Dialect
from objref.ending import build_index, claims_of, write_end, written_by
from objref.errors import LimitError
from objref.limits import Limits
from objref.report import Report
from objref.token_extents import Extents, with_holes
from objref_index.large import AnyColumns
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE, SPARSE

__all__ = ["Collector", "SplittingCollector"]


class Collector:
    """Takes events, fills the writer and the index. Mutable."""

    def __init__(self, writer: ContainerWriter, dialect: Dialect, limits: Limits, columns: AnyColumns) -> None:
        self._writer = writer
        self._dialect = dialect
        self._limits = limits
        self._columns = columns
        self._columns.names[0] = []
        self._tokens: dict[int, Extents] = {}
        self._paged: set[int] = set()
        self._last = 0
        self._notes: list[ev.Note] = []
        self._notes_left_out = 0
        self.cuts: list[ev.Note] = []
        """Where the stream is cut."""
        self._layers: list[str] = []
        self._late: list[ev.Retarget | ev.Forget] = []
        self._numbers: list[int] | None = None
        self._on: dict[type, Callable[[Any], None]] = {
            ev.Run: self._run,
            ev.Pages: self._pages,
            ev.Woven: self._woven,
            ev.Objects: self._objects,
            ev.Whole: self._whole,
            ev.Derived: self._derived,
            ev.Edges: self._edges,
            ev.Alias: self._alias,
            ev.Retarget: self._late.append,
            ev.Forget: self._late.append,
            ev.Layers: self._set_layers,
            ev.Note: self._note,
        }

    def take(self, events: Iterator[ev.Event] | Sequence[ev.Event]) -> None:
        """All of these events."""
        on = self._on
        for event in events:
            on[type(event)](event)

    # -- bytes ---------------------------------------------------------------------------------------------

    def _run(self, run: ev.Run) -> None:
        section = self._writer.section(run.section, bulk=run.bulk)
        where = section << 48 | self._writer.append(section, run.data)
        self._last = where
        for token, start, length, new in run.parts:
            self._extents(token).add(where + start, length, merge=not new)

    def _pages(self, pages: ev.Pages) -> None:
        self._paged.update(pages.tokens)
        if not len(pages.data):  # only to say that these tokens are of pages
            return
        where = self._writer.page_section << 48 | self._writer.append_pages(pages.data)
        for token in pages.tokens:
            self._extents(token).add(where, len(pages.data))

    def _woven(self, woven: ev.Woven) -> None:
        self._paged.update((woven.token, *woven.tokens))
        section, turns = self._writer.section(woven.section), iter(woven.turns)
        whole, others = self._extents(woven.token), [self._extents(token) for token in woven.tokens]
        marks = section << 48, self._writer.page_section << 48
        for at, page, n in self._writer.append_woven(section, woven.data, woven.turns):
            first = page = marks[1] | page
            at |= marks[0]
            for length, pages in islice(zip(turns, turns, strict=True), n):
                whole.add(at, length)
                whole.add(page, pages)
                at += length
                page += pages
            for extents in others:
                extents.add(first, page - first)

    def _extents(self, token: int) -> Extents:
        found = self._tokens.get(token)
        if found is None:
            found = self._tokens[token] = Extents()
        return found

    # -- objects -------------------------------------------------------------------------------------------

    def _objects(self, objects: ev.Objects) -> None:
        import numpy as np

        where = np.array(objects.starts, np.uint64) + np.uint64(self._last)
        what = np.array(objects.lengths, np.uint64) | np.uint64(objects.kind << 48)
        self._columns.add(objects.layer, objects.keys, where, what)

    def _add(self, kind: int, layer: int, key: int, where: int, length: int) -> None:
        if length > ADDRESS_MASK:  # a sparse member may claim any size, and so may what is mapped from it
            name = self._dialect.kinds[kind].name
            raise LimitError(f"a {name} of {length} bytes (most of it holes), limit {ADDRESS_MASK}")
        self._columns.add(layer, [key], [where], [kind << 48 | length])

    def _whole(self, whole: ev.Whole) -> None:
        extents = self._tokens.get(whole.token) or Extents()
        key = whole.key
        if isinstance(key, bytes):
            names = self._columns.names[whole.kind]
            names.append(key)
            key = len(names) - 1
        where, length = self._place(extents, whole)
        self._add(whole.kind, whole.layer, key, where, length)
        if (whole.kind == 0 or not whole.merge) and whole.token not in self._paged:
            self._tokens.pop(whole.token, None)

    def _place(self, extents: Extents, whole: ev.Whole) -> tuple[int, int]:
        if whole.runs is not None:
            return self._listed(False, with_holes(extents, whole.runs, whole.size)), whole.size
        if not extents.length:
            return NOWHERE, 0
        if len(extents.where) == 1:
            return extents.where[0], extents.length
        rows = ((end - length, where, length) for end, where, length in
                zip(extents.ends, extents.where, extents.lengths, strict=True))  # fmt: skip
        return self._listed(False, rows), extents.length

    def _listed(self, sparse: bool, rows: Iterator[tuple[int, int, int]]) -> int:
        """Put an extent list into the extents table; returns the first word of the object's row."""
        words = array("Q", [SPARSE if sparse else 0, 0, 0])
        for at, where, length in rows:
            words.extend((at, where, length))
        words[1] = len(words) // 3 - 1
        words[2] = sum(words[5::3])
        index = self._columns.extents.count // 3
        self._columns.extents.extend(words)
        return LISTED << 48 | index

    def _derived(self, made: ev.Derived) -> None:
        if not made.at:
            where, length = (self._listed(True, iter(())) if made.sparse else NOWHERE), 0
        else:
            where, length = self._listed(made.sparse, self._spans(made)), sum(made.lengths)
        self._add(made.kind, made.layer, made.key, where, length)

    def _spans(self, made: ev.Derived) -> Iterator[tuple[int, int, int]]:
        for at, token, offset, length in zip(made.at, made.tokens, made.offsets, made.lengths, strict=True):
            if not token:
                yield at, NOWHERE, length
                continue
            for where, part in self._tokens[token].span(offset, length):
                yield at, where, part
                at += part

    # -- the rest ------------------------------------------------------------------------------------------

    def _edges(self, edges: ev.Edges) -> None:
        self._columns.refer(edges.sources, edges.roles, edges.layer, edges.kinds, edges.keys)

    def _alias(self, alias: ev.Alias) -> None:
        self._columns.alias(alias.kind, alias.layer, alias.keys, alias.ordinals)

    def _set_layers(self, layers: ev.Layers) -> None:
        self._numbers, self._layers = layers.numbers, layers.paths

    def _note(self, note: ev.Note) -> None:
        note = shortened(note)
        if note.what == ev.CUT and len(self.cuts) < CUTS:
            self.cuts.append(note)
        if len(self._notes) < self._limits.notes:
            self._notes.append(note)
        else:
            self._notes_left_out += 1

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self, source: dict[str, Any]) -> Report:
        """Build the index and write it."""
        for late in self._late:
            if isinstance(late, ev.Retarget):
                self._columns.retarget(*late)
            else:
                self._columns.forget(*late)
        if self._numbers:
            self._columns.relayer(self._numbers)
        kinds = self._dialect.kinds
        index = build_index(self._writer, self._columns, kinds)
        for note in claims_of(index, kinds):
            self._note(note)
        footer = write_end(self._writer, index, kinds, self._dialect.roles, self._meta(source), self._notes)
        return Report(
            "", footer.stream_length, footer.stream_digest.hex(), footer.file_length, index.objects, index.references,
            index.dangling, self._notes, self._notes_left_out, self.cuts,
        )  # fmt: skip

    def _meta(self, source: dict[str, Any]) -> dict[str, Any]:
        return {
            "dialect": self._dialect.name,
            "source": source,
            "layers": self._layers,
            "notes_left_out": self._notes_left_out,
            "partial": partial_of(self.cuts),
            **written_by(self._writer),
        }


class SplittingCollector(Collector):
    """A dialect's splitter before the collector. Mutable."""

    def __init__(self, writer: ContainerWriter, dialect: Dialect, limits: Limits, columns: AnyColumns) -> None:
        super().__init__(writer, dialect, limits, columns)
        self._splitter = dialect.splitter(limits)

    def feed(self, data: bytes) -> None:
        """The next bytes of the source."""
        self.take(self._splitter.feed(data))
        self._writer.end_batch()

    def end(self, noticed: list[ev.Note]) -> None:
        """The source has ended."""
        self.take(self._splitter.finish())
        self.take(noticed)
