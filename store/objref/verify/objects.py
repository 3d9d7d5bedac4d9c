"""The objects table: where each object is, that it is there (R17), which are damaged, and how many of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from objref.container.checking import Bytes
from objref.findings import Finding, Findings
from objref.verify.arrays import Ints, parts, window
from objref.verify.extents import ExtentWalk, Rows
from objref.verify.names import NAMED, names_of
from objref.verify.sums import PairSums
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE

__all__ = ["check_objects"]

MASK, SHIFT = np.uint64(ADDRESS_MASK), np.uint64(48)
KINDS = 1 << 16
HALF = np.uint64(24)
PAIRS = 1 << 20
"""Pairs of object and damage that are told apart at once; of more, objects are counted but not told apart by cause."""


class _Census:
    """Counts objects and bytes by kind, and the objects by cause of damage. Mutable."""

    def __init__(self, causes: int) -> None:
        self.objects = np.zeros(KINDS, np.int64)
        self.bytes = [0] * KINDS
        self.affected = np.zeros(causes, np.int64)
        self.named: list[list[int]] = [[] for _ in range(causes)]
        self.touched = 0

    def kinds(self, kinds: Ints, lengths: Ints) -> None:
        """A part of the table. Lengths in two halves, so that no sum is rounded."""
        self.objects += np.bincount(kinds, minlength=KINDS)
        low = np.bincount(kinds, (lengths & np.uint64((1 << 24) - 1)).astype(float), KINDS)
        high = np.bincount(kinds, (lengths >> HALF).astype(float), KINDS)
        for kind in np.unique(kinds).tolist():
            self.bytes[kind] += int(low[kind]) + (int(high[kind]) << 24)


def check_objects(image: Any, known: Bytes, findings: Findings, kinds_of: PairSums) -> int:
    """Check all rows. Adds the damage of `known` to the findings, with the objects that it touches; returns how many
    those are. `kinds_of` is told the kind of each object."""
    census = _Census(len(known.damage.causes))
    walk = ExtentWalk(image.container.column("extents"), findings)
    words = image.container.column("objects")
    for start, stop in parts(len(image)):
        with findings.watching("objects", f"objects {start}…{stop - 1}"):
            rows = window(words, 2 * start, 2 * stop).reshape(-1, 2)
            _check_part(image, known, findings, census, walk, start, rows, kinds_of)
    with findings.watching("extents", "table extents"):
        walk.finish()
    _report_kinds(image, findings, census)
    for cause, number, ordinals in zip(known.damage.causes, census.affected.tolist(), census.named, strict=True):
        findings.add(cause._replace(objrefs=names_of(image, ordinals), affected=number))
    return census.touched


def _check_part(
    image: Any,
    known: Bytes,
    findings: Findings,
    census: _Census,
    walk: ExtentWalk,
    start: int,
    rows: Ints,
    kinds_of: PairSums,
) -> None:
    ordinals = np.arange(start, start + len(rows))
    sections = (rows[:, 0] >> SHIFT).astype(np.int64)
    kinds, lengths = (rows[:, 1] >> SHIFT).astype(np.int64), rows[:, 1] & MASK
    census.kinds(kinds, lengths)
    kinds_of.add(ordinals, kinds)
    lost = np.flatnonzero((sections == NOWHERE) & (lengths > 0))
    if len(lost):
        _blame(image, findings, ordinals[lost], "lie nowhere, but have bytes (R17)")
    listed, direct = sections == LISTED, (sections != NOWHERE) & (sections != LISTED)
    found = [Rows(ordinals[direct], rows[direct, 0], lengths[direct])]
    with findings.watching("extents", "table extents"):
        found += walk.lists(ordinals[listed], rows[listed, 0] & MASK, lengths[listed])
    touched = np.zeros(len(rows), bool)
    touched[lost] = True
    for some in found:
        for ordinal in _check_places(image, known, findings, census, some):
            touched[ordinal - start] = True
    census.touched += int(touched.sum())


def _blame(image: Any, findings: Findings, ordinals: Ints, text: str, *rules: str) -> None:
    names = names_of(image, ordinals)
    findings.add(Finding("objects", f"object {int(ordinals[0])}", text, rules or ("R17",), names, len(ordinals)))


# -- places -------------------------------------------------------------------------------------------------


def _check_places(image: Any, known: Bytes, findings: Findings, census: _Census, rows: Rows) -> Iterator[Ints]:
    """Ordinals whose bytes are not there, or damaged."""
    sections = (rows.where >> SHIFT).astype(np.int64)
    for number in np.unique(sections).tolist():
        if number == NOWHERE:  # a run of zero bytes
            continue
        mine = (sections == number) & (rows.lengths > 0)
        some = Rows(rows.owners[mine], rows.where[mine] & MASK, rows.lengths[mine])
        outside = _outside(known, number, some)
        if outside.any():
            yield (odd := np.unique(some.owners[outside]))
            _blame(
                image,
                findings,
                odd,
                f"{len(odd)} objects name addresses of section {number} that belong to nothing (R17)",
            )
        if number in known.damage.spans:
            yield _touched(known, number, some, census)


def _outside(known: Bytes, number: int, rows: Rows) -> Ints:
    if number not in known.covered:
        return np.ones(len(rows.owners), bool)
    starts, stops = known.covered[number]
    at = np.searchsorted(starts, rows.where, "right") - 1
    return (at < 0) | (rows.where + rows.lengths > stops[np.maximum(at, 0)])


def _touched(known: Bytes, number: int, rows: Rows, census: _Census) -> Ints:
    """Objects whose extents overlap damaged addresses; each is counted for each cause."""
    spans = known.damage.spans[number]
    first = np.searchsorted(spans.stops, rows.where, "right")
    last = np.searchsorted(spans.starts, rows.where + rows.lengths, "left")
    hit = np.flatnonzero(first < last)
    counts = (last - first)[hit]
    within = np.cumsum(counts) <= PAIRS
    owners = np.repeat(rows.owners[hit][within], counts[within])
    places = np.repeat(first[hit][within], counts[within]) + _each(counts[within])
    pairs = np.unique(np.c_[spans.labels[places], owners], axis=0)
    np.add.at(census.affected, pairs[:, 0], 1)
    for label in np.unique(pairs[:, 0]).tolist():
        room = NAMED - len(census.named[label])
        census.named[label] += pairs[pairs[:, 0] == label, 1][:room].tolist()
    found: Ints = np.unique(rows.owners[hit])
    return found


def _each(counts: Ints) -> Ints:
    """0…n-1 for each count."""
    total = int(counts.sum())
    each: Ints = np.arange(total) - np.repeat(np.cumsum(counts) - counts, counts)
    return each


# -- counts -------------------------------------------------------------------------------------------------


def _report_kinds(image: Any, findings: Findings, census: _Census) -> None:
    said = {k.id: k for k in image.container.kinds}
    for kind in set(np.flatnonzero(census.objects).tolist()) | said.keys():
        found = (int(census.objects[kind]), census.bytes[kind])
        entry = said.get(kind)
        expected = (entry.objects, entry.bytes) if entry else (0, 0)
        if found != expected:
            name = entry.name if entry else kind
            text = f"{found[0]} objects of {found[1]} bytes, the directory says {expected[0]} of {expected[1]}"
            findings.say("kinds", f"kind {name}", text)
