"""Makes linux-cr streams of any layout, from the facts (numbers and lengths are derived here again, not imported).

A `Maker` appends records. `scene` makes a tree of tasks with all that the format knows, and remembers what it made, so
that tests can ask for it: `objects`, `edges`, `memory`. `stream` makes one of any size, piece by piece, for benches.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterator
from typing import NamedTuple

ZERO = b"\0"
PAGE = 4096
PAGES_IN_CHUNK = 512
NOISE = random.Random(7).randbytes(1064)

# numbers in rev 6, old numbering
OLD = {
    "HEADER": 1, "HEADER_ARCH": 2, "CONTAINER": 3, "BUFFER": 4, "STRING": 5, "OBJREF": 6, "LSM_INFO": 7, "SECURITY": 8,
    "TREE": 101, "TASK": 102, "TASK_NS": 103, "TASK_OBJS": 104, "RESTART_BLOCK": 105, "THREAD": 106, "CPU": 107,
    "NS": 108, "UTS_NS": 109, "IPC_NS": 110, "USER_NS": 113, "CRED": 114, "USER": 115, "GROUPINFO": 116,
    "TASK_CREDS": 117, "CPU_FPU": 201, "MM_CONTEXT_LDT": 202, "FILE_TABLE": 301, "FILE_DESC": 302, "FILE_NAME": 303,
    "FILE": 304, "PIPE_BUF": 305, "TTY": 306, "TTY_LDISC": 307, "EPOLL_ITEMS": 308, "MM": 401, "VMA": 402, "PGARR": 403,
    "MM_CONTEXT": 404, "FS": 451, "IPC": 501, "IPC_SHM": 502, "IPC_MSG": 503, "IPC_MSG_MSG": 504, "IPC_SEM": 505,
    "TASK_SEM_UNDO_LIST": 506, "TASK_SEM_UNDO": 507, "SIGHAND": 601, "SIGNAL": 602, "SIGNAL_TASK": 603,
    "SIGPENDING": 604, "SOCKET": 701, "SOCKET_QUEUE": 702, "SOCKET_BUFFER": 703, "SOCKET_FRAG": 704,
    "SOCKET_UNIX": 705, "SOCKET_INET": 706, "NET_NS": 707, "NETDEV": 708, "NETDEV_ADDR": 709, "TAIL": 9001,
    "ERROR": 9999,
}  # fmt: skip
TYPES = {
    "file-table": 2, "file": 3, "mm": 4, "fs": 5, "sighand": 6, "ns": 8, "uts-ns": 9, "ipc-ns": 10, "user-ns": 12,
    "cred": 13, "user": 14, "groupinfo": 15, "sock": 16, "tty": 17, "security": 19, "net-ns": 20, "netdev": 21,
    "sem-undo": 22,
}  # fmt: skip
# layout -> rev, arch, TASK, TASK_OBJS, FILE, CRED, VMA, NS, TTY, SOCKET, siginfo, FS, IPC_SHM (facts: last table)
LAYOUTS = {
    "rev3": (3, 2, 72, 24, 40, 88, 72, 16, 72, 112, 48, 0, 112),
    "rev4": (4, 5, 72, 24, 48, 96, 72, 16, 72, 112, 48, 0, 120),
    "rev4-early": (4, 5, 72, 24, 48, 96, 72, 16, 72, 112, 48, 0, 120),
    "rev5": (5, 2, 72, 32, 48, 96, 72, 16, 72, 112, 48, 8, 120),
    "v20": (6, 2, 64, 32, 48, 96, 72, 24, 72, 112, 48, 8, 120),
    "v23-rc1": (6, 2, 80, 32, 48, 96, 72, 24, 72, 120, 88, 16, 120),
    "renumbered": (6, 2, 80, 32, 48, 96, 72, 24, 96, 120, 88, 16, 120),
    "v23-rc2": (6, 2, 80, 32, 48, 96, 80, 24, 96, 120, 88, 16, 120),
}
# machine -> order, word, (arch id up to rev 4, later)
MACHINES = {
    "x86_32": ("<", 4, (1, 1)),
    "x86_64": ("<", 8, (5, 2)),
    "s390x": (">", 8, (2, 3)),
    "ppc32": (">", 4, (3, 4)),
    "ppc64": (">", 8, (4, 5)),
}


def type_number(name: str, layout: str) -> int:
    """Number of a record type in a layout."""
    n = OLD[name]
    new = layout in ("renumbered", "v23-rc2")
    if name == "PIDS":
        return 101
    if new and 101 <= n <= 117:
        return n + 1
    if layout == "v23-rc2" and name == "MM_CONTEXT":
        return 405
    if layout in ("rev3", "rev4", "rev4-early") and 111 < n <= 117:
        return n - 1  # MNT_NS was not there
    if layout in ("rev3", "rev4-early") and 705 <= n <= 706:
        return n - 1  # nor SOCKET_FRAG
    return n


def object_number(kind: str, layout: str) -> int:
    """objtype of OBJREF."""
    n = TYPES[kind]
    if layout in ("renumbered", "v23-rc2"):
        return n + 1
    if layout.startswith(("rev3", "rev4")):
        return n - (n > 5) - (n > 11)
    return n


FIRST_PID = 300
NO_PID = -4096


def pid(k: int) -> int:
    """The pid number of the k-th task, from 1; 0 for none. In the new numbering its tag is k."""
    return FIRST_PID + k if k else 0


class Shape(NamedTuple):
    """What a scene has: files in a table, pages in each of three areas of an mm, ttys, pids with numbers in namespaces
    below (new numbering), pages in a chunk at most."""

    files: int = 4
    pages: int = 5
    ttys: bool = True
    nested: bool = True
    chunk: int = PAGES_IN_CHUNK


PLAIN = Shape()


class Maker:
    """A stream that grows. `remember`: keep what tests ask for."""

    def __init__(
        self, layout: str = "v20", machine: str = "x86_64", seed: int = 1, remember: bool = True, shape: Shape = PLAIN
    ) -> None:
        self.layout, self.machine, self.remember, self.shape = layout, machine, remember, shape
        self.order, self.word, ids = MACHINES[machine]
        (self.rev, _, self.task_len, self.objs_len, self.file_len, self.cred_len, self.vma_len, self.ns_len,
         self.tty_len, self.socket_len, self.siginfo_len, self.fs_len, self.shm_len) = LAYOUTS[layout]  # fmt: skip
        if machine == "x86_32" and self.rev < 6:
            self.task_len = 64
        self.arch = ids[0] if self.rev < 5 else ids[1]
        self.new = layout in ("renumbered", "v23-rc2")
        self.out = bytearray()
        self.random = random.Random(seed)
        self.next = 1
        self.objects: dict[int, str] = {}
        self.edges: set[tuple[str, str, str]] = set()
        self.memory: dict[str, dict[int, bytes]] = {}
        self.records = 0
        self.begins: list[int] = []
        self.shared: dict[str, int] = {}
        """The first object of a kind: later tasks share it."""
        self._page = 0

    # -- records ------------------------------------------------------------------------------------------

    def pack(self, form: str, *values: int | bytes) -> bytes:
        return struct.pack(self.order + form, *values)

    def raw(self, type_: int, body: bytes) -> None:
        self.records += 1
        if self.remember:
            self.begins.append(len(self.out))
        self.out += self.pack("II", type_, 8 + len(body)) + body

    def record(self, name: str, body: bytes = b"", length: int = 0) -> None:
        """A record; `length` fills up with zero bytes."""
        self.raw(type_number(name, self.layout), body + ZERO * (length - 8 - len(body)))

    def id(self) -> int:
        self.next += 1
        return self.next - 1

    def objref(self, kind: str, key: int = 0) -> int:
        key = key or self.id()
        self.shared.setdefault(kind, key)
        if self.remember:
            self.objects[key] = kind
        self.record("OBJREF", self.pack("Ii", object_number(kind, self.layout), key))
        return key

    def edge(self, source: str, role: str, target: str) -> None:
        if self.remember:
            self.edges.add((source, role, target))

    def take(self) -> bytes:
        """What was made since the last time."""
        taken, self.out = bytes(self.out), bytearray()
        return taken

    # -- the beginning and the end ------------------------------------------------------------------------

    def leading(self, parents: list[tuple[int, int]], tags: int = 0) -> None:
        """`parents`: the numbers of each task and its parent, from 1."""
        self.header()
        for text in (b"2.6.33", b"#1", b"x86_64"):
            self.record("BUFFER", text.ljust(65, ZERO))
        self.record("HEADER_ARCH", length=8 if self.machine == "s390x" else 16)
        self.record("CONTAINER")
        if self.rev > 3:
            self.record("BUFFER", b"lsm_none" + ZERO * 3)
            self.record("LSM_INFO", b"dummy")
        if self.new:
            self.pids(max(tags, len(parents)))
        self.record("TREE", self.pack("I", len(parents)), 16)
        self.record("BUFFER", b"".join(self.tree_entry(k, parent) for k, parent in parents))

    def tree_entry(self, k: int, parent: int) -> bytes:
        if not self.new:
            return self.pack("5iI", pid(k), pid(parent), pid(k), pid(k), pid(1), 0)
        return self.pack("5iI", k, parent or NO_PID, k, k, 1, 0)

    def pids(self, n: int) -> None:
        """Tags 1…n; every other pid has a number in a namespace below."""
        deep = [self.shape.nested and k % 2 == 0 for k in range(1, n + 1)]
        self.raw(101, self.pack("IIIxxxx", n, sum(deep), 1))
        self.record("BUFFER", b"".join(
            self.pack("Iii", 1, pid(k + 1), k) if deep[k] else self.pack("Ii", 0, pid(k + 1)) for k in range(n)
        ))
        self.next = n + 1

    def header(self) -> None:
        magic = 0x00FEED0CC0A2D200
        body = self.pack("Q", magic) + struct.pack("<H", self.arch) + self.pack("4H", 2, 6, 33, self.rev)
        self.record("HEADER", body, 72)

    def tail(self) -> None:
        self.record("TAIL", self.pack("Q", 0x002D2A0CC0DEEF00))

    # -- objects ------------------------------------------------------------------------------------------

    def file(self, type_: int = 1, name: bytes = b"/etc/a", target: int = 0, first: bool = True) -> int:
        key = self.objref("file")
        extra = {2: 8, 3: 8, 4: 8, 5: 8, 7: 16}.get(type_, 0)
        common = self.pack("4I2Q", type_, 3, 0o2, 0, 0, 0).ljust(self.file_len - 8, ZERO)
        self.record("FILE", common + self.pack("i", target) if target else common, self.file_len + extra)
        if type_ in (1, 3):
            self.record("FILE_NAME", name + ZERO)
        if type_ in (2, 3) and first:
            self.record("PIPE_BUF", b"in the pipe")
        role = {2: ("pipe", "pipe"), 3: ("pipe", "pipe"), 4: ("sock", "sock"), 5: ("tty", "tty")}.get(type_)
        if role and target:
            self.edge(f"file:{key}", role[0], f"{role[1]}:{target}")
        return key

    def descriptor(self, table: int, fd: int, file: int) -> None:
        self.record("FILE_DESC", self.pack("iiI", file, fd, 0), 24)
        self.edge(f"file-table:{table}", "fd", f"file:{file}")

    def sock(self, key: int, peer: int) -> int:
        self.objref("sock", key)
        self.record("SOCKET", length=self.socket_len)
        self.record("SOCKET_UNIX", self.pack("ii", key, peer), 256)
        self.edge(f"sock:{key}", "self", f"sock:{key}")
        self.edge(f"sock:{key}", "peer", f"sock:{peer}")
        return key

    def tty(self, link: int = 0) -> int:
        key = self.objref("tty")
        self.record("TTY", self.pack("HHi", 4, 1, link), self.tty_len)
        self.record("TTY_LDISC", length=560)
        self.record("BUFFER", b"typed ahead")
        if link:
            self.edge(f"tty:{key}", "link", f"tty:{link}")
        return key

    def file_table(self) -> int:
        """A table with every kind of file, a pipe, an epoll and a socket queued in itself."""
        files, ttys = self.shape.files, self.shape.ttys
        table = self.objref("file-table")
        self.record("FILE_TABLE", self.pack("i", files + 6 + ttys), 16)
        plain = []
        for fd in range(files):
            plain.append(self.file(name=b"/tmp/file-%d" % fd))
            self.descriptor(table, fd, plain[-1])
        pipe = self.id()
        for fd, first in ((files, True), (files + 1, False)):
            self.descriptor(table, fd, self.file(2, target=pipe, first=first))
        sock = self.sock(self.id(), self.next - 1)
        self.descriptor(table, files + 2, self.file(4, target=sock))
        epoll = self.file(6)
        self.descriptor(table, files + 3, epoll)
        self.descriptor(table, files + 4, self.file(7))
        self.descriptor(table, files + 5, self.file(3, b"/tmp/fifo", self.id()))
        if ttys:
            self.descriptor(table, files + 6, self.file(5, target=self.tty(self.tty())))
        watched = plain[:3]
        self.record("EPOLL_ITEMS", self.pack("iI", epoll, len(watched)))
        self.record("BUFFER", b"".join(self.pack("QIiIxxxx", 7, 3, file, 1) for file in watched))
        self.edge(f"epoll:{epoll}", "epoll-file", f"file:{epoll}")
        for file in watched:
            self.edge(f"epoll:{epoll}", "watches", f"file:{file}")
        self.record("SOCKET_QUEUE", self.pack("II", 1, 5))
        self.record("SOCKET_BUFFER", self.pack("9I", *[0] * 9) + self.pack("ii", sock, sock), 104)
        self.record("BUFFER", b"hello")
        self.record("SOCKET_QUEUE", self.pack("II", 0, 0))
        return table

    def page(self, size: int = PAGE) -> bytes:
        """Memory that no other page has."""
        self._page += 1
        noise = NOISE[self._page % 64 :][:1000]
        return struct.pack("<QQ", self._page, 0xC0FFEE) + noise + ZERO * (size - 1016)

    def chunk(self, memory: str, addresses: list[int], scale: int = 1, page: int = PAGE) -> None:
        """Pages at these addresses (or numbers, with `scale`)."""
        pages = [self.page(page) for _ in addresses]
        self.record("PGARR", self.pack("Q", len(addresses)))
        letter = "Q" if self.word == 8 else "I"
        self.record("BUFFER", self.pack(f"{len(addresses)}{letter}", *addresses) + b"".join(pages))
        if self.remember:
            self.memory.setdefault(memory, {}).update(
                {address * scale: data for address, data in zip(addresses, pages, strict=True)}
            )

    def end_pages(self) -> None:
        self.record("PGARR", self.pack("Q", 0))

    def vma(self, mm: int, type_: int, start: int, file: int = 0, inode: int = 0) -> None:
        body = self.pack("IiiIQQQ", type_, file, inode, 0, 0, start, start + 64 * PAGE)
        self.record("VMA", body, self.vma_len)
        if file:
            self.edge(f"mm:{mm}", "mapping", f"file:{file}")
        if inode:
            self.edge(f"mm:{mm}", "segment", f"shmem:{inode}")

    def mm(self, page: int = PAGE) -> int:
        mm, pages = self.objref("mm"), self.shape.pages
        exe = self.file(name=b"/bin/true")
        self.record("MM", self.pack("Ii", 4, exe), 120)
        self.edge(f"mm:{mm}", "exe", f"file:{exe}")
        self.edge(f"mm:{mm}", "mem", f"mem:{mm}")
        self.record("BUFFER", b"auxv" * 40)
        self.vma(mm, 3, 0x1000_0000, exe)
        self.chunks(f"mem:{mm}", [0x1000_0000 + page * i for i in range(pages)], page=page)
        self.chunks(f"mem:{mm}", [0x7000_0000 + page * 2 * i for i in range(min(pages, 5))], page=page)
        self.end_pages()
        inode = self.id()
        self.vma(mm, 4, 0x9000_0000, 0, inode)
        self.chunk(f"shmem:{inode}", [0, 2, 3], scale=page, page=page)
        self.end_pages()
        self.vma(mm, 5, 0xA000_0000, 0, inode)
        self.vma(mm, 1, 0xB000_0000)
        if self.machine == "s390x":
            self.record("MM_CONTEXT", length=48)
        else:
            self.record("MM_CONTEXT", self.pack("QII", 0, 8, 1))
            self.record("MM_CONTEXT_LDT", b"\1" * 8)
        return mm

    def chunks(self, memory: str, addresses: list[int], page: int = PAGE) -> None:
        for i in range(0, len(addresses), self.shape.chunk):
            self.chunk(memory, addresses[i : i + self.shape.chunk], page=page)

    def user(self, key: int = 0, namespace: int = 0) -> int:
        key = self.objref("user", key)
        self.record("USER", self.pack("Ii", 1000, namespace))
        if namespace:
            self.edge(f"user:{key}", "user-ns", f"user-ns:{namespace}")
        return key

    def user_loop(self) -> int:
        """user_struct -> user_namespace -> creator: the same user_struct, whose own record comes last."""
        user, namespace = self.objref("user"), self.objref("user-ns")
        self.record("USER_NS", self.pack("i", user), 16)
        self.record("USER", self.pack("Ii", 1000, namespace))
        self.edge(f"user:{user}", "user-ns", f"user-ns:{namespace}")
        self.edge(f"user-ns:{namespace}", "creator", f"user:{user}")
        return user

    def cred(self, loop: bool = False) -> int:
        cred, groups = self.objref("cred"), self.objref("groupinfo")
        self.record("GROUPINFO", self.pack("IIII", 2, 10, 20, 0) + ZERO * 4)
        user = self.user_loop() if loop else self.user()
        self.record("CRED", self.pack("8Iii", *[1000] * 8, user, groups), self.cred_len)
        self.edge(f"cred:{cred}", "user", f"user:{user}")
        self.edge(f"cred:{cred}", "groupinfo", f"groupinfo:{groups}")
        return cred

    def ns(self) -> int:
        ns, uts = self.objref("ns"), self.objref("uts-ns")
        names = (b"Linux", b"node", b"2.6.33", b"#1", b"x86_64", b"")
        self.record("UTS_NS", b"".join(name.ljust(65, ZERO) for name in names), 400)
        ipc = self.objref("ipc-ns")
        self.record("IPC_NS", length=56)
        self.record("IPC", self.pack("II", 1, 1))
        inode = self.id()
        self.record("IPC_SHM", ZERO * (self.shm_len - 16) + self.pack("II", inode, 0))
        self.edge(f"ipc-ns:{ipc}", "segment", f"shmem:{inode}")
        self.chunk(f"shmem:{inode}", [1], scale=PAGE)
        self.end_pages()
        if self.rev > 3:
            self.record("IPC", self.pack("II", 2, 1))
            self.record("IPC_MSG", ZERO * 88 + self.pack("QQii", 1, 0, 0, 0))
            self.record("IPC_MSG_MSG", self.pack("qIi", 1, 4, 0))
            self.record("BUFFER", b"post")
        else:
            self.record("IPC", self.pack("II", 2, 0))
        self.record("IPC", self.pack("II", 3, self.rev > 3))
        if self.rev > 3:
            self.record("IPC_SEM", length=88)
            self.record("BUFFER", b"\1\0")
        self.record("NS", self.pack("ii", uts, ipc), self.ns_len)
        self.edge(f"ns:{ns}", "uts-ns", f"uts-ns:{uts}")
        self.edge(f"ns:{ns}", "ipc-ns", f"ipc-ns:{ipc}")
        return ns

    # -- tasks --------------------------------------------------------------------------------------------

    def task(self, k: int, zombie: bool = False, **objects: int) -> None:
        """The k-th task. `objects`: what it shares with others, by kind."""
        me = f"task:{pid(k)}"
        self.record("TASK", length=self.task_len)
        self.record("STRING", (b"task-%d" % k).ljust(16, ZERO))
        if zombie:
            return
        x86 = self.machine.startswith("x86")
        self.record("THREAD", length=24 if x86 else 16)
        self.record("RESTART_BLOCK", length=56)
        self.record("CPU", length=192 if x86 else 440)
        if x86:
            self.record("CPU_FPU", ZERO * 512)
        cred = objects.get("cred") or self.cred(loop=k == 1)
        self.record("TASK_CREDS", self.pack("ii", cred, cred))
        self.edge(me, "cred", f"cred:{cred}")
        ns = objects.get("ns") or self.ns()
        self.record("TASK_NS", self.pack("i", ns), 16)
        self.edge(me, "ns", f"ns:{ns}")
        self.task_objects(me, objects)
        self.record("SIGPENDING", self.pack("IxxxxQ", 1, 0) + ZERO * self.siginfo_len)
        self.record("SIGNAL_TASK", length=16)

    def task_objects(self, me: str, objects: dict[str, int]) -> None:
        table = objects.get("file-table") or self.file_table()
        mm = objects.get("mm") or self.mm()
        fs = self.fs() if self.fs_len else 0
        sighand = self.objref("sighand")
        self.record("SIGHAND", ZERO * 2048)
        signal = self.id()
        fields = {
            24: ("ii", (table, mm), "ii", (sighand, signal)),
            32: ("iii", (table, mm, fs), "ii", (sighand, signal)),
        }[self.objs_len]
        late = self.layout in ("v23-rc1", "renumbered", "v23-rc2")
        body = self.pack(fields[0], *fields[1]) + (self.pack("i", 0) if late else b"") + self.pack("ii", *fields[3])
        self.record("TASK_OBJS", body, self.objs_len)
        named = {"file-table": table, "mm": mm, "fs": fs, "sighand": sighand, "signal": signal}
        for kind, key in named.items():
            if key:
                self.edge(me, kind, f"{kind}:{key}")
        self.record("SIGNAL", length=328)
        self.record("SIGPENDING", length=24)

    def fs(self) -> int:
        fs = self.objref("fs")
        self.record("FS", length=self.fs_len)
        self.record("FILE_NAME", b"/home\0")
        self.record("FILE_NAME", b"/\0")
        return fs


def scene(layout: str = "v20", machine: str = "x86_64", tasks: int = 3, shape: Shape = PLAIN) -> Maker:
    """A complete stream: task 1 with its children; the last two are each other's parent, one is its own."""
    maker = Maker(layout, machine, shape=shape)
    for _ in _grow(maker, tasks):
        pass
    return maker


