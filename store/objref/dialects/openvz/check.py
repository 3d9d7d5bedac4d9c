"""Whether a CPT file makes sense, and what a restore will make of it if not (docs/check.md).

What a restore does follows from the published sources of 2.6.32-042stab141.3 (kernel/cpt).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from objref.dialects.areas import Range, joined, outside, unsorted
from objref.dialects.checks import Checks, Found, Judgement, error, note, warning

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image
    from objref.object import Object

__all__ = ["CHECKS"]

DAMAGED = "the file is damaged there"
NOTES: Mapping[str, Judgement | None] = {
    "cut": error("restore ends: the file was not copied to its end"),
    "header": error("restore refuses it: the beginning of the file is damaged"),
    "version": warning("it was not looked into: made by a kernel that is not known"),
    "section": error("restore ends, or reads something else there: sections are damaged or mixed"),
    "length": error("restore ends, or reads something else from there on: " + DAMAGED),
    "content": error("restore ends, or leaves it out: " + DAMAGED),
    "depth": warning("not all of it was looked into"),
    "unknown-type": warning("not looked into: it may be of a kernel that is not known"),
    "layout": warning("not looked into: it may be of a kernel that is not known"),
    "dangling": None,  # the reference dangles
    "wrong-kind": None,
    "pages": error("restore ends, or memory comes out wrong: pages are damaged"),
    "elsewhere": warning(
        "restore needs the pages that stayed outside of the file: their pram, or the node that has them"
    ),
    "overlap": error("memory comes out wrong: pages are there twice"),
    "copied": error("memory comes out wrong: pages that are to be copied are not where they should be"),
    "trailer": error("restore refuses the file, or misses a section: sections are missing, or of another file"),
    "trailing": note("restore does not read it"),
    "claimed-twice": error("restore takes one for the other: two objects have one id"),
}
LOST: Mapping[str, Judgement | None] = {
    "conntrack": warning("restore leaves the expected connection out (structs of 2.6.18 are not looked into)"),
    "parent": warning("the parent is not in the file: the task becomes a child of init"),
}
LOST_OTHERWISE: Mapping[str, Judgement | None] = {
    "H": error("restore ends, or reads something else there: no such object starts at that position"),
    "K": error("restore misses what belongs to the object: " + DAMAGED),
    "O": warning("the section is not where the trailer says"),
    "S": None,
}
FINDINGS: Mapping[str, Judgement] = {
    "no-tasks": warning("there is nothing to restore"),
    "area": error("memory of the task is put where something else is: " + DAMAGED),
    "outside-areas": error("restore ends: it has pages for addresses where the task has no memory"),
}


def _look_at_tasks(image: Image, tick: Tick) -> Iterator[Found]:
    if (0, "task") not in image.spaces():
        yield Found("no-tasks", "header:0x0", "no task is in the file")


def _look_at_memory(image: Image, tick: Tick) -> Iterator[Found]:
    """Areas, and pages in them."""
    if (0, "mm") not in image.spaces():
        return
    for mm in image.space("mm").objects():
        tick()
        areas = list(_areas(mm))
        for (start, stop), why in unsorted(areas):
            yield Found("area", mm.objref, f"area {start:#x}…{stop:#x} {why}")
        memory = image.get(f"mem:{mm.objref.partition(':')[2]}")
        lost = list(outside(memory.ranges, joined(areas))) if memory is not None and areas else []
        if lost:
            more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
            yield Found("outside-areas", mm.objref, f"pages at {lost[0][0]:#x}…{lost[0][1]:#x}{more}")


def _areas(mm: Object) -> Iterator[Range]:
    for reference in mm.references:
        part = reference.target
        if reference.role == "part" and part is not None and part.kind == "vma":
            fields = part.decode()
            if "cpt_start" in fields and "cpt_end" in fields:
                yield int(fields["cpt_start"]), int(fields["cpt_end"])


CHECKS = Checks(NOTES, LOST, LOST_OTHERWISE, FINDINGS, (_look_at_tasks, _look_at_memory))
