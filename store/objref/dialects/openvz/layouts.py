"""The layout of every struct, parsed once from `struct_text`, and which one the bytes of an object have.

A struct that is shorter than its layout is an older one: fields past its end are absent, and read as zero on restore
(that is the format's way of versioning). A longer one has a layout that the facts do not cover: the conntrack of 2.6.18
shows that the front need not be the same.
"""

from __future__ import annotations

import re
from functools import cache
from struct import Struct
from typing import NamedTuple

from objref.dialects.openvz.kinds import NUMBER
from objref.dialects.openvz.struct_text import TEXT

__all__ = ["HEAD", "SECTION_HEAD", "Field", "Layout", "layout", "layouts"]

HEAD = Struct("<QIHH")
"""Object header: cpt_next (length, all that is nested included), cpt_object, cpt_hdrlen, cpt_content."""
SECTION_HEAD = Struct("<QIHH")
"""Section header: cpt_next (length, header included), cpt_section, cpt_hdrlen, cpt_align."""

HEADING = re.compile(r"([\w, ]*?\w) ((?:\d+ ?)+)")
FIELD = re.compile(r"(\S+?)(?:\[(\d+)\])?@(\d+):(\w+)")
CODES = {
    "u8": "B",
    "u16": "H",
    "u32": "I",
    "u64": "Q",
    "s32": "i",
    "pos": "Q",
    "other": "Q",
    "index": "I",
    "raw": "s",
    "text": "s",
    "ubparm": "6Q",
}
I386 = 0


class Field(NamedTuple):
    """A field: `repeat` values of a type, 0 for a single one. Raw and text count bytes."""

    name: str
    offset: int
    type: str
    repeat: int

    @property
    def values(self) -> Struct:
        """Its bytes: one value, an array, or a run of bytes."""
        code = CODES[self.type]
        return Struct(f"<{self.repeat}{code}" if self.repeat and code != "6Q" else "<" + code * (self.repeat or 1))

    @property
    def end(self) -> int:
        """Offset of the byte behind it."""
        return self.offset + self.values.size


class Layout(NamedTuple):
    """A struct of at most `size` bytes."""

    name: str
    size: int
    older: tuple[int, ...]
    """Shorter lengths that kernels are known to have written."""
    fields: tuple[Field, ...]

    def field(self, name: str) -> Field:
        """The field of that name."""
        return next(field for field in self.fields if field.name == name)


@cache
def layouts() -> dict[str, Layout]:
    """All layouts by the name of the object type."""
    found: dict[str, Layout] = {}
    for block in TEXT.strip().split("\n\n"):
        first, *rest = block.split("\n")
        head = HEADING.fullmatch(first)
        if head is None:
            raise ValueError(first)
        size, *older = map(int, head[2].split())
        fields = tuple(
            Field(match[1], int(match[3]), match[4], int(match[2] or 0)) for match in FIELD.finditer(" ".join(rest))
        )
        for name in head[1].split(", "):
            found[name] = Layout(name, size, tuple(older), fields)
    return found


@cache
def _by_number(architecture: int) -> dict[int, Layout]:
    found = {NUMBER[name]: one for name, one in layouts().items() if name in NUMBER}
    if architecture == I386:
        for name in ("FLOCK", "SIGINFO"):
            found[NUMBER[name]] = layouts()[f"{name}_I386"]
    return found


def layout(number: int, architecture: int) -> Layout | None:
    """The layout of an object type; None when the facts list no fields of it."""
    return _by_number(architecture).get(number)
