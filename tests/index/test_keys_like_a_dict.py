"""Key tables against a dict of lists: whatever the keys, the same answers."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from index_tables import byte_keys, int_keys

from objref_index import ByteKeys, IntKeys

TOP = 2**64 - 1
U64 = st.one_of(
    st.integers(0, 40), st.integers(0, TOP), st.integers(TOP - 40, TOP), st.integers(0, 63).map(lambda n: 1 << n)
)


@st.composite
def claims(draw: st.DrawFn) -> list[tuple[int, int]]:
    """(key, ordinal), ordinals ascending: runs, gaps, clusters, duplicates, any order."""
    base = draw(U64)
    keys = draw(
        st.one_of(
            st.lists(U64, max_size=300),
            st.integers(0, 300).map(lambda n: [min(base + i, TOP) for i in range(n)]),
            st.permutations([min(base + i, TOP) for i in range(20)]),
            st.lists(st.integers(0, 9), max_size=300),
        )
    )
    if draw(st.booleans()):
        return list(zip(keys, range(draw(st.integers(0, 9)), 400), strict=False))
    return list(zip(keys, sorted(draw(st.sets(st.integers(0, 2**31 - 1), min_size=len(keys)))), strict=False))


def model(pairs: Sequence[tuple[object, int]]) -> dict[object, list[int]]:
    found: dict[object, list[int]] = {}
    for key, ordinal in pairs:
        found.setdefault(key, []).append(ordinal)
    return found


def agree(table: IntKeys | ByteKeys, pairs: Sequence[tuple[object, int]], absent: Sequence[object]) -> None:
    """find, find_all, claim (the way back) and keys, against the dict."""
    expected = model(pairs)
    for key, ordinals in expected.items():
        assert table.find(key) == ordinals[0]  # type: ignore[arg-type]
        assert table.find_all(key) == ordinals  # type: ignore[arg-type]
        assert [table.claim(o) for o in ordinals] == [(key, n + 1) for n in range(len(ordinals))]
    for key in set(absent) - set(expected):
        assert table.find(key) == -1  # type: ignore[arg-type]
        assert table.find_all(key) == []  # type: ignore[arg-type]
    used = {ordinal for _, ordinal in pairs}
    for ordinal in {0, 1, 2**31 - 1, *(o + 1 for o in used), *(o - 1 for o in used)} - used:
        assert table.claim(ordinal) is None
    assert list(table.keys()) == sorted(key for key, _ in pairs)  # type: ignore[type-var]
    assert [table.ordinal(i) for i in range(len(pairs))] == [o for _, os in sorted(expected.items()) for o in os]  # type: ignore[type-var]


@settings(max_examples=250, deadline=None)
@given(claims(), st.lists(U64, max_size=9))
@example([(TOP, 0)], [0, TOP - 1])
@example([(0, 5), (TOP, 6)], [1])
@example([(TOP - i, i) for i in range(200)], [0])
@example([(7, i) for i in range(200)], [6, 8])
@example([], [0, TOP])
def test_numbers(pairs: list[tuple[int, int]], absent: list[int]) -> None:
    table = int_keys([k for k, _ in pairs], [o for _, o in pairs])
    near = [key + d for key, _ in pairs[:20] for d in (-1, 1)]
    agree(table, pairs, [*absent, *near, -1, TOP + 1, -(2**70), 2**70])


@settings(max_examples=150, deadline=None)
@given(claims(), U64, st.integers(1, 5))
def test_the_nearest_keys(pairs: list[tuple[int, int]], asked: int, n: int) -> None:
    keys = {k for k, _ in pairs} - {asked}
    kept = [(k, o) for k, o in pairs if k != asked]
    table = int_keys([k for k, _ in kept], [o for _, o in kept])
    assert table.nearest(asked, n) == sorted(sorted(keys, key=lambda k: (abs(k - asked), k))[:n])


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.one_of(st.binary(max_size=6), st.sampled_from([b"", b"a", b"a\0", b"\xff" * 9])), max_size=60),
    st.data(),
)
def test_names(names: list[bytes], data: st.DataObject) -> None:
    first = data.draw(st.integers(0, 9))
    ordinals = data.draw(
        st.one_of(
            st.just(list(range(first, first + len(names)))),
            st.sets(st.integers(0, 10**6), min_size=len(names)).map(lambda s: sorted(s)[: len(names)]),
        )
    )
    pairs = list(zip(names, ordinals, strict=True))
    agree(byte_keys(names, ordinals), pairs, data.draw(st.lists(st.binary(max_size=3), max_size=9)))


def test_a_run_stores_nothing_whatever_its_length() -> None:
    table = int_keys(range(5, 100_005), range(100_000))
    assert table.shape.run
    assert not table.permuted
    assert (table.find(5), table.find(100_004), table.find(4), table.find(100_005)) == (0, 99_999, -1, -1)


@pytest.mark.parametrize("step", [1, 3, 2**40])
def test_clusters_far_apart_with_a_directory_of_many_empty_buckets(step: int) -> None:
    """Nearly all keys in one bucket: the directory helps little, and must not harm."""
    keys = [*range(0, 3000 * 2, 2), *(2**63 + i * step for i in range(3000)), TOP]
    table = int_keys(keys, range(len(keys)))
    assert table.shape.radix_bits
    agree(table, list(zip(keys, range(len(keys)), strict=True)), [1, 2**62, 2**63 - 1, TOP - 1, 5999])


def test_one_key_claimed_by_a_hundred_thousand() -> None:
    n = 100_000
    table = int_keys([9] * n + [3], range(n + 1))
    assert table.find_all(9) == list(range(n))
    assert table.claim(n - 1) == (9, n)
    assert table.nearest(8, 3) == [3, 9]


def test_tables_longer_than_a_stripe() -> None:
    keys = [(i * 7919) % 100_003 * 3 for i in range(100_003)]
    ordinals = [2 * i for i in range(100_003)]
    table = int_keys(keys, ordinals)
    for i in range(0, 100_003, 997):
        assert table.find(keys[i]) == ordinals[i]
        assert table.find(keys[i] + 1) == -1
        assert table.claim(ordinals[i]) == (keys[i], 1)


def test_an_alias_that_names_an_object_twice() -> None:
    """Ordinals 0, 0, 2 end three places after they begin, and are no run of three."""
    table = int_keys([10, 11, 12], [0, 0, 2])
    assert [table.find(k) for k in (10, 11, 12)] == [0, 0, 2]
