"""Sessions and process groups whose leaders are left out.

A task whose session is led by nobody in the image makes CRIU create a stand-in with the leader's pid. Below the root
of the tree that works, and is what a full restore does, too. For the root itself it does not: root and stand-in wait
for each other without end (CRIU 4.1.1). So the root becomes the leader of a session, unless it joins that of criu's
caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.plan import FAIL

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, Task

__all__ = ["settle_sessions"]

NEW = "leads a new session and group; no terminal is its controlling one"
JOINED = "joins the session and group of the shell that calls criu"


def settle_sessions(draft: Draft) -> None:
    """Give sid and pgid to the tasks whose leaders are gone."""
    root = draft.root
    policy = "new"
    if root.message.sid != root.pid:
        policy = draft.cuts.add("session", root.objref, "session", f"task:{root.message.sid}", NEW)
        if policy == "shell-job":
            draft.options["--shell-job"] = None
    if policy in ("new", FAIL):
        moved = {task.pid for task in draft.tasks.values() if _must_move(draft, task)}
        for pid in sorted(moved):
            _move(draft, draft.tasks[pid], moved)
    else:
        for task in draft.tasks.values():
            _join(draft, task)


def _must_move(draft: Draft, task: Task) -> bool:
    """Whether a task cannot stay in its session."""
    root, sid = draft.root, task.old.sid
    if sid == task.pid:
        return False
    if task is root or sid == root.old.sid:
        return bool(root.old.sid != root.pid)
    if sid in draft.tasks:  # a leader that is no ancestor: only when it was no ancestor before, either
        return task.old.ppid != task.message.ppid and not _descends(draft, task, sid)
    return draft.links.find("task", sid) is not None  # else it was gone before: CRIU makes a stand-in, as ever


def _descends(draft: Draft, task: Task, pid: int) -> bool:
    step: Task | None = task
    for _ in draft.tasks:
        if step is None or step.pid == pid:
            break
        step = draft.tasks.get(step.message.ppid)
    return step is not None and step.pid == pid


def _move(draft: Draft, task: Task, moved: set[int]) -> None:
    """To the root's session; its group stays if its leader comes along."""
    task.message.sid = draft.root.pid
    if task.old.pgid not in moved | {draft.root.pid}:
        task.message.pgid = draft.root.pid


def _join(draft: Draft, task: Task) -> None:
    """With --shell-job CRIU replaces the root's session and group, wherever they occur, by its own."""
    root = draft.root
    if task.old.sid not in draft.tasks and draft.links.find("task", task.old.sid) is not None:
        task.message.sid = root.old.sid
        if task.old.pgid not in draft.tasks:
            task.message.pgid = root.old.pgid
