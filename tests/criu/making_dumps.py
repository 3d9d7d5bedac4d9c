"""Sound dumps with every kind of image file there is, of today and of old."""

from __future__ import annotations

import struct
from typing import Any

from criu.making import (
    ANON_PRIVATE,
    ANON_SHARED,
    FULL,
    LAZY,
    PAGE,
    PRESENT,
    REG,
    Folder,
    Item,
    Scene,
    add_task,
    image,
    item,
    live,
    members_of,
    message,
    page,
    scene,
    small,
)


@scene
def one_task() -> Scene:
    return Scene((small(),))


@scene
def one_task_img_version_1() -> Scene:
    return Scene((small(version=1),))


def _entry(number: int, kind: int, field: str, fields: dict[str, Any], **refers: Any) -> Item:
    return item(f"file:{number}", "file_entry", {"id": number, "type": kind, field: {"id": number} | fields}, **refers)


def _open_files(f: Folder) -> None:
    """files.img with an entry of every type."""
    owned = {"fown": {"pid": 11, "pid_type": 0}}
    watched = [{"id": 10, "tfd": 11}, {"id": 10, "tfd": 6}]
    f.write(
        "files.img",
        _entry(
            1,
            1,
            "reg",
            {"name": "/", "mnt_id": 100, "fown": {"pid": 10, "pid_type": 1}},
            mount="mnt:100",
            owner="task:10",
        ),
        _entry(2, 1, "reg", {"name": "/bin/t", "mnt_id": -1, "fown": {"pid": 20, "pid_type": 2}}, owner="task:20"),
        _entry(3, 2, "pipe", {"pipe_id": 77}, pipe="pipe:77"),
        _entry(4, 2, "pipe", {"pipe_id": 77} | owned, pipe="pipe:77", owner="core:11"),
        _entry(5, 3, "fifo", {"pipe_id": 78, "regf_id": 1}, pipe="pipe:78", regular="file:1"),
        _entry(6, 4, "isk", {"ino": 0xABC, "ns_id": 7, "state": 1}, namespace="ns:7", stream="tcp-stream:0xabc"),
        _entry(
            7,
            5,
            "usk",
            {"ino": 500, "peer": 501, "ns_id": 7, "mnt_id": 100, "name": b"\0a\xff"},
            peer="file:8",
            namespace="ns:7",
            mount="mnt:100",
        ),
        _entry(8, 5, "usk", {"ino": 501, "peer": 500}, peer="file:7"),
        _entry(9, 6, "efd", {"counter": 3} | owned, owner="core:11"),
        _entry(10, 7, "epfd", {"tfd": watched}, watches=["fd:3/11", "fd:3/6", "fd:4/11", "fd:4/6"]),
        _entry(11, 7, "epfd", {"tfd": [{"id": 11, "tfd": 10}, {"id": 11, "tfd": 10}]}, watches="fd:3/10"),
        _entry(
            12, 8, "ify", {"wd": [{"id": 12, "f_handle": {"mnt_id": 100}}, {"id": 12, "f_handle": {}}]}, mount="mnt:100"
        ),
        _entry(13, 9, "sgfd", owned, owner="core:11"),
        _entry(14, 10, "psk", {"ns_id": 7}, namespace="ns:7"),
        _entry(15, 11, "tty", {"tty_info_id": 3, "regf_id": 1} | owned, tty="tty:3", regular="file:1", owner="core:11"),
        _entry(16, 12, "ffy", {"mark": [{"type": 2, "me": {"mnt_id": 101}}, {"type": 1, "ie": {}}]}, mount="mnt:101"),
        _entry(17, 13, "nlsk", {"ns_id": 7, "ino": 9}, namespace="ns:7"),
        _entry(18, 14, "nsf", {"ns_id": 8}, namespace="ns:8"),
        _entry(19, 15, "tunf", {"ns_id": 7, "netdev": "tun0"}, namespace="ns:7"),
        _entry(20, 16, "ext", owned, owner="core:11"),
        _entry(21, 17, "tfd", {"ticks": 1}),
        _entry(22, 18, "memfd", {"inode_id": 1}, inode="memfd:1"),
        _entry(23, 19, "bpf", {"map_id": 9, "key_size": 4, "value_size": 8}, map="bpfmap-data:9"),
        _entry(24, 20, "pidfd", {"nspid": 20} | owned, target="task:20", owner="core:11"),
        _entry(25, 20, "pidfd", {"nspid": -1}),
    )
    types = {1: 1, 3: 2, 4: 2, 5: 3, 6: 4, 7: 5, 9: 6, 10: 7, 11: 7, 12: 8, 13: 9, 14: 10, 15: 11, 16: 12, 17: 13}
    types |= {18: 14, 19: 15, 20: 16, 21: 17, 22: 18, 23: 19, 24: 20}
    f.table(3, *((fd, fd, kind) for fd, kind in types.items()))
    f.table(4, (0, 1, 1), (5, 10, 7))


