"""Spares: that they say what the trailers of their groups say, and what a group is by its spare alone (R21)."""

from __future__ import annotations

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.checking.structure import Structure
from objref.container.content import Trail
from objref.container.encoding import encode_trailer
from objref.container.piece_writer import trailer_body
from objref.container.spare import Spare, Told, decode_spare
from objref.findings import Findings
from objref_index.columns import cast

__all__ = ["check_spares", "trail_of"]


def check_spares(c: Checked, structure: Structure, findings: Findings) -> None:
    """Compare each spare with its trailer. A file from before there were any has none."""
    for number, pieces in structure.pieces.items():
        if c.sections[number].role != f.SPARE:
            continue
        for piece in pieces:
            if piece.group in structure.lost:
                continue
            where = f"spare of group {piece.group}"
            with findings.watching("spare", where):
                data = bytes(c.source.read(piece.offset, piece.length))
                trail, ours = c.trail(piece.group), trail_of(decode_spare(data, piece.offset)[0], data, piece.offset)
                if (ours.header, bytes(ours.body)) != (trail.header, bytes(trail.body)):
                    findings.say("spare", where, "it does not say what the trailer says (R21)", "R21")


def trail_of(spare: Spare, data: bytes, offset: int) -> Trail:
    """The trailer that a spare stands for, without reading it. `data`: the spare's own bytes, which lie at `offset`."""
    placed, end = [], offset
    for told in spare.told:
        if told.piece.role == f.SPARE:
            told = _itself(told, data, offset)
        elif not told.piece.offset:
            end = -(-end // f.RAW_ALIGN) * f.RAW_ALIGN if told.piece.codec == f.RAW else end
            told = told._replace(piece=told.piece._replace(offset=end))
        if told.piece.offset >= offset:
            end = told.piece.offset + (told.ends[-1] if told.ends else 0)
        placed.append(told)
    entries, body, blocks = trailer_body(placed)
    header = f.Trailer(
        spare.number, end, spare.start, spare.stream_from, spare.stream_to, len(entries), blocks, spare.previous,
        spare.digest, len(body), xxh3(body),
    )  # fmt: skip
    check = f.CHECK.unpack_from(encode_trailer(header), f.TRAILER.size - 8)[0]
    ends_at, checks_at = len(entries) * f.PIECE.size, len(body) - 8 * blocks
    view = memoryview(body)
    ends = cast(view[ends_at : ends_at + 4 * blocks], "I")
    return Trail(header._replace(check=check), view, ends, cast(view[checks_at:], "Q"))


def _itself(told: Told, data: bytes, offset: int) -> Told:
    block = 1 << told.piece.block_log2
    parts = [data[at : at + block] for at in range(0, len(data), block)]
    ends = [min(at + block, len(data)) for at in range(0, len(data), block)]
    piece = told.piece._replace(length=len(data), offset=offset, blocks=len(parts))
    return Told(piece, ends, [xxh3(part) for part in parts])
