"""Two-phase restore: the examples of the thread that said it needs an index, and what goes wrong on the way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from graph.making import Graph, Node, graphs, image_of, image_of_graph
from hypothesis import given, settings
from samples import SAMPLE

import objref
from objref.dialects import events as ev
from objref.object import Object, Reference
from objref.restore import DEPTH, Maker, Restoring

ROLES = (
    ev.Role("parent", "H"),
    ev.Role("tracer", "H"),
    ev.Role("user", "H"),
    ev.Role("namespace", "H"),
    ev.Role("creator", "H"),
    ev.Role("watches", "S"),
)


class Thing:
    """What is made of an object: links by role. Mutable."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.links: dict[str, list[Thing]] = {}

    def __getattr__(self, role: str) -> Thing:
        (only,) = self.links[role]
        return only


def create(found: Object, restoring: Restoring[Thing]) -> Thing:
    return Thing(found.objref)


def link(source: Thing, reference: Reference, target: Thing) -> None:
    source.links.setdefault(reference.role, []).append(target)


PLAIN = Maker(create, link)


def tasks(*nodes: Node) -> objref.Image:
    return image_of(nodes, ROLES)


# -- the thread's examples -----------------------------------------------------------------------------------


@pytest.mark.parametrize("order", list(permutations((1, 2, 3))))
@pytest.mark.parametrize("tracer", [1, 2, 3], ids=["its parent", "itself a child of the tracee", "neither"])
def test_a_tracer_that_is(tracer: int, order: tuple[int, ...]) -> None:
    """Task 4, child of 1, is traced by its parent (1), by its own child (2) or by a stranger (3), wherever they are."""
    tracee = Node("task", 4, [("parent", "task", 1), ("tracer", "task", tracer)])
    others = {1: Node("task", 1), 2: Node("task", 2, [("parent", "task", 4)]), 3: Node("task", 3, ())}
    for place in range(4):
        nodes = [others[i] for i in order]
        nodes.insert(place, tracee)
        with tasks(*nodes) as image:
            made = image.restore("task:4", {"task": PLAIN})
            assert set(made) == {"task:4", "task:1", f"task:{tracer}"}
            assert made["task:4"].tracer is made[f"task:{tracer}"]
            assert made["task:4"].parent is made["task:1"]
            if tracer == 2:
                assert made["task:2"].parent is made["task:4"], "the loop is closed"


USERS = (
    Node("user", 0, [("namespace", "ns", 0)]),
    Node("user", 1000, [("namespace", "ns", 0)]),
    Node("ns", 0, [("creator", "user", 0)]),
    Node("ns", 1, [("creator", "user", 1000)]),
    Node("user", 7, [("namespace", "ns", 1)]),
    Node("task", 50, [("user", "user", 7)]),
)


@pytest.mark.parametrize("order", list(permutations(range(len(USERS))))[::17])
def test_a_user_of_a_namespace_whose_creator_is_a_user(order: tuple[int, ...]) -> None:
    """The first namespace was created by a user that is in it. A namespace cannot be made without its creator, so its
    maker asks for him; a user can be made before his namespace."""
    asked: list[str] = []

    def create_namespace(found: Object, restoring: Restoring[Thing]) -> Thing:
        (creator,) = (r for r in found.references if r.role == "creator")
        asked.append(creator.target_objref)
        made = Thing(found.objref)
        made.links["creator at birth"] = [restoring.get(creator)]
        return made

    counted: Counter[str] = Counter()

    def create_once(found: Object, restoring: Restoring[Thing]) -> Thing:
        counted[found.objref] += 1
        return create(found, restoring)

    with image_of([USERS[i] for i in order], ROLES) as image:
        made = image.restore("task:50", {"ns": Maker(create_namespace, link)}, default=Maker(create_once, link))
        user = made["task:50"].user
        assert [user.name, user.namespace.name, user.namespace.creator.name] == ["user:7", "ns:1", "user:1000"]
        first = user.namespace.creator.namespace
        assert first.creator.namespace is first, "the loop at the end"
        assert made["ns:0"].links["creator at birth"] == [made["user:0"]]
        assert set(counted.values()) == {1}
        assert sorted(asked) == ["user:0", "user:1000"]


