"""Sections while they grow: bytes become blocks, which threads compress, and blocks become pieces of the file
(docs/format.md, section 3). What a piece is told of by, its trailer, is written by who knows the stream.
"""

from __future__ import annotations

import sys
from array import array
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import accumulate
from typing import TypeAlias

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.compress import compress_all
from objref.container.dictionary import Dictionary, learn, own_level
from objref.container.encoding import encode_name, encode_piece
from objref.container.options import Options
from objref.container.output import Sink
from objref.container.section import Batch, GrowingSection
from objref.errors import LimitError

__all__ = ["ClosedPiece", "PieceWriter", "trailer_body"]

PIECE_BUFFER = 8 << 20
BATCH = 1 << 20
STORED_MAX = (1 << 32) - (64 << 20)
THREADS = 2
IN_FLIGHT = 4
"""Batches between the stream and the file: enough to keep the threads busy."""

NEVER_RAW = (f.BRAID, f.SPARE, f.LOST)
"""Nobody maps them, and of the last there is nothing to see."""

ClosedPiece: TypeAlias = tuple[f.Piece, "array[int]", "array[int]"]
"""A piece that is complete, with the ends and the checks of its blocks."""


def trailer_body(pieces: Sequence[tuple[f.Piece, Sequence[int], Sequence[int]]]) -> tuple[list[f.Piece], bytes, int]:
    """The body of the trailer that tells of these pieces; the pieces as they stand in it, and how many blocks."""
    entries: list[f.Piece] = []
    ends, checks = array("I"), array("Q")
    for piece, piece_ends, piece_checks in pieces:
        entries.append(piece._replace(first_block=len(ends)))
        ends.extend(piece_ends)
        checks.extend(piece_checks)
    body = b"".join(encode_piece(entry) for entry in entries) + little(ends)
    return entries, body + bytes(-len(body) % 8) + little(checks), len(ends)


def little(values: array[int]) -> bytes:
    """The bytes of these words, little-endian whatever the machine."""
    if sys.byteorder == "big":
        values = array(values.typecode, values)
        values.byteswap()
    return values.tobytes()


