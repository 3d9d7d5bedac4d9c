"""Makes CPT files from the facts alone: its offsets are written here again, not taken from the product."""

from __future__ import annotations

import struct
from typing import NamedTuple

NULL = (1 << 64) - 1
NONE = (1 << 32) - 1
SIGNATURE = bytes.fromhex("791c0163")
PAGE = 4096

TYPES = {
    "TASK": 0, "MM": 1, "FS": 2, "FILES": 3, "FILE": 4, "SIGHAND": 5, "SIGNAL": 6, "TTY": 7, "SOCKET": 8, "UNDO": 9,
    "NAMESPACE": 10, "SHM": 11, "INODE": 12, "UBC": 13, "CGROUP": 18, "TIMERS": 20, "VMA": 1024, "FILEDESC": 1025,
    "SIGHANDLER": 1026, "SIGINFO": 1027, "SEM": 1029, "SKB": 1030, "FLOCK": 1031, "VFSMOUNT": 1033, "TRAILER": 1034,
    "UNDO_REC": 1035, "NET_DEVICE": 1036, "NET_IFADDR": 1037, "NET_ROUTE": 1038, "CONNTRACK": 1039, "EXPECT": 1040, "VEINFO": 1042, "EPOLL": 1043,
    "EPOLL_FILE": 1044, "MSG": 1049, "MSG_MSG": 1050, "MM_AUXV": 1051, "REGS32": 4096, "REGS64": 4097, "PAGES": 4098,
    "COPYPAGES": 4099, "LAZYPAGES": 4101, "NAME": 4102, "BITS": 4103, "REF": 4104, "ITERPAGES": 4105,
    "VSYSCALL": 4107, "INOTIFY": 4109, "WATCH": 4110, "TUNTAP": 4113, "POSIX_TIMER": 4123,
}  # fmt: skip
SIZES = {
    "TASK": 992, "MM": 136, "FS": 24, "FILES": 32, "FILE": 96, "SIGHAND": 16, "SIGNAL": 456, "TTY": 720, "SOCKET": 1048,
    "UNDO": 16, "NAMESPACE": 16, "SHM": 128, "INODE": 120, "UBC": 3104, "CGROUP": 32, "TIMERS": 16, "VMA": 80,
    "FILEDESC": 40, "SIGHANDLER": 56, "SIGINFO": 184, "SEM": 96, "SKB": 168, "FLOCK": 64, "VFSMOUNT": 56, "TRAILER": 248,
    "UNDO_REC": 24, "NET_DEVICE": 48, "CONNTRACK": 232, "EXPECT": 96, "VEINFO": 160, "EPOLL": 24, "EPOLL_FILE": 48,
    "MSG": 128, "MSG_MSG": 32, "MM_AUXV": 16, "REGS32": 120, "REGS64": 280, "PAGES": 32, "COPYPAGES": 40,
    "LAZYPAGES": 40, "NAME": 16, "BITS": 24, "REF": 24, "ITERPAGES": 32, "INOTIFY": 40, "WATCH": 24, "TUNTAP": 72,
    "NET_IFADDR": 96, "NET_ROUTE": 16, "VSYSCALL": 16, "POSIX_TIMER": 88,
}  # fmt: skip
NULLS = {
    "TASK": (96, 104, 112, 120, 128, 160, 168, 944, 952, 960, 968, 976), "MM": (112,), "VMA": (16,), "COPYPAGES": (32,),
    "FILEDESC": (24,), "FILE": (48, 56, 88), "INODE": (112,), "VFSMOUNT": (24, 32, 40, 48), "EPOLL": (16,),
    "EPOLL_FILE": (16,), "INOTIFY": (16,), "SOCKET": (16,), "SIGNAL": (56,), "UBC": (16,), "REF": (16,), "TUNTAP": (32,),
}  # fmt: skip
OLD = {
    "FILE": 88, "FILEDESC": 32, "VFSMOUNT": 24, "INODE": 112, "VEINFO": 72, "FLOCK": 48, "SOCKET": 912, "SKB": 120,
    "MM": 128, "SIGINFO": 72, "TASK": 976, "SIGNAL": 448, "NET_DEVICE": 40, "CONNTRACK": 296,
}  # fmt: skip
MIDDLE = {
    "VEINFO": 144, "FILEDESC": 32, "FLOCK": 56, "SOCKET": 920, "SKB": 120, "SIGINFO": 72, "TASK": 976, "SIGNAL": 448,
    "NET_DEVICE": 40,
}  # fmt: skip
I386 = {"SIGINFO": 192, "CGROUP": 28}


