"""Extracts without CRIU: what is kept, what is changed, what is cut, and images that contradict themselves.

That CRIU takes the results is shown by tests/real/test_extract.py.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from criu.making import PRESENT, Folder, archive, framed, item, members_of, message, page, small
from criu.making_dumps import everything_folder
from criu.making_trees import (
    EPOLL,
    NOBODY,
    READ,
    TTY,
    WRITE,
    Someone,
    extracted,
    imported,
    pipe,
    reg,
    tree,
    unix,
)
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import objref
from objref.container.format import PAGES

MASTER, WORKER, OTHER, GRANDCHILD = 10, 11, 12, 13
LOG, OUT, IN, ONE, TWO = 3, 4, 5, 6, 7
SERVER = (
    Someone(MASTER, files={0: LOG, 1: IN, 2: TWO}),
    Someone(WORKER, MASTER, MASTER, files={0: LOG, 1: OUT, 2: ONE}),
    Someone(OTHER, MASTER, MASTER, WORKER),
    Someone(GRANDCHILD, WORKER, MASTER, WORKER),
)
FILES = (reg(LOG, "/var/log", flags=1), pipe(OUT, 70, WRITE), pipe(IN, 70, READ), unix(ONE, 80, 81), unix(TWO, 81, 80))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[objref.Image]:
    """A master, two workers, and a child of one of them."""
    with imported(tree(*SERVER, files=FILES), tmp_path / "server.objref") as image:
        yield image


CUT = {"pipe": "drop", "unix": "drop"}


def pstree(small: Any) -> dict[int, tuple[int, int, int]]:
    return {t.pid: (t.ppid, t.sid, t.pgid) for t in small.items("pstree.img", "pstree_entry")}


def files(small: Any) -> list[int]:
    return [f.id for f in small.items("files.img", "file_entry")]


# -- what is kept -------------------------------------------------------------------------------------------


def test_a_task_and_its_descendants_and_nothing_else(server: objref.Image) -> None:
    small = extracted(server, "task:11", cut=CUT)
    assert small.unsound() == []
    assert pstree(small) == {WORKER: (0, WORKER, WORKER), GRANDCHILD: (WORKER, WORKER, WORKER)}
    assert files(small) == [1, 2, LOG, OUT, ONE]
    assert not [name for name in small.files if name.endswith(("-10.img", "-12.img"))]
    assert small.files["pages-2.img"] == page(1100) + page(1101)


def test_alone_is_without_descendants(server: objref.Image) -> None:
    plan = server.plan_extract("task:11", scope="alone", cut=CUT)
    assert plan.kept == ("task:11",)
    assert "loses its children task:13" in " ".join(plan.notes)


def test_items_that_were_not_changed_are_the_bytes_that_they_were(server: objref.Image) -> None:
    small = extracted(server, "task:11", cut=CUT)
    stored = server["member"][b"images/files.img"]
    for number in (1, 2, LOG, OUT):
        assert framed(server["file"][number]) in small.files["files.img"]
        assert framed(server["file"][number]) in stored
    for name in ("core-11.img", "mm-11.img", "ids-11.img", "fs-11.img", "fdinfo-11.img", "pagemap-11.img"):
        assert small.files[name] == server["member"][f"images/{name}".encode()]


def test_fields_that_nobody_knows_survive_a_change(tmp_path: Path) -> None:
    unknown = b"\xfa\x3f\x05later"  # field 1023, five bytes
    folder = tree(*SERVER, files=FILES)
    data = folder.files["pstree.img"]
    assert isinstance(data, bytes)
    entries = [message("pstree_entry", pid=t.pid, ppid=t.ppid, sid=t.sid or t.pid, pgid=t.pgid or t.pid, threads=[t.pid])
               for t in SERVER]  # fmt: skip
    folder.files["pstree.img"] = data[:8] + b"".join(framed(entry + unknown) for entry in entries)
    with imported(folder, tmp_path / "x.objref") as image:
        small = extracted(image, "task:11", cut=CUT)
    assert small.files["pstree.img"].count(unknown) == 2


def test_every_kind_of_object_comes_along_with_all_of_a_dump(tmp_path: Path) -> None:
    folder = everything_folder()
    folder.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 3, "flags": PRESENT})  # none left to a page server
    with imported(folder, tmp_path / "x.objref") as image:
        tasks = [t.objref for t in image.objects("task")]
        cut = {"parent": "adopt", "tcp": "keep", "epoll": "drop", "terminal": "drop", "unix": "hold", "pidfd": "drop",
               "pipe": "hold", "fifo": "drop"}  # fmt: skip
        small = extracted(image, *tasks, cut=cut)
    assert set(folder.files) - set(small.files) == UNREACHED | {"stats-dump", "irmap-cache.img", "binfmt-misc-44.img"}


UNREACHED = {
    "fdinfo-4.img", "ghost-file-1c.img", "ghost-file-1d.img", "ghost-file-1e.img", "netdev-8.img", "netns-8.img",
    "tcp-stream-d.img", "utsns-4.img",
}  # fmt: skip
"""Of no task: a table, deleted files, a connection and namespaces that the dump has and nobody holds."""


# -- what is cut --------------------------------------------------------------------------------------------


def test_every_cut_is_named_with_both_ends_before_anything_is_written(server: objref.Image, tmp_path: Path) -> None:
    plan = server.plan_extract("task:11")
    found = {(cut.name, cut.source, cut.role, cut.target, cut.policy) for cut in plan.cuts}
    assert found == {
        ("session", "task:11", "session", "task:10", "new"),
        ("pipe", "file:4", "pipe", "pipe:70", "fail"),
        ("unix", "file:6", "peer", "file:7", "fail"),
        ("shared", "file:3", "file", "task:10", "drop"),
    }
    assert all(cut.meaning and "fail" in cut.choices for cut in plan.cuts)
    with pytest.raises(objref.CutError, match=r"2 references lead out \(pipe, unix\)"):
        server.extract("task:11", dest=tmp_path / "no")
    assert not (tmp_path / "no").exists()


def test_a_policy_for_one_object_beats_that_of_its_class(server: objref.Image) -> None:
    plan = server.plan_extract("task:11", cut={"pipe": "drop", "pipe:70": "external", "file:7": "hold"})
    assert {cut.name: cut.policy for cut in plan.cuts if cut.name in ("pipe", "unix")} == {
        "pipe": "external", "unix": "hold",
    }  # fmt: skip
    assert plan.command[-2:] == ("--inherit-fd", "fd[3]:pipe:[70]")


def test_a_socket_that_is_held_keeps_its_peer_and_a_new_descriptor(server: objref.Image) -> None:
    small = extracted(server, "task:11", cut={"pipe": "hold", "unix": "hold"})
    assert small.unsound() == []
    assert files(small) == [1, 2, LOG, OUT, IN, ONE, TWO]
    table = {fd.fd: (fd.id, fd.flags) for fd in small.items("fdinfo-11.img", "fdinfo_entry")}
    assert table[3] == (IN, 1)
    assert table[4] == (TWO, 1), "closed when the program starts another"


def test_a_socket_whose_peer_hung_up_says_so(server: objref.Image) -> None:
    small = extracted(server, "task:11", cut=CUT)
    socket = next(f.usk for f in small.items("files.img", "file_entry") if f.id == ONE)
    assert (socket.peer, socket.shutdown) == (0, 3)


def test_ends_that_nobody_held_before_are_no_cuts(tmp_path: Path) -> None:
    tasks = (Someone(10, files={0: OUT, 1: ONE}), Someone(11, 10, 10, files={0: IN}))
    with imported(
        tree(*tasks, files=(pipe(OUT, 70, WRITE), pipe(IN, 71, READ), unix(ONE, 80, 0))), tmp_path / "x"
    ) as image:
        assert {cut.name for cut in image.plan_extract("task:11").cuts} == {"session"}
        assert image.plan_extract("task:10").cuts == ()


def test_an_epoll_is_trimmed_where_its_table_has_another_file(tmp_path: Path) -> None:
    watches = [{"id": 9, "tfd": n} for n in (0, 1, 2)]
    epoll = {"id": 9, "type": EPOLL, "epfd": {"id": 9, "fown": NOBODY, "tfd": watches}}
    tasks = (Someone(10, files={0: 3, 1: 4, 2: 5, 3: 9}), Someone(11, 10, 10, files={0: 3, 1: 5, 3: 9}))
    with imported(tree(*tasks, files=(*(reg(n, f"/{n}") for n in (3, 4, 5)), epoll)), tmp_path / "x") as image:
        cuts = [cut for cut in image.plan_extract("task:11").cuts if cut.name == "epoll"]
        assert [cut.target for cut in cuts] == ["fd:10/1", "fd:10/2"]
        small = extracted(image, "task:11", cut={"epoll": "drop"})
        assert [w.tfd for f in small.items("files.img", "file_entry") if f.id == 9 for w in f.epfd.tfd] == [0]


MISTAKES: list[tuple[dict[str, str], str]] = [
    ({"pip": "drop"}, "no cuts are called 'pip'"),
    ({"pipe": "null"}, "pipe=null: policies are"),
    ({"pipe:99": "drop"}, "pipe:99 is no end of anything"),
    ({"unix": "drop", "pipe:70": "null"}, "'null' is not possible for pipe"),
    ({"file:4": "nonsense"}, "file:4=nonsense: policies are"),
]


@pytest.mark.parametrize(("cut", "reason"), MISTAKES)
def test_policies_that_do_not_fit(server: objref.Image, cut: dict[str, str], reason: str) -> None:
    with pytest.raises(objref.UsageError, match=reason):
        server.plan_extract("task:11", cut=cut)


# -- who is the root ----------------------------------------------------------------------------------------


def test_brothers_need_somebody_to_descend_from(server: objref.Image, tmp_path: Path) -> None:
    with pytest.raises(objref.CutError, match="parent"):
        server.extract("task:11", "task:12", dest=tmp_path / "no", cut=CUT)
    small = extracted(server, "task:12", "task:11", cut=CUT | {"parent": "adopt"})
    assert small.unsound() == []
    assert pstree(small)[OTHER] == (WORKER, WORKER, WORKER), "the leader of the group is the root"


def test_an_ancestor_that_is_asked_for_is_the_root(server: objref.Image) -> None:
    plan = server.plan_extract("task:13", "task:10", scope="alone", cut={"parent": "adopt"})
    assert plan.kept == ("task:10", "task:13")


def test_asked_for_twice_is_once(server: objref.Image) -> None:
    assert server.plan_extract("task:11", "task:13", "task:11").kept == ("task:11", "task:13")


def test_all_of_it_is_not_changed(server: objref.Image) -> None:
    small = extracted(server, "task:10")
    assert small.unsound() == []
    for name in ("pstree.img", "files.img"):
        assert small.files[name] == server["member"][f"images/{name}".encode()]


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_part_of_any_tree_is_one_that_criu_takes(tmp_path: Path, data: st.DataObject) -> None:
    tasks = [Someone(10)]
    for pid in range(11, 11 + data.draw(st.integers(0, 6))):
        parent = data.draw(st.sampled_from(tasks))
        leaders = [t.pid for t in tasks if t.sid in (0, t.pid)]
        gone = [5] if parent.pid == 10 else []
        sid = data.draw(st.sampled_from([pid, parent.sid or parent.pid, *leaders, *gone]))
        tasks.append(Someone(pid, parent.pid, sid, files=data.draw(HELD)))
    everything = [*(pipe(n, 70 + n // 2, n % 2) for n in range(10, 14)), *(unix(n, n, n ^ 1) for n in range(14, 18))]
    held = {number for t in tasks for number in t.files.values()}
    with imported(tree(*tasks, files=[f for f in everything if f["id"] in held]), tmp_path / "x.objref") as image:
        asked = data.draw(st.lists(st.sampled_from([t.pid for t in tasks]), min_size=1, max_size=3))
        policy = data.draw(st.sampled_from(["drop", "hold"]))
        scope = data.draw(st.sampled_from(["subtree", "alone"]))
        cut = {"parent": "adopt", "pipe": policy, "unix": policy}
        small = extracted(image, *(f"task:{pid}" for pid in asked), scope=scope, cut=cut)
    assert small.unsound() == []
    assert {t.pid for t in small.items("pstree.img", "pstree_entry")} >= set(asked)


HELD = st.dictionaries(st.integers(0, 5), st.integers(10, 17), max_size=4)


# -- images that contradict themselves ----------------------------------------------------------------------


def _without(name: str) -> Callable[[Folder], None]:
    return lambda folder: folder.files.pop(name)  # type: ignore[return-value]


def _lost_file(folder: Folder) -> None:
    folder.write("files.img", *(item(f"file:{e['id']}", "file_entry", e) for e in (reg(1, "/"), reg(2, "/bin/t"))))


def _twice(folder: Folder) -> None:
    folder.files["pstree.img"] += framed(
        message("pstree_entry", pid=WORKER, ppid=10, sid=10, pgid=10, threads=[WORKER])
    )


def _short_pages(folder: Folder) -> None:
    folder.files["pages-2.img"] = page(1)


def _same_pages(folder: Folder) -> None:
    folder.pagemap(GRANDCHILD, 2, {"vaddr": 0x1000, "compat_nr_pages": 2, "flags": PRESENT})


def _other_type(folder: Folder) -> None:
    folder.table(WORKER, (0, LOG, 2))


def _other_id(folder: Folder) -> None:
    wrong = reg(LOG, "/var/log", flags=1) | {"reg": {"id": 9, "name": "/var/log", "flags": 1}}
    folder.files["files.img"] = folder.files["files.img"].replace(  # type: ignore[union-attr]
        framed(message("file_entry", **reg(LOG, "/var/log", flags=1))), framed(message("file_entry", **wrong))
    )


def _overlap(folder: Folder) -> None:
    entry = {"vaddr": 0x1000, "compat_nr_pages": 1, "flags": PRESENT}
    folder.pagemap(WORKER, 2, entry, entry)


def _lazy(folder: Folder) -> None:
    folder.pagemap(WORKER, 2, {"vaddr": 0x1000, "compat_nr_pages": 1, "flags": 2})
    folder.pages(2, b"")


def _newer(folder: Folder) -> None:
    folder.files["pagemap-11.img"] += framed(b"\xfa\x3f\x05later")


WRONG: list[tuple[Callable[[Folder], None], tuple[str, ...]]] = [
    (_lost_file, ("fd:11/0", "file:3")),
    (_twice, ("task:11", "task:11~2")),
    (_short_pages, ("pagemap:11", "pages:2", "8192", "4096")),
    (_same_pages, ("pages-2.img",)),
    (_other_type, ("fd:11/0", "file:3")),
    (_other_id, ("file:3", "9")),
    (_overlap, ("pagemap:11", "entry 1", "0x1000")),
    (_lazy, ("pagemap:11", "page server")),
    (_newer, ("pagemap:11",)),
    (_without("inventory.img"), ("inventory.img",)),
    (_without("core-11.img"), ("task:11", "core:11")),
    (_without("mm-13.img"), ("task:13", "mm:13")),
    (_without("ids-11.img"), ("task:11", "ids:11")),
    (_without("fs-11.img"), ("task:11", "fs:11")),
    (_without("fdinfo-11.img"), ("ids:11", "fdtable:11")),
    (_without("pagemap-11.img"), ("task:11", "pagemap:11")),
    (_without("pages-2.img"), ("pagemap:11", "pages:2")),
    (_without("files.img"), ("files.img",)),
]


@pytest.mark.parametrize(("spoil", "named"), WRONG)
def test_what_contradicts_itself_is_named_and_nothing_is_left(
    spoil: Callable[[Folder], None], named: tuple[str, ...], tmp_path: Path
) -> None:
    folder = tree(*SERVER, files=FILES)
    spoil(folder)
    with imported(folder, tmp_path / "x.objref") as image:
        with pytest.raises(objref.FormatError) as error:
            image.extract("task:11", dest=tmp_path / "small", cut=CUT)
        assert all(name in str(error.value) for name in named), str(error.value)
    assert os.listdir(tmp_path) == ["x.objref"]


def test_a_loop_of_parents_is_named(tmp_path: Path) -> None:
    tasks = (Someone(10), Someone(11, 13, 10), Someone(12, 11, 10), Someone(13, 12, 10))
    with imported(tree(*tasks), tmp_path / "x.objref") as image, pytest.raises(objref.FormatError) as error:
        image.plan_extract("task:11")
    assert all(name in str(error.value) for name in ("task:11", "task:12", "task:13"))


def test_a_task_that_is_its_own_parent(tmp_path: Path) -> None:
    loop = tree(Someone(10), Someone(11, 11, 10))
    with imported(loop, tmp_path / "x.objref") as image, pytest.raises(objref.FormatError, match="task:11"):
        image.plan_extract("task:11")


REFUSED = [
    ("file:3", "CRIU restores tasks, nothing less"),
    ("mem:11", "a part of a task; CRIU restores whole tasks: extract task:11"),
    ("pipe:70", "a pipe; CRIU restores tasks"),
    ("member:images/pstree.img", "a member; CRIU restores tasks"),
]


@pytest.mark.parametrize(("name", "reason"), REFUSED)
def test_what_is_no_task_is_refused_with_the_reason(server: objref.Image, name: str, reason: str) -> None:
    with pytest.raises(objref.UsageError, match=reason):
        server.plan_extract(name)


def test_a_namespace_that_no_task_is_in_cannot_be_opened(tmp_path: Path) -> None:
    opened = {"id": 9, "type": 14, "nsf": {"id": 9, "ns_id": 77}}
    folder = tree(Someone(10), Someone(11, 10, files={0: 9}), files=[opened])
    ids = {"vm_id": 10, "files_id": 10, "fs_id": 10, "uts_ns_id": 77}
    folder.write("ids-10.img", item("ids:10", "task_kobj_ids_entry", ids))
    folder.write("utsns-77.img", item("utsns:77", "utsns_entry", {"nodename": "n"}))
    with imported(folder, tmp_path / "x.objref") as image:
        with pytest.raises(objref.UsageError, match=r"file:9 is namespace 77.*Extract task:10"):
            image.plan_extract("task:11", cut={"session": "new"})
        assert image.plan_extract("task:10").kept == ("task:10", "task:11")


def test_what_is_in_flight_to_a_peer_that_is_held_comes_along(tmp_path: Path) -> None:
    """A file in a message in the queue of a socket that only the master had."""
    folder = tree(*SERVER, files=(*FILES, reg(9, "/in/flight")))
    packet = {"id_for": TWO, "length": 2, "scm": [{"type": 1, "rights": [9]}]}
    folder.write("sk-queues.img", item("sk-packet:0", "sk_packet_entry", packet, b"hi"))
    with imported(folder, tmp_path / "x.objref") as image:
        small = extracted(image, "task:11", cut={"pipe": "drop", "unix": "hold"})
    assert small.unsound() == []
    assert 9 in files(small)
    assert small.files["sk-queues.img"].endswith(b"hi")


def test_what_is_not_there_is_not_found(server: objref.Image) -> None:
    with pytest.raises(objref.NotFoundError, match="nearest: task:11, task:12, task:13"):
        server.plan_extract("task:14")


def test_a_dump_that_is_not_the_first_of_its_archive(tmp_path: Path) -> None:
    first, second = tree(Someone(10)), tree(*SERVER, files=FILES)
    first.name, second.name = "a", "b"
    objref.import_image(io.BytesIO(archive(members_of([first, second]))), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        assert image.layers == ["a", "b"]
        plan = image.plan_extract("1/task:11", cut=CUT)
        assert {cut.target for cut in plan.cuts} == {"1/task:10", "1/pipe:70", "1/file:7"}
        assert extracted(image, "1/task:11", cut=CUT).unsound() == []
        with pytest.raises(objref.UsageError, match="different layers"):
            image.plan_extract("task:10", "1/task:11")


# -- how it is written --------------------------------------------------------------------------------------


def test_the_same_extract_is_the_same_bytes_in_every_form(server: objref.Image, tmp_path: Path) -> None:
    plan = server.plan_extract("task:11", cut=CUT)
    from objref.extracting import extract_image

    for name in ("small", "small.tar", "small.objref"):
        extract_image(server, plan, tmp_path / name)
    extract_image(server, plan, tmp_path / "again.objref")
    assert (tmp_path / "again.objref").read_bytes() == (tmp_path / "small.objref").read_bytes()
    expected = extracted(server, "task:11", cut=CUT).files
    assert {path.name: path.read_bytes() for path in (tmp_path / "small").iterdir()} == expected
    with tarfile.open(tmp_path / "small.tar") as archive:
        archive.extractall(tmp_path / "tar", filter="data")
    assert {path.name: path.read_bytes() for path in (tmp_path / "tar").iterdir()} == expected
    with objref.open(tmp_path / "small.objref") as image:
        assert image["mem:11"].read(*image["mem:11"].ranges[0]) == page(1100) + page(1101)
        assert image.notes() == []
        assert extracted(image, "task:11").files == expected, "an extract of an extract"


def test_a_destination_in_use_is_left_alone(server: objref.Image, tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "mine").write_text("x")
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "used.tar").write_text("x")
    for name in ("used", "link", "used.tar"):
        with pytest.raises(objref.UsageError):
            server.extract("task:11", dest=tmp_path / name, cut=CUT)
    assert (tmp_path / "used" / "mine").read_text() == (tmp_path / "used.tar").read_text() == "x"
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_made_is_private(server: objref.Image, tmp_path: Path) -> None:
    server.extract("task:11", dest=tmp_path / "small", cut=CUT)
    modes = {path.stat().st_mode & 0o777 for path in (tmp_path / "small").iterdir()}
    assert modes == {0o600}
    assert (tmp_path / "small").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["small", "small.tar", "small.objref"])
def test_damage_that_shows_while_writing_leaves_nothing(tmp_path: Path, name: str) -> None:
    image = tmp_path / "x.objref"
    imported(tree(*SERVER, files=FILES), image).close()
    with objref.open(image) as whole:
        section = next(s for s in whole.container.sections.values() if s.role == PAGES)
        piece = whole.container.find_piece(section.id, 0)
    data = bytearray(image.read_bytes())
    for at in range(piece.offset, piece.offset + 40):
        data[at] ^= 0xFF
    image.write_bytes(data)
    with objref.open(image) as damaged:
        plan = damaged.plan_extract("task:11", cut=CUT)
        assert plan.files, "of the pages nothing is read before they are written"
        with pytest.raises(objref.FormatError):
            damaged.extract("task:11", dest=tmp_path / name, cut=CUT)
    assert os.listdir(tmp_path) == ["x.objref"]


def test_a_pages_file_of_less_than_a_page(tmp_path: Path) -> None:
    folder = small()
    folder.files["pages-1.img"] = b"x"
    with imported(folder, tmp_path / "x.objref") as image, pytest.raises(objref.FormatError, match="pages:1 has 1"):
        extracted(image, "task:10")


def test_a_dump_of_one_task_is_the_task(tmp_path: Path) -> None:
    with imported(small(), tmp_path / "x.objref") as image:
        result = extracted(image, "task:10")
        assert result.unsound() == []
        assert result.files["files.img"] == image["member"][b"images/files.img"]


def test_version_1_headers_are_kept(tmp_path: Path) -> None:
    with imported(small(version=1), tmp_path / "x.objref") as image:
        result = extracted(image, "task:10")
        assert result.files["pstree.img"] == image["member"][b"images/pstree.img"]


# -- the worst ----------------------------------------------------------------------------------------------


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_changed_bytes_of_a_dump_give_an_error_or_an_extract(tmp_path: Path, data: st.DataObject) -> None:
    folder = tree(*SERVER, files=FILES)
    name = data.draw(st.sampled_from(sorted(folder.files)))
    content = bytearray(folder.files[name])  # type: ignore[arg-type]
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] = data.draw(st.integers(0, 255))
    folder.files[name] = bytes(
        content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content
    )
    with imported(folder, tmp_path / "x.objref") as image, contextlib.suppress(objref.ObjrefError):
        image.extract("task:11", dest=io.BytesIO(), cut=CUT)


@given(st.data())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_of_the_image_never_gives_another_extract(tmp_path: Path, data: st.DataObject) -> None:
    image = tmp_path / "whole.objref"
    if not image.exists():
        imported(tree(*SERVER, files=FILES), image).close()
    content = bytearray(image.read_bytes())
    with objref.open(bytes(content)) as whole:
        expected = extracted(whole, "task:11", cut=CUT).files
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    try:
        with objref.open(bytes(content)) as flipped:
            assert extracted(flipped, "task:11", cut=CUT).files == expected
    except objref.ObjrefError:
        pass


# -- real images --------------------------------------------------------------------------------------------

SAMPLES = Path(__file__).resolve().parents[1] / "images"
CORPUS = Path(os.environ.get("OBJREF_CORPUS", SAMPLES))
REAL = sorted({*SAMPLES.glob("*.tar.zst"), *CORPUS.glob("*.tar.zst")})
EASY = {
    "parent": "adopt", "pipe": "hold", "fifo": "drop", "unix": "drop", "epoll": "drop", "terminal": "drop",
    "tcp": "keep", "pidfd": "drop",
}  # fmt: skip


@pytest.mark.parametrize("path", [path for path in REAL if "files" not in path.name and "image" not in path.name])
def test_every_task_of_a_real_image_by_itself_and_with_its_descendants(path: Path, tmp_path: Path) -> None:
    objref.import_image(path, tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        tasks = [task.objref for task in image.objects("task")]
        assert tasks
        for scope in ("subtree", "alone"):
            for task in tasks:
                first = ["task:1"] if "task:1" in tasks else []  # of a container: its first process must come along
                small = extracted(image, *first, task, scope=scope, cut=EASY)
                assert small.unsound() == []


@pytest.mark.parametrize("path", [path for path in REAL if path.name in ("shell-pipeline.tar.zst", "tree.tar.zst")])
def test_an_extract_of_an_extract_is_the_same(path: Path, tmp_path: Path) -> None:
    """Nothing is kept that nobody refers to, such as the path of a terminal that became /dev/null."""
    objref.import_image(path, tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        for task in [task.objref for task in image.objects("task")]:
            _check_fixed(image, tmp_path / f"{task}.objref", task)


def _check_fixed(image: objref.Image, dest: Path, *tasks: str) -> Any:
    cut = EASY | {"terminal": "null"}
    small = extracted(image, *tasks, cut=cut)
    image.extract(*tasks, dest=dest, cut=cut)
    with objref.open(dest) as again:
        assert extracted(again, *tasks, cut=cut).files == small.files
    return small


def _tty(number: int, info: int) -> dict[str, Any]:
    fields = {"id": number, "tty_info_id": info, "flags": 2, "fown": NOBODY, "regf_id": PATH}
    return {"id": number, "type": TTY, "tty": fields}


PATH, SLAVE, OTHER_END = 33, 34, 35


@pytest.mark.parametrize("also_open", [False, True])
def test_a_terminal_that_became_null_leaves_nothing(also_open: bool, tmp_path: Path) -> None:
    """Of the pty nothing is kept, nor the path by which it was opened, unless that is open for itself, too."""
    worker = {0: SLAVE} | ({5: PATH} if also_open else {})
    tasks = (Someone(MASTER, files={0: OTHER_END}), Someone(WORKER, MASTER, MASTER, files=worker))
    folder = tree(*tasks, files=(reg(PATH, "/dev/pts/0"), _tty(SLAVE, 2), _tty(OTHER_END, 3)))
    folder.write(
        "tty-info.img", *(item(f"tty:{number}", "tty_info_entry", {"id": number, "type": 1}) for number in (2, 3))
    )
    folder.write("tty-data.img", item("tty-data:2", "tty_data_entry", {"tty_id": 2, "data": b"typed"}))
    with imported(folder, tmp_path / "x.objref") as image:
        small = _check_fixed(image, tmp_path / "small.objref", "task:11")
    assert not {"tty-info.img", "tty-data.img"} & set(small.files)
    assert (PATH in files(small)) == also_open
    assert [f.reg.name for f in small.items("files.img", "file_entry")][-1] == "/dev/null"


def test_the_page_names_every_class_with_its_policies_and_its_default() -> None:
    from objref.dialects.criu.extract.cuts import KINDS

    page = (Path(__file__).resolve().parents[2] / "docs" / "extract.md").read_text().split("## linux-cr")[0]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| ([^|]*) \|$", page, re.M))
    assert set(rows) == set(KINDS)
    for name, kind in KINDS.items():
        assert f"**`{kind.default}`**" in rows[name], name
        assert all(f"`{policy}`" in rows[name] for policy in kind.policies), name
