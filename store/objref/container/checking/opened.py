"""A container that is read although it is damaged: what is wrong is noted, and nobody trusts it."""

from __future__ import annotations

from collections import OrderedDict

from objref.container import format as f
from objref.container.content import Trail
from objref.container.directory import _Pieces
from objref.container.reader import Container
from objref.container.source import Source
from objref.errors import FormatError, UnsupportedError
from objref.findings import Findings
from objref.limits import Limits

__all__ = ["BAD", "GOOD", "UNSEEN", "Checked"]

UNSEEN, GOOD, BAD = range(3)
TRAILS = 64
"""Trailers that are remembered: about 50 KB each."""
TEXTS = 1000
"""Damaged blocks whose error is remembered."""


class Checked(Container):
    """Damaged blocks read as zeros; `seen` has what became of each block, a byte for each. Mutable; one thread."""

    whole = True
    """Whether there is a directory, and with it tables."""

    def __init__(self, source: Source, limits: Limits, findings: Findings) -> None:
        self.findings = findings
        self.seen: dict[tuple[int, int], bytearray] = {}
        self.lost: set[int] = set()
        self.texts: dict[tuple[int, int], FormatError] = {}
        self.bad = 0
        self.blocks_read = 0
        self._recent: OrderedDict[int, Trail] = OrderedDict()
        super().__init__(source, limits)

    def _check_front(self) -> None:
        try:
            super()._check_front()
        except UnsupportedError:  # nobody knows where its footer is
            raise
        except FormatError as error:
            self.findings.error("superblock", "offset 0", error)

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

    def adopt(self, pieces: dict[int, list[f.PieceEntry]], lost: set[int]) -> None:
        """Read by these pieces, which the trailers confirm. `lost`: groups without a trailer; they read as zeros."""
        self.lost = lost
        self._pieces = {number: _Pieces([p.address for p in found], found) for number, found in pieces.items()}

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> bytes | memoryview:
        length = min(1 << section.block_log2, piece.length - (index << section.block_log2))
        if piece.group in self.lost:
            return bytes(length)
        seen = self.seen_of(section, piece)
        if seen[index] == GOOD:
            return super().block(section, piece, index)
        if seen[index] == BAD:
            return bytes(length)
        self.blocks_read += 1
        try:
            content = super().block(section, piece, index)
        except FormatError as error:
            self.bad += 1
            seen[index] = BAD
            if len(self.texts) < TEXTS:
                self.texts[section.id, (piece.address >> section.block_log2) + index] = error
            return bytes(length)
        seen[index] = GOOD
        return content

    def seen_of(self, section: f.Section, piece: f.PieceEntry) -> bytearray:
        """What became of the blocks of a piece: UNSEEN, GOOD or BAD."""
        found = self.seen.get((section.id, piece.address))
        if found is None:
            found = self.seen[section.id, piece.address] = bytearray(piece.blocks)
        return found
