"""The kinds of the CRIU dialect: what each image file holds and which id its objects have (docs/criu.md).

Source of the facts: CRIU 4.2's image files and real dumps, older ones back to 3.x.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from objref.dialects.events import Kind, Role
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX, FORM_PAIR

__all__ = ["FILES", "KIND", "KINDS", "LEGACY_FILE_KINDS", "MESSAGES", "ROLE", "ROLES", "FileKind", "parse_name"]

COMMON_MAGIC = 0x54564319
SERVICE_MAGIC = 0x55105940


class FileKind(NamedTuple):
    """One kind of image file.

    `magic` 0: no header at all. `message` "": not protobuf. `key`: how an item gets its key:
    "name" (the number in the file's name), "zero" (one of its kind), "index" (place in the file), "name/index",
    or the name of the field that holds it; "name/field" joins the number in the name (high 32 bits) with a field.
    """

    kind: str
    magic: int
    message: str
    key: str
    hexadecimal: bool = False
    payload: bool = False


def _items(kind: str, magic: int, message: str, key: str, **more: bool) -> FileKind:
    return FileKind(kind, magic, message, key, **more)


def _raw(kind: str) -> FileKind:
    return FileKind(kind, 0, "", "name")


FILES: dict[str, FileKind] = {
    "inventory": _items("inventory", 0x58313116, "inventory_entry", "zero"),
    "pstree": _items("task", 0x50273030, "pstree_entry", "pid"),
    "core": _items("core", 0x55053847, "core_entry", "name"),
    "ids": _items("ids", 0x54432030, "task_kobj_ids_entry", "name"),
    "mm": _items("mm", 0x57492820, "mm_entry", "name"),
    "vmas": _items("vma", 0x54123737, "vma_entry", "name/index"),
    "fs": _items("fs", 0x51403912, "fs_entry", "name"),
    "pagemap": _items("pagemap", 0x56084025, "pagemap_entry", "name"),
    "pagemap-shmem": _items("pagemap-shmem", 0x56084025, "pagemap_entry", "name"),
    "pages": _raw("pages"),
    "pages-shmem": _raw("pages-shmem"),
    "fdinfo": _items("fd", 0x56213732, "fdinfo_entry", "name/fd"),
    "files": _items("file", 0x56303138, "file_entry", "id"),
    "reg-files": _items("reg-file", 0x50363636, "reg_file_entry", "id"),
    "ext-files": _items("ext-file", 0x59255641, "ext_file_entry", "id"),
    "ns-files": _items("ns-file", 0x61394011, "ns_file_entry", "id"),
    "eventfd": _items("eventfd-file", 0x44523722, "eventfd_file_entry", "id"),
    "eventpoll": _items("eventpoll-file", 0x45023858, "eventpoll_file_entry", "id"),
    "eventpoll-tfd": _items("eventpoll-tfd", 0x44433746, "eventpoll_tfd_entry", "index"),
    "signalfd": _items("signalfd-file", 0x57323820, "signalfd_entry", "id"),
    "inotify": _items("inotify-file", 0x48424431, "inotify_file_entry", "id"),
    "inotify-wd": _items("inotify-wd", 0x54562009, "inotify_wd_entry", "index"),
    "fanotify": _items("fanotify-file", 0x55096122, "fanotify_file_entry", "id"),
    "fanotify-mark": _items("fanotify-mark", 0x56506035, "fanotify_mark_entry", "index"),
    "pipes": _items("pipe-file", 0x56513555, "pipe_entry", "id"),
    "pipes-data": _items("pipe-data", 0x56453709, "pipe_data_entry", "pipe_id", payload=True),
    "fifo": _items("fifo-file", 0x58364939, "fifo_entry", "id"),
    "fifo-data": _items("fifo-data", 0x59333054, "pipe_data_entry", "pipe_id", payload=True),
    "sigacts": _items("sigact", 0x55344201, "sa_entry", "name/index"),
    "unixsk": _items("unix-file", 0x54373943, "unix_sk_entry", "id"),
    "inetsk": _items("inet-file", 0x56443851, "inet_sk_entry", "id"),
    "packetsk": _items("packet-file", 0x60454618, "packet_sock_entry", "id"),
    "netlinksk": _items("netlink-file", 0x58005614, "netlink_sk_entry", "id"),
    "sk-queues": _items("sk-packet", 0x56264026, "sk_packet_entry", "index", payload=True),
    "itimers": _items("itimer", 0x57464056, "itimer_entry", "name/index"),
    "posix-timers": _items("posix-timer", 0x52603957, "posix_timer_entry", "name/index"),
    "creds": _items("creds", 0x54023547, "creds_entry", "name"),
    "utsns": _items("utsns", 0x54473203, "utsns_entry", "name"),
    "ipcns-var": _items("ipcns-var", 0x53115007, "ipc_var_entry", "name"),
    "ipcns-shm": _items("ipcns-shm", 0x46283044, "ipc_shm_entry", "name/desc.id", payload=True),
    "ipcns-msg": _items("ipcns-msg", 0x55453737, "ipc_msg_entry", "name/desc.id", payload=True),
    "ipcns-sem": _items("ipcns-sem", 0x59573019, "ipc_sem_entry", "name/desc.id", payload=True),
    "remap-fpath": _items("remap", 0x59133954, "remap_file_path_entry", "orig_id"),
    "ghost-file": _items("ghost", 0x52583605, "ghost_file_entry", "name", hexadecimal=True, payload=True),
    "memfd": _items("memfd", 0x48453499, "memfd_inode_entry", "inode_id"),
    "tcp-stream": _items("tcp-stream", 0x51465506, "tcp_stream_entry", "name", hexadecimal=True, payload=True),
    "mountpoints": _items("mnt", 0x55563928, "mnt_entry", "mnt_id"),
    "netdev": _items("netdev", 0x57373951, "net_device_entry", "name/ifindex"),
    "netns": _items("netns", 0x55933752, "netns_entry", "name"),
    "ifaddr": _raw("ifaddr"),
    "route": _raw("route"),
    "route6": _raw("route6"),
    "rule": _raw("rule"),
    "iptables": _raw("iptables"),
    "ip6tables": _raw("ip6tables"),
    "nftables": _raw("nftables"),
    "netns-ct": _raw("netns-ct"),
    "netns-exp": _raw("netns-exp"),
    "tmpfs": _raw("tmpfs"),
    "tmpfs-dev": _raw("tmpfs-dev"),
    "autofs": _items("autofs", 0x49353943, "autofs_entry", "name"),
    "binfmt-misc": _items("binfmt-misc", 0x67343323, "binfmt_misc_entry", "name/index"),
    "tty": _items("tty-file", 0x59433025, "tty_file_entry", "id"),
    "tty-info": _items("tty", 0x59453036, "tty_info_entry", "id"),
    "tty-data": _items("tty-data", 0x59413026, "tty_data_entry", "tty_id"),
    "filelocks": _items("lock", 0x54323616, "file_lock_entry", "index"),
    "rlimit": _items("rlimit", 0x57113925, "rlimit_entry", "name/index"),
    "signal-s": _items("signal-s", 0x59255647, "siginfo_entry", "name/index"),
    "signal-p": _items("signal-p", 0x59255647, "siginfo_entry", "name/index"),
    "tunfile": _items("tun-file", 0x57143751, "tunfile_entry", "id"),
    "cgroup": _items("cgroup", 0x59383330, "cgroup_entry", "zero"),
    "timerfd": _items("timerfd-file", 0x50493712, "timerfd_entry", "id"),
    "cpuinfo": _items("cpuinfo", 0x61404013, "cpuinfo_entry", "zero"),
    "seccomp": _items("seccomp", 0x64413049, "seccomp_entry", "zero"),
    "userns": _items("userns", 0x55474906, "userns_entry", "name"),
    "timens": _items("timens", 0x43114433, "timens_entry", "name"),
    "pidns": _items("pidns", 0x61157326, "pidns_entry", "name"),
    "bpfmap-file": _items("bpfmap-file", 0x57506142, "bpfmap_file_entry", "id"),
    "bpfmap-data": _items("bpfmap-data", 0x64324033, "bpfmap_data_entry", "map_id", payload=True),
    "apparmor": _items("apparmor", 0x59423047, "apparmor_entry", "zero"),
    "pidfd": _items("pidfd-file", 0x54435556, "pidfd_entry", "id"),
    "stats-dump": _items("stats", 0x57093306, "stats_entry", "zero"),
    "stats-restore": _items("stats", 0x57093306, "stats_entry", "zero"),
    "irmap-cache": _items("irmap", 0x57004059, "irmap_cache_entry", "index"),
}

# Kinds that no file has by itself: made from others, or further keys of theirs.
MADE = (
    Kind("mem", FORM_DECIMAL),  # a task's memory by address, key pid
    Kind("shmem", FORM_HEX),  # a shared segment's memory by offset, key shmid
    Kind("fdtable", FORM_DECIMAL),  # key files_id
    Kind("pipe", FORM_DECIMAL),  # key pipe_id: what the two ends have in common
    Kind("unix", FORM_DECIMAL),  # key ino, another name for a file
    Kind("ns", FORM_DECIMAL),  # key namespace id
    Kind("cgset", FORM_DECIMAL),  # key cg_set_entry.id, inside cgroup
    Kind("seccomp-filter", FORM_DECIMAL),  # key position, inside seccomp
)

PAIRS = ("fd", "vma", "sigact", "itimer", "posix-timer", "rlimit", "signal-s", "signal-p", "binfmt-misc")
FORMS = {
    "ghost": FORM_HEX,
    "tcp-stream": FORM_HEX,
    "pagemap-shmem": FORM_HEX,
    "pages-shmem": FORM_HEX,
} | dict.fromkeys((*PAIRS, "ipcns-shm", "ipcns-msg", "ipcns-sem", "netdev"), FORM_PAIR)

_names = list(dict.fromkeys(spec.kind for spec in FILES.values()))
KINDS: tuple[Kind, ...] = (
    Kind("member", FORM_BYTES),
    *(Kind(name, FORMS.get(name, FORM_DECIMAL)) for name in _names),
    *MADE,
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}
MESSAGES = {spec.kind: spec.message for spec in FILES.values() if spec.message} | {
    "cgset": "cg_set_entry",
    "seccomp-filter": "seccomp_filter",
}
"""Kind -> protobuf message of its objects (a pagemap holds many: see memory.py)."""

# fd_types of CRIU -> the kind that held such files before there was a files.img.
LEGACY_FILE_KINDS = {
    1: "reg-file", 2: "pipe-file", 3: "fifo-file", 4: "inet-file", 5: "unix-file", 6: "eventfd-file",
    7: "eventpoll-file", 8: "inotify-file", 9: "signalfd-file", 10: "packet-file", 11: "tty-file",
    12: "fanotify-file", 13: "netlink-file", 14: "ns-file", 15: "tun-file", 16: "ext-file",
    17: "timerfd-file", 19: "bpfmap-file", 20: "pidfd-file",
}  # fmt: skip

ROLES: tuple[Role, ...] = (
    Role("parent", "H"),
    Role("group", "S"),
    Role("session", "S"),
    Role("core", "K"),
    Role("thread", "H"),
    Role("ids", "K"),
    Role("mm", "K"),
    Role("fs", "K"),
    Role("pagemap", "K"),
    Role("mem", "K"),
    Role("creds", "K"),
    Role("fdtable", "H"),
    Role("fd", "H"),
    Role("file", "H"),
    Role("exe", "H"),
    Role("cwd", "H"),
    Role("root", "H"),
    Role("mapping", "H"),
    Role("segment", "H"),
    Role("pages", "H"),
    Role("older", "H"),
    Role("pipe", "H"),
    Role("data", "O"),
    Role("regular", "H"),
    Role("tty", "H"),
    Role("other-end", "S"),
    Role("peer", "H"),
    Role("owner", "S"),
    Role("mount", "S"),
    Role("namespace", "H"),
    Role("part", "K"),
    Role("stream", "K"),
    Role("device", "H"),
    Role("watches", "H"),
    Role("watcher", "O"),
    Role("receiver", "O"),
    Role("in-flight", "H"),
    Role("inode", "H"),
    Role("map", "H"),
    Role("target", "H"),
    Role("remapped", "O"),
    Role("replacement", "H"),
    Role("holder", "H"),
    Role("notify", "H"),
    Role("cgroup-set", "H"),
    Role("seccomp-filter", "H"),
    Role("previous", "H"),
    Role("parent-mount", "H"),
    Role("content", "H"),
    Role("peer-namespace", "H"),
)
ROLE = {role.name: number for number, role in enumerate(ROLES)}


class ImageName(NamedTuple):
    """What the name of an image file says. `number` 0 when it has none."""

    spec: FileKind
    number: int


NUMBERED = re.compile(r"(.+)-([0-9a-f]+)")
BARE = ("stats-dump", "stats-restore")
"""Names without suffix."""
SUFFIXES = {"tmpfs": ".tar.gz.img", "tmpfs-dev": ".tar.gz.img"}


def parse_name(name: str) -> ImageName | None:
    """The kind of image file with this base name, or None for a file that CRIU would not have written."""
    if name in BARE:
        return ImageName(FILES[name], 0)
    stem, suffix = _stem(name)
    if stem in FILES and stem not in BARE and (stem == "binfmt-misc" or not _has_number(stem)):
        return ImageName(FILES[stem], 0) if suffix == ".img" else None
    match = NUMBERED.fullmatch(stem)
    if match is None or match[1] not in FILES or not _has_number(match[1]):
        return None
    return _numbered(FILES[match[1]], match[2]) if suffix == SUFFIXES.get(match[1], ".img") else None


def _stem(name: str) -> tuple[str, str]:
    """A name and its suffix, one of those that image files have; "" otherwise."""
    for suffix in (".tar.gz.img", ".img"):
        if name.endswith(suffix):
            return name.removesuffix(suffix), suffix
    return "", ""


def _has_number(prefix: str) -> bool:
    """Whether files with this prefix have a number in their name (binfmt-misc: only old ones)."""
    return prefix == "mountpoints" or FILES[prefix].key.startswith("name")


def _numbered(spec: FileKind, digits: str) -> ImageName | None:
    """Only the way CRIU writes numbers: `core-017.img` and `core-17.img` must not claim the same object."""
    base = 16 if spec.hexadecimal else 10
    try:
        number = int(digits, base)
    except ValueError:
        return None
    if number >> (32 if spec.key.startswith("name/") else 64) or digits != (
        f"{number:x}" if spec.hexadecimal else str(number)
    ):
        return None
    return ImageName(spec, number)
