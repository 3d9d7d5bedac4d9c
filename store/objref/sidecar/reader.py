"""A stream with its sidecar: a container whose section is FILE itself, and whose key tables are a B-tree of LMDB."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any

from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import CountedSource, MapSource, PreadSource, Source
from objref.errors import FormatError, IntegrityError, ObjrefError, UsageError
from objref.limits import DEFAULT, Limits
from objref.sidecar.checked import check_tree
from objref.sidecar.layout import ENDING, HEAD, STREAM, Ending, decode
from objref.sidecar.spliced import SplicedSource
from objref_index import KeyTable, NumberTable
from objref_index.columns import cast
from objref_index.tree.keys import TreeKeys
from objref_index.tree.layout import KEY, SPACE, VALUE
from objref_index.tree.opened import Tree

__all__ = ["Sidecar"]

SAMPLES = 8
"""Blocks of FILE that opening compares: the first, the last, and evenly between."""


class Sidecar(Container):
    """An open stream with an index beside it. What it remembers is bounded as in a container."""

    def __init__(self, file: Source, beside: PreadSource, limits: Limits = DEFAULT) -> None:
        self._file = file
        self._beside = beside
        self._ending = self._read_ending()
        try:
            rest: Source = CountedSource(beside, file.tally) if isinstance(file, CountedSource) else beside
            super().__init__(SplicedSource(file, rest, self._ending), limits)
            self._log2 = self._check_stream()
        except ObjrefError as error:
            raise self._unusable(error) from None
        self._touched = bytearray((file.length >> self._log2) + 1)
        """Of each block, whether it was compared. Only maps are read again without comparing them again."""
        self._tree: Tree | None = None
        self._fd = -1
        self._opening = threading.Lock()
        self._check_samples()

    # -- does it belong to the file ------------------------------------------------------------------------

    def _read_ending(self) -> Ending:
        beside, file = self._beside, self._file
        length = beside.length
        try:
            ending = decode(bytes(beside.read(max(0, length - ENDING.size), min(length, ENDING.size))), length)
        except ObjrefError as error:
            raise self._unusable(error) from None
        if ending.file != file.length:
            raise self._stale(f"it had {ending.file} bytes, now it has {file.length}")
        return ending

    def _advice(self) -> str:
        return f"run `objref index {self._file.name}` again"

    def _unusable(self, error: ObjrefError) -> ObjrefError:
        """The same error, of the sidecar."""
        return type(error)(f"{self._beside.name}: {error}; {self._advice()}")

    def _stale(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._file.name}: changed since it was indexed: {what}; {self._advice()}")

    def _check_stream(self) -> int:
        """block_log2 of the section that is FILE (S1, S2)."""
        if any(bytes(self.source.read(f.SUPERBLOCK.size, HEAD - f.SUPERBLOCK.size))):
            raise FormatError(f"head: bytes {f.SUPERBLOCK.size}…{HEAD} must be zero (S1)")
        section = self.sections.get(STREAM)
        if section is None or section.role != f.STRAND or section.codec != f.RAW:
            raise FormatError("section 1 is not the stream (S2)")
        pieces, length = self.pieces(STREAM), self._file.length
        stray = [p for p in pieces if p.offset != HEAD + p.address]
        if stray or sum(p.length for p in pieces) != length or self.footer.stream_length != length:
            raise FormatError(f"section 1 is not the {length} bytes of the stream (S2)")
        return section.block_log2

    def _check_samples(self) -> None:
        last = -(-self._file.length >> self._log2) - 1
        for index in sorted({i * last // (SAMPLES - 1) for i in range(SAMPLES)}) if last >= 0 else ():
            start = index << self._log2
            piece = self.find_piece(STREAM, start)
            inside = start - piece.address
            self.check_blocks(self.sections[STREAM], piece, inside, min(inside + (1 << self._log2), piece.length))

    # -- bytes ---------------------------------------------------------------------------------------------

    def block(self, section: f.Section, piece: f.PieceEntry, index: int) -> bytes | memoryview:
        """Content of a block, checked: of FILE, that it is what was indexed."""
        if section.id != STREAM:
            return super().block(section, piece, index)
        number = (piece.address >> self._log2) + index
        try:
            found = super().block(section, piece, index)
        except IntegrityError:
            raise self._changed(number, number + 1) from None
        self._touched[number] = 1
        return found

    def check_blocks(self, section: f.Section, piece: f.PieceEntry, start: int, end: int) -> None:
        """Check the blocks of a piece that hold its bytes start…end-1."""
        try:
            super().check_blocks(section, piece, start, end)
        except IntegrityError:
            low, high = piece.address + start, piece.address + end
            raise self._changed(low >> self._log2, -(-high >> self._log2)) from None

    def places(self, section: int, address: int, length: int) -> Iterator[tuple[int, int]]:
        """(position, length) in FILE of these bytes, checked."""
        for offset, part in super().places(section, address, length):
            yield offset - HEAD, part

    def _changed(self, first: int, stop: int) -> IntegrityError:
        start, end = first << self._log2, min(stop << self._log2, self._file.length)
        return self._stale(f"bytes {start}…{end} are others")

    def _checked(self, where: str, offset: int, length: int, check: int) -> bytes | memoryview:
        try:
            return super()._checked(where, offset, length, check)
        except IntegrityError as error:
            raise self._unusable(error) from None

    # -- keys ----------------------------------------------------------------------------------------------

    @property
    def tree(self) -> Tree:
        """The B-tree, checked as a whole before LMDB sees it."""
        with self._opening:
            if self._tree is None:
                self._tree = self._open_tree()
            return self._tree

    def _open_tree(self) -> Tree:
        beside, length = self._beside, self._ending.tree
        checks = cast(self.table("tree checks"), "Q")
        try:
            self._fd = check_tree(beside, length, checks, self.limits)
        except IntegrityError as error:
            raise IntegrityError(f"{error}; {self._advice()}") from None
        tree = Tree(f"/proc/self/fd/{self._fd}", length, self._damaged)
        if tree.count != self._ending.entries:
            raise self._damaged(f"the tree has {tree.count} entries, expected {self._ending.entries} (S9)")
        return tree

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
        return TreeKeys(self.tree, space.number, shape, ordinals, by_rank, self._damaged)

    def quick(self, space: f.SpaceEntry, keys: KeyTable) -> Callable[[Any], bytes | None] | None:
        """From a key through the tree into the map of FILE: for objects in one place, no longer than a block, whose
        blocks were compared before. All others go the long way, which compares their blocks."""
        file = self._file
        if not isinstance(keys, TreeKeys) or not isinstance(file, MapSource):
            return None
        tree, number, touched, log2 = keys.tree, space.number, self._touched, self._log2
        block, mask, low = 1 << log2, f.ADDRESS_MASK, STREAM << 48
        pack, unpack, odd = KEY.pack, VALUE.unpack, (struct.error, TypeError, IndexError)

        def quick(key: Any) -> bytes | None:
            try:
                where, what, _, _ = unpack(tree.local.get(pack(number, key)))
                start = where - low
                length = what & mask
                end = start + length
                if 0 <= start <= mask and length <= block and touched[start >> log2] and touched[(end - 1) >> log2]:
                    found: bytes = file.map[start:end]  # type: ignore[index]
                    return found
            except odd:  # no such key, or the image was closed: the long way says so
                pass
            return None

        return quick

    def compare(self) -> None:
        """Compare all of FILE and of its sidecar with their checks; raises at the first difference. What `stream`
        does for FILE, without SHA-256."""
        for piece in self.pieces(STREAM):
            self.check_blocks(self.sections[STREAM], piece, 0, piece.length)
        names = {number: name for name, number in f.TABLE_IDS.items()}
        for what, owner, *_ in self._entries(f.TABLES):
            if what in names:
                self.table(names[what], owner)
        if self.tree.count != self._ending.entries:
            raise self._damaged("the tree lacks entries (S9)")

    def compare_rows(self) -> None:
        """Compare every entry of the tree with the objects table (S10), which takes seconds for a million."""
        objects = self.objects()
        for space in self.spaces:
            for _, value in self.tree.entries(SPACE.pack(space.number), SPACE.pack(space.number)):
                where, what, ordinal, _ = self.tree.unpacked(value)
                if objects.words(ordinal, ordinal + 1) != [where, what]:
                    raise self._damaged(f"the tree of space {space.name} and the objects table differ (S10)")

    # -- the rest ------------------------------------------------------------------------------------------

    def about(self) -> dict[str, Any]:
        """Facts about FILE and its index."""
        return super().about() | {
            "file_length": self._file.length,
            "index": {"name": self._beside.name, "length": self._ending.length, "entries": self._ending.entries},
        }

    def close(self) -> None:
        """Let go of both files."""
        name = self._file.name
        super().close()
        with self._opening:
            if self._tree is not None:
                self._tree.close(lambda: UsageError(f"{name}: the image was closed"))
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1
