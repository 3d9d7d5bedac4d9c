"""What somebody did who had never seen the command line before, and what it did to him."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

import objref
from objref.container import format as f
from samples import SAMPLE, Forger

Run = Callable[..., tuple[int, str, str]]
SCENE = SAMPLE.parent / "scene.cr"


@pytest.fixture
def image(tmp_path: Path) -> Path:
    objref.import_image(SAMPLE, tmp_path / "tree.objref")
    return tmp_path / "tree.objref"


@pytest.fixture
def lossy(tmp_path: Path, image: Path) -> Path:
    """Recovered from an image with a damaged block of pages."""
    forger = Forger(image.read_bytes())
    at = next(p.offset for p in forger.pieces if forger.sections[p.section].role == f.PAGES)
    damaged = bytearray(image.read_bytes())
    damaged[at + 9] ^= 1
    (tmp_path / "damaged").write_bytes(damaged)
    assert not objref.recover(tmp_path / "damaged", tmp_path / "new.objref").nothing_lost
    return tmp_path / "new.objref"


def test_a_seal_replaces_nothing_that_is_read_or_made(run: Run, image: Path, tmp_path: Path) -> None:
    before = image.read_bytes()
    for seal in (image, tmp_path / "x.native", "-"):
        code, _, said = run("export", image, "--as", "native", "-o", tmp_path / "x.native", "--seal", seal, "--force")
        assert code == 2
        assert str(seal) in said or "--seal is a file" in said
    assert image.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tree.objref"]


def test_a_seal_that_cannot_be_written_costs_no_export(run: Run, image: Path, tmp_path: Path) -> None:
    code, _, said = run("export", image, "--as", "native", "-o", tmp_path / "x.native", "--seal", tmp_path / "no" / "x")
    assert code == 7
    assert "no" in said
    assert sorted(p.name for p in tmp_path.iterdir()) == ["tree.objref"]


def test_what_a_recovery_lost_is_not_called_whole(run: Run, lossy: Path) -> None:
    code, out, _ = run("check", lossy)
    assert code == 8
    assert "lost" in out.splitlines()[0]
    code, out, _ = run("verify", lossy)
    assert (code, "as imported" in out) == (0, False)
    assert "as recovered" in " ".join(out.split())
    assert objref.verify_image(lossy).lost > 0


def test_a_part_and_a_range(run: Run, image: Path) -> None:
    code, _, said = run("get", image, "mem:101", "--range", "0x401000+5", "--part", "0")
    assert (code, "say one of them" in said) == (2, True)


@pytest.mark.parametrize("length", range(9000, 37000, 3000))
def test_a_part_of_a_stream_that_is_cut_anywhere(length: int, tmp_path: Path) -> None:
    """It is extracted, or it is said why it cannot be."""
    (tmp_path / "cut.cr").write_bytes(SCENE.read_bytes()[:length])
    try:
        objref.import_image(tmp_path / "cut.cr", tmp_path / "x.objref", partial="keep")
    except objref.ObjrefError:
        return
    with objref.open(tmp_path / "x.objref") as opened:
        for task in opened.objects("task"):
            for scope in ("alone", "subtree"):
                with suppress(objref.ObjrefError):
                    opened.plan_extract(task.objref, scope=scope)


def test_an_image_whose_index_and_beginning_are_gone(run: Run, tmp_path: Path) -> None:
    """Damage, and not a newer version."""
    objref.import_image(SCENE, tmp_path / "x.objref")
    data = bytearray((tmp_path / "x.objref").read_bytes())
    data[:1500] = bytes(1500)
    (tmp_path / "x.objref").write_bytes(data[:2000])
    code, _, said = run("recover", tmp_path / "x.objref", "-o", tmp_path / "new")
    assert code == 4
    assert "ff ff" not in said