def _payloads(f: Folder) -> None:
    f.write(
        "pipes-data.img",
        item("pipe-data:77", "pipe_data_entry", {"pipe_id": 77, "bytes": 5, "size": 65536}, b"hello"),
        item("pipe-data:79", "pipe_data_entry", {"pipe_id": 79, "bytes": 0}, b""),
    )
    f.write("fifo-data.img", item("fifo-data:78", "pipe_data_entry", {"pipe_id": 78, "bytes": 3}, b"abc"))
    f.node("pipe:77", data="pipe-data:77")
    f.node("pipe:78", data="fifo-data:78")
    rights = {"id_for": 7, "length": 4, "scm": [{"type": 1, "rights": [7, 1]}, {"type": 2, "rights": [9]}]}
    f.write(
        "sk-queues.img",
        item("sk-packet:0", "sk_packet_entry", rights, b"pack", receiver="file:7", in_flight=["file:7", "file:1"]),
        item("sk-packet:1", "sk_packet_entry", {"id_for": 8, "length": 0}, b"", receiver="file:8"),
    )
    f.write(
        "tcp-stream-abc.img", item("tcp-stream:0xabc", "tcp_stream_entry", {"inq_len": 2, "outq_len": 3}, b"in", b"out")
    )
    f.write("tcp-stream-d.img", item("tcp-stream:0xd", "tcp_stream_entry", {"outq_len": 3, "inq_len": 0}, b"", b"out"))
    f.write(
        "bpfmap-data.img",
        item(
            "bpfmap-data:9",
            "bpfmap_data_entry",
            {"map_id": 9, "keys_bytes": 4, "values_bytes": 8},
            b"key.",
            b"valueval",
        ),
        item("bpfmap-data:10", "bpfmap_data_entry", {"map_id": 10, "keys_bytes": 0, "values_bytes": 0}, b"", b""),
    )
    msg = [message("ipc_msg", mtype=1, msize=3), message("ipc_msg", mtype=2, msize=8), message("ipc_msg", mtype=3)]

    def queued(one: bytes, body: bytes) -> list[bytes | tuple[bytes, bool]]:
        return [(struct.pack("<I", len(one)), False), one, body]

    f.write(
        "ipcns-msg-5.img",
        item(
            "ipcns-msg:5/1",
            "ipc_msg_entry",
            {"desc": {"id": 1}, "qnum": 3, "qbytes": 11},
            *queued(msg[0], b"msg\0\0\0\0\0"),
            *queued(msg[1], b"8 bytes!"),
            *queued(msg[2], b""),
        ),
        item("ipcns-msg:5/2", "ipc_msg_entry", {"desc": {"id": 2}, "qnum": 0}),
    )
    f.write(
        "ipcns-sem-5.img",
        item("ipcns-sem:5/1", "ipc_sem_entry", {"desc": {"id": 1}, "nsems": 3}, b"\1\0\2\0\3\0\0\0"),
        item("ipcns-sem:5/2", "ipc_sem_entry", {"desc": {"id": 2}, "nsems": 4}, b"\1\0\2\0\3\0\4\0"),
        item("ipcns-sem:5/3", "ipc_sem_entry", {"desc": {"id": 3}, "nsems": 0}, b""),
    )
    f.write(
        "ipcns-shm-5.img",
        item(
            "ipcns-shm:5/3",
            "ipc_shm_entry",
            {"desc": {"id": 3}, "size": 5000, "in_pagemaps": True},
            segment="shmem:0x3",
        ),
        item("ipcns-shm:5/4", "ipc_shm_entry", {"desc": {"id": 4}, "size": 6}, b"123456\0\0"),
        item("ipcns-shm:5/5", "ipc_shm_entry", {"desc": {"id": 5}, "size": 4, "in_pagemaps": False}, b"1234"),
    )
    f.write(
        "ghost-file-1a.img", item("ghost:0x1a", "ghost_file_entry", {"mode": 0o100644, "ino": 9}, b"the rest of it")
    )
    f.write("ghost-file-1b.img", item("ghost:0x1b", "ghost_file_entry", {"mode": 0o120777, "symlnk_target": "to"}))
    chunks = [message("ghost_chunk_entry", off=0, len=3), message("ghost_chunk_entry", off=9000, len=4)]
    body = [part for chunk, data in zip(chunks, (b"abc", b"defg"), strict=True) for part in queued(chunk, data)]
    f.write(
        "ghost-file-1c.img", item("ghost:0x1c", "ghost_file_entry", {"mode": 1, "chunks": True, "size": 20000}, *body)
    )
    f.write("ghost-file-1d.img", item("ghost:0x1d", "ghost_file_entry", {"chunks": True, "size": 20000}))
    f.write("ghost-file-1e.img", item("ghost:0x1e", "ghost_file_entry", {}, b"after a message of no bytes"))


