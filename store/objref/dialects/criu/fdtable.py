"""fdinfo-N.img: besides an object for each descriptor, one for the table."""

from __future__ import annotations

from array import array
from collections.abc import Iterator

from objref.dialects.criu.items import PAIR_HIGH, ImageFile
from objref.dialects.criu.state import same_source
from objref.dialects.events import Edges, Event

__all__ = ["TableFile"]


class TableFile(ImageFile):
    """fdinfo-N.img: descriptors, and the table they make together."""

    def end(self) -> Iterator[Event]:
        yield from super().end()
        ordinal = self._numbering.next
        yield self._whole("fdtable", self.number)
        fds = self._state.fd_tables.get(self.number, array("Q"))
        keys = array("Q", (self.number << PAIR_HIGH | fd for fd in fds))
        yield Edges(self.member.layer, *same_source(ordinal, "fd", "fd", keys))
