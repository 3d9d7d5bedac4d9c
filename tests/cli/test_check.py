"""`objref check` as its users meet it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from criu.breaking import BREAKS, files_of, tar_of

import objref

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The sample, broken in the way of this name, imported."""
    folder = tmp_path_factory.mktemp("broken")

    def make(name: str) -> Path:
        files = files_of("tree")
        BREAKS[name].edit(files)
        (folder / f"{name}.tar").write_bytes(tar_of(files))
        objref.import_image(folder / f"{name}.tar", folder / f"{name}.objref", replace=True)
        return folder / f"{name}.objref"

    return make


def test_a_whole_dump(image: Path, run: Run) -> None:
    assert run("check", image) == (0, f"{image}: whole\n", "")
    assert run("check", image, "--json") == (0, "", "")
    assert run("check", image, "--quiet") == (0, "", "")


def test_an_error_says_where_what_and_what_to_do(broken: Callable[[str], Path], run: Run) -> None:
    code, out, err = run("check", broken("pages_cut"))
    assert (code, err) == (8, "")
    first, *middle, last = out.splitlines()
    assert first.split() == ["error", "pages-short", "pagemap:101"]
    assert "pages-3.img has" in middle[0]
    assert "copy it again" in " ".join(middle)
    assert last.endswith("not whole; 1 error")
    assert max(map(len, [first, *middle])) <= 80


def test_the_example_of_the_page(
    broken: Callable[[str], Path], run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "check.md").read_text()
    broken("pages_cut").rename(tmp_path / "tree.objref")
    monkeypatch.chdir(tmp_path)
    assert f"$ objref check tree.objref\n{run('check', 'tree.objref')[1]}```" in page


@pytest.mark.parametrize(("name", "code"), [("stale_core", 9), ("shell_job", 0), ("mm", 8)])
def test_the_code_is_that_of_the_worst(name: str, code: int, broken: Callable[[str], Path], run: Run) -> None:
    path = broken(name)
    assert run("check", path)[0] == code
    assert run("check", path, "--quiet") == (code, "", "")


def test_json_is_a_line_for_each(broken: Callable[[str], Path], run: Run) -> None:
    code, out, _ = run("check", broken("files"), "--json")
    found = [json.loads(line) for line in out.splitlines()]
    assert code == 8
    assert len(found) > 20
    assert {"what", "where", "text", "objrefs", "affected", "severity", "meaning"} == set(found[0])
    assert {one["severity"] for one in found} <= {"error", "warning", "note"}


def test_a_stream_with_an_index_beside_it(tmp_path: Path, run: Run) -> None:
    """The same is found in it as in a container."""
    files = files_of("tree")
    BREAKS["fs"].edit(files)
    (tmp_path / "dump.tar").write_bytes(tar_of(files))
    assert run("index", tmp_path / "dump.tar", "--quiet")[0] == 0
    code, out, err = run("check", tmp_path / "dump.tar")
    assert (code, err) == (8, "")
    assert out.split()[:3] == ["error", "dangling", "task:101"]


def test_a_damaged_container_is_not_called_an_incomplete_dump(image: Path, tmp_path: Path, run: Run) -> None:
    data = bytearray(image.read_bytes())
    for at in range(4096, len(data) - 4096, 64):
        data[at] ^= 0x55
    (tmp_path / "x.objref").write_bytes(data)
    code, out, err = run("check", tmp_path / "x.objref")
    assert code == 4
    assert "whole" not in out, "there is no verdict"
    assert len(err.splitlines()) == 1


def test_what_is_no_image(tmp_path: Path, run: Run) -> None:
    (tmp_path / "text").write_text("not an image\n" * 100)
    for name, code in (("text", 4), ("missing", 7), (".", 2)):
        assert run("check", tmp_path / name)[0] == code, name


def test_names_of_a_hostile_archive_stay_in_their_line(tmp_path: Path, run: Run) -> None:
    files = {"im\x1b[31m\nages/fs-1.img": b"\1", "im\x1b[31m\nages/pstree.img": b""}
    (tmp_path / "x.tar").write_bytes(tar_of(files))  # type: ignore[arg-type]
    assert run("import", tmp_path / "x.tar", "-o", tmp_path / "x.objref", "--quiet")[0] == 0
    code, out, _ = run("check", tmp_path / "x.objref")
    assert code == 8
    assert "\x1b" not in out
