"""How crit shows the values of single fields, where their type alone does not say it: the table RULES."""

from __future__ import annotations

import socket
import struct
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Literal, NamedTuple

__all__ = ["BASE64", "HEX", "PLAIN", "RULES", "TEXT", "Json", "Numbers", "Render", "Rule", "base64"]

Json = Any  # str, int, bool, and lists and dicts of them
Render = Callable[[Any], Json]
Numbers = Literal["plain", "hex"]  # how a message's unsigned numbers are shown that have no rule of their own


class Rule(NamedTuple):
    """How a value is shown; `whole`: a repeated field is one value, not one value an element.

    A message is shown field by field, whatever `render` is; `inside` is for the numbers in it.
    """

    render: Render
    whole: bool = False
    inside: Numbers = "plain"


def _text(value: str | bytes) -> str:
    # protobuf hands out bytes where a string is not UTF-8, as a file name may be. crit: shows their repr.
    return value if isinstance(value, str) else repr(value)


def base64(value: bytes) -> str:
    """With a newline after every 76 characters and at the end."""
    return encodebytes(value).decode("ascii")


def _quoted(value: bytes) -> str:
    return b2a_qp(value).decode("ascii")


def _kernel_device(number: int) -> str:
    return f"{number >> 20}:{number & 0xFFFFF}"


def _libc_device(number: int) -> str:
    return f"{number >> 8 & 0xFFF}:{number & 0xFF | number >> 12 & 0xFFF00}"


def _addresses(words: list[int]) -> list[str]:
    # crit: goes by the count alone, not by the family, drops words after the fourth, and ends with an
    # IndexError on two or three; those are shown as they are.
    packed = struct.pack(f"<{len(words)}I", *words)
    if len(words) == 1:
        return [socket.inet_ntop(socket.AF_INET, packed)]
    if len(words) >= 4:
        return [socket.inet_ntop(socket.AF_INET6, packed[:16])]
    return [hex(word) for word in words]


def _numbered(runs: Mapping[int, str]) -> dict[int, str]:
    """Number -> name; each run of names counts up from its key."""
    return {n: name for first, names in runs.items() for n, name in enumerate(names.split(), first)}


def _named(runs: Mapping[int, str]) -> Rule:
    """A number by its name where it has one."""
    names = _numbered(runs)
    return Rule(lambda number: names.get(number, number))


def _flags(runs: Mapping[int, str]) -> Rule:
    """Names of the bits from low to high, then what has no name, in hexadecimal. `runs` counts bits."""
    bits = {1 << bit: name for bit, name in _numbered(runs).items()}
    unnamed = ~sum(bits)

    def render(value: int) -> str:
        shown = [name for bit, name in bits.items() if value & bit]
        if value & unnamed:
            shown.append(hex(value & unnamed))
        return " | ".join(shown)

    return Rule(render)


PLAIN = Rule(lambda value: value)
HEX = Rule(hex)
HEX_BLOCK = Rule(hex, inside="hex")  # of a message
TEXT = Rule(_text)
BASE64 = Rule(base64)
QUOTED = Rule(_quoted)
KERNEL_DEVICE = Rule(_kernel_device)
LIBC_DEVICE = Rule(_libc_device)
ADDRESSES = Rule(_addresses, whole=True)

OPEN_FLAGS = _flags(
    {
        0: "O_WRONLY O_RDWR",
        6: "O_CREAT O_EXCL O_NOCTTY O_TRUNC O_APPEND O_NONBLOCK O_DSYNC FASYNC O_DIRECT O_LARGEFILE",
        16: "O_DIRECTORY O_NOFOLLOW O_NOATIME O_CLOEXEC",
    }
)
VMA_PROT = _flags({0: "PROT_READ PROT_WRITE PROT_EXEC"})
# crit: has no name for MAP_HUGETLB.
VMA_FLAGS = _flags({0: "MAP_SHARED MAP_PRIVATE", 3: "MAP_DROPPABLE", 5: "MAP_ANON", 8: "MAP_GROWSDOWN"})
# crit: has no name for bit 16 (GUARD) nor for 27..30.
VMA_STATUS = _flags(
    {
        0: "VMA_AREA_REGULAR VMA_AREA_STACK VMA_AREA_VSYSCALL VMA_AREA_VDSO",
        5: "VMA_AREA_HEAP VMA_FILE_PRIVATE VMA_FILE_SHARED VMA_ANON_SHARED VMA_ANON_PRIVATE",
        10: "VMA_AREA_SYSVIPC VMA_AREA_SOCKET VMA_AREA_VVAR VMA_AREA_AIORING VMA_AREA_MEMFD VMA_AREA_SHSTK",
        17: "VMA_AREA_UPROBES",
        31: "VMA_UNSUPP",
    }
)
SEALS = _flags({0: "F_SEAL_SEAL F_SEAL_SHRINK F_SEAL_GROW F_SEAL_WRITE F_SEAL_FUTURE_WRITE"})
PAGEMAP_FLAGS = _flags({0: "PE_PARENT PE_LAZY PE_PRESENT"})

