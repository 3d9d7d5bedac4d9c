"""References of the CRIU dialect: what open files refer to, in files.img or in a file of their own kind.

`OPEN_FILES` maps a message name to a function that tells an `Outbox` what one object of it refers to.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from objref.dialects.criu.kinds import KIND, LEGACY_FILE_KINDS
from objref.dialects.criu.state import Outbox

__all__ = ["FILE", "FILE_KINDS", "OPEN_FILES", "REG", "Extract", "Message"]

Message = Any
"""A protobuf message; its fields are known by name only."""
Extract = Callable[[Message, Outbox], None]

FILE = KIND["file"]
FILE_KINDS = {number: KIND[name] for number, name in LEGACY_FILE_KINDS.items()}
"""fd_types -> the kind that a reference to such a file names until it is known whether there is a files.img."""
REG = FILE_KINDS[1]
OWNER_KIND = {0: KIND["core"], 1: KIND["task"], 2: KIND["task"]}
"""fown.pid_type: a thread, a process, a group."""


def _owner(fown: Message, out: Outbox) -> None:
    if fown.pid:
        out.refer("owner", OWNER_KIND.get(fown.pid_type, KIND["task"]), fown.pid)


def _mount(mnt_id: int, out: Outbox) -> None:
    if mnt_id > 0:
        out.refer("mount", KIND["mnt"], mnt_id)


def _reg(m: Message, out: Outbox) -> None:
    _mount(m.mnt_id, out)
    _owner(m.fown, out)


def _pipe(m: Message, out: Outbox) -> None:
    out.state.pipes.add(m.pipe_id)
    out.refer("pipe", KIND["pipe"], m.pipe_id)
    _owner(m.fown, out)


def _fifo(m: Message, out: Outbox) -> None:
    out.state.pipes.add(m.pipe_id)
    out.refer("pipe", KIND["pipe"], m.pipe_id)
    if m.HasField("regf_id"):
        out.refer("regular", REG, m.regf_id)


def _old_fifo(m: Message, out: Outbox) -> None:
    """In fifo.img; before there was a regf_id, the path was the regular file of the same id."""
    _fifo(m, out)
    if not m.HasField("regf_id"):
        out.refer("regular", REG, m.id)


def _tty_file(m: Message, out: Outbox) -> None:
    out.refer("tty", KIND["tty"], m.tty_info_id)
    if m.HasField("regf_id"):
        out.refer("regular", REG, m.regf_id)
    _owner(m.fown, out)


def _unix(m: Message, out: Outbox) -> None:
    keys, ordinals = out.state.unix
    keys.append(m.ino)
    ordinals.append(out.source)
    if m.peer:
        out.refer("peer", KIND["unix"], m.peer)
    if m.ns_id:
        out.refer("namespace", KIND["ns"], m.ns_id)
    _mount(m.mnt_id, out)
    _owner(m.fown, out)


def _inet(m: Message, out: Outbox) -> None:
    out.state.inet.append((out.source, m.ino))
    _in_namespace(m, out)


def _in_namespace(m: Message, out: Outbox) -> None:
    if m.ns_id:
        out.refer("namespace", KIND["ns"], m.ns_id)
    _owner(m.fown, out)


def _tun(m: Message, out: Outbox) -> None:
    if m.ns_id:
        out.refer("namespace", KIND["ns"], m.ns_id)


def _ns_file(m: Message, out: Outbox) -> None:
    out.refer("namespace", KIND["ns"], m.ns_id)


def _owned(m: Message, out: Outbox) -> None:
    _owner(m.fown, out)


def _epoll(m: Message, out: Outbox) -> None:
    out.state.epolls.append((out.source, m.id, [t.tfd for t in m.tfd]))
    _owner(m.fown, out)


def _epoll_target(m: Message, out: Outbox) -> None:
    """In eventpoll-tfd.img: what the epoll of that id watches."""
    out.refer("watcher", FILE_KINDS[7], m.id)
    out.state.epolls.append((out.source, m.id, [m.tfd]))


def _inotify(m: Message, out: Outbox) -> None:
    for mount in sorted({wd.f_handle.mnt_id for wd in m.wd}):
        _mount(mount, out)
    _owner(m.fown, out)


def _inotify_watch(m: Message, out: Outbox) -> None:
    """In inotify-wd.img."""
    out.refer("watcher", FILE_KINDS[8], m.id)
    _mount(m.f_handle.mnt_id, out)


def _fanotify(m: Message, out: Outbox) -> None:
    for mark in m.mark:
        _fanotify_mark(mark, out)
    _owner(m.fown, out)


def _fanotify_mark(m: Message, out: Outbox) -> None:
    if m.HasField("me"):
        _mount(m.me.mnt_id, out)


def _old_fanotify_mark(m: Message, out: Outbox) -> None:
    """In fanotify-mark.img."""
    out.refer("watcher", FILE_KINDS[12], m.id)
    _fanotify_mark(m, out)


def _memfd_file(m: Message, out: Outbox) -> None:
    out.refer("inode", KIND["memfd"], m.inode_id)
    _owner(m.fown, out)


def _bpfmap(m: Message, out: Outbox) -> None:
    out.refer("map", KIND["bpfmap-data"], m.map_id)
    _owner(m.fown, out)


def _pidfd(m: Message, out: Outbox) -> None:
    if m.nspid > 0:
        out.refer("target", KIND["task"], m.nspid)
    _owner(m.fown, out)


# file_entry.type -> (field of the entry, what it refers to)
FILE_FIELDS: dict[int, tuple[str, Extract]] = {
    2: ("pipe", _pipe),
    3: ("fifo", _fifo),
    4: ("isk", _inet),
    5: ("usk", _unix),
    6: ("efd", _owned),
    7: ("epfd", _epoll),
    8: ("ify", _inotify),
    9: ("sgfd", _owned),
    10: ("psk", _in_namespace),
    11: ("tty", _tty_file),
    12: ("ffy", _fanotify),
    13: ("nlsk", _in_namespace),
    14: ("nsf", _ns_file),
    15: ("tunf", _tun),
    16: ("ext", _owned),
    17: ("tfd", _owned),
    18: ("memfd", _memfd_file),
    19: ("bpf", _bpfmap),
    20: ("pidfd", _pidfd),
}


def _file(m: Message, out: Outbox) -> None:
    """Hot path: most files are regular (bench/import_objects.py)."""
    kind = m.type
    if kind == 1:
        reg = m.reg
        mount, pid = reg.mnt_id, reg.fown.pid
        if mount > 0:
            out.refer("mount", KIND["mnt"], mount)
        if pid:
            _owner(reg.fown, out)
    elif kind in FILE_FIELDS:
        field, extract = FILE_FIELDS[kind]
        extract(getattr(m, field), out)


OPEN_FILES: dict[str, Extract] = {
    "file_entry": _file,
    "reg_file_entry": _reg,
    "pipe_entry": _pipe,
    "fifo_entry": _old_fifo,
    "tty_file_entry": _tty_file,
    "unix_sk_entry": _unix,
    "inet_sk_entry": _inet,
    "netlink_sk_entry": _in_namespace,
    "packet_sock_entry": _in_namespace,
    "tunfile_entry": _tun,
    "ns_file_entry": _ns_file,
    "eventfd_file_entry": _owned,
    "signalfd_entry": _owned,
    "timerfd_entry": _owned,
    "ext_file_entry": _owned,
    "eventpoll_file_entry": _epoll,
    "inotify_file_entry": _inotify,
    "fanotify_file_entry": _fanotify,
    "fanotify_mark_entry": _old_fanotify_mark,
    "eventpoll_tfd_entry": _epoll_target,
    "inotify_wd_entry": _inotify_watch,
    "bpfmap_file_entry": _bpfmap,
    "pidfd_entry": _pidfd,
}
