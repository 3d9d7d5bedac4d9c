"""Walks along narrow stretches of a large graph, such as long chains and loops."""

from __future__ import annotations

import numpy as np

from objref_index.flat import I64, Neighbours
from objref_index.traversal import Walk

__all__ = ["WIDE", "Strides"]

WIDE = 512
"""So many objects are better looked at together."""
STEPS = 512
"""Steps between looks at how wide it has become."""
GROUP_LOG2 = 12
"""Objects for which steps are prepared together."""
OFTEN = 32
"""A group of objects is prepared when it has been met so often."""
MANY = 1 << 32
"""Others of an object that is not prepared."""


class Strides:
    """Steps along narrow stretches. Mutable.

    Objects that lead to one or two others, as those of long chains and loops do, are prepared many at a time once
    their neighbourhood has been met often: a step then costs three lookups. All others are looked at as ever.
    """

    def __init__(self, walk: Walk, near: list[Neighbours]) -> None:
        self.walk, self.near = walk, near
        self.nothing = walk.objects
        self.pairs = np.empty((walk.objects, 2), np.uint32)
        self.met = bytearray((walk.objects >> GROUP_LOG2) + 1)
        self.budgets = [step.side.others.count for step in walk.steps]

    def go(self) -> None:
        """Until nothing is left to be looked at, or so much that it is better done together."""
        walk = self.walk
        while walk.done < len(walk.found) < walk.done + WIDE:
            self._some_steps()
            walk.check_limit()

    def _some_steps(self) -> None:
        walk, seen, found, met = self.walk, self.walk.seen, self.walk.found, self.met
        pairs, nothing = self.pairs.reshape(-1).data, self.nothing
        for done in range(walk.done, walk.done + STEPS):
            if done == len(found):
                return
            walk.done = done + 1
            ordinal = found[done]
            if met[ordinal >> GROUP_LOG2] < OFTEN:
                self._meet(ordinal >> GROUP_LOG2)
                walk.look_at(ordinal)
                continue
            at = ordinal + ordinal
            other = pairs[at]
            if not seen[other]:
                if other > nothing:
                    walk.look_at(ordinal)
                    continue
                seen[other] = 1
                found.append(other)
            other = pairs[at + 1]
            if not seen[other]:
                seen[other] = 1
                found.append(other)

    def _meet(self, group: int) -> None:
        self.met[group] += 1
        if self.met[group] == OFTEN:
            start = group << GROUP_LOG2
            stop = min(start + (1 << GROUP_LOG2), self.nothing)
            self.pairs[start:stop] = self.nothing
            lead = np.zeros(stop - start, np.int64)
            for number in range(len(self.near)):
                self._prepare(number, start, stop, lead)
            self.pairs[start:stop, 0][lead > 2] = self.nothing + 1

    def _prepare(self, number: int, start: int, stop: int, lead: I64) -> None:
        """Enter others of objects start…stop-1. `lead` counts them; whatever is odd counts as many."""
        near = self.near[number]
        ends = near.ends.range(start, stop + 1).astype(np.int64)
        counts = np.diff(ends)
        if counts.min() < 0 or ends[-1] > near.others.count:
            lead[:] = MANY
            return
        self.budgets[number] -= int(ends[-1] - ends[0])
        if self.budgets[number] < 0:
            raise near.side.overlapping()
        others = near.others.range(int(ends[0]), int(ends[-1]))
        live = others != self.nothing
        owners, others = np.repeat(np.arange(stop - start), counts)[live], others[live]
        alive = np.bincount(owners, minlength=stop - start)
        rank = lead[owners] + np.arange(len(owners)) - np.repeat(np.cumsum(alive) - alive, alive)
        for place in range(2):
            self.pairs[start + owners[rank == place], place] = others[rank == place]
        lead += alive
        lead[owners[others > self.nothing]] = MANY
