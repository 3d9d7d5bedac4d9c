"""Numbers and names of the OpenVZ CPT format: versions, sections, object types, content kinds; our kinds and roles.

Source of the facts: `include/linux/cpt_image.h` of OpenVZ's kernel 2.6.32-042stab141.3, and its `kernel/cpt`.
"""

from __future__ import annotations

from objref.dialects.events import Kind, Role
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX

__all__ = [
    "ARCHITECTURES", "ARRAY", "BODY_DATA", "BODY_NAME", "COVERED", "KIND", "KINDS", "KIND_OF", "NULL", "NUMBER",
    "OBJECTS", "ROLE", "ROLES", "SECTIONS", "SECTION_NUMBER", "SIGNATURE", "UNKNOWN", "VERSIONS", "VOID",
]  # fmt: skip

SIGNATURE = bytes.fromhex("791c0163")
NULL = (1 << 64) - 1
"""CPT_NULL: a position that names nothing."""
VOID, ARRAY, BODY_DATA, BODY_NAME = range(4)
"""Content kinds that the walk needs; the body of every other kind is raw bytes."""

VERSIONS = {
    0x000: "8", 0x100: "9", 0x101: "9_1", 0x102: "9_2", 0x200: "16", 0x300: "18", 0x301: "18_1", 0x302: "18_2",
    0x303: "18_3", 0x304: "18_4", 0x400: "20", 0x500: "24", 0x600: "26", 0x700: "27", 0x703: "27_3", 0x800: "32",
    0x801: "32_1", 0x802: "32_2", 0x803: "32_3",
}  # fmt: skip
COVERED = frozenset({0x302, 0x303, 0x304, 0x800, 0x801, 0x802, 0x803})
"""Versions that are walked and decoded: 0x302, 0x801 and 0x803, whose writers were read, and the others that the
restore of 141.3 accepts and reads with the same structs, missing tails as zero. Of the rest nothing is confirmed."""
ARCHITECTURES = {0: "i386", 1: "x86-64", 2: "ia64"}

SECTIONS = (
    "error", "veinfo", "files", "tasks", "mm", "files-struct", "fs", "sighand-struct", "tty", "socket", "namespace",
    "sysvsem-undo", "inode", "sysv-shm", "sysv-sem", "orphans", "net-device", "net-ifaddr", "net-route", "net-iptables",
    "net-conntrack", "net-conntrack-ve0", "utsname", "trailer", "ubc", "slm-sgregs", "slm-regobjs", "epoll", "vsyscall",
    "inotify", "sysv-msg", "snmp-stats", "cgroups", "posix-timers", "net-ip6tables",
)  # fmt: skip
SECTION_NUMBER = {name: number for number, name in enumerate(SECTIONS)}

_FROM_0 = """TASK MM FS FILES FILE SIGHAND_STRUCT SIGNAL_STRUCT TTY SOCKET SYSVSEM_UNDO NAMESPACE SYSV_SHM INODE UBC
SLM_SGREG SLM_REGOBJ SLM_MM VFSMOUNT_REF CGROUP CGROUPS POSIX_TIMER_LIST VFSMOUNT_MISSED_REF"""
_FROM_1024 = """VMA FILEDESC SIGHANDLER SIGINFO LASTSIGINFO SYSV_SEM SKB FLOCK OPENREQ VFSMOUNT TRAILER SYSVSEM_UNDO_REC
NET_DEVICE NET_IFADDR NET_ROUTE NET_CONNTRACK NET_CONNTRACK_EXPECT AIO_CONTEXT VEINFO EPOLL EPOLL_FILE SKFILTER
SIGALTSTACK SOCK_MCADDR BIND_MNT SYSVMSG SYSVMSG_MSG MM_AUXV NET_IDEV_CNF"""
_FROM_4096 = """X86_REGS X86_64_REGS PAGES COPYPAGES REMAPPAGES LAZYPAGES NAME BITS REF ITERPAGES ITERYOUNGPAGES
VSYSCALL IA64_REGS INOTIFY INOTIFY_WATCH INOTIFY_EVENT TASK_AUX NET_TUNTAP NET_HWADDR NET_VETH NET_STATS NET_IPIP_TUNNEL
TIMERFD EVENTFD NET_BR NET_BR_DEV MOUNT_DATA POSIX_TIMER SOCK_PACKET SOCK_PACKET_MC"""

OBJECTS: dict[int, str] = {
    number: name
    for base, names in ((0, _FROM_0), (1024, _FROM_1024), (4096, _FROM_4096), (16777216, "NET_TAP_FILTER"))
    for number, name in enumerate(names.split(), base)
}
NUMBER = {name: number for number, name in OBJECTS.items()}

ALIASES = (
    Kind("pos", FORM_HEX),  # any object by its position in the file: the id that references name
    Kind("pid", FORM_DECIMAL),  # a task by its process id
    Kind("socket-index", FORM_DECIMAL),
    Kind("tty-index", FORM_DECIMAL),
    Kind("files-index", FORM_DECIMAL),
    Kind("cgroup-index", FORM_DECIMAL),
    Kind("conntrack-index", FORM_DECIMAL),
)
"""Further keys of objects: what references inside an image call them."""
MADE = (
    Kind("mem", FORM_HEX),  # an address space by address, key: position of its MM
    Kind("content", FORM_HEX),  # a deleted file by offset, key: position of its INODE
)

KINDS: tuple[Kind, ...] = (
    Kind("member", FORM_BYTES),  # number 0 is for the source's own files: a CPT image has none
    Kind("header", FORM_HEX),
    Kind("section", FORM_HEX),
    Kind("unknown", FORM_HEX),  # an object of a type that the facts do not list
    *(Kind(name.lower().replace("_", "-"), FORM_HEX) for name in OBJECTS.values()),
    *ALIASES,
    *MADE,
)
KIND = {kind.name: number for number, kind in enumerate(KINDS)}
UNKNOWN = KIND["unknown"]
KIND_OF = {number: KIND[name.lower().replace("_", "-")] for number, name in OBJECTS.items()}
"""Object type -> kind number."""

ROLES: tuple[Role, ...] = (
    Role("part", "K"),  # an object to one that is nested in it
    Role("mm", "H"), Role("files", "H"), Role("fs", "H"), Role("signal", "H"), Role("sighand", "H"),
    Role("namespace", "H"), Role("undo", "H"), Role("beancounter", "H"), Role("timers", "H"), Role("file", "H"),
    Role("inode", "H"), Role("tty", "H"), Role("socket", "H"), Role("mount", "H"), Role("bind", "H"),
    Role("parent-mount", "H"), Role("shared", "S"), Role("master", "S"), Role("source", "H"), Role("target", "H"),
    Role("parent", "H"), Role("peer", "S"), Role("owner", "S"), Role("link", "S"), Role("cgroup", "H"),
    Role("conntrack", "H"), Role("section", "O"), Role("mem", "K"), Role("content", "K"), Role("real-parent", "S"),
    Role("leader", "S"), Role("group", "S"), Role("session", "S"), Role("process", "S"),
)  # fmt: skip
ROLE = {role.name: number for number, role in enumerate(ROLES)}