# crit: to CRIU 2 is dead, 3 stopped and 6 zombie.
TASK_STATE = _named({1: "Alive", 3: "Zombie", 6: "Stopped"})
SOCKET_FAMILY = _named({1: "UNIX INET", 10: "INET6", 16: "NETLINK PACKET"})
SOCKET_TYPE = _named({1: "STREAM DGRAM RAW", 5: "SEQPACKET", 10: "PACKET"})
SOCKET_PROTO = _named({0: "IP", 6: "TCP", 17: "UDP", 136: "UDPLITE"})
# crit: has no name for 11 (CLOSING).
SOCKET_STATE = _named(
    {1: "ESTABLISHED SYN_SENT SYN_RECV FIN_WAIT1 FIN_WAIT2 TIME_WAIT CLOSE CLOSE_WAIT LAST_ACK LISTEN"}
)

# (message, field) -> how crit shows it. What is not here goes by its type: enums by name, bytes in base64 with
# a newline after every 76 characters and at the end, everything else as it is.
RULES: Mapping[tuple[str, str], Rule] = MappingProxyType(
    {
        # Addresses and masks.
        ("task_core_entry", "blk_sigset"): HEX,
        ("task_core_entry", "blk_sigset_extended"): HEX,
        ("task_core_entry", "membarrier_registration_mask"): HEX,
        ("mm_entry", "mm_start_code"): HEX,
        ("mm_entry", "mm_end_code"): HEX,
        ("mm_entry", "mm_start_data"): HEX,
        ("mm_entry", "mm_end_data"): HEX,
        ("mm_entry", "mm_start_stack"): HEX,
        ("mm_entry", "mm_start_brk"): HEX,
        ("mm_entry", "mm_brk"): HEX,
        ("mm_entry", "mm_arg_start"): HEX,
        ("mm_entry", "mm_arg_end"): HEX,
        ("mm_entry", "mm_env_start"): HEX,
        ("mm_entry", "mm_env_end"): HEX,
        ("pagemap_entry", "vaddr"): HEX,
        ("sa_entry", "sigaction"): HEX,
        ("sa_entry", "flags"): HEX,
        ("sa_entry", "restorer"): HEX,
        ("sa_entry", "mask"): HEX,
        ("sa_entry", "mask_extended"): HEX,
        ("thread_info_x86", "clear_tid_addr"): HEX,
        ("thread_info_arm", "clear_tid_addr"): HEX,
        ("thread_info_aarch64", "clear_tid_addr"): HEX,
        ("thread_info_ppc64", "clear_tid_addr"): HEX,
        ("thread_info_s390", "clear_tid_addr"): HEX,
        ("thread_info_mips", "clear_tid_addr"): HEX,
        ("thread_info_loongarch64", "clear_tid_addr"): HEX,
        ("thread_info_riscv64", "clear_tid_addr"): HEX,
        ("vma_entry", "start"): HEX,
        ("vma_entry", "end"): HEX,
        ("vma_entry", "madv"): HEX,
        ("vma_entry", "fdflags"): HEX,
        # Register blocks. crit: the same message elsewhere (user_ppc64_tm_regs_entry.gpregs), and most floating
        # point and vector registers, are plain numbers.
        ("thread_info_x86", "gpregs"): HEX_BLOCK,
        ("thread_info_arm", "gpregs"): HEX_BLOCK,
        ("thread_info_aarch64", "gpregs"): HEX_BLOCK,
        ("thread_info_ppc64", "gpregs"): HEX_BLOCK,
        ("thread_info_s390", "gpregs"): HEX_BLOCK,
        ("thread_info_s390", "fpregs"): HEX_BLOCK,
        ("thread_info_s390", "vxrs_low"): HEX_BLOCK,
        ("thread_info_s390", "vxrs_high"): HEX_BLOCK,
        ("thread_info_s390", "gs_cb"): HEX_BLOCK,
        ("thread_info_s390", "gs_bc"): HEX_BLOCK,
        ("thread_info_s390", "ri_cb"): HEX_BLOCK,
        ("thread_info_mips", "gpregs"): HEX_BLOCK,
        ("thread_info_mips", "fpregs"): HEX_BLOCK,
        ("thread_info_loongarch64", "gpregs"): HEX_BLOCK,
        ("thread_info_loongarch64", "fpregs"): HEX_BLOCK,
        ("thread_info_riscv64", "gpregs"): HEX_BLOCK,
        ("user_x86_xsave_entry", "cet"): HEX_BLOCK,
        # Flags. crit: names open flags for three kinds of file and shows them in hexadecimal for most others;
        # for fdinfo, eventfd, epoll, pidfd and namespace files they are plain numbers.
        ("bpfmap_file_entry", "flags"): OPEN_FLAGS,
        ("memfd_file_entry", "flags"): OPEN_FLAGS,
        ("reg_file_entry", "flags"): OPEN_FLAGS,
        ("fanotify_file_entry", "flags"): HEX,
        ("fanotify_file_entry", "faflags"): HEX,
        ("fanotify_file_entry", "evflags"): HEX,
        ("fanotify_mark_entry", "mflags"): HEX,
        ("fanotify_mark_entry", "mask"): HEX,
        ("fanotify_mark_entry", "ignored_mask"): HEX,
        ("inet_sk_entry", "flags"): HEX,
        ("inotify_file_entry", "flags"): HEX,
        ("inotify_wd_entry", "mask"): HEX,
        ("inotify_wd_entry", "ignored_mask"): HEX,
        ("mnt_entry", "flags"): HEX,
        ("mnt_entry", "sb_flags"): HEX,
        ("net_device_entry", "flags"): HEX,
        ("netlink_sk_entry", "flags"): HEX,
        ("packet_sock_entry", "flags"): HEX,
        ("pipe_entry", "flags"): HEX,
        ("signalfd_entry", "flags"): HEX,
        ("signalfd_entry", "sigmask"): HEX,
        ("tcp_stream_entry", "opt_mask"): HEX,
        ("timerfd_entry", "flags"): HEX,
        ("timerfd_entry", "settime_flags"): HEX,
        ("tty_file_entry", "flags"): HEX,
        ("tun_link_entry", "flags"): HEX,
        ("unix_sk_entry", "flags"): HEX,
        ("unix_sk_entry", "uflags"): HEX,
        ("memfd_inode_entry", "seals"): SEALS,
        ("pagemap_entry", "flags"): PAGEMAP_FLAGS,
        ("vma_entry", "flags"): VMA_FLAGS,
        ("vma_entry", "prot"): VMA_PROT,
        ("vma_entry", "status"): VMA_STATUS,
        # Device numbers. crit: those of tty_info_entry and eventpoll_tfd_entry are plain numbers.
        ("fanotify_mark_entry", "s_dev"): KERNEL_DEVICE,
        ("ghost_file_entry", "dev"): KERNEL_DEVICE,
        ("inotify_wd_entry", "s_dev"): KERNEL_DEVICE,
        ("mnt_entry", "root_dev"): KERNEL_DEVICE,
        ("ghost_file_entry", "rdev"): LIBC_DEVICE,
        ("irmap_cache_entry", "dev"): LIBC_DEVICE,
        # Numbers that have names without being enums. crit: not those of netlink and packet sockets.
        ("inet_sk_entry", "family"): SOCKET_FAMILY,
        ("inet_sk_entry", "type"): SOCKET_TYPE,
        ("inet_sk_entry", "proto"): SOCKET_PROTO,
        ("inet_sk_entry", "state"): SOCKET_STATE,
        ("task_core_entry", "task_state"): TASK_STATE,
        ("unix_sk_entry", "type"): SOCKET_TYPE,
        ("unix_sk_entry", "state"): SOCKET_STATE,
        # Addresses on the network.
        ("inet_sk_entry", "src_addr"): ADDRESSES,
        ("inet_sk_entry", "dst_addr"): ADDRESSES,
        ("sit_entry", "local"): ADDRESSES,
        ("sit_entry", "remote"): ADDRESSES,
        ("sit_entry", "rd_prefix"): ADDRESSES,
        ("sit_entry", "relay_prefix"): ADDRESSES,
        # Bytes that are mostly text: a path, or a zero byte and an abstract name.
        ("unix_sk_entry", "name"): QUOTED,
    }
)
