"""A container that is read although it is damaged: what is wrong is noted, and nobody trusts it."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

from objref.container import format as f
from objref.container.ahead import Ahead, block_length
from objref.container.content import Trail
from objref.container.directory import _Pieces
from objref.container.reader import Container
from objref.container.source import Source
from objref.container.together import Contents
from objref.errors import FormatError, UnsupportedError
from objref.findings import Findings, finding_of
from objref.limits import Limits

if TYPE_CHECKING:
    from objref.container.dictionary import Dictionary

__all__ = ["BAD", "GOOD", "UNSEEN", "Checked"]

UNSEEN, GOOD, BAD = range(3)
TRAILS = 64
"""Trailers that are remembered: about 50 KB each."""
TEXTS = 1000
"""Damaged blocks whose error is remembered."""


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
        self.ahead = Ahead(self, self._look)
        self._recent: OrderedDict[int, Trail] = OrderedDict()
        self._without: dict[int, FormatError] = {}
        """Dictionaries that cannot be had: asked for once, not for each block."""
        super().__init__(source, limits)

    def _check_front(self) -> None:
        try:
            super()._check_front()
        except UnsupportedError:  # nobody knows where its footer is
            raise
        except FormatError as error:
            found = finding_of("superblock", "offset 0", error)
            self.findings.add(found._replace(text=found.text.removeprefix(f"{self.source.name}: ")))

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
        self.lost = self.ahead.lost = lost
        self._pieces = {number: _Pieces([p.address for p in found], found) for number, found in pieces.items()}

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> bytes | memoryview:
        found = self.ahead.block(section, piece, index)
        if found is not None:
            return found
        if piece.group in self.lost or self.seen_of(section, piece)[index] == BAD:
            return bytes(block_length(section, piece, index))
        return super().block(section, piece, index)

    def _look(self, section: f.Section, piece: f.PieceEntry, first: int, contents: Contents) -> memoryview:
        """Blocks that are read for the first time: damaged ones are noted, and asked alone for what is wrong."""
        joined = memoryview(bytearray(contents.joined) if contents.damaged else contents.joined)
        count = -(-len(joined) >> section.block_log2)
        self.blocks_read += count
        self.seen_of(section, piece)[first : first + count] = bytes([GOOD]) * count
        for index in (first + i for i in contents.damaged):
            start = index - first << section.block_log2
            try:
                found = super().block(section, piece, index)
            except FormatError as error:
                self._damaged_block(section, piece, index, error)
            else:
                joined[start : start + len(found)] = found
        return joined

    def rest(self) -> None:
        """Let go of the threads and of what they have decoded."""
        self.ahead.close()

    def _damaged_block(self, section: f.Section, piece: f.PieceEntry, index: int, error: FormatError) -> None:
        self.bad += 1
        self.seen_of(section, piece)[index] = BAD
        if len(self.texts) < TEXTS:
            self.texts[section.id, (piece.address >> section.block_log2) + index] = error

    def seen_of(self, section: f.Section, piece: f.PieceEntry) -> bytearray:
        """What became of the blocks of a piece: UNSEEN, GOOD or BAD."""
        found = self.seen.get((section.id, piece.address))
        if found is None:
            found = self.seen[section.id, piece.address] = bytearray(piece.blocks)
        return found
