"""The objects table: where each object is, that it is there (R17), which are damaged, and how many of each kind."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, NamedTuple

import numpy as np

from objref.container.checking import Bytes
from objref.errors import FormatError
from objref.findings import Finding, Findings, finding_of
from objref.verify.extents import ExtentWalk, Rows
from objref.verify.names import NAMED, name_of, names_of
from objref.verify.sums import RunSums
from objref_index.arrays import Ints, different, parts, window
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE

__all__ = ["check_objects"]

MASK, SHIFT = np.uint64(ADDRESS_MASK), np.uint64(48)
KINDS = 1 << 16
TOP = np.uint64((1 << 64) - 1)
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
        """A part of the table: PART lengths below 2^48 can be added up in 64 bits."""
        for kind in (found := different(kinds)):
            mine = lengths if len(found) == 1 else lengths[kinds == kind]
            self.objects[kind] += len(mine)
            self.bytes[kind] += int(mine.sum())


def check_objects(image: Any, known: Bytes, findings: Findings, kinds_of: RunSums) -> tuple[int, bool]:
    """Check all rows. Adds the damage of `known` to the findings, with the objects that it touches.

    Returns how many objects are touched, and whether all rows were there. `kinds_of` is told the kind of each object.
    """
    census = _Census(len(known.damage.causes))
    check = _Check(image, known, findings, census, ExtentWalk(image.container.column("extents"), findings), kinds_of)
    words, lost = image.container.column("objects"), 0
    for start, stop in parts(len(image)):
        try:
            check.part(start, window(words, 2 * start, 2 * stop).reshape(-1, 2))
        except FormatError:
            lost += check.by_stripe(words, start, stop)
    if not lost:
        check.finish()
    for cause, number, ordinals in zip(known.damage.causes, census.affected.tolist(), census.named, strict=True):
        findings.add(cause._replace(objrefs=names_of(image, ordinals), affected=number))
    return census.touched + lost, not lost


class _Check(NamedTuple):
    """What a part of the table is checked with."""

    image: Any
    known: Bytes
    findings: Findings
    census: _Census
    walk: ExtentWalk
    kinds_of: RunSums

    def part(self, start: int, rows: Ints) -> None:
        """Rows of objects from `start`."""
        ordinals = np.arange(start, start + len(rows))
        sections = (rows[:, 0] >> SHIFT).astype(np.int64)
        kinds, lengths = (rows[:, 1] >> SHIFT).astype(np.int64), rows[:, 1] & MASK
        self.census.kinds(kinds, lengths)
        self.kinds_of.add(ordinals, kinds)
        touched = (sections == NOWHERE) & ((lengths > 0) | (rows[:, 0] > 0))
        if touched.any():
            text = "lies nowhere, but has a length or an address (R17)"
            _blame(self.image, self.findings, ordinals[touched], text)
        listed = sections == LISTED
        found = [_some(ordinals, rows[:, 0], lengths, (sections != NOWHERE) & ~listed)]
        wrong: list[int] = []
        found += _lists(self, ordinals[listed], rows[listed], lengths[listed], wrong)
        for odd in (np.array(wrong, np.int64), *chain.from_iterable(_check_places(self, some) for some in found)):
            touched[odd - start] = True
        self.census.touched += int(touched.sum())

    def by_stripe(self, words: Any, start: int, stop: int) -> int:
        """A part with damage in it, as far as its stripes are whole; returns how many objects are lost."""
        step, lost = words.stripe_values // 2, 0
        for first in range(start, stop, step):
            last = min(first + step, stop)
            try:
                rows = window(words, 2 * first, 2 * last).reshape(-1, 2)
            except FormatError as error:
                found = finding_of("objects", f"objects #{first}…#{last - 1}", error)
                self.findings.add(found._replace(objrefs=(f"#{first}", f"#{last - 1}"), affected=last - first))
                lost += last - first
                self.walk.broken = True
            else:
                self.part(first, rows)
        return lost

    def finish(self) -> None:
        """All rows were there: nothing may be left in the extents table, and they can be counted."""
        if not self.walk.broken:
            self.walk.finish()
        _report_kinds(self.image, self.findings, self.census)


# -- lists of extents ---------------------------------------------------------------------------------------


def _lists(check: _Check, owners: Ints, rows: Ints, lengths: Ints, wrong: list[int]) -> list[Rows]:
    """The extents of objects that have several: as a walk through the table, or one by one where that is damaged."""
    walk = check.walk
    if not walk.broken:
        try:
            found = list(walk.lists(owners, rows[:, 0] & MASK, lengths))
        except FormatError as error:
            check.findings.error("extents", "table extents", error)
            walk.broken = True
        else:
            wrong += walk.take_wrong()
            return found
    return list(_one_by_one(check, owners.tolist(), wrong))


def _one_by_one(check: _Check, owners: list[int], wrong: list[int]) -> Iterator[Rows]:
    table = check.image.object_table
    for owner in owners:
        try:
            extents = table.extents(table.row(owner)).extents
        except FormatError as error:
            name = name_of(check.image, owner)
            check.findings.add(finding_of("extents", name, error)._replace(objrefs=(name,), affected=1))
            wrong.append(owner)
        else:
            where = np.array([e.section << 48 | e.address for e in extents], np.uint64)
            yield Rows(np.full(len(extents), owner), where, np.array([e.length for e in extents], np.uint64))


def _blame(image: Any, findings: Findings, ordinals: Ints, text: str) -> None:
    names = names_of(image, ordinals)
    findings.add(Finding("objects", names[0], text, ("R17",), names, len(ordinals)))


# -- places -------------------------------------------------------------------------------------------------


def _check_places(check: _Check, rows: Rows) -> Iterator[Ints]:
    """Ordinals whose bytes are not there, or damaged."""
    sections, known = (rows.where >> SHIFT).astype(np.int64), check.known
    for number in different(sections):
        if number == NOWHERE:  # a run of zero bytes
            continue
        some = _some(rows.owners, rows.where & MASK, rows.lengths, (sections == number) & (rows.lengths > 0))
        outside = _outside(known, number, some)
        if outside.any():
            yield (odd := np.unique(some.owners[outside]))
            text = f"names addresses of section {number} that belong to nothing (R17)"
            _blame(check.image, check.findings, odd, text)
        if number in known.damage.spans:
            yield _touched(known, number, some, check.census)


def _some(owners: Ints, where: Ints, lengths: Ints, mask: Ints) -> Rows:
    """These rows; mostly they are all."""
    return Rows(owners, where, lengths) if mask.all() else Rows(owners[mask], where[mask], lengths[mask])


def _outside(known: Bytes, number: int, rows: Rows) -> Ints:
    if number not in known.covered:
        return np.ones(len(rows.owners), bool)
    starts, stops = known.covered[number]
    first = int(np.searchsorted(starts, rows.where.min(initial=TOP), "right")) - 1
    if first >= 0 and (rows.where + rows.lengths).max(initial=0) <= stops[first]:  # mostly all of them in one run
        return np.zeros(len(rows.owners), bool)
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
