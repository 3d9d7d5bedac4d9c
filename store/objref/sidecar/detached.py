"""An output that leaves out the bytes of FILE: what is written before and behind them goes behind the tree."""

from __future__ import annotations

from collections.abc import Sequence

from objref.container.output import Output

__all__ = ["DetachedOutput"]


class DetachedOutput:
    """Positions count in head ‖ FILE ‖ rest (docs/format.md, section 13). Mutable.

    The head is held back: in the file it comes behind the tree, which can be made only when FILE was read.
    """

    def __init__(self, output: Output) -> None:
        self._output = output
        self._head: bytearray | None = bytearray()
        self.position = 0

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append: to the head until `begin_rest` was called, then to the file."""
        self.position += len(data)
        if self._head is None:
            self._output.write(data)
        else:
            self._head += data

    def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all of these."""
        self.write(b"".join(parts))

    def align(self, unit: int) -> None:
        """Append zero bytes up to a multiple of `unit`."""
        self.write(bytes(-self.position % unit))

    def skip(self, length: int) -> None:
        """The next bytes of FILE."""
        self.position += length

    def read(self, offset: int, length: int) -> bytes:
        """Only pages are read back, and a sidecar stores none."""
        raise NotImplementedError

    def begin_rest(self, tree: int) -> None:
        """From here on write behind the tree, which is `tree` bytes long."""
        head, self._head = self._head or bytearray(), None
        self._output.resume(tree)
        self._output.write(head)
