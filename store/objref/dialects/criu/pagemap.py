"""pagemap-N.img: many items that are one object (memory.py makes memory of it)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

from objref.dialects.criu.items import ImageFile
from objref.dialects.criu.parsing import parser
from objref.dialects.criu.state import same_source
from objref.dialects.events import Edges, Event

__all__ = ["Pagemap", "PagemapFile"]


class Pagemap(NamedTuple):
    """A page map as it was read: where each entry is, its pages, its flags (1 parent, 2 lazy, 4 present)."""

    pages_id: int
    vaddr: array[int]
    pages: array[int]
    flags: array[int]


class PagemapFile(ImageFile):
    """pagemap-N.img: one object with all its entries, which are also kept for the memory they describe."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._map = Pagemap(0, array("Q"), array("Q"), array("B"))
        self._has_head = False
        self.foreign = False

    @property
    def pagemap(self) -> Pagemap | None:
        """The entries, or None when they do not tell where pages are."""
        return self._map if self._has_head and not self.foreign else None

    def _objects(self, buffer: bytes, starts: array[int], lengths: array[int]) -> Iterator[Event]:
        from google.protobuf.unknown_fields import UnknownFieldSet

        head, entry = parser("pagemap_head"), parser("pagemap_entry")
        for start, length in zip(starts, lengths, strict=True):
            item = buffer[start : start + length]
            try:
                if not self._index:
                    self._map = self._map._replace(pages_id=head(item).pages_id)
                    self._has_head = True
                else:
                    message = entry(item)
                    self.foreign |= len(UnknownFieldSet(message)) > 0
                    self._keep(message)
            except ValueError as error:
                yield self._note("unparsed", f"item {self._index} does not parse ({error}); its pages are not found")
                self.foreign = True
            self._index += 1

    def _keep(self, m: Any) -> None:
        flags = m.flags if m.HasField("flags") else 4
        if m.in_parent:
            flags = flags | 1 if m.HasField("flags") else 1
        self._map.vaddr.append(m.vaddr)
        self._map.pages.append(m.nr_pages if m.HasField("nr_pages") else m.compat_nr_pages)
        self._map.flags.append(flags & 0xFF)

    def end(self) -> Iterator[Event]:
        yield from super().end()
        if self.foreign:
            yield self._note("foreign", "has entries of a newer CRIU (compressed pages?); memory is not addressable")
        ordinal = self._numbering.next
        yield self._whole(self.spec.kind, self.number)
        if self._has_head:
            yield Edges(self.member.layer, *same_source(ordinal, "pages", "pages", array("Q", [self._map.pages_id])))
