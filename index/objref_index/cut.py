"""The references of some objects, sorted out by where they lead: to one of them, to another object, or to nothing."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Literal, NamedTuple

from objref_index.references import DANGLING_BIT, ReferenceTable, Side
from objref_index.traversal import SHORT, Roles

__all__ = ["Edges", "Where", "edges"]

Where = Literal["inside", "outside", "nowhere"]


class Edges(NamedTuple):
    """References as columns. `members` are the ends that were asked for, `others` the other ends as they are stored:
    of those that lead nowhere, DANGLING_BIT and a row of the dangling table."""

    members: array[int]
    roles: array[int]
    others: array[int]


def edges(table: ReferenceTable, forward: bool, members: array[int], where: Where, roles: Roles | None = None) -> Edges:
    """References from `members` (or to them) that lead `where`, by member and in their stored order.

    members  ordinals, ascending, each below table.objects
    roles    only these

    Errors: as the table's. Memory: 9 bytes a reference that is found, and while it works a byte an object.
    """
    side = table.side(forward)
    if side is None or not members:
        return Edges(array("I"), array("B"), array("I"))
    if len(members) > SHORT:
        from objref_index.frontier import many_edges

        return Edges(*many_edges(side, members, where, roles))
    found = [edge for edge in _each(side, members, where) if roles is None or roles[edge[1]]]
    columns = zip(*found, strict=True) if found else ((), (), ())
    return Edges(*(array(word, column) for word, column in zip("IBI", columns, strict=True)))


def _each(side: Side, members: array[int], where: Where) -> Iterator[tuple[int, int, int]]:
    inside, left = frozenset(members), side.others.count
    for member in members:
        start, end = side.span(member)
        left -= end - start
        if left < 0:
            raise side.overlapping()
        for i in range(start, end):
            other = side.others[i]
            if other < side.objects:
                leads: Where = "inside" if other in inside else "outside"
            elif side.forward and other & DANGLING_BIT:
                leads = "nowhere"
            else:
                raise side.wrong_end(member, other)
            if leads == where:
                yield member, side.roles[i], other
