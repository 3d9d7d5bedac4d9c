"""Reference fields of every record: "offset:role" names an object of the space `obj`, "offset:role>kind" another space.

Source: the reference table of the facts. Fields that depend on more than the record's length (TASK_OBJS, FILE,
NETDEV) are told apart in grammar.py. All are s32; 0 is none.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import NamedTuple

from objref.dialects.linux_cr.kinds import KIND, ROLE

__all__ = ["References", "fields", "references"]


class References(NamedTuple):
    """What to unpack from a record, and for each value `role << 48 | kind << 32`: key and code fit in one word."""

    unpack: struct.Struct
    codes: tuple[int, ...]


# record, its length -> fields
_FIELDS = {
    ("TASK_CREDS", 16): "8:cred 12:effective-cred",
    ("CRED", 88): "40:user 44:groupinfo",
    ("CRED", 96): "40:user 44:groupinfo 48:security",
    ("USER", 16): "12:user-ns",
    ("USER_NS", 16): "8:creator",
    ("TASK_NS", 16): "8:ns",
    ("NS", 16): "8:uts-ns 12:ipc-ns",
    ("NS", 24): "8:uts-ns 12:ipc-ns 16:net-ns",
    ("TASK_OBJS", 24): "8:file-table 12:mm 16:sighand 20:signal>signal",
    ("FILE_DESC", 24): "8:fd",
    ("MM", 120): "12:exe",
    ("VMA", 72): "12:mapping 16:segment>shmem",
    ("VMA", 80): "12:mapping 16:segment>shmem",
    ("EPOLL_ITEMS", 16): "8:epoll-file",
    ("SIGNAL", 328): "312:tty",
    ("TTY", 72): "12:link 16:tty-file",
    ("TTY", 96): "12:link 16:tty-file",
    ("SOCKET_UNIX", 256): "8:self 12:peer 16:peer-cred",
    ("SOCKET_BUFFER", 104): "44:sender 48:receiver",
    ("NET_NS", 16): "8:self",
    ("NETDEV", 40): "8:net-ns",
    ("IPC_SHM", 112): "104:segment>shmem",
    ("IPC_SHM", 120): "56:security 112:segment>shmem",
    ("IPC_MSG", 120): "56:security",
    ("IPC_SEM", 88): "56:security",
    ("IPC_MSG_MSG", 24): "20:security",
    ("SECURITY", 16): "8:security-ptr",
    ("LEGACY_TASK_OBJS", 32): "8:file-table 12:mm 16:fs 20:sighand 24:signal>signal",
    ("LATE_TASK_OBJS", 32): "8:file-table 12:mm 16:fs 20:sem-undo 24:sighand 28:signal>signal",
    ("FILE", 40): "20:cred",
    ("FILE", 48): "20:cred 40:security",
}


@cache
def references(record: str, length: int, order: str) -> References | None:
    """The references of a record of that length; None when there are none."""
    text = _FIELDS.get((record, length))
    return None if text is None else fields(text, order)


@cache
def fields(text: str, order: str) -> References:
    """The references that such a text names."""
    form, at, codes = order, 0, []
    for field in text.split():
        offset, _, what = field.partition(":")
        role, _, kind = what.partition(">")
        gap = int(offset) - at
        form += f"{gap}xi" if gap else "i"
        at = int(offset) + 4
        codes.append(ROLE[role] << 48 | KIND[kind or "obj"] << 32)
    return References(struct.Struct(form), tuple(codes))
