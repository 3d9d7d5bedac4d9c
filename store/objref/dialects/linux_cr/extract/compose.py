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
from objref.dialects.linux_cr.extract.cuts import items_left
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

SIGNAL, PIPE, PEER, WATCHES, SEGMENT, NET_NS = (
    ROLE[role] for role in ("signal", "pipe", "peer", "watches", "segment", "net-ns")
)
BEHIND = frozenset([SIGNAL, PIPE])
"""Roles of what is defined after the first record that names it."""
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
        self._tables = 0
        """File tables that are not complete."""
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
        table = self._original.kind(one) == "file-table"
        self._tables += table
        inside, later = deque(self._places.inside.get(one, ())), list[int]()
        for record in self._original.records(one):
            while inside and self._original.begin(inside[0]) < record.position:
                yield inside.popleft()
            yield from self._before(one, record, later)
            self._record(one, record)
            if record.name == "TASK_OBJS":
                yield from self._signal(one)
        yield from inside
        yield from later
        self._tables -= table
        yield from self._after(one)

    def _before(self, one: int, record: Record, later: list[int]) -> Steps:
        """What a record names and is not there yet."""
        wanted = {}
        for role, kind, key in self._original.references(one, record):
            target = self._original.find(kind, key)
            if target is None or role in BEHIND or not self._follows(one, role, key):
                continue
            for needed in ipc_of(self._draft, target) if role == SEGMENT else (target,):
                if needed in self._draft.kept and needed not in self._done:
                    wanted[needed] = self._original.begin(needed)
        for needed in sorted(wanted, key=wanted.__getitem__):
            if wanted[needed] < record.position:
                yield needed
            elif needed not in self._places.home:
                later.append(needed)

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
        """What belongs to it, and lay where it no longer is."""
        kind, home = self._original.kind(one), self._places.home
        if kind == "file":
            yield from self._original.links(one, PIPE)
            epoll = self._original.find(KIND["epoll"], self._original.key(one))
            self._waiting += [epoll] if epoll is not None and epoll not in home else []
        elif kind == "net-ns":
            devices = (n for n in self._original.linking(one, NET_NS) if n in self._draft.kept and n not in home)
            yield from sorted(devices, key=self._original.begin)
        elif kind == "file-table":
            self._waiting += [queue for queue in self._draft.queues.get(one, ()) if queue not in home]
        if self._waiting and not self._tables:
            waiting, self._waiting = sorted(self._waiting, key=self._original.begin), []
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
