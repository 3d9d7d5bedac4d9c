"""What objects said so far: for the end of the stream (`LayerState`), and what a batch refers to (`Outbox`)."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TypeAlias

from objref.dialects.criu.kinds import KIND, ROLE
from objref.dialects.events import Alias, Edges, Event

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["LayerState", "Outbox", "same_source"]

Ints: TypeAlias = "npt.NDArray[Any]"


class LayerState:
    """What one image directory told, for the end of the stream. Mutable."""

    def __init__(self) -> None:
        self.present: dict[str, set[int]] = {}
        """Kind -> numbers in the names of files of that kind."""
        self.tasks: list[tuple[int, int, list[int]]] = []
        """(ordinal, pid, threads)"""
        self.states: dict[int, int] = {}
        self.ids: list[tuple[int, int, int, list[int]]] = []
        """(ordinal, pid, files_id, namespaces that must be in the image when they are not CRIU's own)"""
        self.root_ids: set[int] = set()
        self.root_cg_set = 0
        self.epolls: list[tuple[int, int, list[int]]] = []
        """(ordinal, file id, descriptors watched)"""
        self.keys: dict[str, set[int]] = {}
        """Keys of the kinds that later references ask for."""
        self.page_size = 0
        self.epoll_fds: dict[int, set[int]] = {}
        """files_id -> file ids of the epolls in the table"""
        self.pipes: set[int] = set()
        self.inet = array("Q"), array("I")
        """(inode numbers, ordinals)"""
        self.locks: list[tuple[int, int, int]] = []
        self.mounts: list[tuple[int, int, int, int]] = []
        """(ordinal, mnt_id, parent, device)"""
        self.mount_ids: set[int] = set()
        self.devices: list[tuple[int, int, int, int, int]] = []
        """(ordinal, ns, peer_ifindex, peer_nsid, master)"""
        self.net_ids: dict[tuple[int, int], int] = {}
        self.has_files_img = False


class Outbox:
    """References of the objects of one batch, as columns. Mutable; `source` is the ordinal they come from."""

    __slots__ = ("keys", "kinds", "number", "roles", "source", "sources", "state", "unix")

    def __init__(self, state: LayerState, number: int = 0) -> None:
        """`number`: that in the name of the file."""
        self.state = state
        self.source = 0
        self.number = number
        self.sources, self.roles = array("I"), array("B")
        self.kinds, self.keys = array("H"), array("Q")
        self.unix = array("Q"), array("I")
        """(inode numbers, ordinals) of sockets, by which they are found, too."""

    def refer(self, role: str, kind: int, key: int) -> None:
        """One reference from the current object."""
        self.sources.append(self.source)
        self.roles.append(ROLE[role])
        self.kinds.append(kind)
        self.keys.append(key)

    def keep(self, what: str, number: int) -> None:
        """What is asked for later: a "pipes" id; of the current object, a "unix" or "inet" inode."""
        if what == "pipes":
            self.state.pipes.add(number)
            return
        numbers, ordinals = self.unix if what == "unix" else self.state.inet
        numbers.append(number)
        ordinals.append(self.source)

    def refer_all(self, sources: Ints, role: int, kinds: Ints | int, keys: Ints) -> None:
        """References from objects with these ordinals."""
        import numpy as np

        n = len(sources)
        self.sources.frombytes(np.asarray(sources, np.uint32).tobytes())
        self.roles.frombytes(bytes([role]) * n)
        self.kinds.frombytes(np.broadcast_to(np.asarray(kinds, np.uint16), (n,)).tobytes())
        self.keys.frombytes(np.asarray(keys, np.uint64).tobytes())

    def keep_all(self, what: str, values: Ints, sources: Ints) -> None:
        """The same as `keep` of objects with these ordinals."""
        import numpy as np

        if what == "pipes":
            self.state.pipes.update(values.tolist())
            return
        numbers, ordinals = self.unix if what == "unix" else self.state.inet
        numbers.frombytes(np.asarray(values, np.uint64).tobytes())
        ordinals.frombytes(np.asarray(sources, np.uint32).tobytes())

    def events(self, layer: int) -> Iterator[Event]:
        """All of it; it refers from objects of this layer into the same one."""
        if self.sources:
            yield Edges(layer, *self.columns())
        if self.unix[0]:
            yield Alias(KIND["unix"], layer, *self.unix)

    def columns(self) -> tuple[array[int], array[int], array[int], array[int]]:
        """(sources, roles, kinds, keys) in the order of the sources."""
        import numpy as np

        columns = self.sources, self.roles, self.kinds, self.keys
        sources = np.asarray(self.sources)
        if np.all(sources[1:] >= sources[:-1]):
            return columns
        order = np.argsort(sources, kind="stable")
        roles, kinds, keys = (np.asarray(column)[order] for column in columns[1:])
        return (
            array("I", sources[order].tobytes()), array("B", roles.tobytes()),
            array("H", kinds.tobytes()), array("Q", keys.tobytes()),
        )  # fmt: skip


def same_source(
    source: int, role: str, kind: str, keys: array[int]
) -> tuple[array[int], array[int], array[int], array[int]]:
    """Columns of references that differ only in their key."""
    n = len(keys)
    return array("I", [source]) * n, array("B", [ROLE[role]]) * n, array("H", [KIND[kind]]) * n, keys
