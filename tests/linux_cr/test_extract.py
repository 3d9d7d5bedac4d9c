"""Parts of linux-cr streams: shorter, and as the kernel would have written them."""

from __future__ import annotations

import io
import os
import random
import re
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linux_cr.collecting import Collected, collect
from linux_cr.crossing import World, Writer
from linux_cr.making import LAYOUTS, MACHINES, NO_PID, PAGE, ZERO, Maker, Shape, pid, scene
from linux_cr.test_examples import B

from objref.dialects.cuts import Cuts
from objref.dialects.linux_cr.extract import compose
from objref.dialects.linux_cr.extract.classes import CLASSES
from objref.dialects.linux_cr.extract.forest import Forest
from objref.dialects.linux_cr.extract.original import Original
from objref.dialects.plan import Plan, Request
from objref.errors import CutError, FormatError, NotFoundError, UnsupportedError, UsageError
from objref.image import Image, open_image
from objref.importer import import_image
from objref.verify import verify_image

DROP = {"parent": "adopt", "pipe": "drop", "fifo": "drop", "unix": "drop", "epoll": "drop", "terminal": "hold"}
KINDS = [layout for layout in LAYOUTS if layout != "rev4-early"]
"""Layouts of which everything can be made."""
TASKS = 5
MACHINES_OF = {"rev3": "x86_32", "rev5": "ppc64", "v23-rc1": "ppc32", "v23-rc2": "s390x"}


def image_of(data: bytes, folder: Path, name: str = "whole.objref") -> Image:
    import_image(io.BytesIO(data), folder / name, replace=True, partial="keep")
    return open_image(folder / name)


def bytes_of(plan: Plan) -> bytes:
    return b"".join(plan.files[0].chunks())


def extracted(image: Image, *names: str, scope: str = "subtree", cut: dict[str, str] | None = None) -> bytes:
    plan = image.plan_extract(*names, scope=scope, cut=DROP if cut is None else cut)  # type: ignore[arg-type]
    assert not plan.refused
    data = bytes_of(plan)
    assert plan.size == len(data)
    return data


def sound(data: bytes) -> Collected:
    """What is in it; nothing about it is odd, every reference leads somewhere."""
    got = collect([data])
    assert got.stream == data
    assert got.notes == []
    assert got.dangling == set()
    return got


def as_part(data: bytes, order: str) -> bytes:
    """With the flag that says that it is no whole container."""
    return data[:64] + struct.pack(order + "Q", 1) + data[72:]


# -- everything ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_all_tasks_are_the_stream(layout: str, machine: str, tmp_path: Path) -> None:
    """Taken as it is; and, record by record, written again as it was."""
    data = bytes(scene(layout, machine, TASKS).out)
    with image_of(data, tmp_path) as image:
        names = [found.objref for found in image["task"].objects()]
        assert extracted(image, *names) == data
        forest = Forest(Original(image), list(image["task"].objects()), "subtree")
        plan = compose(forest, Request(tuple(names)), Cuts({}, CLASSES))
        assert plan.cuts == ()
        assert bytes_of(plan) == as_part(data, MACHINES[machine][0])


# -- parts, against what a writer makes of them --------------------------------------------------------------


def case(seed: int, layout: str, machine: str, folder: Path, rich: bool = True) -> tuple[bytes, bytes] | None:
    """Some tasks of a random world: what extract makes of them, and what a writer does."""
    rng = random.Random(seed)
    world = World(seed, rng.randint(2, 8), rich)
    whole = Writer(world, world.tasks, layout, machine)
    data = whole.write()
    asked = [task.number for task in rng.sample(world.tasks, rng.randint(1, 2)) if task.leader is task]
    scope = rng.choice(["subtree", "alone"])
    part = world.part(asked, scope)
    if not part or part[0].zombie:
        return None
    with image_of(data, folder) as image:
        assert image.notes() == []
        got = extracted(image, *(f"task:{pid(n)}" for n in asked), scope=scope)
    want = Writer(world, part, layout, machine, whole).write()
    return got, want if len(part) == len(world.tasks) else as_part(want, whole.order)


