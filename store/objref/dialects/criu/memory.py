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
    from objref.dialects.criu.finish import Folder, Storage
    from objref.dialects.criu.pagemap import Pagemap

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
    """The entries of a page map, with the file offset of each. `stored`: what they take in the pages file together.

    Only sound entries: ascending, without overlap, below the top. `wrong` has the others: (number, address).
    """

    def __init__(self, pagemap: Pagemap, page: int) -> None:
        self.starts, self.lengths = array("Q"), array("Q")
        self.offsets, self.flags = array("Q"), array("B")
        self.wrong: list[tuple[int, int]] = []
        at = last = 0
        for i, (start, pages, flags) in enumerate(zip(pagemap.vaddr, pagemap.pages, pagemap.flags, strict=True)):
            length = pages * page
            if start < last or start + length >= TOP:
                self.wrong.append((i, start))
            elif length:
                last = start + length
                self._add(start, length, min(at, ADDRESS_MASK), flags)
            if flags & PRESENT:
                at += length
        self.stored = at

    def _add(self, start: int, length: int, offset: int, flags: int) -> None:
        self.starts.append(start)
        self.lengths.append(length)
        self.offsets.append(offset)
        self.flags.append(flags)

    def covering(self, start: int, stop: int) -> Iterator[tuple[int, int, int, int]]:
        """(from, to, offset in the pages file, flags) for the parts of start…stop that entries cover, ascending."""
        for i in range(max(bisect_right(self.starts, start) - 1, 0), len(self.starts)):
            entry = self.starts[i]
            if entry >= stop:
                return
            low, high = max(entry, start), min(entry + self.lengths[i], stop)
            if low < high:
                yield low, high, self.offsets[i] + low - entry, self.flags[i]


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
    places = folder.places(base, page_size(folder, pagemap, storage))
    where = f"{folder.name}/{base}" if folder.name else base
    have = storage.real_size if storage else 0
    if places.stored != have:
        found = f"pages-{pagemap.pages_id}.img has {have} bytes" if storage else f"no pages-{pagemap.pages_id}.img"
        yield Note("pages-size", where, f"describes {places.stored} bytes of pages, {found}")
    for i, start in places.wrong:
        yield Note("page-map", where, f"entry {i} at {start:#x} overlaps the one before it or the top; left out")
    for start, stop, offset, flags in places.covering(0, TOP):
        if flags & PRESENT:
            _present(segments, storage, start, offset, stop - start)
        elif flags & PARENT:
            segments.older = True
            yield from _from_parent(folder, base, start, stop, segments)


def _present(segments: Segments, storage: Storage | None, at: int, offset: int, length: int) -> None:
    """Bytes of a pages file; what lies beyond its end is not there, holes are zero."""
    if storage is None:
        return
    length = min(length, max(storage.real_size - offset, 0))
    if not length:
        return
    if storage.runs is None:
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
    for start, stop, offset, flags in places.covering(asked.start, asked.stop):
        if start > at:
            yield _Range(None, at, start, asked.depth)
        if flags & PRESENT:
            yield _Bytes(storage, start, offset, stop - start)
        elif flags & PARENT:
            yield _Range(folder.older, start, stop, asked.depth + 1)
        at = stop
    if at < asked.stop:
        yield _Range(None, at, asked.stop, asked.depth)
