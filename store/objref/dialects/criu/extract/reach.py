"""What the tasks reach: tables, open files, shared memory, and what belongs to these.

CRIU makes every pipe, terminal and socket pair of files.img, and one that no task holds ends it (criu/files.c, "Empty
list on file desc", then a crash). So files.img must have what is reached, and nothing else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from objref.dialects.criu.extract.draft import OpenFile, Table
from objref.errors import FormatError, UnsupportedError

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, Task
    from objref.object import Object

__all__ = ["follow", "reach"]

FOLLOWED = ("regular", "inode", "map", "tty", "stream", "segment", "replacement", "in-flight", "other-end")
"""Roles that lead from an open file, and from what belongs to it, to what it needs. CRIU refuses an end of a pty of
which tty-info.img does not have the other end, too, whether anybody has that open or not."""
SIDE = ("memfd", "bpfmap-data", "tty", "tcp-stream", "ghost", "remap", "sk-packet", "tty-data")
UNIX, TTY = 5, 11


def reach(draft: Draft) -> None:
    """Fill tables, files, segments and side objects of a draft that has its tasks."""
    if not draft.links.has("file"):
        raise UnsupportedError("the dump has no files.img (CRIU before 3.0 wrote none): it can only be restored whole")
    found: list[Object] = []
    for task in draft.tasks.values():
        if task.alive:
            found += _of_task(draft, task)
    draft.index_holders()
    follow(draft, found)
    _check_types(draft)


def _of_task(draft: Draft, task: Task) -> list[Object]:
    """Open files and shared memory that a task names itself."""
    links = draft.links
    task.ids_object = links.one(task.found, "ids")
    task.ids = links.message(task.ids_object)
    found: list[Object] = []
    for table in links.of(task.ids_object, "fdtable"):
        found += _of_table(draft, task, table)
    found += links.of(links.one(task.found, "mm"), "exe", "mapping", "segment")
    found += links.of(links.one(task.found, "fs"), "cwd", "root")
    return found


def _of_table(draft: Draft, task: Task, found: Object) -> list[Object]:
    number = draft.links.key(found)
    if number in draft.tables:
        draft.tables[number].pids.append(task.pid)
        return []
    table = draft.tables[number] = Table(found, number)
    table.pids.append(task.pid)
    files = []
    for fd in draft.links.of(found, "fd"):
        item = draft.links.message(fd)
        table.items[item.fd] = item
        files.append(draft.links.one(fd, "file"))
    return files


def follow(draft: Draft, work: list[Object]) -> None:
    """Keep these, and all that they need. The way leads in circles: sockets in flight inside each other."""
    passed: set[int] = set()
    while work:
        found = work.pop()
        if found.ordinal in passed:
            continue
        passed.add(found.ordinal)
        if found.kind == "file":
            work += _of_file(draft, found)
        elif found.kind == "shmem":
            draft.segments[draft.links.key(found)] = found
        elif found.kind in SIDE:
            draft.keep(found.kind, found)
        elif found.kind == "task":  # one that had ended when a file of its /proc was open: CRIU makes a stand-in
            continue
        else:
            raise FormatError(f"{found.objref} is where an open file is expected")
        work += draft.links.of(found, *FOLLOWED)


def _of_file(draft: Draft, found: Object) -> list[Object]:
    """An open file is kept; returns what belongs to it without being named by it."""
    message = draft.links.message(found)
    file = OpenFile(message, found, found.objref)
    if file.id != draft.links.key(found) or file.body.id != file.id:
        raise FormatError(f"{found.objref}: its fields say that it is file {file.body.id}")
    draft.files.setdefault(file.id, file)
    remap = draft.links.find("remap", file.id)
    more = [] if remap is None else [remap]
    if file.type == UNIX:
        more += draft.links.to(found, "receiver")
    if file.type == TTY:
        data = draft.links.find("tty-data", file.body.tty_info_id)
        more += [] if data is None else [data]
    return more


def _check_types(draft: Draft) -> None:
    """A descriptor and the file that it means say the same."""
    for table in draft.tables.values():
        for fd, item in table.items.items():
            file = draft.files[item.id]
            if file.type != item.type:
                raise FormatError(
                    f"fd:{table.number}/{fd} says that {file.objref} is of type {item.type}, it is of type {file.type}"
                )
