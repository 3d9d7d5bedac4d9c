"""Pages of a task's memory against the areas that it has, for dialects that keep both."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator

__all__ = ["Range", "joined", "outside", "unsorted"]

Range = tuple[int, int]
"""start, stop"""


def joined(ranges: Iterable[Range]) -> list[Range]:
    """Ascending, those that touch or overlap as one."""
    found: list[Range] = []
    for start, stop in sorted(ranges):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(stop, found[-1][1])
        else:
            found.append((start, stop))
    return found


def outside(pages: Iterable[Range], areas: list[Range]) -> Iterator[Range]:
    """Those of the pages that are not all in one of the areas, which are `joined`."""
    starts = [start for start, _ in areas]
    for start, stop in pages:
        i = bisect_right(starts, start) - 1
        if start < stop and (i < 0 or stop > areas[i][1]):
            yield start, stop


def unsorted(areas: Iterable[Range], unit: int = 1) -> Iterator[tuple[Range, str]]:
    """The first area that cannot be, and why."""
    last = 0
    for start, stop in areas:
        if start >= stop or start % unit or stop % unit:
            yield (start, stop), "is empty, or not one of whole pages"
            return
        if start < last:
            yield (start, stop), f"begins before the one before it ends, at {last:#x}"
            return
        last = stop
