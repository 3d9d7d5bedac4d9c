"""Images of the dialect, written from the facts alone: nothing here comes from the code under test.

`Writer` places objects; `realistic` makes an image of many processes in the order of the posted writer.
"""

from __future__ import annotations

import random
import struct

TASK, NSPROXY, UTS, IPC, MNT, PID_NS, NET, MM, SIGNAL, SIGHAND, FS, FILES, FILE, CRED, PID = range(1, 16)
NAMES = (
    "task", "nsproxy", "uts-ns", "ipc-ns", "mnt-ns", "pid-ns", "net-ns", "mm", "signal", "sighand", "fs", "files",
    "file", "cred", "pid",
)  # fmt: skip
LENGTHS = {
    TASK: 112, NSPROXY: 48, UTS: 392, IPC: 8, MNT: 8, PID_NS: 16, NET: 8, MM: 8, SIGNAL: 264, SIGHAND: 8, FS: 12,
    FILES: 8, FILE: 56, CRED: 72,
}  # fmt: skip
UNDEFINED = 2**64 - 1
INFINITY = 2**63 - 1

EXAMPLE = bytes.fromhex(
    """
    4c 69 6e 75 78 43 2f 52 01 00 00 00 00 00 00 00
    32 2e 36 2e 32 39 2d 72 63 36 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    01 00 00 00 00 00 00 00 0f 00 00 00 10 00 00 00
    00 00 00 00 01 00 00 00 0e 00 00 00 48 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 ff ff ff ff ff ff ff 7f
    ff ff ff ff ff ff ff 7f ff ff ff ff ff ff ff 7f
    0d 00 00 00 38 00 00 00 00 00 00 00 00 00 00 00
    00 00 00 00 00 00 00 00 ff ff ff ff ff ff ff ff
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00
    68 00 00 00 00 00 00 00
    """
)
"""The facts' hand-built image: PID, CRED, FILE -> CRED."""


def header(release: bytes = b"2.6.29-rc6", version: int = 1, architecture: int = 1) -> bytes:
    """84 bytes, not padded."""
    return struct.pack("<8sQ64sI", b"LinuxC/R", version, release, architecture)


class Writer:
    """Writes an image as the posted code does: the position moves to a multiple of 8 before each object. Mutable."""

    def __init__(self, head: bytes | None = None) -> None:
        self.data = bytearray(header() if head is None else head)
        self.objects: dict[str, bytes] = {}
        self.edges: set[tuple[str, str, str]] = set()
        """(source, role, target), each target by the kind that the field is for."""

    def put(self, number: int, body: bytes = b"", length: int | None = None) -> int:
        """An object; returns its position. `length`: what its header says, if that is a lie."""
        self.data += bytes(-len(self.data) % 8)
        at = len(self.data)
        length = 8 + len(body) if length is None else length
        whole = struct.pack("<II", number, length) + body
        self.data += whole
        self.objects[f"{NAMES[number - 1] if 0 < number < 16 else 'unknown'}:{at:#x}"] = whole
        return at

    def refer(self, source: int, kind: str, role: str, to: str, target: int) -> None:
        if target != UNDEFINED:
            self.edges.add((f"{kind}:{source:#x}", role, f"{to}:{target:#x}"))

    def pid(self, *numbers: int, level: int = 0) -> int:
        return self.put(PID, struct.pack(f"<I{len(numbers)}I", level, *numbers))

    def cred(self, uid: int = 0, gid: int = 0) -> int:
        return self.put(CRED, struct.pack("<8I4Q", *[uid, gid] * 4, 0, INFINITY, INFINITY, INFINITY))

    def file(self, cred: int, owner: int = UNDEFINED, flags: int = 0, at: int = 0) -> int:
        where = self.put(FILE, struct.pack("<IIQQIIIIQ", flags, 0, at, owner, 0, 0, 0, 0, cred))
        self.refer(where, "file", "owner", "pid", owner)
        self.refer(where, "file", "cred", "cred", cred)
        return where

    def uts(self, *names: bytes) -> int:
        return self.put(UTS, struct.pack("<64s64s64s64s64s64s", *names))

    def signal(self, cur: int = 1024) -> int:
        return self.put(SIGNAL, struct.pack("<32Q", *[cur, UNDEFINED] * 16))

    def nsproxy(self, *targets: int) -> int:
        where = self.put(NSPROXY, struct.pack("<5Q", *targets))
        roles = ("uts", "ipc", "mnt", "pid-ns", "net")
        for role, to, target in zip(roles, NAMES[2:7], targets, strict=True):
            self.refer(where, "nsproxy", role, to, target)
        return where

    def task(self, comm: bytes, **fields: int) -> int:
        """`fields`: positions by name; what is not named is undefined."""
        roles = {
            "real_cred": "cred", "cred": "cred", "mm": "mm", "pid": "pid", "group": "pid", "session": "pid", "fs": "fs",
            "files": "files", "nsproxy": "nsproxy", "signal": "signal", "sighand": "sighand",
        }  # fmt: skip
        values = [fields.get(name, UNDEFINED) for name in roles]
        where = self.put(TASK, struct.pack("<2Q16s9Q", *values[:2], comm, *values[2:]))
        for (name, to), target in zip(roles.items(), values, strict=True):
            self.refer(where, "task", name.replace("_", "-"), to, target)
        return where

    def __bytes__(self) -> bytes:
        return bytes(self.data)


def realistic(tasks: int, seed: int = 1) -> Writer:
    """Processes in a few namespaces, in the posted order of dumping: PID, CRED, FILE, FILES, FS, UTS, IPC, MNT,
    PID_NS, NET, SIGHAND, SIGNAL, MM, NSPROXY, TASK."""
    r, w = random.Random(seed), Writer()
    pids = [w.pid(*range(i + 1, i + 2 + i % 3)) for i in range(tasks)]
    creds = [w.cred(i * 8, 8) for i in range(max(1, tasks // 4))]  # uid 8, gid 8: reads as an MM_STRUCT
    for i in range(tasks * 2):
        w.file(r.choice(creds), r.choice([*pids, UNDEFINED]), i, i << 40)
    files = [w.put(FILES) for _ in range(tasks)]
    fs = [w.put(FS, struct.pack("<I", 0o22)) for _ in range(tasks)]
    uts = [w.uts(b"Linux", b"host%d" % i, b"2.6.29", b"#1", b"i686", b"(none)") for i in range(2)]
    ipc, mnt = w.put(IPC), w.put(MNT)
    pid_ns, net = w.put(PID_NS, struct.pack("<II", 0, tasks)), w.put(NET)
    sighands = [w.put(SIGHAND) for _ in range(tasks)]
    signals = [w.signal(i) for i in range(tasks)]
    mms = [w.put(MM) for _ in range(tasks)]
    proxies = [w.nsproxy(u, ipc, mnt, pid_ns, net) for u in uts] + [
        w.nsproxy(uts[0], UNDEFINED, mnt, pid_ns, UNDEFINED)
    ]
    for i in range(tasks):
        w.task(
            b"worker-%d" % i, real_cred=r.choice(creds), cred=r.choice(creds), mm=mms[i], pid=pids[i], group=pids[0],
            session=r.choice(pids), fs=fs[i], files=files[i], nsproxy=r.choice(proxies), signal=signals[i],
            sighand=sighands[i],
        )  # fmt: skip
    return w
