"""How far the small objects of a container go, which are looked at together."""

from __future__ import annotations

from typing import NamedTuple

from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import NUMBER
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.memory import Owner

__all__ = ["PAGE", "SWALLOWED", "Frame", "Head", "scan"]

BATCH = 64 << 10
"""Bytes of small objects that are looked at together. An object of more is streamed."""
SWALLOWED = "a section"
CGROUP_MAX = 1 << 20
"""A cgroup is taken whole for its list of processes: 256 K of them fit."""
PAGE = 4096
"""The page unit of the store."""
PAGED = frozenset(NUMBER[name] for name in ("MM", "VMA", "INODE", "PAGES"))


class Frame(NamedTuple):
    """An open container: a section, or an object that is streamed."""

    number: int
    """Its number in the ledger."""
    position: int
    end: int
    section: str
    depth: int
    owner: Owner | None


class Head(NamedTuple):
    """An object header."""

    length: int
    type: int
    header: int
    content: int


def scan(view: memoryview, start: int, room: int, frame: Frame) -> tuple[int, int, str]:
    """How far whole small objects go from `start` of a container's next `room` bytes: (where they end, how many bytes
    must be there to say more or 0, why the walk ends there). Ends in front of an object that is to be streamed."""
    unpack, base, have = HEAD.unpack_from, HEAD.size, len(view)
    while start < room and start < BATCH:
        left = room - start
        if left < base:
            return start, 0, f"{left} bytes are no object"
        if have - start < base:
            return start, start + base, ""
        length, number, header, content = unpack(view, start)
        if header == base and not frame.depth and bodies.is_section(number, content, frame.section):
            return start, 0, SWALLOWED
        if header < base or length < header or length > left:
            return start, 0, bodies.broken(length, header, left)
        if length >= PAGE and (number in PAGED or length > (CGROUP_MAX if number == bodies.CGROUP else BATCH)):
            return start, 0, ""
        if have - start < length:
            return start, start + length, ""
        start += length
    return start, 0, ""
