"""Objects that begin with a record of their own, and the state that records leave for later ones."""

from __future__ import annotations

import struct
from collections.abc import Callable

from objref.dialects.linux_cr.batch import Batch, Frame
from objref.dialects.linux_cr.entries import PidTable, Tree
from objref.dialects.linux_cr.ids import Taken
from objref.dialects.linux_cr.kinds import KIND, ROLE
from objref.dialects.linux_cr.memory import Memory
from objref.dialects.linux_cr.notebook import Notebook
from objref.dialects.linux_cr.numbering import TAIL_MAGIC, arch_name
from objref.dialects.linux_cr.revision import Revision

__all__ = ["Opener", "Openers"]

OWN = {
    "file-table": "FILE_TABLE", "file": "FILE", "mm": "MM", "fs": "FS", "sighand": "SIGHAND", "ns": "NS",
    "uts-ns": "UTS_NS", "ipc-ns": "IPC_NS", "user-ns": "USER_NS", "cred": "CRED", "user": "USER",
    "groupinfo": "GROUPINFO", "sock": "SOCKET", "tty": "TTY", "security": "SECURITY", "net-ns": "NET_NS",
    "netdev": "NETDEV", "sem-undo": "TASK_SEM_UNDO_LIST",
}  # fmt: skip
"""Kind -> the record that must follow its OBJREF. The others: nobody knows what follows."""
LEADING = {"BUFFER": -1, "HEADER_ARCH": 1, "CONTAINER": 1, "LSM_INFO": 1}
TASK = dict.fromkeys(
    ("THREAD", "RESTART_BLOCK", "CPU", "CPU_FPU", "TASK_CREDS", "TASK_NS", "TASK_OBJS", "SIGPENDING", "SIGNAL_TASK"), -1
) | {"STRING": 1}
"""In any order: it changed between versions, and is not known for all of them."""
TASK_ROLES = ("parent", "leader", "group", "session")
PID_ROLES = ("pid", "parent-pid", "leader-pid", "group-pid", "session-pid")
NO_ENTRY = 1 << 32
"""Keys of tasks whose pid is not known start there; they are counted."""
TEXT = 500
MESSAGE = 4096
DEPTH = 128
"""Objects inside each other. Real ones: task, file table, file, tty, file."""


def _code(role: str, kind: str) -> int:
    return ROLE[role] << 48 | KIND[kind] << 32


TASK_CODES = tuple(_code(role, "task") for role in TASK_ROLES)
PID_CODES = tuple(_code(role, "pid") for role in PID_ROLES)
Opener = Callable[[bytearray, int, int], Frame | None]


