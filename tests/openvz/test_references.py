"""Positions, indexes and ids become references; loops are no trouble, what names nothing is said."""

from __future__ import annotations

import pytest

from openvz.collecting import collect
from openvz.making import FLAVOURS, NONE, NULL, PAGE, Flavour, Maker, page, scene


def test_a_task_names_all_that_it_uses() -> None:
    made = scene()
    w = made.where
    named = collect(made.data).references(w["task0"])
    assert {n for n in named if n[0] != "part"} == {
        ("mm", "pos", w["mm0"]), ("files", "pos", w["files"]), ("fs", "pos", w["fs"]), ("signal", "pos", w["signal0"]),
        ("sighand", "pos", w["sighand"]), ("namespace", "pos", w["namespace"]), ("undo", "pos", w["undo"]),
        ("beancounter", "pos", w["ubc"]), ("parent", "pid", 101), ("leader", "pid", 100), ("group", "pid", 100),
        ("session", "pid", 100), ("mem", "mem", w["mm0"]), ("timers", "pos", w["timers"]),
    }  # fmt: skip


def test_a_tracer_that_is_the_child_of_its_tracee() -> None:
    made = scene()
    found = collect(made.data)
    assert ("parent", "pid", 101) in found.references(made.where["task0"])
    assert ("real-parent", "pid", 100) in found.references(made.where["task1"])
    assert found.find("pid", 101).key == made.where["task1"]


@pytest.mark.parametrize("flavour", FLAVOURS, ids=lambda f: f.name)
def test_a_unix_socket_queued_in_itself(flavour: Flavour) -> None:
    made = scene(flavour)
    found, w = collect(made.data), made.where
    assert ("file", "pos", w["socket-file"]) in found.references(w["socket"])
    assert ("part", "pos", w["skb"]) in found.references(w["socket"])
    assert ("owner", "socket-index", 7) in found.references(w["skb"])
    assert ("part", "pos", w["in-flight"]) in found.references(w["skb"])
    assert ("file", "pos", w["socket-file"]) in found.references(w["in-flight"])
    assert found.references(w["socket-file"]) == [("socket", "socket-index", 7)]
    assert found.find("socket-index", 7).key == w["socket"]
    assert ("peer", "socket-index", 7) in found.references(w["socket"])
    assert bool(found.references(w["socket"], "mount")) == (flavour.version >= 0x800)


def test_signals_stand_in_the_last_thread_of_a_group_and_ahead_of_the_others() -> None:
    made = scene()
    found, w = collect(made.data), made.where
    assert w["signal1"] == w["signal2"] > w["task2"] > w["task1"]
    assert ("signal", "pos", w["signal1"]) in found.references(w["task1"])
    assert ("part", "pos", w["signal1"]) in found.references(w["task2"])
    assert ("leader", "pid", 101) in found.references(w["task2"])
    assert not found.notes


def test_a_file_whose_owner_maps_it() -> None:
    """file -> owner -> memory -> area -> the file. Who owns no descriptor gets no signals."""
    made = scene()
    found, w = collect(made.data), made.where
    assert ("process", "pid", 100) in found.references(w["file0"])
    assert found.find("pid", 100).key == w["task0"]
    assert ("mm", "pos", w["mm0"]) in found.references(w["task0"])
    assert ("part", "pos", w["vma0"]) in found.references(w["mm0"])
    assert ("file", "pos", w["file0"]) in found.references(w["vma0"])
    assert found.references(w["file1"], "process") == []


def test_a_task_names_its_memory_only_when_there_is_some() -> None:
    m = Maker()
    m.section(4)
    empty = m.leaf("MM", 1)
    full = m.begin("MM", 1)
    m.pages(PAGE, page(1))
    m.end()
    m.end()
    m.section(3)
    tasks = [m.leaf("TASK", 1, o96=("Q", mm)) for mm in (empty, full, NULL, 96 + 1)]
    m.end()
    found = collect(m.finish())
    assert [found.references(task, "mem") for task in tasks] == [[], [("mem", "mem", full)], [], []]
    assert [note.what for note in found.notes] == ["dangling"]


