"""The tree of tasks: pstree.img, and the cores of its threads."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import DEAD, Layer, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["look_at_cores", "look_at_tree"]


def look_at_tree(image: Image, tick: Tick) -> Iterator[Found]:
    """Parents, threads, sessions."""
    for layer in layers_of(image, tick):
        if layer.has("task"):
            yield from _tree(layer)


def _tree(layer: Layer) -> Iterator[Found]:
    parents: dict[int, int] = {}
    sessions: dict[int, int] = {}
    for pid, task in layer.each("task"):
        parents[pid], sessions[pid] = task.ppid, task.sid
    loops = list(_loops(parents))
    for loop in loops:
        names = tuple(layer.name("task", pid) for pid in loop)
        yield Found("loop", names[0], f"{len(loop)} tasks are each other's parents", names[:5])
    yield from _order(layer, parents, {pid for loop in loops for pid in loop})
    yield from _roots(layer, parents)
    yield from _sessions(layer, parents, sessions)
    yield from _threads(layer, parents)


def _loops(parents: dict[int, int]) -> Iterator[list[int]]:
    """Tasks that lead back to themselves, each loop once."""
    passed: set[int] = set()
    for start in parents:
        way: dict[int, None] = {}
        pid = start
        while pid in parents and pid not in passed:
            passed.add(pid)
            way[pid] = None
            pid = parents[pid]
        if pid in way:
            steps = list(way)
            yield steps[steps.index(pid) :]


def _order(layer: Layer, parents: dict[int, int], looped: set[int]) -> Iterator[Found]:
    for pid, parent in parents.items():
        if parent in parents and pid not in looped and layer.ordinal("task", parent) > layer.ordinal("task", pid):
            yield Found("order", layer.name("task", pid), f"stands before its parent {layer.name('task', parent)}")


def _roots(layer: Layer, parents: dict[int, int]) -> Iterator[Found]:
    roots = tuple(layer.name("task", pid) for pid, parent in parents.items() if not parent)
    if not roots:
        yield Found("no-root", layer.file("pstree.img"), "no task is without a parent in the dump")
    if len(roots) > 1:
        text = f"{len(roots)} tasks have no parent: {', '.join(roots[:5])}{', …' * (len(roots) > 5)}"
        yield Found("two-roots", roots[1], text, roots[:5])


def _sessions(layer: Layer, parents: dict[int, int], sessions: dict[int, int]) -> Iterator[Found]:
    """CRIU makes stand-ins for leaders that ended, below the root only (docs/extract.md)."""
    outside = set()
    for pid, parent in parents.items():
        sid = sessions[pid]
        if sid in parents or not sid:
            continue
        if not parent:
            outside.add(sid)
            yield Found("shell-job", layer.name("task", pid), f"its session {sid} was that of whoever started it")
        elif sid not in outside and parents.get(parent):
            text = f"the leader of its session {sid} had ended, and its parent {parent} is not the root"
            yield Found("session", layer.name("task", pid), text)


def _threads(layer: Layer, parents: dict[int, int]) -> Iterator[Found]:
    owners: dict[int, int] = {}
    for pid, task in layer.each("task"):
        if pid not in task.threads and not _is_dead(layer, pid):  # a zombie has one thread, 0
            yield Found("threads", layer.name("task", pid), "is not one of its own threads")
        for tid in filter(None, task.threads):
            if tid != pid and (tid in parents or owners.get(tid, pid) != pid):
                other = layer.name("task", tid if tid in parents else owners[tid])
                yield Found("threads", layer.name("task", pid), f"its thread {tid} belongs to {other}, too")
            elif tid != pid:
                owners[tid] = pid


def _is_dead(layer: Layer, pid: int) -> bool:
    core = layer.get("core", pid)
    return core is not None and core.tc.task_state in DEAD


# -- cores --------------------------------------------------------------------------------------------------


def look_at_cores(image: Image, tick: Tick) -> Iterator[Found]:
    """Cores of tasks have what is the task's, cores of threads what is the thread's; all are of one machine."""
    for layer in layers_of(image, tick):
        machine = 0
        for pid, core in layer.each("core"):
            if not layer.matters("core", pid):
                continue
            machine = machine or core.mtype
            if core.mtype != machine:
                yield Found("machine", layer.name("core", pid), f"is of machine {core.mtype}, others of {machine}")
            reason = _incomplete(core, layer.has("task", pid))
            if reason:
                yield Found("core", layer.name("core", pid), reason)


def _incomplete(core: Any, of_task: bool) -> str:
    if not of_task:
        return ""
    if not core.HasField("tc"):
        return "has nothing of a task: its name, state and signals are missing"
    if core.tc.task_state not in DEAD and not core.HasField("thread_core"):
        return "has nothing of a thread"
    return ""
