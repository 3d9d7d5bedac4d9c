"""What follows the struct of an object, and how long it says that it is."""

from __future__ import annotations

from struct import Struct
from typing import NamedTuple

from objref.dialects.openvz.kinds import BODY_DATA, BODY_NAME, NUMBER, SECTIONS, VOID
from objref.dialects.openvz.layouts import HEAD

__all__ = [
    "CGROUP", "LISTS", "NAME", "NEVER_BARE", "PAD", "RAW", "Cgroup", "broken", "cgroup", "cgroup_name", "disagrees",
    "fits", "is_section", "text",
]  # fmt: skip

CGROUP, NAME = NUMBER["CGROUP"], NUMBER["NAME"]
PAD = 8
"""A writer aligns the position after most content: fewer bytes than this follow it."""

_U32, _U64 = Struct("<I"), Struct("<Q")
STATED: dict[int, tuple[Struct, int, int, int]] = {
    NUMBER["BITS"]: (_U32, 16, 1, PAD),
    NUMBER["SYSVMSG_MSG"]: (_U64, 24, 1, 1),
    NUMBER["SYSVSEM_UNDO_REC"]: (_U32, 20, 2, 1),
}
"""Object type -> (reader, offset, unit) of the field that states the length of its content; how much less than that
the room for it is at most, plus 1: the padding."""
TAR = (_U32, 16, 1, PAD + 1)
"""The same for a NAME inside a tmpfs mount: a tar and a NUL."""
NAMES_TAR = 24

RAW = frozenset(
    NUMBER[name]
    for name in (
        "NAME", "BITS", "PAGES", "ITERPAGES", "ITERYOUNGPAGES", "VSYSCALL", "SYSV_SEM", "SYSVSEM_UNDO_REC",
        "SYSVMSG_MSG", "NET_ROUTE", "MM_AUXV", "TRAILER", "CGROUP",
    )
)  # fmt: skip
"""Types whose content the facts describe, and not as objects."""
LISTS = frozenset(
    NUMBER[name]
    for name in (
        "TASK", "MM", "VMA", "FILE", "FILES", "FS", "SIGHAND_STRUCT", "SIGNAL_STRUCT", "SYSVSEM_UNDO", "NAMESPACE",
        "INODE", "VFSMOUNT", "EPOLL", "POSIX_TIMER_LIST", "TTY", "SYSVMSG", "INOTIFY", "INOTIFY_WATCH",
    )
)  # fmt: skip
"""Types whose content is objects, or nothing."""
NEVER_BARE = frozenset({CGROUP, NUMBER["ITERPAGES"], NUMBER["ITERYOUNGPAGES"]})
"""Types with bytes behind the struct whatever their content kind says."""


HEADERS_ONLY = {
    "sighand-struct": NUMBER["SIGHAND_STRUCT"], "sysvsem-undo": NUMBER["SYSVSEM_UNDO"],
    "namespace": NUMBER["NAMESPACE"], "posix-timers": NUMBER["POSIX_TIMER_LIST"], "cgroups": NUMBER["CGROUPS"],
}  # fmt: skip
"""Sections whose objects are a header and children, or may be."""
UNWRITTEN = frozenset({"error", "sysv-shm", "net-conntrack-ve0", "slm-sgregs", "slm-regobjs", "net-ip6tables"})
"""Sections whose content is not known: no kernel was found that writes them."""


def broken(length: int, header: int, room: int) -> str:
    """Why an object cannot be followed; empty when it can."""
    if header < HEAD.size:
        return f"its header length is {header}, below {HEAD.size}"
    if length < header:
        return f"its length {length} is below its header length {header}"
    if length > room:
        return f"its length {length} reaches {length - room} bytes past its container"
    return ""


def is_section(number: int, content: int, section: str) -> bool:
    """Whether what reads as the header of an outermost object, of 16 bytes, is that of a section: an object without
    fields and content does not stand where it is not at home."""
    if content != VOID or number >= len(SECTIONS) or section in UNWRITTEN:
        return False
    return HEADERS_ONLY.get(section) != number


def disagrees(number: int, content: int, head: bytes | memoryview, room: int) -> str:
    """What an object says about the `room` bytes that follow its struct, when that is not true; else empty."""
    tar = number == NAME and content == BODY_DATA and len(head) >= NAMES_TAR
    stated = TAR if tar else STATED.get(number)
    if stated is None or stated[1] + stated[0].size > len(head):
        return ""
    reader, offset, unit, slack = stated
    length = int(reader.unpack_from(head, offset)[0]) * unit
    return "" if length <= room < length + slack else f"states {length} bytes of content, and has room for {room}"


class Cgroup(NamedTuple):
    """The content of a cgroup: the length of the NAME object that it begins with, 0 for a root group; process ids."""

    name: int
    processes: list[int]


def cgroup(body: memoryview) -> Cgroup | None:
    """What follows the struct of a cgroup; None when it is not as the facts say."""
    name = cgroup_name(body) if len(body) > _U32.size else 0
    if name is None or len(body) == name or (len(body) - name) % _U32.size:
        return None
    *processes, last = (number for (number,) in _U32.iter_unpack(body[name:]))
    return None if last or 0 in processes else Cgroup(name, processes)


def cgroup_name(body: memoryview) -> int | None:
    """Bytes of the NAME; None when there is none."""
    if len(body) < HEAD.size:
        return None
    length, number, header, content = HEAD.unpack_from(body)
    if number != NAME or content != BODY_NAME or broken(length, header, len(body)):
        return None
    return int(length) if fits(text(body[header:length]), body[header:length]) else None


def fits(found: bytes, body: memoryview) -> bool:
    """Whether the content of a NAME is its text, a NUL, and padding."""
    return len(found) < len(body) <= len(found) + PAD


def text(body: bytes | memoryview) -> bytes:
    """The text of a NAME, up to its NUL."""
    return bytes(body).split(b"\0", 1)[0]
