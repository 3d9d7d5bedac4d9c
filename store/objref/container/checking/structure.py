"""Directory and trailers: each sound by itself, the chain of groups, and that both tell of the same pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.content import Trail
from objref.errors import FormatError
from objref.findings import Findings

__all__ = ["Structure", "check_structure", "zeros_after_name"]

NAMES = {f.SECTIONS: 8, f.SPACES: 12, f.KINDS: 5, f.ROLES: 4}
"""Arrays of the directory whose entries end in a name, and the place of it among the fields."""
ZEROS = {f.PIECES: (1, 8), f.TABLES: (4, 9), f.SPACES: (11,), f.KINDS: (1, 2), f.ROLES: (2, 3)}
"""Fields that are zero."""
ARRAY_NAMES = {
    f.SECTIONS: "sections", f.GROUPS: "groups", f.PIECES: "pieces", f.TABLES: "tables", f.SPACES: "spaces",
    f.KINDS: "kinds", f.ROLES: "roles",
}  # fmt: skip
UNIQUE = {f.SECTIONS: (0,), f.TABLES: (0, 1), f.SPACES: (0,), f.KINDS: (0,), f.ROLES: (0,)}
"""Fields that tell entries apart."""


class Structure(NamedTuple):
    """Pieces by section and address, with the length that each takes in the file; groups whose trailer is lost."""

    pieces: dict[int, list[f.PieceEntry]]
    stored: dict[tuple[int, int], int]
    """(section, address) -> bytes in the file."""
    lost: set[int]
    braid: dict[int, list[tuple[f.Section, f.PieceEntry]]]
    """By group."""


def check_structure(c: Checked, findings: Findings) -> Structure:
    """Everything that a quick verification asks of the directory and the trailers."""
    _check_entries(c, findings)
    listed = _listed(c)
    stored: dict[tuple[int, int], int] = {}
    lost: set[int] = set()
    pieces: list[f.PieceEntry] = []
    for number, trail in _trails(c, findings, lost):
        if trail is None:
            pieces += listed.get(number, [])
            continue
        confirmed = list(_pieces(c, number, trail, stored, findings))
        if c.whole:
            _compare(listed.get(number, []), confirmed, number, findings)
        pieces += confirmed
    for number in listed.keys() - range(c.group_count):
        findings.say("directory", f"group {number}", f"pieces of a group that is not listed: {c.group_count} are")
    by_section = _by_section(c, pieces, findings)
    if c.whole:
        _check_sections(c, by_section, stored, lost, findings)
    return Structure(by_section, stored, lost, _braid(c, by_section))


def _braid(c: Checked, pieces: dict[int, list[f.PieceEntry]]) -> dict[int, list[tuple[f.Section, f.PieceEntry]]]:
    found: dict[int, list[tuple[f.Section, f.PieceEntry]]] = {}
    for section in c.sections.values():
        if section.role == f.BRAID:
            for piece in pieces.get(section.id, ()):
                found.setdefault(piece.group, []).append((section, piece))
    return found


# -- the directory ------------------------------------------------------------------------------------------


def zeros_after_name(name: bytes) -> bool:
    """Whether a padded name has nothing behind its first zero byte."""
    return not name.partition(b"\0")[2].strip(b"\0")


def _check_entries(c: Checked, findings: Findings) -> None:
    for what, label in ARRAY_NAMES.items():
        entries = list(c._entries(what))
        for i, entry in enumerate(entries):
            where = f"directory, {label} {i}"
            if any(_nonzero(entry[field]) for field in ZEROS.get(what, ())):
                findings.say("directory", where, "a field that must be zero is not (R1)", "R1")
            if what in NAMES and not zeros_after_name(entry[NAMES[what]]):
                findings.say("directory", where, "its name is not padded with zeros (R1)", "R1")
        if what in UNIQUE:
            _check_unique(label, [tuple(entry[k] for k in UNIQUE[what]) for entry in entries], findings)
    footer = c.footer
    if footer.groups != c.group_count:
        findings.say("footer", "footer", f"{footer.groups} groups, the directory lists {c.group_count}")
    for i, role in enumerate(c._entries(f.ROLES)):
        if role[1] not in b"HSKO":
            findings.say("directory", f"directory, roles {i}", f"strength {chr(role[1])!r} is none of H, S, K, O")
    for i, section in enumerate(c._entries(f.SECTIONS)):
        if not f.BLOCK_LOG2_MIN <= section[3] <= f.BLOCK_LOG2_MAX:
            findings.say("section", f"directory, sections {i}", f"blocks of 2^{section[3]} bytes (R5)", "R5")
        if section[4] & f.CRITICAL and section[1] >= len(f.ROLE_NAMES):
            text = f"role {section[1]} is critical and unknown to this version: the image cannot be verified"
            findings.say("section", f"directory, sections {i}", text)


def _nonzero(value: Any) -> bool:
    return any(value) if isinstance(value, bytes) else value != 0


def _check_unique(label: str, names: list[tuple[int, ...]], findings: Findings) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            findings.say("directory", f"directory, {label}", f"number {name} stands there {times} times (R15)", "R15")


def _listed(c: Checked) -> dict[int, list[f.PieceEntry]]:
    """The directory's pieces by group, in the order of their blocks."""
    found: dict[int, list[f.PieceEntry]] = {}
    for entry in c._entries(f.PIECES):
        piece = f.PieceEntry(*entry)
        found.setdefault(piece.group, []).append(piece)
    return {group: sorted(pieces, key=lambda p: p.first_block) for group, pieces in found.items()}


