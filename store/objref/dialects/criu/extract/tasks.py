"""Which tasks: those that were asked for, their descendants, who becomes the root, who gets a new parent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.criu.extract.draft import Task
from objref.dialects.plan import FAIL
from objref.errors import FormatError, UsageError
from objref.graph import closure

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft
    from objref.dialects.criu.extract.links import Links
    from objref.dialects.plan import Request
    from objref.image import Image
    from objref.object import Object

__all__ = ["asked_for", "keep_tasks"]

PARTS = ("core", "ids", "mm", "fs", "mem", "pagemap", "pages", "fdtable")
"""Kinds that belong to one task each, more or less: what their reader may have meant is the task."""
SHOWN = 6
"""Tasks that a message names."""


def asked_for(image: Image, request: Request) -> list[Object]:
    """The tasks that a request names, each once. UsageError for what CRIU cannot restore by itself."""
    found = [image.object(name) for name in dict.fromkeys(request.objrefs)]
    if not found:
        raise UsageError("nothing to extract: name at least one task, such as task:17")
    for one in found:
        if one.kind != "task":
            raise UsageError(f"{one.objref}: {_reason(image, one)}")
    if len({one.layer for one in found}) > 1:
        raise UsageError("tasks of different layers are of different dumps: they cannot be restored together")
    return found


def _reason(image: Image, found: Object) -> str:
    """Why this is no task, and what to do instead."""
    number = found.objref.partition(":")[2]
    if found.kind == "core":
        for reference in found.referrers:
            if reference.role == "thread":
                return f"a thread; CRIU restores whole tasks: extract {reference.source.objref}"
    if found.kind in PARTS and image.get(f"task:{number}") is not None:
        return f"a part of a task; CRIU restores whole tasks: extract task:{number}"
    return f"a {found.kind}; CRIU restores tasks, nothing less. Its bytes: objref get, its fields: objref show"


def keep_tasks(draft: Draft, chosen: list[Object], scope: str) -> None:
    """Fill `draft.tasks`: the root first, parents before children, ppid as it will be."""
    image = draft.links.image
    kept = closure(image, chosen, direction="reverse", roles=["parent"] if scope == "subtree" else [])
    tasks = {task.pid: task for task in (_task(draft.links, one) for one in kept)}
    roots = [tasks[pid] for pid in tasks if tasks[pid].message.ppid not in tasks]
    root = _choose_root(roots, tasks)
    draft.tasks = {root.pid: root, **tasks}
    draft.everyone = frozenset(tasks).union(*(task.message.threads for task in tasks.values()))
    _check_root(root)
    _check_ancestry(draft)
    _give_parents(draft, root, roots)
    _name_children_left_out(draft)


def _task(links: Links, found: Object) -> Task:
    message = links.message(found)
    if links.find("task", message.pid) is None:
        raise FormatError(f"{found.objref} has pid {message.pid}, which no task has")
    return Task(found, message, links.message(links.one(found, "core")))


def _choose_root(roots: list[Task], tasks: dict[int, Task]) -> Task:
    """Of those without a kept parent: one that leads a session of the others, or a group, else the first."""
    if not roots:
        loop = ", ".join(task.objref for task in list(tasks.values())[:SHOWN])
        raise FormatError(f"{loop}: each has its parent among them: a loop that no process tree has")
    sessions, groups = {task.message.sid for task in roots}, {task.message.pgid for task in roots}
    ranked = sorted(roots, key=lambda task: (not task.alive, task.pid not in sessions, task.pid not in groups))
    return ranked[0]  # sorted is stable: the first in the image of the best


def _check_root(root: Task) -> None:
    if not root.alive:
        raise UsageError(f"{root.objref} is dead (a zombie): there is nothing to go on; extract its parent to keep it")


def _check_ancestry(draft: Draft) -> None:
    """Every chain of parents inside ends at a task whose parent is outside. Each link is walked once."""
    sound: set[int] = set()
    for task in draft.tasks.values():
        passed: dict[int, None] = {}
        step: Any = task
        while step is not None and step.pid not in sound and step.pid not in passed:
            passed[step.pid] = None
            step = draft.tasks.get(step.message.ppid)
        if step is not None and step.pid in passed:
            loop = ", ".join(f"task:{pid}" for pid in list(passed)[:SHOWN])
            raise FormatError(f"{loop}: each the parent of the one before, in a loop that no process tree has")
        sound.update(passed)


def _give_parents(draft: Draft, root: Task, roots: list[Task]) -> None:
    """The root has none any more; others without their parent need one."""
    if root.message.ppid:
        meaning = "has no parent any more: getppid differs, and its exit is told to whoever restores it"
        draft.notes.append(f"{root.objref} {meaning}")
        root.message.ppid = 0
    for task in roots:
        if task is root:
            continue
        meaning = f"CRIU restores one tree: {task.objref} needs a parent that is in it; its getppid will differ"
        policy = draft.cuts.add("parent", task.objref, "parent", draft.links.name("task", task.message.ppid), meaning)
        if policy != FAIL:
            task.message.ppid = root.pid


def _name_children_left_out(draft: Draft) -> None:
    """With "alone": who waits for a child will be told that there is none."""
    inside = {task.found.ordinal for task in draft.tasks.values()}
    for task in draft.tasks.values():
        left = [child.objref for child in draft.links.to(task.found, "parent") if child.ordinal not in inside]
        if left:
            shown = ", ".join(left[:SHOWN]) + (f" and {len(left) - SHOWN} more" if len(left) > SHOWN else "")
            draft.notes.append(f"{task.objref} loses its children {shown}: wait finds none, no SIGCHLD comes")
