"""The reference arrays as numpy arrays, filled stripe by stripe as they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from objref_index.columns import STRIPE_LOG2, Column
from objref_index.references import DANGLING_BIT, Side
from objref_index.traversal import Roles

__all__ = ["I64", "U32", "Flat", "Neighbours", "places"]

U32: TypeAlias = npt.NDArray[np.uint32]
I64: TypeAlias = npt.NDArray[np.int64]

ENTRIES_LOG2 = STRIPE_LOG2 - 2
"""Other ends in a stripe."""


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
        self._empty = np.zeros((side.others.count >> ENTRIES_LOG2) + 1, bool)
        """Loaded stripes in which nothing is followed: most, where ownership is looked for."""

    def _followed(self, k: int) -> U32:
        stored, roles = stored_stripe(self.side, k)
        nothing, wrong = np.uint32(self.side.objects), np.uint32(self.side.objects + 1)
        others = np.where(stored < nothing, stored, wrong)
        if self.side.forward:
            others[stored >= DANGLING_BIT] = nothing
        others[self._skip[roles]] = nothing
        self._empty[k] = not np.any(others != nothing)
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
        if self._empty.any():
            some = self._some(starts, counts)
            ordinals, starts, counts = ordinals[some], starts[some], counts[some]
        others: U32 = self.others.take(places(starts, counts))
        if len(others) and int(others.max()) > self.side.objects:
            i = int(np.argmax(others))
            owner = int(ordinals[np.searchsorted(np.cumsum(counts), i, side="right")])
            raise self.side.wrong_end(owner, self.side.others[int(places(starts, counts)[i])])
        return others

    def _some(self, starts: I64, counts: I64) -> I64:
        """Those of these objects that may lead anywhere."""
        first, last = starts >> ENTRIES_LOG2, (starts + np.maximum(counts, 1) - 1) >> ENTRIES_LOG2
        return np.flatnonzero((counts > 0) & ~(self._empty[first] & self._empty[last] & (last - first < 2)))


def stored_stripe(side: Side, k: int) -> tuple[U32, npt.NDArray[np.uint8]]:
    """Stripe k of the other ends, and their roles, whose stripes have four times as many entries."""
    stored = np.frombuffer(side.others.stripe(k), np.uint32)
    at = (k & 3) << ENTRIES_LOG2
    return stored, np.frombuffer(side.roles.stripe(k >> 2), np.uint8)[at : at + len(stored)]


def places(starts: I64, counts: I64) -> I64:
    """starts[0], starts[0]+1, … (counts[0] of them), starts[1], …"""
    before = np.cumsum(counts)
    found = np.repeat(starts - (before - counts), counts)
    found += np.arange(len(found))
    return found
