"""Tables that contradict themselves: the damage exception, never a wrong object, an IndexError or an endless loop."""

from __future__ import annotations

import random
from collections.abc import Callable

import numpy as np
import pytest
from index_tables import DamageError, byte_keys, column, columns, hostile_keys, int_keys, object_table

from objref_index import ByteKeys, KeyShape, ReferenceTable, Row
from objref_index.build_keys import build_int_keys
from objref_index.objects import LISTED, NOWHERE, SPARSE, pack_row

KEYS = [3 * i * i for i in range(100)]


def shape(n: int, **more: int) -> KeyShape:
    return KeyShape(n, False, 0, 0, distinct=n)._replace(**more)


def built(keys: list[int], change: Callable[[dict[str, list[int]]], None]) -> Callable[[], object]:
    """Opens the table of these keys after a change to its parts, and asks it everything."""
    found, tables = build_int_keys(np.array(keys, np.uint64), np.arange(len(keys), dtype=np.uint32))
    parts = {name: values.tolist() for name, values in tables.items()}
    change(parts)

    def ask() -> object:
        table = hostile_keys(found, **parts)
        for key in keys:
            assert table.find(key) == keys.index(key)
        return [table.claim(i) for i in range(len(keys))]

    return ask


def put(name: str, at: int, value: int) -> Callable[[dict[str, list[int]]], None]:
    def change(parts: dict[str, list[int]]) -> None:
        parts[name][at] = value

    return change


def cut(name: str) -> Callable[[dict[str, list[int]]], None]:
    def change(parts: dict[str, list[int]]) -> None:
        parts[name].pop()

    return change


def drop(name: str) -> Callable[[dict[str, list[int]]], None]:
    def change(parts: dict[str, list[int]]) -> None:
        del parts[name]

    return change


PERMUTED = KEYS[::-1]
BREAKS: dict[str, tuple[list[int], Callable[[dict[str, list[int]]], None]]] = {
    "a bucket that ends behind the keys": (KEYS, put("radix", 1, 101)),
    "a bucket that ends before it begins": (KEYS, put("radix", 1, 0)),
    "a bucket far away": (KEYS, put("radix", 5, 2**32 - 1)),
    "a directory that hides keys": (KEYS, put("radix", 0, 50)),
    "a directory that is too short": (KEYS, cut("radix")),
    "keys that are too few": (KEYS, cut("keys")),
    "an order out of range": (PERMUTED, put("order", 3, 100)),
    "an order twice the same": (PERMUTED, put("order", 3, 7)),
    "a place out of range": (PERMUTED, put("place", 3, 100)),
    "a place of another": (PERMUTED, put("place", 3, 4)),
    "no place": (PERMUTED, drop("place")),
    "no order": (PERMUTED, drop("order")),
    "an order that is too short": (PERMUTED, cut("order")),
}


@pytest.mark.parametrize("name", BREAKS)
def test_broken_key_tables(name: str) -> None:
    keys, change = BREAKS[name]
    with pytest.raises((DamageError, AssertionError)) as caught:
        built(keys, change)()
    if name != "an order twice the same":  # which of two objects is the right one cannot be known from the key alone
        assert caught.type is DamageError, name


@pytest.mark.parametrize("at", [1, 50, 99])
@pytest.mark.parametrize("value", [0, 9, 7500, 2**64 - 1])
def test_keys_that_do_not_ascend_show_on_the_way_back(at: int, value: int) -> None:
    """A key that a liar took away is not there. But no object may be called `0~51` for it."""
    found, tables = build_int_keys(np.array(KEYS, np.uint64), np.arange(100, dtype=np.uint32))
    parts = {name: values.tolist() for name, values in tables.items()}
    parts["keys"][at] = value
    table = hostile_keys(found, **parts)
    try:
        claimed = [table.claim(i) for i in range(100)]
    except DamageError:
        return
    assert claimed == [(key, 1 + (i and parts["keys"][i - 1] == key)) for i, key in enumerate(parts["keys"])]
    assert parts["keys"] == sorted(parts["keys"])


