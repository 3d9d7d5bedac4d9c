"""An object of an image, and the references between objects."""

from __future__ import annotations

from bisect import bisect_right
from operator import attrgetter

from objref.errors import LimitError, NotFoundError, UsageError
from objref_index import Edge, Extent, Row
from objref_index.objects import LISTED, NOWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, TypeAlias

    from objref.image import Image

__all__ = ["Object", "Reference"]

ZEROS = 1 << 20
Bytes: TypeAlias = bytes
"""`bytes` is the name of a property below."""


_place = attrgetter("at")


class Object:
    """One object. Its bytes are read, and checked, when asked for."""

    __slots__ = ("_extents", "_image", "ordinal", "row")

    def __init__(self, image: Image, ordinal: int, row: Row) -> None:
        self._image = image
        self.ordinal = ordinal
        """Its number in the image, from 0, in stream order."""
        self.row = row
        """Its row in the objects table: kind, place in the stream, length."""
        self._extents: Any = None

    @property
    def objref(self) -> str:
        """Its id, such as `file:31`."""
        return self._image.objref(self.ordinal, self.row.kind)

    @property
    def kind(self) -> str:
        """What it is: task, mm, file, mem, …"""
        return self._image.kind_name(self.row.kind)

    @property
    def layer(self) -> int:
        """The layer it belongs to, 0 the newest."""
        prefix, slash, _ = self.objref.partition(":")[0].partition("/")
        return int(prefix) if slash else 0

    @property
    def size(self) -> int:
        """Bytes that it holds. Of memory: what is in the image, not what the addresses span."""
        return self.row.length

    @property
    def _list(self) -> Any:
        if self._extents is None:
            self._extents = self._image.object_table.extents(self.row)
        return self._extents

    @property
    def sparse(self) -> bool:
        """Whether offsets are addresses (a task's memory, a shared segment) with gaps between."""
        return self.row.section == LISTED and bool(self._list.sparse)

    @property
    def ranges(self) -> list[tuple[int, int]]:
        """(start, stop) of what there is, ascending; ranges that touch are one. Not sparse: [(0, size)]."""
        joined: list[tuple[int, int]] = []
        for extent in self._list.extents:
            if joined and joined[-1][1] == extent.at:
                joined[-1] = (joined[-1][0], extent.at + extent.length)
            else:
                joined.append((extent.at, extent.at + extent.length))
        return joined

    # -- bytes ---------------------------------------------------------------------------------------------

    @property
    def bytes(self) -> Bytes:
        """All its bytes. LimitError for large ones (see `limits.read`): use `read` or `chunks`."""
        if self.sparse:
            raise UsageError(f"{self.objref} is addressed and has gaps: read a range of {self._span()}")
        return self._joined(self.chunks(), self.size)

    def _span(self) -> str:
        ranges = self.ranges
        return f"{ranges[0][0]:#x}…{ranges[-1][1]:#x}" if ranges else "nothing"

    def _joined(self, chunks: Iterator[Bytes | memoryview], size: int) -> Bytes:
        self._within_limit(size)
        return b"".join(chunks)

    def _within_limit(self, size: int) -> None:
        limit = self._image.container.limits.read
        if size > limit:
            raise LimitError(f"{self.objref}: {size} bytes at once, limit {limit}: read ranges")

    def view(self, start: int | None = None, stop: int | None = None) -> memoryview:
        """Bytes start…stop-1 (offsets, or addresses of memory; default: all), without a copy where that can be had.

        Of an image with raw pages (`Options(pages="raw")`, `objref repack --pages raw`) that was opened with access
        "map", this is the file's own memory when the pages lie together in it: page-aligned, read-only, checked at its
        first touch, and mapped as long as the view lives. Zero pages and pages that are stored once for several places
        break a run, and what spans such a break is a copy, limited as `read` is. `numpy.frombuffer(view, ...)` takes it
        as it is.

        >>> memory = image["mem:17"].view(0x7F0000000000, 0x7F0000200000)  # doctest: +SKIP
        >>> numpy.frombuffer(memory, "<u8")  # doctest: +SKIP
        """
        if start is None and self.sparse:
            raise UsageError(f"{self.objref} is addressed and has gaps: view a range of {self._span()}")
        start = 0 if start is None else start
        stop = self._stop(start, stop)
        found = self._place(start, stop)
        if found is None:
            return memoryview(self.read(start, stop))
        return self._image.container.view(*found, stop - start)

    def _place(self, start: int, stop: int) -> tuple[int, int] | None:
        """(section, address) of bytes start…stop-1, if extents that follow each other hold all of them."""
        section = address = NOWHERE
        at = start
        for extent in self._list.extents:
            if extent.at + extent.length <= at or at >= stop:
                continue
            if extent.at > at or extent.section == NOWHERE:
                return None
            where = extent.address + at - extent.at
            if at == start:
                section, address = extent.section, where
            elif (extent.section, where) != (section, address + at - start):
                return None
            at = extent.at + extent.length
        return (section, address) if at >= stop > start else None

    @property
    def parts(self) -> list[Bytes]:
        """Its extents one by one: of an object with a payload, the message first."""
        extents = self._list.extents
        self._within_limit(self.size)
        return [b"".join(self._read_extent(e, 0, e.length)) for e in extents]

    def places(self) -> list[tuple[int, int]]:
        """(offset, length) in the file of all its bytes, in order, holes and zero pages left out. They are checked.

        UsageError where bytes do not lie in the file as they are: in a container that packs them.
        """
        found: list[tuple[int, int]] = []
        for extent in self._list.extents:
            if extent.section == NOWHERE:
                continue
            for offset, length in self._image.container.places(extent.section, extent.address, extent.length):
                if found and sum(found[-1]) == offset:
                    offset, length = found[-1][0], found.pop()[1] + length
                found.append((offset, length))
        return found

    def read(self, start: int = 0, stop: int | None = None) -> Bytes:
        """Bytes start…stop-1: offsets, or addresses of memory.

        As in a slice, a `stop` beyond the end is the end, so fewer bytes come (`objref get --range` refuses that).
        Unlike in one, a `start` beyond it, numbers below 0 and a `stop` before `start` are a UsageError, and addresses
        that are not in the image a NotFoundError: memory has gaps, not an end.
        """
        stop = self._stop(start, stop)
        return self._joined(self.chunks(start, stop), stop - start)

    def _stop(self, start: int, stop: int | None) -> int:
        if stop is None:
            stop = self.size if not self.sparse else (self.ranges or [(0, 0)])[-1][1]
        elif not self.sparse and hasattr(stop, "__index__"):
            stop = min(stop, self.size)
        if not (hasattr(start, "__index__") and hasattr(stop, "__index__")):
            raise UsageError(f"{self.objref}: a range is two numbers, not {start!r} and {stop!r}")
        if not 0 <= start <= stop:
            raise UsageError(f"{self.objref}: range {start:#x}…{stop:#x} is not ascending or lies outside")
        return stop

    def chunks(self, start: int | None = None, stop: int | None = None) -> Iterator[Bytes | memoryview]:
        """The bytes of a range, block by block, for objects of any size."""
        if start is None:
            start = self._list.extents[0].at if self._list.extents else 0
        stop = self._stop(start, stop)
        at, extents = start, self._list.extents
        for i in range(max(bisect_right(extents, start, key=_place) - 1, 0), len(extents)):
            extent = extents[i]
            if extent.at >= stop:
                break
            low, high = max(extent.at, at), min(extent.at + extent.length, stop)
            if low >= high:
                continue
            if low > at:
                raise self._absent(at, min(low, stop))
            yield from self._read_extent(extent, low - extent.at, high - low)
            at = high
        if at < stop:
            raise self._absent(at, stop)

    def stored_chunks(self) -> Iterator[Bytes | memoryview]:
        """The bytes of all `ranges`, one after the other: of memory, what there is, without the gaps."""
        for extent in self._list.extents:
            yield from self._read_extent(extent, 0, extent.length)

    def _absent(self, start: int, stop: int) -> NotFoundError:
        return NotFoundError(f"{self.objref}: {start:#x}…{stop:#x} is not in the image")

    def _read_extent(self, extent: Extent, offset: int, length: int) -> Iterator[Bytes | memoryview]:
        if extent.section == NOWHERE:
            for done in range(0, length, ZEROS):
                yield bytes(min(length - done, ZEROS))
        else:
            yield from self._image.container.chunks(extent.section, extent.address + offset, length)

    # -- meaning -------------------------------------------------------------------------------------------

    def decode(self) -> dict[str, Any]:
        """Its fields, as `crit show` names and writes them. UsageError for kinds without fields."""
        return self._image.dialect.decode(self)

    @property
    def decodes(self) -> bool:
        """Whether it has fields."""
        return self._image.dialect.decodes(self)

    @property
    def brief(self) -> str:
        """One line about it; empty when there is nothing to say."""
        return self._image.dialect.brief(self)

    @property
    def references(self) -> list[Reference]:
        """What it refers to."""
        return self._image.references(self.ordinal)

    @property
    def referrers(self) -> list[Reference]:
        """What refers to it."""
        return self._image.referrers(self.ordinal)

    def __repr__(self) -> str:
        return f"<{self.objref}: {self.size} bytes>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Object) and other._image is self._image and other.ordinal == self.ordinal

    def __hash__(self) -> int:
        return hash((id(self._image), self.ordinal))


