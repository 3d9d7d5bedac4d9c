"""Where the bytes of a task's memory are: page maps, their pages files, and the older layers they lean on.

The rules are those of docs/criu.md, "Memory": entries are walked with a running offset into the pages file,
only PRESENT entries occupy it, and what is only PARENT is looked up in the file of the same name one layer down.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from objref.container.format import ADDRESS_MASK
from objref.dialects.events import Note

if TYPE_CHECKING:
    from objref.dialects.criu_files import Pagemap
    from objref.dialects.criu_finish import Folder, Storage

__all__ = ["Places", "Segments", "memory_of"]

PARENT, PRESENT = 1, 4
DEFAULT_PAGE = 4096
TOP = 1 << 64
MAX_LAYERS = 1024


class Segments:
    """Extents by address, ascending. Token 0 is a run of zero bytes. Mutable."""

    def __init__(self) -> None:
        self.at, self.tokens = array("Q"), array("Q")
        self.offsets, self.lengths = array("Q"), array("Q")
        self.older = False

    def add(self, at: int, token: int, offset: int, length: int) -> None:
        """`length` bytes at `offset` of a token; what continues the last segment is joined to it."""
        if self.at and self._continues(at, token, offset):
            self.lengths[-1] += length
            return
        self.at.append(at)
        self.tokens.append(token)
        self.offsets.append(offset)
        self.lengths.append(length)

    def _continues(self, at: int, token: int, offset: int) -> bool:
        length = self.lengths[-1]
        same_place = token == 0 or self.offsets[-1] + length == offset
        return self.tokens[-1] == token and self.at[-1] + length == at and same_place

    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """at, tokens, offsets, lengths."""
        return self.at, self.tokens, self.offsets, self.lengths


class Places:
    """A page map with the file offset of each entry. `end` is where the last sound entry ends."""

    def __init__(self, pagemap: Pagemap, page: int) -> None:
        self.map = pagemap
        self.page = page
        self.offsets = array("Q")
        at = 0
        for pages, flags in zip(pagemap.pages, pagemap.flags, strict=True):
            self.offsets.append(min(at, ADDRESS_MASK))
            if flags & PRESENT:
                at += pages * page
        self.stored = at

    def span(self, i: int) -> tuple[int, int]:
        """First and last + 1 address of entry i."""
        return self.map.vaddr[i], self.map.vaddr[i] + self.map.pages[i] * self.page

    def covering(self, start: int, stop: int) -> Iterator[tuple[int, int, int]]:
        """(entry, from, to) for the parts of start…stop that entries cover, ascending."""
        i = max(bisect_right(self.map.vaddr, start) - 1, 0)
        while i < len(self.map.vaddr):
            low, high = self.span(i)
            if low >= stop:
                return
            if high > start:
                yield i, max(low, start), min(high, stop)
            i += 1


def page_size(folder: Folder, pagemap: Pagemap, storage: Storage | None) -> int:
    """AT_PAGESZ of any task, else what the size of the pages file says, else 4096."""
    if folder.state.page_size:
        return folder.state.page_size
    present = sum(n for n, flags in zip(pagemap.pages, pagemap.flags, strict=True) if flags & PRESENT)
    if storage is not None and present and storage.real_size % present == 0:
        size = storage.real_size // present
        if size in (1 << 12, 1 << 14, 1 << 16):
            return size
    return DEFAULT_PAGE


def memory_of(folder: Folder, base: str, segments: Segments) -> Iterator[Note]:
    """Collect the memory that the page map file `base` of a folder describes."""
    pagemap = folder.pagemaps[base]
    storage = folder.pages.get(f"pages-{pagemap.pages_id}.img")
    places = Places(pagemap, page_size(folder, pagemap, storage))
    where = f"{folder.name}/{base}" if folder.name else base
    have = storage.real_size if storage else 0
    if places.stored != have:
        found = f"pages-{pagemap.pages_id}.img has {have} bytes" if storage else f"no pages-{pagemap.pages_id}.img"
        yield Note("pages-size", where, f"describes {places.stored} bytes of pages, {found}")
    last = 0
    for i, flags in enumerate(pagemap.flags):
        start, stop = places.span(i)
        if start < last or stop > TOP:
            yield Note("page-map", where, f"entry {i} at {start:#x} overlaps the one before it or the top; left out")
            continue
        last = stop
        if flags & PRESENT:
            _present(segments, storage, start, places.offsets[i], stop - start)
        elif flags & PARENT:
            segments.older = True
            yield from _from_parent(folder, base, start, stop, segments)


def _present(segments: Segments, storage: Storage | None, at: int, offset: int, length: int) -> None:
    """Bytes of a pages file; what lies beyond its end is not there, holes are zero."""
    if storage is None:
        return
    length = min(length, max(storage.real_size - offset, 0))
    if storage.runs is None:
        if length:
            segments.add(at, storage.token, offset, length)
        return
    for token, start, size in _through_holes(storage, offset, length):
        segments.add(at, token, start, size)
        at += size


def _through_holes(storage: Storage, offset: int, length: int) -> Iterator[tuple[int, int, int]]:
    """(token, offset in the stored bytes, length), token 0 for holes."""
    stored, end = 0, offset + length
    for run, size in storage.runs or ():
        if run >= end:
            break
        if run > offset:
            yield 0, 0, run - offset
            offset = run
        if run + size > offset:
            part = min(run + size, end) - offset
            yield storage.token, stored + offset - run, part
            offset += part
        stored += size
    if offset < end:
        yield 0, 0, end - offset


class _Range(NamedTuple):
    """Addresses to find in a layer, `depth` layers below the one that was asked."""

    folder: Folder | None
    start: int
    stop: int
    depth: int


class _Bytes(NamedTuple):
    """Addresses that were found."""

    storage: Storage | None
    start: int
    offset: int
    length: int


def _from_parent(folder: Folder, base: str, start: int, stop: int, segments: Segments) -> Iterator[Note]:
    """The pages of start…stop, from older layers, ascending. A stack instead of recursion: chains may be long."""
    where = f"{folder.name}/{base}" if folder.name else base
    work: list[_Range | _Bytes] = [_Range(folder.older, start, stop, 1)]
    while work:
        step = work.pop()
        if isinstance(step, _Bytes):
            _present(segments, step.storage, step.start, step.offset, step.length)
        elif step.folder is None or base not in step.folder.pagemaps or step.depth > MAX_LAYERS:
            yield Note("parent", where, f"{step.start:#x}…{step.stop:#x} is missing in the older layers")
        else:
            work += reversed(list(_one_layer_down(step, step.folder, base)))


def _one_layer_down(asked: _Range, folder: Folder, base: str) -> Iterator[_Range | _Bytes]:
    """What one layer knows of a range: bytes, ranges that are older still, and gaps (as ranges of no layer)."""
    pagemap = folder.pagemaps[base]
    storage = folder.pages.get(f"pages-{pagemap.pages_id}.img")
    places = folder.places(base, page_size(folder, pagemap, storage))
    at = asked.start
    for i, start, stop in places.covering(asked.start, asked.stop):
        if start > at:
            yield _Range(None, at, start, asked.depth)
        if pagemap.flags[i] & PRESENT:
            yield _Bytes(storage, start, places.offsets[i] + start - places.span(i)[0], stop - start)
        elif pagemap.flags[i] & PARENT:
            yield _Range(folder.older, start, stop, asked.depth + 1)
        at = max(at, stop)
    if at < asked.stop:
        yield _Range(None, at, asked.stop, asked.depth)
