"""Spares say what trailers say (R21), and a trailer follows from them."""

from __future__ import annotations

from pathlib import Path

import pytest
from samples import Forger, small_image

import objref
from objref.container import format as f
from objref.container.checking.spares import trail_of
from objref.container.spare import HEAD, decode_spare, encode_spare
from objref.errors import FormatError, IntegrityError


@pytest.fixture(params=["zstd", "raw"])
def image(request: pytest.FixtureRequest) -> bytes:
    return small_image(request.param, groups=True)


def spares(forger: Forger) -> list[f.PieceEntry]:
    found = [p for p in forger.pieces if forger.sections[p.section].role == f.SPARE]
    return sorted(found, key=lambda p: p.group)


def test_each_group_follows_from_its_spare(image: bytes) -> None:
    forger = Forger(image)
    assert len(spares(forger)) == len(forger.trails)
    for piece, trail in zip(spares(forger), forger.trails, strict=True):
        data = image[piece.offset : piece.offset + piece.length]
        made = trail_of(decode_spare(data, piece.offset)[0], data, piece.offset)
        assert made.header == trail.header
        assert bytes(made.body) == bytes(trail.body)


def test_a_spare_that_says_something_else_is_found(image: bytes) -> None:
    forger = Forger(image)
    piece = spares(forger)[1]
    end = piece.offset + piece.length
    spare, _ = decode_spare(bytes(forger.data[piece.offset : end]), piece.offset)
    for lie in (spare._replace(stream_to=spare.stream_to + 1), spare._replace(digest=bytes(32))):
        told = encode_spare(lie, piece.offset, 3)
        if len(told) <= piece.length:  # what is too long has no room
            forger.data[piece.offset : end] = told.ljust(piece.length, b"\0")
            report = objref.verify_image(forger.seal(), depth="quick")
            assert "R21" in {rule for finding in report.findings for rule in finding.rules}
            return
    pytest.fail("no lie was short enough")


def test_any_byte_of_a_spare(image: bytes) -> None:
    piece = spares(Forger(image))[0]
    data = bytearray(image[piece.offset : piece.offset + piece.length])
    for at in range(len(data)):
        bad = bytearray(data)
        bad[at] ^= 1
        with pytest.raises(FormatError):
            decode_spare(bytes(bad), piece.offset)
    with pytest.raises(IntegrityError, match="another place"):
        decode_spare(bytes(data), piece.offset + 1)
    for length in (0, 7, HEAD.size - 1, HEAD.size, len(data) - 1):
        with pytest.raises(FormatError):
            decode_spare(bytes(data[:length]), piece.offset)


def test_a_sidecar_has_none(tmp_path: Path) -> None:
    """It is made again."""
    source = Path(__file__).resolve().parents[1] / "images" / "scene.cr"
    (tmp_path / "x.cr").write_bytes(source.read_bytes())
    objref.index_file(tmp_path / "x.cr")
    with objref.open(tmp_path / "x.cr") as image:
        assert f.SPARE not in {s.role for s in image.container.sections.values()}
