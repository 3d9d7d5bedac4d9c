"""Links from what is kept to what only tasks that are left out have: listed, and settled as was said."""

from __future__ import annotations

import struct
from bisect import bisect_left
from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.linux_cr.entries import EPOLL_ITEM
from objref.dialects.linux_cr.extract.reach import grow
from objref.dialects.linux_cr.kinds import ROLE

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft

__all__ = ["full_queues", "items_left", "settle"]

PIPE, SOCK, TTY, LINK, PEER, WATCHES, SEGMENT = (
    ROLE[role] for role in ("pipe", "sock", "tty", "link", "peer", "watches", "segment")
)
FIFO = 3
TYPE, FLAGS = 8, 16
"""Offsets of `f_type` and `f_flags` in a FILE."""
ENDS = {0: "r", 1: "w", 2: "rw"}
"""Of a pipe, by O_ACCMODE of its flags."""
WITH_FLAG = 120
"""Length of a SOCKET that is known to have `has_buffers`."""
MEANINGS = {
    "file": "its position is no longer shared: the programs may write over each other",
    "file-table": "a shared table of descriptors: what either opens from now on, the other does not have",
    "mm": "memory that both write to: what either writes from now on, the other does not see",
    "shmem": "shared memory: what either writes from now on, the other does not see",
    "fs": "a shared working directory: where either goes from now on, the other stays",
    "sighand": "shared handlers of signals: what either sets from now on, the other does not have",
    "sem-undo": "a shared list of what is undone to semaphores: each undoes it",
}
"""Kinds that tasks share and change."""


def settle(draft: Draft) -> None:
    """Record all cuts, and do what was said about them."""
    _sockets(draft)
    for settle_one in (_pipes, _terminals, _epolls, _queues, _shared):
        settle_one(draft)


def _kept(draft: Draft, kind: str) -> list[int]:
    return sorted((o for o in draft.kept if draft.original.kind(o) == kind), key=draft.original.begin)


def _name(draft: Draft, ordinal: int) -> str:
    return draft.original.objref(ordinal)


# -- ends that somebody else has ----------------------------------------------------------------------------


def _sockets(draft: Draft) -> None:
    """Peers, and theirs."""
    waiting = _kept(draft, "sock")
    for sock in waiting:  # which grows
        for peer in draft.original.links(sock, PEER):
            if peer not in draft.kept:
                waiting += [one for one in _peer(draft, sock, peer) if draft.original.kind(one) == "sock"]


def _peer(draft: Draft, sock: int, peer: int) -> list[int]:
    """Settle a peer that is not kept; what comes along."""
    files = draft.original.linking(peer, SOCK)
    if any(map(draft.holders, files)):
        meaning = "its other end is left out"
        if draft.cuts.add("unix", _name(draft, sock), "peer", _name(draft, peer), meaning) == "drop":
            draft.no_peer.add(sock)
            return []
    return grow(draft, [peer])


def _pipes(draft: Draft) -> None:
    for pipe in _kept(draft, "pipe"):
        files = draft.original.linking(pipe, PIPE)
        held = [file for file in files if draft.is_held(file)]
        ends = {end for file in held for end in _file(draft, file)[1]}
        for file in files:
            kind, their = _file(draft, file)
            if file not in held and set(their) - ends and draft.holders(file):
                name = "fifo" if kind == FIFO else "pipe"
                way = "writes to" if "w" in set(their) - ends else "reads from"
                draft.cuts.add(name, _name(draft, pipe), "pipe", _name(draft, file), f"who {way} it is left out")
                break


def _file(draft: Draft, file: int) -> tuple[int, str]:
    """Type of a file, and which ends of a pipe it is."""
    for record in draft.original.records(file):
        if record.name == "FILE":
            (kind,) = struct.unpack_from(draft.original.order + "I", record.data, TYPE)
            (flags,) = struct.unpack_from(draft.original.order + "I", record.data, FLAGS)
            return kind, ENDS.get(flags & 3, "rw")
    return 0, ""


