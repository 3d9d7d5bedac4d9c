"""The wire format of protobuf, as far as it is looked at without the library: tags, varints, where fields lie.

Source: protobuf.dev/programming-guides/encoding. All of this is for messages that the library has parsed.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["END_GROUP", "FIXED", "LENGTH_DELIMITED", "START_GROUP", "VARINT", "Field", "fields", "varint"]

VARINT, LENGTH_DELIMITED, START_GROUP, END_GROUP = 0, 2, 3, 4
FIXED = {1: 8, 5: 4}
"""Wire types of fixed length."""


class Field(NamedTuple):
    """One field as it lies in a message: offsets of its tag, of what follows the tag, of its content, of its end.

    Only with a length before it does the content begin later than what follows the tag.
    """

    number: int
    wire: int
    tag: int
    value: int
    content: int
    end: int


def fields(data: bytes, at: int, end: int) -> Iterator[Field]:
    """The fields of data[at:end]. Groups are not followed: their start, their fields and their end are fields."""
    while at < end:
        tag, value = varint(data, at)
        content, after = value, value + FIXED.get(tag & 7, 0)
        if tag & 7 == VARINT:
            _, after = varint(data, value)
        elif tag & 7 == LENGTH_DELIMITED:
            length, content = varint(data, value)
            after = content + length
        yield Field(tag >> 3, tag & 7, at, value, content, after)
        at = after


def varint(data: bytes, at: int) -> tuple[int, int]:
    """(the number there, where it ends)."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