def _namespaces(f: Folder) -> None:
    f.write("utsns-4.img", item("utsns:4", "utsns_entry", {"nodename": "n"}))
    f.write("ipcns-var-5.img", item("ipcns-var:5", "ipc_var_entry", {"msg_ctlmax": 1}))
    f.write("userns-9.img", item("userns:9", "userns_entry", {"uid_map": [{"first": 0, "lower_first": 0, "count": 1}]}))
    f.write("timens-11.img", item("timens:11", "timens_entry", {"monotonic": {"tv_sec": 1, "tv_nsec": 0}}))
    f.write("pidns-12.img", item("pidns:12", "pidns_entry", {"ext_key": "k"}))
    for ns, other in ((7, 8), (8, 7)):
        devices = [
            item(f"netdev:{ns}/1", "net_device_entry", {"type": 1, "ifindex": 1, "name": "lo"}),
            item(
                f"netdev:{ns}/2",
                "net_device_entry",
                {"type": 2, "ifindex": 2, "peer_ifindex": 2, "peer_nsid": 0, "master": 3},
                peer=f"netdev:{other}/2",
                device=f"netdev:{ns}/3",
            ),
            item(
                f"netdev:{ns}/3",
                "net_device_entry",
                {"type": 6, "ifindex": 3, "peer_ifindex": 1},
                peer=f"netdev:{ns}/1",
            ),
            item(f"netdev:{ns}/4", "net_device_entry", {"type": 2, "ifindex": 4, "peer_ifindex": 1, "peer_nsid": 99}),
        ]
        f.write(f"netdev-{ns}.img", *devices)
        nsids = {"nsids": [{"target_ns_id": other, "netnsid_value": 0}]}
        f.write(f"netns-{ns}.img", item(f"netns:{ns}", "netns_entry", nsids, peer_namespace=f"ns:{other}"))
    tables = ("ifaddr", "route", "route6", "rule", "iptables", "ip6tables", "nftables", "netns-ct", "netns-exp")
    for kind in tables:
        f.raw(f"{kind}-7.img", f"{kind}:7", b"rules of " + kind.encode())
    f.write(
        "mountpoints-6.img",
        item(
            "mnt:100",
            "mnt_entry",
            {"mnt_id": 100, "parent_mnt_id": 1, "root_dev": 40, "mountpoint": "/"},
            namespace="ns:6",
            content=["tmpfs-dev:40", "autofs:40"],
        ),
        item(
            "mnt:101",
            "mnt_entry",
            {"mnt_id": 101, "parent_mnt_id": 100, "root_dev": 41, "mountpoint": "/a"},
            namespace="ns:6",
            parent_mount="mnt:100",
            content="tmpfs:101",
        ),
    )
    f.raw("tmpfs-dev-40.tar.gz.img", "tmpfs-dev:40", b"\x1f\x8b tar")
    f.raw("tmpfs-101.tar.gz.img", "tmpfs:101", b"\x1f\x8b old tar")
    f.write("autofs-40.img", item("autofs:40", "autofs_entry", {"fd": 1, "pgrp": 10}))
    for ns, parts in {4: ["utsns:4"], 6: [], 9: ["userns:9"], 11: ["timens:11"], 12: ["pidns:12"]}.items():
        f.node(f"ns:{ns}", part=parts)
    queues = ["ipcns-msg:5/1", "ipcns-msg:5/2", "ipcns-sem:5/1", "ipcns-sem:5/2", "ipcns-sem:5/3"]
    f.node("ns:5", part=["ipcns-var:5", *queues, "ipcns-shm:5/3", "ipcns-shm:5/4", "ipcns-shm:5/5"])
    f.node("ns:7", part=["netns:7", *(f"netdev:7/{i}" for i in (1, 2, 3, 4)), *(f"{kind}:7" for kind in tables)])
    f.node("ns:8", part=["netns:8", *(f"netdev:8/{i}" for i in (1, 2, 3, 4))])


