"""Altered, reordered, repeated, left out, joined: refused, with the byte and the frame where."""

from __future__ import annotations

from pathlib import Path

import pytest
from native.leaving import come_back, frames, joined, leave
from samples import small_events, small_image, write_events

import objref
from objref.dialects import events as ev
from objref.errors import FormatError, IntegrityError, ObjrefError
from objref.native import layout as n
from objref.native.decoding import Decoder
from objref.native.said import Mark

STREAM = leave(small_image(groups=True))
PARTS = frames(STREAM)
PLACE = r"native stream.*(byte \d+|bytes \d+ to \d+|starts with)"


def raw(stream: bytes) -> list[bytes]:
    """The frames with their headers."""
    parts = frames(stream)
    ends = [part.position for part in parts[1:]] + [len(stream)]
    return [stream[part.position : end] for part, end in zip(parts, ends, strict=True)]


def refused(stream: bytes, match: str = PLACE) -> ObjrefError:
    decoder = Decoder()
    with pytest.raises(FormatError, match=match) as caught:
        list(decoder.feed(stream))
    return caught.value


def test_every_byte_flipped(tmp_path: Path) -> None:
    """No byte can change without being noticed: nothing of a frame that changed is believed."""
    events = [e for e in small_events(2) if not isinstance(e, ev.Pages) and getattr(e, "sparse", None) is not True]
    write_events(tmp_path / "x", events)
    stream = leave(tmp_path / "x")
    starts = [part.position for part in frames(stream)]
    for at in range(len(stream)):
        damaged = bytearray(stream)
        damaged[at] ^= 0x40
        decoder = Decoder()
        with pytest.raises(ObjrefError) as caught:
            list(decoder.feed(bytes(damaged)))
        frame = max((start for start in starts if start <= at), default=0)
        assert at < n.PROLOGUE.size or f"byte {frame}" in str(caught.value), caught.value


def test_no_damage_is_kept(tmp_path: Path) -> None:
    damaged = bytearray(STREAM)
    damaged[len(STREAM) // 2] ^= 1
    with pytest.raises(IntegrityError, match="frame"):
        come_back(bytes(damaged), tmp_path / "x", partial="keep")
    assert list(tmp_path.iterdir()) == []


def test_two_frames_change_places() -> None:
    whole = raw(STREAM)
    for i in range(len(whole) - 1):
        moved = [*whole[:i], whole[i + 1], whole[i], *whole[i + 2 :]]
        error = refused(STREAM[:32] + b"".join(moved), r"N6")
        assert f"frame {i} at byte {PARTS[i].position}" in str(error)


def test_a_frame_is_left_out_or_repeated() -> None:
    whole = raw(STREAM)
    for i in range(len(whole) - 1):
        refused(STREAM[:32] + b"".join(whole[:i] + whole[i + 1 :]), r"N6")
    for i in range(len(whole)):
        refused(STREAM[:32] + b"".join(whole[: i + 1] + whole[i:]), r"N6|N8")


def test_frames_of_another_stream(tmp_path: Path) -> None:
    write_events(tmp_path / "x", list(small_events(7)))
    other = raw(leave(tmp_path / "x"))
    mine = raw(STREAM)
    for i in range(1, min(len(mine), len(other))):
        if mine[:i] != other[:i]:
            refused(STREAM[:32] + b"".join(mine[:i] + other[i:]), r"N6")


def test_two_streams_joined() -> None:
    assert "ends at byte" in str(refused(STREAM + STREAM, "N8"))
    refused(STREAM + b"\0", "N8")
    assert "a second stream begins" in str(refused(STREAM[: PARTS[4].position] + STREAM, "N6"))


def test_bytes_that_are_others_with_all_checks_right(tmp_path: Path) -> None:
    """Who forges the checks as well is betrayed by the digest of the original stream, and the seal is another."""
    at = next(i for i, part in enumerate(PARTS) if part.kind == n.RUNS)
    payload = PARTS[at].payload
    forged = PARTS[at]._replace(payload=payload[:-1] + bytes([payload[-1] ^ 1]))
    stream = joined([*PARTS[:at], forged, *PARTS[at + 1 :]])
    assert [said for said in Decoder().feed(stream) if isinstance(said, Mark)]  # the frames alone cannot tell
    with pytest.raises(IntegrityError, match=r"frame \d+ at byte \d+: SHA-256 of the original stream"):
        come_back(stream, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_another_image_has_another_seal(tmp_path: Path) -> None:
    seal = come_back(STREAM, tmp_path / "x").seal
    renamed = [part._replace(payload=part.payload.replace(b"items.img", b"items.IMG")) for part in PARTS]
    forged = joined(renamed)
    assert come_back(forged, tmp_path / "x").seal != seal
    with pytest.raises(IntegrityError, match=f"its seal is .*, expected {seal}"):
        come_back(forged, tmp_path / "y", seal=seal)
    with pytest.raises(IntegrityError, match="cut"):
        come_back(STREAM[:-9], tmp_path / "y", seal=seal, partial="keep")
    assert not (tmp_path / "y").exists()
    assert come_back(STREAM, tmp_path / "y", seal=seal).seal == seal
    with pytest.raises(IntegrityError, match="not a native stream"):
        objref.import_image(Path(__file__).parents[1] / "images" / "tree.tar.zst", tmp_path / "z", seal=seal)


def test_the_forger_of_these_tests_makes_genuine_streams() -> None:
    assert joined(PARTS) == STREAM


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_a_damaged_image_does_not_leave(codec: str) -> None:
    """What is damaged is told while it leaves, before END: nobody takes it for whole."""
    image = small_image(codec, groups=True)
    genuine = leave(image)
    for at in range(3, len(image), 61):
        damaged = bytearray(image)
        damaged[at] ^= 0x10
        try:
            assert leave(bytes(damaged)) == genuine
        except ObjrefError:
            continue
