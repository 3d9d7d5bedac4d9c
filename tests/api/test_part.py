"""Parts of images whose dialects have no form for a part: images of their own."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from dobriyan.making import realistic

from objref.cli import main
from objref.errors import CutError, NotFoundError, UsageError
from objref.image import Image, open_image
from objref.importer import import_image
from objref.sidecar.indexing import index_file
from objref.verify import verify_image
from openvz.making import scene

STREAMS = {"openvz": scene(tasks=6).data, "dobriyan": bytes(realistic(20).data)}


@pytest.fixture(params=[(name, how) for name in STREAMS for how in ("image", "index")], ids="-".join)
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    name, how = request.param
    stream = tmp_path / f"{name}.stream"
    stream.write_bytes(STREAMS[name])
    if how == "index":
        index_file(stream)
        return stream
    import_image(stream, tmp_path / f"{name}.objref")
    return tmp_path / f"{name}.objref"


def same(part: Image, whole: Image) -> None:
    """Every object of the part is that of the whole, by all its names."""
    for found in part.objects():
        other = whole[found.objref]
        assert (found.kind, found.size, found.sparse, found.ranges) == (
            other.kind, other.size, other.sparse, other.ranges
        )  # fmt: skip
        assert b"".join(found.stored_chunks()) == b"".join(other.stored_chunks())
        links = [[(r.role, r.target_objref) for r in one.references] for one in (found, other)]
        assert links[0] == links[1]
        assert found.decodes == other.decodes
        if found.decodes:
            assert (found.decode(), found.brief) == (other.decode(), other.brief)
    for layer, name in part.spaces():
        for key in part.space(name, layer):
            assert part.space(name, layer).object(key).objref == whole.space(name, layer).object(key).objref


def test_a_part_of_each_task(path: Path, tmp_path: Path) -> None:
    with open_image(path) as whole:
        for n, task in enumerate(list(whole["task"].objects())[:3]):
            dest = tmp_path / f"part{n}.objref"
            made = whole.extract(task.objref, dest=dest, scope="alone")
            assert made.form == "objref"
            with open_image(dest) as part:
                same(part, whole)
                assert set(part.closure(task.objref).ordinals) <= set(range(len(part)))
                assert len(part) == len(whole.closure(task.objref, "header:0")) < len(whole)
                assert {r.target_objref for r in part[task.objref].references if r.dangling} <= {
                    cut.target for cut in made.plan.cuts
                }
                assert "a part" in part.partial[0]
            assert verify_image(dest).sound


def test_a_part_of_a_part(path: Path, tmp_path: Path) -> None:
    with open_image(path) as whole:
        task = next(iter(whole["task"].objects())).objref
        whole.extract(task, dest=tmp_path / "a.objref")
    with open_image(tmp_path / "a.objref") as part:
        part.extract(task, dest=tmp_path / "b.objref")
        with open_image(tmp_path / "b.objref") as again:
            assert len(again) == len(part)
            same(again, part)


def test_what_descends(path: Path) -> None:
    with open_image(path) as whole:
        for task in whole["task"].objects():
            below = whole.closure(task, direction="reverse", roles=["parent"]) if "openvz" in path.name else [task]
            assert whole.plan_extract(task.objref).kept == tuple(found.objref for found in below)


def test_in_its_own_dialect_there_is_none(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It says why, and what there is instead."""
    with open_image(path) as whole:
        task = next(iter(whole["task"].objects())).objref
        before = sorted(os.listdir(tmp_path))
        for form in ("auto", "stream", "tar", "directory"):
            with pytest.raises(UsageError, match=r"ids in the file are positions in it.*-o NAME\.objref"):
                whole.extract(task, dest=tmp_path / "part.stream", form=form)
        with pytest.raises(NotFoundError, match="no task:0x9"):
            whole.plan_extract("task:0x9")
        with pytest.raises(UsageError, match="no cuts are called 'pipe'"):
            whole.plan_extract(task, cut={"pipe": "drop"})
    assert main(["extract", str(path), task, "-o", str(tmp_path / "part.dump")]) == 2
    assert "positions in it" in capsys.readouterr().err
    assert main(["extract", str(path), task, "-o", "-"]) == 2
    assert sorted(os.listdir(tmp_path)) == before
    assert main(["extract", str(path), task, "-o", str(tmp_path / "part.objref")]) == 0
    assert f"{tmp_path}/part.objref: " in capsys.readouterr().out
    assert main(["verify", str(tmp_path / "part.objref")]) == 0


def test_what_leads_out_can_be_refused(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(STREAMS["openvz"])
    import_image(tmp_path / "x", tmp_path / "x.objref")
    with open_image(tmp_path / "x.objref") as whole:
        task = next(iter(whole["task"].objects())).objref
        assert {cut.name for cut in whole.plan_extract(task).cuts} == {"soft"}
        with pytest.raises(CutError, match="--cut soft=drop"):
            whole.extract(task, dest=tmp_path / "part.objref", cut={"soft": "fail"})
    assert not (tmp_path / "part.objref").exists()
