"""Random trees of tasks that share everything with each other, and a writer for all of them or for some.

`World` is what there is, `write` is what linux-cr makes of it: each object is defined at its first use. Written for
some of the tasks only, with the ids that the whole stream gave, it is what an extract of these tasks has to be.
"""

from __future__ import annotations

import random
from typing import Any

from linux_cr.making import NO_PID, PAGE, ZERO, Maker

PIPE_ENDS = {"r": 0, "w": 1}
PRIVATE, ANON, ANON_LATER, IPC, IPC_LATER = 2, 4, 5, 7, 8


class Thing:
    """An object of the world."""

    def __init__(self, kind: str, **about: Any) -> None:
        self.kind, self.about = kind, about

    def __getattr__(self, name: str) -> Any:
        return self.__dict__["about"][name]


class World:
    """`tasks`: things with the number of each task, its parent, leader, group, session, and what it has."""

    def __init__(self, seed: int, tasks: int, rich: bool = True) -> None:
        self.random = random.Random(seed)
        self.rich = rich
        """Whether there are links between tasks: pipes, sockets, epolls, terminals."""
        self.users = self._users()
        self.creds = [Thing("cred", user=self._any(self.users), groups=Thing("groupinfo")) for _ in range(3)]
        self.spaces = [self._ns() for _ in range(2)]
        self.inodes = [Thing("inode") for _ in range(3)]
        self.ends = self._ends() if rich else []
        self.files = [Thing("file", type=1, about_=k) for k in range(6)] + self.ends
        if rich:
            self.files += [Thing("file", type=6, watched=self._some(self.files, 4)) for _ in range(2)]
        self.tables = [Thing("file-table", files=self._some(self.files, 6)) for _ in range(4)]
        self.mms = [self._mm() for _ in range(4)]
        self.fs = [Thing("fs") for _ in range(2)]
        self.hands = [Thing("sighand") for _ in range(3)]
        self.tasks: list[Thing] = []
        for number in range(1, tasks + 1):
            self.tasks.append(self._task(number))

    def _any(self, things: list[Thing]) -> Thing:
        return self.random.choice(things)

    def _some(self, things: list[Thing], most: int) -> list[Thing]:
        return self.random.sample(things, self.random.randint(1, min(most, len(things))))

    def _users(self) -> list[Thing]:
        """A chain: the namespace of each was created by one before it."""
        users = [Thing("user", space=None)]
        for _ in range(3):
            space = Thing("user-ns", creator=self._any([*users, users[0]]))
            users += [Thing("user", space=space), Thing("user", space=space)]
        return users

    def _ns(self) -> Thing:
        ipc = Thing("ipc-ns", inodes=[Thing("inode") for _ in range(2)])
        return Thing("ns", uts=Thing("uts-ns"), ipc=ipc)

    def _ends(self) -> list[Thing]:
        """Both ends of pipes, of unix sockets (one is its own peer), of a terminal."""
        ends = []
        for type_ in (2, 3):
            pipe = Thing("pipe")
            ends += [Thing("file", type=type_, pipe=pipe, end=end) for end in PIPE_ENDS]
        alone = Thing("sock", peer=[])
        alone.peer.append(alone)
        first, second = Thing("sock", peer=[]), Thing("sock", peer=[])
        first.peer.append(second)
        second.peer.append(first)
        ends += [Thing("file", type=4, sock=sock) for sock in (alone, first, second)]
        master, slave = Thing("tty", link=[]), Thing("tty", link=[])
        master.link.append(slave)
        slave.link.append(master)
        return ends + [Thing("file", type=5, tty=tty) for tty in (master, slave)]

    def _mm(self) -> Thing:
        areas: list[tuple[int, Thing | None]] = [(PRIVATE, None)]
        areas += [(ANON, inode) for inode in self._some(self.inodes, 2)]
        areas += [(IPC, self._any(self.spaces[0].ipc.inodes))] if self.random.random() < 0.5 else []
        self.random.shuffle(areas)
        return Thing("mm", exe=self._any(self.files[:3]), areas=areas, mapped=self._any(self.files[:6]))

    def _task(self, number: int) -> Thing:
        before = self.tasks
        parent = self._any(before) if before else None
        if parent is not None and parent.leader is parent and self.random.random() < 0.2:
            return self._thread(number, parent)
        made = Thing("task", number=number, parent=parent and parent.leader_, zombie=False, signal=Thing("signal"))
        made.about |= {
            "cred": self._any(self.creds), "ns": self._any(self.spaces), "table": self._any(self.tables),
            "mm": self._any(self.mms), "fs": self._any(self.fs), "hand": self._any(self.hands),
        }  # fmt: skip
        made.about |= {"leader": made, "leader_": made}
        for role in ("group", "session"):
            made.about[role] = self._any([*before, made]).leader_
        if number > 1 and self.random.random() < 0.15:
            made.about["zombie"] = True
        return made

    def _thread(self, number: int, leader: Thing) -> Thing:
        about = {name: leader.about[name] for name in leader.about if name not in ("number", "leader")}
        return Thing("task", number=number, leader=leader, **about)

    # -- parts ---------------------------------------------------------------------------------------------

    def part(self, numbers: list[int], scope: str) -> list[Thing]:
        """These tasks, their threads, and all below them."""
        kept = [self.tasks[number - 1] for number in numbers]
        for one in kept:
            for task in self.tasks:
                below = task.parent is one and scope == "subtree"
                if (below or task.leader is one) and task not in kept:
                    kept.append(task)
        return sorted(kept, key=lambda task: task.number)


