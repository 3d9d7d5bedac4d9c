"""Which tasks are kept, and what the TREE says of them.

What user-cr's restart.c does with it: the first task is the root, whose parent it does not ask for; of all others the
parent must be there ("parent must always exist"), and of a thread its leader. For sessions, groups and leaders without
a task it makes a stand-in that ends, and a session of the root that nobody leads is that of restart itself.
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

from objref.dialects.linux_cr.entries import NO_PID, TREE_ENTRY
from objref.dialects.linux_cr.kinds import ROLE
from objref.errors import FormatError, UsageError

if TYPE_CHECKING:
    from objref.dialects.cuts import Cuts
    from objref.dialects.linux_cr.extract.original import Original
    from objref.dialects.plan import Request, Scope
    from objref.image import Image
    from objref.object import Object

__all__ = ["Entry", "Forest", "asked_for"]

ADOPTED = "its parent is left out: the first task becomes its parent, which getppid, wait and SIGCHLD will show"
LED = "the leader of its {} is left out: restart makes a stand-in that ends; the root stays in that of restart"

SHOWN = 6
"""Tasks that a message names."""


class Entry(NamedTuple):
    """What the TREE says of a task: pid numbers, or tags of pids in the new numbering."""

    own: int
    parent: int
    leader: int
    group: int
    session: int
    depth: int


def asked_for(image: Image, request: Request) -> list[Object]:
    """The tasks that a request names, each once. `pid:3` is the task with that pid."""
    found = [_task(image.object(name)) for name in dict.fromkeys(request.objrefs)]
    if not found:
        raise UsageError("nothing to extract: name at least one task, such as task:301")
    return found


def _task(found: Object) -> Object:
    if found.kind == "pid":
        own = [reference.source for reference in found.referrers if reference.role == "pid"]
        if not own:
            raise UsageError(f"{found.objref}: no task has that pid")
        found = own[0]
    if found.kind != "task":
        raise UsageError(
            f"{found.objref}: a {found.kind}; restart makes tasks, nothing less. Its bytes: objref get, its fields: "
            "objref show"
        )
    return found


class Forest:
    """The tasks of the stream, and which of them are kept."""

    def __init__(self, original: Original, chosen: list[Object], scope: Scope) -> None:
        self.original = original
        self.tasks = sorted(original.all("task"), key=original.begin)
        self.all = self._read()
        self._at = {entry.own: k for k, entry in enumerate(self.all)}
        places = {task: k for k, task in enumerate(self.tasks)}
        roots = [places[task.ordinal] for task in chosen]
        self._places = self._keep(roots, scope) if self._at else set(roots)
        self._check(chosen, roots)

    def _read(self) -> list[Entry]:
        if not self.original.image.get("tree:0"):
            return []
        records = list(self.original.records(self.original.only("tree")))
        body = records[1].data[8:] if len(records) > 1 else b""
        whole = body[: len(body) // TREE_ENTRY.length * TREE_ENTRY.length]
        return [Entry(*fields) for fields in struct.iter_unpack(self.original.order + "5iI", whole)]

    def _check(self, chosen: list[Object], roots: list[int]) -> None:
        if self.whole:
            return
        if len(self.all) != len(self.tasks) or len(self._at) != len(self.all):
            raise FormatError(f"tree:0: {len(self.tasks)} tasks, {len(self._at)} pids: which is which, nobody can say")
        for task, k in zip(chosen, roots, strict=True):
            leader = self._at.get(self.all[k].leader)
            if leader is not None and leader != k:
                name = self.original.objref(self.tasks[leader])
                raise UsageError(f"{task.objref}: a thread; restart makes whole tasks: extract {name}")
        root = self.tasks[min(self._places)]
        if not self.original.links(root, ROLE["signal"], ROLE["mm"], ROLE["cred"]):
            raise UsageError(f"{self.original.objref(root)}: a zombie would be the root, and nothing goes on in it")

    def _keep(self, roots: list[int], scope: Scope) -> set[int]:
        """Whole tasks with their threads; children of any of these."""
        below: dict[int, list[int]] = {}
        for k, entry in enumerate(self.all):
            if entry.leader != entry.own:
                below.setdefault(entry.leader, []).append(k)
            if scope == "subtree":
                below.setdefault(entry.parent, []).append(k)
        kept, waiting = set(roots), list(roots)
        while waiting:
            k = waiting.pop()
            more = [j for j in below.get(self.all[k].own, ()) if j not in kept] if k < len(self.all) else []
            kept.update(more)
            waiting += more
        return kept

    @property
    def kept(self) -> list[int]:
        """Ordinals of the tasks that are kept, in the order of the stream."""
        return [self.tasks[k] for k in sorted(self._places) if k < len(self.tasks)]

    @property
    def whole(self) -> bool:
        """Whether nothing is left out. A stream that is cut may name tasks that have not come."""
        return self._places.issuperset(range(len(self.tasks)))

    # -- the TREE of the result ----------------------------------------------------------------------------

    def entries(self, cuts: Cuts) -> list[Entry]:
        """What the TREE will say; cuts are recorded."""
        places = sorted(self._places)
        root = self.all[places[0]]
        made = {}
        for k in places:
            entry = self.all[k]
            made[k] = entry._replace(parent=self._parent(k, root, cuts))
            for role, other in (("session", entry.session), ("group", entry.group)):
                if self._left_out(other):
                    cuts.add("session", self._name(entry.own), role, self._name(other), LED.format(role))
        return list(made.values())

    def orphans(self) -> list[str]:
        """What to say of children that are left out."""
        lost: dict[int, list[str]] = {}
        for k, entry in enumerate(self.all):
            parent = self._at.get(entry.parent)
            if k not in self._places and parent in self._places:
                lost.setdefault(parent, []).append(self._name(entry.own))
        return [
            f"{self._name(self.all[k].own)} loses its children {', '.join(names[:SHOWN])}{', …' * (len(names) > SHOWN)}"
            for k, names in lost.items()
        ]

    def _parent(self, k: int, root: Entry, cuts: Cuts) -> int:
        entry = self.all[k]
        if not self._left_out(entry.parent):
            return entry.parent
        thread = entry.leader != entry.own and entry.leader in self._at
        if entry.own == root.own or (thread and entry.leader == root.own):
            return NO_PID if self.original.revision.new else 0
        if thread:  # a thread is not made by its parent
            return root.own
        cuts.add("parent", self._name(entry.own), "parent", self._name(entry.parent), ADOPTED)
        return root.own

    def _left_out(self, own: int) -> bool:
        k = self._at.get(own)
        return k is not None and k not in self._places

    def _name(self, own: int) -> str:
        return self.original.objref(self.tasks[self._at[own]])