@pytest.mark.parametrize("layout", KINDS)
def test_a_part_is_what_the_kernel_would_write(layout: str, tmp_path: Path) -> None:
    """Byte for byte, but for ids: they are those of the whole stream."""
    tried = 0
    for seed, machine in enumerate([*MACHINES] * 2):
        made = case(seed * 31 + len(layout), layout, machine, tmp_path)
        if made is not None:
            assert made[0] == made[1], seed
            sound(made[0])
            tried += 1
    assert tried > 4


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.sampled_from(KINDS), st.sampled_from(list(MACHINES)), st.booleans())
def test_any_part_of_any_tree(tmp_path: Path, seed: int, layout: str, machine: str, rich: bool) -> None:
    """The same objects with the same bytes and references, the same memory; the order may differ where it is free."""
    made = case(seed, layout, machine, tmp_path, rich)
    if made is None:
        return
    got, want = map(sound, made)
    assert sorted(got.objects) == sorted(want.objects)
    assert got.edges == want.edges
    assert got.memory == want.memory


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 1 << 32), st.sampled_from(KINDS))
def test_a_part_of_a_part_is_the_part(tmp_path: Path, seed: int, layout: str) -> None:
    """And imports, verifies, exports like any stream."""
    made = case(seed, layout, "x86_64", tmp_path)
    if made is None:
        return
    with image_of(made[0], tmp_path, "part.objref") as image:
        names = [found.objref for found in image["task"].objects()]
        forest = Forest(Original(image), list(image["task"].objects()), "subtree")
        assert bytes_of(compose(forest, Request(tuple(names)), Cuts(DROP, CLASSES))) == as_part(made[0], "<")
        assert image.dangling_count == 0
        assert b"".join(map(bytes, image.stream())) == made[0]
    assert verify_image(tmp_path / "part.objref").sound


# -- loops, and all that there is ---------------------------------------------------------------------------


@pytest.mark.parametrize(("layout", "machine"), [(layout, MACHINES_OF.get(layout, "x86_64")) for layout in LAYOUTS])
def test_each_task_of_a_scene_alone(layout: str, machine: str, tmp_path: Path) -> None:
    """Among them: one that is its own parent, two that are each other's, a user whose namespace it created itself, a
    socket that is its own peer and queued in itself."""
    maker = scene(layout, machine, TASKS)
    data = bytes(maker.out)
    before = collect([data])
    with image_of(data, tmp_path) as image:
        for k in range(1, TASKS + 1):
            got = sound(extracted(image, f"task:{pid(k)}", scope="alone"))
            me = f"task:{pid(k)}"
            assert [name for name, _ in got.objects if name.startswith("task:")] == [me]
            assert got.of(me) == before.of(me)
            for kind in ("file-table", "file", "cred", "user", "user-ns", "sock", "tty", "queue", "ipc-ns", "pipe"):
                for name, body in got.objects:
                    if name.startswith(f"{kind}:") and kind != "queue":
                        assert [body] == before.of(name)
            tree = {"parent", "leader", "group", "session", "pid"}
            mine = {edge for edge in got.edges if not edge[1].startswith(tuple(tree))}
            assert {edge[1] for edge in mine if edge[0] == "queue:0"} == {"sender", "receiver"}
            mine = {edge for edge in mine if not edge[0].startswith("queue:")}  # they are counted
            assert mine < before.edges
            assert {(source, role) for source, role, _ in mine if source == me} == {
                (source, role) for source, role, _ in before.edges if source == me and not role.startswith(tuple(tree))
            }
            for name, pages in got.memory.items():
                assert pages == before.memory[name]


def test_the_first_task_alone_is_what_would_have_been_written_of_it(tmp_path: Path) -> None:
    """Ids are counted as tasks come, so they are the same, too."""
    for layout in ("rev3", "rev5", "v20", "v23-rc1"):
        with image_of(bytes(scene(layout, tasks=4).out), tmp_path) as image:
            one = Maker(layout)
            one.leading([(1, 1)])
            one.task(1)
            one.tail()
            assert extracted(image, f"task:{pid(1)}", scope="alone") == as_part(bytes(one.out), "<")


