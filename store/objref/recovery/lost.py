"""What of a stream is lost: by where it was stored, or by where it was in the stream."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping

__all__ = ["Fate", "Ranges"]


class Ranges:
    """Ascending ranges that do not touch. Mutable."""

    def __init__(self, ranges: Iterable[tuple[int, int]] = ()) -> None:
        self.starts: list[int] = []
        self.stops: list[int] = []
        self.total = 0
        for start, stop in ranges:
            self.add(start, stop)

    def add(self, start: int, stop: int) -> None:
        """The next one, which starts no earlier than the one before."""
        if self.stops and start <= self.stops[-1]:
            grown = max(stop - self.stops[-1], 0)
            self.stops[-1] += grown
        else:
            grown = stop - start
            self.starts.append(start)
            self.stops.append(stop)
        self.total += grown

    def first(self, most: int) -> list[tuple[int, int]]:
        """The first of them, as (start, stop)."""
        return list(zip(self.starts[:most], self.stops[:most], strict=True))

    def parts(self, start: int, length: int) -> Iterator[tuple[int, bool]]:
        """(length, whether it lies in a range) of the parts of start…start+length-1."""
        i, stop = bisect_right(self.stops, start), start + length
        while start < stop:
            inside = i < len(self.starts) and self.starts[i] <= start
            end = min(stop, (self.stops[i] if inside else self.starts[i]) if i < len(self.starts) else stop)
            yield end - start, inside
            i, start = i + inside, end


class Fate:
    """Which bytes of the sections of a file are lost."""

    def __init__(self, spans: Mapping[int, Iterable[tuple[int, int]]]) -> None:
        self._ranges = {section: Ranges(ranges) for section, ranges in spans.items()}
        self._nothing = Ranges()

    def parts(self, section: int, address: int, length: int) -> Iterator[tuple[int, bool]]:
        """(length, whether it is lost) of the parts of these bytes, which lie together in a section."""
        return self._ranges.get(section, self._nothing).parts(address, length)
