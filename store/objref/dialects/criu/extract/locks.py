"""File locks of kept tasks; those of open files that a kept task holds, too, whoever is named as their owner."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft
    from objref.object import Object

__all__ = ["keep_locks"]

OF_FILE = (2, 4)
"""Kinds of locks that belong to an open file, not to a process: flock, open file description."""


def keep_locks(draft: Draft) -> None:
    """Fill `draft.locks` with what filelocks.img will hold."""
    if not draft.links.has("lock"):
        return
    kept: dict[int, Object | list[bytes]] = {}
    for task in draft.tasks.values():
        for lock in draft.links.to(task.found, "holder"):
            kept[lock.ordinal] = lock
    for number in draft.held:
        found = draft.files[number].found
        for fd in draft.links.to(found, "file") if found is not None else ():
            for lock in draft.links.to(fd, "fd"):
                if lock.kind == "lock" and lock.ordinal not in kept:
                    _take_over(draft, kept, lock, number)
    draft.locks = [kept[ordinal] for ordinal in sorted(kept)]
    if kept:
        draft.options["--file-locks"] = None


def _take_over(draft: Draft, kept: dict[int, Object | list[bytes]], lock: Object, number: int) -> None:
    """CRIU sets a lock in the task that the image names: name one that is there."""
    message = draft.links.message(lock)
    if message.flag not in OF_FILE:
        return
    table, fd = draft.held[number][0]
    draft.notes.append(f"{lock.objref} of task:{message.pid} is kept: task:{min(table.pids)} has the same open file")
    message.pid, message.fd = min(table.pids), fd
    kept[lock.ordinal] = [message.SerializeToString()]
