"""Every layout and machine: the same bytes back, the objects and references that were put in, the memory."""

from __future__ import annotations

import itertools
import random
from pathlib import Path

import pytest
from linux_cr.collecting import Collected, collect, cut
from linux_cr.making import LAYOUTS, MACHINES, Maker, Shape, scene, stream

from objref.dialects.linux_cr import DIALECT
from objref.dialects.linux_cr.numbering import Layout

CASES = list(itertools.product(LAYOUTS, MACHINES))
NAMED = {
    "rev3": Layout.REV3, "rev4": Layout.REV4, "rev4-early": Layout.REV4, "rev5": Layout.REV5, "v20": Layout.V20,
    "v23-rc1": Layout.V23_RC1, "renumbered": Layout.RENUMBERED, "v23-rc2": Layout.V23_RC2,
}  # fmt: skip


def check(maker: Maker, got: Collected) -> None:
    assert got.stream == maker.out
    names = [name for name, _ in got.objects]
    for key, kind in maker.objects.items():
        assert f"{kind}:{key}" in names
    assert got.edges >= maker.edges, sorted(maker.edges - got.edges)[:5]
    assert not got.dangling
    assert {k: v for k, v in got.memory.items() if v} == {k: pages4(v) for k, v in maker.memory.items()}


def pages4(memory: dict[int, bytes]) -> dict[int, bytes]:
    return {at + i: data[i : i + 4096] for at, data in memory.items() for i in range(0, len(data), 4096)}


@pytest.mark.parametrize(("layout", "machine"), CASES)
def test_all_that_was_put_in_comes_out(layout: str, machine: str) -> None:
    maker = scene(layout, machine)
    got = collect([bytes(maker.out)])
    check(maker, got)
    assert [note for note in got.notes if note.what not in ("unknown-layout",)] == []
    odd = {note.text.split()[0] for note in got.told("unknown-layout")}
    assert odd <= ({"MM_CONTEXT"} if machine == "s390x" else set())
    assert not [name for name, _ in got.objects if name.startswith(("record:", "rest:", "object:"))]
    assert [name for name, _ in got.objects if name.startswith("layout:")] == [f"layout:{NAMED[layout]}"]
    assert DIALECT.detect(bytes(maker.out[:64]))
    others = got.edges - maker.edges
    assert {role for _, role, _ in others} <= {"effective-cred", "sender", "receiver"}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pieces_make_no_difference(layout: str) -> None:
    data = bytes(scene(layout, "x86_32", tasks=1, shape=Shape(1, 1)).out)
    whole = collect([data])
    assert collect(data[i : i + 1] for i in range(len(data))) == whole
    rng = random.Random(layout)
    for _ in range(3):
        assert collect(cut(data, iter(lambda: rng.choice((1, 7, 900, 5000, 70000)), 0))) == whole


def test_thousands_of_objects() -> None:
    maker = scene("v23-rc2", tasks=200, shape=Shape(30))
    got = collect(cut(bytes(maker.out), itertools.repeat(65536)))
    check(maker, got)
    assert len(got.objects) > 5000


def test_a_stream_of_any_size_is_a_scene() -> None:
    """What benches measure is what is tested here."""
    assert b"".join(stream(tasks=20, pages=600, layout="v23-rc2")) == scene("v23-rc2", tasks=20, shape=Shape(4, 600)).out


def test_objects_of_one_kind_come_in_the_order_in_which_they_end() -> None:
    """Whether they lie in one piece or not."""
    maker = scene("v20", tasks=6, shape=Shape(4, 600))
    data = bytes(maker.out)
    got = collect([data])
    for kind in ("file-table", "user", "file", "cred"):
        ends = [data.index(record) + len(record) for name, record in got.objects
                if name.startswith(kind + ":") and record in data]  # fmt: skip
        assert ends == sorted(ends)


@pytest.mark.parametrize("page", [4096, 16384, 65536])
def test_page_size_follows_from_the_length(page: int) -> None:
    maker = Maker("rev5", "ppc64")
    maker.leading([(1, 0)])
    maker.record("TASK", length=72)
    maker.mm(page=page)
    maker.tail()
    check(maker, collect([bytes(maker.out)]))


def test_the_stream_of_the_readme_is_what_the_generator_makes() -> None:
    shipped = Path(__file__).resolve().parents[1] / "images" / "scene.cr"
    assert shipped.read_bytes() == b"".join(stream(tasks=3, pages=0))
