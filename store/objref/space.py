"""A space of an image: a read-only mapping from keys to bytes, `files[31]`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from operator import add
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from objref.container import format as f
from objref.container.source import MapSource
from objref.errors import FormatError, NotFoundError, UsageError
from objref.names import format_objref
from objref.object import Object
from objref_index import FORM_BYTES, ByteKeys, IntKeys
from objref_index.objects import ADDRESS_MASK, LISTED

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["Space", "open_space"]

Found: TypeAlias = Object
"""An Object; `object` is also the name of a method."""
Key = Any
"""int, or bytes (str is taken as UTF-8) in spaces of names."""

ROWS_LOG2 = 12
ROWS_MASK = (1 << ROWS_LOG2) - 1
CHECK_AHEAD = 64 << 20
"""A stripe of rows whose objects hold more is read object by object."""


class Space(Mapping[Key, bytes]):
    """The objects of one kind in one layer, by key. Iterates over distinct keys in ascending order.

    `space[key]` is the bytes of the (first) object with that key, `space.object(key)` the object.
    """

    __slots__ = ("_image", "_keys", "entry", "form", "layer", "name")

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: IntKeys | ByteKeys) -> None:
        self._image = image
        self._keys: Any = keys
        self.entry = entry
        self.form = entry.form
        self.layer = entry.layer
        self.name = entry.name

    def _key(self, key: Key) -> int | bytes:
        if self.form == FORM_BYTES:
            key = key.encode("utf-8", "surrogateescape") if isinstance(key, str) else key
            if not isinstance(key, bytes):
                raise UsageError(f"keys of space {self.name!r} are names, not {key!r}")
            return key
        try:
            return int(key.__index__())
        except AttributeError:
            raise UsageError(f"keys of space {self.name!r} are numbers, not {key!r}") from None

    def ordinal(self, key: Key) -> int:
        """Ordinal of the first object with this key; NotFoundError (a KeyError) without one."""
        wanted = self._key(key)
        found: int = self._keys.find(wanted)
        if found < 0:
            raise self._missing(wanted)
        return found

    def _missing(self, key: int | bytes) -> NotFoundError:
        asked = format_objref(self.layer, self.name, key, self.form)
        near = tuple(self._nearest(key))
        hint = f"; nearest: {', '.join(near)}" if near else ""
        return NotFoundError(f"no {asked}{hint}", near)

    def _nearest(self, key: int | bytes) -> Iterator[str]:
        if isinstance(key, bytes):
            from difflib import get_close_matches

            names = [format_objref(self.layer, self.name, k, self.form) for k in self._keys.keys()]  # noqa: SIM118 - not a dict
            yield from get_close_matches(format_objref(self.layer, self.name, key, self.form), names, 3)
        else:
            for k in self._keys.nearest(key, 3):
                yield format_objref(self.layer, self.name, k, self.form)

    def __getitem__(self, key: Key) -> bytes:
        return self.object(key).bytes

    def object(self, key: Key) -> Object:
        """The (first) object with this key."""
        ordinal = self.ordinal(key)
        return Object(self._image, ordinal, self._image.object_table.row(ordinal))

    def claimed(self, key: Key, n: int) -> Object:
        """The n-th object (from 1) that claims this key."""
        if n == 1:
            return self.object(key)
        found = self._keys.find_all(self._key(key))
        if n > len(found):
            name = format_objref(self.layer, self.name, self._key(key), self.form)
            raise NotFoundError(f"no {name}~{n}: {len(found)} objects claim {name}")
        return self._image.by_ordinal(found[n - 1])

    def claim(self, ordinal: int) -> tuple[int | bytes, int] | None:
        """(key, n) of an object: it is the n-th to claim that key here. None when it has no key here."""
        return cast("tuple[int | bytes, int] | None", self._keys.claim(ordinal))

    def objects(self) -> Iterator[Found]:
        """All objects in key order, all claims of a key."""
        for place in range(self.entry.keys):
            yield self._image.by_ordinal(self._keys.ordinal(place))

    def __iter__(self) -> Iterator[Key]:
        last = None
        for key in self._keys.keys():  # noqa: SIM118 - not a dict
            if key != last:
                yield key
            last = key

    def __len__(self) -> int:
        return self.entry.distinct

    def __contains__(self, key: Any) -> bool:
        return bool(self._keys.find(self._key(key)) >= 0)

    def __repr__(self) -> str:
        return f"<space {self.layer}/{self.name}: {len(self)} keys>"


class RunSpace(Space):
    """A space whose keys are a run, in a mapped file. Hot path: bench/lookup.py guards it.

    `_ready[k]` is made at the first touch of row stripe k: (rows, a, b), after the rows and all blocks that
    they name were checked. Then a row's words less a and b are a file offset and a length, and nothing else is
    left to do.
    """

    __slots__ = ("_end", "_first", "_map", "_ready", "_shift")

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: IntKeys, source: MapSource) -> None:
        super().__init__(image, entry, keys)
        self._first = entry.first
        self._end = entry.first + entry.keys
        self._shift = entry.base - entry.first
        self._map = source.map
        self._ready: list[Any] = [None] * (-(-image.object_table.count >> ROWS_LOG2) + 1)

    def __getitem__(self, key: Key) -> bytes:
        try:
            ordinal = key - self._shift
            if not self._first <= ordinal < self._end:
                raise self._missing(self._key(key))
            rows, a, b = self._ready[ordinal >> 12]
            row = (ordinal & 4095) << 1
            start = rows[row] - a
            return self._map[start : start + rows[row + 1] - b]  # type: ignore[index]
        except TypeError:  # the stripe is not ready, or the key is no number
            return self._slow(key)

    def _slow(self, key: Key) -> bytes:
        stripe = self.ordinal(key) >> ROWS_LOG2
        if self._ready[stripe] is None:
            self._ready[stripe] = self._prepare(stripe) or False
        return self.object(key).bytes

    def _prepare(self, stripe: int) -> tuple[memoryview, int, int] | None:
        """Check a stripe of rows and what they name. None unless all lie in one raw piece."""
        rows = self._image.object_table.stripe(stripe)
        where, what = rows[::2], rows[1::2]
        low, high, kind = min(where), max(map(add, where, what)), min(what) >> 48
        section = low >> 48
        if max(where) >> 48 != section or max(what) >> 48 != kind or section in (0, LISTED):
            return None
        start, end = low & ADDRESS_MASK, (high - (kind << 48)) & ADDRESS_MASK
        container = self._image.container
        entry = container.sections.get(section)
        if entry is None or entry.codec != f.RAW or entry.role != f.STRAND or end - start > CHECK_AHEAD:
            return None
        piece = container.find_piece(section, start)
        if end > piece.address + piece.length or (high - (kind << 48)) >> 48 != section:
            return None
        container.check_blocks(entry, piece, start - piece.address, end - piece.address)
        return rows, (section << 48) + piece.address - piece.offset, kind << 48


def open_space(image: Image, entry: f.SpaceEntry) -> Space:
    """The fastest mapping that fits the shape of the space and the source."""
    container = image.container
    if entry.form == FORM_BYTES:
        return Space(image, entry, container.byte_keys(entry))
    keys = container.int_keys(entry)
    direct = f.SPACE_RUN | f.SPACE_CONTIGUOUS
    source = container.source
    if entry.flags & direct == direct and not keys.permuted and isinstance(source, MapSource):
        return RunSpace(image, entry, keys, source)
    if entry.keys != entry.distinct and entry.distinct > entry.keys:
        raise FormatError(f"space {entry.name}: {entry.distinct} distinct keys of {entry.keys}")
    return Space(image, entry, keys)