class Reference:
    """A reference: `role`, `strength` (H, S, K, O), and both ends."""

    __slots__ = ("_edge", "_image")

    def __init__(self, image: Image, edge: Edge) -> None:
        self._image = image
        self._edge = edge

    @property
    def role(self) -> str:
        """What the reference means: parent, file, peer, …"""
        return self._image.role(self._edge.role).name

    @property
    def strength(self) -> str:
        """H: the target must exist; S: it may be missing; K: belongs together; O: one exists because of the other."""
        return self._image.role(self._edge.role).strength

    @property
    def source(self) -> Object:
        """The object that refers."""
        return self._image.by_ordinal(self._edge.source)

    @property
    def target(self) -> Object | None:
        """The object that is referred to; None when it is not in the image."""
        return None if self._edge.target is None else self._image.by_ordinal(self._edge.target)

    @property
    def target_objref(self) -> str:
        """The id that is referred to, also when it is not in the image."""
        target = self.target
        return self._image.dangling_objref(self._edge.dangling) if target is None else target.objref

    @property
    def dangling(self) -> bool:
        """Whether the target is not in the image."""
        return self._edge.target is None

    def __repr__(self) -> str:
        lost = " (dangling)" if self.dangling else ""
        return f"<{self.source.objref} {self.role} {self.target_objref}{lost}>"
