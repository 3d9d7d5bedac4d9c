"""Sessions and process groups whose leaders are left out, or ended before the dump.

A task whose session nobody in the image leads makes CRIU create a stand-in with the leader's pid, for children of the
root only; for others it refuses ("Can't find a session leader", also when all of the image is restored). For the root
itself stand-in and root wait for each other without end (CRIU 4.1.1). So the root becomes the leader of a session,
unless it joins that of criu's caller, and the others go to their parent's where no stand-in can be.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.plan import FAIL

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, Task

__all__ = ["settle_sessions"]

SHELL_JOB = "shell-job"
LEADS = "it leads a new session and group; it has no controlling terminal"
FOLLOWS = "it joins the session of its parent: CRIU cannot bring back one whose leader is not there"


def settle_sessions(draft: Draft) -> None:
    """Give sid and pgid to the tasks whose leaders are gone."""
    moved = set()
    for task in draft.tasks.values():  # parents come first
        if _must_move(draft, task):
            moved.add(task.pid)
            _move(draft, task)
    for pid in moved - {draft.root.pid}:
        _keep_group(draft, draft.tasks[pid], moved)


def _must_move(draft: Draft, task: Task) -> bool:
    """Whether a task cannot stay in its session."""
    root, sid = draft.root, task.old.sid
    if sid == task.pid:
        return False
    if task is root or sid == root.old.sid:
        return bool(root.old.sid != root.pid)
    if sid in draft.tasks:  # a leader that is no ancestor is CRIU's affair, unless we made it so
        return task.old.ppid != task.message.ppid and not _descends(draft, task, sid)
    gone = draft.links.find("task", sid) is None
    return not gone or task.message.ppid != root.pid


def _descends(draft: Draft, task: Task, pid: int) -> bool:
    step: Task | None = task
    for _ in draft.tasks:
        if step is None or step.pid == pid:
            break
        step = draft.tasks.get(step.message.ppid)
    return step is not None and step.pid == pid


def _move(draft: Draft, task: Task) -> None:
    root = draft.root
    if task is root:
        _move_root(draft)
    elif task.old.sid == root.old.sid:
        task.message.sid, task.message.pgid = root.message.sid, root.message.pgid
    else:
        parent = draft.tasks.get(task.message.ppid, root)
        task.message.sid, task.message.pgid = parent.message.sid, parent.message.pgid
        draft.cuts.add("session", task.objref, "session", draft.links.name("task", task.old.sid), FOLLOWS, ("new",))


def _move_root(draft: Draft) -> None:
    """CRIU lets `--shell-job` put its own session and group in place of the root's, wherever they are named."""
    root = draft.root
    policy = draft.cuts.add("session", root.objref, "session", draft.links.name("task", root.old.sid), LEADS)
    if policy == SHELL_JOB:
        draft.options["--shell-job"] = None
    elif policy in ("new", FAIL):
        root.message.sid = root.message.pgid = root.pid


def _keep_group(draft: Draft, task: Task, moved: set[int]) -> None:
    """A group stays together where its leader came along into the same session."""
    leader = draft.tasks.get(task.old.pgid)
    if leader is not None and leader.message.sid == task.message.sid and (leader.pid in moved or leader is draft.root):
        task.message.pgid = leader.pid
