"""References of the CRIU dialect: what open files refer to, in files.img or in a file of their own kind.

`OPEN_FILES` maps a message name to a function that tells an `Outbox` what one object of it refers to; `RULES` to the
rules that say it, where rules can.
"""

from __future__ import annotations

from typing import NamedTuple

from objref.dialects.criu.kinds import KIND, LEGACY_FILE_KINDS
from objref.dialects.criu.rules import Chosen, Extract, Keep, Message, Refer, Rule, follow_message
from objref.dialects.criu.state import Outbox

__all__ = ["FILE", "FILE_FIELDS", "FILE_KINDS", "OPEN_FILES", "REG", "RULES"]

FILE = KIND["file"]
FILE_KINDS = {number: KIND[name] for number, name in LEGACY_FILE_KINDS.items()}
"""fd_types -> the kind that a reference to such a file names until it is known whether there is a files.img."""
REG_TYPE = 1
REG = FILE_KINDS[REG_TYPE]

# -- rules --------------------------------------------------------------------------------------------------

OWNER = Refer("owner", Chosen("fown.pid_type", {0: KIND["core"]}, KIND["task"]), "fown.pid")
"""fown.pid_type: 0 a thread, 1 a process, 2 a group."""
MOUNT = Refer("mount", KIND["mnt"], "mnt_id", "positive")
NAMESPACE = Refer("namespace", KIND["ns"], "ns_id")
PIPE = (Keep("pipes", "pipe_id"), Refer("pipe", KIND["pipe"], "pipe_id", "always"))
REGULAR = Refer("regular", REG, "regf_id", "present")

OWNED: tuple[Rule, ...] = (OWNER,)
IN_NAMESPACE: tuple[Rule, ...] = (NAMESPACE, OWNER)

RULES: dict[str, tuple[Rule, ...]] = {
    "reg_file_entry": (MOUNT, OWNER),
    "pipe_entry": (*PIPE, OWNER),
    # In fifo.img; before there was a regf_id, the path was the regular file of the same id.
    "fifo_entry": (*PIPE, REGULAR, Refer("regular", REG, "id", "absent", "regf_id")),
    "tty_file_entry": (Refer("tty", KIND["tty"], "tty_info_id", "always"), REGULAR, OWNER),
    "unix_sk_entry": (Keep("unix", "ino"), Refer("peer", KIND["unix"], "peer"), NAMESPACE, MOUNT, OWNER),
    "inet_sk_entry": (Keep("inet", "ino"), *IN_NAMESPACE),
    "netlink_sk_entry": IN_NAMESPACE,
    "packet_sock_entry": IN_NAMESPACE,
    "tunfile_entry": (NAMESPACE,),
    "ns_file_entry": (NAMESPACE._replace(when="always"),),
    "eventfd_file_entry": OWNED,
    "signalfd_entry": OWNED,
    "timerfd_entry": OWNED,
    "ext_file_entry": OWNED,
    "bpfmap_file_entry": (Refer("map", KIND["bpfmap-data"], "map_id", "always"), OWNER),
    "pidfd_entry": (Refer("target", KIND["task"], "nspid", "positive"), OWNER),
}

# -- functions ----------------------------------------------------------------------------------------------

_owner = follow_message(OWNED)


def _mount(mnt_id: int, out: Outbox) -> None:
    if mnt_id > 0:
        out.refer("mount", KIND["mnt"], mnt_id)


def _epoll(m: Message, out: Outbox) -> None:
    out.state.epolls.append((out.source, m.id, [t.tfd for t in m.tfd]))
    _owner(m, out)


def _epoll_target(m: Message, out: Outbox) -> None:
    """In eventpoll-tfd.img: what the epoll of that id watches."""
    out.refer("watcher", FILE_KINDS[7], m.id)
    out.state.epolls.append((out.source, m.id, [m.tfd]))


def _inotify(m: Message, out: Outbox) -> None:
    for mount in sorted({wd.f_handle.mnt_id for wd in m.wd}):
        _mount(mount, out)
    _owner(m, out)


def _inotify_watch(m: Message, out: Outbox) -> None:
    """In inotify-wd.img."""
    out.refer("watcher", FILE_KINDS[8], m.id)
    _mount(m.f_handle.mnt_id, out)


def _fanotify(m: Message, out: Outbox) -> None:
    for mark in m.mark:
        _fanotify_mark(mark, out)
    _owner(m, out)


def _fanotify_mark(m: Message, out: Outbox) -> None:
    if m.HasField("me"):
        _mount(m.me.mnt_id, out)


def _old_fanotify_mark(m: Message, out: Outbox) -> None:
    """In fanotify-mark.img."""
    out.refer("watcher", FILE_KINDS[12], m.id)
    _fanotify_mark(m, out)


# -- files.img ----------------------------------------------------------------------------------------------


class FileField(NamedTuple):
    """The field of a file_entry that says more about a file of some type, and what that refers to: by rules, or
    by a function that has none."""

    name: str
    rules: tuple[Rule, ...] | None
    extract: Extract


def _field(name: str, rules: tuple[Rule, ...]) -> FileField:
    return FileField(name, rules, follow_message(rules))


FILE_FIELDS: dict[int, FileField] = {
    1: _field("reg", RULES["reg_file_entry"]),
    2: _field("pipe", RULES["pipe_entry"]),
    3: _field("fifo", (*PIPE, REGULAR)),
    4: _field("isk", RULES["inet_sk_entry"]),
    5: _field("usk", RULES["unix_sk_entry"]),
    6: _field("efd", OWNED),
    7: FileField("epfd", None, _epoll),
    8: FileField("ify", None, _inotify),
    9: _field("sgfd", OWNED),
    10: _field("psk", IN_NAMESPACE),
    11: _field("tty", RULES["tty_file_entry"]),
    12: FileField("ffy", None, _fanotify),
    13: _field("nlsk", IN_NAMESPACE),
    14: _field("nsf", RULES["ns_file_entry"]),
    15: _field("tunf", RULES["tunfile_entry"]),
    16: _field("ext", OWNED),
    17: _field("tfd", OWNED),
    18: _field("memfd", (Refer("inode", KIND["memfd"], "inode_id", "always"), OWNER)),
    19: _field("bpf", RULES["bpfmap_file_entry"]),
    20: _field("pidfd", RULES["pidfd_entry"]),
}
"""By file_entry.type."""


def _file(m: Message, out: Outbox) -> None:
    """Hot path where no shape is found: most files are regular, and what RULES ask about is not there."""
    kind = m.type
    if kind == REG_TYPE:
        reg = m.reg
        if reg.mnt_id <= 0 and not reg.fown.pid:
            return
    field = FILE_FIELDS.get(kind)
    if field is not None:
        field.extract(getattr(m, field.name), out)


OPEN_FILES: dict[str, Extract] = {
    "file_entry": _file,
    "eventpoll_file_entry": _epoll,
    "inotify_file_entry": _inotify,
    "fanotify_file_entry": _fanotify,
    "fanotify_mark_entry": _old_fanotify_mark,
    "eventpoll_tfd_entry": _epoll_target,
    "inotify_wd_entry": _inotify_watch,
    **{name: follow_message(rules) for name, rules in RULES.items()},
}
