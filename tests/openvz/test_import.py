"""The whole way: a CPT file into a container, objects by position, pid and index, memory by address, the same bytes back."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

import objref
from objref.errors import NotFoundError
from openvz.making import BASE, FLAVOURS, PAGE, Flavour, Scene, page, scene

RUN = [sys.executable, "-m", "objref"]


@pytest.fixture(scope="module")
def made() -> Scene:
    """A container of twenty tasks."""
    return scene(tasks=20, files=40)


@pytest.fixture(scope="module")
def image(made: Scene, tmp_path_factory: pytest.TempPathFactory) -> Iterator[objref.Image]:
    path = tmp_path_factory.mktemp("openvz") / "x.objref"
    objref.import_image(io.BytesIO(made.data), path)
    with objref.open(path) as opened:
        yield opened


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda f: f.name)
def test_every_flavour_comes_back(flavour: Flavour, tmp_path: Path) -> None:
    data = scene(flavour).data
    report = objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    assert report.dangling == (flavour.version < 0x800), "their connections are not decoded, and have no index"
    with objref.open(tmp_path / "x.objref") as opened:
        assert opened.dialect.name == "openvz"
        assert b"".join(opened.stream()) == data


def test_every_object_is_found_by_its_id_and_by_its_position(made: Scene, image: objref.Image) -> None:
    for found in image.objects():
        assert image[found.objref] == found
        space, _, key = found.objref.partition(":")
        if space not in ("mem", "content"):
            assert image[f"pos:{key}"] == found
            assert made.data.startswith(found.bytes, int(key, 16))
        if found.decodes:
            json.dumps(found.decode())


def test_tasks_and_others_by_what_images_call_them(made: Scene, image: objref.Image) -> None:
    w = made.where
    assert image["pid:101"].objref == f"task:{w['task1']:#x}"
    assert image["socket-index:7"].objref == f"socket:{w['socket']:#x}"
    assert image["tty-index:0"].objref == f"tty:{w['tty']:#x}"
    assert image["files-index:0"].objref == f"files:{w['files']:#x}"
    assert image["cgroup-index:1"].objref == f"cgroup:{w['cgroup']:#x}"
    with pytest.raises(NotFoundError, match="pid:99"):
        image["pid:99"]


def test_memory_by_address(made: Scene, image: objref.Image) -> None:
    for mm, pages in made.memory.items():
        memory = image[f"mem:{mm:#x}"]
        for address, content in pages.items():
            assert memory.read(address, address + PAGE) == content
    second = image[f"mem:{made.where['mm1']:#x}"]
    with pytest.raises(NotFoundError, match="0x400000…0x401000 is not in the image"):
        second.read(BASE, BASE + PAGE)
    assert [r.target for r in image["pid:101"].references if r.role == "mem"] == [second]
    assert image[f"content:{made.where['deleted']:#x}"].read(PAGE, 2 * PAGE) == page(2)


def test_loops(made: Scene, image: objref.Image) -> None:
    """Back to the start by references: tracer and child, the socket in its own queue, a file and who maps it."""

    def step(objrefs: set[str], *roles: str) -> set[str]:
        for role in roles:
            objrefs = {r.target_objref for one in objrefs for r in image[one].references if r.role == role}
        return objrefs

    task, socket, file = (image[f"pos:{made.where[n]:#x}"].objref for n in ("task0", "socket", "file0"))
    assert task in step({task}, "parent", "parent")
    assert socket in step({socket}, "peer")
    assert socket in step({socket}, "part", "part", "file", "socket")
    assert file in step({file}, "process", "mm", "part", "file")


def run(*words: str | Path, data: bytes = b"") -> Any:
    return subprocess.run([*RUN, *words], input=data, capture_output=True, timeout=120, check=False)


def test_the_command_line_takes_it_compressed_from_a_pipe(made: Scene, tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    assert run("import", "-", "-o", path, data=zstandard.ZstdCompressor().compress(made.data)).returncode == 0
    assert run("export", path, "-o", "-").stdout == made.data
    listed = run("ls", path, "task").stdout.decode()
    assert len(listed.splitlines()) == 20
    assert "pid 102 init, thread of 101" in listed
    memory = f"mem:{made.where['mm0']:#x}"
    assert run("get", path, memory, "--range", f"{BASE + PAGE:#x}+8").stdout == page(21)[:8]
    hole = run("get", path, memory, "--range", "0x10000+8")
    assert (hole.returncode, hole.stderr.decode().count("\n")) == (3, 1)
    assert "is not in the image" in hole.stderr.decode()
    shown = run("show", path, "pid:101").stdout.decode()
    assert f"cpt_mm: pos:{made.where['mm1']:#x}" in shown


def test_a_cut_file_comes_back_as_it_is_and_the_command_line_says_what_is_missing(made: Scene, tmp_path: Path) -> None:
    for length in (3, 4, len(made.data) - 1):
        path, cut = tmp_path / f"{length}.objref", made.data[:length]
        done = run("import", "-", "-o", path, data=cut)
        assert done.returncode == 4
        assert not path.exists()
        if length < 4:  # too short to be known
            continue
        assert "the file ends at" in done.stderr.decode()
        assert run("import", "-", "-o", path, "--keep-partial", data=cut).returncode == 0
        assert run("export", path, "-o", "-").stdout == cut
