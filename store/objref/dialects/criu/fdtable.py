"""fdinfo-N.img: besides an object for each descriptor, one for the table."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any

from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.state import same_source
from objref.dialects.events import Edges, Event, Objects

__all__ = ["TableFile"]


class TableFile(ImageFile):
    """fdinfo-N.img: descriptors, and the table they make together."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._fds = array("Q")

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        for event in super()._objects(buffer, starts, lengths):
            if isinstance(event, Objects):
                self._fds.extend(event.keys)
            yield event

    def end(self) -> Iterator[Event]:
        yield from super().end()
        ordinal = self._numbering.next
        yield self._whole("fdtable", self.number)
        yield Edges(self.member.layer, *same_source(ordinal, "fd", "fd", self._fds))
