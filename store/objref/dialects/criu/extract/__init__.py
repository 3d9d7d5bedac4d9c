"""A smaller CRIU image with some tasks of a larger one, which the stock `criu restore` accepts (docs/extract.md).

links       references by role, messages of objects; what contradicts itself is an error
cuts        classes of cuts and their policies
draft       what is kept, and what is changed in it; the steps below fill it in
tasks       which tasks, whose parent; sessions: of leaders that are left out; namespaces
reach       tables, open files, shared memory and what belongs to them
outside     who else holds what is kept
pipes, terminals, ends (sockets, epoll, pidfds, owners), locks: one kind of object each
memory      page maps and pages; files: all files of the result; command: how it is restored
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.criu.extract.command import command_of, on_disk
from objref.dialects.criu.extract.cuts import KINDS
from objref.dialects.criu.extract.draft import Draft
from objref.dialects.criu.extract.ends import settle_ends
from objref.dialects.criu.extract.files import files_of
from objref.dialects.criu.extract.links import Links
from objref.dialects.criu.extract.locks import keep_locks
from objref.dialects.criu.extract.namespaces import keep_namespaces
from objref.dialects.criu.extract.outside import name_sharing
from objref.dialects.criu.extract.pipes import settle_pipes
from objref.dialects.criu.extract.reach import reach
from objref.dialects.criu.extract.sessions import settle_sessions
from objref.dialects.criu.extract.tasks import asked_for, keep_tasks
from objref.dialects.criu.extract.terminals import settle_terminals
from objref.dialects.cuts import Cuts
from objref.dialects.plan import Plan

if TYPE_CHECKING:
    from objref.dialects.plan import Request
    from objref.image import Image

__all__ = ["plan"]

AFTER = (settle_pipes, settle_ends, settle_terminals, keep_locks, name_sharing)


def plan(image: Image, request: Request) -> Plan:
    """What an extract of these tasks is. Nothing is written; of the pages nothing is read.

    Errors: UsageError (no task, CRIU cannot restore it by itself, a policy that does not fit), NotFoundError,
    FormatError (the image contradicts itself: the objects are named).
    """
    chosen = asked_for(image, request)
    draft = Draft(Links(image, chosen[0].layer), Cuts(request.policy, KINDS))
    keep_tasks(draft, chosen, request.scope)
    settle_sessions(draft)
    reach(draft)
    namespaces = keep_namespaces(draft)
    for settle in AFTER:
        settle(draft)
    draft.cuts.check_all_used()
    files = files_of(draft, namespaces)
    return Plan(
        tuple(one.objref for one in chosen),
        tuple(task.objref for task in draft.tasks.values()),
        files,
        tuple(draft.cuts.found.values()),
        command_of(draft),
        tuple(draft.descriptors),
        on_disk(draft),
        tuple(draft.notes),
    )
