"""Key tables in a tree against a plain model, and against the tables of a container, for any keys."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from objref_index import Column, KeyShape
from objref_index.build import Index, SpaceTables, build_int_keys
from objref_index.tree import build
from objref_index.tree.keys import TreeKeys
from objref_index.tree.opened import Tree

KEY = st.one_of(st.integers(0, 12), st.integers(0, 2**64 - 1), st.integers(2**64 - 4, 2**64 - 1))
SPACES = st.lists(st.lists(KEY, max_size=30), min_size=1, max_size=4)


class DamagedError(Exception):
    """What a reader raises."""


def column(table: Any, word: Any) -> Column | None:
    if table is None:
        return None
    data = np.asarray(table).astype("<u8" if word == "Q" else "<u4").tobytes()
    return Column(lambda k: data[k << 16 : (k + 1) << 16], word, len(table))


def interleaved(keys: list[list[int]]) -> list[list[int]]:
    """Ordinals of each space: taken in turn, as records of several kinds come."""
    ordinals: list[list[int]] = [[] for _ in keys]
    n = 0
    for turn in range(max(map(len, keys))):
        for space, members in enumerate(keys):
            if turn < len(members):
                ordinals[space].append(n)
                n += 1
    return ordinals


def tree_of(path: str, keys: list[list[int]], ordinals: list[list[int]]) -> list[TreeKeys]:
    spaces = []
    for i, (members, here) in enumerate(zip(keys, ordinals, strict=True)):
        shape, tables = build_int_keys(np.array(members, np.uint64), np.array(here, np.uint32))
        spaces.append(SpaceTables(i, 0, False, shape, tables))
    count = sum(map(len, keys))
    rows = np.arange(2 * count, dtype="<u8") + np.uint64(1 << 48)
    built = build.build_tree(path, Index(spaces, {"objects": rows}, count, 0, 0, {}), DamagedError)
    assert built.entries == count
    tree = Tree(path, built.length, DamagedError)
    return [keys_of(tree, i + 1, build.without_keys(space)) for i, space in enumerate(spaces)]


def keys_of(tree: Tree, number: int, space: SpaceTables) -> TreeKeys:
    ordinals, by_rank = column(space.tables.get("ordinals"), "I"), column(space.tables.get("ordinal keys"), "Q")
    return TreeKeys(tree, number, space.shape, ordinals, by_rank, DamagedError)


@given(keys=SPACES, asked=st.lists(st.one_of(KEY, st.integers(-5, 2**64 + 5)), max_size=20))
@settings(max_examples=120, deadline=None)
def test_any_keys_in_any_order(keys: list[list[int]], asked: list[int]) -> None:
    ordinals = interleaved(keys)
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tree")
        Path(path).touch()
        for table, members, here in zip(tree_of(path, keys, ordinals), keys, ordinals, strict=True):
            check(table, members, here, asked)


def check(table: TreeKeys, members: list[int], here: list[int], asked: list[int]) -> None:
    model: dict[int, list[int]] = {}
    for key, ordinal in zip(members, here, strict=True):
        model.setdefault(key, []).append(ordinal)
    for key in {*asked, *members}:
        assert table.find(key) == model.get(key, [-1])[0]
        assert table.find_all(key) == model.get(key, [])
        if key not in model:
            assert table.nearest(key, 3) == sorted(sorted(model, key=lambda k: (abs(k - key), k))[:3])
    assert list(table.keys()) == sorted(members)
    assert list(table.ordinals()) == [ordinal for key in sorted(model) for ordinal in model[key]]
    for ordinal in range(-1, max(here, default=0) + 2):
        expected = next(((key, model[key].index(ordinal) + 1) for key in model if ordinal in model[key]), None)
        assert table.claim(ordinal) == expected


def test_thousands_that_claim_one_key(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    path.touch()
    (table,) = tree_of(str(path), [[7] * 20_000 + [9]], [list(range(20_001))])
    assert table.find(7) == 0
    assert table.find_all(7) == list(range(20_000))
    assert table.claim(12_345) == (7, 12_346)
    assert table.nearest(8, 3) == [7, 9]
    assert table.nearest(0, 3) == [7, 9]


def test_an_empty_space(tmp_path: Path) -> None:
    path = tmp_path / "tree"
    path.touch()
    empty, full = tree_of(str(path), [[], [3]], [[], [0]])
    assert (empty.find(3), empty.find_all(3), list(empty.keys()), empty.nearest(3, 2)) == (-1, [], [], [])
    assert full.find(3) == 0
    assert KeyShape(1, True, 3, 0, distinct=1) == full.shape
