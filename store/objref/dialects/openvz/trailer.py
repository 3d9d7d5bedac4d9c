"""What the trailer says, against the sections that are there.

Its table of 27 places cannot hold sections 27 to 34: it is never what sections are found by.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from objref.dialects.events import Note
from objref.dialects.openvz.kinds import NULL, SECTIONS, SIGNATURE
from objref.dialects.openvz.layouts import SECTION_HEAD
from objref.dialects.openvz.ledger import at
from objref.dialects.openvz.plans import Image

__all__ = ["check_trailer"]

SLOTS = 27
TRAILER = Struct(f"<20xI{SLOTS}QI4s")
ALIGNMENT = 8


def check_trailer(image: Image, sections: list[tuple[int, int]], length: int) -> Iterator[Note]:
    """Notes on what disagrees. `sections`: (number, position) in file order; `length` of the file."""
    if length % ALIGNMENT:
        yield Note("trailer", at(length), f"the file's length {length} is no multiple of {ALIGNMENT}")
    seen: dict[int, int] = {}
    for number, position in sections:
        if number in seen:
            yield Note("section", at(position), f"section {_name(number)} again, after {at(seen[number])}")
        else:
            seen[number] = position
    if image.trailer is None or image.trailer[0] != sections[-1][1] + SECTION_HEAD.size:
        yield Note("trailer", at(length), "the trailer section does not start with a trailer object")
    elif len(image.trailer[1]) != TRAILER.size:
        text = f"a trailer of {len(image.trailer[1])} bytes, expected {TRAILER.size}"
        yield Note("trailer", at(image.trailer[0]), text)
    else:
        yield from _compare(image, *image.trailer, seen)


def _compare(image: Image, position: int, struct: bytes, seen: dict[int, int]) -> Iterator[Note]:
    tasks, *slots, count, signature = TRAILER.unpack(struct)
    if count != SLOTS or signature != SIGNATURE:
        text = f"{count} places and signature {signature.hex()}, expected {SLOTS} and {SIGNATURE.hex()}"
        yield Note("trailer", at(position), text)
    if tasks != image.wide_tasks:
        yield Note("trailer", at(position), f"says {tasks} 64-bit tasks: there are {image.wide_tasks}")
    for number, slot in enumerate(slots):
        found = seen.get(number, NULL)
        if slot != found:
            says = "there is none" if slot == NULL else f"it is at {at(slot)}"
            truth = "there is none" if found == NULL else f"it is at {at(found)}"
            yield Note("trailer", at(position), f"says of section {_name(number)} that {says}: {truth}")


def _name(number: int) -> str:
    return SECTIONS[number] if number < len(SECTIONS) else str(number)