def test_a_real_image(tmp_path: Path) -> None:
    """Everything in a dump of CRIU, unix sockets that are each other's peers and all, is put together again."""
    objref.import_image(SAMPLE, tmp_path / "tree.objref")
    with objref.open(tmp_path / "tree.objref") as image:
        made = image.restore(range(len(image)), {}, default=PLAIN, strengths="HSKO")
        assert len(made) == len(image)
        assert next(iter(made)) != "task:100", "what a task needs comes first"
        for found in image.objects():
            links = Counter((role, t.name) for role, to in made[found].links.items() for t in to)
            assert links == Counter((r.role, r.target_objref) for r in found.references if not r.dangling)
        assert made["task:101"].parent is made["task:100"]
        assert made["file:11"].peer.peer is made["file:11"]


@settings(max_examples=80, deadline=None)
@given(graphs(12))
def test_any_graph_is_linked_once(graph: Graph) -> None:
    with image_of_graph(graph) as image:
        made = image.restore(range(graph.nodes), {"node": PLAIN})
        for key in range(graph.nodes):
            links = Counter((role, t.name) for role, to in made[f"node:{key}"].links.items() for t in to)
            assert links == Counter(
                (r.role, r.target_objref) for r in image[f"node:{key}"].references if not r.dangling
            )
        place = {name: i for i, name in enumerate(made)}
        parts = image.closure(range(graph.nodes)).components()
        loop = {ordinal: number for number, part in enumerate(parts) for ordinal in part}
        for r in image.closure(range(graph.nodes)).references("HKO"):
            assert r.target is not None
            if loop[r.source.ordinal] != loop[r.target.ordinal]:
                assert place[r.target.objref] < place[r.source.objref], "outside of loops targets come first"


def test_two_objects_that_claim_one_id_are_two() -> None:
    """A reference to the id means the first claim; the second is restored when it is asked for."""
    nodes = [Node("task", 1), Node("task", 1, [("tracer", "task", 2)]), Node("task", 2, [("parent", "task", 1)])]
    with tasks(*nodes) as image:
        made = image.restore(["task:2", "task:1~2"], {"task": PLAIN})
        assert list(made) == ["task:1", "task:2", "task:1~2"]
        assert made["task:2"].parent is made["task:1"] is not made["task:1~2"]


def test_layers_are_restored_each_for_itself() -> None:
    nodes = [Node("task", 1), Node("task", 2, [("parent", "task", 1)]), Node("task", 1, (), 1),
             Node("task", 2, [("parent", "task", 1)], 1)]  # fmt: skip
    with tasks(*nodes) as image:
        assert list(image.restore("1/task:2", {"task": PLAIN})) == ["1/task:1", "1/task:2"]


def test_what_leaves_the_closure_is_not_linked() -> None:
    nodes = [Node("task", 1, [("watches", "task", 2), ("parent", "task", 9)]), Node("task", 2)]
    with tasks(*nodes) as image:
        made = image.restore("task:1", {"task": PLAIN})
        assert made["task:1"].links == {}
        assert [r.role for r in made.closure.cut().leaving] == ["watches"]
        assert [r.target_objref for r in made.closure.dangling()] == ["task:9"]
        with pytest.raises(KeyError):
            made["task:2"]
        assert dict(image.restore([], {})) == {}


# -- what goes wrong -----------------------------------------------------------------------------------------

CHAIN = [Node("task", i, [("parent", "task", i - 1)] if i else ()) for i in range(5)]


@pytest.fixture
def chain() -> Iterator[objref.Image]:
    """task:4, its parent, … up to task:0."""
    with tasks(*CHAIN) as image:
        yield image


def failing_at(name: str, error: BaseException) -> Any:
    def fail(found: Object, restoring: Restoring[Thing]) -> Thing:
        if found.objref == name:
            raise error
        return Thing(found.objref)

    return fail


def test_a_creation_that_fails_is_told_and_the_others_are_undone_last_first(chain: objref.Image) -> None:
    undone: list[str] = []
    maker = Maker(failing_at("task:3", OSError(28, "No space")), link, lambda made, _: undone.append(made.name))
    with pytest.raises(objref.RestoreError, match=r"cannot create task:3: OSError: .*No space; 3 objects were") as told:
        chain.restore("task:4", {"task": maker})
    assert undone == ["task:2", "task:1", "task:0"]
    assert (told.value.objref, told.value.role, told.value.undone) == ("task:3", "", 3)
    assert isinstance(told.value.__cause__, OSError)


def test_a_link_that_fails_names_both_ends(chain: objref.Image) -> None:
    def refuse(source: Thing, reference: Reference, target: Thing) -> None:
        if source.name == "task:2":
            raise PermissionError("not your child")

    undone: list[str] = []
    maker = Maker(create, refuse, lambda made, _: undone.append(made.name))
    with pytest.raises(
        objref.RestoreError, match="cannot link task:2 parent task:1: PermissionError: not your"
    ) as told:
        chain.restore("task:4", {"task": maker})
    assert (told.value.step, told.value.role, told.value.target) == ("link", "parent", "task:1")
    assert undone == [f"task:{i}" for i in (4, 3, 2, 1, 0)]


