"""Building key tables: keys in the order of their objects in, the tables of format.md section 9 out. Needs numpy."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from objref_index.keys import KeyShape

__all__ = ["build_byte_keys", "build_int_keys"]

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
AnyArray = npt.NDArray[Any]

RADIX_FROM = 64
"""Below this many keys a bisection over one stripe is as fast as a directory."""
KEYS_PER_BUCKET_LOG2 = 2


def build_int_keys(keys: U64, ordinals: U32) -> tuple[KeyShape, dict[str, AnyArray]]:
    """Key table for u64 keys, given in the order of their (ascending) ordinals."""
    tables, first = _place_tables(ordinals)
    sorted_keys = np.asarray(keys, "<u8")
    if not np.all(keys[1:] >= keys[:-1]):
        order = np.argsort(keys, kind="stable")
        sorted_keys = sorted_keys[order]
        _order_tables(order, tables)
        del order
    n, base = len(keys), int(sorted_keys[0]) if len(keys) else 0
    steps = sorted_keys[1:] != sorted_keys[:-1]
    distinct = int(np.count_nonzero(steps)) + (1 if n else 0)
    if n and distinct == n and int(sorted_keys[-1]) - base == n - 1:
        return KeyShape(n, True, base, first, distinct=distinct), tables
    tables["keys"] = sorted_keys
    bits, shift = _radix(sorted_keys, tables)
    return KeyShape(n, False, base, first, bits, shift, distinct), tables


def build_byte_keys(keys: list[bytes], ordinals: U32) -> tuple[KeyShape, dict[str, AnyArray]]:
    """Key table for names, given in the order of their (ascending) ordinals."""
    tables, first = _place_tables(ordinals)
    order = np.asarray(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    _order_tables(order, tables)
    tables["keys"] = np.frombuffer(b"".join(keys[i] for i in order), "u1")
    tables["ends"] = np.cumsum([len(keys[i]) for i in order]).astype("<u4")
    return KeyShape(len(keys), False, 0, first, distinct=len(set(keys))), tables


def _place_tables(ordinals: U32) -> tuple[dict[str, AnyArray], int | None]:
    n = len(ordinals)
    if n and int(ordinals[-1]) - int(ordinals[0]) == n - 1 and bool(np.all(ordinals[1:] > ordinals[:-1])):
        return {}, int(ordinals[0])
    return {"ordinals": np.asarray(ordinals, "<u4")}, None


def _order_tables(order: npt.NDArray[np.int64], tables: dict[str, AnyArray]) -> None:
    if len(order) and not np.array_equal(order, np.arange(len(order))):
        tables["order"] = order.astype("<u4")
        place = np.empty(len(order), "<u4")
        place[order] = np.arange(len(order))
        tables["place"] = place


def _radix(keys: U64, tables: dict[str, AnyArray]) -> tuple[int, int]:
    """A directory over the leading bits of (key - smallest), about four keys a bucket."""
    if len(keys) < RADIX_FROM:
        return 0, 0
    span = int(keys[-1]) - int(keys[0])
    bits = min(24, max(1, (len(keys) >> KEYS_PER_BUCKET_LOG2).bit_length()))
    shift = max(0, span.bit_length() - bits)
    bits = max(1, (span >> shift).bit_length())
    buckets = (keys - keys[0]) >> np.uint64(shift)
    tables["radix"] = np.searchsorted(buckets, np.arange((1 << bits) + 1, dtype=np.uint64)).astype("<u4")
    return bits, shift
