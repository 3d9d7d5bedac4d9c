"""Walks that have become large: many objects at a time with numpy. And the references of many objects."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from objref_index.flat import I64, U32, Flat, Neighbours, places
from objref_index.references import DANGLING_BIT, Side
from objref_index.strides import Strides
from objref_index.traversal import Roles, Walk

__all__ = ["go_on", "many_edges"]

NARROW = 128
"""Fewer objects are looked at one by one."""
DENSE_LOG2 = 5
"""What is new is found in a map of all objects if it may be one in 32 of them, else by sorting."""
PART = 1 << 20
"""Objects whose references are laid out at once: 8 bytes for each of those, a few times."""


class _Large:
    """A walk that goes on with arrays. Mutable."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.nothing = walk.objects
        self.seen = np.frombuffer(walk.seen, np.uint8)
        self.seen[self.nothing] = 1
        self.near = [Neighbours(step.side, step.roles) for step in walk.steps]
        self.strides = Strides(walk, self.near)

    def run(self) -> None:
        walk = self.walk
        while walk.done < len(walk.found):
            frontier = np.frombuffer(walk.found, np.uint32)[walk.done :].astype(np.int64)
            if len(frontier) < NARROW:
                self.strides.go()
            else:
                self.look_at(frontier)

    def look_at(self, frontier: I64) -> None:
        """Mark what these objects, all that are left, lead to."""
        self.walk.done += len(frontier)
        spans = [near.spans(frontier) for near in self.near]
        for number, (_, counts) in enumerate(spans):
            self.walk.spend(number, int(counts.sum()))
        dense = sum(int(counts.sum()) for _, counts in spans) > self.walk.objects >> DENSE_LOG2
        pick = self._in_map if dense else self._by_sorting
        new = pick(
            near.of(frontier[at : at + PART], starts[at : at + PART], counts[at : at + PART])
            for near, (starts, counts) in zip(self.near, spans, strict=True)
            for at in range(0, len(frontier), PART)
        )
        self.walk.found.frombytes(new.astype(np.uint32).tobytes())
        self.walk.check_limit()

    def _in_map(self, parts: Iterable[U32]) -> I64:
        fresh = np.zeros(self.nothing + 1, bool)
        for others in parts:
            fresh[others] = True
        seen = self.seen[: self.nothing + 1].view(bool)
        fresh &= ~seen
        seen |= fresh
        return np.flatnonzero(fresh)

    def _by_sorting(self, parts: Iterable[U32]) -> I64:
        others = np.concatenate([part[self.seen[part] == 0] for part in parts])
        self.seen[others] = 1
        return np.unique(others).astype(np.int64)


def go_on(walk: Walk) -> None:
    """Go on with a walk to its end."""
    _Large(walk).run()


def many_edges(side: Side, members: array[int], where: str, roles: Roles | None) -> tuple[array[int], ...]:
    """What `cut.edges` gives, for many members: their ends, roles, other ends."""
    inside = np.zeros(side.objects, bool)
    own = np.frombuffer(members, np.uint32)
    inside[own] = True
    near = Neighbours(side, bytes(256))
    codes, stored = Flat(side.roles, np.uint8), Flat(side.others, np.uint32)
    followed = None if roles is None else np.frombuffer(roles, np.uint8).view(bool)
    found = array("I"), array("B"), array("I")
    left = side.others.count
    for at in range(0, len(own), PART):
        part = own[at : at + PART].astype(np.int64)
        starts, counts = near.spans(part)
        left -= int(counts.sum())
        if left < 0:
            raise side.overlapping()
        entries = places(starts, counts)
        others, owners = stored.take(entries), np.repeat(part, counts)
        wanted = _leads(side, inside, owners, others)[where]
        if followed is not None:
            wanted &= followed[codes.take(entries)]
        for column, values in zip(found, (owners, codes.take(entries), others), strict=True):
            column.frombytes(values[wanted].astype(f"=u{column.itemsize}").tobytes())
    return found


def _leads(side: Side, inside: npt.NDArray[np.bool_], owners: I64, others: U32) -> dict[str, npt.NDArray[np.bool_]]:
    """Which references lead where."""
    live = others < side.objects
    nowhere = others >= DANGLING_BIT if side.forward else np.zeros(len(others), bool)
    wrong = np.flatnonzero(~(live | nowhere))
    if len(wrong):
        raise side.wrong_end(int(owners[wrong[0]]), int(others[wrong[0]]))
    to_member = np.zeros(len(others), bool)
    to_member[live] = inside[others[live]]
    return {"inside": to_member, "outside": live & ~to_member, "nowhere": nowhere}
