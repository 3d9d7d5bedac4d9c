"""Which layout a stream has, learned while it passes: rev 6 alone has four, and its number does not tell them apart."""

from __future__ import annotations

from objref.dialects.linux_cr.numbering import WORDS, Layout, object_kinds, record_names, record_types

__all__ = ["Revision"]

PIDS_OR_TREE = 101
BY_REV = {3: Layout.REV3, 4: Layout.REV4, 5: Layout.REV5, 6: Layout.REV6_OLD}
NEW = frozenset([Layout.RENUMBERED, Layout.V23_RC2, Layout.REV6_NEW])
EARLY_REV4 = {(704, 256): "SOCKET_UNIX", (705, 328): "SOCKET_INET"}
"""SOCKET_FRAG was inserted at 704 within rev 4: the lengths tell."""
# (what is known so far, type, length) -> what it is then
LEARNED = {
    (Layout.REV6_OLD, PIDS_OR_TREE, 24): Layout.REV6_NEW,
    (Layout.REV6_OLD, 102, 64): Layout.V20,
    (Layout.REV6_OLD, 102, 80): Layout.V23_RC1,
    (Layout.REV6_NEW, 402, 72): Layout.RENUMBERED,
    (Layout.REV6_NEW, 402, 80): Layout.V23_RC2,
    (Layout.REV6_NEW, 405, 24): Layout.V23_RC2,  # MM_CONTEXT moved up when HPAGE took 404,
    (Layout.REV6_NEW, 404, 24): Layout.RENUMBERED,  # and HPAGE only comes after a VMA
}


class Revision:
    """What is known of the layout. Mutable."""

    def __init__(self) -> None:
        self.layout = Layout.UNKNOWN
        self.x86 = False
        self.rev = 0
        self.arch = ""
        self.words: tuple[int, ...] = (4, 8)
        """Bytes that an `unsigned long` of that machine may have."""
        self.names = record_names(self.layout)

    @property
    def new(self) -> bool:
        """Whether the numbering is that of 2011: ids of tasks are tags of PIDS."""
        return self.layout in NEW

    @property
    def kinds(self) -> dict[int, str]:
        """objtype -> kind."""
        return object_kinds(self.layout)

    @property
    def types(self) -> dict[str, int]:
        """Name of a record -> its number."""
        return record_types(self.layout)

    def begin(self, rev: int, arch: str) -> None:
        """What the header says."""
        self.rev, self.arch, self.x86 = rev, arch, arch in ("x86_32", "x86_64")
        self.words = WORDS.get(arch, (4, 8))
        self.set(BY_REV.get(rev, Layout.UNKNOWN))

    def set(self, layout: Layout) -> None:
        """The layout is known."""
        self.layout = layout
        self.names = record_names(layout)

    def learn(self, type_: int, length: int) -> bool:
        """Whether a record of that type and length told something about the layout."""
        found = LEARNED.get((self.layout, type_, length))
        if found is None:
            return False
        self.set(found)
        return True

    def name(self, type_: int, length: int) -> str:
        """Name of a record; "" when it is not known."""
        if self.layout == Layout.REV4 and (type_, length) in EARLY_REV4:
            return EARLY_REV4[type_, length]
        return self.names.get(type_, "")
