"""Pids: plain numbers in the old numbering, tags of a table in the new one.

Tags and objrefs share one id space. The table written here has the tags 1…n, in the order in which the TREE first
names the pids, as a subtree checkpoint has; so every other id is n higher than in the old numbering. A table that
looks otherwise is refused: from plain numbers nobody could tell what it was.
"""

from __future__ import annotations

import struct
from itertools import chain

from objref.dialects.linux_cr.convert_record import InexactError
from objref.dialects.linux_cr.entries import NO_PID, PID_HEAD, TREE_ENTRY, pid_entries

__all__ = ["read_table", "to_numbers", "to_tags"]

ENTRY = "5iI"
PIDS = "IIII"


def _entries(tree: bytes, buffer: bytes, order: str) -> list[tuple[int, ...]]:
    (n,) = struct.unpack_from(order + "I", tree, 8)
    if not n or len(buffer) - 8 != n * TREE_ENTRY.length:
        raise InexactError(f"TREE of {n} tasks with {len(buffer) - 8} bytes of them")
    found = list(struct.iter_unpack(order + ENTRY, memoryview(buffer)[8:]))
    if any(entry[5] for entry in found):
        raise InexactError("TREE: tasks in pid namespaces below (depth above 0): the old numbering lacks their pids")
    return found


def to_tags(tree: bytes, buffer: bytes, order: str) -> tuple[bytes, bytes, bytes]:
    """Payloads of PIDS, of its BUFFER, and of that of TREE. `tree`, `buffer`: the records of the old numbering."""
    entries = _entries(tree, buffer, order)
    tags: dict[int, int] = {}
    for number in chain.from_iterable(entry[:5] for entry in entries):
        if number < 0:
            raise InexactError(f"TREE: a pid of {number}")
        if number:
            tags.setdefault(number, len(tags) + 1)
    if not tags:
        raise InexactError("TREE: tasks without pids")
    body = b"".join(struct.pack(order + ENTRY, *(tags[p] if p else NO_PID for p in entry[:5]), 0) for entry in entries)
    table = b"".join(struct.pack(order + "Ii", 0, number) for number in tags)
    return struct.pack(order + PIDS, len(tags), 0, 1, 0), table, body


def read_table(pids: bytes, buffer: bytes, order: str) -> list[int]:
    """The numbers of the tags 1…n. `pids`, `buffer`: the records."""
    n, deeper, first, padding = struct.unpack_from(order + PIDS, pids, 8)
    if first != 1 or padding:
        raise InexactError(f"PIDS: tags from {first} on; from plain pids they could only be made from 1 on")
    if deeper or len(buffer) - 8 != n * PID_HEAD:
        raise InexactError("PIDS: pids in namespaces below, which the old numbering does not hold")
    found = [
        number for _, size, number in pid_entries(bytearray(buffer), 8, len(buffer) - 8, order) if size == PID_HEAD
    ]
    if not n or len(found) != n or len(set(found)) != n or min(found, default=1) <= 0:
        raise InexactError("PIDS: none, or pids that are not above 0, or are there twice")
    return found


def to_numbers(tree: bytes, buffer: bytes, numbers: list[int], order: str) -> bytes:
    """Payload of the BUFFER of TREE."""
    entries, seen = _entries(tree, buffer, order), 0
    for tag in chain.from_iterable(entry[:5] for entry in entries):
        if tag != NO_PID and not 0 < tag <= len(numbers):
            raise InexactError(f"TREE: {tag} is no tag of a pid")
        if tag > seen + 1:
            raise InexactError("TREE: tags in another order than that in which it names them")
        seen = max(seen, tag)
    if seen != len(numbers):
        raise InexactError(f"PIDS: {len(numbers)} pids, and tasks name {seen} of them")
    return b"".join(
        struct.pack(order + ENTRY, *(numbers[tag - 1] if tag > 0 else 0 for tag in entry[:5]), 0) for entry in entries
    )
