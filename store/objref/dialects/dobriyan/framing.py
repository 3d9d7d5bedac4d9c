"""What the bytes at a position are: one look at an object's header, and what can be known from it.

Lengths may lie, and a walk that believes one reads the middle of an object as the next. So an object is *sure* only
when its type has this one length, or when what follows it begins like such an object. Others are *in doubt* until then.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import NamedTuple

from objref.dialects.dobriyan.layouts import LAYOUTS, OBJECT, Layout, padded

__all__ = ["Frame", "Verdict", "look"]

AHEAD = 4096
"""Longest PID that is looked at in one piece; longer ones pass piece by piece, in doubt until the next object."""


class Verdict(Enum):
    """What to do with an object."""

    MORE = auto()  # `need` bytes must be there
    SURE = auto()
    DOUBT = auto()
    BROKEN = auto()  # no object
    CUT = auto()  # the stream ends inside


class Frame(NamedTuple):
    """An object's frame. `layout` None: unknown, `why` says what is strange."""

    verdict: Verdict
    layout: Layout | None = None
    length: int = 0
    why: str = ""
    need: int = 0


def look(buffer: bytes, at: int, last: bool, alone: bool) -> Frame:
    """The object at `at`. `last`: the stream ends with the buffer. `alone`: no object before it is in doubt."""
    have = len(buffer) - at
    if have < OBJECT.size:
        return Frame(Verdict.CUT if last and have else Verdict.MORE, need=OBJECT.size)
    number, length = OBJECT.unpack_from(buffer, at)
    if length < OBJECT.size:
        return Frame(Verdict.BROKEN, why=f"type {number}, length {length}: no object is shorter than its header")
    layout = LAYOUTS.get(number)
    if layout is None:
        return Frame(Verdict.DOUBT, None, length, f"type {number} of {length} bytes is none of the known ones, 1…15")
    if not layout.fits(length):
        expected = f"{layout.length} + 4 * n" if layout.tail else str(layout.length)
        return Frame(Verdict.DOUBT, None, length, f"{layout.name} of {length} bytes, expected {expected}")
    if layout.tail:
        return _of_any_length(buffer, at, last, layout, length)
    return _of_one_length(have, last, alone, layout)


def _of_one_length(have: int, last: bool, alone: bool, layout: Layout) -> Frame:
    """The type is known and has this one length."""
    length, span = layout.length, padded(layout.length)
    if have < span and not last:
        return Frame(Verdict.MORE, layout, length, need=span)
    if have < length:
        return Frame(Verdict.CUT, layout, length)
    return Frame(Verdict.SURE if alone or is_strong(layout) else Verdict.DOUBT, layout, length)


def _of_any_length(buffer: bytes, at: int, last: bool, layout: Layout, length: int) -> Frame:
    """A PID: sure when its padding is zero and the next object stands behind it."""
    have, span = len(buffer) - at, padded(length)
    if length > AHEAD:
        return Frame(Verdict.DOUBT, layout, length)
    if have < span + OBJECT.size and not last:
        return Frame(Verdict.MORE, layout, length, need=span + OBJECT.size)
    if have < length:
        return Frame(Verdict.CUT, layout, length)
    sure = not any(buffer[at + length : at + span]) and _follows(buffer, at + span)
    return Frame(Verdict.SURE if sure else Verdict.DOUBT, layout, length)


def _follows(buffer: bytes, at: int) -> bool:
    """Whether an object may well begin here, or nothing follows: proof that the length before it did not lie."""
    if len(buffer) - at < OBJECT.size:
        return True
    number, length = OBJECT.unpack_from(buffer, at)
    layout = LAYOUTS.get(number)
    return layout is not None and layout.fits(length) and length > OBJECT.size


def is_strong(layout: Layout | None) -> bool:
    """Whether a header of this layout proves something: a placeholder's is too like any two small numbers (a uid and
    a gid of 8 read as MM_STRUCT), a PID's length may be many."""
    return layout is not None and layout.length > OBJECT.size and not layout.tail
