"""A section while it grows: what waits to be compressed, and the piece that is being put together."""

from array import array
from concurrent.futures import Future
from typing import NamedTuple

from objref.container import format as f
from objref.container.dictionary import Dictionary

__all__ = ["Batch", "GrowingSection"]


class GrowingSection:
    """One growing section. Mutable."""

    def __init__(self, number: int, name: str, role: int, codec: int, block_log2: int, level: int) -> None:
        self.number, self.name, self.role = number, name, role
        self.codec, self.block_log2 = codec, block_log2
        self.level = level
        self.bulk = False
        self.learns = 0
        """Bytes that are awaited before the first blocks are cut, because they may become the dictionary."""
        self.dictionary: Dictionary | None = None
        self.dictionary_number = 0
        self.pending = bytearray()
        self.next = 0
        """Address of the next byte."""
        self.length = self.stored = 0
        self.places: array[int] | None = array("Q") if role == f.PAGES else None
        self.lengths: array[int] | None = array("I") if role == f.PAGES else None
        self.close_piece()

    def close_piece(self) -> None:
        """Begin the next piece: nothing is buffered, nothing has a place in the file."""
        self.chunks: list[bytes | memoryview] = []
        self.buffered = 0
        self.ends = array("I")
        self.checks = array("Q")
        self.piece_length = self.piece_stored = 0
        self.piece_address = self.next
        self.offset = -1
        """Where the piece starts in the file, once anything of it was written."""

    @property
    def block(self) -> int:
        """Bytes of a whole block."""
        return 1 << self.block_log2


class Batch(NamedTuple):
    """Blocks on their way into a section, perhaps still being compressed."""

    section: GrowingSection
    content: bytearray
    blocks: list[memoryview]
    frames: Future[list[bytes | memoryview]] | None
