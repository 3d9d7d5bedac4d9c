"""What comes before the tasks: the header as it was, the pids that the tasks still name, the TREE.

Ids of objects stay as they are: the format allows gaps, and a changed id would have to be found everywhere. Tags of
pids cannot have gaps, as the table has only the first one; they move up, and only the TREE names them.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from objref.dialects.linux_cr.entries import PID_HEAD, pid_entries
from objref.errors import FormatError

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft
    from objref.dialects.linux_cr.extract.forest import Entry, Forest
    from objref.dialects.linux_cr.extract.pieces import Pieces

__all__ = ["leading"]

FLAGS, SUBTREE = 64, 1
"""Offset of `uflags` in the HEADER; CHECKPOINT_SUBTREE: the root needs not be the first process of a container."""
NAMES = 5
"""Fields of an entry of the TREE that name pids."""


def leading(draft: Draft, forest: Forest, tree: list[Entry], pieces: Pieces) -> None:
    """Write it."""
    original, image = draft.original, draft.image
    header = bytearray(image.by_ordinal(original.only("header")).bytes)
    (flags,) = struct.unpack_from(original.order + "Q", header, FLAGS)
    if not flags & SUBTREE:
        struct.pack_into(original.order + "Q", header, FLAGS, flags | SUBTREE)
        draft.notes.append("the header says now that it is a part of a container (CHECKPOINT_SUBTREE)")
    pieces.add(header)
    entries: Sequence[tuple[int, ...]] = tree
    if original.revision.new:
        entries = _pids(draft, tree, pieces)
    _tree(draft, entries, pieces)


def _pids(draft: Draft, tree: list[Entry], pieces: Pieces) -> list[tuple[int, ...]]:
    """Write the table; returns the entries of the TREE with the tags that it has then."""
    order = draft.original.order
    table, body = (bytearray(record.data) for record in draft.original.records(draft.original.only("pids")))
    _, _, first = struct.unpack_from(order + "III", table, 8)
    named = {tag for entry in tree for tag in entry[:NAMES] if tag > 0}
    made, deeper = bytearray(), 0
    tags: dict[int, int] = {}
    for k, (start, size, _) in enumerate(pid_entries(body, 8, len(body) - 8, order)):
        if first + k in named:
            tags[first + k] = first + len(tags)
            made += body[start : start + size]
            deeper += (size - PID_HEAD) // 4
    if len(tags) != len(named):
        lost = min(named - tags.keys())
        raise FormatError(f"tree:0 names the pid {lost}, which the table of pids does not have")
    struct.pack_into(order + "II", table, 8, len(tags), deeper)
    pieces.add(table + body[:4] + struct.pack(order + "I", 8 + len(made)) + made)
    return [(*(tags.get(tag, tag) for tag in entry[:NAMES]), entry.depth) for entry in tree]


def _tree(draft: Draft, entries: Sequence[tuple[int, ...]], pieces: Pieces) -> None:
    order = draft.original.order
    head, body = (bytearray(record.data) for record in draft.original.records(draft.original.only("tree")))
    struct.pack_into(order + "I", head, 8, len(entries))
    made = b"".join(struct.pack(order + "5iI", *entry) for entry in entries)
    pieces.add(head + body[:4] + struct.pack(order + "I", 8 + len(made)) + made)