def test_parents_that_are_each_others(tmp_path: Path) -> None:
    with image_of(bytes(scene(tasks=4).out), tmp_path) as image:
        plan = image.plan_extract(f"task:{pid(4)}")
        assert plan.kept == (f"task:{pid(3)}", f"task:{pid(4)}")
        got = sound(bytes_of(plan))
        assert (f"task:{pid(3)}", "parent", f"task:{pid(4)}") in got.edges
        assert (f"task:{pid(4)}", "parent", f"task:{pid(3)}") in got.edges


# -- the tree -----------------------------------------------------------------------------------------------


def entries(data: bytes, new: bool) -> list[tuple[int, ...]]:
    at = data.index(struct.pack("<II", 101 + new, 16))
    (n,) = struct.unpack_from("<I", data, at + 8)
    return [struct.unpack_from("<5iI", data, at + 24 + 24 * k) for k in range(n)]


def test_a_root_has_no_parent_and_the_table_of_pids_has_no_gaps(tmp_path: Path) -> None:
    with image_of(bytes(scene("v23-rc2", tasks=6).out), tmp_path) as image:
        data = extracted(image, f"task:{pid(3)}", f"task:{pid(4)}", scope="alone")
        # tags: 1 is the session's leader, who is left out; 3 and 4
        assert entries(data, True) == [(2, NO_PID, 2, 2, 1, 0), (3, 2, 3, 3, 1, 0)]
        got = sound(data)
        assert [bool(got.of(f"pid:{k}")) for k in (1, 2, 3, 4)] == [True, True, True, False]
    with image_of(bytes(scene("v20", tasks=6).out), tmp_path) as image:
        data = extracted(image, f"task:{pid(3)}", scope="alone")
        (note,) = (n for n in image.plan_extract(f"task:{pid(1)}", scope="alone").notes if "children" in n)
        assert note == f"task:{pid(1)} loses its children task:{pid(3)}, task:{pid(4)}"
        assert entries(data, False) == [(pid(3), 0, pid(3), pid(3), pid(1), 0)]


def test_pids_below(tmp_path: Path) -> None:
    """PIDS says how many numbers there are besides the first ones."""
    for k, deeper in ((2, 1), (3, 0)):
        with image_of(bytes(scene("v23-rc2", tasks=4).out), tmp_path) as image:
            data = extracted(image, f"pid:{k}", scope="alone")
        at = data.index(struct.pack("<II", 101, 24))
        assert struct.unpack_from("<III", data, at + 8) == (2, deeper, 1)
        assert struct.unpack_from("<II", data, at + 24) == (4, 8 + 8 * 2 + 4 * deeper)


def test_threads_come_along_and_are_no_roots(tmp_path: Path) -> None:
    maker = Maker("v20")
    maker.leading([(1, 0), (2, 1), (3, 1)])
    at = maker.out.index(maker.pack("II", 101, 16)) + 24
    struct.pack_into("<5i", maker.out, at + 48, pid(3), pid(1), pid(2), pid(2), pid(1))  # a thread of the second
    for k in (1, 2, 3):
        maker.task(k)
    maker.tail()
    with image_of(bytes(maker.out), tmp_path) as image:
        assert image.plan_extract(f"task:{pid(2)}", scope="alone").kept == (f"task:{pid(2)}", f"task:{pid(3)}")
        data = extracted(image, f"task:{pid(2)}")
        assert entries(data, False) == [
            (pid(2), 0, pid(2), pid(2), pid(1), 0), (pid(3), 0, pid(2), pid(2), pid(1), 0)
        ]  # fmt: skip
        with pytest.raises(UsageError, match=f"task:{pid(3)}: a thread.* extract task:{pid(2)}"):
            image.plan_extract(f"task:{pid(3)}")


def test_what_is_no_root(tmp_path: Path) -> None:
    maker = Maker("v20")
    maker.leading([(1, 0), (2, 1)])
    maker.task(1)
    maker.task(2, zombie=True)
    maker.tail()
    with image_of(bytes(maker.out), tmp_path) as image:
        with pytest.raises(UsageError, match="a zombie would be the root"):
            image.plan_extract(f"task:{pid(2)}")
        with pytest.raises(UsageError, match="a mm; restart makes tasks"):
            image.plan_extract(next(iter(image["mm"].objects())).objref)
        with pytest.raises(NotFoundError, match=f"nearest: task:{pid(1)}"):
            image.plan_extract("task:9")
        with pytest.raises(UsageError, match="no cuts are called"):
            image.plan_extract(f"task:{pid(1)}", cut={"pipes": "drop"})
    with image_of(bytes(scene("v23-rc2").out), tmp_path) as image:
        assert image.plan_extract("pid:1").kept == image.plan_extract(f"task:{pid(1)}").kept


