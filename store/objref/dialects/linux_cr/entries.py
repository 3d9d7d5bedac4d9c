"""What stands many times inside a record: entries of known layout, in a BUFFER that another record announced or behind
a record's fixed part. Offsets count from the entry. And the tails of FILE, which depend on its type.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from objref.dialects.linux_cr.fields import Field, parse, references, values

__all__ = [
    "ACTION", "ADDRESS", "EPOLL_ITEM", "FILE_TYPES", "LIMIT", "NEW_SIGINFO", "NO_PID", "OLD_SIGINFO", "PID_HEAD",
    "TREE_ENTRY", "Entry", "PidTable", "Tree", "pid_entries", "watches",
]  # fmt: skip


class Entry(NamedTuple):
    """One layout of an entry. `length` in bytes."""

    length: int
    text: str

    @property
    def fields(self) -> tuple[Field, ...]:
        """Its fields."""
        return parse(self.text)

    def all(self, data: bytes, order: str) -> list[dict[str, Any]]:
        """The entries that these bytes hold; what is left at the end is none."""
        view = memoryview(data)
        return [
            values(self.text, view[at : at + self.length], order)
            for at in range(0, len(data) - self.length + 1, self.length)
        ]


TREE_ENTRY = Entry(24, "vpid@0:s32 vppid@4:s32 vtgid@8:s32 vpgid@12:s32 vsid@16:s32 depth@20:u32")
"""Before rev 6 there is no `depth`, the bytes are padding. In the new numbering the five are tags of pids."""
EPOLL_ITEM = Entry(24, "data@0:u64 fd@8:u32 file_objref@12:s32>watches:file events@16:u32")
ACTION = Entry(32, "handler@0:u64 flags@8:u64 restorer@16:u64 mask@24:u8[8]")
LIMIT = Entry(16, "cur@0:u64 max@8:u64")
OLD_SIGINFO = Entry(
    48,
    """signo@0:u32 _errno@4:u32 code@8:u32 pid@12:u32 uid@16:s32 sigval_int@20:u32
    sigval_ptr@24:u64 utime@32:u64 stime@40:u64""",
)
NEW_SIGINFO = Entry(
    88,
    """csi_signo@0:u32 csi_errno@4:s32 csi_code@8:s32 csi_pid@12:u32 csi_uid@16:u32 csi_fd@20:s32
    csi_tid@24:u32 csi_band@28:u32 csi_overrun@32:u32 csi_trapno@36:u32 csi_status@40:s32 csi_int@44:s32 csi_ptr@48:u64
    csi_utime@56:u64 csi_stime@64:u64 csi_addr@72:u64 csi_sys_private@80:s32""",
)
ADDRESS = Entry(24, "type@0:u16 local@8:u8[4] address@12:u8[4] mask@16:u8[4] broadcast@20:u8[4]")
"""Of a network device; big-endian on every machine, so they are shown byte by byte."""

FILE_TYPES: dict[int, tuple[str, str]] = {
    1: ("generic", ""),
    2: ("pipe", "pipe_objref@0:s32>pipe"),
    3: ("fifo", "pipe_objref@0:s32>pipe"),
    4: ("socket", "sock_objref@0:s32>sock"),
    5: ("tty", "tty_objref@0:s32>tty"),
    6: ("epoll", ""),
    7: ("eventfd", "count@0:u64 flags@8:u32"),
}
"""f_type -> its name, and the fields behind the common part of FILE."""

PID_HEAD = 8
"""A pid without namespaces below: u32 depth, then depth + 1 numbers."""
NO_PID = -4096
"""No pid, in the last header; up to 82822cf that is -1."""


def watches(data: bytearray, at: int, length: int, order: str) -> array[int]:
    """References of the items of an epoll: the files that are watched."""
    found = references(EPOLL_ITEM.text, order)
    assert found is not None  # for mypy: it has one
    form, code = struct.Struct(f"{order}12xi8x"), found.codes[0]
    whole = memoryview(data)[at : at + length // EPOLL_ITEM.length * EPOLL_ITEM.length]
    return array("Q", [code | file for (file,) in form.iter_unpack(whole) if file > 0])


def pid_entries(data: bytearray, at: int, length: int, order: str) -> Iterator[tuple[int, int, int]]:
    """(start, length, first number) of each pid. They end at the first one that does not fit."""
    unpack, end = struct.Struct(order + "Ii").unpack_from, at + length
    while at + PID_HEAD <= end:
        depth, number = unpack(data, at)
        size = PID_HEAD + 4 * depth
        if at + size > end:
            return
        yield at, size, number
        at += size


class PidTable:
    """The pids of the new numbering: 4 bytes each. Mutable.

    The first number of a pid is the one that the root task's namespace knows (`pid_at_index` in user-cr's restart.c).
    """

    def __init__(self, first: int = 0) -> None:
        self.first = first
        """The tag of the first one."""
        self.numbers = array("i")

    def number(self, tag: int) -> int:
        """The pid number of a tag; 0 when there is none."""
        at = tag - self.first
        return self.numbers[at] if 0 <= at < len(self.numbers) else 0


class Tree:
    """The entries of the TREE: the tasks, in the order in which they come. 20 bytes each, and a set. Mutable."""

    FIELDS = 5

    def __init__(self) -> None:
        self._entries = array("i")
        self.pids: frozenset[int] = frozenset()
        """The pid numbers of all of them."""

    def __len__(self) -> int:
        return len(self._entries) // self.FIELDS

    def read(self, data: bytearray, at: int, length: int, order: str, table: PidTable | None) -> None:
        """Take the payload of the BUFFER. `table`: what its tags mean."""
        whole = memoryview(data)[at : at + length // TREE_ENTRY.length * TREE_ENTRY.length]
        for entry in struct.iter_unpack(order + "5i4x", whole):
            self._entries.extend(entry)
        own = self._entries[:: self.FIELDS]
        self.pids = frozenset(own if table is None else map(table.number, own))

    def entry(self, k: int) -> array[int]:
        """vpid, vppid, vtgid, vpgid, vsid of the k-th task."""
        return self._entries[self.FIELDS * k : self.FIELDS * k + self.FIELDS]
