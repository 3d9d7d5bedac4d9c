"""Properties of any file, sound or not: every byte is kept, pieces do not matter, objects are what stands at their keys."""

from __future__ import annotations

import struct

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openvz.collecting import Collected, collect
from openvz.making import SIZES, TYPES, Maker, scene

Tree = tuple[str, int, bytes, list["Tree"]]
LEAVES = st.tuples(
    st.sampled_from(sorted(set(SIZES) - {"TRAILER"})), st.integers(0, 13), st.binary(max_size=40), st.just([])
)
TREES = st.recursive(
    LEAVES, lambda inner: st.tuples(st.sampled_from(sorted(SIZES)), st.just(1), st.just(b""), st.lists(inner, max_size=4)),
    max_leaves=12,
)  # fmt: skip
SLOW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def put(m: Maker, tree: Tree) -> None:
    name, content, body, inner = tree
    m.begin(name, content)
    m.out += body
    for one in inner:
        put(m, one)
    m.end()


@st.composite
def files(draw: st.DrawFn) -> bytes:
    """Objects of any types in each other, in any sections, with any content: what a walk can meet."""
    m = Maker()
    for number in draw(st.lists(st.integers(0, 36).filter(lambda n: n != 23), max_size=4)):
        m.section(number)
        for tree in draw(st.lists(TREES, max_size=4)):
            put(m, tree)
        m.end()
    return m.finish()


def check(found: Collected, data: bytes) -> None:
    """What holds of any file."""
    assert bytes(found.stream) == data
    starts = [t.key for t in found.things if t.at is None]
    assert len(starts) == len(set(starts))
    for thing in found.things:
        if thing.at is None:
            assert data.startswith(thing.data, thing.key)
            assert len(thing.data) >= 16
            if thing.kind not in ("header", "section", "unknown"):
                length, number = struct.unpack_from("<QI", data, thing.key)
                assert length == len(thing.data) or "cut" in found.what()
                assert number in TYPES.values() or number < 32 or number > 1023
    assert {k for s, k in found.aliases if s == "pos"} == set(starts)


@SLOW
@given(files(), st.lists(st.integers(1, 5000), max_size=12), st.binary(max_size=20))
def test_pieces_and_what_follows_do_not_matter(data: bytes, cuts: list[int], trailing: bytes) -> None:
    whole, cuts = collect(data), sorted(cut for cut in set(cuts) if cut < len(data))
    check(whole, data)
    assert collect(data, cuts).same() == whole.same()
    longer = collect(data + trailing, range(1, len(data + trailing)))
    assert longer.things == whole.things
    assert ("trailing" in longer.what()) == bool(trailing)


SCENE = scene(tasks=2, files=3).data
FRAME = [i for i in range(len(SCENE)) if SCENE[max(i - 16, 0) : i + 16].strip(b"\0")]


@SLOW
@given(
    st.lists(st.tuples(st.sampled_from(FRAME), st.integers(0, 255)), min_size=1, max_size=5),
    st.integers(80, len(SCENE)),
    st.lists(st.integers(1, len(SCENE)), max_size=6),
)
def test_damage_of_any_kind(changes: list[tuple[int, int]], length: int, cuts: list[int]) -> None:
    damaged = bytearray(SCENE)
    for at, value in changes:
        damaged[at] = value
    for data in (bytes(damaged), bytes(damaged[:length])):
        found = collect(data)
        check(found, data)
        assert collect(data, sorted(cut for cut in set(cuts) if cut < len(data))).same() == found.same()


@SLOW
@given(st.lists(st.tuples(st.integers(0, 200), st.sampled_from((0, 1, 16, 24, 96, 992, 1024, 4098, 0x10001, 1 << 31))), max_size=60))
def test_words_of_any_kind_behind_a_header(words: list[tuple[int, int]]) -> None:
    body = bytearray(1024)
    for at, value in words:
        struct.pack_into("<I", body, at * 4, value)
    data = SCENE[:80] + bytes(body)
    check(collect(data), data)
