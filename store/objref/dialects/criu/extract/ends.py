"""Other things that have two ends: unix sockets, connections, epoll watches, pidfds, namespaces, owners of signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.criu.extract.draft import OpenFile
from objref.dialects.criu.extract.outside import outsider
from objref.dialects.criu.extract.reach import follow
from objref.dialects.plan import FAIL
from objref.errors import UsageError

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, Table

__all__ = ["settle_ends"]

INET, UNIX, EPOLL, NAMESPACE, PIDFD = 4, 5, 7, 14, 20
STREAM, DGRAM = 1, 2
ESTABLISHED, CLOSED = 1, 7
TCP = 6
SHUTDOWN_BOTH = 3
DEAD_PID = -1


def settle_ends(draft: Draft) -> None:
    """Decide about each of these that is cut."""
    for file in list(draft.files.values()):
        settle = SETTLE.get(file.type)
        if settle is not None:
            settle(draft, file)
        _owner(draft, file)


# -- unix sockets -------------------------------------------------------------------------------------------


def _unix(draft: Draft, file: OpenFile) -> None:
    body = file.body
    if not body.peer:
        return
    peer = draft.links.find("unix", body.peer)
    if peer is None or draft.links.key(peer) in draft.files:
        return
    holder = outsider(draft, peer) or "?"
    can = {"drop": body.type in (STREAM, DGRAM), "hold": file.id in draft.held}
    choices = tuple(name for name, possible in can.items() if possible)
    meaning = f"its peer was held by {holder}; CRIU refuses such a socket"
    policy = draft.cuts.add("unix", file.objref, "peer", peer.objref, meaning, choices)
    if policy == "drop":
        _hang_up(file)
    elif policy == "hold":
        follow(draft, [peer])
        draft.add_descriptor(draft.files[draft.links.key(peer)], file)


def _hang_up(file: OpenFile) -> None:
    """CRIU makes a pair, queues what was queued, closes the other socket. A datagram socket is left unconnected."""
    body = file.body
    body.peer = 0
    if body.type == STREAM:
        body.shutdown = SHUTDOWN_BOTH
    else:
        body.state = CLOSED
    file.changed = True


# -- connections --------------------------------------------------------------------------------------------


def _inet(draft: Draft, file: OpenFile) -> None:
    body = file.body
    if body.proto != TCP or body.state in (CLOSED, LISTENS):
        return
    meaning = "a TCP connection: its other end was told that it lives on elsewhere, or goes on with the original"
    stream = draft.links.find("tcp-stream", body.ino)
    target = stream.objref if stream is not None else draft.links.name("tcp-stream", f"{body.ino:#x}")
    policy = draft.cuts.add("tcp", file.objref, "stream", target, meaning)
    if policy != FAIL:
        draft.options["--tcp-established" if policy == "keep" else "--tcp-close"] = None


LISTENS = 10


# -- epoll --------------------------------------------------------------------------------------------------


def _epoll(draft: Draft, file: OpenFile) -> None:
    """CRIU adds the watches in the task with the lowest pid that holds the epoll, by number of descriptor."""
    if file.id not in draft.held:
        return
    table, _ = draft.held[file.id][0]
    before = _opened_by(draft, file)
    stray = [watch for watch in file.body.tfd if not _is_same(draft, table, before, watch.tfd)]
    for watch in stray:
        meaning = f"it watches descriptor {watch.tfd}, which task:{min(table.pids)} does not have"
        policy = draft.cuts.add(
            "epoll", file.objref, "watches", draft.links.name("fd", f"{before}/{watch.tfd}"), meaning
        )
        if policy == "drop":
            file.body.tfd.remove(watch)
            file.changed = True


def _opened_by(draft: Draft, file: OpenFile) -> int:
    """The table of the task with the lowest pid of all in the image that hold this epoll."""
    lowest: tuple[int, int] | None = None
    for fd in draft.links.to(file.found, "file") if file.found is not None else ():
        number = draft.links.key(fd) >> PAIR_HIGH
        table = draft.links.find("fdtable", number)
        for ids in draft.links.to(table, "fdtable") if table is not None else ():
            one = (draft.links.key(ids), number)
            lowest = one if lowest is None else min(lowest, one)
    return 0 if lowest is None else lowest[1]


PAIR_HIGH = 32


def _is_same(draft: Draft, table: Table, before: int, number: int) -> bool:
    """Whether a descriptor means the same open file in the table of now and in the one of the dump."""
    if number not in table.items:
        return False
    there = draft.links.find("fd", before << PAIR_HIGH | number)
    return table.number == before or there is None or draft.links.message(there).id == table.items[number].id


# -- processes ----------------------------------------------------------------------------------------------


def _pidfd(draft: Draft, file: OpenFile) -> None:
    body = file.body
    if body.nspid <= 0 or body.nspid in draft.tasks:
        return
    meaning = f"it is a descriptor of process {body.nspid}, which will not be there"
    if draft.cuts.add("pidfd", file.objref, "target", draft.links.name("task", body.nspid), meaning) == "drop":
        body.nspid = DEAD_PID
        file.changed = True


def _namespace(draft: Draft, file: OpenFile) -> None:
    """CRIU opens it through a task that is in it."""
    number = file.body.ns_id
    found = draft.links.find("ns", number)
    tasks = [draft.links.key(ids) for ids in draft.links.to(found, "namespace") if ids.kind == "ids"] if found else []
    if tasks and not draft.everyone.intersection(tasks):
        raise UsageError(
            f"{file.objref} is namespace {number}, which none of the tasks is in: CRIU cannot open it. Extract"
            f" {draft.links.name('task', tasks[0])}, too"
        )


def _owner(draft: Draft, file: OpenFile) -> None:
    """The kernel refuses an owner that is not there, and CRIU then ends."""
    body = file.body
    if "fown" not in body.DESCRIPTOR.fields_by_name or not body.fown.pid:
        return
    pid = body.fown.pid
    if pid in draft.everyone or draft.links.find("core", pid) is None:
        return
    meaning = "the signals of that descriptor (SIGIO) went there"
    if draft.cuts.add("owner", file.objref, "owner", draft.links.name("task", pid), meaning) == "drop":
        body.fown.pid = 0
        file.changed = True


SETTLE = {INET: _inet, UNIX: _unix, EPOLL: _epoll, NAMESPACE: _namespace, PIDFD: _pidfd}
