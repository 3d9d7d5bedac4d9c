"""Spaces that are looked up in memory, once what they need was checked. Hot path: bench/lookup.py guards it."""

from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from objref.container import format as f
from objref.errors import FormatError
from objref.ready import Ready, make_ready
from objref.space import Key, Space
from objref_index import IntKeys, KeyTable
from objref_index.core import native
from objref_index.lookup import SLOTS, HashedTable, RunTable, Word

if TYPE_CHECKING:
    from objref.gathering import I64, U64
    from objref.image import Image

__all__ = ["DirectSpace", "HashedSpace", "RunSpace", "direct_space"]

NEAR = 1 << 24
"""Up to here the table of a run of keys may begin at key 0: addresses only, no memory. CRIU's ids begin near 1."""
NOTHING = memoryview(b"")


class DirectSpace(Space):
    """A space whose keys ascend with its objects. Its tables are made when it is touched first."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._lock = threading.Lock()
        self._opened = False
        self._ready: Ready | None = None
        self.data: Any = b""
        """Memory in which its objects are: the file, or what was decoded of it."""

    def _table(self, word: Word) -> RunTable | HashedTable:
        """An empty table of its shape."""
        raise NotImplementedError

    def _open(self) -> bool:
        """Make the tables. False if they were made before."""
        with self._lock:
            if self._opened:
                return False
            with suppress(FormatError, OSError):  # damaged, which each object will say; or no memory
                self._ready = make_ready(self._image, self.entry, self._table)
                if self._ready is not None:
                    self._use(self._ready.data, self._ready.table)
            self._opened = True
            return True

    def _use(self, data: Any, table: Any) -> None:
        """A table to look into from now on."""
        raise NotImplementedError

    def close(self) -> None:
        """What is looked up from now on goes the long way, which says that the image was closed."""
        with self._lock:
            self._opened, self._ready = True, None
            self._leave()

    def _leave(self) -> None:
        """No table to look into any more."""
        raise NotImplementedError

    def _slow(self, key: Key) -> bytes:
        """What is not ready: made ready, if it can be."""
        number, ordinal = self.plain(key), self.ordinal(key)
        if self._touch(ordinal) or type(key) is not int:
            return self[number]
        return self._bytes(ordinal)

    def _touch(self, ordinal: int) -> bool:
        """Whether an object may be ready now that was not before."""
        news, ready = self._open(), self._ready
        return (ready is not None and ready.touch(ordinal - self.entry.first)) or news

    def touch_all(self, numbers: U64) -> bool:
        """Whether some of these keys may be ready now that were not before."""
        self._open()
        news = False
        for number in sorted({*numbers.tolist()}) if self._ready is not None else ():
            ordinal = self._keys.find(number)
            news = (ordinal >= 0 and self._touch(ordinal)) or news
        return news

    @property
    def in_file(self) -> bool:
        """Whether its memory is that of the file."""
        self._open()
        return self._ready is not None and self._ready.in_file

    def locate(self, numbers: U64) -> tuple[I64, I64]:
        """Start and end in the data; 0, 0 of what is not there or not ready."""
        from objref.gathering import spans_of

        return spans_of(None if self._ready is None else self._ready.table, numbers)

    def all_joined(self, numbers: U64, limit: int) -> tuple[bytes, I64, I64] | None:
        """The bytes of these keys, one after the other, and where in these each starts and ends. None unless all are
        ready; or if they are more than the limit."""
        return None


class RunSpace(DirectSpace):
    """A run of keys near 0: the key is its place. Two numbers are read, and one slice is taken."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._leave()

    def _table(self, word: Word) -> RunTable:
        return RunTable(self.entry.base, self.entry.keys, word)

    def _use(self, data: Any, table: Any) -> None:
        self.data, self._ends, self._starts = data, table.spans[1::2], table.spans[::2]

    def _leave(self) -> None:
        self.data, self._ends, self._starts = b"", NOTHING, NOTHING

    def __getitem__(self, key: Key) -> bytes:
        try:  # + for what a memoryview would take though it is no number: tuples
            found: bytes = self.data[self._starts[+key] : self._ends[key]]
        except (IndexError, TypeError):  # not in the table, or no number
            found = b""
        return found or self._slow(key)


class HashedSpace(DirectSpace):
    """Sorted keys, all different: one look for most of them, a second for nearly all."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._leave()

    def _table(self, word: Word) -> HashedTable:
        return HashedTable(self._keys, word)

    def _use(self, data: Any, table: Any) -> None:
        with_table = (data, table.modulus, table.slots, table.layout.size, table.layout.unpack_from, table.find)
        self._tables: tuple[Any, ...] = with_table  # at once: other threads must not see half of them
        self.data = data

    def _leave(self) -> None:
        layout = SLOTS["I"]
        self._tables = b"", 1, bytes(2 * layout.size), layout.size, layout.unpack_from, lambda key: (0, 0)
        self.data = b""

    def __getitem__(self, key: Key) -> bytes:
        if type(key) is not int:  # numpy's numbers wrap around
            return self._slow(key)
        data, modulus, slots, size, unpack, find = self._tables
        at = key % modulus * size
        found, start, end = unpack(slots, at)
        if found != key:
            found, start, end = unpack(slots, at + size)
            if found != key:
                start, end = find(key)
        return data[start:end] or self._slow(key)


def direct_space(image: Image, entry: f.SpaceEntry, keys: Any) -> DirectSpace | None:
    """None where keys and objects do not ascend together, or keys are claimed twice."""
    if keys.permuted or not entry.keys or entry.distinct != entry.keys:
        return None
    run = bool(entry.flags & f.SPACE_RUN)
    if not run and not isinstance(keys, IntKeys):
        return None
    if native() is not None:
        from objref.fast_space import FastSpace

        return FastSpace(image, entry, keys)
    if run:
        return RunSpace(image, entry, keys) if entry.base <= NEAR else None
    return HashedSpace(image, entry, keys)
