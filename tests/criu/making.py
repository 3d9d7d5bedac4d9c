"""CRIU image directories made by hand, with all that an import must find in them.

Everything here comes from the facts of the format: magics, framing, payloads and what refers to what are written down a
second time, and only the message classes are objref's own. A `Folder` is one image directory: it has the files and the
expectations (objects with the pieces of their bytes, references, memory). An `Archive` puts folders into a tar.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from objref.dialects.criu.schema import message_class

PAGE = 4096
Style = Literal[0, 1, 2]
"""tarfile.USTAR_FORMAT, GNU_FORMAT, PAX_FORMAT"""
COMMON, SERVICE = 0x54564319, 0x55105940
PARENT, LAZY, PRESENT = 1, 2, 4

MAGIC = {
    "inventory": 0x58313116, "fdinfo": 0x56213732, "pagemap": 0x56084025, "pagemap-shmem": 0x56084025,
    "reg-files": 0x50363636, "ext-files": 0x59255641, "ns-files": 0x61394011, "eventfd": 0x44523722,
    "eventpoll": 0x45023858, "eventpoll-tfd": 0x44433746, "signalfd": 0x57323820, "inotify": 0x48424431,
    "inotify-wd": 0x54562009, "fanotify": 0x55096122, "fanotify-mark": 0x56506035, "core": 0x55053847,
    "ids": 0x54432030, "mm": 0x57492820, "vmas": 0x54123737, "pipes": 0x56513555, "pipes-data": 0x56453709,
    "fifo": 0x58364939, "fifo-data": 0x59333054, "pstree": 0x50273030, "sigacts": 0x55344201,
    "unixsk": 0x54373943, "inetsk": 0x56443851, "packetsk": 0x60454618, "netlinksk": 0x58005614,
    "sk-queues": 0x56264026, "itimers": 0x57464056, "posix-timers": 0x52603957, "creds": 0x54023547,
    "utsns": 0x54473203, "ipcns-var": 0x53115007, "ipcns-shm": 0x46283044, "ipcns-msg": 0x55453737,
    "ipcns-sem": 0x59573019, "fs": 0x51403912, "remap-fpath": 0x59133954, "ghost-file": 0x52583605,
    "memfd": 0x48453499, "tcp-stream": 0x51465506, "mountpoints": 0x55563928, "netdev": 0x57373951,
    "netns": 0x55933752, "autofs": 0x49353943, "binfmt-misc": 0x67343323, "tty": 0x59433025,
    "tty-info": 0x59453036, "tty-data": 0x59413026, "filelocks": 0x54323616, "rlimit": 0x57113925,
    "signal-s": 0x59255647, "signal-p": 0x59255647, "tunfile": 0x57143751, "cgroup": 0x59383330,
    "timerfd": 0x50493712, "cpuinfo": 0x61404013, "seccomp": 0x64413049, "userns": 0x55474906,
    "files": 0x56303138, "timens": 0x43114433, "pidns": 0x61157326, "bpfmap-file": 0x57506142,
    "bpfmap-data": 0x64324033, "apparmor": 0x59423047, "pidfd": 0x54435556, "stats-dump": 0x57093306,
    "stats-restore": 0x57093306, "irmap-cache": 0x57004059,
}  # fmt: skip
RAW = (
    "ifaddr", "route", "route6", "rule", "iptables", "ip6tables", "nftables", "netns-ct", "netns-exp", "tmpfs",
    "tmpfs-dev", "pages", "pages-shmem",
)  # fmt: skip


def message(name: str, /, **fields: Any) -> bytes:
    """A protobuf message of CRIU."""
    return message_class(name)(**fields).SerializeToString()


def framed(data: bytes) -> bytes:
    """An item: its length and its bytes."""
    return struct.pack("<I", len(data)) + data


def header(prefix: str, version: int = 2) -> bytes:
    """What an image file starts with. Version 1 had one magic; inventory.img has one to this day."""
    own = struct.pack("<I", MAGIC[prefix])
    if version == 1 or prefix == "inventory":
        return own
    service = prefix.startswith("stats-") or prefix == "irmap-cache"
    return struct.pack("<I", SERVICE if service else COMMON) + own


def image(prefix: str, *items: bytes, version: int = 2) -> bytes:
    """An image file of these messages, without payloads."""
    return header(prefix, version) + b"".join(map(framed, items))


def page(n: int) -> bytes:
    """A page that is like no other; page 0 is zero."""
    return bytes(PAGE) if n == 0 else struct.pack("<Q", n) * (PAGE // 8)


class Item(NamedTuple):
    """One item of an image file and what an import makes of it.

    follows  bytes after the item: (bytes, whether they are a piece of the object)
    refers   role → the objref(s) that the object refers to
    """

    objref: str
    message: bytes
    follows: tuple[tuple[bytes, bool], ...] = ()
    refers: Mapping[str, str | Sequence[str]] = {}


def item(
    objref: str, name: str, fields: dict[str, Any], /, *follows: bytes | tuple[bytes, bool], **refers: Any
) -> Item:
    """An item. Roles are keywords, `_` for `-`."""
    after = tuple(part if isinstance(part, tuple) else (part, True) for part in follows)
    return Item(objref, message(name, **fields), after, {role.replace("_", "-"): to for role, to in refers.items()})


class Sparse(NamedTuple):
    """A file with holes: its data by offset, and its length."""

    runs: tuple[tuple[int, bytes], ...]
    size: int


class Link(NamedTuple):
    """A symbolic (or hard) link."""

    target: str
    hard: bool = False


class Folder:
    """An image directory and what is expected of it. Mutable."""

    def __init__(self, name: str = "images", layer: int = 0) -> None:
        self.name = name
        self.layer = layer
        self.files: dict[str, bytes | Sparse | Link] = {}
        self.pieces: dict[str, list[bytes]] = {}
        self.edges: set[tuple[str, str, str]] = set()
        self.memory: dict[str, dict[int, bytes]] = {}

    def at(self, objref: str) -> str:
        """The objref with its layer."""
        return f"{self.layer}/{objref}" if self.layer else objref

    def refer(self, source: str, **refers: Any) -> None:
        """References of an object."""
        for role, to in refers.items():
            for target in [to] if isinstance(to, str) else to:
                self.edges.add((self.at(source), role.replace("_", "-"), self.at(target)))

    def node(self, objref: str, **refers: Any) -> None:
        """An object without bytes."""
        self.pieces[self.at(objref)] = []
        self.refer(objref, **refers)

    def write(self, file: str, *items: Item, version: int = 2, prefix: str = "") -> bytes:
        """An image file of these items, all of which must be found."""
        stem = file.removesuffix(".img")
        prefix = prefix or (stem if stem in MAGIC else stem.rpartition("-")[0])
        content = header(prefix, version)
        for one in items:
            content += framed(one.message) + b"".join(data for data, _ in one.follows)
            self.expect(one)
        self.files[file] = content
        return content

    def expect(self, one: Item) -> None:
        """An object that must be found."""
        key, claim = self.at(one.objref), 1
        while key in self.pieces:
            claim += 1
            key = f"{self.at(one.objref)}~{claim}"
        self.pieces[key] = [one.message, *(data for data, part in one.follows if part)]
        for role, to in one.refers.items():
            for target in [to] if isinstance(to, str) else to:
                self.edges.add((key, role, self.at(target)))

    def raw(self, file: str, objref: str, content: bytes) -> None:
        """A file that is one object."""
        self.files[file] = content
        self.pieces[self.at(objref)] = [content]

    def table(self, number: int, *descriptors: tuple[int, int, int], version: int = 2, legacy: str = "") -> None:
        """fdinfo: (fd, file id, type)."""
        items = [
            item(
                f"fd:{number}/{fd}",
                "fdinfo_entry",
                {"id": one, "fd": fd, "type": kind},
                file=f"{legacy or 'file'}:{one}",
            )
            for fd, one, kind in descriptors
        ]
        content = self.write(f"fdinfo-{number}.img", *items, version=version)
        self.pieces[self.at(f"fdtable:{number}")] = [content]
        self.refer(f"fdtable:{number}", fd=[f"fd:{number}/{fd}" for fd, _, _ in descriptors])

    def pages(self, number: int, content: bytes | Sparse) -> None:
        """A pages file."""
        self.files[f"pages-{number}.img"] = content
        whole = content if isinstance(content, bytes) else filled(content)
        self.pieces[self.at(f"pages:{number}")] = [whole]

    def pagemap(
        self, number: int, pages_id: int, *entries: dict[str, int], shared: bool = False, version: int = 2
    ) -> None:
        """A page map; its memory is for the caller to say."""
        prefix = "pagemap-shmem" if shared else "pagemap"
        items = [message("pagemap_head", pages_id=pages_id), *(message("pagemap_entry", **entry) for entry in entries)]
        content = self.files[f"{prefix}-{number}.img"] = image(prefix, *items, version=version)
        key = f"{number:#x}" if shared else str(number)
        self.pieces[self.at(f"{prefix}:{key}")] = [content]
        self.refer(f"{prefix}:{key}", pages=f"pages:{pages_id}")
        self.refer(f"{'shmem' if shared else 'mem'}:{key}", pagemap=f"{prefix}:{key}")

    def remembers(self, objref: str, found: Mapping[int, bytes]) -> None:
        """Memory: page address → its bytes."""
        self.memory[self.at(objref)] = dict(found)


def filled(sparse: Sparse) -> bytes:
    """The file with its holes as zeros."""
    content = bytearray(sparse.size)
    for offset, data in sparse.runs:
        content[offset : offset + len(data)] = data
    return bytes(content)


# -- archives -----------------------------------------------------------------------------------------------


def member(name: bytes, content: bytes | Sparse | Link | None, style: Style = tarfile.PAX_FORMAT) -> bytes:
    """A member as Python's tarfile writes it: not the code under test. None: a folder."""
    info = tarfile.TarInfo(name.decode("utf-8", "surrogateescape"))
    info.mtime = 1_700_000_000
    if isinstance(content, Link):
        info.type = tarfile.LNKTYPE if content.hard else tarfile.SYMTYPE
        info.linkname = content.target
        content = b""
    elif isinstance(content, Sparse):
        runs = [(offset, len(data)) for offset, data in content.runs] or [(content.size, 0)]
        text = b"%d\n" % len(runs) + b"".join(b"%d\n%d\n" % run for run in runs)
        text += bytes(-len(text) % 512)
        info.pax_headers = {
            "GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": info.name,
            "GNU.sparse.realsize": str(content.size),
        }  # fmt: skip
        content = text + b"".join(data for _, data in content.runs)
    elif content is None:
        info.type, info.mode, content = tarfile.DIRTYPE, 0o755, b""
    info.size = len(content)
    return info.tobuf(style, "utf-8", "surrogateescape") + content + bytes(-len(content) % 512)


