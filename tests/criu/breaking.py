"""Real dumps, broken one way at a time, and what a check must say of each.

Every break is an edit of the files of tests/images/tree.tar.zst (one folder, `tree`): a parent with a thread and a child,
files, locks, pipes, sockets with a message in flight, epolls, a deleted file, a memfd, shared memory.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from criu.making import frames, framed, header, image, message, prefix_of

from objref.dialects.criu.kinds import FILES
from objref.dialects.criu.schema import message_class

__all__ = ["BREAKS", "Break", "Files", "changed", "entry", "files_of", "tar_of"]

SAMPLES = Path(__file__).resolve().parents[1] / "images"
Files = dict[str, bytes | str]
"""Path -> content, or the target of a link."""
FREE = 1 << 40
"""An address where the tasks of the sample have nothing."""


def files_of(name: str) -> Files:
    """The files of a sample."""
    packed = (SAMPLES / f"{name}.tar.zst").read_bytes()
    data = zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(packed).read()
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        return {
            one.name: tar.extractfile(one).read() if one.isreg() else one.linkname  # type: ignore[union-attr]
            for one in tar
            if one.isreg() or one.issym()
        }


def tar_of(files: Files) -> bytes:
    """An archive of files."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, content in files.items():
            one = tarfile.TarInfo(name)
            if isinstance(content, str):
                one.type, one.linkname = tarfile.SYMTYPE, content
                tar.addfile(one)
            else:
                one.size = len(content)
                tar.addfile(one, io.BytesIO(content))
    return out.getvalue()


class Break(NamedTuple):
    """One way to break a dump.

    what, where  the finding that must come
    restores     whether CRIU 4.1.1 restores it all the same: True, False, or None where tests/real does not try (it
                 waits without end for "loop" and "older_pages_cut")
    also         names of further findings that may come with it
    sample       which sample is broken
    """

    edit: Callable[[Files], None]
    severity: str
    what: str
    where: str
    restores: bool | None = False
    also: tuple[str, ...] = ()
    sample: str = "tree"

    @property
    def folder(self) -> str:
        """The folder to restore from."""
        return {"tree": "tree", "predump": "predump/2"}[self.sample]


def _bytes(files: Files, name: str) -> bytes:
    content = files[f"tree/{name}"]
    assert isinstance(content, bytes)
    return content


def _items(files: Files, name: str) -> list[Any]:
    prefix = prefix_of(name)
    items, whole = frames(prefix, _bytes(files, name))
    assert whole
    return [message_class(FILES[prefix].message).FromString(one) for one in items]


def _write(files: Files, name: str, items: list[Any]) -> None:
    files[f"tree/{name}"] = image(prefix_of(name), *(one.SerializeToString() for one in items))


def without(*names: str) -> Callable[[Files], None]:
    """Files that are missing."""

    def edit(files: Files) -> None:
        for name in names:
            del files[f"tree/{name}"]

    return edit


def changed(name: str, change: Callable[[list[Any]], object]) -> Callable[[Files], None]:
    """The items of a file, changed."""

    def edit(files: Files) -> None:
        items = _items(files, name)
        change(items)
        _write(files, name, items)

    return edit


def copied(source: str, dest: str) -> Callable[[Files], None]:
    """A file with the name of another."""

    def edit(files: Files) -> None:
        files[f"tree/{dest}"] = _bytes(files, source)

    return edit


def cut(name: str, by: int) -> Callable[[Files], None]:
    """A file without its last bytes."""

    def edit(files: Files) -> None:
        files[f"tree/{name}"] = _bytes(files, name)[:-by]

    return edit


def grown(name: str, by: bytes) -> Callable[[Files], None]:
    """A file with more at its end."""

    def edit(files: Files) -> None:
        files[f"tree/{name}"] = _bytes(files, name) + by

    return edit


def entry(number: int) -> Callable[[list[Any]], Any]:
    """The open file with this id."""
    return lambda items: next(one for one in items if one.id == number)


