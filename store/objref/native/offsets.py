"""From addresses, which depend on how an image is stored, to offsets in strands, which do not. Needs numpy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from objref.backing import Backing
from objref.container import format as f
from objref.errors import FormatError
from objref_index.arrays import Ints

__all__ = ["Offsets", "offsets_of"]


class Offsets(NamedTuple):
    """The pieces of a section: their first addresses, lengths, and how many bytes of the strand come before."""

    name: str
    starts: Ints
    lengths: Ints
    before: Ints

    def of(self, addresses: Ints, lengths: Ints) -> Ints:
        """Offsets of runs of bytes; FormatError for one that is not in pieces that follow each other (R17)."""
        if not len(self.starts):
            raise FormatError(f"section {self.name}: objects in it, but it has no pieces (R17)")
        first = self._piece(addresses)
        found: Ints = self.before[first] + (addresses - self.starts[first])
        last = addresses + np.maximum(lengths, np.uint64(1)) - np.uint64(1)
        final = self._piece(last)
        inside = last - self.starts[final]
        sound = (inside < self.lengths[final]) & (self.before[final] + inside == found + (last - addresses))
        sound |= (lengths == 0) & (addresses - self.starts[first] <= self.lengths[first])
        if not sound.all():
            bad = int(np.argmin(sound))
            raise FormatError(
                f"section {self.name}: {int(lengths[bad])} bytes at address {int(addresses[bad]):#x} "
                "are not all in the image (R17)"
            )
        return found

    def _piece(self, addresses: Ints) -> Ints:
        found: Ints = np.searchsorted(self.starts, addresses, side="right") - 1  # the first piece starts at 0
        return found


def offsets_of(container: Backing, section: f.Section) -> Offsets:
    """Those of a section. Of the page table in bytes of pages, as extents name them."""
    scale = np.uint64(f.PAGE // 4 if section.role == f.PAGE_TABLE else 1)
    pieces = container.pieces(section.id)
    starts, lengths = (np.array([getattr(p, name) for p in pieces], np.uint64) for name in ("address", "length"))
    before = np.cumsum(np.r_[np.uint64(0), lengths[:-1]], dtype=np.uint64) if pieces else lengths
    return Offsets(section.name, starts * scale, lengths * scale, before * scale)
