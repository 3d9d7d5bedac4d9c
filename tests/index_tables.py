"""Built index tables as a reader sees them: columns over stripes of bytes."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from typing import Any

import numpy as np

from objref_index import ByteKeys, Column, IntKeys, KeyShape, ObjectTable, ReferenceTable
from objref_index.build import Index
from objref_index.build_keys import build_byte_keys, build_int_keys
from objref_index.columns import Word

WORDS: dict[str, Word] = {
    "keys": "Q",
    "objects": "Q",
    "extents": "Q",
    "dangling": "Q",
    "roles": "B",
    "source roles": "B",
}
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}
STRIPE = 1 << 16


class DamageError(Exception):
    """What the tables under test raise when they contradict themselves."""


def column(values: Any, word: Word) -> Column:
    """A table of integers, handed out a stripe at a time."""
    data = array(word, [int(value) for value in values]).tobytes()  # numpy would make floats of large ones
    return Column(lambda k: data[k * STRIPE : (k + 1) * STRIPE], word, len(data) // SIZES[word])


def columns(tables: dict[str, Any]) -> dict[str, Column]:
    return {name: column(values, WORDS.get(name, "I")) for name, values in tables.items() if len(values)}


def int_keys(keys: Sequence[int], ordinals: Sequence[int]) -> IntKeys:
    """A key table for keys in the order of their ordinals."""
    shape, tables = build_int_keys(np.array(keys, np.uint64), np.array(ordinals, np.uint32))
    return IntKeys(shape, columns(tables), DamageError)


def hostile_keys(shape: KeyShape, **tables: Sequence[int]) -> IntKeys:
    """A key table of these tables, whatever they say."""
    return IntKeys(shape, columns(dict(tables)), DamageError)


def byte_keys(names: Sequence[bytes], ordinals: Sequence[int]) -> ByteKeys:
    shape, tables = build_byte_keys(list(names), np.array(ordinals, np.uint32))
    joined = memoryview(tables.pop("keys").tobytes())
    return ByteKeys(shape, columns(tables), lambda: joined, DamageError)


def reference_table(index: Index) -> ReferenceTable:
    names = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling")
    return ReferenceTable(columns({n: index.tables[n] for n in names if n in index.tables}), index.objects, DamageError)


def object_table(rows: Sequence[tuple[int, int]], extents: Sequence[int] = ()) -> ObjectTable:
    words = [word for row in rows for word in row]
    return ObjectTable(column(words, "Q"), column(extents, "Q") if len(extents) else None, len(rows), DamageError)
