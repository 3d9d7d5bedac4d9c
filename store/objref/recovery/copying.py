"""From a damaged container into a new one, with the tables that it has: each object keeps its id, its kind and its
references, and of its bytes what is good."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.writer import ContainerWriter, TableData
from objref.ending import canonical_json
from objref.recovery.joining import Group, Part, parts_of
from objref.recovery.lost import Fate, Ranges
from objref.recovery.places import Moves, Tables

__all__ = ["REFERENCES", "Copied", "copy_image"]

NAMES = {number: name for name, number in f.TABLE_IDS.items()}
MADE = ("objects", "extents", "META")
"""Tables that are not carried over as they are."""
REFERENCES = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling")
"""Tables that tell of nothing but references."""
Meta = Callable[["Copied"], dict[str, Any]]


class Copied:
    """What was copied. Mutable."""

    def __init__(self) -> None:
        self.lost = Ranges()
        """Positions in the new stream."""
        self.unordered: list[tuple[int, int]] = []
        self.touched: list[int] = []
        """Ordinals of objects that have lost bytes."""


def copy_image(
    c: Checked, fate: Fate, writer: ContainerWriter, meta: Meta, progress: Callable[[int], None] | None,
    references: bool = True,
) -> tuple[f.Footer, Copied]:  # fmt: skip
    """Copy all of it. The output still has to be committed.

    meta        what META shall say, asked when all is copied
    references  whether these are sound, too
    """
    done, moves, sections = Copied(), Moves(), _sections(c, writer)
    for group, parts in parts_of(c, fate):
        start, good = writer.stream_length, False
        for part in parts:
            good |= not part.lost
            _copy(c, part, writer, sections, moves, done)
            if progress is not None:
                progress(writer.stream_length)
        if good and not group.ordered:
            _mark_unordered(group, start, writer, done)
        writer.end_group()
    tables = Tables(_words(c, "objects"), _words(c, "extents"), moves.places(), writer.lost_section)
    done.touched = tables.touched.nonzero()[0].tolist()
    left_out = MADE if references else (*MADE, *REFERENCES)
    footer = writer.finish(
        _tables(c, tables, meta(done), left_out), c.spaces, c.kinds, c.roles, c.footer.objects,
        c.footer.references if references else 0,
    )  # fmt: skip
    return footer, done


def _words(c: Checked, name: str) -> Any:
    return np.frombuffer(c.table(name), "<u8")


def _sections(c: Checked, writer: ContainerWriter) -> dict[int, int]:
    """The new number of each section, in the order of the old ones."""
    found = {}
    for s in c.sections.values():
        if s.role == f.PAGE_TABLE:
            found[s.id] = writer.page_section
        elif s.role == f.STRAND:
            found[s.id] = writer.section(s.name, bulk=bool(s.flags & f.BULK))
    return found


def _copy(
    c: Checked, part: Part, writer: ContainerWriter, sections: dict[int, int], moves: Moves, done: Copied
) -> None:
    old = (part.section.id << 48 | part.address) if part.section is not None else 0
    if part.lost or part.section is None:
        start = writer.stream_length
        address = writer.append_lost(part.length)
        done.lost.add(start, start + part.length)
        if part.section is not None:
            moves.add(old, writer.lost_section << 48 | address, part.length)
        return
    number = sections[part.section.id]
    for chunk in c.chunks(part.section.id, part.address, part.length):
        if part.section.role == f.PAGE_TABLE:
            address = writer.append_pages(memoryview(chunk))
        else:
            address = writer.append(number, chunk)
        moves.add(old, number << 48 | address, len(chunk))
        old += len(chunk)


def _mark_unordered(group: Group, start: int, writer: ContainerWriter, done: Copied) -> None:
    """A lost byte stands for the order, so that nobody takes this for the stream."""
    if not writer.lost_section or not done.lost.stops or done.lost.stops[-1] <= start:
        at = writer.stream_length
        writer.append_lost(1)
        done.lost.add(at, at + 1)
    done.unordered.append((start, writer.stream_length))


def _tables(c: Checked, made: Tables, meta: dict[str, Any], left_out: tuple[str, ...]) -> list[TableData]:
    found = [
        TableData(NAMES[entry.what], entry.owner, c.table(NAMES[entry.what], entry.owner))
        for entry in c.tables()
        if NAMES[entry.what] not in left_out
    ]
    found += [TableData(n, 0, data) for n, data in (("objects", made.objects()), ("extents", made.extents())) if data]
    return [*found, TableData("META", 0, canonical_json(meta))]