def _globals(f: Folder) -> None:
    sets = [message("cg_set_entry", id=1, ctls=[{"name": "cpu", "path": "/"}]), message("cg_set_entry", id=2)]
    cgroup = b"".join(b"\x0a" + bytes([len(one)]) + one for one in sets) + message(
        "cgroup_entry", controllers=[{"cnames": ["cpu"]}]
    )
    f.expect(Item("cgset:1", sets[0]))
    f.expect(Item("cgset:2", sets[1]))
    f.write("cgroup.img", Item("cgroup:0", cgroup, refers={"part": ["cgset:1", "cgset:2"]}))
    filters = [message("seccomp_filter", filter=b"f0"), message("seccomp_filter", filter=b"f1", prev=0)]
    seccomp = b"".join(b"\x0a" + bytes([len(one)]) + one for one in filters)
    f.expect(Item("seccomp-filter:0", filters[0]))
    f.expect(Item("seccomp-filter:1", filters[1], refers={"previous": "seccomp-filter:0"}))
    f.write("seccomp.img", Item("seccomp:0", seccomp, refers={"part": ["seccomp-filter:0", "seccomp-filter:1"]}))
    f.write("cpuinfo.img", item("cpuinfo:0", "cpuinfo_entry", {"x86_entry": [{"vendor_id": 1}]}))
    f.write("apparmor.img", item("apparmor:0", "apparmor_entry", {"namespaces": [{"name": "root"}]}))
    f.write("stats-dump", item("stats:0", "stats_entry", {"dump": {"pages_written": 3}}), prefix="stats-dump")
    f.write("irmap-cache.img", item("irmap:0", "irmap_cache_entry", {"dev": 1, "inode": 2, "path": "/x"}))
    f.write("binfmt-misc.img", item("binfmt-misc:0/0", "binfmt_misc_entry", {"name": "b"}))
    f.write("binfmt-misc-44.img", item("binfmt-misc:44/0", "binfmt_misc_entry", {"name": "old"}))
    f.write(
        "memfd.img",
        item("memfd:1", "memfd_inode_entry", {"inode_id": 1, "shmid": 0x99, "size": PAGE}, segment="shmem:0x99"),
        item("memfd:2", "memfd_inode_entry", {"inode_id": 2, "shmid": 0x9A, "size": 0}),
    )
    f.write(
        "tty-info.img",
        item("tty:2", "tty_info_entry", {"id": 2, "type": 1, "sid": 999}, session="task:999", other_end="tty:3"),
        item("tty:3", "tty_info_entry", {"id": 3, "type": 1, "pgrp": 10}, group="task:10", other_end="tty:2"),
        item("tty:8", "tty_info_entry", {"id": 8, "type": 2}),
    )
    f.write("tty-data.img", item("tty-data:3", "tty_data_entry", {"tty_id": 3, "data": b"typed"}, data="tty:3"))
    f.write(
        "remap-fpath.img",
        item(
            "remap:1",
            "remap_file_path_entry",
            {"orig_id": 1, "remap_id": 0x1A, "remap_type": 1},
            remapped="file:1",
            replacement="ghost:0x1a",
        ),
        item(
            "remap:2",
            "remap_file_path_entry",
            {"orig_id": 2, "remap_id": 1, "remap_type": 0},
            remapped="file:2",
            replacement="file:1",
        ),
        item(
            "remap:3",
            "remap_file_path_entry",
            {"orig_id": 3, "remap_id": 0x8000001B},
            remapped="file:3",
            replacement="ghost:0x1b",
        ),
        item(
            "remap:4", "remap_file_path_entry", {"orig_id": 4, "remap_id": 1}, remapped="file:4", replacement="file:1"
        ),
        item(
            "remap:5",
            "remap_file_path_entry",
            {"orig_id": 5, "remap_id": 20, "remap_type": 2},
            remapped="file:5",
            replacement="task:20",
        ),
    )
    f.write(
        "filelocks.img",
        item("lock:0", "file_lock_entry", {"flag": 1, "pid": 10, "fd": 1}, holder="task:10", fd="fd:3/1"),
        item("lock:1", "file_lock_entry", {"flag": 2, "pid": -1, "fd": -1}),
    )


