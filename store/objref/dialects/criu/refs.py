"""References of the CRIU dialect: what each message refers to (docs/criu.md has the table).

`EXTRACT` maps a message name to a function that tells an `Outbox` what one object of it refers to. What needs two
messages to decide (namespaces of CRIU itself, descriptors in an epoll, zombies) is remembered here and settled
at the end of the stream by criu_finish.py.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import Any

from objref.dialects.criu.kinds import KIND, LEGACY_FILE_KINDS, ROLE

__all__ = ["EXTRACT", "FILE_KINDS", "LayerState", "Outbox"]

Message = Any
"""A protobuf message; its fields are known by name only."""

FILE = KIND["file"]
FILE_KINDS = {number: KIND[name] for number, name in LEGACY_FILE_KINDS.items()}
"""fd_types -> the kind that a reference to such a file names until it is known whether there is a files.img."""
REG = FILE_KINDS[1]
OWNER_KIND = {0: KIND["core"], 1: KIND["task"], 2: KIND["task"]}
"""fown.pid_type: a thread, a process, a group."""

NS_FIELDS = (
    "net_ns_id",
    "ipc_ns_id",
    "uts_ns_id",
    "mnt_ns_id",
    "user_ns_id",
    "time_ns_id",
    "pid_ns_id",
    "cgroup_ns_id",
)

AT_PAGESZ = 6
PAGE_SIZES = (1 << 12, 1 << 14, 1 << 16)

VMA_REGULAR = 1 << 0
VMA_OUTSIDE = 1 << 2 | 1 << 3 | 1 << 12 | 1 << 16 | 1 << 17  # vsyscall, vdso, vvar, guard, uprobes
VMA_FILE = 1 << 6 | 1 << 7
VMA_ANON_SHARED, VMA_SYSVIPC, VMA_SOCKET, VMA_MEMFD = 1 << 8, 1 << 10, 1 << 11, 1 << 14


class LayerState:
    """What one image directory told, for the end of the stream. Mutable."""

    def __init__(self) -> None:
        self.present: dict[str, set[int]] = {}
        """Kind -> numbers in the names of files of that kind."""
        self.tasks: list[tuple[int, int, list[int]]] = []
        """(ordinal, pid, threads)"""
        self.states: dict[int, int] = {}
        self.ids: list[tuple[int, int, int, list[int]]] = []
        """(ordinal, pid, files_id, namespaces that must be in the image when they are not CRIU's own)"""
        self.root_ids: set[int] = set()
        self.root_cg_set = 0
        self.epolls: list[tuple[int, int, list[int]]] = []
        """(ordinal, file id, descriptors watched)"""
        self.keys: dict[str, set[int]] = {}
        """Keys of the kinds that later references ask for."""
        self.page_size = 0
        self.fd_tables: dict[int, array[int]] = {}
        """files_id -> descriptors"""
        self.epoll_fds: dict[int, set[int]] = {}
        """files_id -> file ids of the epolls in the table"""
        self.pipes: set[int] = set()
        self.unix = array("Q"), array("I")
        self.inet: list[tuple[int, int]] = []
        self.locks: list[tuple[int, int, int]] = []
        self.mounts: list[tuple[int, int, int, int]] = []
        """(ordinal, mnt_id, parent, device)"""
        self.mount_ids: set[int] = set()
        self.devices: list[tuple[int, int, int, int, int]] = []
        """(ordinal, ns, peer_ifindex, peer_nsid, master)"""
        self.net_ids: dict[tuple[int, int], int] = {}
        self.has_files_img = False


class Outbox:
    """References of the objects of one batch, as columns. Mutable; `source` is the ordinal they come from."""

    __slots__ = ("keys", "kinds", "number", "roles", "source", "sources", "state")

    def __init__(self, state: LayerState) -> None:
        self.state = state
        self.source = 0
        self.number = 0
        """The number in the name of the file."""
        self.sources, self.roles = array("I"), array("B")
        self.kinds, self.keys = array("H"), array("Q")

    def refer(self, role: str, kind: int, key: int) -> None:
        """One reference from the current object."""
        self.sources.append(self.source)
        self.roles.append(ROLE[role])
        self.kinds.append(kind)
        self.keys.append(key)


def _owner(fown: Message, out: Outbox) -> None:
    if fown.pid:
        out.refer("owner", OWNER_KIND.get(fown.pid_type, KIND["task"]), fown.pid)


def _mount(mnt_id: int, out: Outbox) -> None:
    if mnt_id > 0:
        out.refer("mount", KIND["mnt"], mnt_id)


def _task(m: Message, out: Outbox) -> None:
    for role, pid in (("parent", m.ppid), ("group", m.pgid), ("session", m.sid)):
        if pid:
            out.refer(role, KIND["task"], pid)
    out.state.tasks.append((out.source, m.pid, list(m.threads)))


def _ids(m: Message, out: Outbox) -> None:
    out.refer("fdtable", KIND["fdtable"], m.files_id)
    must = [n for name in NS_FIELDS[:6] if (n := getattr(m, name))]
    may = [n for name in NS_FIELDS[6:] if (n := getattr(m, name))]
    for n in must:
        out.refer("namespace", KIND["ns"], n)
    out.state.ids.append((out.source, out.number, m.files_id, may))


def _inventory(m: Message, out: Outbox) -> None:
    if m.HasField("root_ids"):
        out.state.root_ids = {n for name in NS_FIELDS if (n := getattr(m.root_ids, name))}
    if m.root_cg_set:
        out.state.root_cg_set = m.root_cg_set
        out.refer("cgroup-set", KIND["cgset"], m.root_cg_set)


def _core(m: Message, out: Outbox) -> None:
    sets, filters = set(), set()
    if m.HasField("tc"):
        out.state.states[out.number] = m.tc.task_state
        sets.add(m.tc.cg_set)
        if m.tc.old_seccomp_mode == 2:
            filters.add(m.tc.old_seccomp_filter)
        for timer in m.tc.timers.posix:
            if timer.notify_thread_id > 0:
                out.refer("notify", KIND["core"], timer.notify_thread_id)
    if m.HasField("thread_core"):
        sets.add(m.thread_core.cg_set)
        if m.thread_core.seccomp_mode == 2:
            filters.add(m.thread_core.seccomp_filter)
    for number in sorted(sets - {0}):
        out.refer("cgroup-set", KIND["cgset"], number)
    for number in sorted(filters):
        out.refer("seccomp-filter", KIND["seccomp-filter"], number)


def _mm(m: Message, out: Outbox) -> None:
    auxv = m.mm_saved_auxv
    out.state.page_size = out.state.page_size or _sound_page(
        dict(zip(auxv[::2], auxv[1::2], strict=False)).get(AT_PAGESZ, 0)
    )
    out.refer("exe", REG, m.exe_file_id)
    seen: set[tuple[str, int, int]] = set()
    for vma in m.vmas:
        found = _vma_target(vma)
        if found is not None and found not in seen:
            seen.add(found)
            out.refer(*found)


def _sound_page(size: int) -> int:
    return size if size in PAGE_SIZES else 0


def _vma_target(vma: Message) -> tuple[str, int, int] | None:
    """What an area maps. The order of the tests is CRIU's."""
    status, number = vma.status, vma.shmid
    if not status & VMA_REGULAR or status & VMA_OUTSIDE:
        return None
    if status & VMA_SOCKET:
        return "mapping", FILE_KINDS[10], number
    if status & VMA_SYSVIPC:
        return "segment", KIND["shmem"], number
    if status & VMA_FILE:
        return "mapping", FILE if status & VMA_MEMFD else REG, number
    if status & VMA_ANON_SHARED:
        return "segment", KIND["shmem"], number
    return None


def _vma(m: Message, out: Outbox) -> None:
    found = _vma_target(m)
    if found is not None:
        out.refer(*found)


def _fs(m: Message, out: Outbox) -> None:
    out.refer("cwd", REG, m.cwd_id)
    out.refer("root", REG, m.root_id)


def _fdinfo(m: Message, out: Outbox) -> None:
    out.refer("file", FILE_KINDS.get(m.type, FILE), m.id)
    out.state.fd_tables.setdefault(out.number, array("Q")).append(m.fd)
    if m.type == 7:
        out.state.epoll_fds.setdefault(out.number, set()).add(m.id)


# -- open files ---------------------------------------------------------------------------------------------


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
FILE_FIELDS: dict[int, tuple[str, Callable[[Message, Outbox], None]]] = {
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
    """Hot path: most files are regular (bench/import.py)."""
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


# -- side objects -------------------------------------------------------------------------------------------


def _sk_packet(m: Message, out: Outbox) -> None:
    out.refer("receiver", FILE_KINDS[5], m.id_for)
    for scm in m.scm:
        if scm.type == 1:
            for number in scm.rights:
                out.refer("in-flight", FILE, number)


def _tty(m: Message, out: Outbox) -> None:
    if m.sid:
        out.refer("session", KIND["task"], m.sid)
    if m.pgrp:
        out.refer("group", KIND["task"], m.pgrp)
    if m.type == 1:
        out.refer("other-end", KIND["tty"], m.id ^ 1)


def _tty_data(m: Message, out: Outbox) -> None:
    out.refer("data", KIND["tty"], m.tty_id)


def _memfd(m: Message, out: Outbox) -> None:
    if m.size:
        out.refer("segment", KIND["shmem"], m.shmid)


def _remap(m: Message, out: Outbox) -> None:
    out.refer("remapped", REG, m.orig_id)
    kind, number = m.remap_type, m.remap_id
    if not m.HasField("remap_type"):  # older than the field: bit 31 said GHOST
        kind, number = (1, number & ~(1 << 31)) if number >> 31 else (0, number)
    targets = {0: REG, 1: KIND["ghost"], 2: KIND["task"]}
    if kind in targets:
        out.refer("replacement", targets[kind], number)


def _lock(m: Message, out: Outbox) -> None:
    if m.pid > 0:
        out.refer("holder", KIND["task"], m.pid)
        out.state.locks.append((out.source, m.pid, m.fd))


def _mnt(m: Message, out: Outbox) -> None:
    out.state.mount_ids.add(m.mnt_id)
    out.state.mounts.append((out.source, m.mnt_id, m.parent_mnt_id, m.root_dev))
    out.refer("namespace", KIND["ns"], out.number)


def _ipc_shm(m: Message, out: Outbox) -> None:
    if m.in_pagemaps:
        out.refer("segment", KIND["shmem"], m.desc.id)


def _netns(m: Message, out: Outbox) -> None:
    for entry in m.nsids:
        out.refer("peer-namespace", KIND["ns"], entry.target_ns_id)
        out.state.net_ids[out.number, entry.netnsid_value] = entry.target_ns_id


def _netdev(m: Message, out: Outbox) -> None:
    peer = m.peer_nsid if m.HasField("peer_nsid") else -1
    out.state.devices.append((out.source, out.number, m.peer_ifindex, peer, m.master))


EXTRACT: dict[str, Callable[[Message, Outbox], None]] = {
    "pstree_entry": _task,
    "task_kobj_ids_entry": _ids,
    "inventory_entry": _inventory,
    "core_entry": _core,
    "mm_entry": _mm,
    "vma_entry": _vma,
    "fs_entry": _fs,
    "fdinfo_entry": _fdinfo,
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
    "sk_packet_entry": _sk_packet,
    "tty_info_entry": _tty,
    "tty_data_entry": _tty_data,
    "memfd_inode_entry": _memfd,
    "remap_file_path_entry": _remap,
    "file_lock_entry": _lock,
    "mnt_entry": _mnt,
    "ipc_shm_entry": _ipc_shm,
    "netns_entry": _netns,
    "net_device_entry": _netdev,
}