Members = list[tuple[bytes, "bytes | Sparse | Link | None"]]


def members_of(folders: Iterable[Folder]) -> Members:
    """All files of the folders, in the order in which they were made."""
    found: Members = []
    for folder in folders:
        prefix = folder.name.encode("utf-8", "surrogateescape")
        prefix += b"/" if prefix else b""
        if prefix:
            found.append((prefix, None))
        found += [(prefix + name.encode("utf-8", "surrogateescape"), data) for name, data in folder.files.items()]
    return found


def archive(members: Members, style: Style = tarfile.PAX_FORMAT) -> bytes:
    """A tar of these members."""
    out = io.BytesIO()
    for name, content in members:
        out.write(member(name, content, style))
    return out.getvalue() + bytes(1024)


class Scene(NamedTuple):
    """Something to import. `notes`: (what, where) of all notes that must come, and no others."""

    folders: tuple[Folder, ...]
    notes: tuple[tuple[str, str], ...] = ()
    members: Members | None = None
    """Other than the files of the folders in order."""
    layers: tuple[str, ...] | None = None
    """Paths of the layers; default: of the folders."""

    def tar(self, style: Style = tarfile.PAX_FORMAT) -> bytes:
        """The stream."""
        return archive(members_of(self.folders) if self.members is None else self.members, style)


