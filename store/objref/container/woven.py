"""Bytes and pages that come in turn, taken apart."""

from __future__ import annotations

from array import array
from itertools import accumulate

__all__ = ["apart"]


def apart(data: memoryview, turns: array[int]) -> tuple[bytes, bytes]:
    """The bytes of the even turns, and those of the odd ones. `turns`: their lengths. Hot path."""
    ends = list(accumulate(turns, initial=0))
    starts, middles, stops = ends[:-1:2], ends[1::2], ends[2::2]
    return (
        b"".join([data[a:b] for a, b in zip(starts, middles, strict=True)]),
        b"".join([data[a:b] for a, b in zip(middles, stops, strict=True)]),
    )
