"""What an image asks of the file behind it: a container, or a stream with an index beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from mmap import mmap
from typing import Any, Protocol

from objref.container import format as f
from objref.container.source import Source
from objref.limits import Limits
from objref_index import Column, KeyTable, NameTable, Objects, References

__all__ = ["Backing", "Quick"]

Quick = Callable[[Any], "bytes | None"]
"""From a key to the bytes of the first object that has it; None when they must be found the long way."""


class Backing(Protocol):
    """An open file with an index. Safe for many threads."""

    source: Source
    limits: Limits
    footer: f.Footer

    @property
    def sections(self) -> dict[int, f.Section]:
        """Sections by number."""

    @property
    def spaces(self) -> list[f.SpaceEntry]:
        """All spaces."""

    @property
    def kinds(self) -> list[f.KindEntry]:
        """All kinds."""

    @property
    def roles(self) -> list[f.RoleEntry]:
        """All roles of references."""

    @property
    def groups(self) -> list[f.GroupEntry]:
        """Where the trailers are, in order."""

    def pieces(self, section: int) -> list[f.PieceEntry]:
        """The pieces of a section by address."""

    def meta(self) -> dict[str, Any]:
        """What made the index, from what, with which options."""

    def table(self, name: str, owner: int = 0, limit: int | None = None) -> bytes | memoryview:
        """The content of a table, checked; empty when there is none."""

    def column(self, name: str, owner: int = 0) -> Column | None:
        """A table of integers, read and checked by the stripe; None when there is none."""

    def objects(self) -> Objects:
        """Rows by ordinal."""

    def references(self) -> References:
        """References by ordinal."""

    def keys(self, space: f.SpaceEntry) -> KeyTable:
        """The key table of a space."""

    def byte_keys(self, space: f.SpaceEntry) -> NameTable:
        """That of a space whose keys are names."""

    def quick(self, space: f.SpaceEntry, keys: KeyTable) -> Quick | None:
        """A shorter way from keys to bytes, if there is one."""

    def read(self, section: int, address: int, length: int) -> bytes | memoryview:
        """Bytes of a section at once, checked."""

    def chunks(self, section: int, address: int, length: int) -> Iterator[bytes | memoryview]:
        """The same, block by block."""

    def view(self, section: int, address: int, length: int) -> memoryview:
        """The same where it lies in the file, if it lies there as it is and is mapped; else a copy."""

    def places(self, section: int, address: int, length: int) -> Iterator[tuple[int, int]]:
        """(offset, length) in the file of these bytes, run by run, checked; UsageError where they are packed."""

    def position(self, section: int, address: int, length: int) -> int:
        """Where in the file these bytes begin, checked; UsageError unless they lie there together as they are."""

    @property
    def mapped(self) -> tuple[mmap, int] | None:
        """The file as memory, and what to subtract from the offsets of raw pieces; None where nothing is mapped."""

    def find_piece(self, section: int, address: int) -> f.PieceEntry:
        """The piece that holds an address."""

    def check_blocks(self, section: f.Section, piece: f.PieceEntry, start: int, end: int) -> None:
        """Check the blocks of a piece that hold its bytes start…end-1."""

    def lost_bytes(self) -> int:
        """Bytes of the stream that are lost."""

    def stream(self, fill: bool = False) -> Iterator[bytes | memoryview]:
        """The original bytes in order; IntegrityError at the end if they are not what was indexed."""

    def runs(self) -> Iterator[tuple[int, bytes | memoryview]]:
        """(strand, bytes) of the stream, in order; that they are what was indexed is for the caller to compare."""

    def about(self) -> dict[str, Any]:
        """Facts about the file itself, for `info`: its length, and that of the index beside it."""

    def close(self) -> None:
        """Let go of the file."""
