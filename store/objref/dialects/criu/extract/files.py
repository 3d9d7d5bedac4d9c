"""The files of the smaller image: copied whole, or item by item.

Items that nothing was changed in are copied as they are, byte for byte, in the order in which they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from objref.dialects.criu.extract.memory import memory_files
from objref.dialects.criu.finish import NS_KINDS, NS_PAIRS
from objref.dialects.criu.items import LENGTH
from objref.dialects.criu.kinds import COMMON_MAGIC, FILES, SUFFIXES
from objref.dialects.plan import File
from objref.errors import FormatError
from objref_index.objects import LISTED

if TYPE_CHECKING:
    from objref.dialects.criu.extract.draft import Draft, OpenFile, Table, Task
    from objref.object import Object

__all__ = ["files_of"]

ONCE = ("inventory", "cgroup", "seccomp", "apparmor", "cpuinfo")
"""Files of the whole dump: copied if they are there. What is not used in them does no harm."""
OF_TASK = ("core", "ids", "mm", "fs")
OLD_OF_TASK = ("vmas", "creds", "sigacts", "itimers", "posix-timers", "rlimit", "signal-s", "signal-p")
OF_THREAD = ("core", "creds", "signal-p")
OF_NAMESPACE = tuple(name for name, spec in FILES.items() if spec.kind in (*NS_KINDS, *NS_PAIRS, "mnt"))
BY_ITEM = ("remap", "pipe-data", "fifo-data", "sk-packet", "tty", "tty-data", "memfd", "bpfmap-data")
"""Kinds of side objects whose items stand in one file."""
WHOLE = ("ghost", "tcp-stream")
PREFIX = {spec.kind: prefix for prefix, spec in FILES.items()}
Chunk = bytes | memoryview


class _Folder:
    """The layer's folder in the source."""

    def __init__(self, draft: Draft) -> None:
        self._links = draft.links
        layers = draft.links.image.layers
        self._folder = layers[draft.links.layer] if draft.links.layer < len(layers) else ""

    def member(self, name: str) -> Object | None:
        """A file of the source by its base name."""
        path = f"{self._folder}/{name}" if self._folder else name
        return self._links.find("member", path.encode("utf-8", "surrogateescape"))

    def whole(self, name: str, needed: str = "") -> Iterator[File]:
        """A copy of it. FormatError when it is `needed` by something, and not there."""
        found = self.member(name)
        if found is not None:
            yield File(name, found.size, found.chunks)
        elif needed:
            raise FormatError(f"{needed} needs {name}, which is not in the image")

    def items(self, name: str, items: Iterable[list[bytes] | Object]) -> Iterator[File]:
        """The file with the header that it had, and these items: objects as they are, or their new bytes."""
        found = self.member(name)
        chosen = list(items)
        if not chosen:
            return
        if found is None:
            raise FormatError(f"the image has items of {name}, but not the file")
        header = found.read(0, min(8, found.size))
        if header[:4] != COMMON_MAGIC.to_bytes(4, "little"):
            header = header[:4]
        parts = [_parts(item) for item in chosen]
        content = [header, *(piece for item in parts for piece in (LENGTH.pack(len(item[0])), *item))]
        yield File(name, sum(map(len, content)), partial(iter, content))


def _parts(item: list[bytes] | Object) -> list[bytes]:
    """A message and the payload after it."""
    if isinstance(item, list):
        return item
    return (item.parts or [b""]) if item.row.section == LISTED else [item.bytes]


def files_of(draft: Draft, namespaces: set[int]) -> tuple[File, ...]:
    """All files, by name, each once."""
    folder = _Folder(draft)
    found: dict[str, File] = {}
    for file in _all(draft, folder, namespaces):
        if file.name in found:
            raise FormatError(f"{file.name} is claimed twice: two page maps of the image name the same pages")
        found[file.name] = file
    return tuple(found[name] for name in sorted(found))


def _all(draft: Draft, folder: _Folder, namespaces: set[int]) -> Iterator[File]:
    for name in ONCE:
        yield from folder.whole(f"{name}.img", "criu" if name == "inventory" else "")
    yield from folder.items("pstree.img", map(_task, draft.tasks.values()))
    yield from folder.items("files.img", map(_open_file, _in_order(draft)))
    for table in draft.tables.values():
        yield from _table(folder, table)
    yield from _of_tasks(draft, folder)
    yield from _side(draft, folder)
    yield from _of_namespaces(draft, folder, namespaces)
    yield from memory_files(draft)


def _in_order(draft: Draft) -> list[OpenFile]:
    """As in the image; what was made here comes last."""
    return sorted(draft.files.values(), key=lambda f: (f.found is None, f.found.ordinal if f.found else f.id))


def _task(task: Task) -> list[bytes] | Object:
    return task.found if task.message == task.old else [task.message.SerializeToString()]


def _open_file(file: OpenFile) -> list[bytes] | Object:
    if file.changed or file.found is None:
        return [file.message.SerializeToString()]
    return file.found


def _table(folder: _Folder, table: Table) -> Iterator[File]:
    name = f"fdinfo-{table.number}.img"
    if table.changed:
        return folder.items(name, ([item.SerializeToString()] for item in table.items.values()))
    return folder.whole(name, table.found.objref)


def _of_tasks(draft: Draft, folder: _Folder) -> Iterator[File]:
    for task in draft.tasks.values():
        for prefix in OF_TASK if task.alive else ():
            yield from folder.whole(f"{prefix}-{task.pid}.img", task.objref)
        if not task.alive:
            yield from folder.whole(f"core-{task.pid}.img", task.objref)
        for prefix in OLD_OF_TASK:
            yield from folder.whole(f"{prefix}-{task.pid}.img")
        for tid in task.message.threads if task.alive else ():  # of a zombie CRIU writes thread 0
            if tid != task.pid:
                for prefix in OF_THREAD:
                    yield from folder.whole(f"{prefix}-{tid}.img", task.objref if prefix == "core" else "")


def _side(draft: Draft, folder: _Folder) -> Iterator[File]:
    for kind in BY_ITEM:
        objects = sorted(draft.side.get(kind, {}).values(), key=lambda found: found.ordinal)
        yield from folder.items(f"{PREFIX[kind]}.img", objects)
    for kind in WHOLE:
        for key in draft.side.get(kind, {}):
            yield from folder.whole(f"{PREFIX[kind]}-{key:x}.img", f"{kind}:{key:#x}")
    yield from folder.items("filelocks.img", draft.locks)


def _of_namespaces(draft: Draft, folder: _Folder, namespaces: set[int]) -> Iterator[File]:
    yield from folder.whole("timens-0.img")
    for number in sorted(namespaces):
        for prefix in OF_NAMESPACE:
            yield from folder.whole(f"{prefix}-{number}{SUFFIXES.get(prefix, '.img')}")
    yield from _mounts(draft, folder, namespaces)


def _mounts(draft: Draft, folder: _Folder, namespaces: set[int]) -> Iterator[File]:
    """Content of file systems: of all mounts of these namespaces, once each."""
    seen: set[int] = set()
    for number in sorted(namespaces):
        node = draft.links.find("ns", number)
        for mount in draft.links.to(node, "namespace") if node is not None else ():
            if mount.kind != "mnt":
                continue
            for content in draft.links.of(mount, "content"):
                if content.ordinal not in seen:
                    seen.add(content.ordinal)
                    prefix = PREFIX[content.kind]
                    yield from folder.whole(f"{prefix}-{draft.links.key(content)}{SUFFIXES.get(prefix, '.img')}")
    if seen or namespaces:
        yield from folder.whole("binfmt-misc.img")
