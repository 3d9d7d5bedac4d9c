"""What a stream with its sidecar is: a container whose section 1 is FILE, and whose keys are in a B-tree of LMDB."""

from __future__ import annotations

import os
from _thread import allocate_lock

from objref.container import format as f
from objref.container.reader import Container
from objref.errors import FormatError, IntegrityError, UsageError
from objref.limits import DEFAULT, Limits
from objref.sidecar.layout import HEAD, STREAM
from objref.sidecar.spliced import SplicedSource
from objref_index import FORM_BYTES, Column, NumberTable
from objref_index.columns import cast
from objref_index.tree.keys import TreeKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from objref_index.tree.opened import Tree
    from objref_index.tree.walked import Sparing

__all__ = ["Joined"]

OF_TREES = ("ordinals", "ordinal keys")
"""Tables of a space whose keys are in the tree (S11)."""


class Joined(Container):
    """Read by who trusts it (`Sidecar`) and by who does not (`CheckedSidecar`)."""

    def __init__(self, source: SplicedSource, limits: Limits = DEFAULT, *more: Any) -> None:
        self._file, self._beside, self._ending = source.file, source.beside, source.ending
        self._tree: Tree | None = None
        self._fd = -1
        self._opening = allocate_lock()
        super().__init__(source, limits, *more)

    def _advice(self) -> str:
        return f"run `objref index {self._file.name}` again"

    def check_stream(self) -> f.Section:
        """The section that is FILE (S2)."""
        section = self.sections.get(STREAM)
        if section is None or section.role != f.STRAND or section.codec != f.RAW:
            raise FormatError("section 1 is not the stream (S2)")
        pieces, length = self.pieces(STREAM), self._ending.file
        stray = [p for p in pieces if p.offset != HEAD + p.address]
        if stray or sum(p.length for p in pieces) != length or self.footer.stream_length != length:
            raise FormatError(f"section 1 is not the {length} bytes of the stream (S2)")
        return section

    # -- keys ----------------------------------------------------------------------------------------------

    @property
    def tree(self) -> Tree:
        """The B-tree, checked as a whole before LMDB sees it."""
        with self._opening:
            if self._tree is None:
                self._tree = self._open_tree()
            return self._tree

    def asked_tree(self) -> Tree | Sparing:
        """What is asked about keys."""
        return self.tree

    def _open_tree(self) -> Tree:
        from objref.sidecar.checked import check_tree

        length = self._ending.tree
        try:
            self._fd = check_tree(self._beside, length, self.tree_checks(), self.limits)
        except IntegrityError as error:
            raise IntegrityError(f"{error}; {self._advice()}") from None
        from objref_index.tree.opened import Tree

        tree = Tree(f"/proc/self/fd/{self._fd}", length, self._damaged)
        self._check_count(tree.count)
        return tree

    def _check_count(self, count: int) -> None:
        if count != self._ending.entries:
            raise self._damaged(f"the tree has {count} entries, expected {self._ending.entries} (S9)")

    def tree_checks(self) -> memoryview:
        """XXH3 of each MiB of the tree."""
        return cast(self.table("tree checks"), "Q")

    def _damaged(self, text: str) -> IntegrityError:
        return IntegrityError(f"{self._beside.name}: {text}; {self._advice()}")

    def int_keys(self, space: f.SpaceEntry) -> NumberTable:
        """The keys of a space of numbers, in the tree."""
        tables = {name: self.column(name, space.number) for name in ("keys", "ordinals", "order", "place", "radix")}
        shape = self._shape(space)
        excess = [name for name, found in tables.items() if found is not None and name != "ordinals"]
        ordinals, by_rank = tables["ordinals"], self.column("ordinal keys", space.number)
        for name, found in (("ordinals", ordinals), ("ordinal keys", by_rank)):
            if found is not None and len(found) != space.keys:
                raise FormatError(f"space {space.name}: table {name} has {len(found)} entries, expected {space.keys}")
        if excess or space.radix_bits or (ordinals is None) != (shape.first is not None or not space.keys):
            raise FormatError(
                f"space {space.name}: its tables are not those of a sidecar: {excess or 'ordinals'} (S11)"
            )
        if by_rank is None and not shape.run and space.keys:
            raise FormatError(f"space {space.name}: table ordinal keys is missing (S11)")
        return TreeKeys(self.asked_tree(), space.number, shape, ordinals, by_rank, self._damaged)

    def key_columns(self, space: f.SpaceEntry) -> dict[str, Column]:
        """The tables of a space, by name."""
        if space.form == FORM_BYTES:
            return super().key_columns(space)
        return {name: column for name in OF_TREES if (column := self.column(name, space.number)) is not None}

    # -- the rest ------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """Facts about FILE and its index."""
        return super().about() | {
            "file_length": self._file.length,
            "index": {"name": self._beside.name, "length": self._ending.length, "entries": self._ending.entries},
        }

    def close(self) -> None:
        """Let go of both files."""
        super().close()
        with self._opening:
            if self._tree is not None:
                self._tree.close(lambda: UsageError(f"{self._file.name}: the image was closed"))
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
