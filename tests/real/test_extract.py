"""Some tasks of a dump, alone: extracted, restored by the stock CRIU, and asked what they still have.

The tests that begin with `naive` edit the image by hand, as one would without objref, and show what CRIU makes of that:
they are why extract does what it does.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import crew as c
import harness
import pytest

import objref

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def crew(tmp_path_factory: pytest.TempPathFactory) -> c.Crew:
    """A dump of all of them, imported once: every extract of this file comes out of that one image."""
    return c.Crew(tmp_path_factory.mktemp("crew"))


# -- a task with what is its own ----------------------------------------------------------------------------


def test_threads_files_deleted_files_locks_and_queued_bytes_come_along(crew: c.Crew) -> None:
    found = crew.alone("files")
    assert found.problems() == ""
    assert found.verdict["files"] == {
        "lock": True, "offset": 1234, "deleted": True, "pipe": "in my own pipe", "again": "written",
    }  # fmt: skip
    pid = crew.pids["files"]
    assert found.processes == {str(pid): ["S", pid]}, "alone, and the leader of a session"


def test_a_worker_of_a_server_goes_on_serving(crew: c.Crew) -> None:
    found = crew.alone("server")
    assert found.problems() == ""
    assert found.answer is not None
    assert found.answer["pid"] == crew.pids["server"]
    assert found.answer["count"] > found.before["server"]["count"]


def test_shared_memory_and_memfds_are_filled_by_who_is_left(crew: c.Crew) -> None:
    found = crew.alone("shared")
    assert found.problems() == ""
    assert found.verdict["shared"] == {"shared": True, "memfd": True}


def test_a_subtree_with_a_session_a_zombie_and_an_orphan(crew: c.Crew) -> None:
    made = crew.extract("leader")
    found = crew.revive(made, "leader", "left", "right", "orphan")
    assert found.problems() == ""
    assert sorted(state for state, _ in found.processes.values()) == ["S", "S", "S", "S", "Z"]
    left, right = (found.after[name]["passed"] - found.before[name]["passed"] for name in ("left", "right"))
    assert left > 0
    assert right > 0, "the pipe between them goes on"
    assert found.after["right"]["ppid"] == crew.pids["leader"]


def test_one_image_serves_three_extracts_at_once_each_restored_by_itself(crew: c.Crew) -> None:
    words = [*c.OBJREF, "extract", str(crew.image), crew.task("files"), "--quiet", "-o"]
    running = [subprocess.Popen([*words, str(crew.bind / f"copy-{n}")]) for n in range(2)]
    made = crew.extract("files", to="itself")
    assert [one.wait(20) for one in running] == [0, 0]
    copies = [made.folder, *(crew.bind / f"copy-{n}" for n in range(2))]
    contents = [{p.name: p.read_bytes() for p in one.iterdir()} for one in copies]
    assert contents[0] == contents[1] == contents[2]
    for one in copies:
        assert c.revive(crew.bind, c.restores(one.name, "--file-locks"), "files").problems() == ""


def test_even_all_of_it_goes_on_where_the_whole_image_does_not(crew: c.Crew) -> None:
    whole = c.revive(crew.bind, c.restores("images", "--file-locks"), "master")
    assert whole.status != 0
    assert any("Can't find a session leader" in line for line in whole.errors)
    made = crew.extract("master")
    assert "session=new" in made.said
    assert crew.revive(made, *c.ALL).problems() == ""


# -- pipes --------------------------------------------------------------------------------------------------

WRITES = {"drop": "EPIPE", "hold": "written"}
READS = {"drop": "end", "hold": "again"}


@pytest.mark.parametrize("policy", WRITES)
def test_a_pipe_without_readers(crew: c.Crew, policy: str) -> None:
    found = crew.alone("writer", cut=f"pipe={policy}")
    assert found.problems() == ""
    assert found.verdict["writer"] == {"write": WRITES[policy]}


@pytest.mark.parametrize("policy", READS)
def test_a_pipe_without_writers_keeps_what_was_queued(crew: c.Crew, policy: str) -> None:
    found = crew.alone("reader", cut=f"pipe={policy}")
    assert found.problems() == ""
    assert found.verdict["reader"] == {"first": "queued by the master", "then": READS[policy]}


def test_a_pipe_that_the_caller_of_criu_reads(crew: c.Crew) -> None:
    made = crew.extract("writer", cut="pipe=external")
    assert "descriptor 3, open for writing" in made.said
    found = crew.revive(made, "writer", inherit="writing")
    assert found.problems() == ""
    assert found.heard == "hello from the writer\n"


def test_a_pipe_that_the_caller_of_criu_writes_to_does_not_get_what_was_queued(crew: c.Crew) -> None:
    said, _ = c.refused("extract", crew.image, crew.task("reader"), "-o", crew.bind / "no", "--cut", "pipe=external")
    assert "20 bytes queued" in said
    made = crew.extract("reader", cut="pipe=external,in-flight=drop")
    found = crew.revive(made, "reader", inherit="reading")
    assert found.problems() == ""
    assert found.verdict["reader"]["first"] == "from outside"


def test_a_pipe_that_is_cut_is_named_and_nothing_is_written(crew: c.Crew) -> None:
    said, complaint = c.refused("extract", crew.image, crew.task("writer"), "-o", crew.bind / "no")
    assert "cut pipe=fail: file:" in said
    assert "would get SIGPIPE" in said
    assert "--cut pipe=drop|hold|external" in complaint
    assert not (crew.bind / "no").exists()


def test_naive_a_pipe_that_nobody_holds_crashes_criu(crew: c.Crew) -> None:
    made = crew.extract("files")
    naive = c.copy_of(made.folder, "naive")
    shutil.copy(crew.bind / "images" / "files.img", naive)
    found = c.revive(crew.bind, c.restores("naive", "--file-locks"), "files")
    assert found.status != 0
    assert any("Empty list on file desc id" in line for line in found.errors)
    assert any("killed by signal 11" in line for line in found.errors)


def test_naive_without_pipes_data_the_bytes_are_lost_without_a_word(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("files").folder, "naive")
    (naive / "pipes-data.img").unlink()
    found = c.revive(crew.bind, c.restores("naive", "--file-locks"), "files")
    assert found.problems() == ""
    assert found.verdict["files"]["pipe"] == "again"


# -- sockets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("policy", "then", "write"), [("drop", "end", "EPIPE"), ("hold", "again", "written")])
def test_a_stream_socket_without_its_peer(crew: c.Crew, policy: str, then: str, write: str) -> None:
    found = crew.alone("stream", cut=f"unix={policy}")
    assert found.problems() == ""
    assert found.verdict["stream"] == {"first": "words", "then": then, "write": write}


@pytest.mark.parametrize(("policy", "write"), [("drop", "ENOTCONN"), ("hold", "written")])
def test_a_datagram_socket_without_its_peer(crew: c.Crew, policy: str, write: str) -> None:
    found = crew.alone("datagrams", cut=f"unix={policy}")
    assert found.problems() == ""
    assert found.verdict["datagrams"] == {"zeroth": "one", "first": "two", "then": "again", "write": write}


def test_naive_criu_refuses_a_socket_whose_peer_is_gone(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("stream", cut="unix=drop").folder, "naive")
    kept = {item.id for item in _items(naive / "files.img", "file_entry")}
    shutil.copy(crew.bind / "images" / "files.img", naive)
    c.edit(naive / "files.img", "file_entry", lambda item: item if item.id in kept else None)
    found = c.revive(crew.bind, c.restores("naive"), "stream")
    assert found.status != 0
    assert any("unix: FATAL: Peer" in line for line in found.errors)


def test_naive_without_sk_queues_the_messages_are_lost_without_a_word(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("stream", cut="unix=drop").folder, "naive")
    (naive / "sk-queues.img").unlink()
    found = c.revive(crew.bind, c.restores("naive"), "stream")
    assert found.problems() == ""
    assert found.verdict["stream"]["first"] == "end"


# -- epoll, terminals, processes ----------------------------------------------------------------------------


def test_an_epoll_watches_what_is_left(crew: c.Crew) -> None:
    found = crew.alone("epoller", cut="epoll=drop")
    assert found.problems() == ""
    assert found.verdict["epoller"] == {"events": 1, "of_event": True}


def test_naive_criu_refuses_an_epoll_that_watches_what_is_gone(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("epoller", cut="epoll=drop").folder, "naive")
    kept = {item.id for item in _items(naive / "files.img", "file_entry")}
    shutil.copy(crew.bind / "images" / "files.img", naive)
    c.edit(naive / "files.img", "file_entry", lambda item: item if item.id in kept else None)
    found = c.revive(crew.bind, c.restores("naive"), "epoller")
    assert found.status != 0
    assert any("Can't add event" in line for line in found.errors)


@pytest.mark.parametrize(("policy", "write"), [("drop", "EIO"), ("null", "written")])
def test_a_terminal_whose_master_is_gone(crew: c.Crew, policy: str, write: str) -> None:
    found = crew.alone("terminal", cut=f"terminal={policy}")
    assert found.problems() == ""
    assert found.verdict["terminal"] == {"write": write, "terminal": False}


def test_a_pidfd_of_a_process_that_is_left_out_says_that_it_ended(crew: c.Crew) -> None:
    found = crew.alone("watcher", cut="pidfd=drop")
    assert found.problems() == ""
    assert found.verdict["watcher"]["ended"] is True


def test_signals_of_a_descriptor_go_nowhere_when_their_receiver_is_left_out(crew: c.Crew) -> None:
    found = crew.alone("owned")
    assert found.problems() == ""
    assert found.verdict["owned"]["owner"] == 0


# -- sessions and parents -----------------------------------------------------------------------------------


def test_naive_a_root_of_a_session_that_nobody_leads_hangs(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("server").folder, "naive")

    def as_it_was(item: Any) -> Any:
        item.sid = item.pgid = crew.pids["master"]
        return item

    c.edit(naive / "pstree.img", "pstree_entry", as_it_was)
    assert c.revive(crew.bind, c.restores("naive"), "server", seconds=1.5).status == "hangs"


def test_brothers_go_on_piping_without_their_parent(crew: c.Crew) -> None:
    found = crew.alone("tick", "tock", cut="parent=adopt")
    assert found.problems() == ""
    assert found.after["tock"]["passed"] > found.before["tock"]["passed"]
    assert found.after["tock"]["ppid"] == crew.pids["tick"]
    assert found.after["tock"]["pgid"] == crew.pids["tick"], "still one group"


def test_brothers_join_the_session_of_a_shell(crew: c.Crew) -> None:
    made = crew.extract("tick", "tock", cut="parent=adopt,session=shell-job")
    assert "--shell-job" in made.words
    found = crew.revive(made, "tick", "tock")
    assert found.problems() == ""
    sids = {found.after[name]["sid"] for name in ("tick", "tock")}
    assert len(sids) == 1
    assert not sids & set(crew.pids.values())


def test_naive_criu_takes_one_root_only(crew: c.Crew) -> None:
    naive = c.copy_of(crew.extract("tick", "tock", cut="parent=adopt").folder, "naive")

    def orphaned(item: Any) -> Any:
        item.ppid = 0
        return item

    c.edit(naive / "pstree.img", "pstree_entry", orphaned)
    found = c.revive(crew.bind, c.restores("naive"), "tick")
    assert found.status != 0
    assert any("Parent missed on non-root task" in line for line in found.errors)


def test_a_task_without_its_descendants(crew: c.Crew) -> None:
    found = crew.alone("leader", flags=("--alone",))
    assert found.problems() == ""
    assert set(found.processes) == {str(crew.pids["leader"])}


def test_what_criu_cannot_restore_is_refused_before_it_is_asked(crew: c.Crew) -> None:
    with objref.open(crew.image) as image:
        files = image[crew.task("files")]
        thread = next(r.target_objref for r in files.references if r.role == "thread")
        states = {name: image[name.replace("task", "core")].decode()["tc"]["task_state"] for name in _tasks(image)}
        zombie = next(name for name, state in states.items() if state != "Alive")
        reasons = {
            thread: f"a thread; CRIU restores whole tasks: extract {files.objref}",
            next(image.objects("file")).objref: "CRIU restores tasks, nothing less",
            zombie: "is dead (a zombie)",
        }
        for name, reason in reasons.items():
            with pytest.raises(objref.UsageError, match=re.escape(reason)):
                image.extract(name, dest=crew.bind / "no")
    assert not (crew.bind / "no").exists()


# -- forms, layers, a shell ---------------------------------------------------------------------------------


def test_an_extract_as_a_tar_and_as_an_image_of_its_own(crew: c.Crew) -> None:
    made = crew.extract("files")
    small = crew.bind / "small.objref"
    c.objref("extract", crew.image, crew.task("files"), "-o", small, "--force")
    assert small.stat().st_size < crew.image.stat().st_size
    archive = subprocess.run([*c.OBJREF, "extract", crew.image, crew.task("files"), "-o", "-"], capture_output=True,
                             check=True, timeout=20)  # fmt: skip
    for name, command, given in (
        ("from-tar", ["tar", "-xf", "-", "-C", crew.bind / "from-tar"], archive.stdout),
        ("from-image", [*c.OBJREF, "export", small, "--as", "directory", "-o", crew.bind / "from-image"], None),
    ):
        (crew.bind / name).mkdir()
        subprocess.run(command, input=given, check=True, timeout=20, stdout=subprocess.DEVNULL)
        assert harness.run_limited(["diff", "-r", made.folder, crew.bind / name], 20).returncode == 0
        assert c.revive(crew.bind, c.restores(name, "--file-locks"), "files").problems() == ""


def test_a_task_of_a_chain_is_flattened(tmp_path: Path) -> None:
    chain = harness.unpack_sample("predump", tmp_path)
    image = tmp_path / "chain.objref"
    c.objref("import", chain / "2", "-o", image)
    whole = c.extract(image, tmp_path / "whole", "task:100")
    assert not list(whole.folder.glob("parent"))
    assert harness.restore_and_check(tmp_path, whole.folder).problems() == []
    made = c.extract(image, tmp_path / "child", "task:101")
    found = c.inside(
        tmp_path, "revive", words=made.words, names=["child"], inherit="", seconds=30, dir="tree", count="private"
    )
    assert found["status"] == 0, found
    assert found["after"]["child"]["memory"] is True
    assert found["after"]["child"]["secret"] == harness.SECRET


def test_a_pipeline_of_a_shell_goes_on_without_the_shell(tmp_path: Path) -> None:
    said = c.inside(tmp_path, "shell", folder="images")
    assert said["status"] == 0, said
    c.objref("import", tmp_path / "images", "-o", tmp_path / "shell.objref")
    tasks = [f"task:{pid}" for pid in said["pids"]]
    made = c.extract(tmp_path / "shell.objref", tmp_path / "pipeline", *tasks, cut="parent=adopt")
    found = c.inside(tmp_path, "pipeline", words=made.words)
    assert found["status"] == 0, found
    assert found["lines"], "nothing came through the pipeline any more"
    assert set(found["lines"]) == {"tock"}
    assert found["shell"] is False


def test_tasks_in_namespaces_of_their_own(tmp_path: Path) -> None:
    """Host name and System V namespaces, which the restored child is in, too."""
    crew = c.Crew(tmp_path, around=("unshare", "--uts", "--ipc"))
    made = crew.extract("files")
    assert list(made.folder.glob("utsns-*.img"))
    assert crew.revive(made, "files").problems() == ""


def _items(path: Path, message: str) -> list[Any]:
    found: list[Any] = []
    c.edit(path, message, lambda item: found.append(item) or item)
    return found


def _tasks(image: objref.Image) -> list[str]:
    return [task.objref for task in image.objects("task")]