SCENES: dict[str, Callable[[], Scene]] = {}
"""Name, which says what is staged → what makes it."""


def scene(make: Callable[[], Scene]) -> Callable[[], Scene]:
    """Puts a scene into SCENES."""
    SCENES[make.__name__] = make
    return make


# -- a task and what belongs to it --------------------------------------------------------------------------

AUXV = [6, PAGE, 3, 0x400040]
FULL = {"img_version": 2, "fdinfo_per_id": True, "ns_per_id": True}
REG, ANON_PRIVATE, ANON_SHARED = 1 | 1 << 6, 1 | 1 << 9, 1 | 1 << 8


def inventory(**more: Any) -> Item:
    return item("inventory:0", "inventory_entry", FULL | more)


def add_task(
    folder: Folder,
    pid: int,
    *,
    files: int = 3,
    exe: int = 2,
    vmas: Sequence[dict[str, int]] = (),
    maps: Mapping[str, Sequence[str]] | None = None,
    ids: dict[str, int] | None = None,
    namespaces: Sequence[str] = (),
    file_kind: str = "file",
    auxv: Sequence[int] = AUXV,
    version: int = 2,
) -> None:
    """core, ids, mm and fs of a live task with one thread; not its pstree item, page map and table."""
    v: dict[str, Any] = {"version": version}
    core = {"mtype": 1, "tc": {"task_state": 1, "comm": f"t{pid}"}, "thread_core": {"futex_rla": pid}}
    folder.write(f"core-{pid}.img", item(f"core:{pid}", "core_entry", core), **v)
    fields = {"vm_id": pid, "files_id": files, "fs_id": pid, "sighand_id": pid} | (ids or {})
    one = item(f"ids:{pid}", "task_kobj_ids_entry", fields, fdtable=f"fdtable:{files}", namespace=namespaces)
    folder.write(f"ids-{pid}.img", one, **v)
    mm = {"exe_file_id": exe, "mm_saved_auxv": auxv, "vmas": vmas}
    folder.write(f"mm-{pid}.img", item(f"mm:{pid}", "mm_entry", mm, exe=f"{file_kind}:{exe}", **(maps or {})), **v)
    where = {"cwd_id": 1, "root_id": 1, "umask": 18}
    folder.write(
        f"fs-{pid}.img", item(f"fs:{pid}", "fs_entry", where, cwd=f"{file_kind}:1", root=f"{file_kind}:1"), **v
    )


