"""SHA-256 of the stream on a thread of its own: hashlib lets go of the interpreter lock, so it costs no time
beside compression."""

from __future__ import annotations

import hashlib
import queue
import threading

__all__ = ["StreamDigest"]

HANDOVER = 1 << 18
DEPTH = 16
FEW = 16
"""So many buffers are hashed as they are. More are joined: for each, the interpreter lock is let go of and awaited."""


class StreamDigest:
    """A running SHA-256. Mutable. Buffers that were handed in must not change afterwards."""

    def __init__(self) -> None:
        self._sha = hashlib.sha256()
        self._waiting: list[bytes | memoryview] = []
        self._size = 0
        self._queue: queue.Queue[list[bytes | memoryview] | None] = queue.Queue(DEPTH)
        self._thread: threading.Thread | None = None
        self.length = 0

    def update(self, data: bytes | memoryview) -> None:
        """Append to the stream."""
        self.length += len(data)
        self._waiting.append(data)
        self._size += len(data)
        if self._size >= HANDOVER:
            self._hand_over()

    def _hand_over(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="objref-sha256", daemon=True)
            self._thread.start()
        self._queue.put(self._waiting)
        self._waiting, self._size = [], 0

    def _run(self) -> None:
        while (buffers := self._queue.get()) is not None:
            for data in buffers if len(buffers) <= FEW else [b"".join(buffers)]:
                self._sha.update(data)
            self._queue.task_done()

    def digest(self) -> bytes:
        """SHA-256 of all bytes so far."""
        if self._thread is not None:
            self._queue.join()
        self._sha.update(b"".join(self._waiting))
        self._waiting, self._size = [], 0
        return self._sha.copy().digest()

    def close(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None
