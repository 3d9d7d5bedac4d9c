"""How the layout of a record is written down, and what follows from it.

`name@offset:type`, offsets from the record's start, header included; types u8 … s64, `char[n]`, `u8[n]`. A field that
refers says so: `name@offset:s32>role` names an object of the space that is called like the role, `>role:space` one of
another space. So a reference to an id that is of another type leads to nothing.
"""

from __future__ import annotations

import struct
from functools import cache
from typing import Any, NamedTuple

from objref.dialects.linux_cr.kinds import KIND, ROLE

__all__ = ["Field", "References", "nested", "parse", "references", "values"]

CODES = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "s8": "b", "s16": "h", "s32": "i", "s64": "q", "char": "s"}


class Field(NamedTuple):
    """`code` is that of `struct`; `items` of an array, 0: none. `role` and `space`: what it refers to, "": nothing."""

    name: str
    offset: int
    code: str
    items: int
    role: str
    space: str

    def value(self, data: bytes | memoryview, order: str) -> Any:
        """Its value: a number, a list of them, the text of `char[n]`, the hexadecimal digits of `u8[n]`."""
        found = struct.unpack_from(f"{order}{self.items or 1}{self.code}", data, self.offset)
        if self.code == "s":
            return bytes(found[0]).split(b"\0")[0].decode("utf-8", "backslashreplace")
        if not self.items:
            return found[0]
        return bytes(found).hex() if self.code == "B" else list(found)


class References(NamedTuple):
    """What to unpack, and for each value `role << 48 | kind << 32`: a key and its code fit in one word."""

    unpack: struct.Struct
    codes: tuple[int, ...]


def _field(word: str) -> Field:
    place, _, reference = word.partition(">")
    name, _, rest = place.partition("@")
    offset, _, type_ = rest.partition(":")
    base, _, count = type_.rstrip("]").partition("[")
    role, _, space = reference.partition(":")
    return Field(name, int(offset), CODES[base], int(count or 0), role, space or role)


@cache
def parse(text: str) -> tuple[Field, ...]:
    """The fields of a layout."""
    return tuple(_field(word) for word in text.split())


@cache
def references(text: str, order: str, shift: int = 0) -> References | None:
    """The references of a layout whose offsets are `shift` further on; None when there are none."""
    form, at, codes = order, 0, []
    for field in parse(text):
        if field.role:
            offset = field.offset + shift
            form += f"{offset - at}xi"
            at = offset + 4
            codes.append(ROLE[field.role] << 48 | KIND[field.space] << 32)
    return References(struct.Struct(form), tuple(codes)) if codes else None


def nested(shown: dict[str, Any], name: str, value: Any) -> None:
    """Put "a.b" into shown["a"]["b"]."""
    *path, last = name.split(".")
    for part in path:
        shown = shown.setdefault(part, {})
    shown[last] = value


def values(text: str, data: bytes | memoryview, order: str) -> dict[str, Any]:
    """The fields of a layout with their values, nested where their names have dots."""
    shown: dict[str, Any] = {}
    for field in parse(text):
        nested(shown, field.name, field.value(data, order))
    return shown
