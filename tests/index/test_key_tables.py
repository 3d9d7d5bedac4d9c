"""Key tables against a dict: whatever the keys, what is found is what was put in, and nothing else."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from objref_index import ByteKeys, Column, IntKeys, KeyShape
from objref_index.build_keys import build_byte_keys, build_int_keys

WORDS: dict[str, Any] = dict.fromkeys(("ends", "ordinals", "order", "place", "radix"), "I") | {"keys": "Q"}
TOP = 2**64 - 1


class DamageError(Exception):
    """What these tests let the tables raise."""


def column(name: str, table: Any) -> Column:
    data = table.tobytes()
    return Column(lambda k: memoryview(data)[k << 16 : (k + 1) << 16], WORDS[name], len(table))


def int_table(keys: list[int], ordinals: list[int]) -> IntKeys:
    shape, tables = build_int_keys(np.array(keys, np.uint64), np.array(ordinals, np.uint32))
    return IntKeys(shape, {name: column(name, table) for name, table in tables.items()}, DamageError)


def ordinals_for(draw: Any, n: int) -> list[int]:
    """Ascending ordinals, contiguous or not."""
    steps = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n) | st.just([1] * n))
    return np.cumsum(steps).tolist() if n else []


@st.composite
def claims(draw: Any) -> dict[int, int]:
    """ordinal -> key: runs, runs in any order, gaps, clusters, repeats, both ends of u64."""
    base = draw(st.sampled_from([0, 1, 1 << 32, TOP - 500]))
    span = st.integers(0, 300).map(lambda i: base + i)
    keys = draw(
        st.integers(0, 200).map(lambda n: list(range(base, base + n)))
        | st.lists(span, max_size=200)
        | st.permutations(range(base, base + 70))
        | st.lists(st.integers(0, TOP), max_size=200)
    )
    return dict(zip(ordinals_for(draw, len(keys)), keys, strict=True))


@given(claims(), st.lists(st.integers(0, TOP), max_size=20))
def test_every_key_is_found_and_no_other(model: dict[int, int], others: list[int]) -> None:
    table = int_table(list(model.values()), list(model))
    by_key: dict[int, list[int]] = {}
    for ordinal, key in model.items():
        by_key.setdefault(key, []).append(ordinal)
    for key, expected in by_key.items():
        assert table.find(key) == expected[0]
        assert table.find_all(key) == expected
    for key in [*others, *(k + 1 for k in by_key), *(k - 1 for k in by_key if k)]:
        assert (table.find(key) >= 0) == (key in by_key)
    assert list(table.keys()) == sorted(model.values())


@given(claims())
def test_the_way_back_from_an_object_leads_to_its_key(model: dict[int, int]) -> None:
    table = int_table(list(model.values()), list(model))
    for ordinal, key in model.items():
        found = table.claim(ordinal)
        assert found is not None
        assert found[0] == key
        assert table.find_all(key)[found[1] - 1] == ordinal
    strangers = [ordinal for ordinal in range(max(model, default=0) + 3) if ordinal not in model]
    assert all(table.claim(ordinal) is None for ordinal in strangers)


@given(claims(), st.integers(0, TOP))
def test_nearest_keys_exist_and_none_is_closer(model: dict[int, int], key: int) -> None:
    table, keys = int_table(list(model.values()), list(model)), set(model.values())
    near = table.nearest(key, 1)
    assert set(near) <= keys
    if keys and key not in keys:
        assert abs(near[0] - key) == min(abs(k - key) for k in keys)


@given(st.lists(st.binary(max_size=5), max_size=60))
def test_names_are_found_and_lead_back(names: list[bytes]) -> None:
    ordinals = list(range(7, 7 + len(names)))
    shape, tables = build_byte_keys(names, np.array(ordinals, np.uint32))
    columns = {name: column(name, table) for name, table in tables.items() if name != "keys"}
    table = ByteKeys(shape, columns, lambda: memoryview(tables["keys"].tobytes()), DamageError)
    for ordinal, name in zip(ordinals, names, strict=True):
        claim = table.claim(ordinal)
        assert claim is not None
        assert claim[0] == name
        assert table.find_all(name)[claim[1] - 1] == ordinal
    assert table.find(b"not there") == -1


def test_a_run_in_order_stores_nothing() -> None:
    shape, tables = build_int_keys(np.arange(5, 1005, dtype=np.uint64), np.arange(3, 1003, dtype=np.uint32))
    assert shape == KeyShape(1000, True, 5, 3, distinct=1000)
    assert tables == {}


def test_many_sparse_keys_get_a_radix_directory() -> None:
    keys = np.unique(np.random.default_rng(1).integers(0, 1 << 63, 5000, dtype=np.uint64))
    shape, tables = build_int_keys(keys, np.arange(len(keys), dtype=np.uint32))
    assert shape.radix_bits
    assert len(tables["radix"]) == (1 << shape.radix_bits) + 1


@pytest.mark.parametrize("name", ["order", "place", "radix"])
def test_tables_that_point_outside_are_damage(name: str) -> None:
    rng = np.random.default_rng(2)
    keys = rng.permutation(np.unique(rng.integers(0, 1 << 40, 500, dtype=np.uint64)))
    shape, tables = build_int_keys(keys, np.arange(len(keys), dtype=np.uint32))
    tables[name] = tables[name].copy()
    tables[name][:] = 0xFFFFFFFF
    table = IntKeys(shape, {n: column(n, t) for n, t in tables.items()}, DamageError)
    with pytest.raises(DamageError):
        _ = [(table.find(key), table.claim(ordinal)) for ordinal, key in enumerate(keys.tolist())]
