"""The MiB of a tree: each is compared with its check before anybody sees it."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest as xxh3

from objref.errors import FormatError
from objref.sidecar.layout import CHECKED, CHECKED_LOG2

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from objref.container.source import PreadSource

__all__ = ["Parts"]


class Parts:
    """Those of a tree of `length` bytes. Mutable: `read` keeps what it read.

    damage  makes the exception to raise for bytes that differ from their check
    """

    def __init__(
        self, source: PreadSource, length: int, checks: memoryview, damage: Callable[[str], Exception]
    ) -> None:
        if len(checks) != -(-length // CHECKED):
            raise FormatError(f"table tree checks has {len(checks)} entries for a tree of {length} bytes (S12)")
        self._source, self._length, self._checks, self._damage = source, length, checks, damage
        self._known: dict[int, bytes] = {}

    def read(self, offset: int, length: int) -> memoryview:
        """Bytes that do not cross the border of a MiB."""
        number = offset >> CHECKED_LOG2
        part = self._known.get(number)
        if part is None:
            part = self._known[number] = self._checked(number)
        start = offset & (CHECKED - 1)
        return memoryview(part)[start : start + length]

    def _checked(self, number: int) -> bytes:
        start = number << CHECKED_LOG2
        data = self._source.read(start, min(CHECKED, self._length - start))
        if (found := xxh3(data)) != self._checks[number]:
            wrong = f"checksum {found:016x}, expected {self._checks[number]:016x}"
            raise self._damage(f"tree, offset {start}: {wrong} (S12)")
        return data
