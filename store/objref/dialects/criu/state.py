"""What objects said so far: for the end of the stream (`LayerState`), and what a batch refers to (`Outbox`)."""

from __future__ import annotations

from array import array

from objref.dialects.criu.kinds import KIND, ROLE

__all__ = ["LayerState", "Outbox", "same_source"]


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
        self.fd_tables: dict[int, array[int]] = {}
        """files_id -> descriptors"""
        self.epoll_fds: dict[int, set[int]] = {}
        """files_id -> file ids of the epolls in the table"""
        self.pipes: set[int] = set()
        self.unix = array("Q"), array("I")
        self.inet: list[tuple[int, int]] = []
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

    __slots__ = ("keys", "kinds", "number", "roles", "source", "sources", "state")

    def __init__(self, state: LayerState) -> None:
        self.state = state
        self.source = 0
        self.number = 0
        """The number in the name of the file."""
        self.sources, self.roles = array("I"), array("B")
        self.kinds, self.keys = array("H"), array("Q")

    def refer(self, role: str, kind: int, key: int) -> None:
        """One reference from the current object."""
        self.sources.append(self.source)
        self.roles.append(ROLE[role])
        self.kinds.append(kind)
        self.keys.append(key)


def same_source(
    source: int, role: str, kind: str, keys: array[int]
) -> tuple[array[int], array[int], array[int], array[int]]:
    """Columns of references that differ only in their key."""
    n = len(keys)
    return array("I", [source]) * n, array("B", [ROLE[role]]) * n, array("H", [KIND[kind]]) * n, keys
