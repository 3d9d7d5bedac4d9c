"""What can only be said when a CRIU stream has ended: layers, memory by address, references that need two messages.

The files of a directory come in any order, so page maps may come before or after their pages, and CRIU writes its
inventory last.
"""

from __future__ import annotations

import posixpath
from array import array
from collections.abc import Iterator
from typing import NamedTuple

from objref.dialects.criu.kinds import KIND, LEGACY_FILE_KINDS
from objref.dialects.criu.member import Numbering
from objref.dialects.criu.memory import Places, Segments, memory_of
from objref.dialects.criu.pagemap import Pagemap
from objref.dialects.criu.state import LayerState, Outbox
from objref.dialects.events import Derived, Edges, Event, Forget, Layers, Note, Retarget

__all__ = ["BACK", "Folder", "Storage", "finish_folders"]

BACK = "back into its own chain"
"""What the note about a `parent` link says that leads in a circle."""
DEAD = (2, 6)
"""core.tc.task_state of zombies: they have no memory, no files."""
NS_KINDS = (
    "utsns", "ipcns-var", "netns", "userns", "timens", "pidns", "ifaddr", "route", "route6", "rule", "iptables",
    "ip6tables", "nftables", "netns-ct", "netns-exp",
)  # fmt: skip
NS_PAIRS = ("ipcns-shm", "ipcns-msg", "ipcns-sem", "netdev")
NS_FILES = (*NS_KINDS, *NS_PAIRS, "mnt")


class Storage(NamedTuple):
    """A pages file: its token, the bytes of it that are in the stream, and its holes if it has any."""

    token: int
    size: int
    runs: tuple[tuple[int, int], ...] | None
    real_size: int


class Folder:
    """A folder with image files. Mutable."""

    def __init__(self, name: str, number: int, state: LayerState) -> None:
        self.name = name
        self.number = number
        self.state = state
        self.parent: str | None = None
        self.has_images = False
        self.pagemaps: dict[str, Pagemap] = {}
        self.pages: dict[str, Storage] = {}
        self.older: Folder | None = None
        self.checked = False
        self._places: dict[str, Places] = {}

    def places(self, base: str, page: int) -> Places:
        """The page map of that name with file offsets, worked out once."""
        found = self._places.get(base)
        if found is None:
            found = self._places[base] = Places(self.pagemaps[base], page)
        return found


def finish_folders(folders: list[Folder], numbering: Numbering) -> Iterator[Event]:
    """Everything that is left to say, and the final layer numbers."""
    by_name = {folder.name: folder for folder in folders if folder.has_images}
    for folder in by_name.values():
        yield from _link_parent(folder, by_name)
    for folder in by_name.values():
        yield from _cut_circle(folder)
    order = _layer_order(list(by_name.values()))
    numbers = [0] * (len(folders) + 1)  # number 0, and folders without images, are of the newest layer
    for layer, folder in enumerate(order):
        numbers[folder.number] = layer
        if folder.older is not None and not folder.older.state.page_size:
            folder.older.state.page_size = folder.state.page_size  # pre-dumps do not say it; it is the same machine
    for folder in order:
        yield from _Finish(folder, numbering).events()
    yield Layers(numbers, [folder.name for folder in order])


def _link_parent(folder: Folder, by_name: dict[str, Folder]) -> Iterator[Note]:
    if folder.parent is None:
        return
    where = posixpath.join(folder.name, "parent")
    target = posixpath.normpath(posixpath.join(folder.name, folder.parent))
    older = by_name.get("" if target == "." else target)
    if older is None or posixpath.isabs(folder.parent):
        yield Note("parent", where, f"leads to {folder.parent!r}, which is not in the image: older pages are missing")
        return
    folder.older = older


def _cut_circle(folder: Folder) -> Iterator[Note]:
    """Take away the link that leads back to a folder of the same chain."""
    step, passed = folder, {folder.number}
    while step.older is not None and not step.checked:
        step.checked = True  # a chain that ran into this one need not walk it again
        if step.older.number in passed:
            where = posixpath.join(step.name, "parent")
            yield Note("parent", where, f"leads to {step.parent!r}, {BACK}: not followed")
            step.older = None
            return
        step = step.older
        passed.add(step.number)