def test_an_order_twice_the_same_shows_on_the_way_back() -> None:
    found, tables = build_int_keys(np.array(PERMUTED, np.uint64), np.arange(100, dtype=np.uint32))
    parts = {name: values.tolist() for name, values in tables.items()}
    parts["order"][3] = parts["order"][7]
    table = hostile_keys(found, **parts)
    with pytest.raises(DamageError):
        _ = [table.claim(i) for i in range(100)]


def test_a_run_with_keys() -> None:
    with pytest.raises(DamageError):
        hostile_keys(KeyShape(3, True, 0, 0, distinct=3), keys=[5, 6, 7])


def test_ordinals_that_are_missing_or_do_not_ascend() -> None:
    with pytest.raises(DamageError):
        hostile_keys(KeyShape(3, True, 0, None, distinct=3)).find(1)
    table = hostile_keys(KeyShape(3, True, 0, None, distinct=3), ordinals=[9, 1, 5])
    for ordinal in range(12):
        found = table.claim(ordinal)
        assert found is None or table.find(found[0]) == ordinal


def test_any_word_of_any_key_table_may_lie() -> None:
    """Errors are fine, and so are wrong keys of a liar; but answers must agree, and nothing else is raised."""
    dice = random.Random(7)
    keys = sorted({dice.randrange(2**20) for _ in range(200)})
    dice.shuffle(keys)
    found, tables = build_int_keys(np.array(keys, np.uint64), np.arange(len(keys), dtype=np.uint32))
    genuine = {name: values.tolist() for name, values in tables.items()}
    for _ in range(1500):
        parts = {name: list(values) for name, values in genuine.items()}
        name = dice.choice(list(parts))
        top = 2**64 - 1 if name == "keys" else 2**32 - 1
        at = dice.randrange(len(parts[name]))
        parts[name][at] = dice.choice([0, 1, top, top >> 1, dice.randrange(300), dice.randrange(top)])
        table = hostile_keys(found, **parts)
        for key in dice.sample(keys, 10):
            try:
                ordinal = table.find(key)
                assert ordinal == keys.index(key) or name != "radix"
                table.find_all(key)
                table.nearest(key + 1, 3)
            except DamageError:
                continue
        for ordinal in dice.sample(range(len(keys)), 10):
            try:
                claim = table.claim(ordinal)
                assert claim is None or (claim[1] >= 1 and ordinal in table.find_all(claim[0]))
            except DamageError:
                continue


@pytest.mark.parametrize("ends", [[3, 2, 9], [1, 2, 10], [2**32 - 1, 5, 9], [0, 0, 2**31]])
def test_names_that_end_nowhere(ends: list[int]) -> None:
    table = ByteKeys(shape(3), {"ends": column(ends, "I")}, lambda: memoryview(b"aaabbbccc"), DamageError)
    with pytest.raises(DamageError):
        _ = list(table.keys())
    with pytest.raises(DamageError):
        _ = [table.find(name) for name in (b"a", b"aaa", b"bbb", b"zzz", b"")]


def test_names_of_the_wrong_count() -> None:
    with pytest.raises(DamageError):
        ByteKeys(shape(3), {"ends": column([1, 2], "I")}, lambda: memoryview(b"ab"), DamageError)
    assert byte_keys([b"b", b"a"], [0, 1]).find(b"a") == 1


def test_objects_that_are_not_there() -> None:
    table = object_table([pack_row(1, 0, 1, 5)])
    for ordinal in (-1, 1, 2**31, 2**64):
        with pytest.raises(DamageError):
            table.row(ordinal)
    with pytest.raises(DamageError):
        table.extents(Row(NOWHERE, 0, 1, 5))
    with pytest.raises(DamageError):
        object_table([]).row(0)
    with pytest.raises(DamageError):
        table.words(0, 2)


