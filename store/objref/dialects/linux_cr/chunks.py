"""Small chunks of pages that follow each other, many at a time: each is a PGARR, a BUFFER with addresses, and pages."""

from __future__ import annotations

import struct
import sys
from array import array
from typing import NamedTuple

__all__ = ["MOST", "Chunks", "Form", "find_chunks"]

MOST = 32
"""Pages of a chunk that is small: larger ones are passed on without a copy."""
PGARR = 16
BUFFER = 8
HEADS = PGARR + BUFFER


class Form(NamedTuple):
    """How chunks of a stream look: byte order, record types, bytes of an address and of a page."""

    order: str
    pgarr: int
    buffer: int
    word: int
    page: int


class Chunks(NamedTuple):
    """Chunks at the start of some bytes."""

    length: int
    """Bytes that they have."""
    turns: array[int]
    """Bytes of heads and addresses, bytes of pages, in turn."""
    addresses: array[int]


def find_chunks(view: memoryview, form: Form) -> Chunks:
    """All small chunks that are whole, one behind the other."""
    unpack, at, end = struct.Struct(form.order + "IIQII").unpack_from, 0, len(view)
    turns, found = array("I"), []
    kind, buffer, word, each = form.pgarr, form.buffer, form.word, form.word + form.page
    while at + HEADS <= end:
        type_, length, n, next_type, size = unpack(view, at)
        if type_ != kind or length != PGARR or next_type != buffer or not 0 < n <= MOST or size != BUFFER + n * each:
            break
        stop = at + PGARR + size
        if stop > end:
            break
        head = HEADS + n * word
        turns.append(head)
        turns.append(n * form.page)
        found.append(view[at + HEADS : at + head])
        at = stop
    return Chunks(at, turns, _addresses(found, form))


def _addresses(found: list[memoryview], form: Form) -> array[int]:
    addresses = array("Q" if form.word == 8 else "I", b"".join(found))
    if (sys.byteorder == "big") != (form.order == ">"):
        addresses.byteswap()
    return addresses