# -- trailers -----------------------------------------------------------------------------------------------


def _trails(c: Checked, findings: Findings, lost: set[int]) -> Iterator[tuple[int, Trail | None]]:
    """Each group's trailer, None when it is lost; the chain is checked on the way."""
    end, stream, check = f.SUPERBLOCK.size, 0, 0
    for number, entry in enumerate(c.groups):
        where = f"group {number}"
        try:
            trail = c.trail(number)
        except FormatError as error:
            findings.error("group", where, error)
            lost.add(number)
            yield number, None
            end = stream = check = -1  # unknown, so the next one is not compared
            continue
        header = trail.header
        expected = {"start": end, "stream_from": stream, "previous": check}
        for name, value in expected.items():
            found = getattr(header, name)
            if value >= 0 and found != value:
                label = name.replace("_", " ")
                findings.say("group", where, f"{label} is {found:#x}, the group before it leads to {value:#x}")
        if entry.stream_to != header.stream_to:
            text = f"ends at stream byte {header.stream_to}, the directory says {entry.stream_to}"
            findings.say("group", where, text)
        _check_body(where, trail, findings)
        yield number, trail
        end, check = header.offset + f.TRAILER.size + header.body_length, header.check
        stream = header.stream_to
    if stream >= 0 and stream != c.footer.stream_length:
        text = f"the stream has {c.footer.stream_length} bytes, the last group ends at {stream} (R10)"
        findings.say("footer", "footer", text, "R10")
    if check >= 0 and check != c.footer.last_check:
        findings.say("footer", "footer", f"last group {c.footer.last_check:016x}, its trailer is {check:016x}")


