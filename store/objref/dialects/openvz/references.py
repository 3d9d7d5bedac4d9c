"""References of CPT objects: which fields hold positions, indexes and process ids, and what they must name.

Source: the field comments of `cpt_image.h` and their use in `kernel/cpt`. A position of all ones is "nothing"; so is 0,
where the file's own header stands: fields that an older or other writer left alone are zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from struct import Struct
from typing import NamedTuple

from objref.dialects.openvz.kinds import KIND, KIND_OF, NULL, NUMBER, ROLE
from objref.dialects.openvz.layouts import layout

__all__ = ["About", "Target", "own_keys", "targets"]

NO_INDEX = (1 << 32) - 1
I386 = 0
POS = KIND["pos"]


class About(NamedTuple):
    """What the file's header says."""

    version: int
    architecture: int


class Target(NamedTuple):
    """What a field names: a key of a space. `expected`: the kind that a position must lead to, 0 for any."""

    role: int
    kind: int
    key: int
    expected: int = 0


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
FILE cpt_fown_pid:process:pid
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


class _Rule(NamedTuple):
    """A field, compiled."""

    read: Struct
    offset: int
    end: int
    role: int
    kind: int
    expected: int
    nothing: frozenset[int]


def _rules(text: str, architecture: int) -> dict[int, tuple[_Rule, ...]]:
    found: dict[int, tuple[_Rule, ...]] = {}
    for line in text.strip().split("\n"):
        name, *fields = line.split()
        number = NUMBER[name]
        found[number] = (*found.get(number, ()), *(_rule(number, field, architecture) for field in fields))
    return found


def _rule(number: int, text: str, architecture: int) -> _Rule:
    name, role, what = text.split(":")
    about = layout(number, architecture)
    if about is None:
        raise ValueError(f"{name}: the facts list no fields of type {number}")
    field = about.field(name)
    nothing = {NO_INDEX, NULL} if what in KIND and what != "pid" else {0, NULL, NO_INDEX}
    kind = KIND.get(what, POS)
    if kind == POS:
        nothing = {0, NULL}
    unsigned = field.values if field.type != "s32" else Struct("<I")
    return _Rule(
        unsigned, field.offset, field.end, ROLE[role] if role else 0, kind,
        KIND_OF[NUMBER[what]] if what in NUMBER else 0, frozenset(nothing),
    )  # fmt: skip


@cache
def _references(architecture: int) -> dict[int, tuple[_Rule, ...]]:
    return _rules(POSITIONS + INDEXES.lstrip() + PIDS.lstrip(), architecture)


@cache
def _own(architecture: int) -> dict[int, tuple[_Rule, ...]]:
    return _rules(OWN, architecture)


def targets(about: About, number: int, data: memoryview, at: int, length: int, names: list[bytes]) -> Iterator[Target]:
    """What an object refers to: `length` bytes of its struct stand at `at`. `names`: the texts of its NAME children."""
    for rule in _references(about.architecture).get(number, ()):
        if rule.end <= length:
            key = rule.read.unpack_from(data, at + rule.offset)[0]
            if key not in rule.nothing:
                yield Target(rule.role, rule.kind, key, rule.expected)
    special = SPECIAL.get(number)
    if special is not None:
        yield from special(about, data[at : at + length], names)


def own_keys(about: About, number: int, data: memoryview, at: int, length: int) -> Iterator[tuple[int, int]]:
    """(space, key): what other objects call this one, besides its position."""
    for rule in _own(about.architecture).get(number, ()):
        if rule.end <= length:
            key = rule.read.unpack_from(data, at + rule.offset)[0]
            if key not in rule.nothing:
                yield rule.kind, key


# -- fields whose meaning depends on others ----------------------------------------------------------------

FILE_BITS, FILE_PRIV = Struct("<II"), Struct("<Q")
FORMAT_MASK, CHARACTER, SOCKET = 0o170000, 0o020000, 0o140000
NO_OBJECT = 0x10 | 0x40 | 0x800
"""dentry bits of epoll, inotify (cpt_priv is an inode number) and signalfd (a signal mask)."""


def _file(_: About, head: memoryview, __: list[bytes]) -> Iterator[Target]:
    """cpt_priv: the TTY of a terminal, the index of a socket, or no reference at all."""
    if len(head) < 64:
        return
    mode, bits = FILE_BITS.unpack_from(head, 40)
    (private,) = FILE_PRIV.unpack_from(head, 56)
    if bits & NO_OBJECT or private == NULL:
        return
    if mode & FORMAT_MASK == SOCKET and private != NO_INDEX:
        yield Target(ROLE["socket"], KIND["socket-index"], private)
    elif mode & FORMAT_MASK == CHARACTER and private:
        yield Target(ROLE["tty"], POS, private, KIND_OF[NUMBER["TTY"]])


MOUNT = Struct("<I4xQ")
BIND = 0x80000000
TYPE_NAME = 2
"""The third NAME child of a mount is the type of its file system."""


def _mount(_: About, head: memoryview, names: list[bytes]) -> Iterator[Target]:
    """cpt_mnt_bind: a position for bind mounts, the index of a cgroup for cgroup mounts."""
    if len(head) < 32:
        return
    flags, bind = MOUNT.unpack_from(head, 16)
    if flags & BIND:
        if bind not in (0, NULL):
            yield Target(ROLE["bind"], POS, bind)
    elif bind not in (NULL, NO_INDEX) and names[TYPE_NAME : TYPE_NAME + 1] == [b"cgroup"]:
        yield Target(ROLE["cgroup"], KIND["cgroup-index"], bind)


AF_UNIX = 1
FAMILY, UNIX_MOUNT = Struct("<H"), Struct("<Q")
UNIX_MOUNT_AT = 424


def _socket(about: About, head: memoryview, _: list[bytes]) -> Iterator[Target]:
    """A unix socket has its mount where others have addresses. Not in 2.6.18, whose objects name no mounts."""
    if about.version < 0x800 or len(head) < UNIX_MOUNT_AT + 8 or FAMILY.unpack_from(head, 42)[0] != AF_UNIX:
        return
    (mount,) = UNIX_MOUNT.unpack_from(head, UNIX_MOUNT_AT)
    if mount not in (0, NULL):
        yield Target(ROLE["mount"], POS, mount, KIND_OF[NUMBER["VFSMOUNT"]])


SLOTS, SLOTS_AT = Struct("<27Q"), 24


def _trailer(_: About, head: memoryview, __: list[bytes]) -> Iterator[Target]:
    if len(head) < SLOTS_AT + SLOTS.size:
        return
    for slot in SLOTS.unpack_from(head, SLOTS_AT):
        if slot != NULL:
            yield Target(ROLE["section"], POS, slot, KIND["section"])


SPECIAL: dict[int, Callable[[About, memoryview, list[bytes]], Iterator[Target]]] = {
    NUMBER["FILE"]: _file,
    NUMBER["VFSMOUNT"]: _mount,
    NUMBER["SOCKET"]: _socket,
    NUMBER["TRAILER"]: _trailer,
}
