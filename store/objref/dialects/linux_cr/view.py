"""Objects for people and for JSON: their records with the field names of `checkpoint_hdr.h`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from objref.dialects.linux_cr.kinds import DECODED
from objref.dialects.linux_cr.numbering import Layout, arch_name, byte_order
from objref.dialects.linux_cr.records import X86_ONLY, find_record
from objref.dialects.linux_cr.revision import Revision
from objref.dialects.linux_cr.tails import TAILS, nested
from objref.errors import FormatError, UsageError

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["brief", "decode", "decode_records"]

Fields = dict[str, Any]
CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "s8": "b", "s16": "h", "s32": "i", "s64": "q"}
SHOWN = 256
"""Bytes of a payload that are shown; `objref get` has all."""


class _Field(NamedTuple):
    name: str
    offset: int
    form: str
    items: int
    """Of an array; 0: no array."""


@cache
def _fields(text: str) -> tuple[_Field, ...]:
    found = []
    for word in text.split():
        name, _, rest = word.partition("@")
        offset, _, type_ = rest.partition(":")
        base, _, count = type_.rstrip("]").partition("[")
        found.append(_Field(name, int(offset), "s" if base == "char" else CODES[base], int(count or 0)))
    return tuple(found)


def _value(field: _Field, data: bytes, order: str) -> Any:
    if field.name == "arch_id":  # little-endian on every machine
        order = "<"
    if field.form == "s":
        raw: bytes = data[field.offset : field.offset + field.items]
        return raw.split(b"\0")[0].decode("utf-8", "backslashreplace")
    values = struct.unpack_from(f"{order}{field.items or 1}{field.form}", data, field.offset)
    if not field.items:
        return values[0]
    return bytes(values).hex() if field.form == "B" else list(values)


def decode_record(type_: int, data: bytes, revision: Revision, order: str, before: str = "") -> Fields:
    """One record. `before`: the name of the record before it, which says what a BUFFER holds."""
    name = revision.name(type_, len(data))
    record = find_record(name, len(data), revision.layout) if name else None
    shown: Fields = {"record": name or f"type {type_}", "len": len(data)}
    if record is None or (name in X86_ONLY and not revision.x86):
        return shown | _raw(data[8:])
    if not record.fields and len(data) > 8 and name not in TAILS:
        return shown | _raw(data[8:])
    for field in _fields(record.fields):
        nested(shown, field.name, _value(field, data, order))
    tail = TAILS.get(name)
    if tail is not None:
        shown |= tail(data, order, revision, before)
    return shown


def _raw(data: bytes) -> Fields:
    return {"bytes": data[:SHOWN].hex()} | ({"bytes_in_all": len(data)} if len(data) > SHOWN else {})


def decode_records(read: Any, size: int, revision: Revision, order: str) -> Iterator[Fields]:
    """The records of an object. `read(start, stop)` gives its bytes. Pages are not read, only counted."""
    at, before, pages = 0, "", 0
    while at + 8 <= size:
        type_, length = struct.unpack(order + "II", read(at, at + 8))
        if length < 8 or at + length > size:
            yield {"record": f"type {type_}", "len": length, "cut": size - at}
            return
        name = revision.name(type_, length)
        if pages and name == "BUFFER":
            yield {"record": name, "len": length} | _pages(read, at, length, pages, order)
        else:
            data = read(at, at + min(length, 1 << 20))
            yield decode_record(type_, data, revision, order, before) if len(data) == length else {
                "record": name or f"type {type_}", "len": length} | _raw(data[8:])  # fmt: skip
            pages = struct.unpack_from(order + "Q", data, 8)[0] if name == "PGARR" and length == 16 else 0
        if name != "BUFFER":
            before = name
        at += length


def _pages(read: Any, at: int, length: int, pages: int, order: str) -> Fields:
    each, rest = divmod(length - 8, pages)
    word = 8 if each & 4096 - 1 == 8 else 4
    if rest or pages * word > 1 << 20:
        return {"pages": pages}
    form = "Q" if word == 8 else "I"
    addresses = struct.unpack(f"{order}{pages}{form}", read(at + 8, at + 8 + pages * word))
    return {"pages": pages, "addresses": list(addresses)}


class _Stream(NamedTuple):
    """What must be known of the whole stream to read one object."""

    revision: Revision
    order: str


def _stream(found: Object) -> _Stream:
    image = found._image
    header = image["header:0"].read(0, 72)
    order = byte_order(header)
    if not order:
        raise FormatError("header:0 is not the header of a linux-cr stream")
    rev = struct.unpack_from(order + "H", header, 24)[0]
    revision = Revision()
    revision.begin(rev, arch_name(rev, int.from_bytes(header[16:18], "little"), order == ">"))
    layouts = set(image["layout"]) if "layout" in image else set()
    for layout in Layout:
        if layout in layouts:
            revision.set(layout)
    return _Stream(revision, order)


def decode(found: Object) -> Fields:
    """The records of an object with their fields. A pid entry: its numbers."""
    if found.kind not in DECODED:
        raise UsageError(f"{found.objref}: a {found.kind} has no fields; its bytes: objref get")
    stream = _stream(found)
    if found.kind == "pid":
        data = found.bytes
        depth, *numbers = struct.unpack(f"{stream.order}I{len(data) // 4 - 1}i", data)
        return {"depth": depth, "numbers": numbers}
    return {"records": list(decode_records(found.read, found.size, stream.revision, stream.order))}


_BRIEF = ("FILE_NAME", "STRING")
_FILE_TYPES = ("ignored", "generic", "pipe", "fifo", "socket", "tty", "epoll", "eventfd")


def brief(found: Object) -> str:
    """One line about an object: the name of a file or task, the machine of the stream, what is unknown."""
    if found.kind not in ("file", "task", "fs", "error", "record", "header"):
        return ""
    size = min(found.size, 4096)
    stream = _stream(found)
    if found.kind == "header":
        return f"rev {stream.revision.rev} {stream.revision.layout.name} {stream.revision.arch or 'unknown machine'}"
    records = list(decode_records(found.read, size, stream.revision, stream.order))
    if found.kind == "record":
        return f"{records[0]['record']}, not part of an object" if records else ""
    texts = [str(record["text"]) for record in records if record["record"] in _BRIEF and "text" in record]
    types = [record["f_type"] for record in records if "f_type" in record]
    if types and types[0] < len(_FILE_TYPES) and types[0] != 1:
        texts.insert(0, _FILE_TYPES[types[0]])
    return " ".join(texts)
