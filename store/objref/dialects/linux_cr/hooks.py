"""What a record says about the ones that follow it: which the object still wants, where its pages go.

Dispatched by the record's name (`self._hooks`), and only if the facts give the layout of a record of that length.
"""

from __future__ import annotations

import struct
from collections.abc import Callable

from objref.dialects.linux_cr.batch import Batch, Frame
from objref.dialects.linux_cr.entries import FILE_TYPES, TREE_ENTRY, pid_entries, watches
from objref.dialects.linux_cr.fields import References, references
from objref.dialects.linux_cr.kinds import KIND
from objref.dialects.linux_cr.memory import Memory
from objref.dialects.linux_cr.notebook import Notebook
from objref.dialects.linux_cr.numbering import Layout
from objref.dialects.linux_cr.openers import Openers
from objref.dialects.linux_cr.records import VETH

__all__ = ["Hook", "Hooks"]

Hook = Callable[[Frame, bytearray, int, int], None]
LISTS = ("IPC_SHM", "IPC_MSG", "IPC_SEM")
GENERIC, PIPES, FIFO = 1, (2, 3), 3
PRIVATE, SHARED = (2, 3), 4
"""vma_type whose pages follow: private ones by address, shared ones by number at the first sight of the inode."""


class Hooks(Openers):
    """See above. Mutable."""

    def __init__(self, order: str, batch: Batch, notebook: Notebook) -> None:
        super().__init__(order, batch, notebook)
        self._forms = {form: struct.Struct(order + form) for form in ("i", "I", "Q", "Iii")}
        self._hooks: dict[str, Hook] = {
            "FILE_TABLE": self._file_table, "FILE": self._file, "MM": self._mm, "VMA": self._vma,
            "PGARR": self._pgarr, "MM_CONTEXT": self._mm_context, "FS": self._fs, "IPC_NS": self._ipc_ns,
            "IPC": self._ipc, "IPC_SHM": self._ipc_shm, "IPC_MSG": self._ipc_msg, "IPC_MSG_MSG": self._ipc_msg_msg,
            "IPC_SEM": self._ipc_sem, "SOCKET": self._socket, "SOCKET_UNIX": self._last, "SOCKET_INET": self._last,
            "SOCKET_BUFFER": self._socket_buffer, "TTY": self._tty, "TTY_LDISC": self._tty_ldisc,
            "TASK_SEM_UNDO_LIST": self._sem_undo_list, "TASK_SEM_UNDO": self._sem_undo, "NETDEV": self._netdev,
            "SECURITY": self._security, "TASK_OBJS": self._task_objs, "BUFFER": self._buffer, "STRING": self._string,
        }  # fmt: skip

    def refer(self, frame: Frame, refs: References, data: bytearray, at: int) -> None:
        """The references of a record."""
        for value, code in zip(refs.unpack.unpack_from(data, at), refs.codes, strict=True):
            if value > 0:
                frame.codes.append(code | value)
            elif value < 0:
                self.notebook.add("negative", frame.objref, f"refers to {value}: ids are above 0", "negative")

    def _odd(self, at: int, text: str, reason: str, what: str) -> None:
        self.notebook.add(what, f"{self.base + at:#x}", text, reason)

    def _number(self, data: bytearray, offset: int, form: str = "I") -> int:
        value: int = self._forms[form].unpack_from(data, offset)[0]
        return value

    # -- files ---------------------------------------------------------------------------------------------

    def _file_table(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        n = self._number(data, at + 8, "i")
        if n > 0:
            frame.wants["FILE_DESC"] = n

    def _file(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        type_ = self._number(data, at + 8)
        if type_ == GENERIC:  # most files
            frame.wants["FILE_NAME"] = 1
            return
        common = 40 if self.revision.layout == Layout.REV3 else 48
        known = FILE_TYPES.get(type_)
        if known is None:
            self._odd(at, f"FILE of type {type_}: not known", f"FILE type {type_}", "unknown-layout")
            return
        refs = references(known[1], self.order, common)
        if refs is not None and length >= common + 4:
            self.refer(frame, refs, data, at)
            if type_ in PIPES:
                self.pipe = self._number(data, at + common, "i")
        if type_ == FIFO:
            frame.wants["FILE_NAME"] = 1

    def _fs(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["FILE_NAME"] = 2

    def _tty(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["TTY_LDISC"] = 1

    def _tty_ldisc(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["BUFFER"], frame.loose = 1, True

    def _security(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        """Its text may follow, or be part of the record: nobody knows."""
        frame.wants.update({"STRING": 1, "BUFFER": 1})
        frame.loose = True

    # -- memory --------------------------------------------------------------------------------------------

    def _mm(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        n = self._number(data, at + 8)
        frame.wants.update({"BUFFER": 1, "MM_CONTEXT": 1})
        if n:
            frame.wants.update({"VMA": n, "PGARR": -1, "HPAGE": -1})
        frame.memory = self._memory("mem", frame.key)
        frame.codes.append(self.mem_code | frame.key)

    def _memory(self, kind: str, key: int) -> Memory:
        memory = Memory(KIND[kind], kind, key, self.batch.new_token())
        self.memories.append(memory)
        return memory

    def _vma(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        type_, _, inode = self._forms["Iii"].unpack_from(data, at + 8)
        if type_ in PRIVATE and frame.memory is not None:
            frame.area = frame.memory, False
        else:
            frame.area = (self._memory("shmem", inode), True) if type_ == SHARED and inode > 0 else None

    def _pgarr(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        self.pages, self.area = self._number(data, at + 8, "Q"), frame.area
        if self.pages:
            frame.wants.setdefault("BUFFER", 1)
            if self.area is None:
                self._odd(at, "pages where nothing says what they are part of: kept, not readable by address",
                          "pages", "page-chunk")  # fmt: skip
            return
        frame.area = None
        if frame.kind == "ipc-ns":
            frame.wants.pop("PGARR", None)

    def _mm_context(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants.clear()
        frame.loose = True
        if not self.revision.x86 or self._number(data, at + 20):
            frame.wants["MM_CONTEXT_LDT"] = 1

    # -- the ipc namespace ---------------------------------------------------------------------------------

    def _ipc_ns(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["IPC"] = 3

    def _ipc(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        """The lists come as shared memory, messages, semaphores; the numbers of `ipc_type` are not known."""
        frame.count += 1
        frame.wants.pop("BUFFER", None)
        n = self._number(data, at + 12)
        if n and frame.count <= len(LISTS):
            frame.wants[LISTS[frame.count - 1]] = n

    def _ipc_shm(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        inode = self._number(data, at + (112 if length == 120 else 104), "i")
        frame.area = (self._memory("shmem", inode), True) if inode > 0 else None
        frame.wants["PGARR"] = -1

    def _ipc_msg(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        n = self._number(data, at + 96, "Q") if length == 120 else -1
        frame.wants.pop("BUFFER", None)
        if n:
            frame.wants["IPC_MSG_MSG"] = n

    def _ipc_msg_msg(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["BUFFER"] = -1

    def _ipc_sem(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["BUFFER"] = 1

    # -- sockets, semaphores, devices ----------------------------------------------------------------------

    def _socket(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants.update({"SOCKET_UNIX": 1, "SOCKET_INET": 1})

    def _last(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants.clear()

    def _socket_buffer(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.loose = "SOCKET_BUFFER" not in frame.wants

    def _sem_undo_list(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        n = self._number(data, at + 8)
        if n:
            frame.wants["TASK_SEM_UNDO"] = n

    def _sem_undo(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        frame.wants["BUFFER"] = 1
        frame.loose = "TASK_SEM_UNDO" not in frame.wants

    def _netdev(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        """Only a veth has its own id there."""
        refs = references(VETH, self.order)
        if refs is not None and self._number(data, at + 12) == frame.key:
            self.refer(frame, refs, data, at)
        frame.wants["NETDEV_ADDR"], frame.loose = 1, True

    # -- tasks ---------------------------------------------------------------------------------------------

    def _task_objs(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        if length == 24:
            self.signal = self._number(data, at + 20, "i")
        else:
            self.signal = self._number(data, at + (24 if self.revision.layout <= Layout.V20 else 28), "i")

    def _buffer(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        if self.pages:
            return
        if frame.kind == "epoll":
            found = watches(data, at + 8, length - 8, self.order)
            found.extend(frame.codes)
            frame.codes = found
        elif frame.kind == "tree":
            self._read_tree(frame, data, at + 8, length - 8)
        elif frame.kind == "pids":
            self._read_pids(frame, data, at + 8, length - 8)

    def _read_tree(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        self.tree.read(data, at, length, self.order, self.table if self.revision.new else None)
        if frame.count * TREE_ENTRY.length != length:
            self.notebook.add("tree", "tree:0", f"says {frame.count} tasks and has {len(self.tree)}")

    def _read_pids(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        taken = 0
        for start, size, number in pid_entries(data, at, length, self.order):
            self.batch.add("pid", self.table.first + len(self.table.numbers), start, size)
            self.table.numbers.append(number)
            taken += size
        if len(self.table.numbers) != frame.count or taken != length:
            self.notebook.add("pids", "pids:0", f"says {frame.count} pids and has {len(self.table.numbers)}")

    def _string(self, frame: Frame, data: bytearray, at: int, length: int) -> None:
        if frame.kind == "error":
            self.failed(frame, data, at, length)