# -- cuts ---------------------------------------------------------------------------------------------------


def linked(layout: str = "v23-rc1") -> bytes:
    """Two tasks with tables of their own: the ends of a pipe, a pair of sockets, a terminal; the second has a socket of
    the first in which something is queued."""
    maker = Maker(layout)
    maker.leading([(1, 0), (2, 1)])
    pipe, here, there = maker.id(), maker.id(), maker.id()
    ttys: list[int] = []
    full: list[int] = []

    def table() -> int:
        first = not full
        key = maker.objref("file-table")
        maker.record("FILE_TABLE", maker.pack("i", 4), 16)
        files = [maker.file(2, target=pipe, first=first)]
        files.append(maker.file(4, target=maker.sock(*((here, there) if first else (there, here)))))
        ttys.append(maker.tty(*ttys))
        files.append(maker.file(5, target=ttys[-1]))
        full.append(full[0] if full else maker.file(4, target=queued_in(maker)))
        for fd, file in enumerate([*files, full[0]]):
            maker.descriptor(key, fd, file)
        if first:
            maker.record("SOCKET_QUEUE", maker.pack("II", 1, 5))
            maker.record("SOCKET_BUFFER", length=104)
            maker.record("BUFFER", b"hello")
        return key

    maker.file_table = table  # type: ignore[method-assign]
    for k in (1, 2):
        maker.task(k)
    maker.tail()
    return bytes(maker.out)


def queued_in(maker: Maker) -> int:
    """A socket that says that something is queued in it."""
    key = maker.objref("sock")
    maker.record("SOCKET", b"\1", maker.socket_len)
    maker.record("SOCKET_UNIX", maker.pack("ii", key, 0), 256)
    return key


def cuts_of(plan: Plan) -> dict[str, str]:
    return {cut.name: cut.policy for cut in plan.cuts}


def test_links_to_who_is_left_out_are_listed_and_refused(tmp_path: Path) -> None:
    with image_of(linked(), tmp_path) as image:
        plan = image.plan_extract(f"task:{pid(2)}")
        assert cuts_of(plan) == {
            "session": "keep", "unix": "fail", "terminal": "fail", "queue": "fail"
        }  # fmt: skip
        assert all(cut.meaning and image.get(cut.source) and image.get(cut.target) for cut in plan.cuts)
        dest = tmp_path / "part.cr"
        with pytest.raises(CutError, match=r"--cut unix=drop\|hold .*nothing was written"):
            image.extract(f"task:{pid(2)}", dest=dest)
        assert not dest.exists()


def test_what_is_done_about_them(tmp_path: Path) -> None:
    cut = {"terminal": "hold", "queue": "drop"}
    with image_of(linked(), tmp_path) as image:
        socks = {claim.objref: claim.bytes for claim in image["sock"].objects()}
        one, two = "sock:2", "sock:3"
        dropped = sound(extracted(image, f"task:{pid(2)}", cut={**cut, "unix": "drop"}))
        assert {name for name, _ in dropped.objects if name.startswith("sock:")} == set(socks) - {one}
        assert not {edge for edge in dropped.edges if edge[1] == "peer"}
        held = sound(extracted(image, f"task:{pid(2)}", cut={**cut, two: "hold"}))
        assert held.edges >= {(two, "peer", one), (one, "peer", two)}
        (full,) = set(socks) - {one, two}
        assert socks[full][24] == 1
        assert held.of(full)[0][24] == 0  # nothing is queued in it
        assert not [name for name, _ in held.objects if name.startswith("queue:")]
        with pytest.raises(UsageError, match="is no end of anything that is cut"):
            image.plan_extract(f"task:{pid(2)}", cut={"file:77": "drop"})
        with pytest.raises(UsageError, match="not possible for terminal"):
            image.plan_extract(f"task:{pid(2)}", cut={"tty:9": "drop", **{f"tty:{k}": "drop" for k in range(99)}})