def live(pid: int, **more: Any) -> dict[str, Any]:
    """The references of a live task."""
    kinds = ("core", "ids", "mm", "fs", "pagemap", "mem")
    return {kind: f"{kind}:{pid}" for kind in kinds} | more


def small(name: str = "images", layer: int = 0, version: int = 2) -> Folder:
    """A sound dump of one task with three pages."""
    f = Folder(name, layer)
    f.write("inventory.img", inventory(img_version=version))
    tree = item("task:10", "pstree_entry", {"pid": 10, "pgid": 10, "sid": 10, "threads": [10]},
                group="task:10", session="task:10", **live(10))  # fmt: skip
    f.write("pstree.img", tree, version=version)
    add_task(f, 10, version=version)
    f.table(3, (0, 1, 1), version=version)
    f.write(
        "files.img",
        item("file:1", "file_entry", {"id": 1, "type": 1, "reg": {"id": 1, "name": "/"}}),
        item("file:2", "file_entry", {"id": 2, "type": 1, "reg": {"id": 2, "name": "/bin/t"}}),
        version=version,
    )
    f.pagemap(
        10,
        1,
        {"vaddr": 0x1000, "nr_pages": 2, "flags": PRESENT},
        {"vaddr": 0x8000, "compat_nr_pages": 1},
        version=version,
    )
    f.pages(1, page(1) + page(2) + page(3))
    f.remembers("mem:10", {0x1000: page(1), 0x2000: page(2), 0x8000: page(3)})
    return f


