"""A container that is read although it is damaged: what is wrong is noted, and nobody trusts it."""

from __future__ import annotations

from collections import OrderedDict
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

from objref.container import format as f
from objref.container.checking.ahead import Block, decode_many
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
"""Bytes that are decoded together: larger buffers are new memory each time (bench/verify.py)."""
COMING, THREADS = 4, 2
"""Batches that are decoded before they are asked for, and by how many threads."""
HELD = 4 << 20
"""Bytes of blocks that were decoded, and that nobody may have asked for yet."""
TEXTS = 1000
"""Damaged blocks whose error is remembered."""


Batch = list[bytes | memoryview]
Plan = tuple[Source, int, list[Block], "Dictionary | None"]
"""The file, an offset in it, the blocks from there, and what they may refer to."""
Key = tuple[int, int, int]
"""Section, address of the piece, first block."""


def _ahead(section: f.Section) -> int:
    """Blocks that are decoded together."""
    return max(AHEAD >> section.block_log2, 1)


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
        self._batches: OrderedDict[Key, Batch] = OrderedDict()
        self._coming: dict[Key, Future[list[bytes | memoryview | None]]] = {}
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
            return batch[index % _ahead(section)]
        if piece.group in self.lost or self.seen_of(section, piece)[index] == BAD:
            return bytes(min(1 << section.block_log2, piece.length - (index << section.block_log2)))
        return super().block(section, piece, index)

    def span(self, section: f.Section, address: int, length: int) -> list[bytes | memoryview]:
        """`length` bytes from `address` of the section as it is stored, many blocks at a time. Hot path."""
        found: list[bytes | memoryview] = []
        size, mask = 1 << section.block_log2, (1 << section.block_log2) - 1
        while length:
            piece = self.find_piece(section.id, address)
            inside = address - piece.address
            index, at = inside >> section.block_log2, inside & mask
            part = min(length, piece.length - inside)
            batch = None if piece.group in self.lost else self._batch(section, piece, index)
            k = index % _ahead(section)
            blocks = [self.block(section, piece, index)] if batch is None else batch[k : k + (at + part + mask) // size]
            part = min(part, (len(blocks) << section.block_log2) - at)
            end = at + part - ((len(blocks) - 1) << section.block_log2)
            if end != len(blocks[-1]):
                blocks[-1] = blocks[-1][:end]
            if at:
                blocks[0] = blocks[0][at:]
            found += blocks
            address += part
            length -= part
        return found

    def _batch(self, section: f.Section, piece: f.PieceEntry, index: int) -> Batch | None:
        """Contents of the blocks around this one, damaged ones as zeros; None when they were seen and let go."""
        first = index - index % _ahead(section)
        key = (section.id, piece.address, first)
        found = self._batches.get(key)
        if found is None and self.seen_of(section, piece)[index] == UNSEEN:
            found = self._batches[key] = self._look(section, piece, first)
            self._held += len(found) << section.block_log2
            while self._held > HELD and len(self._batches) > 1:
                (number, _, _), old = self._batches.popitem(last=False)
                self._held -= len(old) << self.sections[number].block_log2
        return found

    def _look(self, section: f.Section, piece: f.PieceEntry, first: int) -> Batch:
        """Read blocks for the first time, neighbours together: a strand is read from its start to its end."""
        seen, batch = self.seen_of(section, piece), []
        coming = self._coming.pop((section.id, piece.address, first), None)
        contents = coming.result() if coming else decode_many(*self._plan(section, piece, first))
        self._send_ahead(section, piece, first + len(contents))
        for i, content in enumerate(contents, first):
            self.blocks_read += 1
            seen[i] = GOOD
            try:
                batch.append(super().block(section, piece, i) if content is None else content)
            except FormatError as error:
                self._damaged_block(section, piece, i, error)
                seen[i] = BAD
                batch.append(bytes(min(1 << section.block_log2, piece.length - (i << section.block_log2))))
        return batch

    def _send_ahead(self, section: f.Section, piece: f.PieceEntry, first: int) -> None:
        """Have the next blocks decoded meanwhile."""
        key = (section.id, piece.address, first)
        if first < piece.blocks and len(self._coming) < COMING and self.seen_of(section, piece)[first] == UNSEEN:
            if self._threads is None:
                self._threads = ThreadPoolExecutor(THREADS, "objref-verify")
            if key not in self._coming:
                self._coming[key] = self._threads.submit(decode_many, *self._plan(section, piece, first))

    def rest(self) -> None:
        """Let go of the threads and of what they have decoded."""
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)
            self._threads = None
        self._coming.clear()
        self._batches.clear()

    def _damaged_block(self, section: f.Section, piece: f.PieceEntry, index: int, error: FormatError) -> None:
        self.bad += 1
        if len(self.texts) < TEXTS:
            self.texts[section.id, (piece.address >> section.block_log2) + index] = error

    def _plan(self, section: f.Section, piece: f.PieceEntry, first: int) -> Plan:
        """What to decode together."""
        stop = min(first + _ahead(section), piece.blocks)
        alone = self.source, self.source.length + 1, [Block(1, 1, 0)] * (stop - first), None  # nothing is there
        if section.codec not in (f.RAW, f.ZSTD):
            return alone
        try:
            dictionary = self.dictionary(section) if section.dictionary else None
        except FormatError:
            return alone
        trail, at = self.trail(piece.group), piece.first_block
        ends = trail.ends[at + first : at + stop].tolist()
        start = trail.ends[at + first - 1] if first else 0
        sizes = [b - a for a, b in zip([start, *ends], ends, strict=False)]
        lengths = [1 << section.block_log2] * (stop - first)
        lengths[-1] = min(lengths[-1], piece.length - ((stop - 1) << section.block_log2))
        raw = section.codec == f.RAW
        if any(
            not 0 <= size <= length or (raw and size != length) for size, length in zip(sizes, lengths, strict=True)
        ):
            return alone  # R8
        blocks = list(map(Block, sizes, lengths, trail.checks[at + first : at + stop].tolist()))
        return self.source, piece.offset + start, blocks, dictionary

    def seen_of(self, section: f.Section, piece: f.PieceEntry) -> bytearray:
        """What became of the blocks of a piece: UNSEEN, GOOD or BAD."""
        found = self.seen.get((section.id, piece.address))
        if found is None:
            found = self.seen[section.id, piece.address] = bytearray(piece.blocks)
        return found
