"""A source that ends too early, at any byte, plain and in every compression: refused, or kept as far as it arrived."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard
from criu.making import archive
from criu.making_dumps import everything_folder
from dobriyan.making import realistic
from samples import SAMPLE, content

import objref
from objref.cli import main

WANTED = ("core-2.img", "files.img", "mm-2.img", "pagemap-2.img", "pages-1.img", "pipes-data.img", "pstree.img")


@pytest.fixture(scope="module")
def tar() -> bytes:
    """A small dump: items, payloads, pages; its end is one zero block."""
    files = everything_folder().files
    names = sorted(name for name, data in files.items() if isinstance(data, bytes) and len(data) < 20_000)
    chosen = [name for name in names if name.startswith(tuple(w.partition(".")[0] for w in WANTED))]
    return archive([(f"dump/{name}".encode(), files[name]) for name in chosen])


@pytest.fixture(scope="module")
def sample() -> bytes:
    """A real dump, about 360 KB of tar."""
    with SAMPLE.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def end_marker(data: bytes) -> int:
    """Bytes without which something is missing: up to the first zero block of the end."""
    with tarfile.open(fileobj=io.BytesIO(data)) as judge:
        last = judge.getmembers()[-1]
    return last.offset_data + -(-last.size // 512) * 512 + 512


class Keeper:
    """Imports cut copies of a source, and compares them with the whole. Mutable: it has one place to write to."""

    def __init__(self, whole: bytes, folder: Path) -> None:
        self.whole, self.path = whole, folder / "cut.objref"
        objref.import_image(io.BytesIO(whole), folder / "whole.objref")
        self.image = objref.open(folder / "whole.objref")

    def keep(self, cut: bytes) -> objref.Report:
        """Keep a cut source: its stream is the front of the whole, each object is one of the whole, byte for byte."""
        report = objref.import_image(io.BytesIO(cut), self.path, partial="keep", replace=True)
        with objref.open(self.path) as kept:
            stream = b"".join(kept.stream())
            assert self.whole.startswith(stream)
            assert len(stream) == report.stream_length
            assert bool(kept.partial) == bool(report.cuts)
            for found in kept.objects():
                self._is_the_same(found)
        return report

    def _is_the_same(self, found: objref.Object) -> None:
        other = self.image[found.objref]
        if found.sparse:  # what did not arrive of memory is missing, what did is right
            assert all(data == other.read(start, start + len(data)) for start, data in content(found))
        else:
            assert found.bytes == other.bytes



def refused(cut: bytes, folder: Path) -> str:
    with pytest.raises(objref.TruncatedError) as caught:
        objref.import_image(io.BytesIO(cut), folder / "refused.objref")
    assert not (folder / "refused.objref").exists()
    return str(caught.value)


def test_a_tar_cut_anywhere(tar: bytes, tmp_path: Path) -> None:
    keeper, end = Keeper(tar, tmp_path), end_marker(tar)
    last = 0
    for length in range(512, len(tar), 331):
        report = keeper.keep(tar[:length])
        assert report.stream_length == length
        assert bool(report.cuts) == (length < end), length
        if report.cuts:
            assert str(length) in report.cuts[0].text
            last = max(last, report.objects)
    assert last > 20  # and not by keeping nothing


def test_without_keep_partial_it_says_where_what_and_what_to_do(tar: bytes, tmp_path: Path) -> None:
    for length in (600, len(tar) // 2, end_marker(tar) - 512):
        said = refused(tar[:length], tmp_path)
        assert f"byte {length}" in said
        assert "expected" in said or "missing" in said
        assert "--keep-partial" in said


def test_members_that_came_whole_are_objects_and_the_one_that_is_cut_is_not(sample: bytes, tmp_path: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(sample)) as judge:
        members = {m.name: (m.offset_data, m.size) for m in judge if m.isfile()}
    start, size = members["tree/pages-2.img"]
    keeper = Keeper(sample, tmp_path)
    report = keeper.keep(sample[: start + size // 2 + 100])
    assert [cut.where for cut in report.cuts] == ["tree/pages-2.img"]
    with objref.open(keeper.path) as kept:
        whole = {name for name, (at, length) in members.items() if at + length <= start}
        assert {name.decode() for name in kept["member"]} >= whole
        assert b"tree/pages-2.img" not in kept["member"]
        assert "pages:2" not in kept
        here = {o.objref: o.size for o in kept.objects("mem")}
        partly = [o for o in keeper.image.objects("mem") if 0 < here.get(o.objref, 0) < o.size]
        assert len(partly) == 1  # the pages that arrived have their addresses
        assert here[partly[0].objref] == size // 2 + 100


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "bzip2": lambda data: bz2.compress(data, 1),
    "xz": lzma.compress,
    "zstd": zstandard.ZstdCompressor(write_checksum=True).compress,
}


@pytest.mark.parametrize("name", PACKERS)
def test_compressed_and_cut_keeps_what_was_decoded(name: str, sample: bytes, tmp_path: Path) -> None:
    packed, keeper, lengths = PACKERS[name](sample), Keeper(sample, tmp_path), []
    for length in (len(packed) * 8 // 10, len(packed) * 9 // 10, len(packed) - 9, len(packed) - 1):
        report = keeper.keep(packed[:length])
        assert any(f"byte {length} of the compressed input" in cut.text for cut in report.cuts)
        assert f"byte {length} of the compressed input" in refused(packed[:length], tmp_path)
        lengths.append(report.stream_length)
    assert lengths == sorted(lengths)
    assert lengths[0] > 100_000
    assert lengths[-1] == len(sample)  # all but the check at the end


@pytest.mark.parametrize("name", PACKERS)
def test_before_a_first_tar_header_there_is_nothing_to_keep(name: str, sample: bytes, tmp_path: Path) -> None:
    with pytest.raises(objref.FormatError):
        objref.import_image(io.BytesIO(PACKERS[name](sample)[:30]), tmp_path / "x", partial="keep")
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("name", PACKERS)
def test_damage_is_no_cut(name: str, sample: bytes, tmp_path: Path) -> None:
    """Nobody can say from which byte on damaged data is wrong, so nothing of it is kept."""
    packed = bytearray(PACKERS[name](sample))
    packed[len(packed) // 2 : len(packed) // 2 + 40] = bytes(range(40))
    with pytest.raises(objref.FormatError) as caught:
        objref.import_image(io.BytesIO(packed), tmp_path / "x", partial="keep")
    assert not isinstance(caught.value, objref.TruncatedError) or "too early" in str(caught.value)
    assert not (tmp_path / "x").exists()


def test_a_stream_of_another_dialect_is_cut_the_same_way(tmp_path: Path) -> None:
    data = bytes(realistic(6))
    keeper, kept = Keeper(data, tmp_path), 0
    for length in range(90, len(data), 119):
        report = keeper.keep(data[:length])
        assert report.stream_length == length
        if report.cuts:
            kept += 1
            assert "--keep-partial" in refused(data[:length], tmp_path)
    assert kept > 5


def test_the_command_line_tells(sample: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, image, back = tmp_path / "cut.tar", tmp_path / "x.objref", tmp_path / "back.tar"
    source.write_bytes(sample[:100_000])
    assert main(["import", str(source), "-o", str(image)]) == 4
    assert "--keep-partial" in capsys.readouterr().err
    assert main(["import", str(source), "-o", str(image), "--keep-partial"]) == 0
    shown = capsys.readouterr()
    assert "partial" in shown.out
    assert "byte 100000" in shown.err
    assert main(["info", str(image)]) == 0
    assert "\npartial  " in capsys.readouterr().out
    assert main(["export", str(image), "-o", str(back)]) == 0
    assert back.read_bytes() == sample[:100_000]
    assert main(["export", str(image), "--as", "directory", "-o", str(tmp_path / "d")]) == 2


def test_the_decision_has_a_name(tmp_path: Path) -> None:
    with pytest.raises(objref.UsageError, match="partial"):
        objref.import_image(SAMPLE, tmp_path / "x", partial="yes")  # type: ignore[arg-type]