def test_an_undo_that_fails_is_reported_and_does_not_stop_the_others(chain: objref.Image) -> None:
    undone: list[str] = []

    def undo(made: Thing, found: Object) -> None:
        if made.name in ("task:2", "task:1"):
            raise KeyboardInterrupt if made.name == "task:1" else ValueError("stuck")
        undone.append(made.name)

    with pytest.raises(objref.RestoreError) as told:
        chain.restore("task:4", {"task": Maker(failing_at("task:4", ValueError("no")), link, undo)})
    assert undone == ["task:3", "task:0"]
    assert [name for name, _ in told.value.undo_failures] == ["task:2", "task:1"]
    assert "2 objects were undone, 2 could not be: task:2 (ValueError: stuck), task:1" in str(told.value)


def test_an_interrupt_is_an_interrupt_and_nothing_stays(chain: objref.Image) -> None:
    left = set()

    def make(found: Object, restoring: Restoring[Thing]) -> Thing:
        if found.objref == "task:3":
            raise KeyboardInterrupt
        left.add(found.objref)
        return Thing(found.objref)

    def undo(made: Thing, found: Object) -> None:
        if made.name == "task:1":
            raise ValueError("stuck")
        left.remove(made.name)

    with pytest.raises(KeyboardInterrupt) as told:
        chain.restore("task:4", {"task": Maker(make, link, undo)})
    assert left == {"task:1"}
    assert told.value.__notes__ == ["task:1 could not be undone: ValueError: stuck"]


LOOP = [Node("task", 1, [("tracer", "task", 2)]), Node("task", 2, [("tracer", "task", 1)])]


def ask(found: Object, restoring: Restoring[Thing]) -> Thing:
    made = Thing(found.objref)
    for reference in found.references:
        restoring.get(reference)
    return made


def test_creations_that_wait_for_each_other_cannot_be_had() -> None:
    with (
        tasks(*LOOP) as image,
        pytest.raises(objref.RestoreError, match=r"task:2 asks for task:1|task:1 asks for task:2"),
    ):
        image.restore("task:1", {"task": Maker(ask, link)})


def test_what_is_asked_for_on_the_spot_and_fails_is_to_blame_even_if_the_asker_goes_on() -> None:
    nodes = [Node("user", 1, [("watches", "task", 1)]), Node("task", 1, [("tracer", "user", 1)])]
    undone: list[str] = []

    def carefree(found: Object, restoring: Restoring[Thing]) -> Thing:
        with suppress(objref.RestoreError):
            restoring.get("task:1")
        return Thing(found.objref)

    makers = {
        "user": Maker(carefree, link, lambda made, _: undone.append(made.name)),
        "task": Maker(failing_at("task:1", ValueError("no")), link),
    }
    with image_of(nodes, ROLES) as image, pytest.raises(objref.RestoreError) as told:
        image.restore(["user:1"], makers, strengths="HSKO")
    assert told.value.objref == "task:1"
    assert undone == ["user:1"]


def test_a_creator_that_asks_for_what_is_not_restored() -> None:
    def curious(found: Object, restoring: Restoring[Thing]) -> Thing:
        return restoring.get("task:2")

    with (
        tasks(Node("task", 1), Node("task", 2)) as image,
        pytest.raises(objref.RestoreError, match="cannot create task:1: NotFoundError: task:2 is not one of the 1"),
    ):
        image.restore("task:1", {"task": Maker(curious, link)})


def test_a_chain_of_creators_that_ask_for_each_other_has_an_end() -> None:
    """A loop is created as it comes, and here each asks for the one before: the caller's functions, one in the other."""
    count = DEPTH + 5
    ring = [Node("task", i, [("tracer", "task", (i + 1) % count)]) for i in range(count)]
    with tasks(*ring) as image:
        first = image.closure("task:0").creation_order()[0]

        def all_but_one(found: Object, restoring: Restoring[Thing]) -> Thing:
            return Thing("last") if found.ordinal == (first - 1) % count else ask(found, restoring)

        with pytest.raises(objref.RestoreError, match=f"{DEPTH} creations wait"):
            image.restore("task:0", {"task": Maker(all_but_one, link)})


def test_a_kind_that_nobody_makes_is_noticed_first(chain: objref.Image) -> None:
    with pytest.raises(objref.UsageError, match="'task'"):
        chain.restore("task:4", {"user": PLAIN})
