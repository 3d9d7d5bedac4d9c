"""The references of objects as payloads of REFERENCES. Needs numpy."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from objref.backing import Backing
from objref.errors import FormatError
from objref.native import layout as n
from objref_index.arrays import Ints, window
from objref_index.references import DANGLING_BIT, Side

__all__ = ["EdgePayloads"]

AT_ONCE = 32768


class EdgePayloads:
    """Reads the references of an image, forward."""

    def __init__(self, container: Backing) -> None:
        self._table = container.references()
        self._side = self._table.side(True)
        self._names = container.column("dangling")

    def of(self, start: int, stop: int) -> Iterator[tuple[int, list[bytes]]]:
        """(references, payload) of objects start…stop-1."""
        side = self._side
        if side is None:
            return
        ends = window(side.ends, start, stop + 1).astype(np.int64)
        if (np.diff(ends) < 0).any() or int(ends[-1]) > side.others.count:
            raise FormatError(f"index: reference ends of objects {start}…{stop} do not ascend")
        sources = np.repeat(np.arange(start, stop, dtype="<u4"), np.diff(ends))
        first, last = int(ends[0]), int(ends[-1])
        for at in range(first, last, AT_ONCE):
            end = min(last, at + AT_ONCE)
            yield end - at, self._payload(side, sources[at - first : end - first], at, end)

    def _payload(self, side: Side, sources: Ints, at: int, end: int) -> list[bytes]:
        targets, roles = window(side.others, at, end).copy(), window(side.roles, at, end)
        lost = np.flatnonzero(targets & np.uint32(DANGLING_BIT))
        names = self._dangling(targets[lost] ^ np.uint32(DANGLING_BIT))
        targets[lost] = np.uint32(DANGLING_BIT) + np.arange(len(lost), dtype=np.uint32)
        head = n.COUNTS.pack(len(sources), len(lost))
        return [
            head,
            names.astype("<u8").tobytes(),
            sources.tobytes(),
            targets.astype("<u4").tobytes(),
            roles.tobytes(),
        ]

    def _dangling(self, places: Ints) -> Ints:
        """(key, kind | layer << 16) of dangling references. They mostly follow each other."""
        if not len(places):
            return np.zeros((0, 2), np.uint64)
        low, high = int(places.min()), int(places.max()) + 1
        if self._names is not None and 2 * high <= self._names.count and high - low <= 4 * len(places):
            return window(self._names, 2 * low, 2 * high).reshape(-1, 2)[places.astype(np.int64) - low]
        found = [self._table.dangling(int(i)) for i in places]
        return np.array([(name.key, name.kind | name.layer << 16) for name in found], np.uint64)
