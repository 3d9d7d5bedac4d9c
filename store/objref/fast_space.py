"""The same lookups by the native core. Loaded only where it was built."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.container import format as f
from objref.direct import DirectSpace
from objref_index._fast import Spans
from objref_index.lookup import WORD_BYTES, HashedTable, RunTable, Word

if TYPE_CHECKING:
    from objref.gathering import I64, U64
    from objref.image import Image
    from objref_index import KeyTable

__all__ = ["FastSpace"]


class FastSpace(Spans, DirectSpace):
    """A run of keys, wherever it begins, or sorted ones. `Spans` looks up, and asks `_slow` for what is not ready."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        DirectSpace.__init__(self, image, entry, keys)

    def _table(self, word: Word) -> RunTable | HashedTable:
        if self.entry.flags & f.SPACE_RUN:
            return RunTable(0, self.entry.keys, word)
        return HashedTable(self._keys, word)

    def _use(self, data: Any, table: Any) -> None:
        words = WORD_BYTES[table.word]
        if isinstance(table, RunTable):
            Spans.__init__(self, data, table.spans[: 2 * table.count], words, self.entry.base)
        else:
            Spans.__init__(self, data, table.slots, words, 0, table.modulus)
        self.data = data

    def _leave(self) -> None:
        self.data = b""
        self._release()

    def locate(self, numbers: U64) -> tuple[I64, I64]:
        starts, ends = self._empty(numbers)
        self._locate_into(numbers, starts, ends)
        return starts, ends

    def all_joined(self, numbers: U64, limit: int) -> tuple[bytes, I64, I64] | None:
        starts, ends = self._empty(numbers)
        found = self._join_into(numbers, starts, ends, limit)
        return None if found is None else (found, starts, ends)

    def _empty(self, numbers: U64) -> tuple[I64, I64]:
        import numpy as np

        return np.empty(len(numbers), np.int64), np.empty(len(numbers), np.int64)
