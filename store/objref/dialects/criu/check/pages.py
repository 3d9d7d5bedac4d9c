"""Page maps: against themselves, the areas of their task, and their pages files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import chain
from typing import TYPE_CHECKING

from objref.dialects.areas import Range, joined, outside
from objref.dialects.checks import Found
from objref.dialects.criu.check.areas import areas_of
from objref.dialects.criu.check.layer import Layer, layers_of
from objref.dialects.criu.kinds import FILES, ImageName
from objref.dialects.criu.member import Member, Numbering
from objref.dialects.criu.memory import DEFAULT_PAGE, PRESENT
from objref.dialects.criu.pagemap import Pagemap, PagemapFile
from objref.dialects.criu.state import LayerState

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image
    from objref.object import Object

__all__ = ["look_at_pages"]

LAZY = 2
AT_PAGESZ = 6
PAGE_SIZES = (1 << 12, 1 << 14, 1 << 16)
TOP = 1 << 64
Wrong = tuple[str, int, int, str]
"""Name of a finding, start and stop of an entry, why."""


def look_at_pages(image: Image, tick: Tick) -> Iterator[Found]:
    """All page maps, and pages files that several of them claim."""
    page = 0
    for layer in layers_of(image, tick):
        page = _page_size(layer) or page  # pre-dumps do not say it, and are of the same machine
        claimed: dict[int, str] = {}
        for kind in ("pagemap", "pagemap-shmem"):
            for key in layer.keys(kind):
                where = layer.name(kind, key)
                if not layer.matters(kind, key):
                    continue
                file = _read(image.space(kind, layer.number).object(key))
                if file.foreign:
                    yield Found("newer", where, "has entries with fields that are not known")
                elif file.pagemap is None:
                    yield Found("no-head", where, "does not say which pages file it is for")
                else:
                    yield from _one(layer, where, file.pagemap, _areas(layer, kind, key), page)
                    if claimed.setdefault(file.pagemap.pages_id, where) != where:
                        other = claimed[file.pagemap.pages_id]
                        text = f"pages-{file.pagemap.pages_id}.img is also that of {other}"
                        yield Found("pages-shared", where, text, (where, other))


def _page_size(layer: Layer) -> int:
    for _, mm in layer.each("mm"):
        auxv = mm.mm_saved_auxv
        size = dict(zip(auxv[::2], auxv[1::2], strict=False)).get(AT_PAGESZ, 0)
        if size in PAGE_SIZES:
            return int(size)
    return 0


def _read(found: Object) -> PagemapFile:
    """Through the same splitter that imports use: 17 bytes an entry."""
    member = Member(found.objref, 0, 1, found.size, None, found.size)
    limits = found._image.container.limits
    file = PagemapFile(member, Numbering(), ImageName(FILES["pagemap"], 0), LayerState(), limits)
    for chunk in found.chunks():
        for _ in file.feed(memoryview(chunk)):
            pass  # what it says was said at the import
    return file


def _areas(layer: Layer, kind: str, key: int) -> list[Range] | None:
    """Where pages may be, areas that touch as one; None: anywhere."""
    mm = layer.get("mm", key) if kind == "pagemap" else None
    areas = [] if mm is None else areas_of(layer, key, mm)
    if not areas:
        return None
    return joined((area.start, area.end) for area in areas)


# -- one page map -------------------------------------------------------------------------------------------


def _one(layer: Layer, where: str, found: Pagemap, areas: list[Range] | None, page: int) -> Iterator[Found]:
    present = sum(n for n, flags in zip(found.pages, found.flags, strict=True) if flags & PRESENT)
    stored = layer.image.space("pages", layer.number).object(found.pages_id) if _stored(layer, found) else None
    size = page or _guessed(stored, present)
    yield from _entries(where, found, areas, size)
    lazy = sum(n for n, flags in zip(found.pages, found.flags, strict=True) if flags & LAZY and not flags & PRESENT)
    if lazy:
        yield Found("lazy", where, f"{lazy} pages were left to a page server")
    if stored is not None and stored.size != present * size:
        what = "pages-short" if stored.size < present * size else "pages-long"
        text = f"describes {present * size} bytes of pages, pages-{found.pages_id}.img has {stored.size}"
        yield Found(what, where, text, (where, stored.objref))


def _stored(layer: Layer, found: Pagemap) -> bool:
    return layer.has("pages", found.pages_id)


def _guessed(stored: Object | None, present: int) -> int:
    """Of a dump without any mm: as the import has it (docs/criu.md, 4)."""
    if stored is not None and present and stored.size // present in PAGE_SIZES and not stored.size % present:
        return stored.size // present
    return DEFAULT_PAGE


def _entries(where: str, found: Pagemap, areas: list[Range] | None, page: int) -> Iterator[Found]:
    """Of each way to be wrong the first entry, and how many more there are."""
    first: dict[str, str] = {}
    counts: Counter[str] = Counter()
    for what, start, stop, why in chain(_unordered(found, page), _outside(found, areas, page)):
        first.setdefault(what, f"entry {start:#x}…{stop:#x} {why}")
        counts[what] += 1
    for what, text in first.items():
        more = f"; and {counts[what] - 1} more entries" if counts[what] > 1 else ""
        yield Found(what, where, text + more)


def _ranges(found: Pagemap, page: int) -> Iterator[Range]:
    for at, pages in zip(found.vaddr, found.pages, strict=True):
        yield at, at + pages * page


def _unordered(found: Pagemap, page: int) -> Iterator[Wrong]:
    last = 0
    for start, stop in _ranges(found, page):
        if start % page or stop > TOP:
            yield "page-order", start, stop, f"is not one of whole pages of {page} bytes below the top"
        elif start < last:
            yield "page-order", start, stop, f"begins before the one before it ends, at {last:#x}"
        last = max(last, stop)


def _outside(found: Pagemap, areas: list[Range] | None, page: int) -> Iterator[Wrong]:
    if areas is not None:
        for start, stop in outside(_ranges(found, page), areas):
            yield "outside-areas", start, stop, "is not all in areas of the task's memory"
