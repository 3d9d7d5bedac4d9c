"""Walks, cuts and components over reference arrays, against sets: object by object, many at a time, along chains."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import pytest
from graph.making import Graph, graphs, reached, table
from hypothesis import given, settings
from hypothesis import strategies as st

from index_tables import reference_table

from objref_index import cut, traversal
from objref_index.build import Columns
from objref_index.components import components
from objref_index.references import DANGLING_BIT

ROLE_SETS = st.sets(st.integers(0, 4))


def unlimited(found: int) -> Exception:
    raise AssertionError(found)


@settings(max_examples=120, deadline=None)
@given(graphs(), st.data())
@pytest.mark.usefixtures("way")
def test_a_closure(graph: Graph, data: st.DataObject) -> None:
    roots = data.draw(st.lists(st.integers(0, graph.nodes - 1), max_size=4))
    forward, backward = data.draw(ROLE_SETS), data.draw(ROLE_SETS)
    masks = traversal.role_set(forward), traversal.role_set(backward)
    found = traversal.reach(traversal.Walk(table(graph), roots, *masks, graph.nodes, unlimited))
    assert list(found) == sorted(reached(graph, roots, forward, backward))


class TooManyError(Exception):
    """The limit was met."""


@settings(max_examples=60, deadline=None)
@given(graphs(), st.data())
@pytest.mark.usefixtures("way")
def test_a_closure_of_more_than_is_allowed(graph: Graph, data: st.DataObject) -> None:
    everything = traversal.role_set(range(5))
    size = len(reached(graph, [0], range(5), range(5)))
    limit = data.draw(st.integers(0, graph.nodes))
    if limit < size:
        with pytest.raises(TooManyError):
            traversal.reach(traversal.Walk(table(graph), [0], everything, everything, limit, TooManyError))
    else:
        assert len(traversal.reach(traversal.Walk(table(graph), [0], everything, everything, limit, TooManyError))) == size


@settings(max_examples=120, deadline=None)
@given(graphs(), st.data())
@pytest.mark.usefixtures("way")
def test_edges(graph: Graph, data: st.DataObject) -> None:
    members = data.draw(st.sets(st.integers(0, graph.nodes - 1)))
    roles = data.draw(ROLE_SETS)
    leads = {
        "inside": [a for a in graph.live if a.source in members and a.target in members],
        "outside": [a for a in graph.live if a.source in members and a.target not in members],
        "nowhere": [a for a in graph.arrows if a.source in members and a.target >= graph.nodes],
    }
    made, mask, ordinals = table(graph), traversal.role_set(roles), array("I", sorted(members))
    for where, expected in leads.items():
        found = cut.edges(made, True, ordinals, where)  # type: ignore[arg-type]
        assert [(m, r) for m, r, _ in zip(*found, strict=True)] == [(a.source, a.role) for a in expected]
        assert where == "nowhere" or list(found.others) == [a.target for a in expected]
        assert where != "nowhere" or all(other & DANGLING_BIT for other in found.others)
        some = cut.edges(made, True, ordinals, where, mask)  # type: ignore[arg-type]
        assert [(m, r) for m, r, _ in zip(*some, strict=True)] == [
            (a.source, a.role) for a in expected if a.role in roles
        ]
    entering = cut.edges(made, False, ordinals, "outside")
    expected = [(a.target, a.role, a.source) for a in graph.live if a.target in members and a.source not in members]
    assert sorted(zip(*entering, strict=True)) == sorted(expected)
    assert not cut.edges(made, False, ordinals, "nowhere").members


@settings(max_examples=200, deadline=None)
@given(graphs(), st.data())
def test_components_and_order(graph: Graph, data: st.DataObject) -> None:
    members = data.draw(st.sets(st.integers(0, graph.nodes - 1)))
    inner = Graph(graph.nodes, [a for a in graph.live if a.source in members and a.target in members])
    lead = {node: reached(inner, [node], range(5), ()) for node in members}
    ordinals = array("I", sorted(members))
    found = components(ordinals, cut.edges(table(graph), True, ordinals, "inside"))
    assert sorted(node for part in found for node in part) == sorted(members)
    for part in found:
        assert set(part) == {other for other in lead[part[0]] if part[0] in lead[other]}
        assert list(part) == sorted(part)
    place = {node: number for number, part in enumerate(found) for node in part}
    assert all(place[a.target] <= place[a.source] for a in inner.arrows), "targets come first"
    assert list(found.order) == [node for part in found for node in part]
    assert [list(part) for part in found.loops()] == [list(part) for part in found if len(part) > 1]
    assert [list(part) for part in found[::-1]] == [list(part) for part in reversed(found)]


SHAPES = {
    "everything branches": lambda draw, n: (draw.integers(0, n, 3 * n), draw.integers(0, n, 3 * n)),
    "one loop": lambda draw, n: (np.arange(n), np.roll(np.arange(n), -1)),
    "a loop in no order, both ways": lambda draw, n: _both_ways(draw.permutation(n)),
    "a ladder with shortcuts": lambda draw, n: (
        np.concatenate([np.arange(n - 1), draw.integers(0, n, 50)]),
        np.concatenate([np.arange(1, n), draw.integers(0, n, 50)]),
    ),
    "a hub": lambda draw, n: (np.concatenate([np.zeros(n, int), np.arange(n)]), np.concatenate([np.arange(n)] * 2)),
    "a tree": lambda draw, n: (np.arange(n - 1) // 3, np.arange(1, n)),
}


def _both_ways(order: Any) -> tuple[Any, Any]:
    following = np.roll(order, -1)
    return np.concatenate([order, following]), np.concatenate([following, order])


@pytest.mark.parametrize("shape", SHAPES)
def test_large_graphs_with_the_thresholds_as_they_are(shape: str) -> None:
    """More than a stripe of references, a rare role among them, which is followed backward."""
    n, draw = 40_000, np.random.default_rng(7)
    source, target = SHAPES[shape](draw, n)
    role = (draw.random(len(source)) < 0.001).astype(np.uint64)
    made = Columns()
    made.add(0, np.arange(n, dtype=np.uint64), np.zeros(n), np.zeros(n))
    made.refer(source, role, 0, np.zeros(len(source), np.uint16), target.astype(np.uint64))
    index = made.build()
    for forward, backward in (((0, 1), ()), ((0,), (1,)), ((), (0, 1)), ((1,), (0,))):
        steps: dict[int, list[int]] = {}
        for a, r, b in zip(source.tolist(), role.tolist(), target.tolist(), strict=True):
            if r in forward:
                steps.setdefault(a, []).append(b)
            if r in backward:
                steps.setdefault(b, []).append(a)
        seen, todo = {n // 2, 0}, [n // 2, 0]
        while todo:
            fresh = set(steps.get(todo.pop(), ())) - seen
            seen |= fresh
            todo += fresh
        masks = traversal.role_set(forward), traversal.role_set(backward)
        assert list(traversal.reach(traversal.Walk(reference_table(index), [n // 2, 0], *masks, n, unlimited))) == sorted(seen)
