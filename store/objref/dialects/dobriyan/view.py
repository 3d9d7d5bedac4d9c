"""Objects for people and for JSON: fields by the names that the postings give them."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from objref.dialects.dobriyan.layouts import HEADER, LAYOUTS, OBJECT, UNDEFINED, Layout
from objref.errors import FormatError, UsageError

if TYPE_CHECKING:
    from objref.object import Object

__all__ = ["brief", "decode", "decodes", "fields"]

Fields = dict[str, Any]
BY_KIND = {layout.kind: layout for layout in LAYOUTS.values()}


def _position(values: tuple[Any, ...]) -> str | None:
    return _place(values[0])


def _place(position: int) -> str | None:
    """None: no object, or not known."""
    return None if position == UNDEFINED else f"pos:{position:#x}"


def _text(values: tuple[Any, ...]) -> str:
    return bytes(values[0]).split(b"\0", 1)[0].decode("utf-8", "backslashreplace")


def _limits(values: tuple[Any, ...]) -> list[Fields]:
    return [{"cur": cur, "max": top} for cur, top in zip(values[::2], values[1::2], strict=True)]


SHAPES: dict[str, Callable[[tuple[Any, ...]], Any]] = {
    "number": lambda values: values[0],
    "bits": lambda values: f"{values[0]:#x}",
    "text": _text,
    "position": _position,
    "positions": lambda values: [_place(value) for value in values],
    "limits": _limits,
}


def decodes(found: Object) -> bool:
    """Whether an object has fields."""
    return found.kind in BY_KIND or found.kind == HEADER.kind


def decode(found: Object) -> Fields:
    """The fields of an object, its own header included. Positions are objrefs, None where there is none."""
    if not decodes(found):
        raise UsageError(f"{found.objref} has no fields; its bytes: objref get")
    data = found.bytes
    if found.kind == HEADER.kind:
        return fields(HEADER, data)
    number, length = OBJECT.unpack_from(data.ljust(OBJECT.size, b"\0"))
    return {"cr_type": number, "cr_len": length} | fields(BY_KIND[found.kind], data)


def fields(layout: Layout, data: bytes) -> Fields:
    """The fields of a layout, from an object's bytes."""
    if not layout.fits(len(data)):
        expected = f"{layout.length} + 4 * n" if layout.tail else str(layout.length)
        raise FormatError(f"{layout.name} of {len(data)} bytes, expected {expected}")
    shown = {f.name: SHAPES[f.shape](f.unpack(data)) for f in layout.fields}
    if layout.tail:
        shown[layout.tail] = list(struct.unpack_from(f"<{(len(data) - layout.length) // 4}I", data, layout.length))
    return shown


# -- at a glance --------------------------------------------------------------------------------------------


def brief(found: Object) -> str:
    """One line about an object; empty when there is nothing to say, or when it does not decode."""
    describe = BRIEFS.get(found.kind)
    if describe is None:
        return ""
    try:
        return describe(decode(found))
    except FormatError as error:
        return f"! {error}"


def _numbers(fields: Fields) -> str:
    """A PID's number in each namespace. Few: there is one for each level."""
    numbers = fields["nr"]
    return " ".join(map(str, numbers[:8])) + " …" * (len(numbers) > 8)


BRIEFS: dict[str, Callable[[Fields], str]] = {
    "header": lambda fields: f"kernel {fields['kernel_release']}",
    "task": lambda fields: str(fields["comm"]),
    "uts-ns": lambda fields: f"{fields['nodename']} {fields['release']}",
    "pid-ns": lambda fields: f"level {fields['level']}, last pid {fields['last_pid']}",
    "fs": lambda fields: f"umask {fields['umask']:04o}",
    "file": lambda fields: f"flags {fields['f_flags']:#o}, at {fields['f_pos']}",
    "cred": lambda fields: f"uid {fields['uid']} gid {fields['gid']}",
    "pid": _numbers,
}
