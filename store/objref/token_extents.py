"""Where the bytes of a token went: a file, or an object with a payload, that several runs belong to."""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator

from objref_index.objects import NOWHERE

__all__ = ["Extents", "with_holes"]


class Extents:
    """Where the bytes of a token went, in order. Mutable."""

    __slots__ = ("ends", "length", "lengths", "where")

    def __init__(self) -> None:
        self.where = array("Q")
        self.lengths = array("Q")
        self.ends = array("Q")
        self.length = 0

    def add(self, where: int, length: int, merge: bool = True) -> None:
        """`where` is section << 48 | address."""
        self.length += length
        if merge and self.where and self.where[-1] + self.lengths[-1] == where:
            self.lengths[-1] += length
            self.ends[-1] += length
            return
        self.where.append(where)
        self.lengths.append(length)
        self.ends.append(self.length)

    def span(self, offset: int, length: int) -> Iterator[tuple[int, int]]:
        """(where, length) of the extents that hold these bytes."""
        i = bisect_right(self.ends, offset)
        while length:
            inside = offset - (self.ends[i] - self.lengths[i])
            part = min(length, self.lengths[i] - inside)
            yield self.where[i] + inside, part
            offset += part
            length -= part
            i += 1


def with_holes(extents: Extents, runs: tuple[tuple[int, int], ...], size: int) -> Iterator[tuple[int, int, int]]:
    """Rows of a file with holes: data from the extents, zero bytes between."""
    stored = at = 0
    for offset, length in (*runs, (size, 0)):
        if offset > at:
            yield at, NOWHERE << 48, offset - at
        at = offset
        for where, part in extents.span(stored, length):
            yield at, where, part
            at += part
        stored += length