def test_a_queue_whose_socket_another_table_would_have_first(tmp_path: Path) -> None:
    """The first task, which is left out, wrote the table; the second has the socket in one of its own, the third has
    that table: so the socket would be written with another table than its queue."""
    maker = Maker("v23-rc1")
    maker.leading([(1, 0), (2, 1), (3, 1)])
    files: list[int] = []

    def table() -> int:
        key = maker.objref("file-table")
        first = not files
        maker.record("FILE_TABLE", maker.pack("i", 1), 16)
        if first:
            files.append(maker.file(4, target=queued_in(maker)))
        maker.descriptor(key, 0, files[0])
        if first:
            maker.record("SOCKET_QUEUE", maker.pack("II", 1, 5))
            maker.record("SOCKET_BUFFER", length=104)
            maker.record("BUFFER", b"hello")
        return key

    maker.file_table = table  # type: ignore[method-assign]
    maker.task(1)
    maker.task(2)
    maker.task(3, **{"file-table": maker.shared["file-table"]})
    maker.tail()
    with image_of(bytes(maker.out), tmp_path) as image:
        with pytest.raises(UnsupportedError, match="another table has it first now"):
            image.plan_extract(f"task:{pid(2)}", f"task:{pid(3)}", cut=DROP)
        got = sound(extracted(image, f"task:{pid(3)}"))
        assert len([name for name, _ in got.objects if name.startswith("queue:")]) == 1
        assert "queue" in cuts_of(image.plan_extract(f"task:{pid(2)}"))


def test_a_queue_where_the_fields_of_sockets_are_not_known(tmp_path: Path) -> None:
    with image_of(linked("v20"), tmp_path) as image:
        (queue,) = [cut for cut in image.plan_extract(f"task:{pid(2)}").cuts if cut.name == "queue"][:1]
        assert queue.choices == ("fail",)


def test_ends_of_pipes(tmp_path: Path) -> None:
    for mine, theirs, way in ((0, 1, "writes to"), (1, 0, "reads from"), (1, 1, ""), (2, 1, "")):
        maker = Maker("v20")
        maker.leading([(1, 0), (2, 1)])
        pipe = maker.id()
        for k, flags in ((1, theirs), (2, mine)):
            table = maker.objref("file-table")
            maker.record("FILE_TABLE", maker.pack("i", 1), 16)
            at = len(maker.out) + 16 + 16
            file = maker.file(2, target=pipe, first=k == 1)
            struct.pack_into("<I", maker.out, at, flags)
            maker.descriptor(table, 0, file)
            maker.task(k, **{"file-table": table})
        maker.tail()
        with image_of(bytes(maker.out), tmp_path) as image:
            plan = image.plan_extract(f"task:{pid(2)}", cut=DROP)
            assert [way in cut.meaning for cut in plan.cuts if cut.name == "pipe"] == [True] * bool(way)
            assert sound(bytes_of(plan)).of(f"pipe:{pipe}")  # what is queued comes along


def test_a_watch_of_a_file_that_nobody_has_any_more(tmp_path: Path) -> None:
    world = World(3, 2)
    epoll, there = next(f for f in world.files if f.type == 6), world.files[0]
    epoll.about["watched"] = [there, world.files[1]]
    for task, files in zip(world.tasks, ([there], [epoll, world.files[1]]), strict=True):
        task.about |= {"table": type(there)("file-table", files=files), "zombie": False, "leader": task}
        task.mm.about |= {"exe": world.files[1], "mapped": world.files[1]}
    data = Writer(world, world.tasks, "v20", "x86_64").write()
    with image_of(data, tmp_path) as image:
        assert cuts_of(image.plan_extract(f"task:{pid(2)}"))["epoll"] == "fail"
        got = sound(extracted(image, f"task:{pid(2)}"))
        assert len([edge for edge in got.edges if edge[1] == "watches"]) == 1


