"""`check` of CRIU images: nothing is found in real ones, and each kind of damage by its name.

That CRIU does with the broken ones what is said of them is shown by tests/real/test_check.py.
"""

from __future__ import annotations

import io
import os
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from criu.breaking import BREAKS, changed, entry, files_of, tar_of
from criu.making import Folder, archive, item, members_of, small
from criu.making_dumps import everything_folder, legacy_folder
from criu.making_scenes import SCENES
from criu.making_trees import Someone, tree
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import objref
from objref.checking import DANGLING, MOST
from objref.dialects.criu.check import CHECKS
from objref.dialects.criu.kinds import KIND, ROLE

SAMPLES = sorted(p for p in (Path(__file__).parents[1] / "images").glob("*.tar.zst") if ".files." not in p.name)
CORPUS = os.environ.get("OBJREF_CORPUS")
CORPORA = sorted(p for p in Path(CORPUS).glob("*.tar.zst") if ".image." not in p.name) if CORPUS else []


RICH = {**legacy_folder().files, **everything_folder().files}


def findings(data: bytes, to: Path) -> list[Any]:
    objref.import_image(io.BytesIO(data), to)
    with objref.open(to) as image:
        return list(image.check())


@pytest.mark.parametrize("path", [*SAMPLES, *CORPORA], ids=lambda path: path.name)
def test_nothing_is_wrong_with_a_real_dump(path: Path, tmp_path: Path) -> None:
    objref.import_image(path, tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        assert list(image.check()) == []


def test_the_corpus_is_there_if_it_is_named() -> None:
    if CORPUS is None:
        pytest.skip("OBJREF_CORPUS names no folder with real images")
    assert len(CORPORA) >= 5


@pytest.mark.parametrize("name", BREAKS)
def test_what_is_broken_is_found(name: str, tmp_path: Path) -> None:
    broken, files = BREAKS[name], files_of(BREAKS[name].sample)
    broken.edit(files)
    found = findings(tar_of(files), tmp_path / "x.objref")
    wanted = [
        one for one in found if (one.severity, one.what, one.where) == (broken.severity, broken.what, broken.where)
    ]
    assert wanted or not broken.what, found
    assert {one.what for one in found} <= {broken.what, *broken.also}
    assert all(one.meaning and one.text for one in found)


def test_where_a_finding_is_can_be_asked_for(tmp_path: Path) -> None:
    """An objref that is there, or the name of a file that is not."""
    files = files_of("tree")
    for name in ("files.img", "mm-101.img", "pages-2.img", "inventory.img"):
        del files[f"tree/{name}"]
    objref.import_image(io.BytesIO(tar_of(files)), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        for one in image.check():
            assert one.where in image or one.where == "tree/inventory.img"
            assert all(name in image for name in one.objrefs)


@pytest.mark.parametrize("name", SCENES)
def test_every_scene_can_be_checked(name: str, tmp_path: Path) -> None:
    """Contradictions, damage, layers: all that an import takes. What was cut, or does not parse, is an error."""
    scene = SCENES[name]()
    found = findings(scene.tar(), tmp_path / "x.objref")
    severities = {one.what: one.severity for one in found}
    for what, _ in scene.notes:
        if CHECKS.notes.get(what):
            assert what in severities or what == "claimed-twice"


def test_what_was_left_over_is_told_once_and_nothing_of_what_it_says(tmp_path: Path) -> None:
    """A whole task of another dump, whose files, memory and namespaces are not there."""
    files = files_of("tree")
    for kind in ("core", "ids", "mm", "fs", "pagemap"):
        files[f"tree/{kind}-999.img"] = files[f"tree/{kind}-101.img"]
    ids = item(
        "ids:999", "task_kobj_ids_entry", {"vm_id": 1, "files_id": 77, "fs_id": 1, "sighand_id": 1, "uts_ns_id": 9}
    )
    folder = Folder("tree")
    folder.write("ids-999.img", ids)
    files["tree/ids-999.img"] = folder.files["ids-999.img"]  # type: ignore[assignment]
    found = findings(tar_of(files), tmp_path / "x.objref")
    assert Counter(one.what for one in found) == {"stale": 5}


def test_a_zombie_has_one_thread_and_that_is_0(tmp_path: Path) -> None:
    """As CRIU writes it (tests/real): a core, and nothing else."""
    files = files_of("tree")
    for kind in ("ids", "mm", "fs", "pagemap"):
        del files[f"tree/{kind}-101.img"]
    changed("core-101.img", lambda items: setattr(items[0].tc, "task_state", 6))(files)
    changed("pstree.img", lambda items: items[1].threads.__setitem__(0, 0))(files)
    found = findings(tar_of(files), tmp_path / "x.objref")
    assert {one.what for one in found} == {"stale"}, "its memory and table, which a dump would not have"


def test_an_epoll_may_watch_what_a_child_has_closed(tmp_path: Path) -> None:
    """Descriptor 41 of the parent, which watches it; the child has inherited the epoll and not the descriptor."""
    files = files_of("tree")
    changed("fdinfo-2.img", lambda fds: fds.append(type(fds[0])(id=15, type=6, fd=41, flags=0)))(files)
    changed("fdinfo-3.img", lambda fds: fds.append(type(fds[0])(id=18, type=7, fd=40, flags=0)))(files)
    changed("files.img", lambda items: setattr(entry(18)(items).epfd.tfd[0], "tfd", 41))(files)
    assert findings(tar_of(files), tmp_path / "x.objref") == []


def test_a_session_whose_leader_had_ended_below_the_root_and_further_down(tmp_path: Path) -> None:
    """CRIU makes a stand-in for children of the root only (docs/extract.md)."""
    folder = tree(Someone(10), Someone(11, 10, 77), Someone(12, 11, 77), Someone(13, 10, 10))
    found = findings(archive(members_of([folder])), tmp_path / "x.objref")
    assert [one.where for one in found if one.what == "session"] == ["task:12"]


def test_many_findings_are_counted(tmp_path: Path) -> None:
    folder = small()
    fds = [item(f"fd:3/{n}", "fdinfo_entry", {"id": n + 5000, "fd": n, "type": 1, "flags": 0}) for n in range(3000)]
    folder.write("fdinfo-3.img", *fds)
    found = [one for one in findings(archive(members_of([folder])), tmp_path / "x.objref") if one.what == DANGLING]
    assert len(found) == MOST + 1
    assert (found[-1].where, found[-1].affected) == ("", 3000 - MOST)
    assert found[-1].severity == "error"


def test_a_partial_import_says_what_is_missing(tmp_path: Path) -> None:
    data = tar_of(files_of("tree"))
    objref.import_image(io.BytesIO(data[: len(data) // 2]), tmp_path / "x.objref", partial="keep")
    with objref.open(tmp_path / "x.objref") as image:
        found = list(image.check())
    assert {"cut", DANGLING} <= {one.what for one in found}


def test_the_progress_goes_on(tmp_path: Path) -> None:
    folder = small()
    folder.write(
        "sk-queues.img", *(item(f"sk-packet:{n}", "sk_packet_entry", {"id_for": 9, "length": 0}) for n in range(3000))
    )
    objref.import_image(io.BytesIO(archive(members_of([folder]))), tmp_path / "y.objref")
    seen: list[int] = []
    with objref.open(tmp_path / "y.objref") as image:
        list(image.check(seen.append))
    assert seen == sorted(seen)
    assert seen[0] >= 1000


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_is_in_the_files_it_comes_to_an_end(data: st.DataObject, tmp_path: Path) -> None:
    """Bytes changed anywhere in the files of a rich dump: findings, never another error."""
    files: dict[str, Any] = {f"images/{name}": content for name, content in RICH.items() if isinstance(content, bytes)}
    for name in data.draw(st.lists(st.sampled_from(sorted(files)), min_size=1, max_size=4)):
        content = bytearray(files[name])
        for _ in range(data.draw(st.integers(1, 3))):
            at = data.draw(st.integers(0, max(len(content) - 1, 0)))
            content[at : at + 1] = data.draw(st.binary(max_size=3))
        files[name] = bytes(content)
    objref.import_image(io.BytesIO(tar_of(files)), tmp_path / "x.objref", replace=True)
    with objref.open(tmp_path / "x.objref") as image:
        assert all(one.severity and one.meaning for one in image.check())


# -- the tables ---------------------------------------------------------------------------------------------


def test_tables_name_roles_and_kinds_that_there_are() -> None:
    for name in CHECKS.lost:
        words = name.split()
        assert all(word in ROLE or word.partition(":")[0] in KIND for word in words), name
        assert any(word in ROLE for word in words), name


def test_every_finding_is_staged() -> None:
    staged = {one.what for one in BREAKS.values()}
    assert set(CHECKS.findings) - staged == {"session"}  # above