class Openers:
    """Mutable: `stack` is the objects whose records still come, innermost last."""

    mem_code = _code("mem", "mem")

    def __init__(self, order: str, batch: Batch, notebook: Notebook) -> None:
        self.order, self.batch, self.notebook = order, batch, notebook
        self.revision = Revision()
        self.stack: list[Frame] = []
        self.memories: list[Memory] = []
        self.tree, self.table = Tree(), PidTable()
        self.base = 0
        """Position in the stream of the batch's first byte."""
        self.tasks = self.queues = self.errors = 0
        self.pages = 0
        """The next BUFFER has so many pages."""
        self.word = self.page = 0
        self.area: tuple[Memory, bool] | None = None
        """What these pages are part of; whether they come by number, not by address."""
        self.pipe = self.signal = 0
        """The id that the next PIPE_BUF, the next SIGNAL is of."""
        self.passing: Frame | None = None
        """The object that a long record is of, while it passes."""
        self.ended = False
        self._taken = Taken()
        self._kinds: dict[int, str] = {}
        self._id = struct.Struct(order + "8xIi")
        self._open: dict[str, Opener] = {
            "HEADER": self._header, "PIDS": self._pids, "TREE": self._tree, "TASK": self._task,
            "SIGNAL": self._signal, "PIPE_BUF": self._pipe_buf, "EPOLL_ITEMS": self._epoll_items,
            "SOCKET_QUEUE": self._socket_queue, "ERROR": self._error, "TAIL": self._tail, "OBJREF": self._objref,
        }  # fmt: skip

    # -- the stack -----------------------------------------------------------------------------------------

    def push(self, frame: Frame) -> Frame:
        """An object begins."""
        if len(self.stack) >= DEPTH:
            self.notebook.add("depth", frame.objref, f"more than {DEPTH} objects inside each other", "depth")
            self.close_top()
        self.stack.append(frame)
        return frame

    def begin(self, frame: Frame) -> Frame:
        """An object begins. What lies on top and may be complete is complete."""
        while self.stack and self.stack[-1].loose:
            self.close_top()
        return self.push(frame)

    def _alone(self, frame: Frame) -> Frame:
        """An object begins that is inside no other."""
        while self.stack:
            self.close_top()
        return self.push(frame)

    def close_top(self) -> None:
        """The innermost object has all that it will get."""
        frame = self.stack.pop()
        if frame.wants and not frame.loose:
            self._incomplete(frame)
        self.batch.close(frame)

    def _incomplete(self, frame: Frame) -> None:
        missing = [name for name, n in frame.wants.items() if n > 0]
        if missing:
            text = f"ends where {', '.join(missing[:3])} should follow"
            self.notebook.add("incomplete", frame.objref, text, f"{frame.kind} {missing[0]}")

    def close_to(self, frame: Frame) -> None:
        """This object, and what lies above it, is complete."""
        while self.stack:
            top = self.stack[-1]
            self.close_top()
            if top is frame:
                return

    # -- what has an OBJREF record -------------------------------------------------------------------------

    def _objref(self, data: bytearray, at: int, length: int) -> Frame | None:
        if length != 16:
            return None
        type_, key = self._id.unpack_from(data, at)
        if key <= 0:
            self.notebook.add("negative", f"{self.base + at:#x}", f"OBJREF of id {key}: ids are above 0", "objref")
            return None
        kind = self._kinds.get(type_)
        if kind is None:
            text = f"is of type {type_}, which the facts do not list: what follows is not taken for part of it"
            self.notebook.add("unknown-type", f"obj:{key}", text, f"type {type_}")
            kind = "object"
        if not self._taken.add(key):
            text = f"is defined again at {self.base + at:#x}, as {kind}: both are kept, references mean the first"
            self.notebook.add("defined-twice", f"obj:{key}", text)
        own = OWN.get(kind)
        return self.begin(Frame(kind, key, {own: 1} if own else {}))

    # -- the beginning and the end -------------------------------------------------------------------------

    def _header(self, data: bytearray, at: int, length: int) -> Frame | None:
        if self.base + at or length != 72:
            return None
        arch = int.from_bytes(data[at + 16 : at + 18], "little")
        rev = struct.unpack_from(self.order + "H", data, at + 24)[0]
        self.revision.begin(rev, arch_name(rev, arch, self.order == ">"))
        self._kinds = self.revision.kinds
        if not self.revision.layout:
            text = f"rev {rev}: a layout that the facts do not have; kept, not decoded"
            self.notebook.add("unknown-layout", "header:0", text)
        elif not self.revision.arch:
            self.notebook.add("unknown-machine", "header:0", f"machine {arch} of rev {rev} is not known")
        return self._alone(Frame("header", 0, dict(LEADING) if self.revision.layout else {}, True))

    def _tail(self, data: bytearray, at: int, length: int) -> Frame | None:
        if length != 16:
            return None
        self.ended = True
        if struct.unpack_from(self.order + "Q", data, at + 8)[0] != TAIL_MAGIC:
            self.notebook.add("tail-magic", "tail:0", "the TAIL has not its magic number")
        return self._alone(Frame("tail", 0, {}))

    def _error(self, data: bytearray, at: int, length: int) -> Frame:
        """Either the message follows as a STRING, or (as the posted documentation says) it is in the record."""
        self.errors += 1
        frame = self.push(Frame("error", self.errors - 1, {"STRING": 1} if length == 8 else {}))
        if length > 8:
            self.failed(frame, data, at, length)
        return frame

    def failed(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        """The checkpoint failed part way, and said so in this record."""
        message = bytes(data[at + 8 : at + length]) if length <= MESSAGE else b"at length"
        text = message.strip(b"\0").split(b"\0")[0].decode("utf-8", "replace")[:TEXT]
        self.notebook.add("error", frame.objref, f"the checkpoint failed: {text}")

    # -- tasks ---------------------------------------------------------------------------------------------

    def _pids(self, data: bytearray, at: int, length: int) -> Frame | None:
        if length != 24:
            return None
        n, _, first = struct.unpack_from(self.order + "III", data, at + 8)
        self.table = PidTable(first)
        frame = self._alone(Frame("pids", 0, {"BUFFER": 1} if n else {}))
        frame.count = n
        return frame

    def _tree(self, data: bytearray, at: int, length: int) -> Frame:
        frame = self._alone(Frame("tree", 0, {"BUFFER": 1}))
        frame.count = struct.unpack_from(self.order + "I", data, at + 8)[0] if length >= 12 else 0
        return frame

    def _task(self, data: bytearray, at: int, length: int) -> Frame:
        k, self.tasks, self.signal = self.tasks, self.tasks + 1, 0
        if k >= len(self.tree):
            self.notebook.add("tree", f"task:{NO_ENTRY + k}", "a task that the TREE does not name", "task")
            return self._alone(Frame("task", NO_ENTRY + k, dict(TASK)))
        entry = self.tree.entry(k)
        numbers = [self.table.number(tag) for tag in entry] if self.revision.new else entry
        own = numbers[0]
        if own <= 0:
            text = f"a task whose pid is {own}, by the tag {entry[0]}" if self.revision.new else f"a task of pid {own}"
            self.notebook.add("tree", f"task:{NO_ENTRY + k}", text, "pid")
        frame = self._alone(Frame("task", own if own > 0 else NO_ENTRY + k, dict(TASK)))
        # a pid number is a reference only if it names a task of the stream; a tag always is
        tasks = zip(TASK_CODES, numbers[1:], strict=True)
        frame.codes = [code | pid for code, pid in tasks if pid > 0 and pid in self.tree.pids]
        if self.revision.new:
            frame.codes += [code | tag for code, tag in zip(PID_CODES, entry, strict=True) if tag > 0]
        return frame

    # -- the others without OBJREF -------------------------------------------------------------------------

    def _signal(self, data: bytearray, at: int, length: int) -> Frame | None:
        key, self.signal = self.signal, 0
        return self.begin(Frame("signal", key, {"SIGPENDING": 1})) if key > 0 else None

    def _pipe_buf(self, data: bytearray, at: int, length: int) -> Frame | None:
        key, self.pipe = self.pipe, 0
        return self.push(Frame("pipe", key, {})) if key > 0 else None

    def _epoll_items(self, data: bytearray, at: int, length: int) -> Frame | None:
        if length != 16:
            return None
        key, n = struct.unpack_from(self.order + "iI", data, at + 8)
        return self.begin(Frame("epoll", key, {"BUFFER": 1}, loose=n == 0)) if key > 0 else None

    def _socket_queue(self, data: bytearray, at: int, length: int) -> Frame | None:
        if length != 16:
            return None
        n = struct.unpack_from(self.order + "I", data, at + 8)[0]
        self.queues += 1
        wants = {"SOCKET_BUFFER": n, "SOCKET_FRAG": -1, "BUFFER": -1} if n else {}
        return self.begin(Frame("queue", self.queues - 1, wants))
