"""Whether two tables tell of the same pairs, in any order, in memory that does not grow with them.

Each pair becomes a random-looking number, the same wherever it appears, and the numbers are added up. Sums are kept in
buckets of neighbouring keys, so a difference has a place. The secret is drawn anew for each verification: nobody can
write a file whose differences cancel out, and by chance they do once in 2^64.
"""

from __future__ import annotations

import os

import numpy as np

from objref_index.arrays import Ints

__all__ = ["PairSums", "RunSums"]

BUCKETS = 1 << 12
MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
"""splitmix64's finalizer (Steele, Lea, Flood: Fast Splittable Pseudorandom Number Generators, 2014)."""


class PairSums:
    """Two sums of pairs (key, value) that should be the same, keys below `keys`. Mutable."""

    def __init__(self, keys: int) -> None:
        self._shift = np.uint64(max((max(keys, 1) - 1).bit_length() - 12, 0))
        self._sums = np.zeros(BUCKETS, np.uint64)
        self._secret = np.frombuffer(os.urandom(16), np.uint64) | np.uint64(1)

    def add(self, keys: Ints, values: Ints) -> None:
        """Pairs of the first table."""
        np.add.at(self._sums, self._buckets(keys), self._numbers(keys, values))

    def take(self, keys: Ints, values: Ints) -> None:
        """Pairs of the second table."""
        np.subtract.at(self._sums, self._buckets(keys), self._numbers(keys, values))

    def differences(self) -> list[tuple[int, int]]:
        """Ranges (first key, last key + 1) in which the tables differ."""
        size = 1 << int(self._shift)
        return [(int(b) * size, (int(b) + 1) * size) for b in np.flatnonzero(self._sums)]

    def _buckets(self, keys: Ints) -> Ints:
        buckets: Ints = np.minimum(keys.astype(np.uint64) >> self._shift, np.uint64(BUCKETS - 1))
        return buckets.astype(np.int64)

    def _numbers(self, keys: Ints, values: Ints) -> Ints:
        """Two rounds: one number for two of 64 bits."""
        return self._mix(
            self._mix(keys.astype(np.uint64) + self._secret[0]) ^ values.astype(np.uint64) * self._secret[1]
        )

    def _mix(self, x: Ints) -> Ints:
        x = (x ^ (x >> np.uint64(30))) * MIX[0]
        x = (x ^ (x >> np.uint64(27))) * MIX[1]
        mixed: Ints = x ^ (x >> np.uint64(31))
        return mixed


class RunSums:
    """The same of pairs that mostly follow each other with one value: a run counts for where it begins and where it
    ends, and where two runs of one value meet, both cancel out. Mutable."""

    def __init__(self, keys: int) -> None:
        self._ends = PairSums(keys + 1)

    def add(self, keys: Ints, values: Ints) -> None:
        """Pairs of the first table."""
        starts, stops, same = _runs(keys, values)
        self._ends.add(starts, same)
        self._ends.take(stops, same)

    def take(self, keys: Ints, values: Ints) -> None:
        """Pairs of the second table."""
        starts, stops, same = _runs(keys, values)
        self._ends.take(starts, same)
        self._ends.add(stops, same)

    def take_run(self, start: int, stop: int, value: int) -> None:
        """Pairs of the second table, whose keys are start…stop-1."""
        ends, same = np.array([start, stop]), np.array([value])
        self._ends.take(ends[:1], same)
        self._ends.add(ends[1:], same)

    def differences(self) -> list[tuple[int, int]]:
        """Ranges (first key, last key + 1) in which differences begin or end."""
        return self._ends.differences()


def _runs(keys: Ints, values: Ints) -> tuple[Ints, Ints, Ints]:
    """(first key, last key + 1, value) of each run."""
    cuts = np.flatnonzero((np.diff(keys) != 1) | (np.diff(values) != 0)) + 1
    starts = np.r_[0, cuts] if len(keys) else cuts
    lasts = np.r_[cuts, len(keys)] - 1 if len(keys) else cuts
    return keys[starts], keys[lasts] + 1, values[starts]
