"""A container that is read although it is damaged: what is wrong is noted, and nobody trusts it."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from objref.container import format as f
from objref.container.checking.ahead import Contents, Plan, decode_many
from objref.container.content import Trail
from objref.container.directory import _Pieces
from objref.container.reader import Container
from objref.container.source import Source
from objref.errors import FormatError, UnsupportedError
from objref.findings import Findings, finding_of
from objref.limits import Limits

if TYPE_CHECKING:
    from objref.container.dictionary import Dictionary

__all__ = ["BAD", "GOOD", "UNSEEN", "Checked"]

UNSEEN, GOOD, BAD = range(3)
TRAILS = 64
"""Trailers that are remembered: about 50 KB each."""
AHEAD = 1 << 18
"""Bytes that are decoded together: larger buffers are new memory each time."""
COMING, THREADS = 4, 2
"""Batches that are decoded before they are asked for, and by how many threads."""
HELD = 4 << 20
"""Bytes of blocks that were decoded, and that nobody may have asked for yet."""
TEXTS = 1000
"""Damaged blocks whose error is remembered."""


Key = tuple[int, int, int]
"""Section, address of the piece, first block."""


def _ahead(section: f.Section) -> int:
    """Blocks that are decoded together."""
    return max(AHEAD >> section.block_log2, 1)


def _length(section: f.Section, piece: f.PieceEntry, index: int) -> int:
    """Bytes that a block of a piece holds: only the last one may hold fewer than the others."""
    return min(1 << section.block_log2, piece.length - (index << section.block_log2))


class Checked(Container):
    """Damaged blocks read as zeros; `seen` has what became of each block, a byte for each. Mutable; for one thread,
    which it helps with others of its own."""

    whole = True
    """Whether there is a directory, and with it tables."""

    def __init__(self, source: Source, limits: Limits, findings: Findings) -> None:
        self.findings = findings
        self.seen: dict[tuple[int, int], bytearray] = {}
        self.lost: set[int] = set()
        self.texts: dict[tuple[int, int], FormatError] = {}
        self.bad = 0
        self.blocks_read = 0
        self._batches: OrderedDict[Key, memoryview] = OrderedDict()
        self._coming: dict[Key, Future[Contents]] = {}
        self._threads: ThreadPoolExecutor | None = None
        self._held = 0
        self._recent: OrderedDict[int, Trail] = OrderedDict()
        self._without: dict[int, FormatError] = {}
        """Dictionaries that cannot be had: asked for once, not for each block."""
        super().__init__(source, limits)

    def _check_front(self) -> int:
        try:
            return super()._check_front()
        except UnsupportedError:  # nobody knows where its footer is
            raise
        except FormatError as error:
            found = finding_of("superblock", "offset 0", error)
            self.findings.add(found._replace(text=found.text.removeprefix(f"{self.source.name}: ")))
            return f.PACKED_DIRECTORY  # what it would have said: whether one is packed shows by itself

    def check_own(self) -> None:
        """What a container does not have, and what lies beside a stream does."""

    def place_of(self, section: f.Section, first: int, stop: int) -> str:
        """Blocks first…stop-1 of a section, in words."""
        many = stop > first + 1
        return f"section {section.name}, block{'s' if many else ''} {first}" + (f"…{stop - 1}" if many else "")

    @property
    def group_count(self) -> int:
        """Groups that the directory lists."""
        return self.count(f.GROUPS)

    def trail(self, group: int) -> Trail:
        found = self._recent.get(group)
        if found is None:
            found = self._recent[group] = self._read_trail(group)
            if len(self._recent) > TRAILS:
                self._recent.popitem(last=False)
        return found

    def dictionary(self, section: f.Section) -> Dictionary:
        """What the frames of a section may refer to; the same error again when it is damaged."""
        known = self._without.get(section.id)
        if known is not None:
            raise known
        try:
            return super().dictionary(section)
        except FormatError as error:
            self._without[section.id] = error
            raise

    def adopt(self, pieces: dict[int, list[f.PieceEntry]], lost: set[int]) -> None:
        """Read by these pieces, which the trailers confirm. `lost`: groups without a trailer; they read as zeros."""
        self.lost = lost
        self._pieces = {number: _Pieces([p.address for p in found], found) for number, found in pieces.items()}

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> bytes | memoryview:
        batch = None if piece.group in self.lost else self._batch(section, piece, index)
        if batch is not None:
            start = index % _ahead(section) << section.block_log2
            return batch[start : start + (1 << section.block_log2)]
        if piece.group in self.lost or self.seen_of(section, piece)[index] == BAD:
            return bytes(_length(section, piece, index))
        return super().block(section, piece, index)

    def span(self, section: f.Section, address: int, length: int) -> Iterator[bytes | memoryview]:
        """`length` bytes from `address` of the section as it is stored, many blocks at a time. Hot path."""
        while length:
            piece = self.find_piece(section.id, address)
            inside = address - piece.address
            index = inside >> section.block_log2
            batch = None if piece.group in self.lost else self._batch(section, piece, index)
            if batch is None:
                at, part = inside & ((1 << section.block_log2) - 1), self.block(section, piece, index)
            else:
                at, part = inside - (index - index % _ahead(section) << section.block_log2), batch
            part = part[at : at + length]
            yield part
            address += len(part)
            length -= len(part)

    def _batch(self, section: f.Section, piece: f.PieceEntry, index: int) -> memoryview | None:
        """Contents of the blocks around this one, damaged ones as zeros; None when they were seen and let go."""
        first = index - index % _ahead(section)
        key = (section.id, piece.address, first)
        found = self._batches.get(key)
        if found is None and self.seen_of(section, piece)[index] == UNSEEN:
            found = self._batches[key] = memoryview(self._look(section, piece, first))
            self._held += len(found)
            while self._held > HELD and len(self._batches) > 1:
                self._held -= len(self._batches.popitem(last=False)[1])
        return found

    def _look(self, section: f.Section, piece: f.PieceEntry, first: int) -> bytes | memoryview:
        """Read blocks for the first time, neighbours together: a strand is read from its start to its end."""
        coming = self._coming.pop((section.id, piece.address, first), None)
        contents = coming.result() if coming else decode_many(self._plan(section, piece, first))
        stop = min(first + _ahead(section), piece.blocks)
        self._send_ahead(section, piece, stop)
        self.blocks_read += stop - first
        self.seen_of(section, piece)[first:stop] = bytes([GOOD]) * (stop - first)
        return self._asked_alone(section, piece, first, contents) if contents.damaged else contents.joined

    def _asked_alone(self, section: f.Section, piece: f.PieceEntry, first: int, contents: Contents) -> bytes:
        """Contents again, and of the blocks in it that could not be read together, what is wrong with each."""
        joined = bytearray(contents.joined)
        for index in (first + i for i in contents.damaged):
            start = index - first << section.block_log2
            try:
                joined[start : start + _length(section, piece, index)] = super().block(section, piece, index)
            except FormatError as error:
                self._damaged_block(section, piece, index, error)
        return bytes(joined)

    def _send_ahead(self, section: f.Section, piece: f.PieceEntry, first: int) -> None:
        """Have the next blocks decoded meanwhile."""
        seen, step = self.seen_of(section, piece), _ahead(section)
        for start in range(first, min(first + COMING * step, piece.blocks), step):
            key = (section.id, piece.address, start)
            if key in self._coming or seen[start] != UNSEEN:
                continue
            if len(self._coming) == COMING:
                return
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "objref-verify")
            self._coming[key] = self._threads.submit(decode_many, self._plan(section, piece, start))

    def rest(self) -> None:
        """Let go of the threads and of what they have decoded."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        self._coming.clear()
        self._batches.clear()

    def _damaged_block(self, section: f.Section, piece: f.PieceEntry, index: int, error: FormatError) -> None:
        self.bad += 1
        self.seen_of(section, piece)[index] = BAD
        if len(self.texts) < TEXTS:
            self.texts[section.id, (piece.address >> section.block_log2) + index] = error

    def _plan(self, section: f.Section, piece: f.PieceEntry, first: int) -> Plan:
        """What to decode together."""
        stop = min(first + _ahead(section), piece.blocks)
        lengths = [1 << section.block_log2] * (stop - first)
        lengths[-1] = _length(section, piece, stop - 1)
        alone = Plan(self.source, self.source.length + 1, [0] * len(lengths), lengths, [])  # nothing is there
        if section.codec not in (f.RAW, f.ZSTD):
            return alone
        try:
            dictionary = self.dictionary(section) if section.dictionary else None
        except FormatError:
            return alone
        trail, at = self.trail(piece.group), piece.first_block
        ends = trail.ends[at + first : at + stop].tolist()
        start = trail.ends[at + first - 1] if first else 0
        stored = [b - a for a, b in zip([start, *ends], ends, strict=False)]
        fit = [0 <= size <= length for size, length in zip(stored, lengths, strict=True)]
        if not all(fit) or (section.codec == f.RAW and stored != lengths):
            return alone  # R8
        checks = trail.checks[at + first : at + stop].tolist()
        return Plan(self.source, piece.offset + start, stored, lengths, checks, dictionary)

    def seen_of(self, section: f.Section, piece: f.PieceEntry) -> bytearray:
        """What became of the blocks of a piece: UNSEEN, GOOD or BAD."""
        found = self.seen.get((section.id, piece.address))
        if found is None:
            found = self.seen[section.id, piece.address] = bytearray(piece.blocks)
        return found