def _check_body(where: str, trail: Trail, findings: Findings) -> None:
    header = trail.header
    if header.stream_to < header.stream_from or header.start > header.offset:
        findings.say("group", where, f"stream {header.stream_from}…{header.stream_to}, file {header.start}…: descends")
    ends_at = header.pieces * f.PIECE.size + 4 * header.blocks
    if any(trail.body[ends_at : -(-ends_at // 8) * 8]):
        findings.say("group", where, "the padding of its trailer is not zero (R1)", "R1")


def _pieces(
    c: Checked, number: int, trail: Trail, stored: dict[tuple[int, int], int], findings: Findings
) -> Iterator[f.PieceEntry]:
    """The pieces that a trailer tells of, as far as its blocks carry them."""
    first = 0
    for i in range(trail.header.pieces):
        at = i * f.PIECE.size
        piece, where = trail.piece(i), f"group {number}, piece {i}"
        if trail.body[at + 5] or not zeros_after_name(bytes(trail.body[at + 40 : at + 64])):
            findings.say("piece", where, "byte 5 or the padding of the name is not zero (R1)", "R1")
        if piece.first_block != first or piece.blocks > trail.header.blocks - first:
            text = f"blocks {piece.first_block}…, expected {first}… of {trail.header.blocks} (R9)"
            findings.say("piece", where, text, "R9")
            return
        first += piece.blocks
        if _check_piece(c, piece, trail, where, findings):
            stored[piece.section, piece.address] = int(trail.ends[first - 1])
            yield f.PieceEntry(
                piece.section, 0, number, piece.address, piece.length, piece.offset, piece.blocks, piece.first_block, 0
            )
    if first != trail.header.blocks:
        findings.say("group", f"group {number}", f"{trail.header.blocks} blocks, its pieces have {first} (R9)", "R9")


def _check_piece(c: Checked, piece: f.Piece, trail: Trail, where: str, findings: Findings) -> bool:
    """Whether the blocks of the piece can be found."""
    if not f.BLOCK_LOG2_MIN <= piece.block_log2 <= f.BLOCK_LOG2_MAX:
        findings.say("piece", where, f"blocks of 2^{piece.block_log2} bytes (R5)", "R5")
        return False
    if not piece.length or piece.blocks != -(-piece.length >> piece.block_log2):
        text = f"{piece.blocks} blocks of 2^{piece.block_log2} bytes for {piece.length} (R9)"
        findings.say("piece", where, text, "R9")
        return False
    section = c.sections.get(piece.section)
    if section is None:
        findings.say("piece", where, f"of section {piece.section}, which the directory does not have")
        return False
    theirs = (section.role, section.codec, section.block_log2, section.dictionary, section.name)
    ours = (piece.role, piece.codec, piece.block_log2, piece.dictionary, piece.name)
    if theirs != ours:
        rules = ("R19",) if piece.dictionary != section.dictionary else ()
        text = f"says {ours} of its section, the directory {theirs}" + " (R19)" * len(rules)
        findings.say("piece", where, text, *rules)
        return section.block_log2 == piece.block_log2
    return _check_ends(piece, trail, where, findings)


def _check_ends(piece: f.Piece, trail: Trail, where: str, findings: Findings) -> bool:
    ends = np.array(trail.ends[piece.first_block : piece.first_block + piece.blocks], np.int64)
    sizes = np.diff(ends, prepend=0)
    content = np.full(piece.blocks, 1 << piece.block_log2, np.int64)
    content[-1] = piece.length - ((piece.blocks - 1) << piece.block_log2)
    wrong = np.flatnonzero((sizes < 0) | (sizes > content) | ((sizes != content) & (piece.codec == f.RAW)))
    if len(wrong):
        text = f"block {wrong[0]} stores {sizes[wrong[0]]} bytes for {content[wrong[0]]} (R8)"
        findings.say("piece", where, text, "R8")
    low, high = trail.header.start, trail.header.offset
    if not low <= piece.offset <= piece.offset + int(ends[-1]) <= high:
        text = f"file offsets {piece.offset}…{piece.offset + int(ends[-1])} are not in its group, {low}…{high}"
        findings.say("piece", where, text)
        return False
    if piece.codec == f.RAW and piece.offset % f.RAW_ALIGN:
        findings.say("piece", where, f"starts at {piece.offset}, no multiple of {f.RAW_ALIGN}")
    return True


# -- both together ------------------------------------------------------------------------------------------


def _compare(listed: list[f.PieceEntry], confirmed: list[f.PieceEntry], group: int, findings: Findings) -> None:
    plain = [piece._replace(zero=0, zero2=0) for piece in listed]
    if plain != confirmed:
        odd = next((a for a, b in zip(plain, confirmed, strict=False) if a != b), None)
        what = f"such as {odd._asdict()}" if odd else f"{len(plain)} pieces, the trailer {len(confirmed)}"
        findings.say("directory", f"group {group}", f"its pieces are not those of the trailer: {what}")


def _by_section(c: Checked, pieces: list[f.PieceEntry], findings: Findings) -> dict[int, list[f.PieceEntry]]:
    """Pieces by section, ascending. Sections whose pieces contradict each other are left out: all of it is damaged."""
    found: dict[int, list[f.PieceEntry]] = {}
    for piece in sorted(pieces, key=lambda p: (p.section, p.address)):
        found.setdefault(piece.section, []).append(piece)
    order = [(entry[0], entry[3]) for entry in c._entries(f.PIECES)]
    if order != sorted(order):
        findings.say("directory", "directory, pieces", "are not in the order of their sections and addresses")
    for number in list(found):
        try:
            c._sound(number, found[number])
        except FormatError as error:
            findings.error("section", f"section {number}", error)
            del found[number]
    return found


def _check_sections(
    c: Checked,
    pieces: dict[int, list[f.PieceEntry]],
    stored: dict[tuple[int, int], int],
    lost: set[int],
    findings: Findings,
) -> None:
    for section in c.sections.values():
        mine = pieces.get(section.id, [])
        if any(piece.group in lost for piece in mine):
            continue
        length = sum(piece.length for piece in mine)
        size = sum(stored[section.id, piece.address] for piece in mine)
        if (section.length, section.stored) != (length, size):
            text = f"{section.length} bytes in {section.stored}, its pieces have {length} in {size} (R9)"
            findings.say("section", f"section {section.name}", text, "R9")