BAD_LISTS: dict[str, tuple[list[int], int]] = {
    "overlap": ([0, 2, 8, 0, 1 << 48, 5, 4, 1 << 48, 3], 8),
    "descend": ([SPARSE, 2, 8, 50, 1 << 48, 5, 4, 1 << 48, 3], 8),
    "a gap where none may be": ([0, 2, 8, 0, 1 << 48, 5, 9, 1 << 48, 3], 8),
    "begins late": ([0, 1, 5, 3, 1 << 48, 5], 5),
    "more rows than there are": ([0, 2, 5, 0, 1 << 48, 5], 5),
    "2^64 rows": ([0, 2**64 - 1, 5, 0, 1 << 48, 5], 5),
    "less than it says": ([0, 1, 6, 0, 1 << 48, 5], 6),
    "more than the object": ([0, 1, 5, 0, 1 << 48, 5], 4),
    "2^60 zero bytes": ([0, 1, 5, 0, 0, 1 << 60], 5),
    "past the top of u64": ([SPARSE, 1, 5, 2**64 - 4, 1 << 48, 5], 5),
    "a sum that wraps": ([SPARSE, 2, 0, 0, 1 << 48, 2**63, 2**63, 1 << 48, 2**63], 0),
}


@pytest.mark.parametrize("name", BAD_LISTS)
def test_broken_extent_lists(name: str) -> None:
    words, length = BAD_LISTS[name]
    table = object_table([pack_row(LISTED, 0, 1, length)], words)
    with pytest.raises(DamageError):
        table.extents(table.row(0))


@pytest.mark.parametrize("index", [1, 2, 2**47])
def test_extent_lists_that_are_not_in_the_table(index: int) -> None:
    table = object_table([pack_row(LISTED, index, 1, 5)], [0, 0, 0])
    with pytest.raises(DamageError):
        table.extents(table.row(0))
    with pytest.raises(DamageError):
        object_table([pack_row(LISTED, 0, 1, 5)]).extents(Row(LISTED, 0, 1, 5))


GOOD = {
    "reference ends": [0, 1, 3, 3],
    "targets": [1, 0, 2**31],
    "roles": [0, 1, 2],
    "referrer ends": [0, 1, 2, 2],
    "sources": [1, 0],
    "source roles": [1, 0],
    "dangling": [7, 3 | 1 << 16],
}
BAD_REFERENCES: dict[str, dict[str, list[int]]] = {
    "ends that decrease": {"reference ends": [0, 3, 1, 3]},
    "ends behind the targets": {"reference ends": [0, 1, 4, 4]},
    "a target that does not exist": {"targets": [3, 0, 2**31]},
    "a dangling one that is not listed": {"targets": [1, 0, 2**31 + 1]},
    "the last dangling one": {"targets": [1, 0, 2**32 - 1]},
    "referrer ends that decrease": {"referrer ends": [0, 2, 1, 2]},
    "referrer ends behind the sources": {"referrer ends": [0, 1, 2, 3]},
    "a source that does not exist": {"sources": [1, 3]},
    "too few ends": {"reference ends": [0, 1, 3]},
    "too few roles": {"roles": [0, 1]},
    "too many source roles": {"source roles": [0, 1, 2]},
    "no targets": {"targets": [], "roles": []},
    "no sources": {"sources": [], "source roles": []},
    "no dangling table": {"dangling": []},
}


def ask(tables: dict[str, list[int]]) -> list[object]:
    table = ReferenceTable(columns(tables), 3, DamageError)
    said: list[object] = []
    for ordinal in range(3):
        edges = list(table.of(ordinal))
        said += [edges, [table.dangling(e.dangling) for e in edges if e.target is None], list(table.to(ordinal))]
    return said


def test_the_references_that_are_broken_below_are_sound() -> None:
    assert len(ask(GOOD)) == 9


@pytest.mark.parametrize("name", BAD_REFERENCES)
def test_broken_references(name: str) -> None:
    with pytest.raises(DamageError):
        ask(GOOD | BAD_REFERENCES[name])


def test_the_sound_table_again() -> None:
    assert int_keys(KEYS, range(100)).find(KEYS[50]) == 50
