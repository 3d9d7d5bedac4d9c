"""References of the CRIU dialect: what each message refers to (docs/criu.md has the table).

`EXTRACT` maps a message name to a function that tells an `Outbox` what one object of it refers to; those of open
files are in refs_files.py. What needs two messages to decide (namespaces of CRIU itself, descriptors in an epoll,
zombies) is remembered in the `LayerState` and settled at the end of the stream by finish.py.
"""

from __future__ import annotations

from objref.dialects.criu.kinds import KIND
from objref.dialects.criu.refs_files import FILE, FILE_FIELDS, FILE_KINDS, OPEN_FILES, REG
from objref.dialects.criu.refs_files import RULES as FILE_RULES
from objref.dialects.criu.rules import Chosen, Extract, Message, Refer, Rule, follow_message
from objref.dialects.criu.state import Outbox

__all__ = ["EXTRACT", "rules_of"]

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

EPOLL = 7
"""fd_types"""
DESCRIPTOR: tuple[Rule, ...] = (Refer("file", Chosen("type", FILE_KINDS, FILE), "id", "always"),)
RULES = {**FILE_RULES, "fdinfo_entry": DESCRIPTOR}


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


_descriptor = follow_message(DESCRIPTOR)


def _fdinfo(m: Message, out: Outbox) -> None:
    _descriptor(m, out)
    if m.type == EPOLL:
        out.state.epoll_fds.setdefault(out.number, set()).add(m.id)


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


EXTRACT: dict[str, Extract] = {
    "pstree_entry": _task,
    "task_kobj_ids_entry": _ids,
    "inventory_entry": _inventory,
    "core_entry": _core,
    "mm_entry": _mm,
    "vma_entry": _vma,
    "fs_entry": _fs,
    "fdinfo_entry": _fdinfo,
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
    **OPEN_FILES,
}


def rules_of(name: str, message: Message) -> tuple[str, tuple[Rule, ...]] | None:
    """(prefix of their paths, the rules) that say all that messages like this one refer to, all those of the same enum
    values; None when rules do not. `name` is that of the message."""
    if name not in EXTRACT:
        return "", ()
    if name == "file_entry":
        field = FILE_FIELDS.get(message.type)
        if field is None:
            return "", ()
        return None if field.rules is None else (f"{field.name}.", field.rules)
    if name == "fdinfo_entry" and message.type == EPOLL:
        return None
    return ("", RULES[name]) if name in RULES else None
