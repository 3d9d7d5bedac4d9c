"""What a person asks of a graph: what does this need, who shares it, what is cut. On a real dump and on small ones."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from graph.making import STRENGTH, Arrow, Graph, Node, graphs, image_of, image_of_graph, reached
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLE

import objref
from objref.graph import MEANING, closure, walk
from objref.limits import DEFAULT


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real process tree: task 100 and its child 101."""
    found = tmp_path_factory.mktemp("graph") / "tree.objref"
    objref.import_image(SAMPLE, found)
    return found


@pytest.fixture
def image(path: Path) -> Iterator[objref.Image]:
    """It, open."""
    with objref.open(path) as found:
        yield found


# -- what a task needs ---------------------------------------------------------------------------------------


def test_a_task_needs_its_parts_its_files_and_its_parent(image: objref.Image) -> None:
    needs = image.closure("task:101")
    for name in ("core:101", "mm:101", "mem:101", "fdtable:3", "file:6", "pages:3", "shmem:0x2", "task:100", "mm:100"):
        assert name in needs, name
    assert "lock:0" not in needs, "who refers to a task is not needed by it"


def test_what_a_file_owns_comes_with_it_though_it_refers_to_the_file(image: objref.Image) -> None:
    """The ghost of a deleted file hangs from a remap entry that names the file; packets in flight name their
    receiver. Without them the file cannot be restored, and no reference leads from the file to them."""
    assert {found.objref for found in image.closure("file:6")} == {"file:6", "remap:6", "ghost:0x1"}
    assert {found.objref for found in image.closure("file:6", direction="forward")} == {"file:6"}
    sockets = image.closure("file:14")
    assert {found.objref for found in sockets} == {"file:13", "file:14", "sk-packet:1", "sk-packet:2"}


def test_a_task_without_its_parent(image: objref.Image) -> None:
    alone = image.closure("task:101", without=["parent"])
    assert "task:100" not in alone
    assert [(r.role, r.target_objref) for r in alone.cut().leaving] == [
        ("parent", "task:100"), ("group", "task:100"), ("session", "task:100"),
    ]  # fmt: skip
    shared = {r.target.objref for r in alone.cut().entering if r.role == "mapping" and r.target}
    assert shared == {"file:1", "file:2"}, "the parent maps them too"
    first = alone.cut().summary()[0]
    assert (first.way, first.role, first.strength, first.number) == ("leaving", "parent", "H", 1)
    assert first.meaning == MEANING["leaving", "H"]
    assert all(r.strength == "S" for r in image.closure("task:101").cut().leaving)


def test_a_task_and_all_below_it(image: objref.Image) -> None:
    below = image.closure("task:100", direction="reverse", roles=["parent"])
    assert [found.objref for found in below] == ["task:100", "task:101"]
    assert len(image.closure(below)) > len(image.closure("task:100"))


def test_loops_of_a_real_dump(image: objref.Image) -> None:
    needs = image.closure("task:101")
    loops = [{image.by_ordinal(o).objref for o in loop} for loop in needs.components().loops()]
    assert {"file:11", "file:12"} in loops
    order = [image.by_ordinal(ordinal).objref for ordinal in needs.creation_order()]
    assert order.index("core:101") < order.index("task:101") > order.index("task:100")
    assert sorted(order) == sorted(found.objref for found in needs)


def test_kinds_and_membership(image: objref.Image) -> None:
    needs = image.closure(["task:101", image["task:100"]])
    assert sum(number for number, _ in needs.kinds().values()) == len(needs) == len(list(needs))
    assert image["mm:101"] in needs
    assert image["mm:101"].ordinal in needs
    assert "mm:102" not in needs
    assert needs.roots == (image["task:101"].ordinal, image["task:100"].ordinal)


# -- small ones against the model ----------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(graphs(10), st.data())
def test_directions_and_strengths(graph: Graph, data: st.DataObject) -> None:
    strengths = data.draw(st.one_of(st.none(), st.sets(st.sampled_from("HSKO"), min_size=1).map("".join)))
    root = data.draw(st.integers(0, graph.nodes - 1))
    roles = {i for i, strength in enumerate(STRENGTH) if strength in (strengths or "HKO")}
    owned = {i for i in roles if STRENGTH[i] == "O"}
    ways = {"needs": (roles, owned), "forward": (roles, ()), "reverse": ((), roles), "both": (roles, roles)}
    with image_of_graph(graph) as image:
        for direction, (forward, backward) in ways.items():
            found = image.closure(root, direction=direction, strengths=strengths)
            assert set(found.ordinals) == reached(graph, [root], forward, backward)
            met = [o.ordinal for o in walk(image, root, direction=direction, strengths=strengths)]
            assert met[0] == root
            assert sorted(met) == list(found.ordinals)
        members, cut = set(found.ordinals), found.cut()
        leaving = [Arrow(*a) for a in graph.live if a.source in members and a.target not in members]
        assert [(r.source.ordinal, r.target_objref) for r in cut.leaving] == [
            (a.source, f"node:{a.target}") for a in leaving
        ]
        assert len(cut.entering) == len([a for a in graph.live if a.target in members and a.source not in members])
        assert all(r.target in found and r.source not in found for r in cut.entering)
        lost = [a for a in graph.arrows if a.source in members and a.target == graph.nodes]
        assert [r.target_objref for r in found.dangling()] == [f"node:{graph.nodes}"] * len(lost)
        assert sum(row.number for row in cut.summary()) == len(cut.leaving) + len(cut.entering)


