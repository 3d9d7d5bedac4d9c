"""Kinds of objects and roles of references.

What has an OBJREF record is of the kind of its type (`file:2`), and all of it is found in the space `obj` (`obj:2`),
since linux-cr has one id space for all types. What has none is in a space of its own:

header, pids, tree, tail  once in a stream, key 0
task      the pid number, as the root task's namespace knows it
pid       pid tags
signal    signal_struct, the id in TASK_OBJS
pipe      pipe inodes, the id in a FILE record
mem       the private memory of an mm by address; the id of the mm
shmem     shared memory by offset; the id of the inode
epoll     the items of an epoll file, the id of that file
queue     socket queues, counted from 0: no field says whose they are
error, record, rest  counted from 0 or by position: kept and not understood
layout    no bytes; its key is the number of the layout in `numbering.Layout` (view.py asks for it)
"""

from __future__ import annotations

from objref.dialects.events import Kind, Role
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX

__all__ = ["DECODED", "KIND", "KINDS", "OBJECTS", "ROLE", "ROLES"]

OBJECTS = (
    "file-table", "file", "mm", "fs", "sighand", "ns", "uts-ns", "ipc-ns", "mnt-ns", "user-ns", "cred", "user",
    "groupinfo", "sock", "tty", "security-ptr", "security", "net-ns", "netdev", "sem-undo",
    "object",
)  # fmt: skip
"""Kinds that an OBJREF record announces. The last one: of a type that the facts do not list."""
DECODED = frozenset(
    (
        *OBJECTS,
        "header",
        "pids",
        "tree",
        "tail",
        "task",
        "pid",
        "signal",
        "pipe",
        "epoll",
        "queue",
        "error",
        "record",
        "layout",
    )
)
KINDS: tuple[Kind, ...] = (
    Kind("member", FORM_BYTES),  # number 0 is the source's own files: a stream has none
    *(Kind(name, FORM_DECIMAL) for name in OBJECTS),
    *(Kind(name) for name in ("obj", "header", "pids", "tree", "tail", "task", "pid", "signal", "pipe", "mem")),
    *(Kind(name) for name in ("shmem", "epoll", "queue", "error", "layout")),
    Kind("record", FORM_HEX),
    Kind("rest", FORM_HEX),
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}

_HARD = """cred effective-cred user groupinfo user-ns creator ns uts-ns ipc-ns net-ns file-table mm fs sem-undo sighand
    signal fd sock tty pipe exe mapping segment epoll-file watches link peer peer-cred sender receiver pid"""
_SOFT = """security security-ptr tty-file self parent leader group session parent-pid leader-pid group-pid
    session-pid"""
ROLES: tuple[Role, ...] = (
    *(Role(name, "H") for name in _HARD.split()),
    *(Role(name, "S") for name in _SOFT.split()),
    Role("mem", "K"),
)
ROLE = {role.name: number for number, role in enumerate(ROLES)}
