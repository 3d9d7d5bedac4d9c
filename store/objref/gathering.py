"""Lookups and copies of many objects at once, in arrays: what the native core does for one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from objref.ready import Ready
    from objref_index.unpacked import UnpackedKeys

__all__ = ["I64", "U64", "joined", "places_of", "spans_of"]

U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]

SHORT = 0xFFFF
"""Bytes of an object up to which those of one length are looked for."""
WORTH = 16
"""Objects of one length that are copied faster together than one by one."""


def spans_of(ready: Ready | None, places: U64) -> tuple[I64, I64]:
    """Start and end of the objects at these places; 0, 0 where nothing is ready."""
    if ready is None:
        return np.zeros(len(places), np.int64), np.zeros(len(places), np.int64)
    table = np.frombuffer(ready.spans, ready.word).reshape(-1, 2)
    inside = np.minimum(places, np.uint64(ready.count)).astype(np.intp)  # behind the last are zeros
    found = table.take(inside, axis=0)
    return found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)


def places_of(keys: UnpackedKeys | None, numbers: U64) -> U64:
    """Places of keys by bisection, all at once; what is not found is behind the last."""
    nowhere = np.uint64(0xFFFFFFFFFFFFFFFF)
    if keys is None:
        return np.full(len(numbers), nowhere)
    ascending, radix = np.frombuffer(keys.keys, np.uint64), np.frombuffer(keys.radix, np.uint32)
    bucket = np.minimum((numbers - np.uint64(keys.base)) >> np.uint64(keys.shift), np.uint64(len(radix) - 2))
    low, high = (radix[bucket + np.uint64(i)].astype(np.int64) for i in range(2))
    high = np.minimum(high, len(ascending))
    while len(open_ := np.flatnonzero(low < high)):
        middle = (low[open_] + high[open_]) >> 1
        below = ascending[middle] < numbers[open_]
        low[open_[below]] = middle[below] + 1
        high[open_[~below]] = middle[~below]
    inside = np.minimum(low, len(ascending) - 1)
    return np.where(ascending[inside] == numbers, inside.astype(np.uint64), nowhere)


def joined(data: Any, starts: I64, ends: I64) -> bytes | memoryview:
    """The bytes of `data` between these, one after the other."""
    lengths = ends - starts
    if not len(lengths) or int(lengths.max()) > SHORT:
        return _one_by_one(data, starts, ends)
    order = np.argsort(lengths.astype(np.uint16), kind="stable")  # of 16 bits numpy counts, of more it compares
    ascending = lengths[order]
    cuts = [0, *(np.flatnonzero(ascending[1:] != ascending[:-1]) + 1).tolist(), len(order)]
    if len(cuts) * WORTH > len(order):
        return _one_by_one(data, starts, ends)
    after = np.cumsum(lengths)
    found = np.empty(int(after[-1]), np.uint8)
    sources, targets = starts[order], (after - lengths)[order]
    for first, stop in pairwise(cuts):
        length = int(ascending[first])
        if length:
            _items(found, length)[targets[first:stop]] = _items(data, length)[sources[first:stop]]
    return found.data


def _one_by_one(data: Any, starts: I64, ends: I64) -> bytes:
    return b"".join(map(data.__getitem__, map(slice, starts.tolist(), ends.tolist())))


def _items(buffer: Any, length: int) -> npt.NDArray[Any]:
    """All runs of so many bytes, by where they begin: items of one type, which numpy copies in one loop."""
    return np.ndarray((len(buffer) - length + 1,), f"V{length}", buffer, 0, (1,))