def _tasks(f: Folder) -> None:
    f.write(
        "inventory.img",
        item(
            "inventory:0",
            "inventory_entry",
            FULL | {"root_cg_set": 1, "root_ids": {"net_ns_id": 1, "uts_ns_id": 2}},
            cgroup_set="cgset:1",
        ),
    )
    f.write(
        "pstree.img",
        item(
            "task:10",
            "pstree_entry",
            {"pid": 10, "ppid": 0, "pgid": 10, "sid": 999, "threads": [10, 11]},
            group="task:10",
            session="task:999",
            **live(10, thread="core:11", creds="creds:10"),
        ),
        item(
            "task:20",
            "pstree_entry",
            {"pid": 20, "ppid": 10, "pgid": 10, "sid": 10, "threads": [20]},
            parent="task:10",
            group="task:10",
            session="task:10",
            **live(20),
        ),
        item(
            "task:30",
            "pstree_entry",
            {"pid": 30, "ppid": 10, "pgid": 30, "sid": 30},
            parent="task:10",
            group="task:30",
            session="task:30",
            core="core:30",
        ),
    )
    areas = [
        {"start": 0x1000, "end": 0x3000, "shmid": 2, "status": REG},
        {"start": 0x3000, "end": 0x4000, "shmid": 2, "status": 1 | 1 << 7},  # the same file again: one reference
        {"start": 0x4000, "end": 0x5000, "shmid": 0x1234, "status": ANON_SHARED},
        {"start": 0x5000, "end": 0x6000, "shmid": 3, "status": ANON_SHARED | 1 << 10},
        {"start": 0x6000, "end": 0x7000, "shmid": 22, "status": 1 | 1 << 7 | 1 << 14},
        {"start": 0x7000, "end": 0x8000, "shmid": 14, "status": 1 | 1 << 11},
        {"start": 0x8000, "end": 0x9000, "shmid": 0xBAD, "status": ANON_PRIVATE},
        {"start": 0x9000, "end": 0xA000, "shmid": 0xBAD, "status": 1 | 1 << 3 | 1 << 6},  # the vdso
        {"start": 0xA000, "end": 0xB000, "shmid": 0xBAD, "status": 1 << 8},
    ]
    maps = {"mapping": ["file:2", "file:22", "file:14"], "segment": ["shmem:0x1234", "shmem:0x3"]}
    dumped = {"net_ns_id": 7, "ipc_ns_id": 5, "uts_ns_id": 2, "mnt_ns_id": 6, "user_ns_id": 9, "time_ns_id": 11}
    dumped |= {"pid_ns_id": 12, "cgroup_ns_id": 13}
    spaces = [f"ns:{n}" for n in (7, 5, 6, 9, 11, 12)]
    add_task(f, 10, vmas=areas, maps=maps, ids=dumped, namespaces=spaces)
    add_task(f, 20, ids={"net_ns_id": 1})
    f.write(
        "core-11.img",
        item(
            "core:11",
            "core_entry",
            {"thread_core": {"cg_set": 2, "seccomp_mode": 2, "seccomp_filter": 1}},
            cgroup_set="cgset:2",
            seccomp_filter="seccomp-filter:1",
        ),
    )
    timers = {"posix": [{"it_id": 1, "notify_thread_id": 11}, {"it_id": 2}, {"it_id": 3, "notify_thread_id": -1}]}
    old = {"task_state": 6, "cg_set": 1, "old_seccomp_mode": 2, "old_seccomp_filter": 0, "timers": timers}
    f.write(
        "core-30.img",
        item(
            "core:30",
            "core_entry",
            {"tc": old},
            cgroup_set="cgset:1",
            seccomp_filter="seccomp-filter:0",
            notify="core:11",
        ),
    )
    f.write("creds-10.img", item("creds:10", "creds_entry", {"uid": 1}))


