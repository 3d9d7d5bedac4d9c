"""Image directories that contradict themselves, are damaged, or have names that nobody expects."""

from __future__ import annotations

import struct

from criu.making import (
    ANON_SHARED,
    PAGE,
    PRESENT,
    REG,
    Folder,
    Item,
    Link,
    Scene,
    add_task,
    framed,
    header,
    image,
    inventory,
    item,
    live,
    members_of,
    message,
    page,
    scene,
    small,
)

# -- contradictions -------------------------------------------------------------------------------------------


@scene
def pagemap_longer_than_its_pages() -> Scene:
    f = small()
    f.pages(1, page(1))
    f.remembers("mem:10", {0x1000: page(1)})
    return Scene((f,), (("pages-size", "images/pagemap-10.img"),))


@scene
def pagemap_without_pages() -> Scene:
    f = small()
    del f.files["pages-1.img"], f.pieces["pages:1"]
    f.remembers("mem:10", {})
    return Scene((f,), (("pages-size", "images/pagemap-10.img"),))


@scene
def two_pagemaps_with_one_pages_file() -> Scene:
    """As in a public dump: two dumps were mixed. Both are believed."""
    f = small()
    f.pagemap(11, 1, {"vaddr": 0x5000, "nr_pages": 1, "flags": PRESENT})
    f.remembers("mem:11", {0x5000: page(1)})
    return Scene((f,), (("pages-size", "images/pagemap-11.img"),))


@scene
def pagemap_with_impossible_entries() -> Scene:
    f = small()
    top = (1 << 64) - PAGE
    f.pagemap(
        10,
        1,
        {"vaddr": 0x4000, "nr_pages": 1, "flags": PRESENT},
        {"vaddr": 0x1000, "nr_pages": 1, "flags": PRESENT},
        {"vaddr": 0x6000, "nr_pages": (1 << 64) - 1},
        {"vaddr": top, "nr_pages": 2},
        {"vaddr": 0x8000, "nr_pages": 1, "flags": PRESENT},
    )
    f.remembers("mem:10", {0x4000: page(1)})
    bad = ("page-map", "images/pagemap-10.img")
    return Scene((f,), (("pages-size", "images/pagemap-10.img"), bad, bad, bad))


@scene
def pagemap_of_compressed_pages() -> Scene:
    """Entries with fields above 5: kept, and no address is guessed."""
    f = small()
    new = message("pagemap_entry", vaddr=0x1000, nr_pages=2, flags=4) + b"\x32\x02\x08\x01"
    content = f.files["pagemap-10.img"] = image("pagemap", message("pagemap_head", pages_id=1), new)
    f.pieces["pagemap:10"] = [content]
    f.edges -= {("mem:10", "pagemap", "pagemap:10"), ("task:10", "mem", "mem:10")}
    del f.memory["mem:10"]
    return Scene((f,), (("foreign", "images/pagemap-10.img"),))


@scene
def pagemap_without_its_head() -> Scene:
    f = small()
    content = f.files["pagemap-10.img"] = header("pagemap")
    f.pieces["pagemap:10"] = [content]
    f.edges -= {("mem:10", "pagemap", "pagemap:10"), ("task:10", "mem", "mem:10"), ("pagemap:10", "pages", "pages:1")}
    del f.memory["mem:10"]
    return Scene((f,))


@scene
def two_files_with_one_id() -> Scene:
    f = small()
    again = item(
        "file:1",
        "file_entry",
        {"id": 1, "type": 1, "reg": {"id": 1, "name": "/again", "fown": {"pid": 10}}},
        owner="core:10",
    )
    f.files["files.img"] += framed(again.message)  # type: ignore[operator]
    f.expect(again)
    return Scene((f,), (("claimed-twice", "file"),))


@scene
def two_tasks_with_one_pid() -> Scene:
    f = small()
    again = item("task:10", "pstree_entry", {"pid": 10, "ppid": 10}, parent="task:10", **live(10))
    f.files["pstree.img"] += framed(again.message)  # type: ignore[operator]
    f.expect(again)
    return Scene((f,), (("claimed-twice", "task"),))


@scene
def one_image_file_twice_in_the_archive() -> Scene:
    f = small()
    members = members_of([f])
    again = [one for one in members if one[0] == b"images/fs-10.img"]
    f.expect(Item("fs:10", f.pieces["fs:10"][0], refers={"cwd": "file:1", "root": "file:1"}))
    return Scene((f,), (("claimed-twice", "fs"), ("claimed-twice", "member")), members + again)


