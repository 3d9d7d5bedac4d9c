"""Streams whose links and checks are right and that lie: every rule is asked. None costs memory that did not come."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native.leaving import Whole, come_back, frames, joined, leave
from samples import small_image

import objref
from objref.errors import FormatError, LimitError, ObjrefError, UnsupportedError
from objref.native import layout as n
from objref.native.decoding import Decoder

STREAM = leave(small_image())
PARTS = frames(STREAM)
END = PARTS[-1]
HUGE = (1 << 48) - 1


def place(kind: int, nth: int = 0) -> int:
    return [i for i, part in enumerate(PARTS) if part.kind == kind][nth]


def put(kind: int, layout: str, at: int, *values: int, nth: int = 0) -> list[Whole]:
    """All frames, in one of which something else stands."""
    i = place(kind, nth)
    payload = bytearray(PARTS[i].payload)
    struct.pack_into("<" + layout, payload, at, *values)
    return [*PARTS[:i], PARTS[i]._replace(payload=bytes(payload)), *PARTS[i + 1 :]]


def insert(kind: int, payload: bytes, before: int, operand: int = 0) -> list[Whole]:
    i = place(before)
    return [*PARTS[:i], Whole(kind, operand, payload, 0), *PARTS[i:]]


OBJECTS = len(PARTS[place(n.OBJECTS)].payload) // n.OBJECT_ROW
KEY, WHERE, WHAT, LAYER = (8 + 8 * OBJECTS * i for i in range(4))
LOST = struct.unpack_from("<II", PARTS[place(n.REFERENCES)].payload)[1]
SOURCE = 8 + 16 * LOST
COUNT = struct.unpack_from("<I", PARTS[place(n.REFERENCES)].payload)[0]

LIES: dict[str, tuple[str, Callable[[], list[Whole]]]] = {
    "no schema": ("N7", lambda: PARTS[1:]),
    "no META": ("N7", lambda: [PARTS[0], *PARTS[2:]]),
    "two schemas": ("N7", lambda: [PARTS[0], *PARTS]),
    "notes in the middle": ("N7", lambda: insert(n.NOTES, b"", n.END)),
    "unknown critical frame": ("N9", lambda: insert(99, b"?", n.END)),
    "operand": ("N1", lambda: [PARTS[0]._replace(operand=1), *PARTS[1:]]),
    "kinds misnumbered": ("N10", lambda: put(n.SCHEMA, "H", 32, 7)),
    "kinds counted wrong": ("N10", lambda: put(n.SCHEMA, "I", 24, 1 << 30)),
    "form of keys": ("N10", lambda: put(n.SCHEMA, "B", 34, 9)),
    "name that is none": ("N1", lambda: put(n.SCHEMA, "B", 40, 7)),
    "strand misnumbered": ("N11", lambda: put(n.STRANDS, "H", 0, 9)),
    "strand of unknown role": ("N11", lambda: put(n.STRANDS, "B", 2, 1)),
    "run of no strand": ("N12", lambda: put(n.RUNS, "Q", 8, 0)),
    "run of a strand to come": ("N12", lambda: put(n.RUNS, "Q", 8, 60000 << 48 | 4)),
    "run of no bytes": ("N12", lambda: put(n.RUNS, "Q", 8, 1 << 48)),
    "run longer than all": ("N12", lambda: put(n.RUNS, "Q", 8, 1 << 48 | HUGE)),
    "runs counted wrong": ("table ends", lambda: put(n.RUNS, "I", 0, 0xFFFFFFFF)),
    "kind without names": ("N14", lambda: [p._replace(operand=1) if p.kind == n.NAMES else p for p in PARTS]),
    "names counted wrong": ("table ends", lambda: put(n.NAMES, "I", 0, 0xFFFFFFFF)),
    "name of any length": ("N14", lambda: put(n.NAMES, "I", 8, 0xFFFFFFFF)),
    "a name too many": ("N14", lambda: insert(n.NAMES, struct.pack("<III", 1, 0, 1) + b"x", n.END)),
    "objects counted wrong": ("objects in", lambda: put(n.OBJECTS, "I", 0, 0xFFFFFFFF)),
    "object of an unknown kind": ("unknown kind", lambda: put(n.OBJECTS, "Q", WHAT, 999 << 48 | 1)),
    "object of any layer": ("layer", lambda: put(n.OBJECTS, "H", LAYER, 0xFFFF)),
    "object without its bytes": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 1 << 48 | HUGE)),
    "object of any length": ("N13", lambda: put(n.OBJECTS, "Q", WHAT, 1 << 48 | HUGE)),
    "object of a strand to come": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 60000 << 48)),
    "object of bytes nowhere": ("N13", lambda: put(n.OBJECTS, "Q", WHERE, 0)),
    "more extents than came": ("N15", lambda: put(n.OBJECTS, "Q", WHERE, 65535 << 48 | (1 << 47) - 1)),
    "no extents at all": ("N15", lambda: put(n.OBJECTS, "Q", WHERE, 65535 << 48)),
    "extents left over": ("N15", lambda: insert(n.EXTENTS, bytes(24), n.END)),
    "extents that overlap": ("N15", lambda: put(n.EXTENTS, "Q", 24, 0)),
    "extents behind u64": ("N15", lambda: put(n.EXTENTS, "Q", 0, (1 << 64) - 8)),
    "extent without its bytes": ("N13", lambda: put(n.EXTENTS, "Q", 8, 1 << 48 | HUGE)),
    "extent of any length": ("N13", lambda: put(n.EXTENTS, "Q", 16, (1 << 64) - 1)),
    "references counted wrong": ("N16", lambda: put(n.REFERENCES, "I", 0, 0xFFFFFFFF)),
    "source that has not come": ("N16", lambda: put(n.REFERENCES, "I", SOURCE, 0x7FFFFFFF)),
    "target that does not exist": ("N16", lambda: put(n.REFERENCES, "I", SOURCE + 4 * COUNT, 0x7FFFFFFF)),
    "name that does not exist": ("N16", lambda: put(n.REFERENCES, "I", SOURCE + 4 * COUNT, 0xFFFFFFFF)),
    "unknown role": ("N16", lambda: put(n.REFERENCES, "B", SOURCE + 8 * COUNT, 0xFF)),
    "dangling of an unknown kind": ("N16", lambda: put(n.REFERENCES, "Q", 16, 0xFFFF)),
    "aliases that are a space": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 0, 0, 5, 0), n.END, 1)),
    "aliases that are names": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 9, 0, 5, 0), n.END, 0)),
    "aliases of no object": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHHQI", 1, 9, 0, 5, 999), n.END, 1)),
    "aliases counted wrong": ("N17", lambda: insert(n.ALIASES, struct.pack("<IHH", 1 << 30, 9, 0), n.END, 1)),
    "META that is none": ("JSON", lambda: [PARTS[0], PARTS[1]._replace(payload=b"[]"), *PARTS[2:]]),
    "META that nests": ("JSON", lambda: [PARTS[0], PARTS[1]._replace(payload=b"[" * 100000), *PARTS[2:]]),
    "note that is none": ("note 0", lambda: [*PARTS[:2], PARTS[2]._replace(payload=b'{"what":1}'), *PARTS[3:]]),
    "END with other counts": ("N18", lambda: put(n.END, "Q", 24, 0)),
    "END of another stream": ("N18", lambda: put(n.END, "I", 16, 5)),
}


@pytest.mark.parametrize("name", LIES)
def test_a_lie_is_refused_where_it_stands(name: str, tmp_path: Path) -> None:
    rule, lie = LIES[name]
    stream = joined(lie())
    tracemalloc.start()
    try:
        with pytest.raises(FormatError, match=rf"native stream: .*byte \d+.*{rule}|{rule}.*byte \d+") as caught:
            come_back(stream, tmp_path / "x", partial="keep")
        assert tracemalloc.get_traced_memory()[1] < 40 << 20
    finally:
        tracemalloc.stop()
    assert isinstance(caught.value, ObjrefError)
    assert list(tmp_path.iterdir()) == []


def header(**changed: int) -> bytes:
    """The prologue, and a header whose link is right."""
    fields = {"kind": n.SCHEMA, "operand": 0, "zero": 0, "length": 8, "check": 0} | changed
    head = n.FRAME.pack(*fields.values(), 0)
    link = n.link_of(n.check_prologue(n.prologue()), head)
    return n.prologue() + n.FRAME.pack(*fields.values(), link)


def test_a_length_is_not_believed() -> None:
    for length in (n.MAX + 1, 1 << 40, (1 << 64) - 1):
        with pytest.raises(LimitError, match=rf"frame 0 at byte 32: a payload of {length} bytes, limit {n.MAX} \(N4\)"):
            list(Decoder().feed(header(length=length)))


def test_zero_is_zero() -> None:
    with pytest.raises(FormatError, match="N1"):
        list(Decoder().feed(header(zero=1)))


def test_other_versions_and_features_are_refused() -> None:
    for at, value in ((8, 1), (12, 1)):
        changed = bytearray(n.prologue()[:24])
        changed[at] = value
        from xxhash import xxh3_64_intdigest as xxh3

        with pytest.raises(UnsupportedError, match="N2"):
            list(Decoder().feed(bytes(changed) + struct.pack("<Q", xxh3(bytes(changed)))))


def test_what_is_ancillary_is_passed_over(tmp_path: Path) -> None:
    """Wherever it stands; but the seal covers it."""
    plain = come_back(STREAM, tmp_path / "x")
    for i in range(len(PARTS)):
        news = Whole(n.ANCILLARY | 77, 5, b"news from the future", 0)
        report = come_back(joined([*PARTS[:i], news, *PARTS[i:]]), tmp_path / "y")
        assert (tmp_path / "y").read_bytes() == (tmp_path / "x").read_bytes()
        assert report.seal != plain.seal


def test_many_rows_that_name_one_space_each_are_limited(tmp_path: Path) -> None:
    """Sixteen bytes buy eighty in the directory: there are at most so many spaces."""
    layers = range(n.LAYERS)
    rows = [(5, layer) for layer in layers]
    count = len(rows)
    payload = struct.pack("<II", count, 0) + struct.pack(f"<{count}Q", *range(count)) + bytes(8 * count)
    payload += struct.pack(f"<{count}Q", *[kind << 48 for kind, _ in rows])
    payload += struct.pack(f"<{count}H", *[layer for _, layer in rows])
    parts = insert(n.OBJECTS, payload, n.END)
    said = list(n.MARK_BODY.unpack(END.payload))
    said[3] += count
    parts[-1] = END._replace(payload=n.MARK_BODY.pack(*said))
    come_back(joined(parts), tmp_path / "x")
    with objref.open(tmp_path / "x") as image:
        assert len(image.spaces()) > 4000


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_any_field_of_any_frame_may_be_anything(data: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    """An error of ours, or an image that is sound: nothing else ever."""
    i = data.draw(st.integers(0, len(PARTS) - 1))
    payload = bytearray(PARTS[i].payload)
    for _ in range(data.draw(st.integers(1, 3))):
        size = data.draw(st.sampled_from([1, 2, 4, 8]))
        at = data.draw(st.integers(0, max(0, len(payload) - size)))
        value = data.draw(st.sampled_from([0, 1, 2, 255, 65535, (1 << 31) - 1, 1 << 47, (1 << 64) - 1]))
        payload[at : at + size] = value.to_bytes(8, "little")[:size]
    path = tmp_path_factory.mktemp("any") / "x"
    try:
        come_back(joined([*PARTS[:i], PARTS[i]._replace(payload=bytes(payload)), *PARTS[i + 1 :]]), path)
    except ObjrefError:
        return
    report = objref.verify_image(path)
    assert report.sound, report.findings[:3]
