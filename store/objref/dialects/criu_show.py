"""CRIU messages as `crit show` prints them, ready for JSON.

The rules were found by giving crit 4.1.1 and 4.2.1 images that hold every field of every message they can show,
with every bit set in turn (lengths, network addresses, ghost files: some values), and noting what came back;
tests/criu/test_show.py compares again where a crit is at hand. Equality with crit wins, also where crit
contradicts CRIU; such places say "crit:" below.

crit 4.2 is followed. crit 4.1 shows pagemap_entry's field 2 as nr_pages and not field 5, knows neither
MAP_DROPPABLE nor VMA_AREA_UPROBES, and leaves out inventory_entry.allow_uprobes.
"""

from __future__ import annotations

import socket
import struct
from base64 import encodebytes
from binascii import b2a_qp
from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from objref.dialects.criu_schema import message_class
from objref.errors import FormatError

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["RULES", "DecodeError", "Rule", "parse", "payload_to_crit", "to_crit", "unknown_fields"]

Json = Any  # str, int, bool, and lists and dicts of them
Render = Callable[[Any], Json]
Numbers = Literal["plain", "hex"]  # how a message's unsigned numbers are shown that have no rule of their own
PayloadShow = Callable[[bytes, Any], Json]

_LENGTH = struct.Struct("<I")


class Rule(NamedTuple):
    """How a value is shown; `whole`: a repeated field is one value, not one value an element."""

    render: Render
    whole: bool = False


class DecodeError(FormatError, ValueError):
    """The bytes are no such message, or what follows the message is shorter than the message says."""


def to_crit(message_name: str, data: bytes) -> dict[str, Json]:
    """One item as crit shows it: its fields that are present, in order of field number, without "extra".

    An enum value that criu.proto lacks is left out, as is every unknown field (see `unknown_fields`).
    Raises DecodeError if `data` is not such a message, UsageError if there is no message of that name.
    """
    return _show(parse(message_name, data))


def unknown_fields(message_name: str, data: bytes) -> list[int]:
    """The numbers of the item's own fields that criu.proto does not know, ascending, each once.

    A known number is among them when its wire type, or its enum value, is not the known one.
    Fields of nested messages are not looked at. Raises as `to_crit`.
    """
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown: Any = UnknownFieldSet(parse(message_name, data))  # its type stub forgets that it is iterable
    return sorted({field.field_number for field in unknown})


def parse(message_name: str, data: bytes) -> Message:
    """The item decoded. Depth (100) and sizes are bounded by protobuf. Raises as `to_crit`."""
    from google.protobuf.message import DecodeError as Malformed

    message = message_class(message_name)()
    try:
        message.ParseFromString(data)
    except Malformed as error:
        raise DecodeError(f"{message_name} of {len(data)} bytes: {error}") from None
    return message


def _show(message: Message, numbers: Numbers = "plain") -> dict[str, Json]:
    fields = _fields(message.DESCRIPTOR.name, numbers)
    shown = {}
    for field, value in message.ListFields():
        name, render = fields[field.number]
        shown[name] = render(value)
    return shown


@cache
def _fields(message_name: str, numbers: Numbers) -> Mapping[int, tuple[str, Render]]:
    """Field number -> (name, how its value is shown)."""
    fields = message_class(message_name).DESCRIPTOR.fields
    return {field.number: (field.name, _renderer(message_name, field, numbers)) for field in fields}


def _renderer(message_name: str, field: Any, numbers: Numbers) -> Render:
    render, whole = RULES.get((message_name, field.name)) or _rule_by_type(field, numbers)
    if whole or field.has_presence:  # in proto2 the repeated fields, and only they, have no presence
        return render
    return lambda values: [render(value) for value in values]


def _rule_by_type(field: Any, numbers: Numbers) -> Rule:
    if field.message_type is not None:
        return Rule(_show)
    if field.enum_type is not None:
        return Rule({value.number: value.name for value in field.enum_type.values}.__getitem__)
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return HEX if numbers == "hex" else PLAIN
    return {field.TYPE_STRING: TEXT, field.TYPE_BYTES: BASE64}.get(field.type, PLAIN)


def payload_to_crit(image_type: str, payload: bytes, message: Message) -> Json:
    """What crit shows as "extra" of an item: `payload` is what follows `message` in an image of `image_type`
    ("PIPES_DATA", as crit names the magic), with or without its padding. None: crit shows no "extra".

    To crit a sparse ghost file is a ghost_file_entry without "extra", then one entry a ghost_chunk_entry; hand
    the chunks over one by one. Raises DecodeError if `payload` is too short.
    """
    show = _PAYLOADS.get(image_type)
    return None if show is None else show(payload, message)


def _text(value: str | bytes) -> str:
    # protobuf hands out bytes where a string is not UTF-8, as a file name may be. crit: shows their repr.
    return value if isinstance(value, str) else repr(value)


def _base64(value: bytes) -> str:
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
HEX_BLOCK = Rule(lambda block: _show(block, "hex"))
TEXT = Rule(_text)
BASE64 = Rule(_base64)
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


def _take(payload: bytes, start: int, length: int) -> bytes:
    taken = payload[start : start + length]
    if len(taken) < length:
        raise DecodeError(f"payload ends at byte {len(payload)}, expected {length} bytes from {start} on")
    return taken


def _run(*lengths: str) -> PayloadShow:
    """One run of bytes; the fields named say how long its parts are."""

    def show(payload: bytes, message: Any) -> Json:
        return _base64(_take(payload, 0, sum(getattr(message, name) for name in lengths)))

    return show


def _tcp_queues(payload: bytes, message: Any) -> Json:
    inq, outq = message.inq_len, message.outq_len
    return {"inq": _base64(_take(payload, 0, inq)), "outq": _base64(_take(payload, inq, outq))}


def _semaphores(payload: bytes, message: Any) -> Json:
    return list(struct.unpack(f"<{message.nsems}H", _take(payload, 0, 2 * message.nsems)))


def _shared_memory(payload: bytes, message: Any) -> Json:
    # crit: takes `size` bytes even if in_pagemaps says that none follow, and so swallows the next item.
    return _base64(b"" if message.in_pagemaps else _take(payload, 0, message.size))


def _message_queue(payload: bytes, message: Any) -> Json:
    shown: list[Json] = []
    at = 0
    for _ in range(message.qnum):
        (length,) = _LENGTH.unpack(_take(payload, at, _LENGTH.size))
        header: Any = parse("ipc_msg", _take(payload, at + _LENGTH.size, length))
        at += _LENGTH.size + length
        shown += (_show(header), _base64(_take(payload, at, header.msize)))
        at += -(-header.msize // 8) * 8  # padded to a multiple of 8, and so is the last one
    return shown


def _ghost_file(payload: bytes, message: Any) -> Json:
    if message.DESCRIPTOR.name == "ghost_chunk_entry":
        return _base64(_take(payload, 0, message.len))
    return None if message.chunks else _base64(payload)


_PAYLOADS: Mapping[str, PayloadShow] = MappingProxyType(
    {
        "PIPES_DATA": _run("bytes"),
        "FIFO_DATA": _run("bytes"),
        "SK_QUEUES": _run("length"),
        "BPFMAP_DATA": _run("keys_bytes", "values_bytes"),
        "TCP_STREAM": _tcp_queues,
        "IPCNS_SEM": _semaphores,
        "IPCNS_SHM": _shared_memory,
        "IPCNS_MSG": _message_queue,
        "GHOST_FILE": _ghost_file,
    }
)
