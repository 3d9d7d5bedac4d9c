"""Who else has it: tasks that are left out and hold what a kept task holds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, OpenFile
    from objref.object import Object

__all__ = ["name_sharing", "outsider"]

PAIR_HIGH = 32
REG = 1
MEANINGS = {
    REG: "its position is no longer shared: the programs may write over each other",
    6: "no counts come from there any more",
    17: "each has the timer for itself",
}
ENDS = (2, 3, 5, 7, 11, 20)
"""Types that have cuts of their own: pipes, fifos, unix sockets, epoll, terminals, pidfds."""


class _Shared(NamedTuple):
    file: OpenFile
    holder: str


def outsider(draft: Draft, file: Object) -> str | None:
    """Objref of a task that is left out and holds this open file; None when there is none."""
    for fd in draft.links.to(file, "file"):
        if fd.kind != "fd":
            continue
        number = draft.links.key(fd) >> PAIR_HIGH
        if number not in draft.tables:
            return _owner(draft, number)
    return None


def _owner(draft: Draft, number: int) -> str:
    """A task that has this table of descriptors."""
    table = draft.links.find("fdtable", number)
    for ids in draft.links.to(table, "fdtable") if table is not None else ():
        return draft.links.name("task", draft.links.key(ids))
    return draft.links.name("fdtable", number)


def name_sharing(draft: Draft) -> None:
    """Record what kept tasks share with others: memory, tables, open files."""
    for shared in _files(draft):
        meaning = MEANINGS.get(shared.file.type, "each side goes on with a copy of its own")
        draft.cuts.add("shared", shared.file.objref, "file", shared.holder, meaning)
    for segment in draft.segments.values():
        for holder in _mappers(draft, segment):
            meaning = "shared memory: what either writes from now on, the other does not see"
            draft.cuts.add("shared", segment.objref, "segment", holder, meaning)
            break
    for table in draft.tables.values():
        for ids in draft.links.to(table.found, "fdtable"):
            if draft.links.key(ids) not in draft.tasks:
                meaning = "a shared table of descriptors: what either opens from now on, the other does not have"
                draft.cuts.add(
                    "shared", table.found.objref, "fdtable", draft.links.name("task", draft.links.key(ids)), meaning
                )


def _files(draft: Draft) -> Iterator[_Shared]:
    for number in draft.held:
        file = draft.files[number]
        if file.type not in ENDS and file.found is not None and not _is_plain(file):
            holder = outsider(draft, file.found)
            if holder is not None:
                yield _Shared(file, holder)


def _is_plain(file: OpenFile) -> bool:
    """Devices such as /dev/null, and files open for reading from the start, have nothing to share."""
    if file.type != REG:
        return False
    body = file.body
    return body.name.startswith("/dev/") or (not body.flags & WRITING and not body.pos)


def _mappers(draft: Draft, segment: Object) -> Iterator[str]:
    """Tasks left out that map a segment (or have a descriptor of its memfd)."""
    for found in draft.links.to(segment, "segment"):
        if found.kind == "mm" and draft.links.key(found) not in draft.tasks:
            yield draft.links.name("task", draft.links.key(found))


WRITING = 3