@scene
def stale_files_of_another_dump() -> Scene:
    f = small()
    f.write(
        "ids-7361.img",
        item("ids:7361", "task_kobj_ids_entry", {"files_id": 9, "net_ns_id": 4}, fdtable="fdtable:9", namespace="ns:4"),
    )
    f.write("core-7361.img", item("core:7361", "core_entry", {"tc": {"task_state": 1, "comm": "old"}}))
    f.write("reg-files.img", item("reg-file:1", "reg_file_entry", {"id": 1, "name": "/old"}))
    return Scene((f,))


@scene
def namespaces_of_criu_itself_are_no_references() -> Scene:
    """Namespace 1 is CRIU's own and not dumped; 2 is its own, too, but a file of it is there."""
    f = small()
    del f.pieces["inventory:0"]
    f.write("inventory.img", inventory(root_ids={"net_ns_id": 1, "uts_ns_id": 2}))
    more = Folder()
    add_task(more, 10, ids={"net_ns_id": 1, "uts_ns_id": 2, "ipc_ns_id": 3}, namespaces=["ns:2", "ns:3"])
    f.files["ids-10.img"], f.pieces["ids:10"] = more.files["ids-10.img"], more.pieces["ids:10"]
    f.edges |= {("ids:10", "namespace", "ns:2"), ("ids:10", "namespace", "ns:3")}
    f.write("utsns-2.img", item("utsns:2", "utsns_entry", {"nodename": "n"}))
    f.node("ns:2", part="utsns:2")
    return Scene((f,))


@scene
def no_inventory() -> Scene:
    f = small()
    del f.files["inventory.img"], f.pieces["inventory:0"]
    return Scene((f,))


@scene
def zombie_whose_core_is_missing() -> Scene:
    f = small()
    again = item("task:30", "pstree_entry", {"pid": 30, "ppid": 10}, parent="task:10", core="core:30")
    f.files["pstree.img"] += framed(again.message)  # type: ignore[operator]
    f.expect(again)
    return Scene((f,))


# -- damage ---------------------------------------------------------------------------------------------------


def _damaged(file: str, content: bytes, lost: list[str], *notes: str) -> Scene:
    f = small()
    f.files[file] = content
    for objref in lost:
        f.pieces.pop(objref, None)
        f.edges = {edge for edge in f.edges if edge[0] != objref}
    return Scene((f,), tuple((what, f"images/{file}") for what in notes))


@scene
def empty_image_file() -> Scene:
    return _damaged("fs-10.img", b"", ["fs:10"], "truncated")


@scene
def file_of_half_a_header() -> Scene:
    return _damaged("fs-10.img", header("fs")[:6], ["fs:10"], "truncated")


@scene
def file_of_two_bytes() -> Scene:
    return _damaged("fs-10.img", b"\x19\x43", ["fs:10"], "truncated")


@scene
def file_of_no_items() -> Scene:
    return _damaged("fs-10.img", header("fs"), ["fs:10"])


@scene
def foreign_magic() -> Scene:
    return _damaged("fs-10.img", b"\x7fELF" + bytes(100), ["fs:10"], "foreign")


@scene
def magic_of_another_kind() -> Scene:
    return _damaged("fs-10.img", image("mm", message("mm_entry", exe_file_id=1)), ["fs:10"], "foreign")


@scene
def item_of_0xffffffff_bytes() -> Scene:
    return _damaged("fs-10.img", header("fs") + b"\xff\xff\xff\xff rest", ["fs:10"], "truncated")


@scene
def item_that_goes_past_the_end() -> Scene:
    f = small()
    f.files["files.img"] += struct.pack("<I", 500) + b"not so many"  # type: ignore[operator]
    return Scene((f,), (("truncated", "images/files.img"),))


@scene
def length_cut_off() -> Scene:
    f = small()
    f.files["files.img"] += b"\x05\0"  # type: ignore[operator]
    return Scene((f,), (("truncated", "images/files.img"),))


@scene
def item_of_no_bytes() -> Scene:
    f = small()
    f.write("cpuinfo.img", Item("cpuinfo:0", b""))
    f.write("seccomp.img", Item("seccomp:0", b""))
    f.write("pipes-data.img", Item("pipe-data:0", b"", ((b"", True),)), Item("pipe-data:0", b"", ((b"", True),)))
    return Scene((f,), (("claimed-twice", "pipe-data"),))


