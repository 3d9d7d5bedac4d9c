"""Any image leaves through a pipe and comes back: the very same file, of every dialect, whatever the codec."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
import zstandard
from dobriyan.making import realistic
from native.leaving import come_back, frames, leave, sources
from samples import answers, small_events, small_image, write_events
from sidecar.making import ASIDE, write_beside

import objref
from objref.container import writer as container_writer
from objref.native import layout as n
from objref.native import writing
from objref.native.decoding import Decoder

SOURCES = dict(sources())


@pytest.mark.parametrize("codec", ["zstd", "raw"])
@pytest.mark.parametrize("name", SOURCES)
def test_what_comes_back_is_the_same_file(tmp_path: Path, name: str, codec: str) -> None:
    """Objects with ordinals, keys, layers, references, notes, META, extents and pages: every byte of them."""
    options = objref.Options(codec=codec)
    first, second = tmp_path / "first.objref", tmp_path / "second.objref"
    left = objref.import_image(io.BytesIO(SOURCES[name]()), first, options=options, partial="keep")
    report = come_back(leave(first), second, options=options)
    assert second.read_bytes() == first.read_bytes()
    assert report.native
    assert len(report.seal) == 64
    assert report._replace(path="", seal="", native=False, cuts=[]) == left._replace(path="", cuts=[])


@pytest.mark.parametrize("name", SOURCES)
def test_from_beside_a_stream(tmp_path: Path, name: str) -> None:
    """An image is an image, wherever its index lies: what leaves from beside a stream answers all that was asked there."""
    data = SOURCES[name]()
    if name.endswith(".zst"):
        data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
    path = tmp_path / "stream"
    path.write_bytes(data)
    objref.index_file(path, partial="keep")
    come_back(leave(path), tmp_path / "x.objref")
    assert objref.verify_image(tmp_path / "x.objref").sound
    with objref.open(path) as beside, objref.open(tmp_path / "x.objref") as inside:
        there, here = answers(beside), answers(inside)
        assert [name for name in there if name not in ASIDE and there[name] != here.get(name)] == []
        assert {k: v for k, v in beside.meta.items() if k != "options"} == {
            k: v for k, v in inside.meta.items() if k not in ("options", "pages")
        }
        for ordinal in range(len(inside)):
            assert inside.by_ordinal(ordinal).parts == beside.by_ordinal(ordinal).parts


@pytest.mark.parametrize("items", [1, 5, 200])
def test_every_shape_of_key_table(tmp_path: Path, items: int) -> None:
    """Runs, sorted, permuted, claimed twice, names, gaps in memory, nodes; of a dialect that nobody has heard of."""
    events = list(small_events(items))
    write_events(tmp_path / "a", events)
    come_back(leave(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()
    write_beside(tmp_path / "s", events)
    come_back(leave(tmp_path / "s"), tmp_path / "c")
    with objref.open(tmp_path / "s") as beside, objref.open(tmp_path / "c") as inside:
        assert {k: v for k, v in answers(beside).items() if k not in ASIDE} == {
            k: v for k, v in answers(inside).items() if k not in ASIDE
        }


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_groups_come_back_as_groups(tmp_path: Path, codec: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = small_image(codec, groups=True)
    monkeypatch.setattr(container_writer, "GROUP", 8192)
    stream = leave(data)
    assert [frame.kind for frame in frames(stream)].count(n.MARK) > 1
    come_back(stream, tmp_path / "x", options=objref.Options(codec=codec, block_log2=12, page_block_log2=12))
    assert (tmp_path / "x").read_bytes() == data


@pytest.mark.parametrize("block", [12, 13, 16])
def test_groups_that_cut_through_objects(tmp_path: Path, block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sidecar knows no groups: a store that makes some cuts objects into extents, and nobody can tell."""
    data = bytes(realistic(500))
    path = tmp_path / "stream"
    path.write_bytes(data)
    objref.index_file(path)
    monkeypatch.setattr(writing, "GROUP", 5000)
    monkeypatch.setattr(n, "BODY_MAX", 4096)
    stream = leave(path)
    monkeypatch.setattr(container_writer, "GROUP", 5000)
    come_back(stream, tmp_path / "x", options=objref.Options(block_log2=block))
    assert objref.verify_image(tmp_path / "x").sound
    with objref.open(path) as beside, objref.open(tmp_path / "x") as inside:
        assert inside.container.footer.groups > 3
        there, here = answers(beside), answers(inside)
        assert [name for name in there if name not in ASIDE and there[name] != here[name]] == []


def test_twice_on_the_way_is_the_same_stream(tmp_path: Path) -> None:
    stream = leave(small_image())
    come_back(stream, tmp_path / "x", options=objref.Options(block_log2=12, page_block_log2=12))
    assert leave(tmp_path / "x") == stream
    come_back(stream, tmp_path / "y", options=objref.Options(codec="raw", block_log2=16))
    stored_otherwise = [(part.kind, part.payload) for part in frames(leave(tmp_path / "y"))]
    assert stored_otherwise[2:-1] == [(part.kind, part.payload) for part in frames(stream)][2:-1]


@pytest.mark.parametrize("step", [1, 7, 4097])
def test_bytes_may_come_as_they_like(step: int) -> None:
    stream = leave(small_image())
    decoder, whole = Decoder(), Decoder()
    pieces = [said for at in range(0, len(stream), step) for said in decoder.feed(stream[at : at + step])]
    assert decoder.finish() is None
    assert [repr(said) for said in pieces if not hasattr(said, "runs")] == [
        repr(said) for said in whole.feed(stream) if not hasattr(said, "runs")
    ]


def test_an_image_without_anything(tmp_path: Path) -> None:
    write_events(tmp_path / "a", [])
    come_back(leave(tmp_path / "a"), tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "a").read_bytes()


def test_a_partial_image_leaves_whole(tmp_path: Path) -> None:
    """What an image lacks, it says there as here; the stream it leaves through is not cut."""
    data = SOURCES["dobriyan"]()
    objref.import_image(io.BytesIO(data[:-50]), tmp_path / "a", partial="keep")
    report = come_back(leave(tmp_path / "a"), tmp_path / "b")
    assert report.cuts == []
    with objref.open(tmp_path / "a") as left, objref.open(tmp_path / "b") as came:
        assert left.partial == came.partial != []
