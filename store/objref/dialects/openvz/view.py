"""CPT objects for people and for JSON, with the field names of `cpt_image.h`."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from struct import Struct, error
from typing import TYPE_CHECKING, Any

from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import (
    BODY_NAME,
    MADE,
    NULL,
    SECTIONS,
)  # fmt: skip
from objref.dialects.openvz.layouts import HEAD, Field, Layout, layout, layouts
from objref.dialects.openvz.references import NO_INDEX
from objref.errors import TruncatedError, UsageError

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["architecture", "as_text", "decode", "decodes"]

Fields = dict[str, Any]

WITHOUT = frozenset({"member", "unknown", *(kind.name for kind in MADE)})
HEAD_NAMES = ("cpt_next", "cpt_object", "cpt_hdrlen", "cpt_content")
SECTION_NAMES = ("cpt_next", "cpt_section", "cpt_hdrlen", "cpt_align")
BODY_MAX = 1 << 20
"""Bytes of content that are shown as fields."""
X86_64 = 1
BEANCOUNTER = ("barrier", "limit", "held", "maxheld", "minheld", "failcnt")


def decodes(found: Object) -> bool:
    """Whether an object has fields."""
    return found.kind not in WITHOUT


def decode(found: Object) -> Fields:
    """The fields of an object that its struct is long enough for, and the text or numbers that follow some structs.

    Of a struct that the facts do not cover: its header, and the rest as hexadecimal digits.
    """
    if not decodes(found):
        raise UsageError(f"{found.objref} has no fields; its bytes: objref get")
    if found.kind == "header":
        data = found.read(0, layouts()["HEADER"].size)
        return _struct(layouts()["HEADER"], data, len(data))
    head = _unpack(HEAD, found.read(0, HEAD.size), found)
    if found.kind == "section":
        name = SECTIONS[head[1]] if head[1] < len(SECTIONS) else "unknown"
        return dict(zip(SECTION_NAMES, head, strict=True)) | {"name": name}
    fields: Fields = dict(zip(HEAD_NAMES, head, strict=True))
    data = found.read(0, head[2])
    known = layout(head[1], architecture(found))
    if known is not None and head[2] <= known.size:
        fields |= _struct(_variant(known, data), data, len(data))
    elif len(data) > HEAD.size:
        fields["undecoded"] = data[HEAD.size :].hex()
    return fields | _body(found, *head[1:])


def _unpack(struct: Struct, data: bytes, found: Object) -> tuple[int, ...]:
    try:
        return struct.unpack(data)
    except error:
        raise TruncatedError(f"{found.objref}: {len(data)} bytes, expected {struct.size} of a header") from None


def architecture(found: Object) -> int:
    """Of the image that the object is in: some structs differ."""
    header = found._image.get("header:0x0")
    return int.from_bytes(header.read(8, 10), "little") if header is not None else X86_64


def _struct(known: Layout, data: bytes, length: int) -> Fields:
    return {field.name: _value(field, data) for field in known.fields if field.end <= length}


def _value(field: Field, data: bytes) -> Any:
    values = field.values.unpack_from(data, field.offset)
    if field.type == "ubparm":
        size = len(BEANCOUNTER)
        rows = (values[i : i + size] for i in range(0, len(values), size))
        return [dict(zip(BEANCOUNTER, row, strict=True)) for row in rows]
    shape = SHAPES.get(field.type)
    shown = list(values if shape is None else map(shape, values))
    return shown if field.repeat and field.type not in ("raw", "text") else shown[0]


def _position(value: int) -> str | None:
    return None if value == NULL else f"pos:{value:#x}"


def _other(value: int) -> int | None:
    return None if value == NULL else value


def _index(value: int) -> int | None:
    return None if value == NO_INDEX else value


def as_text(data: bytes) -> str:
    """The text of a field, up to its NUL. It need not be UTF-8."""
    return data.split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


SHAPES: dict[str, Callable[[Any], Any]] = {
    "raw": bytes.hex, "text": as_text, "pos": _position, "other": _other, "index": _index,
}  # fmt: skip


# -- unix sockets ------------------------------------------------------------------------------------------

INET_ONLY = ("cpt_saddr", "cpt_rcv_saddr")
AF_UNIX, FAMILY_AT = 1, 42


@cache
def _unix(known: Layout) -> Layout:
    fields = [field for field in known.fields if field.name not in INET_ONLY]
    return known._replace(fields=(*fields, Field("cpt_vfsmount_ref", 424, "pos", 0)))


def _variant(known: Layout, data: bytes) -> Layout:
    """A unix socket has its mount where others have two addresses."""
    unix = known.name == "SOCKET" and int.from_bytes(data[FAMILY_AT : FAMILY_AT + 2], "little") == AF_UNIX
    return _unix(known) if unix else known


# -- what follows the struct -------------------------------------------------------------------------------

SEMAPHORES, UNDO = 8, 9
"""Content kinds of semaphore arrays and undo records."""


def _body(found: Object, number: int, header: int, content: int) -> Fields:
    if number != bodies.CGROUP and content not in (BODY_NAME, SEMAPHORES, UNDO):
        return {}
    body = found.read(header, min(found.size, header + BODY_MAX)) if found.size > header else b""
    if number == bodies.CGROUP:
        group = bodies.cgroup(memoryview(body))
        if group is None:
            return {"undecoded": body.hex()}
        name = {"name": as_text(body[HEAD.size : group.name])} if group.name else {}
        return name | {"processes": group.processes}
    if content == BODY_NAME:
        return {"name": as_text(body)}
    if content == SEMAPHORES:
        values = _numbers("I", body)
        return {"semaphores": [{"semval": v, "sempid": p} for v, p in zip(values[::2], values[1::2], strict=False)]}
    return {"semadj": _numbers("h", body)}


def _numbers(code: str, body: bytes) -> list[int]:
    size = Struct(code).size
    count = len(body) // size
    return list(Struct(f"<{count}{code}").unpack_from(body))
