"""Where the pages of a memory went: rows of (address, offset among the pages stored for it, length)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from objref.dialects.events import Derived, Note

__all__ = ["Memory"]

TOP = 1 << 64
LOOK = 4096
"""Addresses that are looked at together: most are a row."""


class Memory:
    """The pages of one mm or shared segment. About 24 bytes for each run of pages. Mutable."""

    __slots__ = ("at", "key", "kind", "lengths", "name", "offsets", "outside", "stored", "token")

    def __init__(self, kind: int, name: str, key: int, token: int) -> None:
        self.kind, self.name, self.key, self.token = kind, name, key, token
        self.stored = self.outside = 0
        self.at, self.offsets, self.lengths = array("Q"), array("Q"), array("Q")

    def add(self, addresses: array[int], page: int, scale: int) -> None:
        """Pages that come next in the stream; their addresses, in units of `scale` bytes."""
        step = page // scale
        for i in range(0, len(addresses), LOOK):
            part = addresses[i : i + LOOK]
            n, first = len(part), part[0]
            if part.tolist() == list(range(first, first + n * step, step)):
                self._add(first * scale, n * page)
            else:
                for address in part:
                    self._add(address * scale, page)

    def _add(self, at: int, length: int) -> None:
        if at + length >= TOP:
            self.outside += length
        elif self.at and self.at[-1] + self.lengths[-1] == at and self.offsets[-1] + self.lengths[-1] == self.stored:
            self.lengths[-1] += length
        else:
            self.at.append(at)
            self.offsets.append(self.stored)
            self.lengths.append(length)
        self.stored += length

    def clip(self, stored: int) -> None:
        """The stream was cut: only so many bytes of pages came."""
        while self.offsets and self.offsets[-1] + self.lengths[-1] > stored:
            keep = max(stored - self.offsets[-1], 0)
            if keep:
                self.lengths[-1] = keep
                break
            for column in (self.at, self.offsets, self.lengths):
                column.pop()
        self.stored = min(self.stored, stored)

    def derive(self) -> Iterator[Derived | Note]:
        """The memory, ascending and without overlap: of two pages for one address the first stays."""
        order: list[int] | range = range(len(self.at))
        if any(a > b for a, b in zip(self.at, self.at[1:], strict=False)):
            order = sorted(order, key=self.at.__getitem__)
        at, tokens, offsets, lengths = array("Q"), array("Q"), array("Q"), array("Q")
        end, lost = 0, self.outside
        for i in order:
            if self.at[i] < end:
                lost += self.lengths[i]
                continue
            end = self.at[i] + self.lengths[i]
            at.append(self.at[i])
            tokens.append(self.token)
            offsets.append(self.offsets[i])
            lengths.append(self.lengths[i])
        yield Derived(self.kind, 0, self.key, True, at, tokens, offsets, lengths)
        if lost:
            text = f"{lost} bytes of pages at addresses beyond the top, or that others have already: not part of it"
            yield Note("overlap", f"{self.name}:{self.key}", text)
