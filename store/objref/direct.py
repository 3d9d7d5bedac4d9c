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
from objref_index.unpacked import UnpackedKeys

if TYPE_CHECKING:
    from objref.gathering import I64, U64
    from objref.image import Image

__all__ = ["DirectSpace", "RunSpace", "SortedSpace", "direct_space"]

NEAR = 1 << 24
"""Up to here the table of a run of keys may begin at key 0: addresses only, no memory. CRIU's ids begin near 1."""
NOTHING = memoryview(b"")


class DirectSpace(Space):
    """A space whose keys ascend with its objects. Its tables are made when it is touched first."""

    _guess = False

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._lock = threading.Lock()
        self._opened = False
        self._ready: Ready | None = None
        self._unpacked: UnpackedKeys | None = None
        self.data: Any = b""
        """Memory in which its objects are: the file, or what was decoded of it."""

    @property
    def _origin(self) -> int:
        """The number of the first place."""
        return 0

    def _open(self) -> bool:
        """Make the tables. False if they were made before."""
        with self._lock:
            if self._opened:
                return False
            with suppress(FormatError, OSError):  # damaged, which each object will say; or no memory
                if isinstance(self._keys, IntKeys) and not self._keys.shape.run:
                    self._unpacked = UnpackedKeys(self._keys, guess=self._guess)
                self._ready = make_ready(self._image, self.entry, self._origin, self._unpacked)
                if self._ready is not None:
                    self._use(self._ready)
            self._opened = True
            return True

    def _use(self, ready: Ready) -> None:
        """Tables to look into from now on."""
        self.data = ready.data

    def close(self) -> None:
        """What is looked up from now on goes the long way, which says that the image was closed."""
        with self._lock:
            self._opened, self._ready = True, None
            self._leave()

    def _leave(self) -> None:
        """No tables to look into any more."""
        self.data = b""

    def _slow(self, key: Key) -> bytes:
        """What is not ready: made ready, if it can be."""
        number, ordinal = int(self.plain(key)), self.ordinal(key)
        if self._touch(number, ordinal) or type(key) is not int:
            return self[number]
        return self._known(ordinal) or self._bytes(ordinal)

    def _known(self, ordinal: int) -> bytes:
        """What is ready, but not found from its key in a few steps."""
        ready = self._ready
        if ready is None:
            return b""
        place = 2 * (self._origin + ordinal - self.entry.first)
        found: bytes = ready.data[ready.spans[place] : ready.spans[place + 1]]
        return found

    def _touch(self, number: int, ordinal: int) -> bool:
        """Whether an object may be ready now that was not before."""
        news = self._open()
        if self._ready is not None:
            news = self._ready.touch(ordinal - self.entry.first) or news
            if self._unpacked is not None:
                news = self._unpacked.fill_bucket(number) or news
        return news

    def touch_all(self, numbers: U64) -> bool:
        """Whether some of these keys may be ready now that were not before."""
        self._open()
        news = False
        for number in sorted({*numbers.tolist()}) if self._ready is not None else ():
            ordinal = self._keys.find(number)
            news = (ordinal >= 0 and self._touch(number, ordinal)) or news
        return news

    @property
    def in_file(self) -> bool:
        """Whether its memory is that of the file."""
        self._open()
        return self._ready is not None and self._ready.in_file

    def locate(self, numbers: U64) -> tuple[I64, I64]:
        """Start and end in the data; 0, 0 of what is not there or not ready."""
        raise NotImplementedError

    def all_joined(self, numbers: U64, limit: int) -> tuple[bytes, I64, I64] | None:
        """The bytes of these keys, one after the other, and where in these each starts and ends. None unless all are
        ready; or if they are more than the limit."""
        return None


class RunSpace(DirectSpace):
    """A run of keys near 0: the key is its place. Two numbers are read, and one slice is taken."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._starts = self._ends = NOTHING

    @property
    def _origin(self) -> int:
        return self.entry.base

    def _use(self, ready: Ready) -> None:
        self.data, self._ends, self._starts = ready.data, ready.spans[1::2], ready.spans[::2]

    def _leave(self) -> None:
        self.data, self._ends, self._starts = b"", NOTHING, NOTHING

    def __getitem__(self, key: Key) -> bytes:
        try:  # + for what a memoryview would take though it is no number: tuples
            found: bytes = self.data[self._starts[+key] : self._ends[key]]
        except (IndexError, TypeError):  # not in the tables, or no number
            found = b""
        return found or self._slow(key)

    def locate(self, numbers: U64) -> tuple[I64, I64]:
        from objref.gathering import spans_of

        return spans_of(self._ready, numbers)


class SortedSpace(DirectSpace):
    """Sorted keys, all different: a directory guesses the place of a key, or the one before it."""

    _guess = True

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        super().__init__(image, entry, keys)
        self._sorted = self._guesses = self._starts = self._ends = NOTHING
        self._base, self._shift = entry.base, 0

    def _use(self, ready: Ready) -> None:
        unpacked: Any = self._unpacked
        self._base, self._shift = unpacked.base, unpacked.guess_shift
        self.data, self._ends, self._starts = ready.data, ready.spans[1::2], ready.spans[::2]
        self._sorted, self._guesses = unpacked.keys, unpacked.guesses

    def _leave(self) -> None:
        self.data, self._sorted, self._ends, self._starts = b"", NOTHING, NOTHING, NOTHING

    def __getitem__(self, key: Key) -> bytes:
        if type(key) is int:  # numpy's numbers wrap around
            try:
                place = self._guesses[key - self._base >> self._shift]
                if self._sorted[place] != key:
                    place += 1
                    if self._sorted[place] != key:
                        return self._slow(key)
                return self.data[self._starts[place] : self._ends[place]] or self._slow(key)
            except IndexError:  # not in the tables
                pass
        return self._slow(key)

    def locate(self, numbers: U64) -> tuple[I64, I64]:
        from objref.gathering import places_of, spans_of

        return spans_of(self._ready, places_of(self._unpacked, numbers))


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
    return SortedSpace(image, entry, keys)
