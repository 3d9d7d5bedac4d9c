"""Strongly connected components: which objects lead to each other in loops, and an order for all of them."""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import overload

from objref_index.cut import Edges

__all__ = ["Components", "components"]


class Components(Sequence["array[int]"]):
    """Sets of objects that lead to each other, as ascending ordinals; those that are led to come first."""

    __slots__ = ("_ends", "order")

    def __init__(self, order: array[int], ends: array[int]) -> None:
        self.order = order
        """All objects, component by component."""
        self._ends = ends

    def __len__(self) -> int:
        return len(self._ends)

    @overload
    def __getitem__(self, i: int) -> array[int]: ...
    @overload
    def __getitem__(self, i: slice) -> list[array[int]]: ...
    def __getitem__(self, i: int | slice) -> array[int] | list[array[int]]:
        if isinstance(i, slice):
            return [self[k] for k in range(*i.indices(len(self)))]
        k = range(len(self))[i]
        return self.order[self._ends[k - 1] if k else 0 : self._ends[k]]

    def loops(self) -> Iterator[array[int]]:
        """Those of more than one object."""
        start = 0
        for end in self._ends:
            if end - start > 1:
                yield self.order[start:end]
            start = end


def components(members: array[int], inside: Edges) -> Components:
    """Components of `members` (ordinals, ascending) under `inside`, references among them by ascending member.

    Tarjan's algorithm without recursion: 17 bytes an object, and at most as much again on the way down.
    """
    starts, targets = _local(members, inside)
    order, ends = _tarjan(starts, targets)
    start = 0
    for end in ends:
        if end - start > 1:
            order[start:end] = array("I", sorted(order[start:end]))
        start = end
    return Components(array("I", map(members.__getitem__, order)), ends)


def _local(members: array[int], inside: Edges) -> tuple[array[int], array[int]]:
    """References by places in `members`: those of place i are targets[starts[i]:starts[i + 1]]."""
    if len(members) == members[-1] + 1 if members else True:  # all objects up to the last: places are ordinals
        targets = inside.others
    else:
        targets = array("I", (bisect_left(members, other) for other in inside.others))
    starts, at, count = array("I"), 0, len(inside.members)
    for member in members:
        starts.append(at)
        while at < count and inside.members[at] == member:
            at += 1
    starts.append(at)
    return starts, targets


def _tarjan(starts: array[int], targets: array[int]) -> tuple[array[int], array[int]]:
    """(places, component by component, targets first; where each component ends).

    `low` is 0 for what was not met, then the number of the first object on the path that it leads back to, and
    `closed`, which is larger than all of them, once its component is known.
    """
    count = len(starts) - 1
    closed = count + 1
    low, following = array("I", bytes(4 * count)), array("I", starts[:-1])
    order, ends = array("I"), array("I")
    numbers, path, waiting, met = array("I", bytes(4 * count)), array("I"), array("I"), 0
    for root in range(count):
        if low[root]:
            continue
        path.append(root)
        met += 1
        low[root] = numbers[root] = met
        waiting.append(root)
        while path:
            place = path[-1]
            i = following[place]
            if i < starts[place + 1]:
                following[place] = i + 1
                target = targets[i]
                if not low[target]:
                    path.append(target)
                    met += 1
                    low[target] = numbers[target] = met
                    waiting.append(target)
                elif low[target] < low[place]:
                    low[place] = low[target]
                continue
            path.pop()
            if path and low[place] < low[path[-1]]:
                low[path[-1]] = low[place]
            if low[place] == numbers[place]:
                while True:
                    member = waiting.pop()
                    low[member] = closed
                    order.append(member)
                    if member == place:
                        break
                ends.append(len(order))
    return order, ends
