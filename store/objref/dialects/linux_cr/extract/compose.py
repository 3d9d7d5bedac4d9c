"""The order of the records: as it was, but what lay in something that is left out is defined at its first use.

References that led ahead (to a peer, to the file of a terminal) may do so again: such an object comes when the one that
names it is complete. Everything else is there before the record that names it, as linux-cr's readers expect.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.linux_cr.extract.areas import Areas
from objref.dialects.linux_cr.extract.cuts import full_queues, items_left
from objref.dialects.linux_cr.extract.original import PAGES, Record
from objref.dialects.linux_cr.extract.places import Places
from objref.dialects.linux_cr.extract.reach import ipc_of
from objref.dialects.linux_cr.kinds import KIND, ROLE
from objref.dialects.linux_cr.openers import DEPTH
from objref.errors import UnsupportedError

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft
    from objref.dialects.linux_cr.extract.pieces import Pieces

__all__ = ["Composer"]

SIGNAL, PIPE, PEER, WATCHES, SEGMENT, NET_NS, TTY_FILE = (
    ROLE[role] for role in ("signal", "pipe", "peer", "watches", "segment", "net-ns", "tty-file")
)
BEHIND = frozenset([SIGNAL, PIPE])
"""Roles of what is defined after the first record that names it."""
AHEAD = frozenset([PEER, TTY_FILE])
"""Roles of ids that are reserved before what they mean is written."""
UNBROKEN = ("user-ns", "epoll")
"""Kinds whose records follow each other: what they name is there before the first of them."""
PEER_AT, BUFFERS_AT, COUNT_AT = 12, 8, 12
"""Offsets: `peer` of SOCKET_UNIX, `has_buffers` of SOCKET, `num_items` of EPOLL_ITEMS."""
Steps = Iterator[int]
"""Objects that are written before it goes on."""


class Composer:
    """Writes what a draft keeps. Mutable."""

    def __init__(self, draft: Draft, pieces: Pieces) -> None:
        self._draft, self._pieces = draft, pieces
        self._original = draft.original
        self._places = Places(draft)
        self._areas = Areas(draft)
        self._done: set[int] = set()
        self._tables: list[int] = []
        """File tables that are not complete, the innermost last."""
        self._waiting: list[int] = []
        """Items of epolls and queues: they come when the table is complete."""
        self._skip = False
        """Whether the pages that come next are left out."""

    def write(self) -> None:
        """All tasks, with everything in them."""
        for task in self._draft.tasks:
            stack = [self._steps(task)]
            while stack:
                inner = next(stack[-1], None)
                if inner is None:
                    stack.pop()
                elif inner not in self._done:
                    stack.append(self._steps(inner))
                if len(stack) > DEPTH:
                    raise UnsupportedError(f"more than {DEPTH} objects would be inside each other")
        lost = min(self._draft.kept - self._done, default=None)
        if lost is not None:
            raise UnsupportedError(f"{self._original.objref(lost)}: nothing that is kept says where it belongs")

    # -- one object ----------------------------------------------------------------------------------------

    def _steps(self, one: int) -> Steps:
        self._done.add(one)
        kind = self._original.kind(one)
        if kind == "sock":
            self._check_queue(one)
        elif kind == "file-table":
            self._tables.append(one)
        elif kind in UNBROKEN:
            for record in self._original.records(one):
                yield from self._wanted(one, record, [])
        inside, later = deque(self._places.inside.get(one, ())), list[int]()
        for record in self._original.records(one):
            due = []
            while inside and self._original.begin(inside[0]) < record.position:
                due.append(inside.popleft())
            yield from _merged(due, self._wanted(one, record, later))
            self._record(one, record)
            if record.name == "TASK_OBJS":
                yield from self._signal(one)
        yield from inside
        yield from later
        if kind == "file-table":
            self._tables.pop()
        yield from self._after(one)

    def _wanted(self, one: int, record: Record, later: list[int]) -> list[int]:
        """What a record names and is not there yet, in the order of its fields; of a CRED the groups come first."""
        wanted: dict[int, int] = {}
        for role, kind, key in self._original.references(one, record):
            target = self._original.find(kind, key)
            if target is None or role in BEHIND or not self._follows(one, role, key):
                continue
            for needed in ipc_of(self._draft, target) if role == SEGMENT else (target,):
                if needed in self._draft.kept and needed not in self._done:
                    wanted.setdefault(needed, role)
        later += [one for one, role in wanted.items() if role in AHEAD and not self._comes(one)]
        behind = [one for one, role in wanted.items() if role not in AHEAD and self._is_behind(one, record)]
        return behind[::-1] if record.name == "CRED" else behind

    def _is_behind(self, needed: int, record: Record) -> bool:
        """Whether it must be there before a record. In the loops that a made-up stream can have it comes later."""
        return self._original.begin(needed) < record.position or needed not in self._places.home

    def _comes(self, ahead: int) -> bool:
        """Whether something that is still to come defines what was named ahead."""
        kept = self._draft.kept
        return ahead in self._places.home or any(
            edge.role not in AHEAD and edge.source != ahead and edge.source in kept and edge.source not in self._done
            for edge in self._draft.image.reference_table.to(ahead)
        )

    def _check_queue(self, sock: int) -> None:
        """Queues are with the table that a socket was written with: it must be written with that one again."""
        home = self._places.home
        table = home.get(sock)
        while table is not None and self._original.kind(table) != "file-table":
            table = home.get(table)
        if table is None or table in self._tables or not full_queues(self._draft, sock, table):
            return
        raise UnsupportedError(
            f"{self._original.objref(sock)}: data is queued in it, which is with {self._original.objref(table)}, but "
            "another table has it first now; which of the queues is its own, nobody can say"
        )

    def _follows(self, one: int, role: int, key: int) -> bool:
        """Whether a reference is still there."""
        if role == PEER:
            return one not in self._draft.no_peer
        return role != WATCHES or key not in self._draft.unwatched.get(one, ())

    def _signal(self, task: int) -> Steps:
        for signal in self._original.links(task, SIGNAL):
            if self._places.home.get(signal) != task:
                yield signal

    def _after(self, one: int) -> Steps:
        """What belongs to it and is not in it."""
        kind, home = self._original.kind(one), self._places.home
        if kind == "file":
            yield from self._original.links(one, PIPE)
            epoll = self._original.find(KIND["epoll"], self._original.key(one))
            self._waiting += [] if epoll is None else [epoll]
        elif kind == "net-ns":
            devices = (n for n in self._original.linking(one, NET_NS) if n in self._draft.kept and n not in home)
            yield from sorted(devices, key=self._original.begin)
        elif kind == "file-table":
            self._waiting += self._draft.queues.get(one, ())
        if self._waiting and not self._tables:
            yield from self._deferred(home.get(one))

    def _deferred(self, home: int | None) -> Steps:
        """What comes when a table is complete, in the order in which its files were written."""
        waiting, self._waiting = self._waiting, []
        if home is not None and all(self._places.home.get(item) == home for item in waiting):
            return  # it does where it is
        if any(self._original.kind(item) == "queue" for item in waiting):  # only their order tells which is whose
            waiting.sort(key=self._original.begin)
        yield from waiting

    # -- one record ----------------------------------------------------------------------------------------

    def _record(self, one: int, record: Record) -> None:
        if record.name == PAGES and self._skip:
            return
        self._skip = False
        if record.name == "VMA":
            self._vma(one, record)
        elif record.data:
            self._pieces.add(self._changed(one, record))
        else:
            self._pieces.run(one, record.start, record.stop)

    def _vma(self, mm: int, record: Record) -> None:
        area = self._areas.write(mm, record)
        self._pieces.add(area.data)
        if area.pages is not None:
            self._pieces.run(*area.pages)
        self._skip = area.skip

    def _changed(self, one: int, record: Record) -> bytes | bytearray:
        draft, data = self._draft, record.data
        if record.name == "SOCKET_UNIX" and one in draft.no_peer:
            return data[:PEER_AT] + bytes(4) + data[PEER_AT + 4 :]
        if record.name == "SOCKET" and one in draft.no_queue:
            return data[:BUFFERS_AT] + bytes(1) + data[BUFFERS_AT + 1 :]
        if one in draft.unwatched:
            return self._epoll(one, record)
        return data

    def _epoll(self, one: int, record: Record) -> bytes:
        """Its items without those that are watched no longer. Without items there is no BUFFER."""
        order, lost = self._original.order, self._draft.unwatched[one]
        body = next((r.data[8:] for r in self._original.records(one) if r.name == "BUFFER"), b"")
        left = items_left(body, lost, order)
        if record.name == "EPOLL_ITEMS":
            count = struct.pack(order + "I", len(left) // 24)
            return record.data[:COUNT_AT] + count + record.data[COUNT_AT + 4 :]
        return record.data[:4] + struct.pack(order + "I", 8 + len(left)) + left if left else b""


def _merged(due: list[int], wanted: list[int]) -> Steps:
    """What lies before a record, in its order, and what the record wants besides: before the first that it names
    later."""
    rank = {one: k for k, one in enumerate(wanted)}
    rest = deque(one for one in wanted if one not in set(due))
    for one in due:
        while rest and rank[rest[0]] < rank.get(one, -1):
            yield rest.popleft()
        yield one
    yield from rest