def test_roles_by_name_and_mistakes() -> None:
    with image_of_graph(Graph(3, [Arrow(0, 1, 1), Arrow(0, 0, 2)])) as image:
        assert list(image.closure(0).ordinals) == [0, 2], "soft references are not followed"
        assert list(image.closure(0, roles=["soft"]).ordinals) == [0, 1], "unless they are named"
        assert list(image.closure(0, roles=["soft"], strengths="H").ordinals) == [0]
        assert list(image.closure(0, without=["hard"]).ordinals) == [0]
        assert list(image.closure([]).ordinals) == []
        assert image.closure([]).cut().summary() == []
        with pytest.raises(objref.NotFoundError, match="no role 'hrad'; nearest: hard"):
            image.closure(0, roles=["hrad"])
        with pytest.raises(objref.UsageError, match="no direction 'up'"):
            image.closure(0, direction="up")
        with pytest.raises(objref.UsageError, match="no strength 'X'"):
            image.closure(0, strengths="HX")
        for nonsense in (None, 1.5):
            with pytest.raises(objref.UsageError):
                image.closure(nonsense)
        with pytest.raises(objref.NotFoundError):
            image.closure(3)
        with image_of_graph(Graph(1, [])) as other, pytest.raises(objref.UsageError, match="another image"):
            image.closure(other["node:0"])


def test_the_limit() -> None:
    ring = Graph(50, [Arrow(i, 0, (i + 1) % 50) for i in range(50)])
    with image_of_graph(ring) as image:
        assert len(image.closure(0, limit=50)) == 50
        with pytest.raises(objref.LimitError, match="limit 49"):
            image.closure(0, limit=49)
        with pytest.raises(objref.LimitError, match="limit 49"):
            list(walk(image, 0, limit=49))
        assert next(walk(image, 0, limit=49)).objref == "node:0"
        image.container.limits = DEFAULT._replace(closure=7)
        with pytest.raises(objref.LimitError, match="limit 7"):
            image.closure(0)


def test_claims_layers_and_self_references() -> None:
    nodes = [
        Node("file", 31, [("hard", "file", 31)]),
        Node("file", 31, [("hard", "file", 31), ("hard", "file", 32)]),
        Node("file", 31, [("hard", "file", 32)], 1),
        Node("file", 32, (), 1),
    ]
    with image_of(nodes) as image:
        assert [f.objref for f in image.closure("file:31")] == ["file:31"]
        assert [f.objref for f in image.closure("file:31~2")] == ["file:31", "file:31~2"]
        assert [r.target_objref for r in image.closure("file:31~2").dangling()] == ["file:32"]
        assert [f.objref for f in image.closure("1/file:31")] == ["1/file:31", "1/file:32"]


# -- large ones ----------------------------------------------------------------------------------------------


def test_a_million_objects_in_one_loop() -> None:
    """Not on the stack, not in a picture of the whole: a walk, the loop as a component, an order."""
    from array import array

    import numpy as np
    from index_tables import SIZES

    from objref_index import Column, ReferenceTable, cut
    from objref_index.components import components
    from objref_index.traversal import Walk, reach, role_set

    count = 1_000_000
    ends, targets = np.arange(count + 1, dtype="<u4"), np.roll(np.arange(count, dtype="<u4"), -1)
    sources, roles = np.roll(np.arange(count, dtype="<u4"), 1), np.zeros(count, "u1")

    def column(values, word):  # type: ignore[no-untyped-def]
        data = memoryview(values.tobytes())
        return Column(lambda k: data[k << 16 : (k + 1) << 16], word, len(data) // SIZES[word])

    names = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles")
    tables = zip(names, (ends, targets, roles, ends, sources, roles), "IIBIIB", strict=True)
    table = ReferenceTable({name: column(values, word) for name, values, word in tables}, count, ValueError)
    for masks in ((role_set([0]), role_set([])), (role_set([]), role_set([0]))):
        assert reach(Walk(table, [123_456], *masks, count, ValueError)) == array("I", range(count))
    (loop,) = components(array("I", range(count)), cut.edges(table, True, array("I", range(count)), "inside")).loops()
    assert len(loop) == count


def test_a_small_closure_needs_no_numpy(path: Path) -> None:
    code = f"""if True:
        import sys, objref
        with objref.open({str(path)!r}) as image:
            needs = image.closure("task:101")
            needs.cut().summary(), needs.creation_order(), list(needs.dangling())
        assert "numpy" not in sys.modules
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_the_function_and_the_method_are_one(image: objref.Image) -> None:
    assert closure(image, "task:100").ordinals == image.closure("task:100").ordinals