@scene
def items_that_do_not_parse_between_good_ones() -> Scene:
    """Good ones keep their references, and keys that count places count the bad ones, too."""
    f = small()
    bad = b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"
    good = [
        item(f"file:{n}", "file_entry", {"id": n, "type": 2, "pipe": {"id": n, "pipe_id": n}}, pipe=f"pipe:{n}")
        for n in (3, 4)
    ]
    f.files["files.img"] += framed(bad) + framed(good[0].message) + framed(bad) + framed(good[1].message)  # type: ignore[operator]
    for n, one in zip((3, 4), good, strict=True):
        f.expect(one)
        f.node(f"pipe:{n}")
    locks = [message("file_lock_entry", pid=10, fd=0), bad, message("file_lock_entry", pid=10, fd=7)]
    f.files["filelocks.img"] = image("filelocks", *locks)
    f.expect(Item("lock:0", locks[0], refers={"holder": "task:10", "fd": "fd:3/0"}))
    f.expect(Item("lock:2", locks[2], refers={"holder": "task:10", "fd": "fd:3/7"}))
    return Scene((f,), (("unparsed", "images/files.img"),) * 2 + (("unparsed", "images/filelocks.img"),))


@scene
def unparsable_item_before_a_payload() -> Scene:
    f = small()
    one = item("pipe-data:1", "pipe_data_entry", {"pipe_id": 1, "bytes": 2}, b"ab")
    f.write("pipes-data.img", one)
    f.files["pipes-data.img"] += framed(b"\xff") + b"no one knows how much follows"  # type: ignore[operator]
    return Scene((f,), (("unparsed", "images/pipes-data.img"),))


@scene
def ghost_whose_second_chunk_does_not_parse() -> Scene:
    """The deleted file is kept with what it has: others refer to it."""
    f = small()
    chunk = message("ghost_chunk_entry", off=0, len=2)
    f.write(
        "ghost-file-5.img",
        item("ghost:0x5", "ghost_file_entry", {"chunks": True}, (struct.pack("<I", len(chunk)), False), chunk, b"ab"),
    )
    f.files["ghost-file-5.img"] += framed(b"\xff")  # type: ignore[operator]
    return Scene((f,), (("unparsed", "images/ghost-file-5.img"),))


@scene
def payload_that_breaks_off() -> Scene:
    f = small()
    f.write("pipes-data.img", item("pipe-data:1", "pipe_data_entry", {"pipe_id": 1, "bytes": 9}, b"ab"))
    f.write("fifo-data.img", item("fifo-data:1", "pipe_data_entry", {"pipe_id": 1, "bytes": 4000000000}))
    return Scene((f,), (("truncated", "images/pipes-data.img"), ("truncated", "images/fifo-data.img")))


@scene
def fields_that_nobody_knows() -> Scene:
    """A newer CRIU, or a fork: kept byte for byte. One is a group, whose field 1 is no part of ours."""
    f = small()
    unknown = (
        b"\xa2\x06\x03new" + b"\xab\x06\x0a\x02\x08\x07\xac\x06" + b"\xb5\x06\x01\x02\x03\x04" + b"\xb9\x06" + bytes(8)
    )
    sets = message("cg_set_entry", id=4) + unknown
    f.expect(Item("cgset:4", sets))
    f.write("cgroup.img", Item("cgroup:0", unknown + b"\x0a" + bytes([len(sets)]) + sets, refers={"part": "cgset:4"}))
    one = Item(
        "file:9", message("file_entry", id=9, type=2, pipe={"id": 9, "pipe_id": 5}) + unknown, refers={"pipe": "pipe:5"}
    )
    f.files["files.img"] += framed(one.message)  # type: ignore[operator]
    f.expect(one)
    f.node("pipe:5")
    return Scene((f,))


@scene
def cgroup_file_of_two_items() -> Scene:
    f = small()
    sets = [message("cg_set_entry", id=n) for n in (1, 2)]
    for n, one in enumerate(sets):
        f.expect(Item(f"cgset:{n + 1}", one))
    f.write(
        "cgroup.img",
        *(Item("cgroup:0", b"\x0a\x02" + one, refers={"part": f"cgset:{n + 1}"}) for n, one in enumerate(sets)),
    )
    return Scene((f,), (("claimed-twice", "cgroup"),))