def _layer_order(folders: list[Folder]) -> list[Folder]:
    """Newest first, each followed by its parents; of several chains, the one whose newest folder sorts first."""
    parents = {folder.older.number for folder in folders if folder.older is not None}
    heads = [folder for folder in folders if folder.number not in parents]
    order: dict[int, Folder] = {}
    for head in sorted(heads, key=lambda f: f.name):
        step: Folder | None = head
        while step is not None and step.number not in order:
            order[step.number] = step
            step = step.older
    return list(order.values())


class _Finish:
    """The end of one layer."""

    def __init__(self, folder: Folder, numbering: Numbering) -> None:
        self.folder = folder
        self.state = folder.state
        self.numbering = numbering
        self.outbox = Outbox(folder.state)

    def events(self) -> Iterator[Event]:
        """All of it, in a fixed order."""
        yield from self._memories("pagemap-", "mem", "pagemap")
        yield from self._memories("pagemap-shmem-", "shmem", "pagemap-shmem")
        yield from self._nodes()
        for part in (
            self._tasks,
            self._namespaces,
            self._epolls,
            self._locks,
            self._mounts,
            self._sockets,
            self._devices,
        ):
            part()
        out = self.outbox
        yield Edges(self.folder.number, out.sources, out.roles, out.kinds, out.keys)
        yield from self._settle()

    def _refer(self, source: int, role: str, kind: str, key: int) -> None:
        self.outbox.source = source
        self.outbox.refer(role, KIND[kind], key)

    def _has(self, kind: str, number: int) -> bool:
        return number in self.state.present.get(kind, ())

    # -- memory --------------------------------------------------------------------------------------------

    def _memories(self, prefix: str, kind: str, map_kind: str) -> Iterator[Event]:
        for base in sorted(self.folder.pagemaps):
            number = base.removeprefix(prefix).removesuffix(".img")
            if not base.startswith(prefix) or not number.isdigit():
                continue
            segments = Segments()
            yield from memory_of(self.folder, base, segments)
            ordinal = self.numbering.take(1)
            yield Derived(KIND[kind], self.folder.number, int(number), True, *segments.columns())
            self._refer(ordinal, "pagemap", map_kind, int(number))
            if segments.older and self.folder.older is not None:
                yield self._older(ordinal, kind, int(number))
            if kind == "mem":
                self.state.present.setdefault("mem", set()).add(int(number))

    def _older(self, ordinal: int, kind: str, number: int) -> Edges:
        assert self.folder.older is not None  # for mypy: the caller asked
        out = Outbox(self.state)
        out.source = ordinal
        out.refer("older", KIND[kind], number)
        return Edges(self.folder.older.number, out.sources, out.roles, out.kinds, out.keys)

    # -- nodes without bytes -------------------------------------------------------------------------------

    def _node(self, kind: str, key: int) -> tuple[int, Derived]:
        none = array("Q")
        node = Derived(KIND[kind], self.folder.number, key, False, none, none, none, none)
        return self.numbering.take(1), node

    def _nodes(self) -> Iterator[Event]:
        data_kinds = ("pipe-data", "fifo-data")
        for pipe in sorted(self.state.pipes):
            ordinal, node = self._node("pipe", pipe)
            yield node
            for kind in data_kinds:
                if pipe in self.state.keys.get(kind, ()):
                    self._refer(ordinal, "data", kind, pipe)
        for ns in sorted(self._dumped_namespaces()):
            ordinal, node = self._node("ns", ns)
            yield node
            self._ns_parts(ordinal, ns)

    def _dumped_namespaces(self) -> set[int]:
        """Those that files are named by."""
        return set().union(*(self.state.present.get(kind, set()) for kind in NS_FILES))

    def _ns_parts(self, ordinal: int, ns: int) -> None:
        for kind in NS_KINDS:
            if self._has(kind, ns):
                self._refer(ordinal, "part", kind, ns)
        for kind in NS_PAIRS:
            for key in sorted(self.state.keys.get(kind, ())):
                if key >> 32 == ns:
                    self._refer(ordinal, "part", kind, key)

    # -- references ----------------------------------------------------------------------------------------

    def _tasks(self) -> None:
        for ordinal, pid, threads in self.state.tasks:
            self._refer(ordinal, "core", "core", pid)
            for tid in threads:
                if tid not in (pid, 0):  # the one thread of a zombie is 0
                    self._refer(ordinal, "thread", "core", tid)
            alive = self.state.states.get(pid, DEAD[0]) not in DEAD
            for kind in ("ids", "mm", "fs", "pagemap"):
                if alive or self._has(kind, pid):
                    self._refer(ordinal, kind, kind, pid)
            for kind in ("mem", "creds"):
                if self._has(kind, pid):
                    self._refer(ordinal, kind, kind, pid)

    def _namespaces(self) -> None:
        """Process and cgroup namespaces have files only in some cases."""
        dumped = self._dumped_namespaces()
        for ordinal, _, _, namespaces in self.state.ids:
            for ns in namespaces:
                if ns in dumped:
                    self._refer(ordinal, "namespace", "ns", ns)

    def _epolls(self) -> None:
        """An epoll watches descriptor numbers: of every table that holds the epoll."""
        if not self.state.epolls:
            return
        holders: dict[int, list[int]] = {}
        for table, files in self.state.epoll_fds.items():
            for number in sorted(files):
                holders.setdefault(number, []).append(table)
        for ordinal, number, watched in self.state.epolls:
            for table in holders.get(number, ()):
                for fd in dict.fromkeys(watched):
                    self._refer(ordinal, "watches", "fd", table << 32 | fd)

    def _locks(self) -> None:
        tables = {pid: files_id for _, pid, files_id, _ in self.state.ids}
        for ordinal, pid, fd in self.state.locks:
            if pid in tables and fd >= 0:
                self._refer(ordinal, "fd", "fd", tables[pid] << 32 | fd)

    def _mounts(self) -> None:
        for ordinal, mount, parent, device in self.state.mounts:
            if parent in self.state.mount_ids:  # the root's parent is outside
                self._refer(ordinal, "parent-mount", "mnt", parent)
            for kind in ("tmpfs-dev", "autofs"):
                if self._has(kind, device):
                    self._refer(ordinal, "content", kind, device)
            if self._has("tmpfs", mount):
                self._refer(ordinal, "content", "tmpfs", mount)

    def _sockets(self) -> None:
        streams = self.state.present.get("tcp-stream")
        if streams:
            inodes, ordinals = self.state.inet
            for ordinal, inode in sorted(zip(ordinals, inodes, strict=True)):
                if inode in streams:
                    self._refer(ordinal, "stream", "tcp-stream", inode)

    def _devices(self) -> None:
        for ordinal, ns, peer_index, peer_nsid, master in self.state.devices:
            if master:
                self._refer(ordinal, "device", "netdev", ns << 32 | master)
            peer_ns = ns if peer_nsid < 0 else self.state.net_ids.get((ns, peer_nsid))
            if peer_index and peer_ns is not None:
                self._refer(ordinal, "peer", "netdev", peer_ns << 32 | peer_index)

    # -- settling ------------------------------------------------------------------------------------------

    def _settle(self) -> Iterator[Event]:
        number, state = self.folder.number, self.state
        legacy = tuple(sorted(KIND[name] for name in LEGACY_FILE_KINDS.values()))
        if state.has_files_img or not any(state.present.get(name) for name in LEGACY_FILE_KINDS.values()):
            yield Retarget(number, legacy, KIND["file"])
        outside = state.root_ids - self._dumped_namespaces()
        if outside:
            yield Forget(number, KIND["ns"], tuple(sorted(outside)))
        if state.root_cg_set and state.root_cg_set not in state.keys.get("cgset", ()):
            yield Forget(number, KIND["cgset"], (state.root_cg_set,))
        if not state.mount_ids:
            yield Forget(number, KIND["mnt"], None)
