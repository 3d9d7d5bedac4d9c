"""Streams whose links and checks are right and that lie: every rule is asked. None costs memory that did not come."""

from __future__ import annotations

import struct
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from native.leaving import Whole, come_back, joined
from native.lies import END, LIES, PARTS, STREAM, header, insert

import objref
from objref.errors import FormatError, LimitError, ObjrefError, UnsupportedError
from objref.native import layout as n
from objref.native.decoding import Decoder


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


def test_a_length_is_not_believed() -> None:
    for length in (n.MAX + 1, 1 << 40, (1 << 64) - 1):
        with pytest.raises(LimitError, match=rf"frame 0 at byte 32: a payload of {length} bytes, limit {n.MAX} \(N4\)"):
            list(Decoder().feed(header(length=length)))


def test_zero_is_zero() -> None:
    with pytest.raises(FormatError, match="N1"):
        list(Decoder().feed(header(zero=1)))


def test_other_versions_and_features_are_refused() -> None:
    for at, value in ((8, 2), (12, 1)):
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