def _terminals(draft: Draft) -> None:
    for tty in _kept(draft, "tty"):
        for other in draft.original.links(tty, LINK):
            files = draft.original.linking(other, TTY)
            has = [file for file in files if draft.original.kind(file) == "file" and draft.holders(file)]
            if has and not any(map(draft.is_held, has)):
                meaning = "its other end is left out: it is as after a hangup"
                draft.cuts.add("terminal", _name(draft, tty), "link", _name(draft, other), meaning)


# -- what is written when all files of a table are ----------------------------------------------------------


def _epolls(draft: Draft) -> None:
    for epoll in _kept(draft, "epoll"):
        for file in dict.fromkeys(draft.original.links(epoll, WATCHES)):
            if file in draft.kept and (draft.is_held(file) or not draft.holders(file)):
                continue
            if not draft.holders(file):
                grow(draft, [file])
            else:
                meaning = "it watches a file that no kept task has"
                draft.cuts.add("epoll", _name(draft, epoll), "watches", _name(draft, file), meaning)
                draft.unwatched.setdefault(epoll, set()).add(draft.original.key(file))


def _queues(draft: Draft) -> None:
    """Sockets that were written with a table that is left out, and so were their queues."""
    begin = draft.original.begin
    socks = _kept(draft, "sock")
    for table in draft.queues:
        if table in draft.kept or draft.original.kind(table) != "file-table":
            continue
        start, end = draft.original.span(table)
        for sock in socks[bisect_left(socks, start, key=begin) : bisect_left(socks, end, key=begin)]:
            for queue in full_queues(draft, sock, table)[:1]:
                _queue(draft, sock, queue)


def full_queues(draft: Draft, sock: int, table: int) -> list[int]:
    """Queues with something in them that follow a table, one of which may be this socket's."""
    if _has_buffers(draft, sock) == 0:
        return []
    return [queue for queue in draft.queues.get(table, ()) if _length(draft, queue)]


def _queue(draft: Draft, sock: int, queue: int) -> None:
    choices = None if _has_buffers(draft, sock) else ()
    meaning = "which of the queues is its own, nobody can say: what is in them is left out"
    names = _name(draft, sock), "queue", _name(draft, queue)
    if draft.cuts.add("queue", *names, meaning, choices) == "drop":
        draft.no_queue.add(sock)


def _length(draft: Draft, queue: int) -> int:
    record = next(draft.original.records(queue))
    value: int = struct.unpack_from(draft.original.order + "I", record.data, 8)[0]
    return value


def _has_buffers(draft: Draft, sock: int) -> int | None:
    """What a SOCKET says of its queues; None where its fields are not known."""
    for record in draft.original.records(sock):
        if record.name == "SOCKET":
            return record.data[8] if len(record.data) == WITH_FLAG else None
    return None


# -- what both sides have -----------------------------------------------------------------------------------


def _shared(draft: Draft) -> None:
    for kind, meaning in MEANINGS.items():
        if kind == "shmem":
            continue
        for one in _kept(draft, kind):
            for holder in _outside(draft, kind, one):
                draft.cuts.add("shared", _name(draft, one), kind, holder, meaning)
                break
    for mm in _kept(draft, "mm"):
        for segment in dict.fromkeys(draft.original.links(mm, SEGMENT)):
            for other in draft.original.linking(segment, SEGMENT):
                if other not in draft.kept:
                    draft.cuts.add("shared", _name(draft, segment), "segment", draft.task_of(other), MEANINGS["shmem"])
                    break


def _outside(draft: Draft, kind: str, one: int) -> Iterator[str]:
    """Tasks that are left out and have it."""
    if kind != "file":
        yield from (_name(draft, o) for o in draft.original.linking(one, ROLE[kind]) if o not in draft.kept)
    elif _file(draft, one)[0] in SHARING and draft.is_held(one):
        yield from (draft.task_of(o) for o in draft.original.linking(one, ROLE["fd"]) if o not in draft.kept)


SHARING = (1, 7)
"""Types of files that have something to share and no class of their own: with a position, counters."""


def items_left(body: bytes, lost: set[int], order: str) -> bytes:
    """The items of an epoll (the payload of its BUFFER) without those that watch these files."""
    size = EPOLL_ITEM.length
    items = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(item for item in items if struct.unpack_from(order + "12xi", item)[0] not in lost)
