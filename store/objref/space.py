"""A space of an image: a read-only mapping from keys to bytes, `files[31]`."""

from __future__ import annotations

from _collections_abc import Mapping  # which `collections.abc` only names

from objref.container import format as f
from objref.errors import NotFoundError, UsageError
from objref.names import encode_text, format_objref, parse_key
from objref.object import Object
from objref_index import FORM_BYTES, FORM_PAIR, KeyTable
from objref_index.objects import LISTED, NOWHERE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from typing import Any, TypeAlias

    from objref.backing import Quick
    from objref.batch import Batch, Offsets
    from objref.image import Image

__all__ = ["Space", "open_space"]

Found: TypeAlias = Object
"""An Object; `object` is also the name of a method."""
Key: TypeAlias = "Any"
"""int, or bytes (str is taken as UTF-8) in spaces of names."""

SMALL = 1 << 20
NAMED = 5
"""Missing keys that one error names."""
NAMES_COMPARED = 250
"""Names before and behind a missing one that are looked at for similar ones: of a million it would take a minute."""


class Space(Mapping[Key, bytes]):
    """The objects of one kind in one layer, by key. Iterates over distinct keys in ascending order.

    `space[key]` is the bytes of the (first) object with that key, `space.object(key)` the object. Keys are numbers, or
    names (bytes or str); a pair such as that of fd:3/4 is (3, 4), "3/4" or 3 << 32 | 4, as which it is given.
    """

    # No __slots__: the native core has a layout of its own, which cannot be joined with another one.

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

    def plain(self, key: Key) -> int | bytes:
        """The key as the tables have it: a number, or bytes. UsageError for what can be none here."""
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
        wanted = self.plain(key)
        found: int = self._keys.find(wanted)
        if found < 0:
            raise self._missing(wanted)
        return found

    def find(self, key: Key) -> int:
        """Ordinal of the first object with this key, -1 without one."""
        return int(self._keys.find(self.plain(key)))

    def missing(self, keys: Sequence[Key], of: int) -> NotFoundError:
        """The error for keys that are not there, of so many that were asked for."""
        if len(keys) == 1:
            return self._missing(self.plain(keys[0]))
        names = [format_objref(self.layer, self.name, self.plain(key), self.form) for key in keys[:NAMED]]
        more = f" and {len(keys) - NAMED} more" if len(keys) > NAMED else ""
        return NotFoundError(f"no {', '.join(names)}{more}: {len(keys)} of {of} keys are not there")

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

    def get_many(self, keys: Iterable[Key], *, form: str = "joined", missing: str = "error") -> Batch:
        """The bytes of many objects at once, in the order of `keys`: any iterable, or a numpy array of integers.

        form     "joined": one buffer, and where each object ends in it. "views": where the objects lie in the mapped
                 file, without a copy, if all lie there raw; else as "joined"
        missing  "error": NotFoundError (a KeyError) that names them. "empty": they have no bytes, and `missing` of the
                 result says which they are

        Each block is read, checked and decoded once. LimitError when a joined buffer would exceed `limits.read`.

        >>> files = image["file"].get_many([31, 32, 40])  # doctest: +SKIP
        >>> files.data[files.starts[1] : files.ends[1]] == files[1] == image["file"][32]  # doctest: +SKIP
        True
        """
        from objref.batch import get_many

        return get_many(self._image, self, keys, form, missing)

    def offsets(self, keys: Iterable[Key], *, missing: str = "error") -> Offsets:
        """Where the bytes of objects lie in the file: `starts` and `ends`, int64, as in `get_many`; checked.

        UsageError when one of them does not lie there as it is: packed, or in several places. An object without bytes
        starts and ends at 0.
        """
        from objref.batch import offsets

        return offsets(self._image, self, keys, missing)

    def object(self, key: Key) -> Object:
        """The (first) object with this key."""
        return self._at(self.ordinal(key))

    def claimed(self, key: Key, n: int) -> Object:
        """The n-th object (from 1) that claims this key."""
        if n == 1:
            return self.object(key)
        found = self._keys.find_all(self.plain(key))
        if n > len(found):
            name = format_objref(self.layer, self.name, self.plain(key), self.form)
            claim = "object claims" if len(found) == 1 else "objects claim"
            raise NotFoundError(f"no {name}~{n}: {len(found)} {claim} {name}")
        return self._at(found[n - 1])

    def claims(self, key: Key) -> int:
        """How many objects claim this key."""
        if self.entry.keys == self.entry.distinct:
            return int(key in self)
        return len(self._keys.find_all(self.plain(key)))

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

    def close(self) -> None:
        """Let go of what was made ready. Called by `Image.close`."""

    def __iter__(self) -> Iterator[Key]:
        last = None
        for key in self._keys.keys():  # noqa: SIM118 - not a dict
            if key != last:
                yield key
            last = key

    def __len__(self) -> int:
        return self.entry.distinct

    def __contains__(self, key: Any) -> bool:
        return bool(self._keys.find(self.plain(key)) >= 0)

    def __repr__(self) -> str:
        return f"<space {self.layer}/{self.name}: {len(self)} keys>"


class QuickSpace(Space):
    """A space whose index has a shorter way to the bytes. Hot path: bench/lookup.py guards it."""

    def __init__(self, image: Image, entry: f.SpaceEntry, keys: KeyTable, quick: Quick) -> None:
        super().__init__(image, entry, keys)
        self._quick = quick

    def __getitem__(self, key: Key) -> bytes:
        found = self._quick(key)
        return self._bytes(self.ordinal(key)) if found is None else found


def open_space(image: Image, entry: f.SpaceEntry) -> Space:
    """The fastest mapping that fits the shape of the space and the source."""
    container = image.container
    keys: Any = container.keys(entry)
    if container.mapped is not None and entry.flags & f.SPACE_CONTIGUOUS and entry.form != FORM_BYTES:
        from objref.direct import direct_space

        direct = direct_space(image, entry, keys)
        if direct is not None:
            return direct
    quick = container.quick(entry, keys)
    return Space(image, entry, keys) if quick is None else QuickSpace(image, entry, keys, quick)
