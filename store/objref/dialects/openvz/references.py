"""References of CPT objects: which fields hold positions, indexes and process ids, and what they must name.

Source: the field comments of `cpt_image.h` and their use in `kernel/cpt`. A position of all ones is "nothing"; so is 0,
where the file's own header stands: fields that an older or other writer left alone are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from struct import Struct
from typing import NamedTuple, TypeAlias

from objref.dialects.openvz.kinds import KIND, KIND_OF, NULL, NUMBER, ROLE
from objref.dialects.openvz.layouts import CODES, Field, Layout, layout

__all__ = [
    "NO_FIELDS",
    "NO_INDEX",
    "POS",
    "SPECIAL",
    "About",
    "Reader",
    "Rule",
    "Special",
    "Target",
    "own_keys",
    "references",
]

NO_INDEX = (1 << 32) - 1
POS = KIND["pos"]


class About(NamedTuple):
    """What the file's header says."""

    version: int
    architecture: int


class Target(NamedTuple):
    """What a field names: a key of a space. `expected`: see `Rule`."""

    role: int
    kind: int
    key: int
    expected: int = -1


POSITIONS = """
TASK cpt_mm:mm:MM cpt_files:files:FILES cpt_fs:fs:FS cpt_signal:signal:SIGNAL_STRUCT cpt_sighand:sighand:SIGHAND_STRUCT
TASK cpt_namespace:namespace:NAMESPACE cpt_sysvsem_undo:undo:SYSVSEM_UNDO cpt_task_ub:beancounter:UBC
TASK cpt_exec_ub:beancounter:UBC cpt_mm_ub:beancounter:UBC cpt_fork_sub:beancounter:UBC
TASK cpt_posix_timers:timers:POSIX_TIMER_LIST
MM cpt_mmub:beancounter:UBC
VMA cpt_file:file:FILE
COPYPAGES cpt_source:source:MM
FILEDESC cpt_file:file:FILE
FILE cpt_inode:inode:INODE cpt_vfsmount:mount:VFSMOUNT
INODE cpt_vfsmount:mount:VFSMOUNT
VFSMOUNT cpt_mnt_parent:parent-mount:VFSMOUNT cpt_mnt_shared:shared:VFSMOUNT cpt_mnt_master:master:VFSMOUNT
EPOLL cpt_file:file:FILE
EPOLL_FILE cpt_file:file:FILE
INOTIFY cpt_file:file:FILE
SOCKET cpt_file:file:FILE
SIGNAL_STRUCT cpt_ctty:tty:TTY
UBC cpt_parent:parent:UBC
REF cpt_pos:target:
NET_TUNTAP cpt_bindfile:file:FILE
"""
INDEXES = """
SOCKET cpt_parent:parent:socket-index cpt_peer:peer:socket-index
FLOCK cpt_owner:owner:files-index
SKB cpt_owner:owner:socket-index
TTY cpt_link:link:tty-index
CGROUP cpt_parent:parent:cgroup-index
NET_CONNTRACK_EXPECT cpt_sibling_conntrack:conntrack:conntrack-index
"""
PIDS = """
TASK cpt_ppid:parent:pid cpt_rppid:real-parent:pid cpt_tgid:leader:pid cpt_pgrp:group:pid cpt_session:session:pid
FLOCK cpt_pid:process:pid
SIGNAL_STRUCT cpt_pgrp:group:pid cpt_session:session:pid
"""
OWN = """
SOCKET cpt_index::socket-index
FILES cpt_index::files-index
TTY cpt_index::tty-index
CGROUP cpt_index::cgroup-index
NET_CONNTRACK cpt_index::conntrack-index
TASK cpt_pid::pid
"""


class Rule(NamedTuple):
    """What one field names: `nothing` are the values that name no object."""

    role: int
    kind: int
    expected: int
    """The kind that a position must lead to, 0 for any; -1 when it is no position."""
    nothing: frozenset[int]


class Reader(NamedTuple):
    """All references in a struct of one length: `unpack` gives one value for each rule."""

    unpack: Callable[[memoryview, int], tuple[int, ...]]
    rules: tuple[Rule, ...]


NO_FIELDS = Reader(Struct("").unpack_from, ())


def references(number: int, architecture: int, length: int) -> Reader:
    """The fields of an object type that refer to others, in a struct of `length` bytes."""
    return _reader(POSITIONS + INDEXES + PIDS, number, architecture, length)


def own_keys(number: int, architecture: int, length: int) -> Reader:
    """The fields that say what others call this object, besides its position. Their rules have no role."""
    return _reader(OWN, number, architecture, length)


def _reader(text: str, number: int, architecture: int, length: int) -> Reader:
    known = layout(number, architecture)
    rows = sorted((field.offset, field, rest) for field, rest in _fields(text, known) if field.end <= length)
    if not rows:
        return NO_FIELDS
    code, at = "<", 0
    for offset, field, _ in rows:
        code += f"{offset - at}x{CODES[field.type]}"
        at = field.end
    return Reader(Struct(code).unpack_from, tuple(_rule(field, *rest) for _, field, rest in rows))