def test_large_objects_have_their_indexes_too() -> None:
    """Streamed ones: a table of 2000 descriptors, a task with 400 signals waiting."""
    m = Maker()
    m.section(5)
    table = m.begin("FILES", 1, o16=("I", 9))
    for fd in range(2000):
        m.leaf("FILEDESC", o16=("I", fd))
    m.end()
    m.end()
    m.section(3)
    task = m.begin("TASK", 1, o104=("Q", table), o176=("I", 77), o215=("B", 1))
    for _ in range(400):
        m.leaf("SIGINFO")
    m.end()
    m.end()
    m.wide = 1
    found = collect(m.finish())
    assert not found.notes
    assert found.find("files-index", 9).key == table
    assert found.find("pid", 77).key == task
    assert ("files", "pos", table) in found.references(task)
    assert len(found.references(table, "part")) == 2000


def test_the_private_field_of_files_means_what_the_mode_says() -> None:
    made = scene()
    found, w = collect(made.data), made.where
    assert ("tty", "pos", w["tty"]) in found.references(w["tty-file"])
    assert found.references(w["tty-file"], "socket") == []
    assert [r for r in found.references(w["epoll-file"]) if r[0] != "part"] == []
    assert found.references(w["ref"]) == [("target", "pos", w["tty"])]


def test_mounts() -> None:
    made = scene()
    found, w = collect(made.data), made.where
    assert ("cgroup", "cgroup-index", 1) in found.references(w["cgroup-mount"])
    assert ("parent-mount", "pos", w["mount"]) in found.references(w["tmpfs"])
    bind = [edge for edge in found.edges if edge[1] == "bind"]
    assert [edge[2:] for edge in bind] == [("pos", w["mount"])]


def test_cgroups_list_processes() -> None:
    made = scene()
    found, w = collect(made.data), made.where
    assert len(found.find("pos", w["cgroup-root"]).data) == 36
    assert found.references(w["cgroup-root"]) == []
    assert ("parent", "cgroup-index", 0) in found.references(w["cgroup"])
    assert [key for _, _, key in found.references(w["cgroup"], "process")] == [100, 101, 102, 103]


def test_locks_terminals_and_connections_by_index() -> None:
    made = scene()
    found, w = collect(made.data), made.where
    assert found.references(w["flock"]) == [("owner", "files-index", 0), ("process", "pid", 100)]
    assert found.find("files-index", 0).key == w["files"]
    assert ("link", "tty-index", 1) in found.references(w["tty"])
    assert any(edge[1:] == ("conntrack", "conntrack-index", 5) for edge in found.edges)


def test_positions_that_name_no_object() -> None:
    for target in (97, 192, 5000, (1 << 64) - 2):
        m = Maker()
        m.section(5)
        m.begin("FILES", 1, o16=("I", NONE))
        descriptor = m.leaf("FILEDESC", o24=("Q", target))
        m.end()
        m.end()
        found = collect(m.finish())
        assert found.references(descriptor) == [("file", "pos", target)]
        assert [(n.what, n.where) for n in found.notes] == [("dangling", f"pos:{descriptor:#x}")]
        assert ("pos", target) not in found.aliases


def test_a_position_that_names_another_kind() -> None:
    m = Maker()
    m.section(5)
    files = m.begin("FILES", 1)
    m.leaf("FILEDESC", o24=("Q", files))
    m.end()
    m.end()
    assert collect(m.finish()).what() == {"wrong-kind"}


def test_copies_in_a_loop_end() -> None:
    m = Maker()
    m.section(4)
    first, second = 96, 96 + 136 + 80 + 40
    for other in (second, first):
        mm = m.begin("MM", 1)
        m.begin("VMA", 1)
        m.leaf("COPYPAGES", o16=("Q", 4096), o24=("Q", 8192), o32=("Q", other))
        m.end()
        m.end()
    assert mm == second
    m.end()
    found = collect(m.finish())
    assert found.what() == {"copied"}
    assert found.find("mem", first).at == {}
