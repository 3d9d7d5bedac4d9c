"""The container's writer, whose one section is FILE itself: it keeps checks and positions, and no bytes."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.output import Output
from objref.container.section import GrowingSection
from objref.container.writer import ContainerWriter, Options
from objref.errors import LimitError, SourceError
from objref.sidecar.detached import DetachedOutput
from objref.sidecar.layout import CHECKED, ENDING, HEAD, STREAM, Ending, block_log2, encode

if TYPE_CHECKING:
    from objref_index.build import Index
    from objref_index.tree.build import Built

__all__ = ["SidecarWriter"]


class SidecarWriter(ContainerWriter):
    """Writes the sidecar of one FILE of `length` bytes. Mutable; unusable after its first error."""

    def __init__(self, output: Output, length: int) -> None:
        self._beside = output
        self._detached = DetachedOutput(output)
        log2 = block_log2(length)
        super().__init__(self._detached, Options(codec="raw", block_log2=log2))
        self._detached.align(HEAD)
        self._new("stream", f.STRAND, log2, self.options.level)
        self._names: dict[str, int] = {}
        self._built: Built | None = None

    # -- the stream ----------------------------------------------------------------------------------------

    def section(self, name: str, *, bulk: bool = False) -> int:
        """A number for that name, until the index is settled: what would lie in two sections of a container stays
        two extents."""
        number = self._names.setdefault(name, len(self._names) + 1)
        if number > 0xFFFE:
            raise LimitError("more than 65534 sections")
        return number

    @property
    def page_section(self) -> int:
        """The number that extents of pages name."""
        return self.section("pages")

    def append(self, section: int, data: bytes | memoryview) -> int:
        """The next bytes of FILE. Returns their position."""
        return super().append(STREAM, data)

    def append_pages(self, data: memoryview) -> int:
        """The next bytes of FILE. Returns their position."""
        return super().append(STREAM, data)

    def append_woven(self, section: int, data: memoryview, turns: array[int]) -> Iterator[tuple[int, int, int]]:
        """The next bytes of FILE. Yields their positions, turn by turn."""
        at = super().append(STREAM, data)
        for bits, pages in zip(turns[::2], turns[1::2], strict=True):
            yield at, at + bits, 1
            at += bits + pages

    def end_batch(self) -> None:
        """One group, whatever the length: a sidecar that is torn is made again."""

    def _before_pieces(self) -> None:
        """No spare: a sidecar that is torn is made again."""

    def _write(self, section: GrowingSection) -> None:
        if section.number != STREAM:
            super()._write(section)
            return
        self._open_for(section)
        self._detached.skip(section.buffered)
        section.chunks, section.buffered = [], 0

    # -- the index -----------------------------------------------------------------------------------------

    def settle(self, index: Index) -> Index:
        """Make the tree, and keep the tables that a sidecar has beside it."""
        from objref_index.tree.build import build_tree, in_one_section, without_keys

        index = in_one_section(index, STREAM)
        self._built = build_tree(self._beside.descriptor, index, self._failed)
        self._detached.begin_rest(self._built.length)
        tables = index.tables | {"tree checks": self._tree_checks(self._built.length)}
        return index._replace(tables=tables, spaces=[without_keys(space) for space in index.spaces])

    def _failed(self, why: str) -> SourceError:
        # A short write, as on a full disk, is an I/O error to LMDB, so what is free tells more.
        disk = os.statvfs(os.path.dirname(self._beside.path))
        free = disk.f_bavail * disk.f_frsize
        return SourceError(
            f"{self._beside.path}: LMDB cannot write the tree: {why} ({free} bytes free); nothing was left"
        )

    def _tree_checks(self, length: int) -> Any:
        import numpy as np

        read = self._beside.read
        checks = [xxh3(read(at, min(CHECKED, length - at))) for at in range(0, length, CHECKED)]
        return np.array(checks, "<u8")

    def about(self) -> dict[str, Any]:
        """What META says of the writer."""
        return {"options": {"block_log2": self.options.block_log2}}

    def finish(self, *parts: Any) -> f.Footer:
        """Write tables, directory, footer and ending. The output still has to be committed."""
        footer = super().finish(*parts)
        built, length = self._built, self._beside.position + ENDING.size
        assert built is not None  # for mypy: the index was settled before
        self._beside.write(encode(Ending(built.page_size, built.length, footer.stream_length, built.entries, length)))
        return footer._replace(file_length=length)
