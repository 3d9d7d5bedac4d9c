"""Every block, once: in the order of the stream where its digests can be proved, the others behind it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np

from objref.container import format as f
from objref.container.blocks import check_block
from objref.container.checking.braid import runs_of_group
from objref.container.checking.opened import UNSEEN, Checked
from objref.container.checking.structure import Structure
from objref.container.digest import HANDOVER, StreamDigest
from objref.errors import FormatError
from objref.findings import Findings

__all__ = ["Proof", "check_blocks", "check_stream"]

ZEROS = HANDOVER >> f.PAGE_LOG2
ZERO_PAGES = memoryview(bytes(HANDOVER))
Progress = Callable[[int], None] | None


class Proof(NamedTuple):
    """How far the stream is what was imported: groups whose digests match, and the stream's bytes up to there."""

    groups: int
    length: int
    whole: bool


def check_stream(c: Checked, structure: Structure, findings: Findings, progress: Progress) -> Proof:
    """Join the stream, and compare the digest at the end of each group. Stops where something is damaged."""
    digest = StreamDigest()
    try:
        return _prove(c, structure, digest, findings, progress)
    finally:
        digest.close()


def _prove(c: Checked, structure: Structure, digest: StreamDigest, findings: Findings, progress: Progress) -> Proof:
    cursors = _cursors(c)
    groups = length = 0
    wrong: list[int] = []
    for number in range(c.group_count):
        if number in structure.lost:
            return Proof(groups, length, False)
        try:
            _join(c, structure, number, cursors, digest, progress)
        except FormatError as error:  # a slot that leads nowhere; it is found by itself, with its page
            findings.error("page", f"group {number}", error)
            return Proof(groups, length, False)
        if c.bad:
            return Proof(groups, length, False)
        if digest.digest() != c.trail(number).header.digest:
            wrong.append(number)
        elif not wrong:
            groups, length = number + 1, digest.length
    if wrong:
        text = f"{len(wrong)} group digests are not those of the stream, the first of group {wrong[0]}"
        findings.say("digest", f"group {wrong[0]}", text)
    whole = digest.digest() == c.footer.stream_digest
    if not whole:
        text = f"the stream's SHA-256 is {digest.digest().hex()}, the footer says {c.footer.stream_digest.hex()}"
        findings.say("digest", "footer", text)
    return Proof(groups, length, whole)


class _Cursor:
    """Takes a strand's bytes from its start, piece after piece. Mutable."""

    def __init__(self, c: Checked, section: f.Section, pages: f.Section | None) -> None:
        self._c = c
        self._section = section
        self._pages = pages
        self._spans = [(p.address, p.length) for p in reversed(c.pieces(section.id))]

    def take(self, length: int) -> Iterator[bytes | memoryview]:
        """The next `length` bytes of the stream, which the braid was found to have."""
        if self._section.role == f.PAGE_TABLE:
            for slots in self._stored(length // f.PAGE * 4):
                yield from self._of_slots(np.frombuffer(slots, "<u4").astype(np.int64))
        else:
            yield from self._stored(length)

    def _stored(self, length: int) -> Iterator[bytes | memoryview]:
        while length:
            address, have = self._spans.pop()
            part = min(length, have)
            if have > part:
                self._spans.append((address + part, have - part))
            yield from self._c.ahead.span(self._section, address, part)
            length -= part

    def _of_slots(self, slots: Any) -> Iterator[bytes | memoryview]:
        """Pages: neighbouring slots, and runs of zero pages, together."""
        zero, step = slots == f.ZERO_PAGE, np.diff(slots)
        cuts = np.flatnonzero((step != 1) & ~(zero[1:] & zero[:-1])) + 1
        starts = np.r_[0, cuts]
        for first, pages in zip(slots[starts].tolist(), np.diff(np.r_[starts, len(slots)]).tolist(), strict=True):
            if first != f.ZERO_PAGE and self._pages is not None:
                yield from self._c.ahead.span(self._pages, first << f.PAGE_LOG2, pages << f.PAGE_LOG2)
                continue
            for done in range(0, pages, ZEROS):
                yield ZERO_PAGES[: min(ZEROS, pages - done) << f.PAGE_LOG2]


def _cursors(c: Checked) -> dict[int, _Cursor]:
    sections = list(c.sections.values())
    pages = next((s for s in sections if s.role == f.PAGES), None)
    return {s.id: _Cursor(c, s, pages) for s in sections if s.role in f.IN_STREAM}


def _join(
    c: Checked,
    structure: Structure,
    group: int,
    cursors: dict[int, _Cursor],
    digest: StreamDigest,
    progress: Progress,
) -> None:
    """The stream's bytes of a group; stops behind the first damaged block."""
    done = digest.length
    for runs in runs_of_group(c, structure, group):
        for run in runs.tolist():
            for chunk in cursors[run >> 48].take(run & f.ADDRESS_MASK):
                digest.update(chunk)
                if progress is not None and digest.length - done >= HANDOVER:
                    progress(done := digest.length)
            if c.bad:
                return


def check_blocks(c: Checked, structure: Structure, progress: Progress, done: int) -> None:
    """The blocks that the stream did not lead to."""
    for number, pieces in structure.pieces.items():
        section = c.sections[number]
        for piece in pieces:
            if piece.group in structure.lost:
                continue
            for index in _unseen(c, section, piece):
                if section.role < len(f.ROLE_NAMES):
                    c.block(section, piece, index)
                else:
                    _check_unknown(c, section, piece, index)
            if progress is not None:
                done += piece.length
                progress(done)


def _unseen(c: Checked, section: f.Section, piece: f.PieceEntry) -> Iterator[int]:
    seen, at = c.seen_of(section, piece), -1
    while (at := seen.find(UNSEEN, at + 1)) >= 0:
        yield at


def _check_unknown(c: Checked, section: f.Section, piece: f.PieceEntry, index: int) -> None:
    """A block of a role from the future: its checksum is all that can be asked."""
    offset, stored, _, check = c._place(piece, index, section)
    c.blocks_read += 1
    with c.findings.watching("block", f"section {section.name}, block {index}, offset {offset}"):
        check_block(c.source.read(offset, stored), check, f"offset {offset}")
