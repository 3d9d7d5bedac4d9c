"""What is damaged, by address, so that somebody else can say which objects that touches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from objref.findings import Finding

__all__ = ["U64", "Damage", "Spans", "covered", "runs_of"]

U64 = npt.NDArray[np.uint64]


class Spans(NamedTuple):
    """Ascending runs of addresses start…stop-1; `labels[i]` is the place of the cause of run i in `Damage.causes`."""

    starts: U64
    stops: U64
    labels: npt.NDArray[np.int64]


class Damage(NamedTuple):
    """Damaged addresses by section, as extents name them, and the findings that they belong to."""

    spans: dict[int, Spans]
    causes: list[Finding]
    """Without their objects, which are filled in by who knows them."""


def runs_of(numbers: npt.NDArray[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
    """Ascending numbers as runs: (first, last + 1) of each."""
    if not len(numbers):
        return numbers, numbers
    cuts = np.flatnonzero(np.diff(numbers) != 1)
    return numbers[np.r_[0, cuts + 1]], numbers[np.r_[cuts, len(numbers) - 1]] + 1


def covered(pieces: Sequence[tuple[int, int]]) -> tuple[U64, U64]:
    """Ascending (start, stop), those that touch as one: starts and stops."""
    merged: list[list[int]] = []
    for start, stop in pieces:
        if merged and merged[-1][1] == start:
            merged[-1][1] = stop
        else:
            merged.append([start, stop])
    columns = np.array(merged, np.uint64).reshape(-1, 2)
    return columns[:, 0].copy(), columns[:, 1].copy()
