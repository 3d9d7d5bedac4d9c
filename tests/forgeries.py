"""Lies, one or more for each rule of docs/format.md: what a forger changes before he makes all checksums right."""

from __future__ import annotations

from collections.abc import Callable

from samples import Forger, foot

from objref.container import format as f

__all__ = ["R19", "R20", "SEALED", "ZEROS", "piece_of", "stretched", "twins"]

Break = Callable[[Forger], None]


def twins(forger: Forger, i: int) -> tuple[int, int]:
    """Where a piece is told of: in the directory, and in its trailer."""
    piece = forger.pieces[i]
    trail = forger.trails[piece.group]
    k = next(k for k in range(trail.header.pieces) if trail.piece(k)[5:10] == piece[3:8])
    return forger.entry(f.PIECES, i), forger.body(piece.group) + k * f.PIECE.size


def piece_of(forger: Forger, role: int) -> int:
    """The first piece of a section of that role."""
    return next(i for i, p in enumerate(forger.pieces) if forger.sections[p.section].role == role)


# -- zero bytes (R1): each place of its own ------------------------------------------------------------------


def gap(forger: Forger) -> None:
    """Between the superblock and the first raw piece, which starts at a multiple of 4096."""
    forger.data[2000] = 1


def behind_a_name(forger: Forger) -> None:
    forger.data[forger.entry(f.KINDS, 0) + 47] = 1


def gap_before_a_table(forger: Forger) -> None:
    table = forger.table("META")
    forger.data[table.offset - 1] = 1


ZEROS: dict[str, Break] = {
    "superblock": lambda o: o.put(20, "B", 1),
    "trailer header": lambda o: o.put(o.trails[0].header.offset + 12, "B", 1),
    "trailer, end of its header": lambda o: o.put(o.trails[1].header.offset + 112, "B", 1),
    "piece of a trailer": lambda o: o.put(o.body(0) + 5, "B", 1),
    "name of a piece": lambda o: o.put(o.body(0) + 63, "B", 1),
    "footer": lambda o: o.put(foot(o.data) + 102, "B", 1),
    "head of the directory": lambda o: o.put(o.footer.directory_offset + 4, "I", 1),
    "name of a section": lambda o: o.put(o.entry(f.SECTIONS, 0) + 47, "B", 1),
    "name of a kind": behind_a_name,
    "kind": lambda o: o.put(o.entry(f.KINDS, 0) + 2, "H", 1),
    "role": lambda o: o.put(o.entry(f.ROLES, 0) + 3, "B", 1),
    "piece": lambda o: o.put(o.entry(f.PIECES, 0) + 40, "Q", 1),
    "table": lambda o: o.put(o.entry(f.TABLES, 0) + 6, "H", 1),
    "space": lambda o: o.put(o.entry(f.SPACES, 0) + 42, "B", 1),
    "dangling": lambda o: o.put(o.table("dangling").offset + 12, "I", 1),
    "between pieces": gap,
    "between tables": gap_before_a_table,
}


def r5(forger: Forger) -> None:
    listed, told = twins(forger, 0)
    forger.put(forger.entry(f.SECTIONS, 0) + 4, "B", 30)
    forger.put(told + 4, "B", 30)
    forger.put(listed, "H", 1)


def r6(forger: Forger) -> None:
    for at, field in zip(twins(forger, 0), (8, 8), strict=True):
        forger.put(at + field, "Q", 4096)


def r8(forger: Forger) -> None:
    trail = forger.trails[0]
    forger.put(forger.body(0) + trail.header.pieces * f.PIECE.size, "I", 1 << 31)


def r9(forger: Forger) -> None:
    listed, told = twins(forger, 0)
    forger.put(listed + 32, "I", 2)
    forger.put(told + 32, "I", 2)


def first_run(forger: Forger, strand_role: int) -> int:
    """Where the first run of such a section is in the file. Blocks this small are stored as they are."""
    braid = forger.pieces[piece_of(forger, f.BRAID)]
    for at in range(braid.offset, braid.offset + braid.length, 8):
        if forger.sections[int.from_bytes(forger.data[at + 6 : at + 8], "little")].role == strand_role:
            return at
    raise AssertionError(strand_role)


def r10(forger: Forger) -> None:
    at = first_run(forger, f.STRAND)
    forger.data[at] ^= 1


def r11(forger: Forger) -> None:
    at = first_run(forger, f.PAGE_TABLE)
    forger.put(at, "B", 1)


def r12(forger: Forger) -> None:
    piece = forger.pieces[piece_of(forger, f.PAGE_TABLE)]
    forger.put(piece.offset, "I", 1000)


def r16(forger: Forger) -> None:
    one, other = forger.table("roles"), forger.table_index("targets")
    forger.put(forger.entry(f.TABLES, other) + 8, "Q", one.offset)


def r17(forger: Forger) -> None:
    forger.put(forger.table("objects").offset, "Q", 1 << 48 | 1 << 40)


def r18(forger: Forger) -> None:
    """The second extent begins before the first one ends."""
    forger.put(forger.table("extents").offset + 48, "Q", 1)
    forger.put(forger.table("extents").offset + 24, "Q", 5)


