"""Many objects at once: their bytes as one buffer, or where they lie. Needs numpy.

What is ready in memory (`ready.py`) is located there all at once; what is not is made ready, stripe by stripe; and what
can never be (packed beyond the cache, in several extents, of a space of names) is read in the order of its addresses,
so that each block is read, checked and decoded once.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, overload

import numpy as np

from objref.asked import Asked
from objref.direct import DirectSpace
from objref.errors import LimitError, UsageError
from objref.gathering import I64, joined
from objref.object import Object
from objref_index.objects import LISTED, NOWHERE, Row

if TYPE_CHECKING:
    from objref.image import Image
    from objref.space import Space

__all__ = ["Batch", "Offsets", "get_many", "offsets"]

NONE = np.empty(0, np.int64)


class Batch(Sequence[memoryview]):
    """The bytes of several objects, in the order in which they were asked for.

    The i-th is `batch[i]`, a read-only memoryview: `data[starts[i] : ends[i]]`. In joined form each starts where the
    one before ends. Views of a mapped file keep it mapped.
    """

    __slots__ = ("data", "ends", "missing", "starts")

    def __init__(self, data: Any, starts: I64, ends: I64, missing: I64) -> None:
        self.data = memoryview(data).toreadonly()
        """One buffer."""
        self.starts = starts
        """int64: where in `data` each object starts,"""
        self.ends = ends
        """and ends."""
        self.missing = missing
        """int64: places in the batch of keys that are not there, and so have no bytes."""

    @overload
    def __getitem__(self, i: int) -> memoryview: ...
    @overload
    def __getitem__(self, i: slice) -> list[memoryview]: ...
    def __getitem__(self, i: int | slice) -> memoryview | list[memoryview]:
        if isinstance(i, slice):
            return [self[place] for place in range(*i.indices(len(self)))]
        return self.data[self.starts[i] : self.ends[i]]

    def __iter__(self) -> Iterator[memoryview]:
        data = self.data
        return (data[a:b] for a, b in zip(self.starts.tolist(), self.ends.tolist(), strict=True))

    def __len__(self) -> int:
        return len(self.ends)

    def __repr__(self) -> str:
        return f"<batch of {len(self)} objects, {int((self.ends - self.starts).sum())} bytes>"


class Offsets(NamedTuple):
    """Where objects lie in the file: int64, in bytes."""

    starts: I64
    ends: I64
    missing: I64
    """Places in the batch of keys that are not there, which start and end at 0."""


class _Found(NamedTuple):
    """The objects of a batch: those that are located in memory, and the rest."""

    starts: I64
    ends: I64
    rest: I64
    """Places in the batch of what is not located."""
    ordinals: list[int]
    """Of the rest; -1 of what is not there."""
    rows: dict[int, Row]
    """Of these ordinals."""

    @property
    def missing(self) -> I64:
        """Places in the batch of what is not there."""
        return self.rest[np.asarray(self.ordinals, np.int64) < 0]

    @property
    def lengths(self) -> list[int]:
        """Of the rest. Their sum may be more than an array could hold."""
        return [self.rows[o].length if o >= 0 else 0 for o in self.ordinals]


def get_many(image: Image, space: Space, keys: Iterable[Any], form: str, missing: str) -> Batch:
    """See `Space.get_many`."""
    if form not in ("joined", "views"):
        raise UsageError(f'form must be "joined" or "views", not {form!r}')
    asked = Asked(space, keys, missing)
    if form == "joined" and isinstance(space, DirectSpace) and asked.numbers is not None:
        made = space.all_joined(asked.numbers, image.container.limits.read)
        if made is not None:
            return Batch(*made, NONE)
    found = _find(image, space, asked)
    direct = space if isinstance(space, DirectSpace) and not any(found.lengths) else None
    if direct is not None:
        for ordinal, row in found.rows.items():
            _check_empty(image, ordinal, row)
    if direct is not None and form == "views":
        return Batch(direct.data, found.starts, found.ends, found.missing)
    lengths = _limited(image, space, found)
    ends = np.cumsum(lengths)
    if direct is None:
        data: Any = _read(image, space, found, ends - lengths)
    else:
        data = joined(direct.data, found.starts, found.ends)
    return Batch(data, ends - lengths, ends, found.missing)


def _find(image: Image, space: Space, asked: Asked, *, in_file: bool = False) -> _Found:
    starts, ends = _locate(space, asked, in_file)
    rest = np.flatnonzero(starts == ends)
    ordinals = asked.ordinals(rest.tolist())
    return _Found(starts, ends, rest, ordinals, {o: image.object_table.row(o) for o in {*ordinals} if o >= 0})


def _locate(space: Space, asked: Asked, in_file: bool) -> tuple[I64, I64]:
    """Starts and ends of what is in memory, or can be; 0, 0 of the rest. `in_file`: only if that is the file's."""
    numbers = asked.numbers
    if numbers is None or not isinstance(space, DirectSpace) or (in_file and not space.in_file):
        return np.zeros(len(asked), np.int64), np.zeros(len(asked), np.int64)
    starts, ends = space.locate(numbers)
    if space.touch_all(numbers[starts == ends]):
        starts, ends = space.locate(numbers)
    return starts, ends


