"""A stream with its sidecar: what an image asks of a file."""

from __future__ import annotations

import struct

from objref.container import format as f
from objref.container.source import CountedSource, MapSource, PreadSource, Source
from objref.errors import FormatError, IntegrityError, ObjrefError
from objref.limits import DEFAULT, Limits
from objref.sidecar.joined import Joined
from objref.sidecar.layout import CHECKED, ENDING, HEAD, STREAM, Ending, decode
from objref.sidecar.parts import Parts
from objref.sidecar.spliced import SplicedSource
from objref_index import KeyTable
from objref_index.tree.keys import TreeKeys
from objref_index.tree.layout import KEY, SPACE, VALUE
from objref_index.tree.walked import Sparing, Walked, can_walk

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from mmap import mmap
    from typing import Any

    from objref_index.tree.opened import Tree

__all__ = ["Sidecar"]

SAMPLES = 8
"""Blocks of FILE that opening compares: the first, the last, and evenly between."""


class Sidecar(Joined):
    """An open stream with an index beside it. What it remembers is bounded as in a container."""

    def __init__(self, file: Source, beside: PreadSource, limits: Limits = DEFAULT) -> None:
        self._file, self._beside = file, beside
        ending = self._read_ending()
        try:
            counted = CountedSource(beside, file.tally) if isinstance(file, CountedSource) else None
            super().__init__(SplicedSource(file, beside, ending, counted), limits)
            self._check_head()
            self._log2 = self.check_stream().block_log2
        except ObjrefError as error:
            raise self._unusable(error) from None
        self._touched = bytearray((file.length >> self._log2) + 1)
        """Of each block, whether it was compared. Only maps are read again without comparing them again."""
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

    def _unusable(self, error: ObjrefError) -> ObjrefError:
        """The same error, of the sidecar."""
        return type(error)(f"{self._beside.name}: {error}; {self._advice()}")

    def _stale(self, what: str) -> IntegrityError:
        return IntegrityError(f"{self._file.name}: changed since it was indexed: {what}; {self._advice()}")

    def _check_head(self) -> None:
        if any(bytes(self.source.read(f.SUPERBLOCK.size, HEAD - f.SUPERBLOCK.size))):
            raise FormatError(f"head: bytes {f.SUPERBLOCK.size}…{HEAD} must be zero (S1)")

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

    @property
    def mapped(self) -> tuple[mmap, int] | None:
        """Memory in which FILE lies."""
        file = self._file
        return (file.map, HEAD) if isinstance(file, MapSource) and file.map is not None else None

    def position(self, section: int, address: int, length: int) -> int:
        """Where in FILE these bytes begin."""
        return super().position(section, address, length) - HEAD

    def _changed(self, first: int, stop: int) -> IntegrityError:
        start, end = first << self._log2, min(stop << self._log2, self._file.length)
        return self._stale(f"bytes {start}…{end} are others")

    def _checked(self, where: str, offset: int, length: int, check: int) -> bytes | memoryview:
        try:
            return super()._checked(where, offset, length, check)
        except IntegrityError as error:
            raise self._unusable(error) from None

    # -- keys ----------------------------------------------------------------------------------------------

    def asked_tree(self) -> Tree | Sparing:
        """The tree; walked for the first questions of who reads with pread, who may have but one: LMDB wants all of it
        compared."""
        ending = self._ending
        if self._tree is not None or isinstance(self._file, MapSource) or ending.page_size > CHECKED or not can_walk():
            return self.tree
        parts = Parts(self._beside, ending.tree, self.tree_checks(), self._damaged)
        walked = Walked(ending.tree, ending.page_size, parts.read, self._damaged)
        self._check_count(walked.count)
        return Sparing(walked, lambda: self.tree)

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
