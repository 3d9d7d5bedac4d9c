"""Whether a linux-cr stream makes sense, and what a restart will make of it if not (docs/check.md).

What a restart does follows from the posted kernel patches: it reads the stream once, looks up what an id names in a
table of what came before, and ends at the first thing that it does not expect.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from objref.dialects.areas import joined, outside, unsorted
from objref.dialects.checks import Checks, Found, Judgement, error, note, warning
from objref.dialects.linux_cr.view import decode_records, stream_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image
    from objref.object import Object

__all__ = ["CHECKS"]

AGAIN = "take the checkpoint again"
NOTES: Mapping[str, Judgement | None] = {
    "cut": error("restart waits for what is missing, and ends: the stream was not read to its end"),
    "damaged": error("restart ends there: the stream is damaged"),
    "no-header": error("restart refuses it: the beginning of the stream is missing"),
    "trailing": note("restart does not read it"),
    "tail-magic": error("restart refuses it: the end is not that of this stream"),
    "error": error("the checkpoint itself failed, for the reason that the record gives: " + AGAIN),
    "tree": error("restart waits for tasks that never come, or has too many: tasks are missing"),
    "pids": error("restart ends: the table of process ids is damaged"),
    "unknown-layout": warning("not all of it was looked into: it may be of a kernel that is not known"),
    "unknown-record": warning("not looked into: it may be of a kernel that is not known"),
    "unknown-type": warning("not looked into: it may be of a kernel that is not known"),
    "unknown-machine": warning("registers were not looked at"),
    "stray": error("restart ends there: it expects another record"),
    "incomplete": error("restart ends there: records of an object are missing"),
    "defined-twice": error("restart ends, or takes one for the other: two objects have one id"),
    "negative": error("restart ends: no object has an id below 0"),
    "page-chunk": error("restart ends, or memory comes out wrong: pages are damaged"),
    "overlap": error("memory comes out wrong: pages are there twice, or beyond the top"),
    "depth": warning("not all of it was looked into"),
    "notes": note("there is more of the same"),
    "claimed-twice": error("restart ends, or takes one for the other: two objects have one id"),
}
LOST: Mapping[str, Judgement | None] = {}
LOST_OTHERWISE: Mapping[str, Judgement | None] = {
    "H": error("restart ends: it finds no object of that id and type, since records are missing or damaged"),
    "K": error("restart ends: what belongs to the object is missing"),
    "O": None,
    "S": None,
}
FINDINGS: Mapping[str, Judgement] = {
    "no-tasks": warning("there is nothing to restart"),
    "count": error("restart ends, or waits for what never comes: records are missing or too many"),
    "area": error("memory of the task is put where something else is: the stream is damaged"),
    "outside-areas": error("restart ends: it has pages for addresses where the task has no memory"),
}


def _look_at_tasks(image: Image, tick: Tick) -> Iterator[Found]:
    if (0, "task") not in image.spaces():
        yield Found("no-tasks", "tree:0", "no task is in the stream")


COUNTED = {"mm": ("MM", "map_count", "VMA"), "file-table": ("FILE_TABLE", "fdt_nfds", "FILE_DESC")}
"""Kind -> the record that says how many, its field, the records that are counted."""


def _look_at_counts(image: Image, tick: Tick) -> Iterator[Found]:
    """Numbers of areas and descriptors; areas; pages in them."""
    for kind in COUNTED:
        if (0, kind) in image.spaces():
            for one in image.space(kind).objects():
                tick()
                yield from _one(image, one, kind)


def _one(image: Image, one: Object, kind: str) -> Iterator[Found]:
    head, field, item = COUNTED[kind]
    said, items = None, []
    for record in decode_records(one, stream_of(one), one.size):
        if record["record"] == head:
            said = record.get(field)
        if record["record"] == item:
            items.append(_range(record))
    if said is None:  # not decoded in this layout
        return
    if len(items) != said:
        yield Found("count", one.objref, f"says {said} of {item}, {len(items)} came")
    if kind == "mm" and all(items):
        yield from _memory(image, one, [area for area in items if area is not None])


def _range(record: dict[str, Any]) -> tuple[int, int] | None:
    return (record["vm_start"], record["vm_end"]) if "vm_end" in record else None


def _memory(image: Image, mm: Object, areas: list[tuple[int, int]]) -> Iterator[Found]:
    for (start, stop), why in unsorted(areas):
        yield Found("area", mm.objref, f"area {start:#x}…{stop:#x} {why}")
    memory = image.get(f"mem:{mm.objref.partition(':')[2]}")
    lost = list(outside(memory.ranges, joined(areas))) if memory is not None else []
    if lost:
        more = f", and {len(lost) - 1} more" if len(lost) > 1 else ""
        yield Found("outside-areas", mm.objref, f"pages at {lost[0][0]:#x}…{lost[0][1]:#x}{more}")


CHECKS = Checks(NOTES, LOST, LOST_OTHERWISE, FINDINGS, (_look_at_tasks, _look_at_counts))