def _fields(pick: Callable[[list[Any]], Any], **values: Any) -> Callable[[list[Any]], None]:
    """Set fields of what is picked; `a__b` is field b of a."""

    def change(items: list[Any]) -> None:
        for name, value in values.items():
            *path, last = name.split("__")
            target = pick(items)
            for step in path:
                target = getattr(target, step)
            setattr(target, last, value)

    return change


def first(items: list[Any]) -> Any:
    """The first item."""
    return items[0]


def second(items: list[Any]) -> Any:
    """The second item."""
    return items[1]


def _no_vma(files: Files) -> None:
    """The area that holds the first page of the page map is gone."""
    entry: Any = message_class("pagemap_entry").FromString(frames("pagemap", _bytes(files, "pagemap-101.img"))[0][1])
    (mm,) = _items(files, "mm-101.img")
    kept = [area for area in mm.vmas if not area.start <= entry.vaddr < area.end]
    del mm.vmas[:]
    mm.vmas.extend(kept)
    _write(files, "mm-101.img", [mm])


def _overlapping(items: list[Any]) -> None:
    items[0].vmas[1].start = items[0].vmas[0].start


def _shared(items: list[Any]) -> None:
    """One more area: of a shared segment that is not there."""
    vmas = items[0].vmas
    i = next(i for i, area in enumerate(vmas) if area.start > FREE)
    area = type(vmas[0])(start=FREE, end=FREE + 4096, pgoff=0, shmid=77, prot=1, flags=0x21, status=1 | 1 << 8, fd=-1)
    vmas.insert(i, area)


def _pages_swapped(files: Files) -> None:
    head, *entries = frames("pagemap", _bytes(files, "pagemap-101.img"))[0]
    entries[0], entries[-1] = entries[-1], entries[0]
    files["tree/pagemap-101.img"] = image("pagemap", head, *entries)


def _pagemap_of_another(files: Files) -> None:
    """The page map of the child names the pages of the parent."""
    _, *entries = frames("pagemap", _bytes(files, "pagemap-101.img"))[0]
    pages = message_class("pagemap_head").FromString(frames("pagemap", _bytes(files, "pagemap-100.img"))[0][0])
    files["tree/pagemap-101.img"] = image("pagemap", pages.SerializeToString(), *entries)


def _pagemap_without_head(files: Files) -> None:
    files["tree/pagemap-101.img"] = header("pagemap")


def _pagemap_of_the_future(files: Files) -> None:
    *items, last = frames("pagemap", _bytes(files, "pagemap-101.img"))[0]
    files["tree/pagemap-101.img"] = image("pagemap", *items, last + b"\x98\x06\x01")


def _lazy(files: Files) -> None:
    """The last pages were left to a page server."""
    *items, last = frames("pagemap", _bytes(files, "pagemap-101.img"))[0]
    found: Any = message_class("pagemap_entry").FromString(last)
    found.flags = 2
    files["tree/pagemap-101.img"] = image("pagemap", *items, found.SerializeToString())
    pages: Any = message_class("pagemap_head").FromString(items[0])
    cut(f"pages-{pages.pages_id}.img", (found.nr_pages or found.compat_nr_pages) * 4096)(files)


def _unparsed(files: Files) -> None:
    files["tree/files.img"] = _bytes(files, "files.img") + framed(b"\xff" * 4)


def _old_framing(files: Files) -> None:
    """One file of a dump of version 1."""
    files["tree/fs-101.img"] = _bytes(files, "fs-101.img")[4:]


OWNER = {"uid": 0, "euid": 0, "signum": 0, "pid_type": 0, "pid": 0}
OPTIONS = {"so_sndbuf": 1 << 16, "so_rcvbuf": 1 << 16, "so_snd_tmo_sec": 0, "so_snd_tmo_usec": 0, "so_rcv_tmo_sec": 0,
           "so_rcv_tmo_usec": 0}  # fmt: skip


def _more_files(**fields: Any) -> Callable[[list[Any]], None]:
    return lambda items: items.append(message_class("file_entry").FromString(message("file_entry", **fields)))