def _memory(f: Folder) -> None:
    f.pagemap(
        10,
        1,
        {"vaddr": 0x1000, "compat_nr_pages": 0, "nr_pages": 2, "flags": PRESENT},
        {"vaddr": 0x3000, "nr_pages": 1, "flags": LAZY},
        {"vaddr": 0x4000, "nr_pages": 1, "flags": LAZY | PRESENT},
        {"vaddr": 0x7F0000000000, "compat_nr_pages": 1},
    )
    f.pages(1, page(1) + page(0) + page(2) + page(1))
    f.remembers("mem:10", {0x1000: page(1), 0x2000: page(0), 0x4000: page(2), 0x7F0000000000: page(1)})
    f.pagemap(20, 2)
    f.pages(2, b"")
    f.remembers("mem:20", {})
    for number, pages_id in ((0x1234, 3), (3, 4), (0x99, 5)):
        f.pagemap(number, pages_id, {"vaddr": 0, "nr_pages": 1, "flags": PRESENT}, shared=True)
        f.pages(pages_id, page(pages_id))
        f.remembers(f"shmem:{number:#x}", {0: page(pages_id)})


def everything_folder() -> Folder:
    f = Folder()
    for part in (_tasks, _open_files, _payloads, _namespaces, _globals, _memory):
        part(f)
    return f


@scene
def every_kind_of_a_modern_dump() -> Scene:
    return Scene((everything_folder(),))


@scene
def files_in_reverse_order_pages_first() -> Scene:
    """As in archives: inventory and page maps last."""
    f = everything_folder()
    return Scene((f,), members=members_of([f])[::-1])


