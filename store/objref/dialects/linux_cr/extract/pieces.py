"""The result: bytes that were made or read already, and runs of objects that are read when they are written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["Pieces"]


class Pieces:
    """Mutable. In memory are the records, but no pages."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._pieces: list[bytearray | tuple[int, int, int]] = []
        self.size = 0
        """In bytes."""

    def add(self, data: bytes | bytearray) -> None:
        """The next bytes."""
        last = self._pieces[-1] if self._pieces else None
        if isinstance(last, bytearray):
            last += data
        else:
            self._pieces.append(bytearray(data))
        self.size += len(data)

    def run(self, ordinal: int, start: int, stop: int) -> None:
        """The next bytes are those of an object."""
        self._pieces.append((ordinal, start, stop))
        self.size += stop - start

    def object(self, ordinal: int) -> None:
        """All of an object."""
        self.run(ordinal, 0, self._image.by_ordinal(ordinal).size)

    def chunks(self) -> Iterator[bytes | memoryview]:
        """All of it."""
        for piece in self._pieces:
            if isinstance(piece, bytearray):
                yield memoryview(piece)
            else:
                ordinal, start, stop = piece
                yield from self._image.by_ordinal(ordinal).chunks(start, stop)