# -- how image files are framed, read in the plainest way ----------------------------------------------------


class CutError(Exception):
    """The file ends too early."""


class _Reader:
    def __init__(self, content: bytes) -> None:
        self.content = content
        self.at = 0

    @property
    def ended(self) -> bool:
        return self.at == len(self.content)

    def take(self, size: int) -> bytes:
        if self.at + size > len(self.content):
            raise CutError
        self.at += size
        return self.content[self.at - size : self.at]

    def item(self) -> bytes:
        return self.take(struct.unpack("<I", self.take(4))[0])

    def rest(self) -> None:
        self.at = len(self.content)


def _up(size: int, unit: int) -> int:
    return (size + unit - 1) // unit * unit


def _skip_payload(kind: str, m: Any, reader: _Reader) -> None:
    if kind in ("pipes-data", "fifo-data"):
        reader.take(m.bytes)
    elif kind == "sk-queues":
        reader.take(m.length)
    elif kind == "tcp-stream":
        reader.take(m.inq_len + m.outq_len)
    elif kind == "bpfmap-data":
        reader.take(m.keys_bytes + m.values_bytes)
    elif kind == "ipcns-sem":
        reader.take(_up(2 * m.nsems, 8))
    elif kind == "ipcns-shm" and not m.in_pagemaps:
        reader.take(_up(m.size, 4))
    elif kind == "ipcns-msg":
        for _ in range(m.qnum):
            reader.take(_up(message_class("ipc_msg").FromString(reader.item()).msize, 8))  # type: ignore[attr-defined]
    elif kind == "ghost-file" and m.chunks:
        while not reader.ended:
            reader.take(message_class("ghost_chunk_entry").FromString(reader.item()).len)  # type: ignore[attr-defined]
    elif kind == "ghost-file" and not m.HasField("symlnk_target"):
        reader.rest()


PAYLOAD_MESSAGES = {
    "pipes-data": "pipe_data_entry", "fifo-data": "pipe_data_entry", "sk-queues": "sk_packet_entry",
    "tcp-stream": "tcp_stream_entry", "bpfmap-data": "bpfmap_data_entry", "ipcns-sem": "ipc_sem_entry",
    "ipcns-shm": "ipc_shm_entry", "ipcns-msg": "ipc_msg_entry", "ghost-file": "ghost_file_entry",
}  # fmt: skip


def frames(prefix: str, content: bytes) -> tuple[list[bytes], bool]:
    """The messages of an image file, and whether it ends where an item does."""
    reader, found = _Reader(content), []
    try:
        first = struct.unpack("<I", reader.take(4))[0]
        if first in (COMMON, SERVICE):
            reader.take(4)
        while not reader.ended:
            found.append(reader.item())
            if prefix in PAYLOAD_MESSAGES:
                parsed = message_class(PAYLOAD_MESSAGES[prefix]).FromString(found[-1])
                _skip_payload(prefix, parsed, reader)
    except CutError:
        return found, False
    return found, True


def prefix_of(name: str) -> str:
    """`pagemap-shmem-3.img` → `pagemap-shmem`; "" for what is no image file of items."""
    if name.startswith("stats-") and not name.endswith(".img"):
        return name
    stem = name.removesuffix(".img")
    known = [
        prefix for prefix in MAGIC if prefix not in RAW and stem in (prefix, f"{prefix}-{stem.rpartition('-')[2]}")
    ]
    return max(known, key=len) if known and name.endswith(".img") else ""
