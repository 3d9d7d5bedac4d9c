"""From offsets in strands to addresses in the container that is being written. Needs numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

import numpy as np

from objref.container.format import ADDRESS_MASK
from objref_index.arrays import Ints, different

__all__ = ["Placing"]

MASK, SHIFT = np.uint64(ADDRESS_MASK), np.uint64(48)


class _Strand:
    """Where the bytes of one strand went: from each of these offsets on, to these addresses. Mutable."""

    def __init__(self, section: int) -> None:
        self.section = section
        self.offsets, self.addresses = array("Q"), array("Q")
        self.length = self.next = 0

    def add(self, address: int, length: int) -> None:
        """The next bytes went to that address."""
        if address != self.next or not self.offsets:
            self.offsets.append(self.length)
            self.addresses.append(address)
        self.length += length
        self.next = address + length


class Placing:
    """Where the bytes of all strands went. Mutable. Strands are numbered from 1, in the order of `open`."""

    def __init__(self) -> None:
        self._strands: dict[int, _Strand] = {}

    def went(self, strand: int, section: int, address: int, length: int) -> None:
        """The next bytes of a strand went to an address of a section."""
        found = self._strands.get(strand)
        if found is None:
            found = self._strands[strand] = _Strand(section)
        found.add(address, length)

    def place(self, where: Ints, lengths: Ints) -> tuple[Ints, Ints]:
        """`section << 48 | address` for `strand << 48 | offset`, and which of them are in more than one place."""
        strands, offsets = where >> SHIFT, where & MASK
        placed, split = np.zeros(len(where), np.uint64), np.zeros(len(where), bool)
        for number in different(strands):
            strand = self._strands.get(number)
            if strand is None:  # a hole, or what has no bytes
                continue
            mine = strands == number
            starts, addresses = np.array(strand.offsets, np.uint64), np.array(strand.addresses, np.uint64)
            low = offsets[mine]
            first = np.searchsorted(starts, low, side="right") - 1
            last = low + np.maximum(lengths[mine], np.uint64(1)) - np.uint64(1)
            placed[mine] = np.uint64(strand.section << 48) + addresses[first] + (low - starts[first])
            split[mine] = np.searchsorted(starts, last, side="right") - 1 != first
        return placed, split

    def pieces(self, where: int, length: int) -> Iterator[tuple[int, int]]:
        """(place, length) of the parts of bytes in more than one place."""
        strand, offset = self._strands[where >> 48], where & ADDRESS_MASK
        i = int(np.searchsorted(np.array(strand.offsets, np.uint64), np.uint64(offset), side="right")) - 1
        while length:
            end = strand.offsets[i + 1] if i + 1 < len(strand.offsets) else strand.length
            part = min(length, end - offset)
            yield strand.section << 48 | strand.addresses[i] + offset - strand.offsets[i], part
            offset, length, i = offset + part, length - part, i + 1
