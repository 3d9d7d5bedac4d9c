"""Walks that have become large: many objects at a time with numpy, or along narrow stretches with prepared steps."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from objref_index.columns import STRIPE_LOG2, Column
from objref_index.references import DANGLING_BIT, Side
from objref_index.traversal import Roles, Walk

__all__ = ["go_on", "many_edges"]

U32 = npt.NDArray[np.uint32]
I64 = npt.NDArray[np.int64]

WIDE, NARROW = 512, 128
"""From so many objects on they are looked at together; one by one again from so few on."""
STEPS = 512
"""Steps between looks at how wide it has become."""
DENSE_LOG2 = 5
"""What is new is found in a map of all objects if it may be one in 32 of them, else by sorting."""
PART = 1 << 20
"""Objects whose references are laid out at once: 8 bytes for each of those, a few times."""
GROUP_LOG2 = 12
"""Objects for which steps are prepared together."""
OFTEN = 32
"""A group of objects is prepared when it has been met so often."""
MANY = 1 << 32
"""Others of an object that is not prepared."""


class Flat:
    """A column as one array, filled stripe by stripe as it is asked for. Mutable."""

    def __init__(self, column: Column, dtype: Any, fill: Callable[[int], Any] | None = None) -> None:
        self.count = column.count
        self._values = np.empty(column.count, dtype)  # takes memory as it is filled
        self._shift = STRIPE_LOG2 - self._values.itemsize.bit_length() + 1
        self._fill = fill or column.stripe
        self._missing = np.ones((column.count >> self._shift) + 1, bool)
        self._left = len(self._missing)

    def take(self, places: I64) -> Any:
        """Values at these places."""
        if self._left:
            wanted = np.zeros(len(self._missing), bool)
            wanted[places >> self._shift] = True
            self._load(np.flatnonzero(wanted & self._missing))
        return self._values.take(places, mode="clip")

    def range(self, start: int, stop: int) -> Any:
        """Values start…stop-1, not copied."""
        if self._left and start < stop:
            first, last = start >> self._shift, (stop - 1) >> self._shift
            self._load(first + np.flatnonzero(self._missing[first : last + 1]))
        return self._values[start:stop]

    def _load(self, stripes: I64) -> None:
        for k in stripes.tolist():
            start = k << self._shift
            part = self._values[start : start + (1 << self._shift)]
            if len(part):
                part[:] = self._fill(k)
            self._missing[k] = False
        self._left -= len(stripes)


class Neighbours:
    """One direction of the references. In `others`, what is not followed is `objects`, what is wrong is one more."""

    def __init__(self, side: Side, roles: Roles) -> None:
        self.side = side
        self.ends = Flat(side.ends, np.uint32)
        self._skip = np.frombuffer(roles, np.uint8) == 0
        self.others = Flat(side.others, np.uint32, self._followed)

    def _followed(self, k: int) -> U32:
        stored, roles = stored_stripe(self.side, k)
        nothing, wrong = np.uint32(self.side.objects), np.uint32(self.side.objects + 1)
        others = np.where(stored < nothing, stored, wrong)
        if self.side.forward:
            others[stored >= DANGLING_BIT] = nothing
        others[self._skip[roles]] = nothing
        return others

    def spans(self, ordinals: I64) -> tuple[I64, I64]:
        """First entries of objects, and how many."""
        starts = self.ends.take(ordinals).astype(np.int64)
        stops = self.ends.take(ordinals + 1).astype(np.int64)
        wrong = np.flatnonzero((stops < starts) | (stops > self.others.count))
        if len(wrong):
            first = wrong[0]
            raise self.side.wrong_span(int(ordinals[first]), int(starts[first]), int(stops[first]))
        return starts, stops - starts

    def of(self, ordinals: I64, starts: I64, counts: I64) -> U32:
        """Other ends of all references of these objects that are followed, and `objects` among them."""
        others: U32 = self.others.take(places(starts, counts))
        if len(others) and int(others.max()) > self.side.objects:
            i = int(np.argmax(others))
            owner = int(ordinals[np.searchsorted(np.cumsum(counts), i, side="right")])
            raise self.side.wrong_end(owner, self.side.others[int(places(starts, counts)[i])])
        return others


def stored_stripe(side: Side, k: int) -> tuple[U32, npt.NDArray[np.uint8]]:
    """Stripe k of the other ends, and their roles, whose stripes have four times as many entries."""
    stored = np.frombuffer(side.others.stripe(k), np.uint32)
    at = (k & 3) << (STRIPE_LOG2 - 2)
    return stored, np.frombuffer(side.roles.stripe(k >> 2), np.uint8)[at : at + len(stored)]


def places(starts: I64, counts: I64) -> I64:
    """starts[0], starts[0]+1, … (counts[0] of them), starts[1], …"""
    before = np.cumsum(counts)
    found = np.repeat(starts - (before - counts), counts)
    found += np.arange(len(found))
    return found


class _Large:
    """A walk that goes on with arrays. Mutable."""

    def __init__(self, walk: Walk) -> None:
        self.walk = walk
        self.nothing = walk.objects
        self.seen = np.frombuffer(walk.seen, np.uint8)
        self.seen[self.nothing] = 1
        self.near = [Neighbours(step.side, step.roles) for step in walk.steps]
        self.strides = _Strides(walk, self.near)

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


class _Strides:
    """Steps along narrow stretches. Mutable.

    Objects that lead to one or two others, as those of long chains and loops do, are prepared many at a time once
    their neighbourhood has been met often: a step then costs three lookups. All others are looked at as ever.
    """

    def __init__(self, walk: Walk, near: list[Neighbours]) -> None:
        self.walk, self.near = walk, near
        self.nothing = walk.objects
        self.first = np.empty(walk.objects, np.uint32)
        self.second = np.empty(walk.objects, np.uint32)
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
        first, second, nothing = self.first.data, self.second.data, self.nothing
        for done in range(walk.done, walk.done + STEPS):
            if done == len(found):
                return
            walk.done = done + 1
            ordinal = found[done]
            if met[ordinal >> GROUP_LOG2] < OFTEN:
                self._meet(ordinal >> GROUP_LOG2)
                walk.look_at(ordinal)
                continue
            other = first[ordinal]
            if not seen[other]:
                if other > nothing:
                    walk.look_at(ordinal)
                    continue
                seen[other] = 1
                found.append(other)
            other = second[ordinal]
            if not seen[other]:
                seen[other] = 1
                found.append(other)

    def _meet(self, group: int) -> None:
        self.met[group] += 1
        if self.met[group] == OFTEN:
            start = group << GROUP_LOG2
            stop = min(start + (1 << GROUP_LOG2), self.nothing)
            self.first[start:stop] = self.second[start:stop] = self.nothing
            lead = np.zeros(stop - start, np.int64)
            for number in range(len(self.near)):
                self._prepare(number, start, stop, lead)
            self.first[start:stop][lead > 2] = self.nothing + 1

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
        for place, column in enumerate((self.first, self.second)):
            column[start + owners[rank == place]] = others[rank == place]
        lead += alive
        lead[owners[others > self.nothing]] = MANY


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
