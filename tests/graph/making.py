"""Graphs for tests: reference tables and whole images of nodes of a made-up dialect, and plain models of both."""

from __future__ import annotations

import tempfile
from array import array
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from hypothesis import strategies as st
from index_tables import reference_table
from samples import u64, write_events

import objref
from objref.dialects import events as ev
from objref_index import FORM_BYTES, FORM_DECIMAL, ReferenceTable
from objref_index.build import Columns

ROLES = (ev.Role("hard", "H"), ev.Role("soft", "S"), ev.Role("kept", "K"), ev.Role("owned", "O"), ev.Role("other", "H"))
HARD, SOFT, KEPT, OWNED, OTHER = range(5)
STRENGTH = "HSKOH"


class Arrow(NamedTuple):
    """A reference between numbers of nodes. Targets that are no node dangle."""

    source: int
    role: int
    target: int


class Graph(NamedTuple):
    """`nodes` nodes, numbered from 0, and arrows by ascending source."""

    nodes: int
    arrows: list[Arrow]

    @property
    def live(self) -> list[Arrow]:
        return [arrow for arrow in self.arrows if arrow.target < self.nodes]


@st.composite
def graphs(draw: st.DrawFn, most: int = 24) -> Graph:
    """Small graphs with loops, self references, several arrows between two nodes, and some to nothing."""
    nodes = draw(st.integers(1, most))
    arrow = st.builds(Arrow, st.integers(0, nodes - 1), st.integers(0, 4), st.integers(0, nodes))
    return Graph(nodes, sorted(draw(st.lists(arrow, max_size=3 * nodes)), key=lambda a: a.source))


def table(graph: Graph) -> ReferenceTable:
    """Its reference arrays."""
    made = Columns()
    made.add(0, np.arange(graph.nodes, dtype=np.uint64), np.zeros(graph.nodes), np.zeros(graph.nodes))
    if graph.arrows:
        source, role, target = np.array(graph.arrows, np.uint64).T
        made.refer(source, role, 0, np.zeros(len(source), np.uint16), target)
    return reference_table(made.build())


def reached(graph: Graph, roots: Iterable[int], forward: Iterable[int], backward: Iterable[int]) -> set[int]:
    """The model: the smallest set with the roots in it that no followed arrow leaves."""
    forward, backward, found = set(forward), set(backward), set(roots)
    while True:
        more = {a.target for a in graph.live if a.role in forward and a.source in found}
        more |= {a.source for a in graph.live if a.role in backward and a.target in found}
        if more <= found:
            return found
        found |= more


class Nodes:
    """What the collector asks of a dialect."""

    name = "nodes"
    roles = ROLES

    def __init__(self, kinds: Sequence[str]) -> None:
        self.kinds = (ev.Kind("member", FORM_BYTES), *(ev.Kind(kind, FORM_DECIMAL) for kind in kinds))


class Node(NamedTuple):
    """A node of an image, with bytes of its own; `refers` are (role, kind, key)."""

    kind: str
    key: int
    refers: Sequence[tuple[str, str, int]] = ()
    layer: int = 0


def image_of(nodes: Sequence[Node], roles: Sequence[ev.Role] = ROLES) -> objref.Image:
    """An open image with these nodes, ordinals in their order."""
    dialect = Nodes(sorted({node.kind for node in nodes} | {kind for node in nodes for _, kind, _ in node.refers}))
    dialect.roles = tuple(roles)
    kinds = {kind.name: number for number, kind in enumerate(dialect.kinds)}
    names = {role.name: number for number, role in enumerate(roles)}
    events: list[ev.Event] = []
    for ordinal, node in enumerate(nodes):
        data = f"{node.kind} {node.key}".encode()
        events.append(ev.Run("nodes", data))
        events.append(ev.Objects(kinds[node.kind], node.layer, u64(node.key), u64(0), u64(len(data))))
        if node.refers:
            columns = zip(*[(ordinal, names[role], kinds[kind], key) for role, kind, key in node.refers], strict=True)
            sources, codes, into, keys = (
                array(word, column) for word, column in zip("IBHQ", columns, strict=True)
            )  # fmt: skip
            events.append(ev.Edges(node.layer, sources, codes, into, keys))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "graph.objref"
        write_events(path, events, dialect=dialect)
        return objref.open(path.read_bytes())


def image_of_graph(graph: Graph) -> objref.Image:
    """An open image of a graph: `node:0`, `node:1`, …"""
    refers: list[list[tuple[str, str, int]]] = [[] for _ in range(graph.nodes)]
    for source, role, target in graph.arrows:
        refers[source].append((ROLES[role].name, "node", target))
    return image_of([Node("node", i, refers[i]) for i in range(graph.nodes)])
