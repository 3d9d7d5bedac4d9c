"""Whatever can be imported, whole or cut and in any preset, can be stored in another way, and what cannot is refused."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from criu.making_scenes import SCENES
from dobriyan.making import realistic
from linux_cr.making import stream as linux_cr_stream
from openvz.making import scene as openvz_scene
from samples import SAMPLE, answers

import objref
from objref import Options, repack_image
from objref.cli import main
from objref.container import format as f

SOURCES: dict[str, Callable[[], bytes]] = {
    "criu": lambda: SAMPLE.read_bytes(),
    "linux-cr": lambda: b"".join(linux_cr_stream(tasks=12, pages=20)),
    "openvz": lambda: openvz_scene().data,
    "dobriyan": lambda: bytes(realistic(30)),
}
DICTIONARY = Options(block_log2=12, page_block_log2=12, whole_log2=12, dictionary_log2=13, tables="packed")
WAYS = {"smallest": Options.preset("smallest"), "raw pages": Options.preset("fast", pages="raw"), "tiny": DICTIONARY}


def imported(source: bytes, path: Path, options: Options, partial: str = "refuse") -> Path:
    objref.import_image(io.BytesIO(source), path, options=options, partial=partial, replace=True)  # type: ignore[arg-type]
    return path


def same(a: Path, b: Path) -> None:
    with objref.open(a) as first, objref.open(b) as second:
        one, other = answers(first), answers(second)
        partial = first.partial, second.partial
    one.pop("meta")
    other.pop("meta")
    assert one == other
    assert partial[0] == partial[1]
    assert objref.verify_image(b).sound


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("dialect", SOURCES)
def test_of_every_dialect(dialect: str, way: str, tmp_path: Path) -> None:
    before = imported(SOURCES[dialect](), tmp_path / "before", Options.preset("small"))
    with objref.open(before) as image:
        assert image.meta["dialect"] == dialect
    repack_image(before, tmp_path / "after", options=WAYS[way])
    same(before, tmp_path / "after")


@pytest.mark.parametrize("preset", ["fast", "small"])
@pytest.mark.parametrize("pages", ["zstd", "raw"])
def test_what_arrived_of_a_cut_source(preset: str, pages: str, tmp_path: Path) -> None:
    tar = SCENES[next(iter(SCENES))]().tar()
    options = Options.preset(preset, pages=pages)
    cut = imported(tar[: len(tar) * 2 // 3], tmp_path / "cut", options, partial="keep")
    with objref.open(cut) as image:
        assert image.partial
    assert objref.verify_image(cut).sound
    for name, way in WAYS.items():
        repack_image(cut, tmp_path / name, options=way)
        same(cut, tmp_path / name)
        with objref.open(tmp_path / name) as image:
            assert image.partial


def test_a_cut_source_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / "cut.cr"
    source.write_bytes(SOURCES["linux-cr"]()[:-1000])
    cut, again = str(tmp_path / "cut"), str(tmp_path / "again")
    assert main(["import", str(source), "-o", cut, "--keep-partial", "--preset", "small", "--pages", "raw"]) == 0
    assert "partial" in capsys.readouterr().out
    assert main(["repack", cut, "-o", again]) == 0
    assert main(["info", again]) == 0
    assert "partial" in capsys.readouterr().out


def test_a_stream_with_an_index_beside_it_stays_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream, dest = tmp_path / "dump.cr", tmp_path / "x"
    stream.write_bytes(SOURCES["linux-cr"]())
    assert main(["repack", str(stream), "-o", str(dest)]) == 4
    assert "objref import" in capsys.readouterr().err
    objref.index_file(stream)
    before = sorted(os.listdir(tmp_path))
    for name in (str(stream), f"{stream}.objref-index"):
        assert main(["repack", name, "-o", str(dest)]) in (2, 4)
    told = capsys.readouterr().err
    assert f"objref import {stream} -o IMAGE" in told
    assert f"open the stream, {stream}" in told
    assert sorted(os.listdir(tmp_path)) == before
    assert main(["import", str(stream), "-o", str(dest), "--preset", "small", "--quiet"]) == 0
    assert main(["repack", str(dest), "-o", str(dest), "--force", "--quiet"]) == 0
    with objref.open(stream) as one, objref.open(dest) as other:
        assert b"".join(one.stream()) == b"".join(other.stream())


# -- where bytes lie --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A real dump, with raw pages and with a dictionary."""
    folder = tmp_path_factory.mktemp("places")
    return {way: imported(SAMPLE.read_bytes(), folder / way, WAYS[way]) for way in ("raw pages", "tiny")}


def stored(chunks: Iterator[bytes | memoryview]) -> bytes:
    """Without zero pages, which are stored nowhere."""
    data = b"".join(chunks)
    pages = (data[at : at + f.PAGE] for at in range(0, len(data), f.PAGE))
    return b"".join(page for page in pages if any(page))


def test_raw_pages_have_places(images: dict[str, Path]) -> None:
    data, seen = images["raw pages"].read_bytes(), 0
    with objref.open(images["raw pages"]) as image:
        for memory in image.objects("mem"):
            places = memory.places()
            assert b"".join(data[at : at + length] for at, length in places) == stored(memory.stored_chunks())
            assert all(at % f.PAGE == 0 for at, _ in places)
            seen += sum(length for _, length in places)
        with pytest.raises(objref.UsageError, match="packed"):
            image["file:6"].places()
    assert seen > 40 * f.PAGE


def test_a_damaged_raw_page_has_none(images: dict[str, Path]) -> None:
    data = bytearray(images["raw pages"].read_bytes())
    with objref.open(images["raw pages"]) as image:
        memory = next(image.objects("mem"))
        name, (at, _) = memory.objref, memory.places()[0]
    data[at + 9] ^= 1
    with objref.open(bytes(data)) as image, pytest.raises(objref.IntegrityError, match="page-data"):
        image[name].places()


def test_where_from_the_shell(images: dict[str, Path], capsys: pytest.CaptureFixture[str]) -> None:
    with objref.open(images["raw pages"]) as image:
        memory = next(image.objects("mem"))
        name, places = memory.objref, memory.places()
    assert main(["get", str(images["raw pages"]), name, "--where"]) == 0
    assert capsys.readouterr().out.splitlines() == [f"{at:#x}+{length}" for at, length in places]
    assert main(["get", str(images["tiny"]), name, "--where"]) == 2
    assert "--pages raw" in capsys.readouterr().err


@pytest.mark.parametrize("way", ["raw pages", "tiny", "smallest"])
def test_an_extract_is_the_same_whatever_it_is_taken_from(way: str, tmp_path: Path) -> None:
    made = {}
    for name, options in (("plain", Options()), (way, WAYS[way])):
        path = imported(SAMPLE.read_bytes(), tmp_path / name, options)
        with objref.open(path) as image:
            task = next(image.objects("task")).objref
            out = io.BytesIO()
            image.extract(task, dest=out)
            made[name] = out.getvalue()
    assert made["plain"] == made[way]
    assert len(made[way]) > 10_000
