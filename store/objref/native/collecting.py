"""What a native stream says, into a container: the image that left. Needs numpy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from objref.container.format import ADDRESS_MASK
from objref.container.writer import ContainerWriter
from objref.cuts import CUTS, partial_of, shortened
from objref.dialects.events import CUT, Note
from objref.ending import build_index, claims_of, write_end, written_by
from objref.errors import IntegrityError
from objref.limits import Limits
from objref.native import said as d
from objref.native.decoding import Decoder
from objref.native.lists import Lists
from objref.native.placing import Placing
from objref.native.schema import Schema
from objref.report import Report
from objref_index.arrays import Ints
from objref_index.build import RESOLVED
from objref_index.large import AnyColumns
from objref_index.objects import LISTED, SPARSE

__all__ = ["NativeCollector"]

MASK, SHIFT = np.uint64(ADDRESS_MASK), np.uint64(48)


class NativeCollector:
    """Takes the bytes of a native stream and fills a writer with them. Mutable."""

    def __init__(self, writer: ContainerWriter, limits: Limits, columns: AnyColumns) -> None:
        self._writer = writer
        self._limits = limits
        self._decoder = Decoder()
        self._schema = Schema("", (), ())
        self._meta: dict[str, Any] = {}
        self._strands: list[d.Strand] = []
        self._sections: dict[int, int] = {}
        self._placing = Placing()
        self._columns = columns
        self._notes: list[Note] = []
        self._notes_left_out = 0
        self._proven: d.Mark | None = None
        self.cuts: list[Note] = []
        """Where the native stream is cut; where the image itself was cut before, META says."""
        self._on: dict[type, Callable[[Any], None]] = {
            Schema: self._set_schema, d.Meta: self._set_meta, d.Notes: self._take_notes,
            d.Strand: self._strands.append, d.Runs: self._runs, d.Names: self._names, d.Objects: self._objects,
            d.References: self._references, d.Aliases: self._alias, d.Mark: self._mark,
        }  # fmt: skip

    def feed(self, data: bytes) -> None:
        """The next bytes of the source."""
        on = self._on
        for said in self._decoder.feed(data):
            on[type(said)](said)

    def end(self, noticed: list[Note]) -> None:
        """The source has ended; what was noticed while it was read."""
        cut = self._decoder.finish()
        for note in noticed:
            self._note(note)
        if cut is not None:
            proven = self._proven.counts.stream if self._proven is not None else 0
            self._note(Note(CUT, "", f"{cut}, {proven} bytes of them proven by a digest"))

    # -- what it is ----------------------------------------------------------------------------------------

    def _set_schema(self, schema: Schema) -> None:
        self._schema = schema
        self._columns.names = {i: [] for i in range(len(schema.kinds))}

    def _set_meta(self, said: d.Meta) -> None:
        self._meta = said.meta
        left_out = said.meta.get("notes_left_out")
        self._notes_left_out = left_out if isinstance(left_out, int) and 0 <= left_out < 1 << 63 else 0

    def _take_notes(self, said: d.Notes) -> None:
        for note in said.notes:
            self._keep(Note(*note))

    def _note(self, note: Note) -> None:
        if note.what == CUT and len(self.cuts) < CUTS:
            self.cuts.append(shortened(note))
        self._keep(note)

    def _keep(self, note: Note) -> None:
        if len(self._notes) < self._limits.notes:
            self._notes.append(shortened(note))
        else:
            self._notes_left_out += 1

    # -- bytes ---------------------------------------------------------------------------------------------

    def _runs(self, said: d.Runs) -> None:
        writer, went = self._writer, self._placing.went
        for number, data in said.runs:
            strand = self._strands[number - 1]
            if strand.pages:
                address = writer.append_pages(data)
                section = writer.page_section
            else:
                section = self._sections.get(number) or self._section(number)
                address = writer.append(section, data)
            went(number, section, address, len(data))

    def _section(self, number: int) -> int:
        """Sections are made in the order of the strands, those without bytes too: as they were."""
        for made in range(len(self._sections) + 1, number + 1):
            strand = self._strands[made - 1]
            self._sections[made] = (
                self._writer.page_section if strand.pages else self._writer.section(strand.name, bulk=strand.bulk)
            )
        return self._sections[number]

    def _mark(self, mark: d.Mark) -> None:
        found = self._writer.stream_digest()
        if found != mark.sha256:
            raise IntegrityError(
                f"native stream: frame {mark.frame} at byte {mark.position}: SHA-256 of the original stream up to "
                f"here is {found.hex()}, expected {mark.sha256.hex()} (N18)"
            )
        self._proven = mark
        if not mark.end:
            self._writer.end_batch()
        elif self._strands:
            self._section(len(self._strands))

    # -- objects -------------------------------------------------------------------------------------------

    def _names(self, said: d.Names) -> None:
        self._columns.names[said.kind] += said.names

    def _objects(self, said: d.Objects) -> None:
        where, split = self._placing.place(said.where, said.what & MASK)
        listed = said.where >> SHIFT == LISTED
        if listed.any() or split.any():
            self._lists(said, where, listed, split & ~listed)
        self._columns.add(said.layers, said.keys, where, said.what)

    def _lists(self, said: d.Objects, where: Ints, listed: Ints, split: Ints) -> None:
        """Rows of the extents table for objects in several places, in the order of the objects."""
        lists, taken = said.lists, 0
        placed, broken = self._placing.place(lists.rows[:, 1], lists.rows[:, 2])
        rows = np.column_stack([lists.rows[:, 0], placed, lists.rows[:, 2]])
        for i in np.flatnonzero(listed | split).tolist():
            if listed[i]:
                where[i] = self._add_list(*self._of_list(lists, rows, broken, taken))
                taken += 1
            else:
                where[i] = self._add_list(0, self._split(0, int(said.where[i]), int(said.what[i]) & ADDRESS_MASK))

    def _of_list(self, lists: Lists, rows: Ints, broken: Ints, i: int) -> tuple[int, Ints]:
        """(flags, rows) of the i-th list."""
        part = slice(int(lists.ends[i - 1]) if i else 0, int(lists.ends[i]))
        flags, found = (SPARSE if lists.sparse[i] else 0), rows[part]
        if not broken[part].any():
            return flags, found
        whole = zip(found, lists.rows[part, 1].tolist(), broken[part].tolist(), strict=True)
        parts = [self._split(int(row[0]), where, int(row[2])) if cut else row[None] for row, where, cut in whole]
        return flags, np.concatenate(parts)

    def _split(self, at: int, where: int, length: int) -> Ints:
        rows = []
        for place, part in self._placing.pieces(where, length):
            rows.append((at, place, part))
            at += part
        return np.array(rows, np.uint64)

    def _add_list(self, flags: int, rows: Ints) -> int:
        extents = self._columns.extents
        index = extents.count // 3
        extents.extend([flags, len(rows), int(rows[:, 2].sum())])
        extents.extend(rows.reshape(-1))
        return LISTED << 48 | index

    def _references(self, said: d.References) -> None:
        self._columns.refer(said.sources, said.roles, said.layers, said.kinds, said.keys)

    def _alias(self, said: d.Aliases) -> None:
        self._columns.alias(said.kind, said.layer, said.keys, said.ordinals)

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self, source: dict[str, Any]) -> Report:
        """Build the index and write it."""
        whole = self._proven is not None and self._proven.end
        if not whole:
            self._forget_what_is_missing()
        index = build_index(self._writer, self._columns, self._schema.kinds)
        if not whole:
            self._notes += claims_of(index, self._schema.kinds)
        footer = write_end(
            self._writer, index, self._schema.kinds, self._schema.roles, self._whole_meta(source), self._notes
        )
        seal = self._proven.seal.hex() if whole and self._proven is not None else ""
        return Report(
            "", footer.stream_length, footer.stream_digest.hex(), footer.file_length, index.objects, index.references,
            index.dangling, self._notes, self._notes_left_out, self.cuts, seal, True,
        )  # fmt: skip

    def _forget_what_is_missing(self) -> None:
        """Of a stream that is cut: references to objects that did not come. Names without objects do no harm."""
        lost = self._columns.drop(RESOLVED, self._columns.objects)
        if lost:
            self._keep(Note("cut-references", "", f"{lost} references lead to objects that did not arrive: left out"))

    def _whole_meta(self, source: dict[str, Any]) -> dict[str, Any]:
        """META as it left, but for what tells of the writer."""
        partial = self._meta.get("partial")
        before = partial if isinstance(partial, list) else []
        meta = {"source": source, "layers": [], **self._meta}
        meta |= {"dialect": self._schema.name, "notes_left_out": self._notes_left_out}
        return meta | {"partial": [*before, *partial_of(self.cuts)], **written_by(self._writer)}
