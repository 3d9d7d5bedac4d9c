"""The braid by numbers: the runs of a group are exactly its pieces, so each group stands for itself (R10, R11)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.checking.structure import Structure
from objref.findings import Findings

__all__ = ["check_braid", "runs_of_group"]

SECTIONS = 1 << 16


def check_braid(c: Checked, structure: Structure, findings: Findings) -> bool:
    """Whether the stream can be joined as the braid says."""
    sections = [s for s in c.sections.values() if s.role == f.BRAID]
    if len(sections) > 1:
        findings.say("braid", "directory, sections", f"{len(sections)} sections are braids, expected one (R10)", "R10")
        return False
    before, bad = len(findings), c.bad
    expected = _expected(c, structure)
    for number in range(c.group_count):
        if number not in structure.lost:
            _check_group(c, structure, number, expected.get(number, {}), findings)
    return len(findings) == before and c.bad == bad


def _expected(c: Checked, structure: Structure) -> dict[int, dict[int, int]]:
    """group -> strand -> bytes of the stream."""
    found: dict[int, dict[int, int]] = {}
    for number, pieces in structure.pieces.items():
        role = c.sections[number].role
        if role not in f.IN_STREAM:
            continue
        scale = f.PAGE // 4 if role == f.PAGE_TABLE else 1
        for piece in pieces:
            strands = found.setdefault(piece.group, {})
            strands[number] = strands.get(number, 0) + piece.length * scale
    return found


def runs_of_group(c: Checked, structure: Structure, group: int) -> Iterator[Any]:
    """The runs of a group, by block of the braid, as arrays: strand << 48 | length."""
    for section, piece in structure.braid.get(group, ()):
        for index in range(piece.blocks):
            yield np.frombuffer(c.block(section, piece, index), "<u8")


def _check_group(c: Checked, structure: Structure, group: int, expected: dict[int, int], findings: Findings) -> None:
    where, bad = f"braid of group {group}", c.bad
    sums = np.zeros(SECTIONS, np.uint64)
    for runs in runs_of_group(c, structure, group):
        strands, lengths = (runs >> np.uint64(48)).astype(np.int64), runs & np.uint64(f.ADDRESS_MASK)
        _check_runs(c, strands, lengths, where, findings)
        np.add.at(sums, strands, lengths)
    if c.bad != bad:
        return  # a damaged block, which is found by itself
    found = {int(number): int(sums[number]) for number in np.flatnonzero(sums)}
    for number in sorted(found.keys() | expected.keys()):
        if found.get(number, 0) != expected.get(number, 0):
            text = f"takes {found.get(number, 0)} bytes of section {number}, the group has {expected.get(number, 0)}"
            findings.say("braid", where, f"{text} (R10)", "R10")
    header = c.trail(group).header
    if sum(found.values()) != header.stream_to - header.stream_from:
        text = f"{sum(found.values())} bytes, its trailer says {header.stream_to - header.stream_from} (R10)"
        findings.say("braid", where, text, "R10")


def _check_runs(c: Checked, strands: Any, lengths: Any, where: str, findings: Findings) -> None:
    for number in np.unique(strands).tolist():
        section = c.sections.get(number)
        if section is None or section.role not in f.IN_STREAM:
            name = section.name if section else number
            findings.say("braid", where, f"section {name} is no strand (R10)", "R10")
        elif section.role == f.PAGE_TABLE and (lengths[strands == number] % np.uint64(f.PAGE)).any():
            findings.say("braid", where, f"runs of section {section.name} are not whole pages (R11)", "R11")
