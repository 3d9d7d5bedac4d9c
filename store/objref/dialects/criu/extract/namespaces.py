"""Namespaces: those of the tasks come along; a root that cannot be the root of its namespaces is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.criu.refs import NS_FIELDS
from objref.errors import FormatError, UsageError

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, Task
    from objref.dialects.criu.extract.links import Links

__all__ = ["keep_namespaces"]

PID, MOUNT = "pid_ns_id", "mnt_ns_id"
INIT = 1


def keep_namespaces(draft: Draft) -> set[int]:
    """Ids of the namespaces whose files must come along. UsageError where CRIU could not make them."""
    inventory = draft.links.find("inventory", 0)
    if inventory is None:
        raise FormatError("the image has no inventory.img: CRIU restores nothing without it")
    criu = draft.links.message(inventory).root_ids
    _check_root(draft, criu)
    used = {number for task in draft.tasks.values() if task.ids is not None for number in _numbers(task.ids)}
    own = used - set(_numbers(criu))
    for number in sorted(own):
        _keep_segments(draft, number)
        _note_mounts(draft, number)
    return own


def _keep_segments(draft: Draft, number: int) -> None:
    """System V segments are of the namespace, whoever maps them."""
    node = draft.links.find("ns", number)
    for part in draft.links.of(node, "part") if node is not None else ():
        for segment in draft.links.of(part, "segment"):
            draft.segments[draft.links.key(segment)] = segment


def _note_mounts(draft: Draft, number: int) -> None:
    """A mount namespace is restored with options that only those know who set up its root."""
    node = draft.links.find("ns", number)
    mounts = [one for one in draft.links.to(node, "namespace") if one.kind == "mnt"] if node is not None else []
    keys = dict.fromkeys(draft.links.message(one).ext_key for one in mounts)
    outside = ", ".join(f"mnt[{key}]" for key in keys if key)
    if mounts:
        more = f", and --external for {outside}" if outside else ""
        draft.notes.append(f"mount namespace {number}: give criu the same --root as a full restore would get{more}")


def _numbers(ids: Any) -> list[int]:
    return [number for field in NS_FIELDS if (number := getattr(ids, field))]


def _check_root(draft: Draft, criu: Any) -> None:
    root = draft.root
    top = _top(draft.links, root)
    if top is None:
        return
    if getattr(root.ids, PID) != getattr(criu, PID) and root.pid != INIT:
        raise UsageError(
            f"{root.objref} is in a pid namespace whose first process, task:{INIT}, is left out: CRIU cannot make such"
            f" a namespace without it. Extract task:{INIT}, or name it too: objref extract … task:{INIT}"
            f" {root.objref} --alone"
        )
    for field in NS_FIELDS:
        if getattr(root.ids, field) not in (getattr(top, field), getattr(criu, field)):
            name = field.removesuffix("_ns_id")
            raise UsageError(
                f"{root.objref} is in a {name} namespace of its own inside that of its parents: CRIU makes it only"
                f" below them; extract the task that the dump began with"
            )


def _top(links: Links, root: Task) -> Any:
    """ids of the task that the dump began with; None when it is this one."""
    step, passed = root.found, {root.found.ordinal}
    while (above := next(links.of(step, "parent"), None)) is not None and above.ordinal not in passed:
        passed.add(above.ordinal)
        step = above
    return None if step is root.found else links.message(links.one(step, "ids"))