def test_what_few_streams_have(tmp_path: Path) -> None:
    """Network devices, which only name their namespace; labels; a terminal whose file comes later; a hash of a label."""
    maker = Maker("v23-rc1")
    maker.leading([(1, 0), (2, 1)])
    made: list[int] = []

    def cred() -> int:
        label = maker.objref("security")
        maker.record("SECURITY", maker.pack("i", 0), 16)
        maker.record("STRING", b"system_u:object_r")
        user, key = maker.user(), maker.objref("cred")
        maker.record("CRED", maker.pack("8Iiii", *[0] * 8, user, 0, label), 96)
        return key

    def ns() -> int:
        key, net = maker.objref("ns"), maker.objref("net-ns")
        maker.record("NET_NS", maker.pack("i", net), 16)
        pair = maker.id(), maker.id()
        for me, peer in (pair, pair[::-1]):
            maker.objref("netdev", me)
            maker.record("NETDEV", maker.pack("iii", net, me, peer), 40)
            maker.record("NETDEV_ADDR", ZERO * 24)
        maker.record("NS", maker.pack("iii", 0, 0, net), 24)
        made.append(key)
        return key

    def table() -> int:
        key, file = maker.objref("file-table"), maker.id()
        maker.record("FILE_TABLE", maker.pack("i", 1), 16)
        tty = maker.objref("tty")
        maker.record("TTY", maker.pack("HHii", 4, 1, 0, file), 72)
        maker.record("TTY_LDISC", length=560)
        maker.objref("file", file)
        maker.record("FILE", maker.pack("4I2Q", 5, 3, 2, 0, 0, 0).ljust(40, ZERO) + maker.pack("i", tty), 56)
        maker.descriptor(key, 0, file)
        return key

    maker.ns, maker.file_table = ns, table  # type: ignore[method-assign]
    maker.cred = lambda loop=False: cred()  # type: ignore[method-assign, misc]
    maker.task(1)
    shared = {kind: maker.shared[kind] for kind in ("cred", "file-table", "mm")}
    maker.task(2, ns=made[0], **shared)
    maker.tail()
    whole = sound(bytes(maker.out))
    with image_of(bytes(maker.out), tmp_path) as image:
        got = sound(extracted(image, f"task:{pid(2)}"))
    for kind in ("security", "net-ns", "netdev", "tty", "file"):
        mine, theirs = ([one for one in c.objects if one[0].startswith(f"{kind}:")] for c in (got, whole))
        assert sorted(mine) == sorted(theirs), kind
    assert {edge for edge in got.edges if edge[1] in ("tty-file", "security", "peer")} == {
        edge for edge in whole.edges if edge[1] in ("tty-file", "security", "peer")
    }


# -- refused ------------------------------------------------------------------------------------------------


def test_shared_memory_that_is_with_another(tmp_path: Path) -> None:
    """The pages follow the first area that names them: now another."""
    for layout in ("rev3", "v23-rc2"):
        maker = Maker(layout)
        maker.leading([(1, 0), (2, 1)])
        inode = maker.id()
        for k in (1, 2):
            mm = maker.objref("mm")
            maker.record("MM", maker.pack("I", 1), 120)
            maker.record("BUFFER", b"auxv")
            maker.vma(mm, 4 + (k - 1), 0x1000_0000, 0, inode)
            if k == 1:
                maker.chunk(f"shmem:{inode}", [0, 7], scale=PAGE)
                maker.end_pages()
            maker.record("MM_CONTEXT", length=24)
            maker.task(k, mm=mm)
        maker.tail()
        with image_of(bytes(maker.out), tmp_path) as image:
            got = sound(extracted(image, f"task:{pid(2)}"))
        assert got.memory[f"shmem:{inode}"] == maker.memory[f"shmem:{inode}"]


def broken(change: Callable[[Maker], object]) -> bytes:
    maker = Maker("v20")
    maker.leading([(1, 0), (2, 1)])
    maker.task(1)
    change(maker)
    maker.task(2)
    maker.tail()
    return bytes(maker.out)


DAMAGE: list[tuple[bytes, str]] = [
    (broken(lambda m: m.raw(333, b"unknown!")), "a record that the facts do not have"),
    (broken(lambda m: m.record("VMA", length=72)), "part of no object"),
    (broken(lambda m: m.raw(6, m.pack("Ii", 77, 900))), "a type that the facts do not have"),
    (broken(lambda m: (m.user(1), m.user(1))), "an id means two objects"),
    (broken(lambda m: (m.record("ERROR"), m.record("STRING", b"\0no\0"))), "the checkpoint failed"),
    (bytes(scene().out)[:-20], "the stream is cut"),
    (bytes(scene().out)[:-8] + bytes(8), "its TAIL is none"),
]