def _connection(files: Files) -> None:
    """An established TCP connection in place of an eventfd."""
    isk = {"id": 15, "ino": 99, "family": 2, "type": 1, "proto": 6, "state": 1, "flags": 2, "src_port": 1, "dst_port": 2,
           "backlog": 0, "src_addr": [1], "dst_addr": [1], "fown": OWNER, "opts": OPTIONS}  # fmt: skip
    items = [one for one in _items(files, "files.img") if one.id != 15]
    items.append(message_class("file_entry").FromString(message("file_entry", id=15, type=4, isk=isk)))
    _write(files, "files.img", items)
    for name in ("fdinfo-2.img", "fdinfo-3.img"):
        fds = _items(files, name)
        for one in fds:
            one.type = 4 if one.id == 15 else one.type
        _write(files, name, fds)


def _drop_file(number: int) -> Callable[[Files], None]:
    return changed("files.img", lambda items: items.remove(entry(number)(items)))


def _drop_open(*numbers: int) -> Callable[[Files], None]:
    """Files that nobody has open any more, and that are no longer in files.img."""

    def edit(files: Files) -> None:
        for name in ("fdinfo-2.img", "fdinfo-3.img", "files.img"):
            _write(files, name, [one for one in _items(files, name) if one.id not in numbers])

    return edit


def _no_packets(files: Files) -> None:
    del files["tree/sk-queues.img"]


def _peer(files: Files) -> None:
    """A socket whose other end is gone."""
    _no_packets(files)
    _drop_open(12)(files)


def _in_flight(files: Files) -> None:
    """A message that carries a descriptor of a file that is not there."""
    packet = message("sk_packet_entry", id_for=12, length=12, scm=[{"type": 1, "rights": [77]}])
    files["tree/sk-queues.img"] = header("sk-queues") + framed(packet) + b"queued bytes"


def _receiver(files: Files) -> None:
    """Bytes for sockets that are gone."""
    _drop_open(11, 12, 13, 14)(files)


def _without_folders(*folders: str) -> Callable[[Files], None]:
    def edit(files: Files) -> None:
        for name in list(files):
            if name.rpartition("/")[0] in folders:
                del files[name]

    return edit


def _circle(files: Files) -> None:
    files["predump/0/parent"] = "../0"


def _older_pages(files: Files) -> None:
    content = files["predump/0/pages-1.img"]
    assert isinstance(content, bytes)
    files["predump/0/pages-1.img"] = content[:-4096]


def _older_page_map(files: Files) -> None:
    del files["predump/0/pagemap-101.img"]


def _clock(files: Files) -> None:
    """The middle pre-dump says that it was made after the dump."""
    fields = {"img_version": 0, "dump_uptime": 9999999, "pre_dump_mode": 1}
    files["predump/1/inventory.img"] = image("inventory", message("inventory_entry", **fields))


CHAIN = ("parent-pages", "parent-link", "stale")
ALSO_LOST = ("dangling", "stale", "unheld", "segment")

