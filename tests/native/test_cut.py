"""A stream may end anywhere: it is refused with where, and what came whole can be kept."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
import zstandard
from native.leaving import come_back, frames, leave
from samples import about, small_image

import objref
from objref.errors import TruncatedError
from objref.native import layout as n
from objref.native.decoding import Decoder

STREAM = leave(small_image(groups=True))
STARTS = [part.position for part in frames(STREAM)]


def test_cut_at_every_byte_says_where() -> None:
    decoder = Decoder()
    list(decoder.feed(STREAM[: n.PROLOGUE.size - 1]))
    for end in range(n.PROLOGUE.size, len(STREAM)):
        list(decoder.feed(STREAM[end - 1 : end]))
        try:
            said = decoder.finish()
        except TruncatedError as error:  # before it is known what the stream is
            assert end < STARTS[2]
            said = str(error)
        assert said is not None
        assert f"cut at byte {end}" in said
        whole = max([start for start in STARTS if start <= end], default=n.PROLOGUE.size)
        assert f"whole up to byte {max(whole, n.PROLOGUE.size)}" in said


@pytest.mark.parametrize("end", range(n.PROLOGUE.size))
def test_cut_in_the_prologue(end: int) -> None:
    decoder = Decoder()
    assert list(decoder.feed(STREAM[:end])) == []
    with pytest.raises(TruncatedError, match=f"after {end} of 32 bytes"):
        decoder.finish()


@pytest.mark.parametrize("at", [STARTS[3] + 5, STARTS[-1], len(STREAM) - 1])
def test_a_cut_stream_is_refused_and_nothing_is_left(tmp_path: Path, at: int) -> None:
    with pytest.raises(TruncatedError, match=rf"cut at byte {at}, .* whole up to byte \d+: \d+ bytes of the original"):
        come_back(STREAM[:at], tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_what_came_whole_is_kept_at_every_frame(tmp_path: Path) -> None:
    """Every object that is kept is the one that left; the stream is a front part of the original; it is sound."""
    truth = objref.open(small_image(groups=True))
    original = b"".join(truth.stream())
    kept = []
    for start in STARTS[2:]:
        report = come_back(STREAM[: start + 20], tmp_path / "x", partial="keep")
        assert report.native
        assert not report.seal
        assert len(report.cuts) == 1
        assert objref.verify_image(tmp_path / "x").sound
        with objref.open(tmp_path / "x") as image:
            assert original.startswith(b"".join(image.stream()))
            assert image.partial
            assert image.meta["dialect"] == "small"
            for ordinal in range(len(image)):
                came, left = about(image.by_ordinal(ordinal)), about(truth.by_ordinal(ordinal))
                assert came[:6] == left[:6]
                assert [r for r in came[6] if not r[3]] == [r for r in left[6] if r in came[6] and not r[3]]
            kept.append(len(image))
    assert kept == sorted(kept)
    assert 0 < kept[len(kept) // 2] < len(truth)


def test_references_to_what_did_not_come_are_counted(tmp_path: Path) -> None:
    parts = frames(STREAM)
    first = next(part for part in parts if part.kind == n.REFERENCES)
    at = parts[parts.index(first) + 1].position
    come_back(STREAM[:at], tmp_path / "x", partial="keep")
    with objref.open(tmp_path / "x") as image:
        lost = [note["text"] for note in image.notes() if note["what"] == "cut-references"]
        missing = [o for o in range(len(objref.open(small_image()))) if o >= len(image)]
        assert bool(lost) == bool(missing)
        if lost:
            assert re.match(r"\d+ references lead to objects that did not arrive", lost[0])


def test_compressed_and_cut(tmp_path: Path) -> None:
    packed = zstandard.ZstdCompressor().compress(STREAM)
    assert come_back(packed, tmp_path / "x").native
    with pytest.raises(TruncatedError):
        come_back(packed[: len(packed) // 2], tmp_path / "y")


def test_nothing_but_a_prologue_cannot_be_kept(tmp_path: Path) -> None:
    with pytest.raises(TruncatedError):
        objref.import_image(io.BytesIO(STREAM[:40]), tmp_path / "x", partial="keep")
    assert list(tmp_path.iterdir()) == []