@pytest.mark.parametrize(("data", "why"), DAMAGE)
def test_streams_of_which_only_all_can_be_taken(data: bytes, why: str, tmp_path: Path) -> None:
    with image_of(data, tmp_path) as image:
        with pytest.raises(UnsupportedError, match=why):
            image.plan_extract(f"task:{pid(2)}", scope="alone")
        names = [found.objref for found in image["task"].objects()]
        assert extracted(image, *names) == data


def test_a_layout_that_is_not_known(tmp_path: Path) -> None:
    data = bytearray(scene().out)
    data[24] = 9
    with image_of(bytes(data), tmp_path) as image, pytest.raises(NotFoundError, match="no space 'task'"):
        image.plan_extract("task:1")


def test_huge_pages_that_are_with_another(tmp_path: Path) -> None:
    maker = Maker("v23-rc2")
    maker.leading([(1, 0), (2, 1)])
    for k in (1, 2):
        mm = maker.objref("mm")
        maker.record("MM", maker.pack("I", 1), 120)
        maker.record("BUFFER", b"auxv")
        maker.vma(mm, 8 + k, 0x1000_0000, 0, 77)
        maker.record("MM_CONTEXT", length=24)
        maker.task(k, mm=mm)
    maker.tail()
    with image_of(bytes(maker.out), tmp_path) as image:
        with pytest.raises(UnsupportedError, match="huge pages"):
            image.plan_extract(f"task:{pid(2)}")
        assert sound_but_for_segments(extracted(image, f"task:{pid(1)}", scope="alone"))


def sound_but_for_segments(data: bytes) -> bool:
    """Nobody knows where huge pages are, so what names them dangles, as before."""
    return {role for _, role, _ in collect([data]).dangling} == {"segment"}


def test_a_zombie_that_is_all_there_is(tmp_path: Path) -> None:
    with image_of(B, tmp_path) as image:
        assert extracted(image, "task:1") == B


def test_two_tasks_of_one_pid(tmp_path: Path) -> None:
    maker = Maker("v20")
    maker.leading([(1, 0), (2, 1)])
    at = maker.out.index(maker.pack("II", 101, 16)) + 24
    struct.pack_into("<i", maker.out, at + 24, pid(1))
    maker.task(1)
    maker.task(2)
    maker.tail()
    with image_of(bytes(maker.out), tmp_path) as image, pytest.raises(FormatError, match="which is which"):
        image.plan_extract(f"task:{pid(1)}", scope="alone")


def test_flipped_bytes_never_end_in_anything_but_an_error(tmp_path: Path) -> None:
    from objref.errors import ObjrefError

    data, rng, through = bytes(scene(tasks=3, shape=Shape(1, 1, ttys=False)).out), random.Random(9), 0
    for _ in range(40):
        hurt = bytearray(data)
        hurt[rng.randrange(rng.choice((2000, len(data))))] ^= 1 << rng.randrange(8)
        with image_of(bytes(hurt), tmp_path) as image:
            try:
                got = extracted(image, f"task:{pid(2)}", scope="alone")
            except ObjrefError:
                continue
            assert collect([got]).stream == got
            through += 1
    assert through > 5


def test_nothing_is_left_when_it_fails(tmp_path: Path) -> None:
    with image_of(bytes(scene().out), tmp_path) as image:
        for dest, form in (("a/b.cr", "auto"), ("x.cr", "tar"), ("x", "directory")):
            with pytest.raises((UsageError, OSError)):
                image.extract(f"task:{pid(1)}", dest=tmp_path / dest, form=form)
    assert os.listdir(tmp_path) == ["whole.objref"]


def test_the_page_names_every_class_with_its_policies_and_its_default() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "extract.md").read_text().split("## linux-cr")[1]
    rows = dict(re.findall(r"^\| `([a-z-]+)` \| [^|]* \| ([^|]*) \|$", page, re.M))
    assert set(rows) == set(CLASSES)
    for name, kind in CLASSES.items():
        assert f"**`{kind.default}`**" in rows[name], name
        assert all(f"`{policy}`" in rows[name] for policy in kind.policies), name