class Flavour(NamedTuple):
    """A kernel that writes images: version field, architecture, the structs whose sizes differ from 141.3's."""

    name: str
    version: int
    architecture: int
    sizes: dict[str, int]


FLAVOURS = [
    Flavour("028stab056", 0x302, 1, OLD),
    Flavour("028stab056-i386", 0x302, 0, OLD),
    Flavour("18_3", 0x303, 1, OLD),
    Flavour("18_4", 0x304, 1, OLD),
    Flavour("32", 0x800, 1, MIDDLE),
    Flavour("042stab061", 0x801, 1, MIDDLE),
    Flavour("32_2", 0x802, 1, MIDDLE),
    Flavour("042stab113", 0x803, 1, {"FILEDESC": 32, "SKB": 128}),
    Flavour("042stab141", 0x803, 1, {}),
    Flavour("042stab141-i386", 0x803, 0, I386),
]


class Maker:
    """A CPT file while it is made. Mutable."""

    def __init__(self, flavour: Flavour = FLAVOURS[8]) -> None:
        self.flavour = flavour
        self.out = bytearray(80)
        struct.pack_into("<4sHHH", self.out, 0, SIGNATURE, 80, flavour.version, flavour.architecture)
        struct.pack_into("<HH", self.out, 20, PAGE, 1000)
        self.open: list[int] = []
        self.sections: dict[int, int] = {}
        self.count = 0
        self.wide = 0
        """64-bit tasks."""

    def at(self, type: str) -> bool:
        """Whether structs of this type reach the fields of 141.3."""
        return self.size(type) >= SIZES[type]

    def size(self, type: str) -> int:
        return self.flavour.sizes.get(type, SIZES[type])

    def section(self, number: int) -> None:
        self.sections[number] = len(self.out)
        self.open.append(len(self.out))
        self.out += struct.pack("<QIHH", 0, number, 16, 0)

    def begin(self, type: str, content: int = 1, size: int = 0, **fields: tuple[str, int]) -> int:
        """Open an object. Fields: `o96=("Q", 17)` puts a u64 at 96. Returns its position."""
        position, size = len(self.out), size or self.size(type)
        head = bytearray(size)
        struct.pack_into("<QIHH", head, 0, 0, TYPES[type], size, content)
        for offset in NULLS.get(type, ()):
            if offset + 8 <= size:
                struct.pack_into("<Q", head, offset, NULL)
        for name, (code, value) in fields.items():
            offset = int(name[1:])
            if offset + struct.calcsize("<" + code) <= size:
                struct.pack_into("<" + code, head, offset, value)
        self.out += head
        self.open.append(position)
        self.count += 1
        return position

    def end(self) -> None:
        position = self.open.pop()
        struct.pack_into("<Q", self.out, position, len(self.out) - position)

    def align(self) -> None:
        self.out += bytes(-len(self.out) % 8)

    def leaf(self, type: str, content: int = 0, body: bytes = b"", align: bool = True, **fields: tuple[str, int]) -> int:
        position = self.begin(type, content, **fields)
        self.out += body
        if body and align:
            self.align()
        self.end()
        return position

    def name(self, text: bytes) -> int:
        return self.leaf("NAME", 3, text + b"\0")

    def bits(self, body: bytes, content: int = 2) -> int:
        return self.leaf("BITS", content, body, o16=("I", len(body)))

    def pages(self, start: int, body: bytes) -> int:
        return self.leaf("PAGES", 2, body, o16=("Q", start), o24=("Q", start + len(body)))

    def patch(self, position: int, value: int) -> None:
        struct.pack_into("<Q", self.out, position, value)

    def finish(self) -> bytes:
        """Write the trailer."""
        self.section(23)
        slots = [self.sections.get(i, NULL) for i in range(27)]
        self.begin("TRAILER", 0, o20=("I", self.wide))
        struct.pack_into("<27QI4s", self.out, len(self.out) - 224, *slots, 27, SIGNATURE)
        self.end()
        self.end()
        return bytes(self.out)