BREAKS: dict[str, Break] = {
    # -- missing files
    "core": Break(without("core-101.img"), "error", "dangling", "task:101"),
    "core_of_a_thread": Break(without("core-102.img"), "error", "dangling", "task:100"),
    "ids": Break(without("ids-101.img"), "error", "dangling", "task:101", also=("stale",)),
    "mm": Break(without("mm-101.img"), "error", "dangling", "task:101"),
    "fs": Break(without("fs-101.img"), "error", "dangling", "task:101"),
    "pagemap": Break(without("pagemap-101.img"), "error", "dangling", "task:101", also=("stale",)),
    "pages": Break(without("pages-3.img"), "error", "dangling", "pagemap:101"),
    "fdinfo": Break(without("fdinfo-3.img"), "error", "dangling", "ids:101", True, ("unheld",)),
    "files": Break(without("files.img"), "error", "dangling", "fd:2/0", also=ALSO_LOST),
    "inventory": Break(without("inventory.img"), "error", "no-inventory", "tree/inventory.img", also=("dangling",)),
    "pstree": Break(without("pstree.img"), "error", "no-pstree", "tree/pstree.img", also=("dangling",)),
    "shmem": Break(without("pagemap-shmem-2.img"), "error", "dangling", "memfd:1", also=("stale",)),
    "memfd": Break(without("memfd.img"), "error", "dangling", "file:2", also=("stale",)),
    "ghost": Break(without("ghost-file-1.img"), "error", "dangling", "remap:6"),
    "remap": Break(without("remap-fpath.img"), "warning", "stale-ghost", "ghost:0x1"),
    "timens": Break(without("timens-0.img"), "note", "", "", True),
    # -- files of another dump
    "stale_core": Break(copied("core-101.img", "core-999.img"), "warning", "stale", "core:999", True),
    "stale_ids": Break(copied("ids-101.img", "ids-999.img"), "warning", "stale", "ids:999", True),
    "stale_pagemap": Break(copied("pagemap-101.img", "pagemap-999.img"), "warning", "stale", "pagemap:999", True),
    "stale_pages": Break(copied("pages-3.img", "pages-9.img"), "warning", "stale", "pages:9", True),
    "stale_table": Break(copied("fdinfo-3.img", "fdinfo-9.img"), "warning", "stale", "fdtable:9", True),
    "another_kind_of_file": Break(
        copied("ids-101.img", "fs-101.img"), "error", "magic", "member:tree/fs-101.img", also=("dangling",)
    ),
    "another_version": Break(_old_framing, "error", "magic", "member:tree/fs-101.img"),
    "pages_of_another": Break(_pagemap_of_another, "error", "pages-shared", "pagemap:101", False, (*ALSO_LOST, "pages-long", "pages-short")),
    "pages_that_go_on": Break(grown("pages-3.img", bytes(4096)), "error", "pages-long", "pagemap:101", True),
    # -- cut and damaged files
    "pages_cut": Break(cut("pages-3.img", 4096), "error", "pages-short", "pagemap:101"),
    "files_cut": Break(cut("files.img", 5), "error", "truncated", "member:tree/files.img", also=ALSO_LOST),
    "pstree_cut": Break(cut("pstree.img", 1), "error", "truncated", "member:tree/pstree.img", also=ALSO_LOST),
    "unparsed": Break(_unparsed, "error", "unparsed", "member:tree/files.img"),
    "version": Break(changed("inventory.img", _fields(first, img_version=3)), "error", "version", "inventory:0"),
    # -- the tree
    "two_roots": Break(changed("pstree.img", _fields(second, ppid=0)), "error", "two-roots", "task:101"),
    "no_root": Break(
        changed("pstree.img", _fields(first, ppid=101)), "error", "no-root", "tree/pstree.img", also=("loop",)
    ),
    "loop": Break(changed("pstree.img", _fields(second, ppid=101)), "error", "loop", "task:101", None),
    "order": Break(changed("pstree.img", list.reverse), "error", "order", "task:101"),
    "parent": Break(changed("pstree.img", _fields(second, ppid=77)), "error", "dangling", "task:101"),
    "no_threads": Break(
        changed("pstree.img", lambda i: i[1].ClearField("threads")), "error", "threads", "task:101"
    ),
    "thread_of_two": Break(changed("pstree.img", lambda i: i[1].threads.append(102)), "error", "threads", "task:101"),
    "twice": Break(
        changed("pstree.img", lambda i: i.append(i[1])), "error", "claimed-twice", "task:101", also=("threads",)
    ),
    "shell_job": Break(
        changed("pstree.img", lambda i: [setattr(one, "sid", 77) for one in i]), "note", "shell-job", "task:100", None
    ),
    "core_of_no_task": Break(copied("core-102.img", "core-101.img"), "error", "core", "core:101", also=("dangling",)),
    "machine": Break(changed("core-101.img", _fields(first, mtype=3)), "error", "machine", "core:101"),
    # -- memory
    "area_missing": Break(_no_vma, "error", "outside-areas", "pagemap:101"),
    "areas_overlap": Break(
        changed("mm-101.img", _overlapping), "error", "area", "mm:101", True, ("outside-areas",)
    ),
    "segment": Break(changed("mm-101.img", _shared), "error", "segment", "mm:101"),
    "no_areas": Break(
        changed("mm-101.img", lambda i: i[0].ClearField("vmas")), "error", "no-areas", "mm:101", also=ALSO_LOST
    ),
    "page_order": Break(_pages_swapped, "error", "page-order", "pagemap:101"),
    "no_head": Break(_pagemap_without_head, "error", "no-head", "pagemap:101", also=("stale",)),
    "newer": Break(_pagemap_of_the_future, "warning", "newer", "pagemap:101", True),
    "lazy": Break(_lazy, "warning", "lazy", "pagemap:101"),
    # -- open files
    "file_lost": Break(_drop_file(5), "error", "dangling", "fd:2/3", also=("dangling",)),
    "exe_lost": Break(_drop_file(1), "error", "dangling", "mm:100", also=("dangling",)),
    "peer_lost": Break(_peer, "error", "dangling", "file:11", also=("dangling",)),
    "in_flight": Break(_in_flight, "error", "dangling", "sk-packet:0"),
    "receiver": Break(_receiver, "warning", "dangling", "sk-packet:0", True, ("dangling",)),
    "remap_of_nothing": Break(_drop_open(6), "error", "dangling", "remap:6"),
    "other_id": Break(changed("files.img", _fields(entry(15), efd__id=99)), "error", "file", "file:15"),
    "no_payload": Break(
        changed("files.img", lambda i: entry(15)(i).ClearField("efd")), "error", "file", "file:15"
    ),
    "other_type": Break(changed("fdinfo-3.img", _fields(lambda i: i[-1], type=17)), "error", "file-type", "fd:3/17", also=("file-type",)),
    "unheld": Break(
        changed("files.img", _more_files(id=60, type=2, pipe={"id": 60, "pipe_id": 7, "flags": 0, "fown": OWNER})),
        "error", "unheld", "file:60",
    ),
    "watches": Break(
        changed("files.img", lambda i: setattr(entry(18)(i).epfd.tfd[0], "tfd", 77)), "error", "watches", "file:18"
    ),
    "connection": Break(_connection, "error", "no-tcp-stream", "file:15"),
    "lock": Break(changed("filelocks.img", _fields(first, fd=77)), "error", "dangling", "lock:0", False),
    "lock_of_nobody": Break(changed("filelocks.img", _fields(first, pid=77)), "warning", "dangling", "lock:0", True),
    # -- what tasks share
    "namespace": Break(changed("ids-101.img", _fields(first, uts_ns_id=77)), "error", "namespace-part", "ids:101"),
    "cgroup": Break(
        changed("core-101.img", _fields(first, thread_core__cg_set=77)), "error", "dangling", "core:101"
    ),
    "seccomp": Break(
        changed("core-101.img", _fields(first, thread_core__seccomp_mode=2, thread_core__seccomp_filter=7)),
        "error", "dangling", "core:101",
    ),
    # -- chains of pre-dumps
    "oldest_missing": Break(
        _without_folders("predump/0"), "error", "parent-pages", "member:predump/2/pagemap-100.img", False, CHAIN, "predump"
    ),
    "link_to_nothing": Break(
        _without_folders("predump/0"), "error", "parent-link", "member:predump/1/parent", False, CHAIN, "predump"
    ),
    "link_that_nobody_needs": Break(
        lambda files: files.update({"tree/parent": "../gone"}), "error", "parent-link", "member:tree/parent"
    ),
    "circle": Break(_circle, "error", "parent-circle", "member:predump/0/parent", False, CHAIN, "predump"),
    "older_pages_cut": Break(_older_pages, "error", "pages-short", "2/pagemap:100", None, CHAIN, "predump"),
    "older_page_map": Break(
        _older_page_map, "error", "parent-pages", "member:predump/2/pagemap-101.img", False, CHAIN, "predump"
    ),
    "clock": Break(_clock, "warning", "older-is-newer", "1/inventory:0", True, (), "predump"),
    "pre_dump_alone": Break(
        _without_folders("predump/1", "predump/2"), "warning", "pre-dump", "predump/0/inventory.img", None, (), "predump"
    ),
}  # fmt: skip
