"""The entries of a tree: they ascend, are found by their keys, and say what the objects table says (section 13)."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from operator import lt
from typing import Any, NamedTuple

import numpy as np

from objref.errors import FormatError, IntegrityError
from objref.findings import Finding, Findings
from objref.verify.names import NAMED, names_of
from objref.verify.sums import PairSums
from objref_index import Column
from objref_index.arrays import Ints, different, parts, window
from objref_index.tree.keys import TreeKeys
from objref_index.tree.layout import CLAIM_SIZE, KEY_SIZE, SPACE, VALUE

__all__ = ["check_entries"]

BATCH = 1 << 12
KEYS = np.dtype([("space", ">u2"), ("key", ">u8"), ("ordinal", ">u4")])
VALUES = np.dtype([("where", "<u8"), ("what", "<u8"), ("ordinal", "<u4"), ("n", "<u4")])
FIRST = bytes(CLAIM_SIZE - KEY_SIZE)
"""In place of the ordinal, which the first object with a key does not have there."""


class _Said(NamedTuple):
    """What tree and tables say of each object, to be compared."""

    keys: PairSums
    where: PairSums
    what: PairSums


class _Before(NamedTuple):
    """The entry before a batch."""

    entry: bytes = b""
    key: int = -1
    n: int = 0
    ordinal: int = -1


def check_entries(image: Any, entry: Any, keys: TreeKeys, columns: dict[str, Column], findings: Findings) -> None:
    """All entries of a space. Raises at the first that contradicts itself; what others say of it is compared after."""
    if image.container.tree_lost:
        return
    objects = len(image)
    said = _Said(PairSums(objects), PairSums(objects), PairSums(objects))
    count = distinct = 0
    before = _Before()
    for batch in _batches(keys):
        before, firsts = _check_batch(entry, keys, batch, before, objects, said)
        count, distinct = count + len(batch), distinct + firsts
    if (count, distinct) != (entry.keys, entry.distinct):
        text = f"{count} entries of {distinct} keys, its entry says {entry.keys} of {entry.distinct} (S9)"
        raise IntegrityError(text)
    _take_tables(image.container, entry, columns, said)
    _report(image, entry, said, findings)


def _batches(keys: TreeKeys) -> Iterator[list[tuple[bytes, bytes]]]:
    prefix = SPACE.pack(keys.number)
    entries = keys.tree.entries(prefix, prefix)
    while batch := list(islice(entries, BATCH)):
        yield batch


def _check_batch(
    entry: Any, keys: TreeKeys, batch: list[tuple[bytes, bytes]], before: _Before, objects: int, said: _Said
) -> tuple[_Before, int]:
    """Returns the last entry, and how many are the first with their key."""
    names = [name for name, _ in batch]
    if not {len(name) for name in names} <= {KEY_SIZE, CLAIM_SIZE} or {len(v) for _, v in batch} != {VALUE.size}:
        raise IntegrityError("the tree has an entry of no known length")
    if not all(map(lt, [before.entry, *names], names)):
        raise IntegrityError("entries of the tree do not ascend")
    if any(keys.tree.value(name) != VALUE.unpack(value) for name, value in batch):
        raise IntegrityError("the tree does not lead to an entry that it has")
    found = np.frombuffer(b"".join(name.ljust(CLAIM_SIZE, b"\0") for name in names), KEYS)
    values = np.frombuffer(b"".join(value for _, value in batch), VALUES)
    claims = np.fromiter((len(name) == CLAIM_SIZE for name in names), bool, len(names))
    key, ordinals = found["key"].astype(np.uint64), values["ordinal"].astype(np.int64)
    _check_claims(key, ordinals, values["n"].astype(np.int64), claims, found["ordinal"], before)
    if (ordinals >= objects).any():
        raise IntegrityError(f"the tree names object #{int(ordinals.max())} of {objects}")
    for sums, column in zip(said, (key, values["where"], values["what"]), strict=True):
        sums.take(ordinals, column)
    last = _Before(names[-1], int(key[-1]), int(values["n"][-1]), int(ordinals[-1]))
    return last, len(names) - int(claims.sum())


def _check_claims(key: Ints, ordinals: Ints, n: Ints, claims: Ints, named: Ints, before: _Before) -> None:
    """The first object with a key is its first claim; those that follow are counted, in stream order."""
    same = np.r_[int(key[0]) == before.key, key[1:] == key[:-1]]
    follows = (n == np.r_[before.n, n[:-1]] + 1) & (ordinals > np.r_[before.ordinal, ordinals[:-1]])
    wrong = np.where(claims, ~same | ~follows | (named != ordinals), same | (n != 1))
    if wrong.any():
        at = int(np.argmax(wrong))
        raise IntegrityError(f"the tree says that object #{ordinals[at]} is claim {n[at]} of key {int(key[at])}")


# -- what the tables say ------------------------------------------------------------------------------------


def _take_tables(container: Any, entry: Any, columns: dict[str, Column], said: _Said) -> None:
    """The same objects by the tables: their keys, in the order of the stream, and their rows."""
    ordinals, by_rank, rows = columns.get("ordinals"), columns.get("ordinal keys"), container.column("objects")
    for start, stop in parts(entry.keys):
        if ordinals is None:
            part = np.arange(entry.first + start, entry.first + stop)
        else:
            part = window(ordinals, start, stop).astype(np.int64)
        there = len(rows) // 2 if rows is not None else 0
        if int(part.max()) >= there:
            raise FormatError(f"table ordinals names object #{int(part.max())}, table objects has {there}")
        if by_rank is None:
            keys = np.arange(start, stop, dtype=np.uint64) + np.uint64(entry.base)
        else:
            keys = window(by_rank, start, stop)
        said.keys.add(part, keys)
        for some, where, what in _rows(rows, part):
            said.where.add(some, where)
            said.what.add(some, what)


def _rows(column: Column, ordinals: Ints) -> Iterator[tuple[Ints, Ints, Ints]]:
    """(ordinals, where, what), by the stripes of the table that have them."""
    step = column.stripe_values // 2
    stripes = ordinals // step
    for stripe in different(stripes):
        mine = ordinals[stripes == stripe]
        first = stripe * step
        rows = window(column, 2 * first, min(2 * (first + step), len(column))).reshape(-1, 2)[mine - first]
        yield mine, rows[:, 0], rows[:, 1]


def _report(image: Any, entry: Any, said: _Said, findings: Findings) -> None:
    where = f"space {entry.layer}/{entry.name}"
    for label, sums in (("table objects", (said.where, said.what)), ("table ordinal keys", (said.keys,))):
        ranges = sorted({found for one in sums for found in one.differences()})
        if not ranges:
            continue
        many = sum(last - first for first, last in ranges)
        exact = many == len(ranges)
        text = f"the tree and {label} differ on {'' if exact else 'some of '}{many} objects (S10)"
        names = names_of(image, [first for first, _ in ranges[:NAMED]]) if exact else _spans(ranges)
        findings.add(Finding("keys", where, text, ("S10",), names, many if exact else 0))


def _spans(ranges: list[tuple[int, int]]) -> tuple[str, ...]:
    return tuple(f"#{first}…#{last - 1}" for first, last in ranges[:NAMED])
