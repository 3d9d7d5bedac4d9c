"""An extract in the making: tasks, tables and open files that are kept, and what was changed in them."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.refs_files import FILE_FIELDS
from objref.dialects.cuts import Cuts
from objref.errors import FormatError

if TYPE_CHECKING:
    from objref.dialects.criu.extract.links import Links
    from objref.object import Object

__all__ = ["Draft", "OpenFile", "Table", "Task"]

REG = 1
DEAD = (2, 6)
"""core.tc.task_state of zombies."""


class Task:
    """A task that is kept. Mutable: `message` is its item of pstree.img as it will be written."""

    def __init__(self, found: Object, message: Any, core: Any) -> None:
        self.found = found
        self.objref = found.objref
        self.pid: int = message.pid
        self.message = message
        self.old = type(message).FromString(message.SerializeToString())
        self.state: int = core.tc.task_state if core.HasField("tc") else 1
        self.ids: Any = None
        self.ids_object: Object | None = None

    @property
    def alive(self) -> bool:
        """Whether it has memory and files; zombies have none."""
        return self.state not in DEAD


class Table:
    """A table of descriptors. Mutable."""

    def __init__(self, found: Object, number: int) -> None:
        self.found = found
        self.number = number
        self.pids: list[int] = []
        self.items: dict[int, Any] = {}
        """fd → fdinfo_entry"""
        self.changed = False

    def point(self, fd: int, file: OpenFile) -> None:
        """Let a descriptor mean another open file."""
        self.items[fd].id, self.items[fd].type = file.id, file.type
        self.changed = True


class OpenFile:
    """An item of files.img. Mutable. `found` is None when it was made here."""

    def __init__(self, message: Any, found: Object | None, name: str) -> None:
        self.message = message
        self.found = found
        self.objref = name
        self.id: int = message.id
        self.type: int = message.type
        self.changed = found is None

    @property
    def body(self) -> Any:
        """The message of its type."""
        field = "reg" if self.type == REG else FILE_FIELDS.get(self.type, ("", None))[0]
        if not field or not self.message.HasField(field):
            raise FormatError(f"{self.objref}: of type {self.type}, but without the fields of that type")
        return getattr(self.message, field)


class Draft:
    """What is kept. The steps of a plan fill it in, one after the other. Mutable."""

    def __init__(self, links: Links, cuts: Cuts) -> None:
        self.links = links
        self.cuts = cuts
        self.tasks: dict[int, Task] = {}
        """By pid, the root first, then in the order of the image."""
        self.everyone: frozenset[int] = frozenset()
        """Pids, and ids of threads"""
        self.tables: dict[int, Table] = {}
        self.files: dict[int, OpenFile] = {}
        self.held: dict[int, list[tuple[Table, int]]] = {}
        """File id → (table, descriptor), by the lowest pid that has the table: CRIU lets that task open the file."""
        self.segments: dict[int, Object] = {}
        """Shared memory by shmid"""
        self.side: dict[str, dict[int, Object]] = {}
        """Kind → key → objects that belong to open files: queued data, deleted files, terminals, …"""
        self.locks: list[Object | list[bytes]] = []
        """Items of filelocks.img: as they are, or new."""
        self.options: dict[str, None] = {}
        """Of the command line, in order, once each."""
        self.descriptors: list[str] = []
        self.notes: list[str] = []

    @property
    def root(self) -> Task:
        """The task that the others descend from."""
        return next(iter(self.tasks.values()))

    def index_holders(self) -> None:
        """Fill `held`, once all tables are there."""
        for table in sorted(self.tables.values(), key=lambda t: min(t.pids)):
            for fd, item in table.items.items():
                self.held.setdefault(item.id, []).append((table, fd))

    def keep(self, kind: str, found: Object) -> None:
        """An object that belongs to an open file."""
        self.side.setdefault(kind, {})[self.links.key(found)] = found

    def add_file(self, message: Any) -> OpenFile:
        """An open file that was not in the image. It gets an id that is free."""
        message.id = next(number for number in count(1) if number not in self.files)
        file = OpenFile(message, None, f"file:{message.id}")
        file.body.id = file.id
        self.files[file.id] = file
        return file

    def add_descriptor(self, file: OpenFile, like: OpenFile) -> int:
        """Let a task that holds `like` hold `file`, too; the number is the first above all that it uses."""
        table, fd = self.held[like.id][0]
        number = max(table.items) + 1
        item = type(table.items[fd])()
        item.id, item.type, item.flags, item.fd = file.id, file.type, CLOSE_ON_EXEC, number
        table.items[number] = item
        table.changed = True
        self.held.setdefault(file.id, []).append((table, number))
        return number


CLOSE_ON_EXEC = 1
