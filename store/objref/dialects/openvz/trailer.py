"""What the trailer says, against the sections that are there.

Its table of 27 places cannot hold sections 27 to 34: it is never what sections are found by.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct

from objref.dialects.events import Note
from objref.dialects.openvz.kinds import NULL, SECTIONS, SIGNATURE
from objref.dialects.openvz.ledger import at

__all__ = ["check_trailer"]

SLOTS = 27
TRAILER = Struct(f"<24x{SLOTS}QI4s")
ALIGNMENT = 8


def check_trailer(trailer: tuple[int, bytes] | None, sections: list[tuple[int, int]], length: int) -> Iterator[Note]:
    """Notes on what disagrees. `sections`: (number, position) in file order; `length` of the file."""
    if length % ALIGNMENT:
        yield Note("trailer", at(length), f"the file's length {length} is no multiple of {ALIGNMENT}")
    seen: dict[int, int] = {}
    for number, position in sections:
        if number in seen:
            yield Note("section", at(position), f"section {_name(number)} again, after {at(seen[number])}")
        else:
            seen[number] = position
    if trailer is None:
        yield Note("trailer", at(length), "the trailer section has no trailer object")
        return
    position, struct = trailer
    if len(struct) < TRAILER.size:
        yield Note("trailer", at(position), f"a trailer of {len(struct)} bytes, expected {TRAILER.size}")
        return
    *slots, count, signature = TRAILER.unpack_from(struct)
    if count != SLOTS or signature != SIGNATURE:
        yield Note("trailer", at(position), f"{count} sections and signature {signature.hex()}, expected {SLOTS}")
    for number, slot in enumerate(slots):
        found = seen.get(number, NULL)
        if slot != found:
            says = "there is none" if slot == NULL else f"it is at {at(slot)}"
            truth = "there is none" if found == NULL else f"it is at {at(found)}"
            yield Note("trailer", at(position), f"says of section {_name(number)} that {says}: {truth}")


def _name(number: int) -> str:
    return SECTIONS[number] if number < len(SECTIONS) else str(number)
