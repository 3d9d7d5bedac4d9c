"""The stream of a damaged container, run by run, with what is lost told apart from what is good."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from objref.container import format as f
from objref.container.checking.opened import BAD, Checked
from objref.recovery.lost import Fate
from objref.recovery.mending import Mended

__all__ = ["Group", "Part", "groups_of", "parts_of"]


class Part(NamedTuple):
    """Bytes of the stream that lie together in a section and share a fate. Of pages: addresses of pages."""

    section: f.Section | None
    """None: the braid names bytes of a section that does not have them."""
    address: int
    length: int
    lost: bool


class Group(NamedTuple):
    """A group and its runs, (section, length) each. Not `ordered`: its pieces one by one, nobody knows their order."""

    number: int
    runs: Iterator[tuple[int, int]]
    ordered: bool


def groups_of(c: Checked) -> Iterator[Group]:
    """All groups."""
    for number in range(c.group_count):
        runs = _runs_of(c, number)
        yield Group(number, _pieces_of(c, number) if runs is None else runs, runs is not None)


def _runs_of(c: Checked, number: int) -> Iterator[tuple[int, int]] | None:
    """By the braid, or by the spare; None: by nothing."""
    if number in c.lost:
        return None
    braids = [s for s in c.sections.values() if s.role == f.BRAID]
    mine = [(s, p) for s in braids for p in c.pieces(s.id) if p.group == number]
    if mine and len(braids) == 1 and all(BAD not in c.seen_of(s, p) for s, p in mine):
        return _by_braid(c, mine)
    told = c.runs_told(number) if isinstance(c, Mended) else None
    return None if told is None else _decoded(told)


def _by_braid(c: Checked, pieces: list[tuple[f.Section, f.PieceEntry]]) -> Iterator[tuple[int, int]]:
    for section, piece in pieces:
        for index in range(piece.blocks):
            yield from _decoded(c.block(section, piece, index))


def _decoded(runs: bytes | memoryview) -> Iterator[tuple[int, int]]:
    for run in np.frombuffer(runs, "<u8").tolist():
        yield run >> 48, run & f.ADDRESS_MASK


def _pieces_of(c: Checked, number: int) -> Iterator[tuple[int, int]]:
    for s in c.sections.values():
        if s.role in f.IN_STREAM:
            for p in c.pieces(s.id):
                if p.group == number:
                    yield s.id, p.length * scale(s)


def scale(section: f.Section) -> int:
    """Addresses of the page table count bytes of pages, its pieces those of its own entries."""
    return f.PAGE // 4 if section.role == f.PAGE_TABLE else 1


class Strands:
    """Takes the bytes of all strands from their starts, group by group. Mutable."""

    def __init__(self, c: Checked, fate: Fate) -> None:
        self._c, self._fate = c, fate
        self._left: dict[int, list[tuple[int, int]]] = {}

    def begin(self, number: int) -> None:
        """The next bytes are those of this group."""
        self._left = {}
        for s in self._c.sections.values():
            if s.role in f.IN_STREAM:
                mine = [p for p in reversed(self._c.pieces(s.id)) if p.group == number]
                self._left[s.id] = [(p.address * scale(s), p.length * scale(s)) for p in mine]

    def take(self, strand: int, length: int) -> Iterator[Part]:
        """The next `length` bytes of a strand. What it does not have is lost."""
        section, left = self._c.sections.get(strand), self._left.get(strand, [])
        while length and left and section is not None:
            address, have = left.pop()
            part = min(length, have)
            if have > part:
                left.append((address + part, have - part))
            at = address
            for n, lost in self._fate.parts(strand, address, part):
                yield Part(section, at, n, lost or section.role == f.LOST)
                at += n
            length -= part
        if length:
            yield Part(None, 0, length, True)


def parts_of(c: Checked, fate: Fate) -> Iterator[tuple[Group, Iterator[Part]]]:
    """Group after group, the parts of each in order."""
    strands = Strands(c, fate)
    for group in groups_of(c):
        strands.begin(group.number)
        yield group, _take_all(strands, group)


def _take_all(strands: Strands, group: Group) -> Iterator[Part]:
    for strand, length in group.runs:
        yield from strands.take(strand, length)
