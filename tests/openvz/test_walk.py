"""Every flavour: the same bytes, the same objects, however the file comes."""

from __future__ import annotations

import os
import random
import subprocess
import sys

import pytest

from objref.dialects.openvz import DIALECT
from openvz.collecting import collect
from openvz.making import FLAVOURS, PAGE, Flavour, scene


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda f: f.name)
def test_every_flavour_is_walked(flavour: Flavour) -> None:
    made = scene(flavour)
    found = collect(made.data)
    old_conntrack = {"layout"} if flavour.version < 0x800 else set()
    assert found.what() == old_conntrack, found.notes
    inside = [t for t in found.things if t.kind not in ("header", "section", "mem", "content")]
    assert len(inside) == made.objects
    for position in made.where.values():
        assert made.data.startswith(found.find("pos", position).data, position)
    assert {t.key for t in found.things if t.kind == "task"} == {made.where[f"task{i}"] for i in range(4)}


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda f: f.name)
def test_pieces_do_not_matter(flavour: Flavour) -> None:
    data = scene(flavour).data
    whole = collect(data).same()
    for seed in range(6):
        chance = random.Random(seed)
        cuts = sorted(chance.sample(range(1, len(data)), chance.choice((1, 7, 200, 3000))))
        assert collect(data, cuts).same() == whole


def test_byte_by_byte() -> None:
    data = scene().data
    assert collect(data, range(1, len(data))).same() == collect(data).same()


def test_nested_objects_lie_inside_outer_ones() -> None:
    made = scene()
    found = collect(made.data)
    spans = {t.key: t.key + len(t.data) for t in found.things if t.at is None}
    for source, role, _, key in found.edges:
        if role == "part":
            outer = found.things[source]
            assert outer.key < key < spans[key] <= spans[outer.key]


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda f: f.name)
def test_memory_is_read_by_address(flavour: Flavour) -> None:
    made = scene(flavour)
    found = collect(made.data)
    for mm, pages in made.memory.items():
        rows = found.find("mem", mm).at
        assert rows is not None
        got = {at + n: row[n : n + PAGE] for at, row in rows.items() for n in range(0, len(row), PAGE)}
        assert got == pages
        assert found.references(mm, "mem") == [("mem", "mem", mm)]
    assert found.paged == PAGE * (2 + 6 + 3)
    deleted = found.find("content", made.where["deleted"]).at
    assert deleted is not None
    assert list(deleted) == [0]
    assert len(deleted[0]) == 2 * PAGE


def test_thousands_of_objects() -> None:
    made = scene(tasks=200, files=5000)
    found = collect(made.data, range(1 << 16, len(made.data), 1 << 16))
    assert not found.notes
    assert made.objects > 10_000
    assert len(found.things) == made.objects + 200 + 1 + 1 + sum(t.kind == "section" for t in found.things)


def test_the_dialect_loads_without_its_machinery() -> None:
    code = "import sys, objref.dialects.openvz as d; print(*[m for m in sys.modules if m.startswith(d.__name__ + '.')])"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert loaded.stdout.split() == ["objref.dialects.openvz.kinds"]


def test_detect() -> None:
    data = scene().data
    assert DIALECT.detect(data)
    assert not DIALECT.detect(bytes(512))
    assert not DIALECT.detect(b"pax\0" * 128)
    assert not DIALECT.detect(b"./core-1.img" + bytes(500))
    assert not DIALECT.detect(random.Random(1).randbytes(4096))
    assert not DIALECT.detect(b"")
