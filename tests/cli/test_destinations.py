"""No verb writes over what it reads from, whatever name that goes by, and whatever --force says."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

import objref

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def places(image: Path, tmp_path: Path) -> dict[str, Path]:
    """An image, an indexed stream with its index, and other names of both."""
    found = {
        name: tmp_path / name for name in ("p.objref", "d.tar", "d.tar.objref-index", "link.tar", "same.dot", "dir")
    }
    shutil.copy(image, found["p.objref"])
    with objref.open(image) as opened:
        objref.export_image(opened, found["d.tar"])
        objref.export_image(opened, found["dir"], form="directory")
    objref.index_file(found["d.tar"])
    found["link.tar"].symlink_to("d.tar")
    found["same.dot"].hardlink_to(found["p.objref"])
    return found


@pytest.mark.parametrize(
    "arguments",
    [
        ["get", "{p.objref}", "task:101", "-o", "{p.objref}", "--force"],
        ["get", "{p.objref}", "task:101", "-o", "{same.dot}", "--force"],
        ["get", "{d.tar}", "task:101", "-o", "{d.tar}", "--force"],
        ["get", "{d.tar}", "task:101", "-o", "{link.tar}", "--force"],
        ["get", "{d.tar}", "task:101", "-o", "{d.tar.objref-index}", "--force"],
        ["get", "{p.objref}", "task:101", "-o", "{d.tar}"],
        ["export", "{p.objref}", "-o", "{p.objref}", "--force"],
        ["export", "{d.tar}", "-o", "{d.tar}", "--force"],
        ["extract", "{p.objref}", "task:101", "-o", "{p.objref}", "--force"],
        ["graph", "{p.objref}", "-o", "{same.dot}", "--force"],
        ["import", "{d.tar}", "-o", "{d.tar}", "--force"],
        ["import", "{dir}/tree", "-o", "{dir}/tree/inventory.img", "--force"],
        ["convert", "{d.tar}", "--to", "v23-rc2", "-o", "{d.tar}", "--force"],
    ],
)
def test_what_is_read_from_is_never_replaced(run: Run, places: dict[str, Path], arguments: list[str]) -> None:
    before = {path: path.read_bytes() for path in places["p.objref"].parent.rglob("*") if path.is_file()}
    words = []
    for word in arguments:
        for name, path in places.items():
            word = word.replace("{" + name + "}", str(path))
        words.append(word)
    code, _, err = run(*words)
    assert code == 2, err
    assert "read from" in err or "--force" in err
    assert {path: path.read_bytes() for path in places["p.objref"].parent.rglob("*") if path.is_file()} == before


def test_a_stream_whose_name_leads_to_the_place_of_its_index_is_left_alone(run: Run, places: dict[str, Path]) -> None:
    stream = places["d.tar"].rename(places["d.tar"].parent / "x.objref-index")
    (stream.parent / "x").symlink_to(stream)
    before = stream.read_bytes()
    code, _, err = run("index", stream.parent / "x", "--force")
    assert (code, "another name" in err) == (2, True), err
    assert stream.read_bytes() == before


def test_get_replaces_another_file_when_told_to(run: Run, image: Path, tmp_path: Path) -> None:
    (tmp_path / "old").write_text("old")
    assert run("get", image, "file:6", "-o", tmp_path / "old", "--force")[0] == 0
    with objref.open(image) as opened:
        assert (tmp_path / "old").read_bytes() == opened.object("file:6").bytes


@pytest.mark.parametrize("files", [[], ["readme"], ["stats-dump", "notes/readme"]])
def test_a_directory_without_image_files_is_the_wrong_one(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, files: list[str]
) -> None:
    """Of an archive it is noted: that may be kept. Nothing is made of a directory."""
    folder = tmp_path / "wrong"
    folder.mkdir()
    for name in files:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"")
    code, _, said = run("import", folder, "-o", tmp_path / "x.objref")
    assert (code, "Traceback" in said) == (4, False)
    assert "wrong: no CRIU image files (inventory.img, pstree.img" in said
    assert not (tmp_path / "x.objref").exists()
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        tar.add(folder, "wrong")
    code, _, said = run("import", tmp_path / "x.tar", "-o", tmp_path / "x.objref")
    assert code == 0
    assert "no CRIU image files" in said