class PieceWriter:
    """Puts the bytes of sections into a file. Mutable; unusable after its first error."""

    def __init__(self, output: Sink, options: Options, dictionary: Dictionary | None) -> None:
        """`dictionary`: that of the pages, if it is known beforehand, made for their level."""
        self.options = options
        self._out = output
        self._sections: list[GrowingSection] = []
        self._closed: list[ClosedPiece] = []
        self._open: GrowingSection | None = None
        self._batches: deque[Batch] = deque()
        self._executor: ThreadPoolExecutor | None = None
        self._known = dictionary

    def _new(self, name: str, role: int, block_log2: int, level: int) -> GrowingSection:
        if len(self._sections) == 0xFFFE:
            raise LimitError("more than 65534 sections")
        encode_name(name)  # while it can still be told who asked
        chosen = self.options.pages if role == f.PAGES else self.options.codec
        codec = f.RAW if "raw" in (self.options.codec, chosen) and role not in NEVER_RAW else f.ZSTD
        section = GrowingSection(len(self._sections) + 1, name, role, codec, block_log2, level)
        self._sections.append(section)
        return section

    def _append(self, section: GrowingSection, data: bytes | memoryview) -> int:
        address = section.next
        section.next += len(data)
        section.length += len(data)
        # Always the same bytes at once, however they came: where pieces end must not depend on read sizes.
        batch, rest = max(BATCH, section.block, section.learns), memoryview(data)
        while (room := batch - len(section.pending)) <= len(rest):
            section.pending += rest[:room]
            rest = rest[room:]
            self._compress(section)
            batch = max(BATCH, section.block)
        section.pending += rest
        return address

    def _room(self, section: GrowingSection) -> int:
        """How many bytes make a batch of what is pending."""
        return max(BATCH, section.block, section.learns) - len(section.pending)

    def _compress(self, section: GrowingSection) -> None:
        """Hand over the pending bytes. What is stored keeps its order: a few batches later, one by one."""
        if section.learns:
            self._learn(section)
        content, section.pending = section.pending, bytearray()
        view = memoryview(content)
        blocks = [view[at : at + section.block] for at in range(0, len(content), section.block)]
        frames = (
            None
            if section.codec == f.RAW
            else self._threads.submit(compress_all, section.level, blocks, section.dictionary)
        )
        self._batches.append(Batch(section, content, blocks, frames))
        while len(self._batches) > IN_FLIGHT:
            self._store(self._batches.popleft())

    def _learn(self, section: GrowingSection) -> None:
        length, section.learns = section.learns, 0
        if section.role == f.STRAND and len(section.pending) < BATCH:
            return  # most strands: less than a MiB in their first group
        known = self._known if section.role == f.PAGES else None
        made = known or learn(section.pending, length, section.block, section.level)
        if made is not None:
            log2 = max((len(made.content) - 1).bit_length(), f.BLOCK_LOG2_MIN)
            name = section.name.encode()[:13].decode(errors="ignore")  # names have 24 bytes
            own = self._new(f"{name} dictionary", f.DICTIONARY, log2, own_level(section.level))
            self._append(own, made.content)
            section.dictionary, section.dictionary_number = made, own.number

    @property
    def _threads(self) -> ThreadPoolExecutor:
        if self._executor is None:
            self._executor = ThreadPoolExecutor(THREADS, "objref-zstd")
        return self._executor

    def _store(self, batch: Batch) -> None:
        """Put the blocks of a batch into the piece of their section."""
        section, blocks, length = batch.section, batch.blocks, len(batch.content)
        stored = blocks if batch.frames is None else batch.frames.result()
        if section.piece_stored + length > STORED_MAX:
            self._close_piece(section)
        self._keep(section, stored, blocks)
        section.piece_length += length
        if section.buffered >= (4 if self._waits(section) else 1) * PIECE_BUFFER:
            self._write(section)

    def _waits(self, section: GrowingSection) -> bool:
        """Whether a section is held until its group ends: packed pages are, so that they lie behind the records. Raw
        ones make long runs in the file, which can be mapped."""
        return section.role == f.PAGES and section.codec == f.ZSTD

    def _holds_much(self) -> bool:
        """Whether it is time to end a group because of what is held."""
        return any(s.buffered >= 2 * PIECE_BUFFER for s in self._sections if self._waits(s))

    def _keep(
        self, section: GrowingSection, stored: Sequence[bytes | memoryview], blocks: Sequence[bytes | memoryview]
    ) -> None:
        sizes, start = list(map(len, stored)), section.piece_stored
        ends = list(accumulate(sizes, initial=start))
        if section.lengths is not None:
            section.lengths.extend(map(len, blocks))
        section.chunks += stored
        section.piece_stored = ends[-1]
        section.buffered += ends[-1] - start
        section.ends.extend(ends[1:])
        section.checks.extend(map(xxh3, stored))

    def _open_for(self, section: GrowingSection) -> None:
        """Make the section the one whose piece the end of the file belongs to."""
        if self._open is section:
            return
        if self._open is not None:
            self._close_piece(self._open)
        if section.codec == f.RAW:
            self._out.align(f.RAW_ALIGN)
        section.offset = self._out.position
        self._open = section

    def _write(self, section: GrowingSection) -> None:
        """Write what is buffered; the piece stays open while nothing else is written."""
        self._open_for(section)
        if section.places is not None:
            at = self._out.position
            for kept in section.chunks:
                section.places.append(at << 24 | len(kept))
                at += len(kept)
        self._out.write_all(section.chunks)
        section.chunks = []
        section.buffered = 0

    def _close_piece(self, section: GrowingSection) -> None:
        """The end of a piece: from here on its blocks are in the trailer to come."""
        if section.buffered:
            self._write(section)
        if section.piece_length:
            self._closed.append((self._piece(section)._replace(offset=section.offset), section.ends, section.checks))
            section.stored += section.piece_stored
        address = section.piece_address + section.piece_length
        section.close_piece()
        section.piece_address = -(-address // section.block) * section.block
        if self._open is section:
            self._open = None

    def _piece(self, section: GrowingSection) -> f.Piece:
        """The growing piece of a section, without its place."""
        return f.Piece(
            section.number, section.role, section.codec, section.block_log2, section.dictionary_number,
            section.piece_address, section.piece_length, 0, len(section.ends), 0, section.name,
        )  # fmt: skip

    def _close_pieces(self) -> list[ClosedPiece]:
        """All that waits becomes blocks, and all blocks pieces: those since the last call."""
        for section in self._sections:  # a dictionary may join them on the way
            if section.pending:
                self._compress(section)
        while self._batches:
            self._store(self._batches.popleft())
        # The open piece first: closing it writes nothing, opening another one would cut it.
        if self._open is not None:
            self._close_piece(self._open)
        self._before_pieces()
        # Pages last: the longest, and what is before a cut can be had without what is behind it.
        for section in sorted(self._sections, key=lambda section: section.role == f.PAGES):
            self._close_piece(section)
            section.next = section.piece_address  # only here may a block be short: what it lacks belongs to nothing
        closed, self._closed = self._closed, []
        return closed

    def _before_pieces(self) -> None:
        """All blocks of a group are known, and those that are still in memory are about to be written."""

    def close(self) -> None:
        """Let go of the threads."""
        if self._executor is not None:
            self._executor.shutdown(cancel_futures=True)
