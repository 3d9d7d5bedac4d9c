"""Lookups and copies of many objects at once, in arrays: what the native core does for one after the other."""

from __future__ import annotations

from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from objref_index.lookup import TRIES, WORD_BYTES, HashedTable, RunTable

__all__ = ["I64", "U64", "joined", "spans_of"]

U64: TypeAlias = npt.NDArray[np.uint64]
I64: TypeAlias = npt.NDArray[np.int64]

SHORT = 0xFFFF
"""Bytes of an object up to which those of one length are looked for."""
WORTH = 16
"""Objects of one length that are copied faster together than one by one."""


def spans_of(table: RunTable | HashedTable | None, numbers: U64) -> tuple[I64, I64]:
    """Start and end of the objects with these keys; 0, 0 where nothing is ready."""
    if isinstance(table, RunTable):
        return _of_run(table, numbers)
    starts, ends = np.zeros(len(numbers), np.int64), np.zeros(len(numbers), np.int64)
    if table is not None:
        slots = np.frombuffer(
            table.slots, [("key", "u8"), ("start", f"u{WORD_BYTES[table.word]}"), ("end", f"u{WORD_BYTES[table.word]}")]
        )
        first, left = (numbers % np.uint64(table.modulus)).astype(np.int64), np.arange(len(numbers))
        for i in range(TRIES):
            found = slots[first[left] + i]
            here = found["key"] == numbers[left]
            starts[left[here]], ends[left[here]] = found["start"][here], found["end"][here]
            left = left[~here]
    return starts, ends


def _of_run(table: RunTable, numbers: U64) -> tuple[I64, I64]:
    spans = np.frombuffer(table.spans, table.word).reshape(-1, 2)
    found = spans.take(np.minimum(numbers, np.uint64(table.count)).astype(np.intp), axis=0)  # behind the last are zeros
    return found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)


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