def legacy_folder() -> Folder:
    """Before files.img: one image per kind of file, ids per kind, page counts of 32 bits, VMAs of their own."""
    f = Folder("old")
    v: dict[str, Any] = {"version": 1}
    f.write("inventory.img", item("inventory:0", "inventory_entry", {"img_version": 1, "fdinfo_per_id": True}))
    f.write(
        "pstree.img",
        item(
            "task:10",
            "pstree_entry",
            {"pid": 10, "pgid": 10, "sid": 10, "threads": [10]},
            group="task:10",
            session="task:10",
            **live(10),
        ),
        **v,
    )
    add_task(f, 10, file_kind="reg-file", exe=1, **v)
    f.write(
        "vmas-10.img",
        item("vma:10/0", "vma_entry", {"start": 0x1000, "shmid": 1, "status": REG}, mapping="reg-file:1"),
        item("vma:10/1", "vma_entry", {"start": 0x3000, "shmid": 7, "status": ANON_SHARED}, segment="shmem:0x7"),
        item("vma:10/2", "vma_entry", {"start": 0x4000, "status": ANON_PRIVATE}),
        item("vma:10/3", "vma_entry", {"start": 0x5000, "shmid": 1, "status": 1 | 1 << 11}, mapping="packet-file:1"),
        **v,
    )
    f.pagemap(10, 1, {"vaddr": 0x1000, "compat_nr_pages": 1}, **v)
    f.pages(1, page(5))
    f.remembers("mem:10", {0x1000: page(5)})
    own = {"fown": {"pid": 10, "pid_type": 1}}
    kinds: list[tuple[str, str, str, int, dict[str, Any], dict[str, Any]]] = [
        ("reg-files", "reg-file", "reg_file_entry", 1, {"name": "/"} | own, {"owner": "task:10"}),
        ("pipes", "pipe-file", "pipe_entry", 2, {"pipe_id": 70} | own, {"pipe": "pipe:70", "owner": "task:10"}),
        ("fifo", "fifo-file", "fifo_entry", 3, {"pipe_id": 71}, {"pipe": "pipe:71", "regular": "reg-file:1"}),
        ("inetsk", "inet-file", "inet_sk_entry", 4, {"ino": 5} | own, {"owner": "task:10", "stream": "tcp-stream:0x5"}),
        ("unixsk", "unix-file", "unix_sk_entry", 5, {"ino": 500, "peer": 500}, {"peer": "unix-file:1"}),
        ("eventfd", "eventfd-file", "eventfd_file_entry", 6, own, {"owner": "task:10"}),
        ("eventpoll", "eventpoll-file", "eventpoll_file_entry", 7, own, {"owner": "task:10"}),
        ("inotify", "inotify-file", "inotify_file_entry", 8, own, {"owner": "task:10"}),
        ("signalfd", "signalfd-file", "signalfd_entry", 9, own, {"owner": "task:10"}),
        ("packetsk", "packet-file", "packet_sock_entry", 10, own, {"owner": "task:10"}),
        ("tty", "tty-file", "tty_file_entry", 11, {"tty_info_id": 0} | own, {"tty": "tty:0", "owner": "task:10"}),
        ("fanotify", "fanotify-file", "fanotify_file_entry", 12, own, {"owner": "task:10"}),
        ("netlinksk", "netlink-file", "netlink_sk_entry", 13, own, {"owner": "task:10"}),
        ("ns-files", "ns-file", "ns_file_entry", 14, {"ns_id": 2}, {"namespace": "ns:2"}),
        ("tunfile", "tun-file", "tunfile_entry", 15, {"ns_id": 2}, {"namespace": "ns:2"}),
        ("ext-files", "ext-file", "ext_file_entry", 16, own, {"owner": "task:10"}),
        ("timerfd", "timerfd-file", "timerfd_entry", 17, own, {"owner": "task:10"}),
        ("bpfmap-file", "bpfmap-file", "bpfmap_file_entry", 19, {"map_id": 4}, {"map": "bpfmap-data:4"}),
        ("pidfd", "pidfd-file", "pidfd_entry", 20, {"nspid": 10}, {"target": "task:10"}),
    ]  # every file has the id 1: ids were unique only within a kind
    fds = []
    for fd, (file, kind, name, number, fields, refers) in enumerate(kinds):
        f.write(f"{file}.img", item(f"{kind}:1", name, {"id": 1} | fields, **refers), **v)
        fds.append(item(f"fd:3/{fd}", "fdinfo_entry", {"id": 1, "fd": fd, "type": number}, file=f"{kind}:1"))
    content = f.write("fdinfo-3.img", *fds, **v)
    f.pieces["fdtable:3"] = [content]
    f.refer("fdtable:3", fd=[one.objref for one in fds])
    f.node("pipe:70")
    f.node("pipe:71")
    f.node("ns:2", part="utsns:2")
    f.write("utsns-2.img", item("utsns:2", "utsns_entry", {"nodename": "n"}), **v)
    f.write(
        "tcp-stream-5.img", item("tcp-stream:0x5", "tcp_stream_entry", {"inq_len": 0, "outq_len": 0}, b"", b""), **v
    )
    f.write("tty-info.img", item("tty:0", "tty_info_entry", {"id": 0, "type": 3}), **v)
    f.write("bpfmap-data.img", item("bpfmap-data:4", "bpfmap_data_entry", {"map_id": 4}, b"", b""), **v)
    f.write(
        "eventpoll-tfd.img",
        item(
            "eventpoll-tfd:0", "eventpoll_tfd_entry", {"id": 1, "tfd": 2}, watcher="eventpoll-file:1", watches="fd:3/2"
        ),
        **v,
    )
    f.write(
        "inotify-wd.img",
        item(
            "inotify-wd:0",
            "inotify_wd_entry",
            {"id": 1, "f_handle": {"mnt_id": 3}},
            watcher="inotify-file:1",
            mount="mnt:3",
        ),
        **v,
    )
    f.write(
        "fanotify-mark.img",
        item(
            "fanotify-mark:0",
            "fanotify_mark_entry",
            {"id": 1, "type": 2, "me": {"mnt_id": 3}},
            watcher="fanotify-file:1",
            mount="mnt:3",
        ),
        **v,
    )
    f.write("mountpoints-10.img", item("mnt:3", "mnt_entry", {"mnt_id": 3, "parent_mnt_id": 1}, namespace="ns:10"), **v)
    f.node("ns:10")
    f.write(
        "sk-queues.img",
        item("sk-packet:0", "sk_packet_entry", {"id_for": 1, "length": 1}, b"x", receiver="unix-file:1"),
        **v,
    )
    for file, kind, name in (
        ("sigacts", "sigact", "sa_entry"),
        ("itimers", "itimer", "itimer_entry"),
        ("rlimit", "rlimit", "rlimit_entry"),
        ("posix-timers", "posix-timer", "posix_timer_entry"),
        ("signal-s", "signal-s", "siginfo_entry"),
        ("signal-p", "signal-p", "siginfo_entry"),
    ):
        f.write(f"{file}-10.img", item(f"{kind}:10/0", name, {}), item(f"{kind}:10/1", name, {}), **v)
    f.raw("pages-shmem-16.img", "pages-shmem:0x10", image("pagemap", message("pagemap_head", pages_id=1), version=1))
    f.pagemap(7, 2, {"vaddr": 0, "compat_nr_pages": 1}, shared=True, **v)
    f.pages(2, page(6))
    f.remembers("shmem:0x7", {0: page(6)})
    f.write("stats-restore", item("stats:0", "stats_entry", {"restore": {"pages_restored": 3}}), prefix="stats-restore")
    return f


@scene
def every_kind_of_a_legacy_dump() -> Scene:
    return Scene((legacy_folder(),))
