"""Items to messages: one by one, or many at once.

A call into protobuf for each item takes longer than parsing it. So items are framed again, as a repeated field of one
message, and parsed together; only where that fails one by one, which tells the bad ones from the good.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache
from typing import Any

__all__ = ["Parser", "parse_all", "parser"]

TOGETHER = 512
"""Items parsed at once."""
FEW = 8
"""Below this many items the class of their batch costs more than it saves."""
LARGE = 1 << 10
"""Bytes of an item from which a call of its own costs little. A hostile message may take dozens of times its bytes in
memory (many empty ones inside: 36 times), so this also bounds what is parsed at once, to 512 KiB."""

Message = Any
Places = Iterable[tuple[int, Message]]
Parser = Callable[[bytes], Message]


def parser(name: str) -> Parser:
    """Bytes to a message of that name; ValueError for others. (protobuf is imported late: it is slow to start.)"""
    from google.protobuf.message import DecodeError

    from objref.dialects.criu.schema import message_class

    parse = message_class(name).FromString

    def checked(data: bytes) -> Message:
        try:
            return parse(data)
        except DecodeError as error:  # no ValueError
            raise ValueError(str(error)) from None

    return checked


def parse_all(
    name: str, buffer: bytes, starts: array[int], lengths: array[int], places: Sequence[int]
) -> Iterator[tuple[Places, list[tuple[int, str]]]]:
    """The messages of the items at these places in the columns, some at a time, and what is wrong with the others."""
    for first in range(0, len(places), TOGETHER):
        some = places[first : first + TOGETHER]
        sizes = [lengths[i] for i in some]
        items = [buffer[starts[i] : starts[i] + size] for i, size in zip(some, sizes, strict=True)]
        messages = _together(name, items, sizes)
        yield (zip(some, messages, strict=True), []) if messages is not None else _one_by_one(name, items, some)


def _together(name: str, items: list[bytes], sizes: list[int]) -> Sequence[Message] | None:
    """All messages from one call, or None."""
    from google.protobuf.message import DecodeError

    from objref.dialects.criu.schema import batch_class

    if len(items) < FEW or max(sizes) >= LARGE:
        return None
    parts = [b""] * (2 * len(items))
    parts[::2] = map(_frame, sizes)
    parts[1::2] = items
    parse: Parser = batch_class(name).FromString
    try:
        messages: Sequence[Message] = parse(b"".join(parts)).item
    except DecodeError:
        return None
    return messages


@cache
def _frame(size: int) -> bytes:
    """The tag of a length-delimited field 1, and the length as a varint: below LARGE it has one byte or two."""
    return bytes((0x0A, size) if size < 0x80 else (0x0A, size & 0x7F | 0x80, size >> 7))


def _one_by_one(name: str, items: list[bytes], places: Sequence[int]) -> tuple[Places, list[tuple[int, str]]]:
    parse, good, bad = parser(name), [], []
    for place, item in zip(places, items, strict=True):
        try:
            good.append((place, parse(item)))
        except ValueError as error:
            bad.append((place, str(error)))
    return good, bad
