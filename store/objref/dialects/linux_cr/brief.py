"""One line about an object: what `objref ls` shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from objref.dialects.linux_cr.entries import FILE_TYPES
from objref.dialects.linux_cr.view import Stream, decode, decode_records, stream_of
from objref.errors import FormatError

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["brief"]

Fields = dict[str, Any]
FIRST = 4096
"""Bytes of an object that are looked at."""
NUMBERS = 8


def brief(found: Object) -> str:
    """Empty when there is nothing to say."""
    describe = BRIEFS.get(found.kind)
    if describe is None:
        return ""
    try:
        return describe(found, stream_of(found))
    except FormatError as error:
        return f"! {error}"


def _records(found: Object, stream: Stream) -> list[Fields]:
    return list(decode_records(found, stream, min(found.size, FIRST)))


def _one(form: str) -> Callable[[Object, Stream], str]:
    """Fields of the first record that has all of them."""

    def describe(found: Object, stream: Stream) -> str:
        for record in _records(found, stream):
            try:
                return form.format_map(record)
            except KeyError:
                continue
        return ""

    return describe


def _texts(found: Object, stream: Stream) -> str:
    return " ".join(str(record["text"]) for record in _records(found, stream) if "text" in record)


def _file(found: Object, stream: Stream) -> str:
    records = _records(found, stream)
    types = [record["type"] for record in records if "type" in record]
    names = [str(record["text"]) for record in records if "text" in record]
    return " ".join([*(name for name in types if name != FILE_TYPES[1][0]), *names])


def _header(found: Object, stream: Stream) -> str:
    revision = stream.revision
    return f"rev {revision.rev}, layout {revision.layout.label}, {revision.arch or 'unknown machine'}"


def _record(found: Object, stream: Stream) -> str:
    records = _records(found, stream)
    return f"{records[0]['record']}, not part of an object" if records else ""


def _pid(found: Object, stream: Stream) -> str:
    numbers = decode(found)["numbers"]
    return " ".join(map(str, numbers[:NUMBERS])) + " …" * (len(numbers) > NUMBERS)


BRIEFS: dict[str, Callable[[Object, Stream], str]] = {
    "task": _texts, "fs": _texts, "error": _texts, "file": _file, "header": _header, "record": _record, "pid": _pid,
    "layout": lambda found, stream: stream.revision.layout.label,
    "cred": _one("uid {uid} gid {gid}"), "user": _one("uid {uid}"), "mm": _one("{map_count} areas"),
    "file-table": _one("{fdt_nfds} descriptors"), "uts-ns": _one("{nodename} {release}"),
    "groupinfo": _one("groups {groups}"), "sock": _one("unix, peer {peer}"), "tree": _one("{nr_tasks} tasks"),
    "pids": _one("{nr_pids} pids"), "queue": _one("{skb_count} buffers"), "epoll": _one("{num_items} items"),
}  # fmt: skip
