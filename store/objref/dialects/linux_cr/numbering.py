"""Numbers: record types, object types and machines, in every revision that the facts list.

Source: `checkpoint_hdr.h` of columbia/user-cr, 16 versions 2009-10 .. 2012-03. `header.rev` was not raised when
the enum was renumbered: rev 6 has two numberings, told apart by the first record of type 101 (`Layout`).
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import cache
from typing import NamedTuple

__all__ = [
    "CONVERTIBLE",
    "HEADER_LENGTH",
    "HEAD_MAGIC",
    "TAIL_MAGIC",
    "WORDS",
    "Layout",
    "arch_name",
    "byte_order",
    "object_kinds",
    "record_names",
    "record_types",
    "starts_stream",
]  # fmt: skip

HEAD_MAGIC = 0x00FEED0CC0A2D200
TAIL_MAGIC = 0x002D2A0CC0DEEF00
HEADER_LENGTH = 72


class Layout(IntEnum):
    """Which structs a stream has, in the order of time. UNKNOWN: the facts do not cover it. `label` names it."""

    UNKNOWN = 0
    REV3 = 1
    REV4 = 2
    REV5 = 3
    V20 = 4
    """rev 6, old numbering, 82822cf: v20, v21; TASK has 64 bytes"""
    V23_RC1 = 5
    """rev 6, old numbering, f0fdd38: TASK has 80 bytes"""
    RENUMBERED = 6
    """rev 6, new numbering, b6cdf01: VMA has 72 bytes"""
    V23_RC2 = 7
    """rev 6, new numbering, 1fd8e6e .. 5c3471a: VMA has 80 bytes"""
    REV6_OLD = 8
    """rev 6, old numbering, no task seen that would tell"""
    REV6_NEW = 9
    """rev 6, new numbering, no area seen that would tell"""

    @property
    def label(self) -> str:
        """Its name for people and for `objref convert`: the release that had it, or else the commit."""
        return _LABELS[self]


_LABELS = {
    Layout.UNKNOWN: "unknown", Layout.REV3: "rev3", Layout.REV4: "rev4", Layout.REV5: "rev5", Layout.V20: "v20",
    Layout.V23_RC1: "v23-rc1", Layout.RENUMBERED: "b6cdf01", Layout.V23_RC2: "v23-rc2",
    Layout.REV6_OLD: "v20 or v23-rc1", Layout.REV6_NEW: "b6cdf01 or v23-rc2",
}  # fmt: skip


CONVERTIBLE = tuple(layout.label for layout in (Layout.V23_RC1, Layout.RENUMBERED, Layout.V23_RC2))
"""Layouts that `convert` knows."""

_COLUMNS = {
    Layout.REV3: 0, Layout.REV4: 1, Layout.REV5: 2, Layout.V20: 3, Layout.V23_RC1: 3, Layout.REV6_OLD: 3,
    Layout.RENUMBERED: 4, Layout.V23_RC2: 4, Layout.REV6_NEW: 4,
}  # fmt: skip

# name, then its number in: rev 3, rev 4, rev 5, rev 6 old, rev 6 new. "-": not there.
# EPOLL_ITEMS came within rev 3 (a53775e), HPAGE within rev 6 new (1fd8e6e, where it took MM_CONTEXT's 404).
_RECORDS = """
HEADER 1 1 1 1 1; HEADER_ARCH 2 2 2 2 2; CONTAINER 3 3 3 3 3; BUFFER 4 4 4 4 4; STRING 5 5 5 5 5; OBJREF 6 6 6 6 6
LSM_INFO - 7 7 7 7; SECURITY - 8 8 8 8; PIDS - - - - 101; TREE 101 101 101 101 102; TASK 102 102 102 102 103
TASK_NS 103 103 103 103 104; TASK_OBJS 104 104 104 104 105; RESTART_BLOCK 105 105 105 105 106
THREAD 106 106 106 106 107; CPU 107 107 107 107 108; NS 108 108 108 108 109; UTS_NS 109 109 109 109 110
IPC_NS 110 110 110 110 111; MNT_NS - - 111 111 112; CAPABILITIES 111 111 112 112 113; USER_NS 112 112 113 113 114
CRED 113 113 114 114 115; USER 114 114 115 115 116; GROUPINFO 115 115 116 116 117; TASK_CREDS 116 116 117 117 118
CPU_FPU 201 201 201 201 201; MM_CONTEXT_LDT 202 202 202 202 202; FILE_TABLE 301 301 301 301 301
FILE_DESC 302 302 302 302 302; FILE_NAME 303 303 303 303 303; FILE 304 304 304 304 304; PIPE_BUF 305 305 305 305 305
TTY 306 306 306 306 306; TTY_LDISC 307 307 307 307 307; EPOLL_ITEMS 308 308 308 308 308; MM 401 401 401 401 401
VMA 402 402 402 402 402; PGARR 403 403 403 403 403; HPAGE - - - - 404; MM_CONTEXT 404 404 404 404 405
FS - - 451 451 451; IPC 501 501 501 501 501; IPC_SHM 502 502 502 502 502; IPC_MSG 503 503 503 503 503
IPC_MSG_MSG 504 504 504 504 504; IPC_SEM 505 505 505 505 505; TASK_SEM_UNDO_LIST - - - 506 506
TASK_SEM_UNDO - - - 507 507; SIGHAND 601 601 601 601 601; SIGNAL 602 602 602 602 602
SIGNAL_TASK 603 603 603 603 603; SIGPENDING 604 604 604 604 604; SOCKET 701 701 701 701 701
SOCKET_QUEUE 702 702 702 702 702; SOCKET_BUFFER 703 703 703 703 703; SOCKET_FRAG - 704 704 704 704
SOCKET_UNIX 704 705 705 705 705; SOCKET_INET 705 706 706 706 706; NET_NS - - - 707 707; NETDEV - - - 708 708
NETDEV_ADDR - - - 709 709; TAIL 9001 9001 9001 9001 9001; ERROR 9999 9999 9999 9999 9999
"""
# kind, then its objtype in: rev 3-4, rev 5, rev 6 old, rev 6 new. PID, INODE and SIGNAL have no OBJREF records.
_OBJECT_TYPES = """
file-table 2 2 2 3; file 3 3 3 4; mm 4 4 4 5; fs - 5 5 6; sighand 5 6 6 7; ns 7 8 8 9; uts-ns 8 9 9 10
ipc-ns 9 10 10 11; mnt-ns - 11 11 12; user-ns 10 12 12 13; cred 11 13 13 14; user 12 14 14 15; groupinfo 13 15 15 16
sock 14 16 16 17; tty 15 17 17 18; security-ptr 16 18 18 19; security 17 19 19 20; net-ns - - 20 21; netdev - - 21 22
sem-undo - - 22 23
"""


def _rows(table: str) -> list[list[str]]:
    return [row.split() for line in table.split("\n") for row in line.split(";") if row.strip()]


@cache
def record_names(layout: Layout) -> dict[int, str]:
    """Record type -> name."""
    column = _COLUMNS.get(layout)
    if column is None:  # these numbers never changed
        return {1: "HEADER", 2: "HEADER_ARCH", 4: "BUFFER", 5: "STRING", 9001: "TAIL", 9999: "ERROR"}
    names = {int(row[1 + column]): row[0] for row in _rows(_RECORDS) if row[1 + column] != "-"}
    if layout == Layout.RENUMBERED:  # HPAGE came later, and moved MM_CONTEXT
        del names[405]
        names[404] = "MM_CONTEXT"
    return names


@cache
def record_types(layout: Layout) -> dict[str, int]:
    """Name -> record type."""
    return {name: type_ for type_, name in record_names(layout).items()}


@cache
def object_kinds(layout: Layout) -> dict[int, str]:
    """objtype of OBJREF -> kind."""
    column = _COLUMNS.get(layout)
    if column is None:
        return {}
    return {int(row[max(column, 1)]): row[0] for row in _rows(_OBJECT_TYPES) if row[max(column, 1)] != "-"}


class _Machine(NamedTuple):
    name: str
    big: bool


_X86_32, _X86_64, _ARM = _Machine("x86_32", False), _Machine("x86_64", False), _Machine("arm", False)
_S390X, _PPC32, _PPC64 = _Machine("s390x", True), _Machine("ppc32", True), _Machine("ppc64", True)
_EARLY = {1: (_X86_32,), 2: (_S390X,), 3: (_PPC32,), 4: (_PPC64,), 5: (_X86_64,)}
_LATE = {1: (_X86_32,), 2: (_X86_64,), 3: (_S390X,), 4: (_PPC32, _ARM), 5: (_PPC64,), 6: (_ARM,)}
WORDS = {
    "x86_32": (4,), "x86_64": (8,), "s390x": (8,), "ppc32": (4,), "ppc64": (8,), "arm": (4,),
}  # fmt: skip
"""Bytes of an `unsigned long`, by machine. Page addresses are such words."""


def arch_name(rev: int, arch_id: int, big: bool) -> str:
    """Name of the machine, "" when the facts do not tell. The ids were reordered: id 4 of late streams is ppc32 or arm,
    and the byte order says which."""
    machines = (_EARLY if rev < 5 else _LATE).get(arch_id, ())
    return next((machine.name for machine in machines if machine.big == big), "")


_FIRST = 1, HEADER_LENGTH, HEAD_MAGIC


def starts_stream(head: bytes) -> bool:
    """Whether a stream that starts so is of linux-cr, in either byte order."""
    return byte_order(head) != ""


def byte_order(head: bytes) -> str:
    """ "<" or ">" of a stream by its first 16 bytes, "" when it is none of linux-cr."""
    if len(head) < 16:
        return ""
    return next((order for order in "<>" if struct.unpack_from(order + "IIQ", head) == _FIRST), "")
