"""Small page blocks that follow each other, many at a time: each is a struct and whole pages, nothing else."""

from __future__ import annotations

from array import array
from struct import Struct
from typing import NamedTuple

from objref.dialects.openvz.kinds import BODY_DATA
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.memory import PAGES, RANGE

__all__ = ["HEADER", "Blocks", "find_blocks"]

HEADER = HEAD.size + RANGE.size
MOST = 1 << 17
"""Bytes of a block that is small: longer ones are passed on without a copy."""
PAGE = 4096
STRUCT = Struct(HEAD.format + RANGE.format.removeprefix("<"))


class Blocks(NamedTuple):
    """Page blocks at the start of some bytes."""

    lengths: array[int]
    """Of each, with its struct."""
    turns: array[int]
    """Bytes of a struct, bytes of pages, in turn."""
    starts: array[int]
    """First address of each."""


def find_blocks(view: memoryview, room: int) -> Blocks:
    """All small page blocks that are whole, one behind the other, in no more than `room` bytes."""
    unpack, at, end = STRUCT.unpack_from, 0, min(len(view), room)
    lengths, turns, starts = array("Q"), array("I"), array("Q")
    while at + HEADER <= end:
        length, type_, header, content, low, high = unpack(view, at)
        size = length - HEADER
        if type_ != PAGES or header != HEADER or content != BODY_DATA or high - low != size or length > MOST:
            break
        if size <= 0 or size % PAGE or at + length > end:
            break
        lengths.append(length)
        turns.extend((HEADER, size))
        starts.append(low)
        at += length
    return Blocks(lengths, turns, starts)
