"""Page maps and their pages: copied as they are, or, where pages lie in older layers, made one layer.

A dump that leans on older ones (`parent`) is flattened: all pages of the kept tasks go into one page map without
PARENT, so that the result needs no chain.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.criu.items import LENGTH, ImageFile
from objref.dialects.criu.kinds import FILES, ImageName
from objref.dialects.criu.member import Member, Numbering
from objref.dialects.criu.memory import PARENT, PRESENT, Places
from objref.dialects.criu.pagemap import Pagemap, PagemapFile
from objref.dialects.criu.refs import AT_PAGESZ
from objref.dialects.criu.schema import message_class
from objref.dialects.criu.state import LayerState
from objref.dialects.plan import File
from objref.errors import FormatError, UnsupportedError
from objref.limits import DEFAULT

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft
    from objref.object import Object

__all__ = ["memory_files"]

COUNT_MAX = (1 << 31) - 1
"""Pages of one entry: field 2, which all versions of CRIU read, has 32 bits."""


def memory_files(draft: Draft) -> Iterator[File]:
    """pagemap-N.img and pages-N.img of all kept tasks and segments."""
    links = draft.links
    page = _page_size(draft)
    for task in draft.tasks.values():
        if task.alive:
            yield from _files(draft, links.one(task.found, "pagemap"), task.found, page)
    for segment in draft.segments.values():
        yield from _files(draft, links.one(segment, "pagemap"), segment, page)


def _page_size(draft: Draft) -> int:
    auxv = draft.links.message(draft.links.one(draft.root.found, "mm")).mm_saved_auxv
    return int(dict(zip(auxv[::2], auxv[1::2], strict=False)).get(AT_PAGESZ, 4096))


def _files(draft: Draft, found: Object, holder: Object, page: int) -> Iterator[File]:
    pagemap = _read(found)
    memory = holder if holder.kind == "shmem" else draft.links.one(holder, "mem")
    pages = draft.links.one(found, "pages")
    _check(pagemap, found, pages, memory, page)
    name = f"{found.kind}-{draft.links.key(found)}.img"
    flat = any(flags & PARENT and not flags & PRESENT for flags in pagemap.flags)
    if flat:
        table = _flat(found, memory, pagemap.pages_id, page)
        yield File(name, len(table), lambda: iter([table]))
        yield File(f"pages-{pagemap.pages_id}.img", memory.size, memory.stored_chunks)
    else:
        yield File(name, found.size, found.chunks)
        yield File(f"pages-{pagemap.pages_id}.img", pages.size, pages.chunks)


def _read(found: Object) -> Pagemap:
    """A page map's entries, through the splitter that imports use."""
    member = Member(found.objref, 0, 1, found.size, None, found.size)
    name = ImageName(FILES["pagemap"], 0)
    file: ImageFile = PagemapFile(member, Numbering(), name, LayerState(), DEFAULT)
    for chunk in found.chunks():
        for _ in file.feed(memoryview(chunk)):
            pass
    for _ in file.end():
        pass
    assert isinstance(file, PagemapFile)  # for mypy
    if file.pagemap is None:
        raise UnsupportedError(f"{found.objref}: has entries that this version cannot read (of a newer CRIU?)")
    return file.pagemap


def _check(pagemap: Pagemap, found: Object, pages: Object, memory: Object, page: int) -> None:
    """What the page map promises is there."""
    places = Places(pagemap, page)
    if places.wrong:
        number, start = places.wrong[0]
        raise FormatError(f"{found.objref}: entry {number} at {start:#x} overlaps the one before it")
    if places.stored > pages.size:
        raise FormatError(f"{found.objref} describes {places.stored} bytes of pages, {pages.objref} has {pages.size}")
    there = sum(n for n, flags in zip(places.lengths, places.flags, strict=True) if flags & (PRESENT | PARENT))
    if there != memory.size:
        raise FormatError(
            f"{found.objref} covers {there} bytes, of which the image has {memory.size} ({memory.objref})"
        )
    if any(not flags & (PRESENT | PARENT) for flags in places.flags):
        raise UnsupportedError(f"{found.objref}: some pages were left to a page server (lazy): they are in no image")


def _flat(found: Object, memory: Object, pages_id: int, page: int) -> bytes:
    """A page map of all that there is. Header and head as they were."""
    entry = message_class("pagemap_entry")
    items = [message_class("pagemap_head")(pages_id=pages_id).SerializeToString()]
    for start, stop in memory.ranges:
        while start < stop:
            count = min((stop - start) // page, COUNT_MAX)
            if not count:
                raise FormatError(f"{memory.objref}: {start:#x}…{stop:#x} is not whole pages of {page} bytes")
            items.append(entry(vaddr=start, compat_nr_pages=count, flags=PRESENT).SerializeToString())
            start += count * page
    return found.read(0, HEADER) + b"".join(LENGTH.pack(len(item)) + item for item in items)


HEADER = 8
