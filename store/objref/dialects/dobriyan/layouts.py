"""Every byte layout of the dialect, once, as tables (source: Dobriyan's posting of 2009-03-01).

Offsets count from the object's header; little-endian: the only architecture that was ever supported is x86_32.
`cr_len` counts the header and not the padding after the object.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

__all__ = ["HEADER", "HEADER_SPAN", "LAYOUTS", "OBJECT", "UNDEFINED", "Field", "Layout", "padded"]

OBJECT = struct.Struct("<II")
"""cr_type, cr_len: the header of an object."""
ALIGN = 8
"""Objects start at multiples of it."""
UNDEFINED = (1 << 64) - 1
"""CR_POS_UNDEF: no object, or not known."""


class Field(NamedTuple):
    """`code` is a struct code, with a count for arrays. `to`: the kind that the field holds positions of, `roles`
    one role for each. `shape`: how it is shown, see view.py."""

    name: str
    offset: int
    code: str
    shape: str = "number"
    to: str = ""
    roles: tuple[str, ...] = ()

    def unpack(self, data: bytes) -> tuple[Any, ...]:
        """Its values in the bytes of an object."""
        return struct.unpack_from("<" + self.code, data, self.offset)


class Layout(NamedTuple):
    """`length` is that of the fixed fields; `tail` the name of the u32 array behind them, to the object's end."""

    kind: str
    name: str
    length: int
    fields: tuple[Field, ...] = ()
    tail: str = ""

    def fits(self, length: int) -> bool:
        """Whether an object of this type may have this length."""
        if self.tail:
            return length >= self.length and (length - self.length) % 4 == 0
        return length == self.length


def _pos(name: str, offset: int, to: str, *roles: str) -> Field:
    """Absolute positions of the headers of other objects."""
    return Field(name, offset, f"{len(roles)}Q", "position" if len(roles) == 1 else "positions", to, roles)


def _texts(length: int, first: int, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, first + i * length, f"{length}s", "text") for i, name in enumerate(names))


def _u32(first: int, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, first + i * 4, "I") for i, name in enumerate(names))


def _sets(first: int, *names: str) -> tuple[Field, ...]:
    return tuple(Field(name, first + i * 8, "Q", "bits") for i, name in enumerate(names))


def padded(length: int) -> int:
    """From an object's header to the next one."""
    return -(-length // ALIGN) * ALIGN


HEADER = Layout("header", "header", 84, (
    Field("signature", 0, "8s", "text"),
    Field("image_version", 8, "Q"),
    Field("kernel_release", 16, "64s", "text"),
    Field("architecture", 80, "I"),
))  # fmt: skip
HEADER_SPAN = padded(HEADER.length)

TASK = Layout("task", "TASK_STRUCT", 112, (
    _pos("real_cred", 8, "cred", "real-cred"),
    _pos("cred", 16, "cred", "cred"),
    *_texts(16, 24, "comm"),
    _pos("mm", 40, "mm", "mm"),
    _pos("pids", 48, "pid", "pid", "group", "session"),
    _pos("fs", 72, "fs", "fs"),
    _pos("files", 80, "files", "files"),
    _pos("nsproxy", 88, "nsproxy", "nsproxy"),
    _pos("signal", 96, "signal", "signal"),
    _pos("sighand", 104, "sighand", "sighand"),
))  # fmt: skip
NSPROXY = Layout("nsproxy", "NSPROXY", 48, (
    _pos("uts", 8, "uts-ns", "uts"),
    _pos("ipc", 16, "ipc-ns", "ipc"),
    _pos("mnt", 24, "mnt-ns", "mnt"),
    _pos("pid", 32, "pid-ns", "pid-ns"),
    _pos("net", 40, "net-ns", "net"),
))  # fmt: skip
UTS_NAMES = ("sysname", "nodename", "release", "version", "machine", "domainname")
FILE = Layout("file", "FILE", 56, (
    *_u32(8, "f_flags", "pad"),
    Field("f_pos", 16, "Q"),
    _pos("pos_f_owner_pid", 24, "pid", "owner"),
    *_u32(32, "owner_pid_type", "owner_uid", "euid", "signum"),
    _pos("pos_f_cred", 48, "cred", "cred"),
))  # fmt: skip
CRED = Layout("cred", "CRED", 72, (
    *_u32(8, "uid", "gid", "suid", "sgid", "euid", "egid", "fsuid", "fsgid"),
    *_sets(40, "inheritable", "permitted", "effective", "bounding"),
))  # fmt: skip


def _placeholder(kind: str, name: str) -> Layout:
    """An object that is only a header."""
    return Layout(kind, name, OBJECT.size)


LAYOUTS: dict[int, Layout] = {
    1: TASK,
    2: NSPROXY,
    3: Layout("uts-ns", "UTS_NS", 392, _texts(64, 8, *UTS_NAMES)),
    4: _placeholder("ipc-ns", "IPC_NS"),
    5: _placeholder("mnt-ns", "MNT_NS"),
    6: Layout("pid-ns", "PID_NS", 16, _u32(8, "level", "last_pid")),
    7: _placeholder("net-ns", "NET_NS"),
    8: _placeholder("mm", "MM_STRUCT"),
    9: Layout("signal", "SIGNAL_STRUCT", 264, (Field("resource_limits", 8, "32Q", "limits"),)),
    10: _placeholder("sighand", "SIGHAND_STRUCT"),
    11: Layout("fs", "FS_STRUCT", 12, _u32(8, "umask")),
    12: _placeholder("files", "FILES_STRUCT"),
    13: FILE,
    14: CRED,
    15: Layout("pid", "PID", 12, _u32(8, "level"), tail="nr"),  # level is never filled: the length says how many
}
