"""References as a tree: every object opened out once, loops marked, any depth."""

from __future__ import annotations

import pytest
from graph.making import Arrow, Graph, graphs, image_of_graph, reached
from hypothesis import given, settings

import objref
from objref.branches import branches


def drawn(image: objref.Image, root: str, **options: object) -> list[tuple[int, str, str]]:
    return [(b.depth, b.objref, b.mark) for b in branches(image[root], **options)]  # type: ignore[arg-type]


def test_a_tree_with_everything_in_it() -> None:
    arrows = [Arrow(0, 0, 0), Arrow(0, 0, 1), Arrow(0, 1, 2), Arrow(1, 0, 2), Arrow(2, 0, 0), Arrow(2, 0, 9)]
    with image_of_graph(Graph(3, arrows)) as image:
        assert drawn(image, "node:0") == [(1, "node:0", "loop"), (1, "node:1", ""), (1, "node:2", "")]
        assert drawn(image, "node:0", depth=9) == [
            (1, "node:0", "loop"),
            (1, "node:1", ""),
            (2, "node:2", ""),
            (3, "node:0", "loop"),
            (3, "node:9", "dangling"),
            (1, "node:2", "above"),
        ]
        assert drawn(image, "node:2", reverse=True) == [(1, "node:0", ""), (1, "node:1", "")]
        assert drawn(image, "node:0", roles=["soft"]) == [(1, "node:2", "")]
        lasts = [b.lasts for b in branches(image["node:0"], depth=2)]
        assert lasts == [(False,), (False,), (False, True), (True,), (True, False), (True, True)]
        with pytest.raises(objref.NotFoundError, match="no role 'sfot'; nearest: soft"):
            drawn(image, "node:0", roles=["sfot"])


def test_a_deep_one() -> None:
    count = 3000
    with image_of_graph(Graph(count, [Arrow(i, 0, (i + 1) % count) for i in range(count)])) as image:
        *_, last = branches(image["node:0"], depth=10**9)
        assert (last.depth, last.mark) == (count, "loop")


@settings(max_examples=60, deadline=None)
@given(graphs(10))
def test_all_that_is_reached_is_shown_and_each_reference_once(graph: Graph) -> None:
    with image_of_graph(graph) as image:
        for reverse in (False, True):
            shown = list(branches(image["node:0"], reverse=reverse, depth=99))
            members = reached(graph, [0], () if reverse else range(5), range(5) if reverse else ())
            assert {b.other.ordinal for b in shown if b.other} | {0} == members
            ends = [a for a in graph.live if a.target in members] if reverse else [
                a for a in graph.arrows if a.source in members]  # fmt: skip
            assert len(shown) == len(ends)
            assert all(b.depth > 1 or b.mark != "above" or b.objref != "node:0" for b in shown)
