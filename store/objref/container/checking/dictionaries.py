"""Which sections may be dictionaries, of whom, and that they are there before they are needed (R19)."""

from __future__ import annotations

from collections.abc import Iterator

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.checking.structure import Structure
from objref.findings import Findings

__all__ = ["check_dictionaries"]


def check_dictionaries(c: Checked, structure: Structure, findings: Findings) -> None:
    """All sections; groups without a trailer are not asked."""
    for section in c.sections.values():
        wrong = [*_of_dictionary(section, structure)] if section.role == f.DICTIONARY else []
        if section.dictionary:
            wrong += _of_user(c, section, structure)
        for text in wrong:
            findings.say("section", f"section {section.name}", f"{text} (R19)", "R19")


def _of_dictionary(section: f.Section, structure: Structure) -> Iterator[str]:
    """What keeps a section from being a dictionary."""
    pieces = structure.pieces.get(section.id, [])
    if len(pieces) != 1 or pieces[0].blocks != 1:
        blocks = sum(piece.blocks for piece in pieces)
        yield f"a dictionary of {len(pieces)} pieces with {blocks} blocks, expected one of a single block"
    if section.dictionary:
        yield f"a dictionary that names dictionary {section.dictionary}"


def _of_user(c: Checked, section: f.Section, structure: Structure) -> Iterator[str]:
    """What keeps a section from having its dictionary."""
    number, found = section.dictionary, c.sections.get(section.dictionary)
    if section.codec == f.RAW:
        yield f"codec {section.codec}, but it names dictionary {number}"
    if found is None or found.role != f.DICTIONARY:
        yield f"its dictionary is section {number}, {'which there is not' if found is None else 'no dictionary'}"
        return
    groups = [piece.group for piece in structure.pieces.get(number, [])]
    early = [piece.group for piece in structure.pieces.get(section.id, []) if _has_frames(section, piece, structure)]
    if groups and early and min(early) < min(groups):
        yield f"has frames in group {min(early)}, its dictionary comes in group {min(groups)}"


def _has_frames(section: f.Section, piece: f.PieceEntry, structure: Structure) -> bool:
    """Whether a block of a piece shrank: only such a block needs the dictionary."""
    stored = structure.stored.get((section.id, piece.address))
    return stored is not None and stored < piece.length
