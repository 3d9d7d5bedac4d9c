"""That every entry of the page table leads to a page that is there (R12), and which pages are damaged."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np

from objref.container import format as f
from objref.container.checking.damage import U64, covered
from objref.container.checking.opened import BAD, Checked
from objref.container.checking.structure import Structure
from objref.findings import Findings

__all__ = ["bad_blocks", "check_slots"]


class _Pages(NamedTuple):
    """The pages section: where it has slots, the last slot + 1 up to each group, and its damaged blocks."""

    starts: U64
    stops: U64
    section: f.Section | None
    groups: list[int]
    lasts: list[int]
    bad: Any


def check_slots(c: Checked, structure: Structure, findings: Findings) -> dict[int, tuple[Any, Any]]:
    """Page table section -> (numbers of damaged pages, the block of the pages section that is damaged; -1: no page)."""
    tables = [s for s in c.sections.values() if s.role == f.PAGE_TABLE and structure.pieces.get(s.id)]
    pages = _pages(c, structure, findings) if tables else None
    found: dict[int, tuple[Any, Any]] = {}
    for table in tables:
        assert pages is not None  # for mypy: there are tables
        parts = [_check_piece(c, table, piece, pages, findings) for piece in structure.pieces[table.id]]
        found[table.id] = tuple(np.concatenate(column) for column in zip(*parts, strict=True))  # type: ignore[assignment]
    return found


def _pages(c: Checked, structure: Structure, findings: Findings) -> _Pages:
    sections = [s for s in c.sections.values() if s.role == f.PAGES]
    if len(sections) > 1:
        findings.say(
            "section", "directory, sections", f"{len(sections)} sections hold pages, expected one (R12)", "R12"
        )
    section = sections[0] if len(sections) == 1 else None
    pieces = structure.pieces.get(section.id, []) if section else []
    whole = [(p.address >> f.PAGE_LOG2, (p.address + p.length) >> f.PAGE_LOG2) for p in pieces]
    starts, stops = covered(whole)
    bad = bad_blocks(c, section, pieces) if section else np.zeros(0, np.int64)
    by_group = sorted(pieces, key=lambda p: p.group)
    lasts = accumulate(((p.address + p.length) >> f.PAGE_LOG2 for p in by_group), max)
    return _Pages(starts, stops, section, [p.group for p in by_group], list(lasts), bad)


def bad_blocks(c: Checked, section: f.Section, pieces: list[f.PieceEntry]) -> Any:
    """Numbers of the damaged blocks of a section, ascending; all of groups without a trailer."""
    parts = [np.zeros(0, np.int64)]
    for piece in pieces:
        first = piece.address >> section.block_log2
        if piece.group in c.lost:
            parts.append(np.arange(first, first + -(-piece.length >> section.block_log2)))
        else:
            seen = np.frombuffer(bytes(c.seen_of(section, piece)), np.uint8)
            parts.append(first + np.flatnonzero(seen == BAD))
    return np.concatenate(parts)


def _check_piece(
    c: Checked, table: f.Section, piece: f.PieceEntry, pages: _Pages, findings: Findings
) -> tuple[Any, Any]:
    """Damaged pages of one piece: (numbers, addresses of their causes; -1 where it is the page table itself)."""
    numbers, causes = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    if piece.group in c.lost:
        return numbers[0], causes[0]
    at = bisect_right(pages.groups, piece.group)
    last = pages.lasts[at - 1] if at else 0
    seen = c.seen_of(table, piece)
    for index in range(piece.blocks):
        if seen[index] == BAD:
            continue
        slots = np.frombuffer(c.block(table, piece, index), "<u4").astype(np.int64)
        first = (piece.address + (index << table.block_log2)) // 4
        stored = np.flatnonzero(slots != f.ZERO_PAGE)
        where = slots[stored]
        wrong = ~_inside(where, pages) | (where >= last)
        if wrong.any():
            k = stored[wrong][0]
            text = f"page {first + k} names slot {slots[k]:#x}, no page of this group or one before it (R12)"
            findings.say("page", f"section {table.name}, group {piece.group}", text, "R12")
        blocks = (where << f.PAGE_LOG2) >> (pages.section.block_log2 if pages.section else 0)
        touched = wrong | _among(blocks, pages.bad)
        numbers.append(first + stored[touched])
        causes.append(np.where(wrong, -1, blocks)[touched])
    return np.concatenate(numbers), np.concatenate(causes)


def _inside(slots: Any, pages: _Pages) -> Any:
    at = np.searchsorted(pages.starts, slots.astype(np.uint64), "right") - 1
    stops = pages.stops[np.maximum(at, 0)] if len(pages.stops) else np.zeros(len(slots), np.uint64)
    return (at >= 0) & (slots.astype(np.uint64) < stops)


def _among(blocks: Any, bad: Any) -> Any:
    if not len(bad):
        return np.zeros(len(blocks), bool)
    return bad[np.minimum(np.searchsorted(bad, blocks), len(bad) - 1)] == blocks
