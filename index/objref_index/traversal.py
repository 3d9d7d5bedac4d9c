"""What is reached from some objects through their references, loops included.

A walk marks each object once, so loops cost nothing, and goes through what it found in the order in which it found it,
so depth costs nothing either. It starts object by object, on the stripes that it meets; when it has become long, it
goes on with numpy (frontier.py and strides.py).
"""

from __future__ import annotations

import sys
from array import array
from collections.abc import Callable, Iterable, Iterator
from mmap import MAP_ANONYMOUS, MAP_PRIVATE, mmap
from typing import NamedTuple

from objref_index.interface import References
from objref_index.references import DANGLING_BIT, Side

__all__ = ["ROLES", "Roles", "Walk", "reach", "reach_lazily", "role_set"]

ROLES = 256
"""Roles are numbers of one byte."""
SHORT = 1024
"""Walks of so many objects never pay for arrays."""
IMPORT = 1 << 15
"""While numpy is not loaded yet: it takes as long as walking over so many objects."""

Roles = bytes
"""Which roles are followed: byte r is 1 for those that are."""


def role_set(numbers: Iterable[int]) -> Roles:
    """Roles by their numbers. No reference has one that does not fit into a byte."""
    followed = bytearray(ROLES)
    for number in numbers:
        if number < ROLES:
            followed[number] = 1
    return bytes(followed)


class Step(NamedTuple):
    """A direction, and the roles that are followed in it."""

    side: Side
    roles: Roles


class Walk:
    """What is reached from the roots (0 <= root < table.objects), themselves included, so far. Mutable; for one thread.

    forward   roles that are followed from an object to what it refers to
    backward  roles that are followed to what refers to it
    too_many  makes the exception to raise for more objects than `limit`, of which it is given the number

    What is damaged raises as the table does, where the walk meets it.

    `seen` has a byte for each object (and two for whoever needs marks that are no object); it takes memory as it is
    touched. `found` are the ordinals in the order in which they were met; the first `done` of them were looked at.
    """

    __slots__ = ("budgets", "done", "found", "limit", "objects", "seen", "steps", "too_many")

    def __init__(
        self,
        table: References,
        roots: Iterable[int],
        forward: Roles,
        backward: Roles,
        limit: int,
        too_many: Callable[[int], Exception],
    ) -> None:
        wanted = ((table.side(True), forward), (table.side(False), backward))
        self.steps = [Step(side, roles) for side, roles in wanted if side is not None and any(roles)]
        self.budgets = [step.side.others.count for step in self.steps]
        self.objects = table.objects
        self.seen = memoryview(mmap(-1, table.objects + 2, MAP_PRIVATE | MAP_ANONYMOUS))
        self.found = array("I")
        self.done = 0
        self.limit = limit
        self.too_many = too_many
        for root in roots:
            self.add(root)
        self.check_limit()

    def add(self, ordinal: int) -> None:
        """Mark an object, to be looked at later."""
        if not self.seen[ordinal]:
            self.seen[ordinal] = 1
            self.found.append(ordinal)

    def check_limit(self) -> None:
        """Raises when there are more objects than allowed."""
        if len(self.found) > self.limit:
            raise self.too_many(len(self.found))

    def spend(self, number: int, references: int) -> None:
        """Objects that share references, which no builder writes, would be walked over for ever."""
        self.budgets[number] -= references
        if self.budgets[number] < 0:
            raise self.steps[number].side.overlapping()

    def look_at(self, ordinal: int) -> None:
        """Mark what an object leads to."""
        for number, (side, roles) in enumerate(self.steps):
            start, end = side.span(ordinal)
            self.spend(number, end - start)
            for i in range(start, end):
                if roles[side.roles[i]]:
                    other = side.others[i]
                    if other < self.objects:
                        self.add(other)
                    elif not (side.forward and other & DANGLING_BIT):
                        raise side.wrong_end(ordinal, other)

    def enough(self) -> int:
        """How many objects are walked over one by one, at least."""
        return SHORT if "numpy" in sys.modules else IMPORT

    def run(self) -> None:
        """To the end."""
        most = min(self.enough(), self.limit)
        while self.done < len(self.found) <= most:
            self.look_at(self.found[self.done])
            self.done += 1
        self.check_limit()
        if self.steps and self.done < len(self.found):
            from objref_index.frontier import go_on

            go_on(self)


def reach(walk: Walk) -> array[int]:
    """Ordinals, ascending, of all that a walk reaches."""
    walk.run()
    return array("I", sorted(walk.found)) if len(walk.found) <= walk.enough() else _sorted(walk.found)


def reach_lazily(walk: Walk) -> Iterator[int]:
    """The same one by one, in the order in which they are met, the roots first: nothing is read ahead."""
    while walk.done < len(walk.found):
        ordinal = walk.found[walk.done]
        yield ordinal
        walk.look_at(ordinal)
        walk.check_limit()
        walk.done += 1


def _sorted(found: array[int]) -> array[int]:
    import numpy as np

    np.frombuffer(found, np.uint32).sort()
    return found
