"""The bytes of a file or pipe as they come, front to back: none is sought, none is read twice."""

from __future__ import annotations

import os
from typing import Protocol

from objref.archive.paths import naming
from objref.errors import FormatError, SourceError, UsageError

__all__ = ["CHUNK", "Input", "Readable"]

CHUNK = 1 << 20
"""What a source's stream is cut into; a decompressor gives out no more than this at a time."""


class Readable(Protocol):
    """A binary file, pipe or socket file: all that is asked of it is `read`."""

    def read(self, size: int, /) -> bytes | None: ...


class Input:
    """The source's own bytes, front to back, with a count. Mutable; what was read too far can be put back."""

    def __init__(self, file: Readable, name: str) -> None:
        self._file = file
        self._held = b""
        self.name = name
        self.position = 0

    def read(self, size: int) -> bytes:
        """At least one byte and at most `size`; none at the end."""
        data, self._held = self._held[:size], self._held[size:]
        if len(data) < size:
            data += self._read_file(size - len(data))
        self.position += len(data)
        return data

    def _read_file(self, size: int) -> bytes:
        with naming(os.fsencode(self.name)):
            data = self._file.read(size)
        if data is None:
            raise SourceError(f"{self.name}: it does not block, and has nothing to read now")
        if not isinstance(data, bytes):
            raise UsageError(f"{self.name}: expected a binary file, found one of {type(data).__name__}")
        return data

    def take(self, size: int) -> bytes:
        """Exactly `size` bytes, fewer only at the end."""
        pieces = []
        while size and (piece := self.read(size)):
            pieces.append(piece)
            size -= len(piece)
        return b"".join(pieces)

    def put_back(self, data: bytes) -> None:
        self._held = data + self._held
        self.position -= len(data)

    def peek(self, size: int) -> bytes:
        data = self.take(size)
        self.put_back(data)
        return data

    def error(self, kind: type[FormatError], what: str, position: int | None = None) -> FormatError:
        at = self.position if position is None else position
        return kind(f"{self.name}: byte {at} of the compressed input: {what}")
