"""What follows the fixed part of a record, in the same record or (BUFFER) as entries that another record announced."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any

from objref.dialects.linux_cr.entries import (
    ACTION,
    ADDRESS,
    EPOLL_ITEM,
    FILE_TYPES,
    LIMIT,
    NEW_SIGINFO,
    OLD_SIGINFO,
    TREE_ENTRY,
)
from objref.dialects.linux_cr.fields import values
from objref.dialects.linux_cr.numbering import Layout
from objref.dialects.linux_cr.records import VETH
from objref.dialects.linux_cr.revision import Revision

__all__ = ["SHOWN", "TAILS", "raw"]

Fields = dict[str, Any]
SHOWN = 256
"""Bytes of a payload that are shown; `objref get` has all."""
ACTIONS = 8 + 64 * ACTION.length
GROUPS, SIGNALS, LIMITS = 12, 24, slice(8, 264)


def raw(data: bytes) -> Fields:
    """Bytes that nobody understands."""
    return {"bytes": data[:SHOWN].hex()} | ({"bytes_in_all": len(data)} if len(data) > SHOWN else {})


def _text(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"text": data[8:].strip(b"\0").decode("utf-8", "backslashreplace")}


def _bytes(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return raw(data[8:])


def _buffer(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    """`before` says what is in it."""
    if before == "TREE":
        return {"entries": TREE_ENTRY.all(data[8:], order)}
    if before == "EPOLL_ITEMS":
        return {"items": EPOLL_ITEM.all(data[8:], order)}
    if before in ("HEADER", "CONTAINER"):  # the names of the kernel, of its LSM
        return _text(data, order, revision, before)
    return raw(data[8:])


def _sighand(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"action": ACTION.all(data[8:], order)} if len(data) == ACTIONS else raw(data[8:])


def _signal(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"rlim": LIMIT.all(data[LIMITS], order)}


def _sigpending(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    if revision.layout == Layout.REV6_OLD:
        return raw(data[SIGNALS:])
    late = revision.layout >= Layout.V23_RC1
    return {"siginfo": (NEW_SIGINFO if late else OLD_SIGINFO).all(data[SIGNALS:], order)}


def _groups(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    n = min(struct.unpack_from(order + "I", data, 8)[0], (len(data) - GROUPS) // 4)
    return {"groups": list(struct.unpack_from(f"{order}{n}I", data, GROUPS))}


def _file(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    common = 40 if revision.layout == Layout.REV3 else 48
    name, text = FILE_TYPES.get(struct.unpack_from(order + "I", data, 8)[0], ("", ""))
    if not name:
        return {}
    fits = len(data) > common and text
    return {"type": name} | (values(text, data[common:].ljust(16, b"\0"), order) if fits else {})


def _netdev(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    """Both readings: nothing says which of them it is."""
    return {"veth": values(VETH, data, order), "macvlan": values("mode@12:u32", data, order)}


def _addresses(data: bytes, order: str, revision: Revision, before: str) -> Fields:
    return {"addrs": ADDRESS.all(data[8:], order)}


Tail = Callable[[bytes, str, Revision, str], Fields]
TAILS: dict[str, Tail] = {
    "BUFFER": _buffer, "STRING": _text, "FILE_NAME": _text, "LSM_INFO": _text, "ERROR": _text, "PIPE_BUF": _bytes,
    "CPU_FPU": _bytes, "MM_CONTEXT_LDT": _bytes, "SIGHAND": _sighand, "SIGNAL": _signal, "SIGPENDING": _sigpending,
    "GROUPINFO": _groups, "FILE": _file, "NETDEV": _netdev, "NETDEV_ADDR": _addresses,
}  # fmt: skip
"""Record -> its fields behind the fixed part."""
