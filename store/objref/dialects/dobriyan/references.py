"""References: absolute positions in the fields of tasks, nsproxies and files."""

from __future__ import annotations

import struct
from array import array
from typing import NamedTuple

from objref.dialects.dobriyan.kinds import KIND, ROLE
from objref.dialects.dobriyan.layouts import LAYOUTS, UNDEFINED, Field, Layout
from objref.dialects.events import Edges

__all__ = ["edges"]


class _Positions(NamedTuple):
    """All positions of a layout in one struct, and the role and kind of each."""

    struct: struct.Struct
    roles: tuple[int, ...]
    kinds: tuple[int, ...]


def _positions(fields: list[Field]) -> _Positions:
    code, at = "<", 0
    for field in fields:
        code += f"{field.offset - at}x{field.code}"
        at = field.offset + struct.calcsize("<" + field.code)
    pairs = [(ROLE[role], KIND[field.to]) for field in fields for role in field.roles]
    return _Positions(struct.Struct(code), tuple(role for role, _ in pairs), tuple(kind for _, kind in pairs))


POSITIONS = {
    layout.kind: _positions(fields)
    for layout in LAYOUTS.values()
    if (fields := [field for field in layout.fields if field.to])
}


def edges(layout: Layout, data: bytes, starts: array[int], first: int) -> Edges | None:
    """The references of objects of one layout that start at `starts` in `data`; `first` is the first one's ordinal."""
    found = POSITIONS.get(layout.kind)
    if found is None:
        return None
    made = Edges(0, array("I"), array("B"), array("H"), array("Q"))
    for ordinal, start in enumerate(starts, first):
        for role, kind, key in zip(found.roles, found.kinds, found.struct.unpack_from(data, start), strict=True):
            if key != UNDEFINED:
                made.sources.append(ordinal)
                made.roles.append(role)
                made.kinds.append(kind)
                made.keys.append(key)
    return made if made.sources else None
