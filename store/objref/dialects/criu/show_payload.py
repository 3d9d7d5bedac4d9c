"""What `crit show` prints as "extra": the raw bytes that follow some messages, such as the data in a pipe."""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from objref.dialects.criu.show_message import DecodeError, parse, show
from objref.dialects.criu.show_rules import Json, base64

__all__ = ["PAYLOADS"]

PayloadShow = Callable[[bytes, Any], Json]

LENGTH = struct.Struct("<I")


def _take(payload: bytes, start: int, length: int) -> bytes:
    taken = payload[start : start + length]
    if len(taken) < length:
        raise DecodeError(f"payload ends at byte {len(payload)}, expected {length} bytes from {start} on")
    return taken


def _run(*lengths: str) -> PayloadShow:
    """One run of bytes; the fields named say how long its parts are."""

    def show_run(payload: bytes, message: Any) -> Json:
        return base64(_take(payload, 0, sum(getattr(message, name) for name in lengths)))

    return show_run


def _tcp_queues(payload: bytes, message: Any) -> Json:
    inq, outq = message.inq_len, message.outq_len
    return {"inq": base64(_take(payload, 0, inq)), "outq": base64(_take(payload, inq, outq))}


def _semaphores(payload: bytes, message: Any) -> Json:
    return list(struct.unpack(f"<{message.nsems}H", _take(payload, 0, 2 * message.nsems)))


def _shared_memory(payload: bytes, message: Any) -> Json:
    # crit: takes `size` bytes even if in_pagemaps says that none follow, and so swallows the next item.
    return base64(b"" if message.in_pagemaps else _take(payload, 0, message.size))


def _message_queue(payload: bytes, message: Any) -> Json:
    shown: list[Json] = []
    at = 0
    for _ in range(message.qnum):
        (length,) = LENGTH.unpack(_take(payload, at, LENGTH.size))
        header: Any = parse("ipc_msg", _take(payload, at + LENGTH.size, length))
        at += LENGTH.size + length
        shown += (show(header), base64(_take(payload, at, header.msize)))
        at += -(-header.msize // 8) * 8  # padded to a multiple of 8, and so is the last one
    return shown


def _ghost_file(payload: bytes, message: Any) -> Json:
    if message.DESCRIPTOR.name == "ghost_chunk_entry":
        return base64(_take(payload, 0, message.len))
    return None if message.chunks else base64(payload)


PAYLOADS: Mapping[str, PayloadShow] = MappingProxyType(
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
