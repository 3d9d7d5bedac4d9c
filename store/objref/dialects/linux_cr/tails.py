"""What follows the fixed part of a record, in the same record or (BUFFER) as entries that another record announced."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from objref.dialects.linux_cr.numbering import Layout
from objref.dialects.linux_cr.revision import Revision

__all__ = ["TAILS", "nested"]

Fields = dict[str, Any]
SHOWN = 256
ACTION = struct.Struct("QQQ8s")
NEW_SIGINFO = ("csi_signo csi_errno csi_code csi_pid csi_uid csi_fd csi_tid csi_band csi_overrun csi_trapno csi_status "
               "csi_int csi_ptr csi_utime csi_stime csi_addr csi_sys_private", "IiiIIiIIIIiiQQQQi4x")  # fmt: skip
OLD_SIGINFO = ("signo _errno code pid uid sigval_int sigval_ptr utime stime", "IIIIiIQQQ")
TREE = ("vpid vppid vtgid vpgid vsid depth", "5iI")
EPOLL = ("data fd file_objref events", "QIiI4x")


def nested(shown: Fields, name: str, value: Any) -> None:
    """Put "a.b" into shown["a"]["b"]."""
    *path, last = name.split(".")
    for part in path:
        shown = shown.setdefault(part, {})
    shown[last] = value


def _entries(layout: tuple[str, str], data: bytes, order: str) -> list[Fields]:
    names, form = layout[0].split(), struct.Struct(order + layout[1])
    whole = len(data) // form.size * form.size
    return [dict(zip(names, values, strict=True)) for values in form.iter_unpack(data[:whole])]


def _text(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"text": data[8:].strip(b"\0").decode("utf-8", "backslashreplace")}


def _bytes(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"bytes": data[8 : 8 + SHOWN].hex()}


def _buffer(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    if before == "TREE":
        return {"entries": _entries(TREE, data[8:], order)}
    if before == "EPOLL_ITEMS":
        return {"items": _entries(EPOLL, data[8:], order)}
    if before in ("HEADER", "CONTAINER"):  # the names of the machine and its kernel
        return _text(data, order, revision, before)
    return _bytes(data, order, revision, before)


def _sighand(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    if len(data) != 2056:
        return _bytes(data, order, revision, before)
    actions = struct.Struct(order + ACTION.format).iter_unpack(data[8:])
    names = ("handler", "flags", "restorer", "mask")
    return {"action": [dict(zip(names, (*a[:3], a[3].hex()), strict=True)) for a in actions]}


def _sigpending(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    if revision.layout == Layout.REV6_OLD:
        return _bytes(data[16:], order, revision, before)
    late = revision.layout >= Layout.V23_RC1
    return {"siginfo": _entries(NEW_SIGINFO if late else OLD_SIGINFO, data[24:], order)}


def _groups(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    n = min(struct.unpack_from(order + "I", data, 8)[0], (len(data) - 12) // 4)
    return {"groups": list(struct.unpack_from(f"{order}{n}I", data, 12))}


def _file(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    at = 40 if revision.layout == Layout.REV3 else 48
    type_ = struct.unpack_from(order + "I", data, 8)[0]
    name = {2: "pipe_objref", 3: "pipe_objref", 4: "sock_objref", 5: "tty_objref"}.get(type_)
    if name and len(data) >= at + 4:
        return {name: struct.unpack_from(order + "i", data, at)[0]}
    if type_ == 7 and len(data) >= at + 12:
        return dict(zip(("count", "flags"), struct.unpack_from(order + "QI", data, at), strict=True))
    return {}


def _addresses(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    """NETDEV_ADDR: the addresses are big-endian on every machine."""
    whole = (len(data) - 8) // 24 * 24 + 8
    names = ("local", "address", "mask", "broadcast")
    return {
        "addrs": [
            {"type": struct.unpack_from(order + "H", data, at)[0]}
            | {name: data[at + 8 + 4 * i : at + 12 + 4 * i].hex() for i, name in enumerate(names)}
            for at in range(8, whole, 24)
        ]
    }


Tail = Callable[[bytes, str, Revision, str], Fields]
TAILS: dict[str, Tail] = {
    "BUFFER": _buffer, "STRING": _text, "FILE_NAME": _text, "LSM_INFO": _text, "ERROR": _text, "PIPE_BUF": _bytes,
    "CPU_FPU": _bytes, "MM_CONTEXT_LDT": _bytes, "SIGHAND": _sighand, "SIGPENDING": _sigpending,
    "GROUPINFO": _groups, "FILE": _file, "NETDEV_ADDR": _addresses,
}  # fmt: skip
