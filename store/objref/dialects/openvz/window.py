"""The bytes between what came in and what was given out: at most a batch of them are held back."""

from __future__ import annotations

__all__ = ["Window"]


class Window:
    """A stretch of the stream. Mutable. `position` is where in the stream its first byte stands."""

    __slots__ = ("_at", "_chunks", "_data", "_waiting", "closed", "position")

    def __init__(self) -> None:
        self._data = memoryview(b"")
        self._at = 0
        self._chunks: list[bytes | memoryview] = []
        self._waiting = 0
        self.position = 0
        self.closed = False
        """Whether nothing more will come."""

    @property
    def available(self) -> int:
        """Bytes that are there."""
        return len(self._data) - self._at + self._waiting

    @property
    def front(self) -> memoryview:
        """Bytes that are there in one piece, without a copy. They stay."""
        return self._data[self._at :]

    def add(self, data: bytes | memoryview) -> None:
        """The next bytes. They are not copied while nothing was left over."""
        view = memoryview(data).cast("B")
        if self._at == len(self._data) and not self._chunks:
            self._data, self._at = view, 0
        else:
            self._chunks.append(view)
            self._waiting += len(view)

    def keep(self) -> None:
        """What is left belongs to the caller's buffer, which may change: copy it."""
        if self._chunks:
            self._chunks[-1] = bytes(self._chunks[-1])
        else:
            self._data, self._at = memoryview(bytes(self._data[self._at :])), 0

    def peek(self, length: int) -> memoryview:
        """The next `length` bytes, which must be there; they stay."""
        if self._at + length > len(self._data):
            self._data = memoryview(b"".join((self._data[self._at :], *self._chunks)))
            self._at = self._waiting = 0
            self._chunks.clear()
        return self._data[self._at : self._at + length]

    def take(self, length: int) -> memoryview:
        """The next `length` bytes, which must be there."""
        view = self.peek(length)
        self._at += length
        self.position += length
        return view

    def ready(self) -> int:
        """Bytes that can be taken without a copy, if any are there at all."""
        return len(self._data) - self._at or self._waiting
