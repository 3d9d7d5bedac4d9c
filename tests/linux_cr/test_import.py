"""A stream in an image, as a user has it: found by id, read by address, given back."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest
from linux_cr.making import LAYOUTS, Maker, Shape, pid, scene, stream
from linux_cr.test_examples import A, B, C

import objref
from objref.cli import main
from objref.errors import NotFoundError


@pytest.fixture(scope="module")
def made() -> Maker:
    return scene("v23-rc2", tasks=8, shape=Shape(6, 600))


@pytest.fixture(scope="module")
def image(made: Maker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("linux-cr") / "x.objref"
    objref.import_image(io.BytesIO(bytes(made.out)), path)
    return path


def test_every_object_by_its_id_and_by_its_kind(made: Maker, image: Path) -> None:
    with objref.open(image) as opened:
        assert opened.dialect.name == "linux-cr"
        for key, kind in made.objects.items():
            assert opened[f"obj:{key}"] == opened[f"{kind}:{key}"]
        for source, role, target in made.edges:
            assert (role, target) in {(r.role, r.target_objref) for r in opened[source].references}
        assert opened.dangling_count == 0
        assert not opened.notes()


def test_memory_by_address(made: Maker, image: Path) -> None:
    with objref.open(image) as opened:
        for name, pages in made.memory.items():
            memory = opened[name]
            assert sum(stop - start for start, stop in memory.ranges) == 4096 * len(pages)
            for at, data in list(pages.items())[:50]:
                assert memory.read(at, at + 4096) == data
        with pytest.raises(NotFoundError, match="not in the image"):
            opened["mem:" + next(n for n in made.memory if n.startswith("mem:")).partition(":")[2]].read(0, 16)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_stream_comes_back(layout: str, tmp_path: Path) -> None:
    data = b"".join(stream(tasks=4, pages=30, layout=layout))
    report = objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    assert report.stream_length == len(data)
    with objref.open(tmp_path / "x.objref") as opened:
        assert b"".join(opened.stream()) == data
        for found in opened.objects():
            assert found.brief is not None
            if found.decodes:
                found.decode()


CUT = [B[:400], B[:-16], bytes(scene("v20", shape=Shape(1, 1)).out)[:9001]]
ODD = [B + b"trailing", bytes(scene("v20").out)[:-16] + bytes.fromhex("0f27000008000000")]


@pytest.mark.parametrize("data", [A, B, bytes(C), *ODD, *CUT])
def test_small_cut_and_odd_streams_come_back(data: bytes, tmp_path: Path) -> None:
    report = objref.import_image(io.BytesIO(data), tmp_path / "x.objref", partial="keep")
    assert bool(report.cuts) == (data in CUT)
    with objref.open(tmp_path / "x.objref") as opened:
        assert b"".join(opened.stream()) == data
        assert bool(opened.partial) == bool(report.cuts)


@pytest.mark.parametrize("data", CUT)
def test_a_cut_stream_is_refused_unless_it_is_asked_for(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(objref.TruncatedError, match="ends"):
        objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    assert not list(tmp_path.iterdir())


def test_file_and_pipe_make_the_same_image(made: Maker, image: Path, tmp_path: Path) -> None:
    source = tmp_path / "x.cr"
    source.write_bytes(made.out)
    assert main(["import", str(source), "-o", str(tmp_path / "file.objref"), "--quiet"]) == 0
    command = [sys.executable, "-m", "objref", "import", "-", "-o", str(tmp_path / "pipe.objref"), "--quiet"]
    reader, writer = os.pipe()
    with subprocess.Popen(command, stdin=reader) as child:
        os.close(reader)
        with open(writer, "wb", buffering=0) as pipe:
            for at in range(0, len(made.out), 50_001):
                pipe.write(made.out[at : at + 50_001])
    assert child.returncode == 0
    assert image.read_bytes() == (tmp_path / "file.objref").read_bytes() == (tmp_path / "pipe.objref").read_bytes()


def test_a_task_shown(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", str(image), f"task:{pid(3)}"]) == 0
    shown = capsys.readouterr().out
    assert "record: TASK" in shown
    assert f"→ parent           task:{pid(1)}" in shown
    assert main(["ls", str(image), "task"]) == 0
    assert "task-2" in capsys.readouterr().out


def test_convert_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, made = tmp_path / "old.cr", tmp_path / "new.cr"
    flat = Shape(ttys=False, nested=False)
    source.write_bytes(scene("v23-rc1", shape=flat).out)
    assert main(["convert", str(source), "--to", "v23-rc2", "-o", str(made)]) == 0
    assert made.read_bytes() == scene("v23-rc2", shape=flat).out
    assert main(["convert", str(source), "--to", "v23-rc2", "-o", str(made)]) == 2
    source.write_bytes(scene("v23-rc1", shape=flat._replace(ttys=True)).out)
    made.unlink()
    capsys.readouterr()
    assert main(["convert", str(source), "--to", "v23-rc2", "-o", str(made)]) == 6
    assert "cannot be converted exactly: TTY" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source], "nothing is left"


def test_convert_says_that_what_it_wrote_is_no_stream() -> None:
    data = bytes(scene("v23-rc1", shape=Shape(ttys=False, nested=False)).out)
    command = [sys.executable, "-m", "objref", "convert", "--to", "b6cdf01"]
    done = subprocess.run(command, input=data[:-1], capture_output=True, timeout=60)
    assert done.returncode == 4
    assert b"bytes written before are no whole stream" in done.stderr
    assert done.stdout
    assert not done.stdout.endswith(data[-8:])


def test_convert_has_nothing_for_other_dialects(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tar = Path(__file__).parents[1] / "images" / "tree.tar.zst"
    assert main(["convert", str(tar), "--to", "v23-rc2", "-o", str(tmp_path / "x")]) == 6
    assert "a stream of criu, which has no other layouts" in capsys.readouterr().err