@scene
def strings_that_are_not_utf_8() -> Scene:
    f = small()
    # Written by hand, to get at the bytes of the name: type 1, id 9, reg { id 9, name }.
    one = Item("file:9", b"\x08\x01\x10\x09\x1a\x06" + b"\x08\x09\x32\x02\xff\xfe")
    f.files["files.img"] += framed(one.message)  # type: ignore[operator]
    f.expect(one)
    f.write("utsns-4.img", Item("utsns:4", b"\x0a\x03\xff\xfe\xfd\x12\x00"))
    f.node("ns:4", part="utsns:4")
    return Scene((f,))


@scene
def numbers_that_are_negative_or_huge() -> Scene:
    """Nothing may overflow: pids below 0, shmids of 64 bits where a file id is expected, descriptors of 32 bits."""
    f = small()
    huge = (1 << 64) - 1
    areas = [{"start": 0, "shmid": huge, "status": REG}, {"start": 1, "shmid": huge, "status": ANON_SHARED}]
    more = Folder()
    add_task(more, 10, vmas=areas, maps={"mapping": f"file:{huge}", "segment": f"shmem:{huge:#x}"})
    f.files["mm-10.img"], f.pieces["mm:10"] = more.files["mm-10.img"], more.pieces["mm:10"]
    f.edges |= {("mm:10", "mapping", f"file:{huge}"), ("mm:10", "segment", f"shmem:{huge:#x}")}
    f.write(
        "memfd.img",
        item(
            f"memfd:{huge}",
            "memfd_inode_entry",
            {"inode_id": huge, "shmid": 0xFFFFFFFF, "size": 1},
            segment="shmem:0xffffffff",
        ),
    )
    f.write(
        "filelocks.img",
        item("lock:0", "file_lock_entry", {"pid": -2147483648, "fd": -1}),
        item("lock:1", "file_lock_entry", {"pid": 10, "fd": -5}, holder="task:10"),
    )
    f.table(0xFFFFFFFF, (0xFFFFFFFF, 1, 1))
    f.write(
        f"core-{huge}.img",
        item(f"core:{huge}", "core_entry", {"tc": {"timers": {"posix": [{"notify_thread_id": -7}]}}}),
    )
    f.write(
        "netdev-4294967295.img",
        item(
            "netdev:4294967295/4294967295",
            "net_device_entry",
            {"ifindex": 0xFFFFFFFF, "peer_ifindex": 1, "peer_nsid": 0xFFFFFFFF, "master": 0xFFFFFFFF},
            device="netdev:4294967295/4294967295",
        ),
    )
    f.node("ns:4294967295", part="netdev:4294967295/4294967295")
    return Scene((f,))


# -- names ----------------------------------------------------------------------------------------------------


@scene
def names_that_criu_would_not_write() -> Scene:
    """Kept as files, without objects: each would claim what another has, or nobody knows what it is."""
    f = small()
    good = f.files["core-10.img"]
    for name in (
        "core-010.img",
        "core-0x10.img",
        "core-10.tar.gz.img",
        "core-.img",
        "core--1.img",
        "core.img",
        "CORE-10.img",
        "core-18446744073709551616.img",
        "fdinfo-4294967296.img",
        "ghost-file-1A.img",
        "files-1.img",
        "stats-dump.img",
        "cipher.img",
        "amdgpu-pages-1-00aa.img",
        "pages-1.comp.img",
        "tmpfs-dev-3.img",
        "core-10",
        "descriptors.json",
        ".img",
    ):
        f.files[name] = good
    return Scene((f,))


@scene
def names_that_are_not_utf_8() -> Scene:
    f = small("im\udcffages")
    f.files["\udcfe.img"] = b"unknown"
    f.files["dump\n\t~%.log"] = b"log"
    return Scene((f,))


@scene
def images_at_the_root_and_far_below() -> Scene:
    root, deep = small(""), small("a/b/c/d", 1)
    return Scene((root, deep))


@scene
def folders_with_dots_in_front() -> Scene:
    f = small()
    return Scene((f,), members=[(b"./" + name, data) for name, data in members_of([f])])


@scene
def links_in_place_of_image_files() -> Scene:
    f = small()
    f.files["fs-11.img"] = Link("fs-10.img")
    f.files["fs-12.img"] = Link("images/fs-10.img", hard=True)
    return Scene((f,), (("link", "images/fs-11.img"), ("link", "images/fs-12.img")))


@scene
def no_images_at_all() -> Scene:
    return Scene(
        (), (("no-images", ""),), [(b"a/", None), (b"a/file", b"text"), (b"stats-dump", image("stats-dump"))], layers=()
    )
