"""Pipes and fifos whose other end only tasks that are left out hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from objref.dialects.criu.extract.draft import OpenFile
from objref.dialects.criu.extract.outside import outsider
from objref.dialects.criu.extract.reach import follow

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft
    from objref.object import Object

__all__ = ["settle_pipes"]

PIPE, FIFO = 2, 3
ACCESS, READS, WRITES = 3, (0, 2), (1, 2)
FIRST_INHERITED = 3

LOST = {
    "readers": "{} would get SIGPIPE at its next write",
    "writers": "{} would read what is queued, then find the end",
}


class _Ends(NamedTuple):
    """Open files of one pipe by what they can do, those of a kind first come first."""

    readers: list[OpenFile]
    writers: list[OpenFile]


def settle_pipes(draft: Draft) -> None:
    """Decide about each pipe that is cut, and keep the data queued in those that are kept."""
    for kind, name in ((PIPE, "pipe"), (FIFO, "fifo")):
        kept: dict[int, list[OpenFile]] = {}
        for file in list(draft.files.values()):
            if file.type == kind:
                kept.setdefault(file.body.pipe_id, []).append(file)
        for number, files in kept.items():
            _settle(draft, name, number, files)


def _settle(draft: Draft, name: str, number: int, files: list[OpenFile]) -> None:
    pipe = draft.links.find("pipe", number)
    if pipe is None:
        return
    for data in draft.links.of(pipe, "data"):
        draft.keep(data.kind, data)
    ours, others = _ends(files), _ends(_left_out(draft, pipe))
    for missing, mine in (("readers", "writers"), ("writers", "readers")):
        if not getattr(ours, missing) and getattr(others, missing):
            _cut(draft, name, pipe, missing, getattr(ours, mine)[0], getattr(others, missing)[0])


def _left_out(draft: Draft, pipe: Object) -> list[OpenFile]:
    found = []
    for one in draft.links.to(pipe, "pipe"):
        if one.kind == "file" and draft.links.key(one) not in draft.files:
            found.append(OpenFile(draft.links.message(one), one, one.objref))
    return found


def _ends(files: list[OpenFile]) -> _Ends:
    modes = [(file, _flags(file) & ACCESS) for file in files]
    return _Ends([f for f, mode in modes if mode in READS], [f for f, mode in modes if mode in WRITES])


def _flags(file: OpenFile) -> int:
    """A fifo has its flags in the file that names its path; taken as open for both."""
    return int(file.body.flags) if file.type == PIPE else 2


def _cut(draft: Draft, name: str, pipe: Object, missing: str, mine: OpenFile, other: OpenFile) -> None:
    holder = outsider(draft, other.found) if other.found is not None else None
    who = _holder(draft, mine)
    meaning = LOST[missing].format(who)
    choices = None if mine.id in draft.held or name == "fifo" else ("drop", "external")
    meaning = f"{missing[:-1]} was {holder or '?'}; {meaning}"
    policy = draft.cuts.add(name, mine.objref, "pipe", pipe.objref, meaning, choices)
    if policy == "hold" and other.found is not None:
        follow(draft, [other.found])
        draft.add_descriptor(draft.files[other.id], mine)
    elif policy == "external":
        _inherit(draft, pipe, missing, mine)


def _holder(draft: Draft, file: OpenFile) -> str:
    held = draft.held.get(file.id)
    return draft.links.name("task", min(held[0][0].pids)) if held else file.objref


def _inherit(draft: Draft, pipe: Object, missing: str, mine: OpenFile) -> None:
    """CRIU takes a descriptor of its caller instead of a new pipe; queued bytes it does not put into that."""
    number = FIRST_INHERITED + len(draft.descriptors)
    key = draft.links.key(pipe)
    draft.options[f"--inherit-fd fd[{number}]:pipe:[{key}]"] = None
    way = "writing" if missing == "readers" else "reading"
    draft.descriptors.append(
        f"{number}, open for {way}: the other end of {pipe.objref}, which {_holder(draft, mine)} has"
    )
    for data in draft.links.of(pipe, "data"):
        queued = sum(map(len, data.parts[1:]))
        if queued:
            meaning = (
                f"{queued} bytes queued there are not put back; read them: objref get IMAGE {data.objref} --part 1"
            )
            draft.cuts.add("in-flight", pipe.objref, "data", data.objref, meaning)