class Scene(NamedTuple):
    """A made file and what is in it."""

    data: bytes
    objects: int
    """Objects inside sections."""
    where: dict[str, int]
    """Positions of some of them."""
    memory: dict[int, dict[int, bytes]]
    """MM position -> page address -> content."""


def page(n: int) -> bytes:
    """A page unlike others; every third is zero."""
    return bytes(PAGE) if n % 3 == 0 else struct.pack("<Q", n) * (PAGE // 8)


def scene(flavour: Flavour = FLAVOURS[8], tasks: int = 4, files: int = 6) -> Scene:
    """A container of processes: mounts, terminals, files, sockets that hold each other, memory that is copied.

    Loops: a task whose tracer is its child; a unix socket that waits in its own queue and is its own peer; a file whose
    owner maps it. Sections stand in the order of the kernel that the flavour is of, empty ones too.
    """
    m = Maker(flavour)
    scenery = Scenery(m, flavour.version >= 0x800, tasks, files, {}, {})
    order = ORDER if scenery.new else OLD_ORDER
    for number in order:
        if number == 33 and flavour.version < 0x803:
            continue
        m.section(number)
        WRITERS.get(number, lambda _: None)(scenery)
        m.end()
    return Scene(m.finish(), m.count, scenery.where, scenery.memory)


def page_blocks(count: int, pages: int = 1) -> bytes:
    """One address space of so many blocks of so many pages, with gaps between."""
    m = Maker()
    m.section(4)
    m.begin("MM", 1)
    for k in range(count):
        m.pages(BASE + k * 2 * pages * PAGE, struct.pack("<Q", k + 1) * (pages * PAGE // 8))
    m.end()
    m.end()
    return m.finish()


class Scenery(NamedTuple):
    """What the writers of sections share."""

    m: Maker
    new: bool
    tasks: int
    files: int
    where: dict[str, int]
    memory: dict[int, dict[int, bytes]]

    @property
    def mount(self) -> int:
        return self.where.get("mount", NULL)

    def table(self) -> list[int]:
        """Positions of all files of the container."""
        names = [f"file{i}" for i in range(self.files)]
        return [self.where[n] for n in (*names, "deleted-file", "tty-file", "socket-file", "epoll-file")]


ORDER = (1, 24, 10, 32, 8, 12, 2, 27, 29, 9, 5, 6, 16, 17, 18, 19, 31, 7, 33, 4, 14, 11, 30, 3, 15, 20, 22, 28)
OLD_ORDER = (1, 24, 8, 12, 2, 27, 29, 9, 5, 6, 16, 17, 18, 19, 10, 7, 4, 14, 11, 30, 3, 15, 20, 22)


def _veinfo(s: Scenery) -> None:
    s.m.leaf("VEINFO", o72=("I", 100 + s.tasks))


def _ubc(s: Scenery) -> None:
    ubc = s.where["ubc"] = s.m.leaf("UBC", o24=("I", 101))
    s.m.leaf("UBC", o16=("Q", ubc), o24=("I", 102))


def _namespace(s: Scenery) -> None:
    m, where = s.m, s.where
    where["namespace"] = m.begin("NAMESPACE", 1)
    root = where["mount"] = m.begin("VFSMOUNT", 1)
    _names(m, b"/dev/simfs", b"/", b"simfs")
    m.begin("VFSMOUNT", 1, o16=("I", 0x80000000), o24=("Q", root), o32=("Q", root))
    _names(m, b"/dev/simfs", b"/mnt", b"simfs")
    where["cgroup-mount"] = m.begin("VFSMOUNT", 1, o24=("Q", 1), o32=("Q", root))
    _names(m, b"cgroup", b"/cg", b"cgroup")
    where["tmpfs"] = m.begin("VFSMOUNT", 1, o32=("Q", root))
    for text in (b"none", b"/tmp", b"tmpfs"):
        m.name(text)
    m.begin("NAME", 2, size=24, o16=("I", 70000))
    m.out += bytes(70000) + b"\0"
    m.align()
    m.end()
    m.end()
    m.end()


def _names(m: Maker, *texts: bytes) -> None:
    for text in texts:
        m.name(text)
    m.end()


def _cgroups(s: Scenery) -> None:
    m, where = s.m, s.where
    where["cgroup-root"] = m.leaf("CGROUP", 0, bytes(4), align=False, o16=("I", 0), o20=("i", -1))
    where["cgroup"] = m.begin("CGROUP", 0, o16=("I", 1), o20=("i", 0))
    m.name(b"web")
    m.out += b"".join(struct.pack("<I", 100 + i) for i in range(s.tasks)) + bytes(4)
    m.end()


def _ttys(s: Scenery) -> None:
    m = s.m
    s.where["tty"] = m.leaf("TTY", o24=("I", 1), o28=("I", 0), o88=("4s", b"ptm0"))  # type: ignore[arg-type]
    m.begin("TTY", 1, o24=("I", 0), o28=("I", 1), o88=("4s", b"pts0"))  # type: ignore[arg-type]
    m.bits(b"typed ahead")
    m.end()


def _inodes(s: Scenery) -> None:
    m, where = s.m, s.where
    where["deleted"] = m.begin("INODE", 1, o24=("Q", 99), o32=("I", 0o100644), o112=("Q", s.mount))
    m.leaf("SHM", o72=("I", 3), o80=("Q", 2 * PAGE))
    m.pages(0, page(1) + page(2))
    m.end()
    where["pts"] = m.begin("INODE", 1, o32=("I", 0o020620), o112=("Q", s.mount))
    where["ref"] = m.leaf("REF", o16=("Q", where["tty"]))
    m.end()
    where["pipe"] = m.begin("INODE", 1, o32=("I", 0o010600))
    m.bits(b"in the pipe")
    m.end()


def _files(s: Scenery) -> None:
    m, where = s.m, s.where
    for i in range(s.files):
        owner = {"o64": ("I", 3), "o68": ("I", 100)} if i == 0 else {"o64": ("I", NONE), "o68": ("I", 100)}
        where[f"file{i}"] = m.begin("FILE", 1, o40=("I", 0o100644), o88=("Q", s.mount), **owner)
        m.name(b"/etc/%d" % i)
        if i == 1:
            offset = {48: "o40", 56: "o48", 64: "o48"}[m.size("FLOCK")]
            where["flock"] = m.leaf("FLOCK", o16=("I", 0), o20=("I", 100), **{offset: ("I", 7)})
        m.end()
    where["deleted-file"] = m.begin("FILE", 1, o40=("I", 0o100644), o44=("I", 1), o48=("Q", where["deleted"]))
    m.name(b"/tmp/gone")
    m.end()
    where["tty-file"] = m.begin("FILE", 1, o40=("I", 0o020620), o48=("Q", where["pts"]), o56=("Q", where["tty"]))
    m.name(b"/dev/pts/0")
    m.end()
    where["socket-file"] = m.begin("FILE", 1, o40=("I", 0o140777), o56=("Q", 7), o64=("I", NONE))
    m.end()
    where["epoll-file"] = m.begin("FILE", 1, o40=("I", 0o600), o44=("I", 0x10), o56=("Q", 4711), o64=("I", NONE))
    m.name(b"[eventpoll]")
    m.end()


def _epoll(s: Scenery) -> None:
    s.m.begin("EPOLL", 1, o16=("Q", s.where["epoll-file"]))
    s.m.leaf("EPOLL_FILE", o16=("Q", s.where["file0"]), o24=("I", 3))
    s.m.end()


def _inotify(s: Scenery) -> None:
    m = s.m
    m.begin("INOTIFY", 1, o16=("Q", s.where["file0"]))
    m.begin("WATCH", 1)
    m.begin("FILE", 1, o40=("I", 0o040755))
    _names(m, b"/etc")
    m.end()
    m.end()


def _sockets(s: Scenery) -> None:
    m, where = s.m, s.where
    where["socket"] = m.begin(
        "SOCKET", 1, o16=("Q", where["socket-file"]), o24=("I", NONE), o28=("I", 7), o42=("H", 1), o396=("I", 7),
        o424=("Q", s.mount),
    )  # fmt: skip
    where["skb"] = m.begin("SKB", 1, o16=("I", 7))
    where["in-flight"] = m.leaf("FILEDESC", o16=("I", 0), o24=("Q", where["socket-file"]))
    m.end()
    m.end()
    m.leaf("SOCKET", 0, o24=("I", NONE), o28=("I", 8), o42=("H", 2), o396=("I", NONE))


def _tables(s: Scenery) -> None:
    s.where["files"] = s.m.begin("FILES", 1, o16=("I", 0), o20=("I", 256))
    for fd, file in enumerate(s.table()):
        s.m.leaf("FILEDESC", o16=("I", fd), o24=("Q", file))
    s.m.end()


def _fs(s: Scenery) -> None:
    s.where["fs"] = s.m.begin("FS", 1, o16=("I", 0o22))
    for text in (b"/", b"/root"):
        s.m.begin("FILE", 1, o40=("I", 0o040755))
        _names(s.m, text)
    s.m.end()


def _devices(s: Scenery) -> None:
    s.m.leaf("NET_DEVICE", o16=("I", 1), o24=("2s", b"lo"))  # type: ignore[arg-type]


def _addresses(s: Scenery) -> None:
    s.m.leaf("NET_IFADDR", o16=("I", 1), o20=("B", 2), o72=("2s", b"lo"))  # type: ignore[arg-type]


def _routes(s: Scenery) -> None:
    s.m.leaf("NET_ROUTE", 10, b"netlink message " * 3)


def _iptables(s: Scenery) -> None:
    s.m.name(b"*filter\nCOMMIT\n")
    s.m.leaf("NAME", 0xFFFF, b"# of ip6tables\n\0")


def _statistics(s: Scenery) -> None:
    s.m.bits(struct.pack("<6Q", *range(6)))


def _handlers(s: Scenery) -> None:
    s.where["sighand"] = s.m.begin("SIGHAND", 1)
    for signal in range(1, 5):
        s.m.leaf("SIGHANDLER", o16=("I", signal))
    s.m.end()


def _timers(s: Scenery) -> None:
    s.where["timers"] = s.m.begin("TIMERS", 1)
    s.m.leaf("POSIX_TIMER", o16=("I", 1), o64=("I", 14))
    s.m.end()


def _semaphores(s: Scenery) -> None:
    s.where["sem"] = s.m.leaf("SEM", 8, struct.pack("<4I", 1, 100, 2, 101), o72=("I", 3))


def _undo(s: Scenery) -> None:
    s.where["undo"] = s.m.begin("UNDO", 1)
    s.where["record"] = s.m.leaf("UNDO_REC", 9, struct.pack("<3h", 1, -1, 2), align=False, o16=("I", 3), o20=("I", 3))
    s.m.end()


def _messages(s: Scenery) -> None:
    s.m.begin("MSG", 1)
    s.m.leaf("MSG_MSG", 2, b"odd", align=False, o16=("Q", 1), o24=("Q", 3))
    s.m.end()


def _connections(s: Scenery) -> None:
    s.m.begin("CONNTRACK", 1, o80=("I", 5))
    s.m.leaf("EXPECT", o24=("I", 5))
    s.m.end()


def _host(s: Scenery) -> None:
    s.m.name(b"host")


def _vsyscall(s: Scenery) -> None:
    s.m.leaf("VSYSCALL", 2, page(7))


BASE = 0x400000


def _memory(s: Scenery) -> None:
    m, table, first = s.m, s.table(), 0
    for i in range(s.tasks):
        mm = m.begin("MM", 1, o112=("Q", s.where["ubc"]))
        s.where[f"mm{i}"] = mm
        mine = s.memory[mm] = {}
        first = first or mm
        s.where[f"vma{i}"] = m.begin("VMA", 1, o16=("Q", table[0]), o40=("Q", BASE), o48=("Q", BASE + 16 * PAGE))
        if i == 0:
            body = [page(n) for n in range(20, 26)]
            m.pages(BASE, b"".join(body))
            mine.update({BASE + n * PAGE: one for n, one in enumerate(body)})
        else:
            m.leaf("COPYPAGES", o16=("Q", BASE + PAGE), o24=("Q", BASE + 4 * PAGE), o32=("Q", first))
            mine.update({BASE + n * PAGE: s.memory[first][BASE + n * PAGE] for n in range(1, 4)})
            m.pages(BASE + 8 * PAGE, page(100 + i))
            mine[BASE + 8 * PAGE] = page(100 + i)
        m.leaf("PAGES", 0, o16=("Q", BASE + 12 * PAGE), o24=("Q", BASE + 14 * PAGE))
        mine.update({BASE + 12 * PAGE: bytes(PAGE), BASE + 13 * PAGE: bytes(PAGE)})
        m.end()
        m.begin("VMA", 1, o16=("Q", table[1]), o40=("Q", 0x7000000), o48=("Q", 0x7001000))
        m.end()
        m.end()


def _tasks(s: Scenery) -> None:
    """Tasks 100…; 102 is a thread of 101, and the signals of both are in 102, the last one."""
    for i in range(s.tasks):
        _task(s, i, thread=i == 2, leads=i == 1 and s.tasks > 2)


def _task(s: Scenery, i: int, *, thread: bool, leads: bool) -> None:
    m, where, pid = s.m, s.where, 100 + i
    # 100 is traced by its own child: the loop of the thread
    parent, real = (101, 0) if i == 0 and s.tasks > 1 else (100, 100)
    where[f"task{i}"] = m.begin(
        "TASK", 1, o96=("Q", where[f"mm{i - thread}"]), o104=("Q", where["files"]), o112=("Q", where["fs"]),
        o128=("Q", where["sighand"]), o160=("Q", where["namespace"]), o168=("Q", where["undo"]),
        o176=("I", pid), o180=("I", pid - thread), o184=("I", parent), o188=("I", real), o192=("I", 100),
        o196=("I", 100), o215=("B", m.flavour.architecture), o440=("4s", b"init"),  # type: ignore[arg-type]
        o944=("Q", where["ubc"]), o976=("Q", where.get("timers", NULL)),
    )  # fmt: skip
    m.wide += m.flavour.architecture
    m.bits(bytes(40), 4)
    m.leaf("REGS32" if m.flavour.architecture == 0 else "REGS64")
    m.leaf("SIGINFO", o20=("I", 17))
    if not leads:
        signal = where[f"signal{i}"] = m.begin("SIGNAL", 1, o24=("Q", 100), o40=("Q", 100), o56=("Q", where["tty"]))
        m.leaf("SIGINFO", o20=("I", 15))
        m.end()
        for n in range(i - thread, i + 1):
            m.patch(where[f"task{n}"] + 120, signal)
        where[f"signal{i - thread}"] = signal
    m.end()


WRITERS = {
    1: _veinfo, 2: _files, 3: _tasks, 4: _memory, 5: _tables, 6: _fs, 7: _handlers, 8: _ttys, 9: _sockets,
    10: _namespace, 11: _undo, 12: _inodes, 14: _semaphores, 16: _devices, 17: _addresses, 18: _routes, 19: _iptables,
    20: _connections, 22: _host, 24: _ubc, 27: _epoll, 28: _vsyscall, 29: _inotify, 30: _messages, 31: _statistics,
    32: _cgroups, 33: _timers,
}  # fmt: skip