def stream(
    tasks: int = 3, pages: int = 5, layout: str = "v20", machine: str = "x86_64", files: int = 4,
    chunk: int = PAGES_IN_CHUNK,
) -> Iterator[bytes]:
    """The bytes of a scene of any size, piece by piece: every second task has a table of so many files, every task an
    mm of so many pages and 8 more."""
    maker = Maker(layout, machine, remember=False, shape=Shape(files, pages, chunk=chunk))
    for _ in _grow(maker, tasks):
        if len(maker.out) > 1 << 18:
            yield maker.take()
    yield maker.take()


def _grow(maker: Maker, tasks: int) -> Iterator[None]:
    """Stops after every task."""
    parents = [(k + 1, k // 2) for k in range(tasks)]
    if tasks > 2:
        parents[-1], parents[-2] = (tasks, tasks - 1), (tasks - 1, tasks)  # each other's parent
        parents[0] = (1, 1)
    maker.leading(parents)
    for k, parent in parents:
        _expect(maker, k, parent)
    for k, _ in parents:
        shared = {kind: maker.shared[kind] for kind in ("cred", "ns")} if k > 1 else {}
        if k % 2 == 0:
            shared["file-table"] = maker.shared["file-table"]
        maker.task(k, **shared)
        yield
    maker.tail()


def _expect(maker: Maker, k: int, parent: int) -> None:
    """What the TREE says of a task."""
    me = f"task:{pid(k)}"
    for role, other in (("parent", parent), ("leader", k), ("group", k), ("session", 1)):
        if other:
            maker.edge(me, role, f"task:{pid(other)}")
            if maker.new:
                maker.edge(me, f"{role}-pid", f"pid:{other}")
    if maker.new:
        maker.edge(me, "pid", f"pid:{k}")
