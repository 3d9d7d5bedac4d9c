"""Which ids are taken."""

from __future__ import annotations

__all__ = ["Taken"]

DENSE = 1 << 26
"""linux-cr counts ids from 1, so a bit for each up to here is enough, 8 MiB at most; others cost about 100 bytes."""


class Taken:
    """A set of ids. Mutable."""

    def __init__(self) -> None:
        self._bits = bytearray()
        self._others: set[int] = set()

    def add(self, key: int) -> bool:
        """Take an id. False when it was taken before."""
        if key >= DENSE:
            before = len(self._others)
            self._others.add(key)
            return len(self._others) > before
        at, bit = key >> 3, 1 << (key & 7)
        if at >= len(self._bits):
            self._bits.extend(bytes(max(at + 1 - len(self._bits), min(len(self._bits), DENSE >> 4), 64)))
        if self._bits[at] & bit:
            return False
        self._bits[at] |= bit
        return True