def _fields(text: str, known: Layout | None) -> Iterator[tuple[Field, list[str]]]:
    """The rows of a table that are about one type: (field, [role, what it names])."""
    for line in text.split("\n"):
        name, _, entries = line.partition(" ")
        if known is not None and name == known.name.removesuffix("_I386"):
            for entry in entries.split():
                field, *rest = entry.split(":")
                yield known.field(field), rest


def _rule(field: Field, role: str, what: str) -> Rule:
    number = ROLE[role] if role else 0
    if field.type == "pos":
        return Rule(number, POS, KIND_OF[NUMBER[what]] if what else 0, frozenset({0, NULL}))
    return Rule(number, KIND[what], -1, frozenset({NO_INDEX} if field.type == "index" else {0, NO_INDEX, NULL}))


# -- fields whose meaning depends on others ----------------------------------------------------------------

Special: TypeAlias = Callable[[About, memoryview, int, int, list[bytes]], list[Target]]
"""Of a struct of some length in the data at an offset, and the texts of its NAME children."""

FILE = Struct("<II8xQII")
FILE_AT = 40
FORMAT_MASK, CHARACTER, SOCKET = 0o170000, 0o020000, 0o140000
NO_OBJECT = 0x10 | 0x40 | 0x800
"""dentry bits of epoll, inotify (cpt_priv is an inode number) and signalfd (a signal mask)."""


def _file(_: About, data: memoryview, at: int, length: int, __: list[bytes]) -> list[Target]:
    """cpt_priv: the TTY of a terminal, the index of a socket, or no reference. cpt_fown_pid: if there is an owner."""
    found: list[Target] = []
    if length < FILE_AT + FILE.size:
        return found
    mode, bits, private, owned, owner = FILE.unpack_from(data, at + FILE_AT)
    form = mode & FORMAT_MASK
    if bits & NO_OBJECT or (private in (0, NULL) and form != SOCKET):
        pass
    elif form == SOCKET and private not in (NO_INDEX, NULL):
        found.append(Target(ROLE["socket"], KIND["socket-index"], private))
    elif form == CHARACTER:
        found.append(Target(ROLE["tty"], POS, private, KIND_OF[NUMBER["TTY"]]))
    if owned != NO_INDEX and owner not in (0, NO_INDEX):
        found.append(Target(ROLE["process"], KIND["pid"], owner))
    return found


MOUNT, MOUNT_AT = Struct("<I4xQ"), 16
BIND = 0x80000000
TYPE_NAME = 2
"""The third NAME child of a mount is the type of its file system."""


def _mount(_: About, data: memoryview, at: int, length: int, names: list[bytes]) -> list[Target]:
    """cpt_mnt_bind: a position for bind mounts, the index of a cgroup for cgroup mounts."""
    if length < MOUNT_AT + MOUNT.size:
        return []
    flags, bind = MOUNT.unpack_from(data, at + MOUNT_AT)
    if flags & BIND:
        return [] if bind in (0, NULL) else [Target(ROLE["bind"], POS, bind, 0)]
    if bind in (NULL, NO_INDEX) or names[TYPE_NAME : TYPE_NAME + 1] != [b"cgroup"]:
        return []
    return [Target(ROLE["cgroup"], KIND["cgroup-index"], bind)]


AF_UNIX = 1
FAMILY, FAMILY_AT, UNIX_MOUNT, UNIX_MOUNT_AT = Struct("<H"), 42, Struct("<Q"), 424


def _socket(about: About, data: memoryview, at: int, length: int, _: list[bytes]) -> list[Target]:
    """A unix socket has its mount where others have addresses. Not in 2.6.18, whose objects name no mounts."""
    short = length < UNIX_MOUNT_AT + UNIX_MOUNT.size
    if about.version < 0x800 or short or FAMILY.unpack_from(data, at + FAMILY_AT)[0] != AF_UNIX:
        return []
    (mount,) = UNIX_MOUNT.unpack_from(data, at + UNIX_MOUNT_AT)
    return [] if mount in (0, NULL) else [Target(ROLE["mount"], POS, mount, KIND_OF[NUMBER["VFSMOUNT"]])]


SLOTS, SLOTS_AT = Struct("<27Q"), 24


def _trailer(_: About, data: memoryview, at: int, length: int, __: list[bytes]) -> list[Target]:
    if length < SLOTS_AT + SLOTS.size:
        return []
    slots = SLOTS.unpack_from(data, at + SLOTS_AT)
    return [Target(ROLE["section"], POS, slot, KIND["section"]) for slot in slots if slot != NULL]


SPECIAL: dict[int, Special] = {
    NUMBER["FILE"]: _file,
    NUMBER["VFSMOUNT"]: _mount,
    NUMBER["SOCKET"]: _socket,
    NUMBER["TRAILER"]: _trailer,
}
