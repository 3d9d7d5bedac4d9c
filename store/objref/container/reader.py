"""Reading a container: nothing is read before it is needed, nothing is used before it is checked.

Its layers, each upon the one before: directory, tables, content, views, and here the stream that they were made from.
"""

from __future__ import annotations

from objref.container import format as f
from objref.container.content import JOIN, Trail, slot_runs
from objref.container.views import Views
from objref.errors import FormatError, IntegrityError, UnsupportedError
from objref_index import KeyTable
from objref_index.columns import cast

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

    from objref.container.ahead import Ahead
    from objref.container.together import Contents

__all__ = ["Container", "Trail"]

ZEROS = JOIN >> f.PAGE_LOG2
ZERO_PAGES = memoryview(bytes(JOIN))


class Container(Views):
    """An open container. What it remembers is bounded by `limits.cache`, but for trailers and tables."""

    def braid(self) -> Iterator[tuple[int, int]]:
        """The runs of the stream: (strand, length)."""
        for section in self.sections.values():
            if section.role == f.BRAID:
                for piece in self.pieces(section.id):
                    for chunk in self.chunks(section.id, piece.address, piece.length):
                        for run in cast(chunk, "Q"):
                            yield run >> 48, run & f.ADDRESS_MASK

    def lost_bytes(self) -> int:
        """Bytes of the stream that did not come back when the image was recovered."""
        return sum(s.length for s in self.sections.values() if s.role == f.LOST)

    def stream(self, fill: bool = False) -> Iterator[bytes | memoryview]:
        """The stream, in order. Ends in IntegrityError when its digest differs: the last chunk is not handed
        out before. LostError at bytes that are lost, unless zeros may `fill` their place."""
        import hashlib

        digest = hashlib.sha256()
        held: list[bytes | memoryview] = []
        size = 0
        for _, chunk in self.runs(fill):
            digest.update(chunk)
            held.append(chunk)
            size += len(chunk)
            if size >= JOIN:
                yield from held[:-1]
                held, size = held[-1:], len(held[-1])
        self._check_digest(digest.digest())
        yield from held

    def runs(self, fill: bool = False) -> Iterator[tuple[int, bytes | memoryview]]:
        """(strand, bytes) of the stream, in order. Their digest is for the caller to compare."""
        from objref.container.ahead import Ahead

        ahead = Ahead(self, self._look)
        strands = [s for s in self.sections.values() if s.role in f.IN_STREAM]
        try:
            yield from self._braided({s.id: _Cursor(self, s, ahead) for s in strands}, fill)
        finally:
            ahead.close()

    def _look(self, section: f.Section, piece: f.PieceEntry, first: int, contents: Contents) -> memoryview:
        """Blocks that were decoded together; what is wrong with one of them is found where it is asked alone."""
        if not contents.damaged:
            return memoryview(contents.joined)
        count = -(-len(contents.joined) >> section.block_log2)
        return memoryview(b"".join(self.block(section, piece, first + i) for i in range(count)))

    def _braided(self, cursors: dict[int, _Cursor], fill: bool) -> Iterator[tuple[int, bytes | memoryview]]:
        done = 0
        for strand, length in self.braid():
            cursor = cursors.get(strand)
            if cursor is None:
                raise self._no_strand(strand)
            if length % cursor.unit:
                raise FormatError(f"braid: {length} bytes of pages are not whole pages (R11)")
            filled = fill and self.sections[strand].role == f.LOST
            for chunk in cursor.skip(length) if filled else cursor.take(length):
                done += len(chunk)
                yield strand, chunk
        self._check_lengths(done, cursors)

    def _no_strand(self, number: int) -> FormatError:
        entry = self.sections.get(number)
        if entry is not None and entry.role >= len(f.ROLE_NAMES):
            return UnsupportedError(f"braid: section {entry.name} has the unknown role {entry.role}")
        return FormatError(f"braid: section {number} is no strand (R10)")

    def _check_digest(self, digest: bytes) -> None:
        if digest != self.footer.stream_digest:
            raise IntegrityError(
                f"the stream's SHA-256 is {digest.hex()}, expected {self.footer.stream_digest.hex()}: "
                "what was written is not what was imported"
            )

    def _check_lengths(self, done: int, cursors: dict[int, _Cursor]) -> None:
        if done != self.footer.stream_length:
            raise FormatError(f"the stream has {done} bytes, the footer says {self.footer.stream_length} (R10)")
        for number, cursor in cursors.items():
            if cursor.left:
                raise FormatError(
                    f"section {self.sections[number].name}: {cursor.left} bytes are not in the braid (R10)"
                )

    def quick(self, space: f.SpaceEntry, keys: KeyTable) -> Callable[[Any], bytes | None] | None:
        """No shorter way from keys to bytes than through tables and blocks."""
        return None

    def about(self) -> dict[str, Any]:
        """Facts about the file itself."""
        return {"file_length": self.source.length, "groups": self.footer.groups}

    def close(self) -> None:
        """Let go of the file."""
        self.source.close()
        self._blocks.clear()


class _Cursor:
    """Takes a strand's bytes from its start, piece after piece. Mutable."""

    def __init__(self, container: Container, section: f.Section, ahead: Ahead) -> None:
        self._container = container
        self._section = section
        self._ahead = ahead
        self.unit = f.PAGE if section.role == f.PAGE_TABLE else 1
        self._spans = [(p.address, p.length) for p in reversed(container.pieces(section.id))]

    @property
    def left(self) -> int:
        """Bytes that were not taken."""
        return sum(length for _, length in self._spans) * self.unit // self._stored_unit

    @property
    def _stored_unit(self) -> int:
        """Bytes of the section for a unit of the stream."""
        return 1 if self.unit == 1 else 4

    def take(self, length: int) -> Iterator[bytes | memoryview]:
        """The next `length` bytes, whole units."""
        stored = self._stored(length // self.unit * self._stored_unit)
        return stored if self.unit == 1 else self._pages(stored)

    def _stored(self, length: int) -> Iterator[bytes | memoryview]:
        lost = self._section.role == f.LOST
        while length:
            if not self._spans:
                more = length * self.unit // self._stored_unit
                raise FormatError(f"braid: {more} bytes more than section {self._section.name} has (R10)")
            address, have = self._spans.pop()
            part = min(length, have)
            if have > part:
                self._spans.append((address + part, have - part))
            if lost:  # which is an error that the container has words for
                yield from self._container.chunks(self._section.id, address, part)
            else:
                yield from self._ahead.span(self._section, address, part)
            length -= part

    def _pages(self, slots: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
        for some in slots:
            for slot, pages in slot_runs(cast(some, "I")):
                if slot == f.ZERO_PAGE:
                    for done in range(0, pages, ZEROS):
                        yield ZERO_PAGES[: min(ZEROS, pages - done) << f.PAGE_LOG2]
                else:
                    section = self._container.page_section
                    yield from self._ahead.span(section, slot << f.PAGE_LOG2, pages << f.PAGE_LOG2)

    def skip(self, length: int) -> Iterator[bytes]:
        """Zeros in place of the next `length` bytes."""
        while length:
            if not self._spans:
                raise FormatError(f"braid: {length} bytes more than section {self._section.name} has (R10)")
            address, have = self._spans.pop()
            part = min(length, have, JOIN)
            if have > part:
                self._spans.append((address + part, have - part))
            yield bytes(part)
            length -= part
