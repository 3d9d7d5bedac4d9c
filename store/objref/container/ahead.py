"""Sections read from their starts to their ends: many blocks at a time, and the next ones meanwhile."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeAlias

from objref.container import format as f
from objref.container.content import Content
from objref.container.together import Contents, Plan, decode_many
from objref.errors import FormatError

__all__ = ["Ahead", "block_length"]

TOGETHER = 1 << 18
"""Bytes that are decoded together: larger buffers are new memory each time."""
COMING, THREADS = 4, 2
"""Batches that are decoded before they are asked for, and by how many threads."""
HELD = 4 << 20
"""Bytes of blocks that were decoded, and that nobody may have asked for yet."""

Key: TypeAlias = tuple[int, int, int]
"""Section, address of the piece, first block."""
Look: TypeAlias = Callable[[f.Section, f.PieceEntry, int, Contents], memoryview]
"""Takes blocks as they were decoded, from the one of that number; says what they are to be read as, or raises."""


class Ahead:
    """Reads some sections of a container, each once. Mutable; for one thread, which it helps with others of its own."""

    def __init__(self, content: Content, look: Look) -> None:
        self._content = content
        self._look = look
        self._batches: OrderedDict[Key, memoryview] = OrderedDict()
        self._held = 0
        self._asked: set[Key] = set()
        self._coming: dict[Key, Future[Contents]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self.lost: Collection[int] = ()
        """Groups without a trailer: their blocks are asked for one by one."""

    def span(self, section: f.Section, address: int, length: int) -> Iterator[bytes | memoryview]:
        """`length` bytes from `address` of the section as it is stored. Hot path."""
        while length:
            piece = self._content.find_piece(section.id, address)
            inside = address - piece.address
            index = inside >> section.block_log2
            batch = self.batch(section, piece, index)
            if batch is None:
                at, part = inside & ((1 << section.block_log2) - 1), self._content.block(section, piece, index)
            else:
                at, part = inside - (index - index % _together(section) << section.block_log2), batch
            part = part[at : at + length]
            yield part
            address += len(part)
            length -= len(part)

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> memoryview | None:
        """One block; None when it was asked for before and let go."""
        batch = self.batch(section, piece, index)
        start = index % _together(section) << section.block_log2
        return None if batch is None else batch[start : start + (1 << section.block_log2)]

    def batch(self, section: f.Section, piece: f.PieceEntry, index: int) -> memoryview | None:
        """The blocks around this one; None when they were asked for before and let go."""
        first = index - index % _together(section)
        key = (section.id, piece.address, first)
        found = self._batches.get(key)
        if found is None and key not in self._asked and piece.group not in self.lost:
            self._asked.add(key)
            found = self._batches[key] = self._decoded(key, section, piece)
            self._held += len(found)
            while self._held > HELD and len(self._batches) > 1:
                self._held -= len(self._batches.popitem(last=False)[1])
        return found

    def _decoded(self, key: Key, section: f.Section, piece: f.PieceEntry) -> memoryview:
        coming, first = self._coming.pop(key, None), key[2]
        contents = coming.result() if coming else decode_many(self._plan(section, piece, first))
        self._send_ahead(section, piece, first)
        return self._look(section, piece, first, contents)

    def _send_ahead(self, section: f.Section, piece: f.PieceEntry, first: int) -> None:
        """Have the batches behind this one decoded meanwhile."""
        step = _together(section)
        for start in range(first + step, min(first + (COMING + 1) * step, piece.blocks), step):
            key = (section.id, piece.address, start)
            if key in self._coming or key in self._asked:
                continue
            if len(self._coming) == COMING:
                return
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "objref-ahead")
            self._coming[key] = self._threads.submit(decode_many, self._plan(section, piece, start))

    def _plan(self, section: f.Section, piece: f.PieceEntry, first: int) -> Plan:
        """What to decode together."""
        content = self._content
        stop = min(first + _together(section), piece.blocks)
        lengths = [1 << section.block_log2] * (stop - first)
        lengths[-1] = block_length(section, piece, stop - 1)
        alone = Plan(content.source, content.source.length + 1, [0] * len(lengths), lengths, [])  # nothing is there
        if section.codec not in (f.RAW, f.ZSTD):
            return alone
        try:
            dictionary = content.dictionary(section) if section.dictionary else None
            trail, at = content.trail(piece.group), piece.first_block
        except FormatError:
            return alone
        ends = trail.ends[at + first : at + stop].tolist()
        start = trail.ends[at + first - 1] if first else 0
        stored = [b - a for a, b in zip([start, *ends], ends, strict=False)]
        fit = len(stored) == len(lengths) and all(0 <= a <= b for a, b in zip(stored, lengths, strict=True))
        if not fit or (section.codec == f.RAW and stored != lengths):
            return alone  # R8
        checks = trail.checks[at + first : at + stop].tolist()
        return Plan(content.source, piece.offset + start, stored, lengths, checks, dictionary)

    def close(self) -> None:
        """Let go of the threads and of what they have decoded."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        self._coming.clear()
        self._batches.clear()


def _together(section: f.Section) -> int:
    """Blocks that are decoded together."""
    return max(TOGETHER >> section.block_log2, 1)


def block_length(section: f.Section, piece: f.PieceEntry, index: int) -> int:
    """Bytes that a block of a piece holds: only the last one may hold fewer than the others."""
    return min(1 << section.block_log2, piece.length - (index << section.block_log2))