def _limited(image: Image, space: Space, found: _Found) -> I64:
    """The length of each object, when all of them together may be handed out."""
    lengths, rest, limit = found.ends - found.starts, found.lengths, image.container.limits.read
    size = int(lengths.sum()) + sum(rest)
    if size > limit:
        raise LimitError(f"{len(lengths)} objects of space {space.name}: {size} bytes at once, limit {limit}: ask for "
                         "fewer")  # fmt: skip
    lengths[found.rest] = rest
    return lengths


def _read(image: Image, space: Space, found: _Found, starts: I64) -> bytearray:
    """Objects from wherever they are, joined: those that are located run by run, the rest in the order of addresses."""
    made = bytearray(sum(found.lengths) + int((found.ends - found.starts).sum()))
    if isinstance(space, DirectSpace):
        for before, stop in pairwise([-1, *found.rest.tolist(), len(starts)]):
            if stop - before > 1:
                part = joined(space.data, found.starts[before + 1 : stop], found.ends[before + 1 : stop])
                made[starts[before + 1] : starts[before + 1] + len(part)] = part
    places = zip(found.rest.tolist(), found.ordinals, strict=True)
    for i, ordinal in sorted(places, key=lambda place: found.rows[place[1]][:2] if place[1] >= 0 else ()):
        at = int(starts[i])
        for chunk in _chunks(image, ordinal, found.rows[ordinal]) if ordinal >= 0 else ():
            made[at : at + len(chunk)] = chunk
            at += len(chunk)
    return made


def _check_empty(image: Image, ordinal: int, row: Row) -> None:
    """No bytes are read of an object without bytes, but a row that lies is found out."""
    for _ in _chunks(image, ordinal, row):
        pass


def _chunks(image: Image, ordinal: int, row: Row) -> Iterable[bytes | memoryview]:
    if NOWHERE < row.section < LISTED:
        return image.container.chunks(row.section, row.address, row.length)
    found = Object(image, ordinal, row)
    return (found.bytes,) if found.sparse else found.chunks()  # the former says why that cannot be


def offsets(image: Image, space: Space, keys: Iterable[Any], missing: str) -> Offsets:
    """See `Space.offsets`."""
    found = _find(image, space, Asked(space, keys, missing), in_file=True)
    starts, ends = found.starts, found.ends
    places = [(i, o) for i, o in zip(found.rest.tolist(), found.ordinals, strict=True) if o >= 0]
    for i, ordinal in sorted(places, key=lambda place: found.rows[place[1]][:2]):
        starts[i] = _position(image, ordinal, found.rows[ordinal])
        ends[i] = starts[i] + found.rows[ordinal].length
    return Offsets(starts, ends, found.missing)


def _position(image: Image, ordinal: int, row: Row) -> int:
    if not row.length:
        _check_empty(image, ordinal, row)
        return 0
    if NOWHERE < row.section < LISTED:
        return image.container.position(row.section, row.address, row.length)
    found = Object(image, ordinal, row)
    places = found.places()
    if [length for _, length in places] != [row.length]:
        raise UsageError(f"{found.objref} lies in {len(places)} places of the file")
    return places[0][0]
