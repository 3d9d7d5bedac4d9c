"""A space of an image: a read-only mapping from keys to bytes, `files[31]`."""

from __future__ import annotations

from _collections_abc import Mapping  # which `collections.abc` only names
from mmap import MADV_HUGEPAGE, MAP_ANONYMOUS, MAP_PRIVATE, mmap
from operator import add

from objref.container import format as f
from objref.container.source import MapSource
from objref.errors import FormatError, NotFoundError, UsageError
from objref.names import encode_text, format_objref, parse_key
from objref.object import Object
from objref_index import FORM_BYTES, FORM_PAIR, IntKeys, KeyTable
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Literal, TypeAlias

    from objref.backing import Quick
    from objref.image import Image

__all__ = ["Space", "open_space"]

Found: TypeAlias = Object
"""An Object; `object` is also the name of a method."""
Key: TypeAlias = "Any"
"""int, or bytes (str is taken as UTF-8) in spaces of names."""

STRIPE_LOG2 = 8
"""Keys that become ready together: fewer make the first touch faster, more make all first touches together faster."""
WORD_BYTES = {"I": 4, "Q": 8}
SMALL = 1 << 20
NAMES_COMPARED = 250
"""Names before and behind a missing one that are looked at for similar ones: of a million it would take a minute."""
NEAR = 1 << 24
"""Up to here the table of a run of keys may begin at key 0: addresses only, no memory. CRIU's ids begin near 1."""
CHECK_AHEAD = 64 << 20
"""A stripe of keys whose objects hold more is read object by object."""