class Writer(Maker):
    """Writes tasks of a world. `ids`: those of the whole stream; else they are given at first sight."""

    def __init__(self, world: World, tasks: list[Thing], layout: str, machine: str, whole: Writer | None = None) -> None:
        super().__init__(layout, machine)
        self.world, self.tasks, self.whole = world, tasks, whole
        self.ids: dict[Thing, int] = {} if whole is None else whole.ids
        self.seen: set[Thing] = set()
        self.deferred: list[Thing] = []
        living = [task for task in tasks if not task.zombie]
        self.held = {file for task in living for file in task.table.files}
        self.held |= {file for task in living for file in (task.mm.exe, task.mm.mapped)}
        self.contents: dict[Thing, bytes] = {} if whole is None else whole.contents

    def key(self, thing: Thing) -> int:
        if thing not in self.ids:
            assert self.whole is None, thing.kind
            self.ids[thing] = self.id()
        return self.ids[thing]

    def first(self, thing: Thing) -> bool:
        """Whether it is seen for the first time."""
        new = thing not in self.seen
        self.seen.add(thing)
        return new

    def begin(self, thing: Thing) -> bool:
        """Define it, unless it is; its OBJREF is written, and what follows is up to the caller."""
        if not self.first(thing):
            return False
        self.objref(thing.kind, self.key(thing))
        return True

    def write(self) -> bytes:
        self.lead()
        for task in self.tasks:
            self.body(task)
        self.tail()
        return bytes(self.out)

    # -- the tree ------------------------------------------------------------------------------------------

    def lead(self) -> None:
        root, entries = self.tasks[0], []
        for task in self.tasks:
            parent = task.parent
            if parent is not None and parent not in self.tasks:
                parent = None if task.leader is root else root
            entries.append((task, parent, task.leader, task.group, task.session))
        named = sorted({one.number for entry in entries for one in entry if one is not None})
        self.named = {number: k + 1 for k, number in enumerate(named)}
        self.leading([])
        kept, self.out = bytes(self.out), bytearray()
        at = kept.rindex(self.pack("II", 101 + self.new, 16))  # TREE
        if self.new:
            at = kept.index(self.pack("II", 101, 24))
        self.out += kept[:at]
        if self.new:
            self.table(named)
        self.record("TREE", self.pack("I", len(entries)), 16)
        none = NO_PID if self.new else 0
        body = [[none if one is None else self.number(one) for one in entry] for entry in entries]
        self.record("BUFFER", b"".join(self.pack("5iI", *numbers, 0) for numbers in body))

    def number(self, task: Thing) -> int:
        return self.named[task.number] if self.new else 300 + task.number

    def table(self, named: list[int]) -> None:
        deep = [number % 3 == 0 for number in named]
        self.raw(101, self.pack("IIIxxxx", len(named), sum(deep), 1))
        self.record("BUFFER", b"".join(
            self.pack("Iii", 1, 300 + n, n) if below else self.pack("Ii", 0, 300 + n)
            for n, below in zip(named, deep, strict=True)
        ))  # fmt: skip
        self.next = len(self.world.tasks) + 1

    def body(self, task: Thing) -> None:
        self.record("TASK", length=self.task_len)
        self.record("STRING", (b"task-%d" % task.number).ljust(16, ZERO))
        if task.zombie:
            return
        self.record("RESTART_BLOCK", length=56)
        self.cred_(task.cred)
        self.record("TASK_CREDS", self.pack("ii", self.key(task.cred), self.key(task.cred)))
        self.ns_(task.ns)
        self.record("TASK_NS", self.pack("i", self.key(task.ns)), 16)
        self.objects_(task)
        self.record("SIGPENDING", self.pack("IxxxxQ", 1, 0) + ZERO * self.siginfo_len)
        self.record("SIGNAL_TASK", length=16)

    def objects_(self, task: Thing) -> None:
        self.table_(task.table)
        self.mm_(task.mm)
        keys = [self.key(task.table), self.key(task.mm)]
        if self.fs_len:
            if self.begin(task.fs):
                self.record("FS", length=self.fs_len)
                self.record("FILE_NAME", b"/home\0")
                self.record("FILE_NAME", b"/\0")
            keys.append(self.key(task.fs))
        elif self.objs_len == 32:
            keys.append(0)
        if self.begin(task.hand):
            self.record("SIGHAND", ZERO * 2048)
        keys += [0] if self.layout in ("v23-rc1", "renumbered", "v23-rc2") else []
        keys += [self.key(task.hand), self.key(task.signal)]
        self.record("TASK_OBJS", self.pack(f"{len(keys)}i", *keys), self.objs_len)
        if self.first(task.signal):
            self.record("SIGNAL", length=328)
            self.record("SIGPENDING", length=24)

    # -- who and where -------------------------------------------------------------------------------------

    def cred_(self, cred: Thing) -> None:
        if self.begin(cred):
            if self.begin(cred.groups):
                self.record("GROUPINFO", self.pack("III", 1, 10, 0))
            self.user_(cred.user)
            body = self.pack("8Iii", *[1000] * 8, self.key(cred.user), self.key(cred.groups))
            self.record("CRED", body, self.cred_len)

    def user_(self, user: Thing) -> None:
        if self.begin(user):
            space = user.space
            if space is not None:
                if space not in self.seen:
                    self.user_(space.creator)
                if self.begin(space):
                    self.record("USER_NS", self.pack("i", self.key(space.creator)), 16)
            self.record("USER", self.pack("Ii", 1000, self.key(space) if space else 0))

    def ns_(self, ns: Thing) -> None:
        if self.begin(ns):
            if self.begin(ns.uts):
                self.record("UTS_NS", length=400)
            self.ipc_(ns.ipc)
            self.record("NS", self.pack("ii", self.key(ns.uts), self.key(ns.ipc)), self.ns_len)

    def ipc_(self, ipc: Thing) -> None:
        if self.begin(ipc):
            self.record("IPC_NS", length=56)
            self.record("IPC", self.pack("II", 1, len(ipc.inodes)))
            for inode in ipc.inodes:
                self.record("IPC_SHM", ZERO * (self.shm_len - 16) + self.pack("II", self.key(inode), 0))
                self.pages_(inode, 1)
            self.record("IPC", self.pack("II", 2, 0))
            self.record("IPC", self.pack("II", 3, 0))

    # -- memory --------------------------------------------------------------------------------------------

    def pages_(self, thing: Thing, n: int, at: int = 0) -> None:
        """Its pages: the same each time."""
        data = self.contents.get(thing)
        if data is None:
            before, self.out = self.out, bytearray()
            for k in range(n):
                self.chunk("", [at + PAGE * k if at else k])
            self.end_pages()
            data = self.contents[thing] = bytes(self.out)
            self.out = before
        self.out += data

    def mm_(self, mm: Thing) -> None:
        if self.begin(mm):
            self.file_(mm.exe)
            self.record("MM", self.pack("Ii", len(mm.areas), self.key(mm.exe)), 120)
            self.record("BUFFER", b"auxv" * 4)
            for k, (type_, inode) in enumerate(mm.areas):
                self.area_(mm, 0x1000_0000 * (k + 1), type_, inode)
            self.record("MM_CONTEXT", length=48 if self.machine == "s390x" else 24)
            if not self.machine.startswith("x86"):
                self.record("MM_CONTEXT_LDT")

    def area_(self, mm: Thing, start: int, type_: int, inode: Thing | None) -> None:
        file, new = 0, False
        if inode is None:
            self.file_(mm.mapped)
            file = self.key(mm.mapped)
        else:
            if type_ == IPC:
                self.ipc_(self.world.spaces[0].ipc)
            key = self.key(inode)
            new = self.first(inode)
            type_ += not new
        body = self.pack("IiiIQQQ", type_, file, key if inode else 0, 0, 0, start, start + 64 * PAGE)
        self.record("VMA", body, self.vma_len)
        if inode is None:
            self.pages_(mm, 2, start)
        elif type_ == ANON:
            self.pages_(inode, 2)

    # -- files ---------------------------------------------------------------------------------------------

    def table_(self, table: Thing) -> None:
        if self.begin(table):
            outer, self.deferred = self.deferred, []
            self.record("FILE_TABLE", self.pack("i", len(table.files)), 16)
            for fd, file in enumerate(table.files):
                self.file_(file)
                self.record("FILE_DESC", self.pack("iiI", self.key(file), fd, 0), 24)
            for epoll in self.deferred:
                self.items_(epoll)
            self.deferred = outer

    def file_(self, file: Thing) -> None:
        if not self.begin(file):
            return
        target = 0
        if file.type in (2, 3):
            target = self.key(file.pipe)
        elif file.type == 4:
            self.sock_(file.sock)
            target = self.key(file.sock)
        elif file.type == 5:
            self.tty_(file.tty)
            target = self.key(file.tty)
        elif file.type == 6:
            self.deferred.append(file)
        flags = PIPE_ENDS[file.end] if file.type in (2, 3) else 2
        common = self.pack("4I2Q", file.type, 3, flags, 0, 0, 0).ljust(self.file_len - 8, ZERO)
        extra = 8 if target else 0
        self.record("FILE", common + (self.pack("i", target) if target else b""), self.file_len + extra)
        if file.type in (1, 3):
            self.record("FILE_NAME", b"/tmp/name\0")
        if file.type in (2, 3) and self.first(file.pipe):
            self.record("PIPE_BUF", b"in the pipe")

    def sock_(self, sock: Thing) -> None:
        if self.begin(sock):
            peer = sock.peer[0]
            self.record("SOCKET", length=self.socket_len)
            there = peer is sock or any(f.type == 4 and f.sock is peer for f in self.held)
            self.record("SOCKET_UNIX", self.pack("ii", self.key(sock), self.key(peer) if there else 0), 256)

    def tty_(self, tty: Thing) -> None:
        if self.begin(tty):
            self.tty_(tty.link[0])
            self.record("TTY", self.pack("HHi", 4, 1, self.key(tty.link[0])), self.tty_len)
            self.record("TTY_LDISC", length=560)
            self.record("BUFFER", b"typed ahead")

    def items_(self, epoll: Thing) -> None:
        watched = [file for file in epoll.watched if file in self.held]
        for file in watched:
            self.file_(file)
        self.record("EPOLL_ITEMS", self.pack("iI", self.key(epoll), len(watched)))
        if watched:
            self.record("BUFFER", b"".join(self.pack("QIiIxxxx", 7, 3, self.key(file), 1) for file in watched))
