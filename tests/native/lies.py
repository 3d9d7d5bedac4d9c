"""Native streams that lie: every rule of docs/native.md, in frames whose links and checks will be right."""

from __future__ import annotations

import struct
from collections.abc import Callable

from native.leaving import Whole, frames, leave
from samples import small_image

from objref.native import layout as n

__all__ = ["END", "LIES", "PARTS", "STREAM", "header", "insert"]

STREAM = leave(small_image())
PARTS = frames(STREAM)
END = PARTS[-1]
HUGE = (1 << 48) - 1


def place(kind: int, nth: int = 0) -> int:
    return [i for i, part in enumerate(PARTS) if part.kind == kind][nth]


def put(kind: int, layout: str, at: int, *values: int, nth: int = 0) -> list[Whole]:
    """All frames, in one of which something else stands."""
    i = place(kind, nth)
    payload = bytearray(PARTS[i].payload)
    struct.pack_into("<" + layout, payload, at, *values)
    return [*PARTS[:i], PARTS[i]._replace(payload=bytes(payload)), *PARTS[i + 1 :]]


def insert(kind: int, payload: bytes, before: int, operand: int = 0) -> list[Whole]:
    i = place(before)
    return [*PARTS[:i], Whole(kind, operand, payload, 0), *PARTS[i:]]


OBJECTS = len(PARTS[place(n.OBJECTS)].payload) // n.OBJECT_ROW
KEY, WHERE, WHAT, LAYER = (8 + 8 * OBJECTS * i for i in range(4))
LOST = struct.unpack_from("<II", PARTS[place(n.REFERENCES)].payload)[1]
SOURCE = 8 + 16 * LOST
COUNT = struct.unpack_from("<I", PARTS[place(n.REFERENCES)].payload)[0]