class Space(Mapping[Key, bytes]):
    """The objects of one kind in one layer, by key. Iterates over distinct keys in ascending order.

    `space[key]` is the bytes of the (first) object with that key, `space.object(key)` the object. Keys are numbers, or
    names (bytes or str); a pair such as that of fd:3/4 is (3, 4), "3/4" or 3 << 32 | 4, as which it is given.
    """

    __slots__ = ("_image", "_keys", "entry", "form", "layer", "name")

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable) -> None:
        self._image = image
        self._keys: Any = keys
        self.entry = entry
        """How the container describes it."""
        self.form = entry.form
        """How its keys are written: a FORM_* of `objref_index`."""
        self.layer = entry.layer
        """0: the newest image; 1: the one below in the chain of parents, and so on."""
        self.name = entry.name
        """That of the kind of its objects."""

    def _key(self, key: Key) -> int | bytes:
        if self.form == FORM_BYTES:
            key = encode_text(key) if isinstance(key, str) else key
            if not isinstance(key, bytes):
                raise UsageError(f"keys of space {self.name!r} are names, not {key!r}")
            return key
        try:
            return int(key.__index__())
        except AttributeError:
            if self.form == FORM_PAIR:
                return self._pair(key)
            raise UsageError(f"keys of space {self.name!r} are numbers, not {key!r}") from None

    def _pair(self, key: Any) -> int:
        """(3, 4) or "3/4", which are the number 3 << 32 | 4."""
        if isinstance(key, tuple) and len(key) == 2:
            key = "/".join(map(str, key))
        if not isinstance(key, str):
            raise UsageError(f'keys of space {self.name!r} are pairs such as (3, 4) or "3/4", not {key!r}')
        return int(parse_key(key, self.form))

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

            names = [format_objref(self.layer, self.name, k, self.form) for k in self._keys.around(key, NAMES_COMPARED)]
            yield from get_close_matches(format_objref(self.layer, self.name, key, self.form), names, 3)
        else:
            for k in self._keys.nearest(key, 3):
                yield format_objref(self.layer, self.name, k, self.form)

    def __getitem__(self, key: Key) -> bytes:
        return self._bytes(self.ordinal(key))

    def _bytes(self, ordinal: int) -> bytes:
        """Small objects in one place, which most are, need no `Object`."""
        row = self._image.object_table.row(ordinal)
        if NOWHERE < row.section < LISTED and row.length <= SMALL:
            return bytes(self._image.container.read(row.section, row.address, row.length))
        return self._at(ordinal).bytes

    def object(self, key: Key) -> Object:
        """The (first) object with this key."""
        return self._at(self.ordinal(key))

    def claimed(self, key: Key, n: int) -> Object:
        """The n-th object (from 1) that claims this key."""
        if n == 1:
            return self.object(key)
        found = self._keys.find_all(self._key(key))
        if n > len(found):
            name = format_objref(self.layer, self.name, self._key(key), self.form)
            claim = "object claims" if len(found) == 1 else "objects claim"
            raise NotFoundError(f"no {name}~{n}: {len(found)} {claim} {name}")
        return self._at(found[n - 1])

    def claims(self, key: Key) -> int:
        """How many objects claim this key."""
        if self.entry.keys == self.entry.distinct:
            return int(key in self)
        return len(self._keys.find_all(self._key(key)))

    def _at(self, ordinal: int) -> Found:
        return Object(self._image, ordinal, self._image.object_table.row(ordinal))

    def claim(self, ordinal: int) -> tuple[int | bytes, int] | None:
        """(key, n) of an object: it is the n-th to claim that key here. None when it has no key here."""
        found: tuple[int | bytes, int] | None = self._keys.claim(ordinal)
        return found

    def objects(self) -> Iterator[Found]:
        """All objects in key order, all claims of a key."""
        for ordinal in self._keys.ordinals():
            yield self._at(ordinal)

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

    `_spans` holds where each object starts and ends in the file, from key 0 on. It is filled at the first touch of a
    stripe of keys, after their rows and all blocks that these name were checked; until then it is zero, which reads as
    no bytes. Memory is taken as it is touched: 8 bytes an object (16 in files of 4 GiB or more), in huge pages where
    there are any.
    """

    __slots__ = ("_done", "_map", "_spans")

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: IntKeys, source: MapSource) -> None:
        super().__init__(image, entry, keys)
        self._map: Any = source.map
        word: Literal["Q", "I"] = "Q" if source.length >> 32 else "I"
        memory = mmap(-1, max(entry.base + entry.keys, 1) * 2 * WORD_BYTES[word], MAP_PRIVATE | MAP_ANONYMOUS)
        try:
            memory.madvise(MADV_HUGEPAGE)
        except OSError:  # a kernel without huge pages
            pass
        self._spans = memoryview(memory).cast(word)
        self._done: set[int] = set()

    def __getitem__(self, key: Key) -> bytes:
        if type(key) is int:  # numpy's numbers wrap around
            i = key + key
            if i >= 0:
                spans = self._spans
                try:
                    return self._map[spans[i] : spans[i + 1]] or self._slow(key)
                except IndexError:
                    pass
        return self._slow(key)

    def _slow(self, key: Key) -> bytes:
        number, ordinal = self._key(key), self.ordinal(key)
        stripe = (ordinal - self.entry.first) >> STRIPE_LOG2
        if stripe not in self._done:
            self._prepare(stripe)
            self._done.add(stripe)
        elif type(key) is int:
            return self._bytes(ordinal)
        return self[number]

    def _prepare(self, stripe: int) -> None:
        first, start = self.entry.first, stripe << STRIPE_LOG2
        stop = min(start + (1 << STRIPE_LOG2), self.entry.keys)
        try:
            found = self._checked(first + start, first + stop)
        except FormatError:  # perhaps a neighbour is damaged: object by object it will show
            return
        if found is not None:
            base = self.entry.base
            self._spans[2 * (base + start) : 2 * (base + stop)] = found  # at once, so that no thread sees half a span

    def _checked(self, start: int, stop: int) -> memoryview | None:
        """Spans of objects start…stop-1, their rows and blocks checked. None unless all lie in one raw piece."""
        words = self._image.object_table.words(start, stop)
        where = words[::2]
        ends = list(map(add, where, [what & ADDRESS_MASK for what in words[1::2]]))
        low, high = min(where), max(ends)
        section, container = low >> 48, self._image.container
        entry = container.sections.get(section)
        if entry is None or entry.codec != f.RAW or entry.dictionary or entry.role != f.STRAND:
            return None
        if not 0 < high - low <= CHECK_AHEAD:  # of nothing no block would be checked
            return None
        piece = container.find_piece(section, low & ADDRESS_MASK)
        begin = (section << 48) + piece.address
        if high > begin + piece.length:
            return None
        container.check_blocks(entry, piece, low - begin, high - begin)
        from array import array  # which imports `collections`

        spans = array(self._spans.format, [0]) * len(words)
        shift = piece.offset - begin
        spans[::2] = array(spans.typecode, [at + shift for at in where])
        spans[1::2] = array(spans.typecode, [at + shift for at in ends])
        return memoryview(spans)


class QuickSpace(Space):
    """A space whose index has a shorter way to the bytes. Hot path: bench/lookup.py guards it."""

    __slots__ = ("_quick",)

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable, quick: Quick) -> None:
        super().__init__(image, entry, keys)
        self._quick = quick

    def __getitem__(self, key: Key) -> bytes:
        found = self._quick(key)
        return self._bytes(self.ordinal(key)) if found is None else found


def open_space(image: Image, entry: f.SpaceEntry) -> Space:
    """The fastest mapping that fits the shape of the space and the source."""
    container = image.container
    keys = container.keys(entry)
    quick = container.quick(entry, keys)
    if quick is not None:
        return QuickSpace(image, entry, keys, quick)
    direct = f.SPACE_RUN | f.SPACE_CONTIGUOUS
    source = container.source
    raw = any(s.codec == f.RAW and s.role == f.STRAND for s in container.sections.values())
    near = entry.flags & direct == direct and entry.base <= NEAR
    if raw and near and isinstance(keys, IntKeys) and isinstance(source, MapSource) and not keys.permuted:
        try:
            return RunSpace(image, entry, keys, source)
        except OSError:  # no memory for its spans
            pass
    return Space(image, entry, keys)
