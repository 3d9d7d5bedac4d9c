"""Reference arrays that lie: whichever way a walk takes, it ends soon and says where."""

from __future__ import annotations

from array import array

import numpy as np
import pytest
from index_tables import DamageError, columns
from samples import Forger, small_image

import objref
from objref_index import Column, ReferenceTable, cut, traversal
from objref_index.references import DANGLING_BIT

ALL, NONE = traversal.role_set(range(256)), traversal.role_set(())
N = 12
LOOP = {
    "reference ends": list(range(N + 1)),
    "targets": [*range(1, N), 0],
    "roles": [0] * N,
    "referrer ends": list(range(N + 1)),
    "sources": [N - 1, *range(N - 1)],
    "source roles": [0] * N,
}


def with_entry(name: str, i: int, value: int) -> dict[str, list[int]]:
    """The loop with one entry changed."""
    changed = list(LOOP[name])
    changed[i] = value
    return LOOP | {name: changed}


def walk(tables: dict[str, list[int]], forward: bool = True, root: int = 0) -> list[int]:
    table = ReferenceTable(columns(tables), N, DamageError)
    masks = (ALL, NONE) if forward else (NONE, ALL)
    return list(traversal.reach(traversal.Walk(table, [root], *masks, N, ValueError)))


BROKEN = {
    "a target behind the last object": with_entry("targets", 7, N),
    "a target far behind": with_entry("targets", 7, DANGLING_BIT - 1),
    "ends that decrease": with_entry("reference ends", 8, 3),
    "an end behind the targets": with_entry("reference ends", 8, N + 1),
    "an end far behind the targets": with_entry("reference ends", 8, 2**32 - 1),
    "no targets": LOOP | {"targets": [], "roles": []},
}
BROKEN_BACKWARD = {
    "a source behind the last object": with_entry("sources", 7, N),
    "a source that dangles": with_entry("sources", 7, DANGLING_BIT + 1),
    "referrer ends that decrease": with_entry("referrer ends", 8, 3),
    "a referrer end behind the sources": with_entry("referrer ends", 8, N + 1),
}


@pytest.mark.usefixtures("way")
def test_the_sound_loop() -> None:
    assert walk(LOOP) == walk(LOOP, forward=False) == list(range(N))


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", BROKEN)
def test_walks_and_cuts_forward(name: str) -> None:
    with pytest.raises(DamageError, match=r"object \d+|reference ends"):
        walk(BROKEN[name])
    table = ReferenceTable(columns(BROKEN[name]), N, DamageError)
    with pytest.raises(DamageError):
        cut.edges(table, True, array("I", range(N)), "outside")


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", BROKEN_BACKWARD)
def test_walks_and_cuts_backward(name: str) -> None:
    with pytest.raises(DamageError, match=r"object \d+|referrer ends"):
        walk(BROKEN_BACKWARD[name], forward=False)
    table = ReferenceTable(columns(BROKEN_BACKWARD[name]), N, DamageError)
    with pytest.raises(DamageError):
        cut.edges(table, False, array("I", range(N)), "outside")


@pytest.mark.usefixtures("way")
def test_what_is_not_followed_may_be_as_it_likes() -> None:
    """Damage costs those who meet it; the role says that nobody does."""
    tables = with_entry("targets", 7, N) | {"roles": [0] * 7 + [1] + [0] * 4}
    table = ReferenceTable(columns(tables), N, DamageError)
    assert list(traversal.reach(traversal.Walk(table, [0], traversal.role_set([0]), NONE, N, ValueError))) == list(range(8))


@pytest.mark.usefixtures("way")
def test_dangling_references_end_a_walk_quietly() -> None:
    assert walk(with_entry("targets", 7, DANGLING_BIT | 99)) == list(range(8))


@pytest.mark.usefixtures("way")
def test_references_that_many_objects_claim() -> None:
    """Every other object says that all references are its own: a walk over them all would be quadratic."""
    many = 6000
    tables = {
        "reference ends": [0, many] * (many // 2) + [0],
        "targets": list(range(0, 2 * many, 2))[: many // 2] * 2,
        "roles": [0] * many,
        "referrer ends": [0] * (many + 1),
    }
    table = ReferenceTable(columns(tables), many, DamageError)
    with pytest.raises(DamageError, match="share references"):
        traversal.reach(traversal.Walk(table, [0], ALL, NONE, many, ValueError))
    with pytest.raises(DamageError, match="share references"):
        cut.edges(table, True, array("I", range(0, many, 2)), "outside")


def test_an_image_that_was_forged_says_what_is_wrong() -> None:
    """All checksums fit; the reference arrays do not."""
    genuine = small_image(plain_tables=True)
    with objref.open(genuine) as image:
        assert {o.objref for o in image.closure("item:10")} == {"item:10", "item:11", "thing:0x5", "mem:7"}
    forger = Forger(genuine)
    forger.put(forger.table("targets").offset, "I", 99)
    with objref.open(forger.seal()) as image:
        with pytest.raises(objref.IntegrityError, match=r"object 0 refers to object 99 of \d+"):
            image.closure("item:10")
        assert len(image.closure("thing:0x5")) == 1, "what is elsewhere costs nothing"
    forger = Forger(genuine)
    forger.put(forger.table("referrer ends").offset + 8, "I", 1 << 30)
    with objref.open(forger.seal()) as image, pytest.raises(objref.IntegrityError, match="referrer ends of object"):
        image.closure("item:11", direction="reverse")


def test_a_damaged_stripe_stops_only_who_comes_near() -> None:
    """Checked stripes are the table's; a walk loads those that it meets, no others."""
    many, loaded = 100_000, set()
    ends, targets = np.arange(many + 1, dtype="<u4").tobytes(), np.arange(many, dtype="<u4").tobytes()

    def load(data: bytes, name: str):  # type: ignore[no-untyped-def]
        def stripe(k: int) -> bytes:
            loaded.add((name, k))
            return data[k << 16 : (k + 1) << 16]

        return stripe

    table = ReferenceTable(
        {
            "reference ends": Column(load(ends, "ends"), "I", many + 1),
            "targets": Column(load(targets, "targets"), "I", many),
            "roles": Column(load(bytes(many), "roles"), "B", many),
        },
        many,
        DamageError,
    )
    assert list(traversal.reach(traversal.Walk(table, [70_000], ALL, NONE, many, ValueError))) == [70_000]
    assert loaded == {("ends", 4), ("targets", 4), ("roles", 1)}