SEALED: dict[str, Break] = {
    "R3": lambda o: o.put(8, "H", 2),
    "R4": lambda o: o.put(12, "I", 2),
    "R5": r5,
    "R6": r6,
    "R8": r8,
    "R9": r9,
    "R10": r10,
    "R11": r11,
    "R12": r12,
    "R13": lambda o: o.put(foot(o.data) + 16, "Q", o.footer.directory_length - 1),
    "R14": lambda o: o.put(foot(o.data) + 88, "Q", len(o.data) + 1),
    "R15": lambda o: o.put(o.footer.directory_offset + 8 + 2, "H", 47),
    "R16": r16,
    "R17": r17,
    "R18": r18,
}


def stretched(forger: Forger) -> bool:
    """The content size of a compressed block, one more than it is (R7). False: there is no such block."""
    data = forger.genuine
    piece = next((p for p in forger.pieces if data[p.offset : p.offset + 4] == b"\x28\xb5\x2f\xfd"), None)
    if piece is None:
        return False
    single = forger.data[piece.offset + 4] >> 5 & 1
    forger.data[piece.offset + 5 + (not single)] ^= 1
    return True


def section_at(forger: Forger, role: int) -> int:
    """Where the directory's entry of the first section of that role is."""
    return forger.entry(f.SECTIONS, next(i for i, s in enumerate(forger.sections.values()) if s.role == role))


def number_of(forger: Forger, role: int) -> int:
    return next(s.id for s in forger.sections.values() if s.role == role)


def name_dictionary(forger: Forger, role: int, number: int) -> None:
    """Directory and trailers alike."""
    forger.put(section_at(forger, role) + 6, "H", number)
    for i, piece in enumerate(forger.pieces):
        if forger.sections[piece.section].role == role:
            forger.put(twins(forger, i)[1] + 6, "H", number)


def only_in_the_directory(forger: Forger) -> None:
    forger.put(section_at(forger, f.STRAND) + 6, "H", number_of(forger, f.DICTIONARY))


def of_raw_blocks(forger: Forger) -> None:
    forger.put(section_at(forger, f.PAGES) + 3, "B", f.RAW)
    for i, piece in enumerate(forger.pieces):
        if forger.sections[piece.section].role == f.PAGES:
            forger.put(twins(forger, i)[1] + 3, "B", f.RAW)


def two_blocks(forger: Forger) -> None:
    """Of 8 KiB instead of 16; the second one takes the place of a block of another piece."""
    i = piece_of(forger, f.DICTIONARY)
    for at in twins(forger, i):
        forger.put(at + 32, "I", 2)
    forger.put(section_at(forger, f.DICTIONARY) + 4, "B", 13)
    forger.put(twins(forger, i)[1] + 4, "B", 13)


def after_its_frames(forger: Forger) -> None:
    """A strand of the first group that names a dictionary of the second: that of the pages changes groups with the
    blocks that are told of as its own."""
    second = next(i for i, p in enumerate(forger.pieces) if p.group == 1 and p.blocks == 1)
    first = piece_of(forger, f.DICTIONARY)
    for i, number in ((second, number_of(forger, f.DICTIONARY)), (first, forger.pieces[second].section)):
        for at in twins(forger, i):
            forger.put(at, "H", number)


R19: dict[str, Break] = {
    "no such section": lambda o: name_dictionary(o, f.PAGES, 999),
    "a strand": lambda o: name_dictionary(o, f.PAGES, number_of(o, f.STRAND)),
    "itself": lambda o: name_dictionary(o, f.PAGES, number_of(o, f.PAGES)),
    "a dictionary with one": lambda o: name_dictionary(o, f.DICTIONARY, number_of(o, f.DICTIONARY)),
    "not in the trailers": only_in_the_directory,
    "of raw blocks": of_raw_blocks,
    "two blocks": two_blocks,
    "after its frames": after_its_frames,
}


def stripe_end(forger: Forger, k: int) -> int:
    """Where the end of a stripe of the objects table is in the file."""
    table = forger.table("objects")
    assert table.codec == f.STRIPED
    return -(-(table.offset + table.stored) // 8) * 8 + 8 * k


def no_stripes(forger: Forger) -> None:
    forger.put(forger.entry(f.TABLES, forger.table_index("objects")) + 24, "Q", 0)


def stored_more(forger: Forger) -> None:
    """One byte that belongs to no stripe, where there is padding behind them."""
    i = next(i for i, t in enumerate(forger.tables) if t.codec == f.STRIPED and (t.offset + t.stored) % 8)
    forger.put(forger.entry(f.TABLES, i) + 16, "Q", forger.tables[i].stored + 1)


R20: dict[str, Break] = {
    "an end too far": lambda o: o.put(stripe_end(o, 2), "Q", 1 << 40),
    "the last end too early": lambda o: o.data.__setitem__(stripe_end(o, 2), o.data[stripe_end(o, 2)] ^ 1),
    "descending ends": lambda o: o.put(stripe_end(o, 1), "Q", 1),
    "a stripe of nothing": lambda o: o.put(stripe_end(o, 0), "Q", 0),
    "no stripes": no_stripes,
    "a byte of no stripe": stored_more,
}
