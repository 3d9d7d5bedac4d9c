"""Key tables: keys ascend, the directory of a table leads to them, and every object has its key (section 9)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from objref.container.format import SPACE_ALIAS, SPACE_RUN
from objref.findings import Findings
from objref.verify.entries import check_entries
from objref.verify.sums import PairSums, RunSums
from objref_index import FORM_BYTES, Column
from objref_index.arrays import PART, Ints, parts, window
from objref_index.tree.keys import TreeKeys

__all__ = ["check_space"]


class _Space(NamedTuple):
    entry: Any
    where: str
    columns: dict[str, Column]
    findings: Findings

    def say(self, text: str) -> None:
        self.findings.say("keys", self.where, text)


def check_space(image: Any, entry: Any, findings: Findings, kinds_of: RunSums) -> None:
    """One space. `kinds_of` is told the kind of each object that has its key here."""
    container, objects = image.container, len(image)
    where = f"space {entry.layer}/{entry.name}"
    with findings.watching("keys", where):
        keys = (
            container.byte_keys(entry) if entry.form == FORM_BYTES else container.int_keys(entry)
        )  # its shape is sound
        columns = container.key_columns(entry)
        space = _Space(entry, where, columns, findings)
        if entry.form == FORM_BYTES:
            _check_names(container, space)
        elif isinstance(keys, TreeKeys):
            check_entries(image, entry, keys, columns, findings)
        elif not entry.flags & SPACE_RUN and "keys" in columns:  # a space without keys needs no table of them
            _check_numbers(space)
        _check_order(space)
        _check_ordinals(space, objects, kinds_of)


# -- keys ---------------------------------------------------------------------------------------------------


def _check_numbers(space: _Space) -> None:
    keys, n, distinct = space.columns["keys"], space.entry.keys, 0
    last = np.zeros(0, np.uint64)  # the key before this part
    at = 0  # the entry of the directory that comes next
    for start, stop in parts(n):
        part = window(keys, start, stop)
        ordered = np.r_[last, part]
        if (descends := ordered[1:] < ordered[:-1]).any():
            space.say(f"keys around place {start + int(np.argmax(descends))} of {n} do not ascend")
            return
        distinct += int(np.count_nonzero(ordered[1:] != ordered[:-1])) + (not len(last))
        _check_equal(space, start - len(last), ordered)
        at = _check_radix(space, start, part, at)
        last = part[-1:]
    _check_rest_of_radix(space, at)
    if distinct != space.entry.distinct:
        space.say(f"{distinct} distinct keys, its entry says {space.entry.distinct}")


def _check_equal(space: _Space, first: int, ordered: Ints) -> None:
    """Objects that claim one key stand in stream order. `first`: the place of the first of these keys."""
    order = space.columns.get("order")
    equal = np.flatnonzero(ordered[1:] == ordered[:-1])
    if order is None or not len(equal):
        return
    places = window(order, first, first + len(ordered))
    if (places[equal] >= places[equal + 1]).any():
        space.say(f"objects with equal keys around place {first + int(equal[0])} are not in stream order")


def _check_radix(space: _Space, start: int, part: Ints, at: int) -> int:
    """Entries of the directory up to the bucket of the last key of this part; returns the next one."""
    radix, entry = space.columns.get("radix"), space.entry
    if radix is None:
        return 0
    buckets = (part - np.uint64(entry.base)) >> np.uint64(entry.radix_shift)
    if int(part[0]) < entry.base or int(buckets[-1]) >> entry.radix_bits:
        space.say(f"keys {int(part[0]):#x}…{int(part[-1]):#x} do not fit its directory from {entry.base:#x}")
        return len(radix)
    while at <= int(buckets[-1]):
        stop = min(int(buckets[-1]) + 1, at + PART)
        expected = start + np.searchsorted(buckets, np.arange(at, stop, dtype=np.uint64))
        if (window(radix, at, stop) != expected).any():
            space.say(f"its directory does not lead to the keys, around bucket {at}")
            return len(radix)
        at = stop
    return at


def _check_rest_of_radix(space: _Space, at: int) -> None:
    radix = space.columns.get("radix")
    if radix is None:
        return
    while at < len(radix):
        stop = min(at + PART, len(radix))
        if (window(radix, at, stop) != space.entry.keys).any():
            space.say(f"its directory does not end at its {space.entry.keys} keys")
            return
        at = stop


def _check_names(container: Any, space: _Space) -> None:
    """Names ascend by their bytes. One by one: there are as many as a source has files."""
    ends, n = space.columns.get("ends"), space.entry.keys
    joined, start, last, distinct = memoryview(container.table("keys", space.entry.number)), 0, None, 0
    for first, stop in parts(n if ends is not None else 0):
        assert ends is not None  # for mypy: there are parts
        for i, end in enumerate(window(ends, first, stop).tolist(), first):
            if not start <= end <= len(joined):
                space.say(f"name {i} spans {start}…{end} of {len(joined)} bytes")
                return
            name = joined[start:end].tobytes()
            if last is not None and name < last:
                space.say(f"names around place {i} of {n} do not ascend")
                return
            distinct += name != last
            start, last = end, name
    if start != len(joined):
        space.say(f"{len(joined) - start} bytes behind the last name")
    if distinct != space.entry.distinct:
        space.say(f"{distinct} distinct keys, its entry says {space.entry.distinct}")


# -- objects of keys ----------------------------------------------------------------------------------------


def _check_order(space: _Space) -> None:
    """Two tables that are each other's inverse have the same pairs."""
    order, place, n = space.columns.get("order"), space.columns.get("place"), space.entry.keys
    if order is None or place is None:
        return
    pairs = PairSums(n)
    for start, stop in parts(n):
        numbers = np.arange(start, stop)
        there, back = window(order, start, stop), window(place, start, stop)
        if (there >= n).any() or (back >= n).any():
            space.say(f"order or place leave the {n} keys, around place {start}")
            return
        pairs.add(numbers, there)
        pairs.take(back, numbers)
    for first, last in pairs.differences()[:1]:
        space.say(f"order and place contradict each other around places {first}…{min(last, n) - 1}")


def _check_ordinals(space: _Space, objects: int, kinds_of: RunSums) -> None:
    entry, ordinals, last = space.entry, space.columns.get("ordinals"), -1
    if ordinals is None:
        if entry.first + entry.keys > objects:
            space.say(f"objects {entry.first}…{entry.first + entry.keys} of {objects}")
        elif not entry.flags & SPACE_ALIAS:
            kinds_of.take_run(entry.first, entry.first + entry.keys, entry.kind)
        return
    for start, stop in parts(entry.keys):
        part = window(ordinals, start, stop).astype(np.int64)
        if (np.diff(part, prepend=last) <= 0).any() or int(part[-1]) >= objects:
            space.say(f"ordinals around {start} do not ascend below {objects}")
            return
        last = int(part[-1])
        if not entry.flags & SPACE_ALIAS:
            kinds_of.take(part, np.full(len(part), entry.kind))
