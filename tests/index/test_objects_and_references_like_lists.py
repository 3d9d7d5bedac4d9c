"""The object table and the reference arrays against plain lists."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from index_tables import columns, object_table, reference_table

from objref_index import Extent, ObjectTable, Row
from objref_index.build import Columns
from objref_index.objects import LISTED, SPARSE, pack_row

BIG = (1 << 48) - 1
ROWS = st.builds(Row, st.integers(1, 0xFFFE), st.integers(0, BIG), st.integers(0, 0xFFFF), st.integers(0, BIG))


@settings(max_examples=100, deadline=None)
@given(st.lists(ROWS, max_size=50))
def test_rows(rows: list[Row]) -> None:
    table = object_table([pack_row(*row) for row in rows])
    assert [table.row(i) for i in range(len(rows))] == rows
    for row in rows:
        assert table.extents(row) == (False, row.length, [Extent(0, row.section, row.address, row.length)])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 0xFFFF), st.integers(0, 99)), max_size=9)))
def test_extent_lists_one_behind_the_other(lists: list[list[tuple[int, int, int]]]) -> None:
    words: list[int] = []
    expected = []
    for rows in lists:
        at, extents = 0, []
        for gap, section, length in rows:
            extents.append(Extent(at + gap, section, 7 * at, length))
            at += gap + length
        held = sum(e.length for e in extents)
        expected.append((Row(LISTED, len(words) // 3, 1, held), extents))
        words += [SPARSE, len(rows), held]
        words += [w for e in extents for w in (e.at, e.section << 48 | e.address, e.length)]
    table = object_table([pack_row(*row) for row, _ in expected], words)
    for i, (row, extents) in enumerate(expected):
        assert table.extents(table.row(i)) == (True, row.length, extents)


class Link(NamedTuple):
    """A reference by name."""

    source: int
    role: int
    layer: int
    kind: int
    key: int


@st.composite
def graphs(draw: st.DrawFn) -> tuple[list[tuple[int, int, int]], list[Link]]:
    """Objects as (layer, kind, key), some claimed twice; references to them and to nothing."""
    small = st.integers(0, 6)
    key = st.one_of(small, st.sampled_from([2**64 - 1, 2**63]))
    objects = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3), key), max_size=40))
    links = []
    if objects:
        source = st.integers(0, len(objects) - 1)
        links = draw(
            st.lists(
                st.builds(Link, source, st.integers(0, 255), st.integers(0, 2), st.integers(0, 4), key), max_size=60
            )
        )
    return objects, links


@settings(max_examples=200, deadline=None)
@given(graphs())
def test_references(graph: tuple[list[tuple[int, int, int]], list[Link]]) -> None:
    objects, links = graph
    made = Columns()
    for layer, kind, key in objects:
        made.add(layer, np.array([key], np.uint64), [0], [kind << 48])
    for link in links:
        made.refer([link.source], [link.role], link.layer, [link.kind], np.array([link.key], np.uint64))
    table = reference_table(made.build())
    resolved: list[tuple[Link, int | None]] = [(link, _first(objects, link)) for link in links]
    for ordinal in range(len(objects)):
        mine = [(link.role, target, link) for link, target in resolved if link.source == ordinal]
        edges = list(table.of(ordinal))
        assert [(e.role, e.target) for e in edges] == [(role, target) for role, target, _ in mine]
        for edge, (_, target, link) in zip(edges, mine, strict=True):
            if target is None:
                assert table.dangling(edge.dangling) == (link.key, link.kind, link.layer)
        back = sorted((link.source, link.role) for link, target in resolved if target == ordinal)
        assert sorted((e.source, e.role) for e in table.to(ordinal)) == back
        assert [e.source for e in table.to(ordinal)] == sorted(e.source for e in table.to(ordinal))
    assert table.dangling_count == sum(target is None for _, target in resolved)


def _first(objects: list[tuple[int, int, int]], link: Link) -> int | None:
    wanted = (link.layer, link.kind, link.key)
    return objects.index(wanted) if wanted in objects else None


def test_a_table_without_objects() -> None:
    index = Columns().build()
    assert (index.objects, index.references, index.spaces) == (0, 0, [])
    assert ObjectTable(columns(index.tables).get("objects"), None, 0, ValueError).count == 0
