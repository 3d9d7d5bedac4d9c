"""Columns of the index as numpy arrays, a part at a time, none of it remembered."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from objref_index import Column

__all__ = ["PART", "Ints", "different", "parts", "window"]

Ints = npt.NDArray[Any]
PART = 1 << 14
"""Entries that are looked at together: arrays of 128 KiB, which the allocator keeps instead of giving them back."""
DTYPES = {1: "u1", 2: "<u2", 4: "<u4", 8: "<u8"}


def parts(count: int) -> Iterator[tuple[int, int]]:
    """(start, stop) of the parts of `count` entries."""
    return ((start, min(start + PART, count)) for start in range(0, count, PART))


def different(values: Ints) -> list[int]:
    """The different values; they are mostly all the same."""
    if len(values) and (values == values[0]).all():
        return [int(values[0])]
    found: list[int] = np.unique(values).tolist()
    return found


def window(column: Column, start: int, stop: int) -> Ints:
    """Values start…stop-1. Raises what the column raises where it is damaged."""
    per = column.stripe_values
    first, last = start // per, -(-stop // per)
    stripes = [np.frombuffer(view, DTYPES[view.itemsize]) for view in map(column.fresh, range(first, last))]
    if not stripes:
        return np.zeros(0, np.uint64)
    joined = np.concatenate(stripes) if len(stripes) > 1 else stripes[0]
    return joined[start - first * per : stop - first * per]