LIES: dict[str, tuple[str, Callable[[], list[Whole]]]] = {
    "no schema": ("N7", lambda: PARTS[1:]),
    "no META": ("N7", lambda: [PARTS[0], *PARTS[2:]]),
    "two schemas": ("N7", lambda: [PARTS[0], *PARTS]),
    "notes in the middle": ("N7", lambda: insert(n.NOTES, b"", n.END)),
    "unknown critical frame": ("N9", lambda: insert(99, b"?", n.END)),
    "operand": ("N1", lambda: [PARTS[0]._replace(operand=1), *PARTS[1:]]),
    "kinds misnumbered": ("N10", lambda: put(n.SCHEMA, "H", 32, 7)),
    "kinds counted wrong": ("N10", lambda: put(n.SCHEMA, "I", 24, 1 << 30)),
    "form of keys": ("N10", lambda: put(n.SCHEMA, "B", 34, 9)),
    "name that is none": ("N1", lambda: put(n.SCHEMA, "B", 40, 7)),
    "strand misnumbered": ("N11", lambda: put(n.STRANDS, "H", 0, 9)),
    "strand of unknown role": ("N11", lambda: put(n.STRANDS, "B", 2, 1)),
    "run of no strand": ("N12", lambda: put(n.RUNS, "Q", 8, 0)),
    "run of a strand to come": ("N12", lambda: put(n.RUNS, "Q", 8, 60000 << 48 | 4)),
    "run of no bytes": ("N12", lambda: put(n.RUNS, "Q", 8, 1 << 48)),
    "run longer than all": ("N12", lambda: put(n.RUNS, "Q", 8, 1 << 48 | HUGE)),
    "runs counted wrong": ("table ends", lambda: put(n.RUNS, "I", 0, 0xFFFFFFFF)),
    "kind without names": ("N14", lambda: [p._replace(operand=1) if p.kind == n.NAMES else p for p in PARTS]),
    "names counted wrong": ("table ends", lambda: put(n.NAMES, "I", 0, 0xFFFFFFFF)),
    "name of any length": ("N14", lambda: put(n.NAMES, "I", 8, 0xFFFFFFFF)),
    "a name too many": ("N14", lambda: insert(n.NAMES, struct.pack("<III", 1, 0, 1) + b"x", n.END)),
    "objects counted wrong": ("objects in", lambda: put(n.OBJECTS, "I", 0, 0xFFFFFFFF)),
    "object of an unknown kind": ("unknown kind", lambda: put(n.OBJECTS, "Q", WHAT, 999 << 48 | 1)),
    "object of any layer": ("layer", lambda: put(n.OBJECTS, "H", LAYER, 0xFFFF)),
    "object without its bytes": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 1 << 48 | HUGE)),
    "object of any length": ("N13", lambda: put(n.OBJECTS, "Q", WHAT, 1 << 48 | HUGE)),
    "object of a strand to come": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 60000 << 48)),
    "object of bytes nowhere": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 0)),
    "more extents than came": ("N15", lambda: put(n.OBJECTS, "Q", WHERE, 65535 << 48 | (1 << 47) - 1)),
    "no extents at all": ("N15", lambda: put(n.OBJECTS, "Q", WHERE, 65535 << 48)),
    "extents left over": ("N15", lambda: insert(n.EXTENTS, bytes(24), n.END)),
    "extents that overlap": ("N15", lambda: put(n.EXTENTS, "Q", 24, 0)),
    "extents behind u64": ("N15", lambda: put(n.EXTENTS, "Q", 0, (1 << 64) - 8)),
    "extent without its bytes": ("N13", lambda: put(n.EXTENTS, "Q", 8, 1 << 48 | HUGE)),
    "extent of any length": ("N13", lambda: put(n.EXTENTS, "Q", 16, (1 << 64) - 1)),
    "references counted wrong": ("N16", lambda: put(n.REFERENCES, "I", 0, 0xFFFFFFFF)),
    "source that has not come": ("N16", lambda: put(n.REFERENCES, "I", SOURCE, 0x7FFFFFFF)),
    "target that does not exist": ("N16", lambda: put(n.REFERENCES, "I", SOURCE + 4 * COUNT, 0x7FFFFFFF)),
    "name that does not exist": ("N16", lambda: put(n.REFERENCES, "I", SOURCE + 4 * COUNT, 0xFFFFFFFF)),
    "unknown role": ("N16", lambda: put(n.REFERENCES, "B", SOURCE + 8 * COUNT, 0xFF)),
    "dangling of an unknown kind": ("N16", lambda: put(n.REFERENCES, "Q", 16, 0xFFFF)),
    "aliases that are a space": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 0, 0, 5, 0), n.END, 1)),
    "aliases that are names": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 9, 0, 5, 0), n.END, 0)),
    "aliases of no object": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 9, 0, 5, 999), n.END, 1)),
    "aliases counted wrong": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHH", 1 << 30, 9, 0), n.END, 1)),
    "META that is none": ("JSON", lambda: [PARTS[0], PARTS[1]._replace(payload=b"[]"), *PARTS[2:]]),
    "META that nests": ("JSON", lambda: [PARTS[0], PARTS[1]._replace(payload=b"[" * 100000), *PARTS[2:]]),
    "note that is none": ("note 0", lambda: [*PARTS[:2], PARTS[2]._replace(payload=b'{"what":1}'), *PARTS[3:]]),
    "END with other counts": ("N18", lambda: put(n.END, "Q", 24, 0)),
    "END of another stream": ("N18", lambda: put(n.END, "I", 16, 5)),
}


def header(**changed: int) -> bytes:
    """The prologue, and a header whose link is right."""
    fields = {"kind": n.SCHEMA, "operand": 0, "zero": 0, "length": 8, "check": 0} | changed
    head = n.FRAME.pack(*fields.values(), 0)
    link = n.link_of(n.check_prologue(n.prologue()), head)
    return n.prologue() + n.FRAME.pack(*fields.values(), link)
