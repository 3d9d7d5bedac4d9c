"""Where everything lies in the file: nothing overlaps, and what lies between is zero (R1, R16)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.checking.structure import Structure
from objref.findings import Findings

__all__ = ["check_layout", "stripe_checks"]

STEP = 1 << 20
TABLE_NAMES = {number: name for name, number in f.TABLE_IDS.items()}


class _Region(NamedTuple):
    start: int
    stop: int
    name: str
    table: bool = False


def check_layout(c: Checked, structure: Structure, findings: Findings) -> None:
    """Every byte of the file belongs to one thing, or is a zero between two."""
    end, before = 0, _Region(0, 0, "the start of the file")
    for region in sorted(_regions(c, structure), key=lambda r: r.start):
        if region.start < end:
            rules = ("R16",) if region.table or before.table else ()
            text = f"starts at {region.start}, {before.name} ends at {end}" + " (R16)" * bool(rules)
            findings.say("layout", region.name, text, *rules)
        elif region.start > c.source.length:
            findings.say("layout", region.name, f"starts at {region.start}, the file has {c.source.length} bytes")
            return
        else:
            _check_gap(c, end, region.start, before.name, findings)
        if region.stop > end:
            end, before = region.stop, region


def _regions(c: Checked, structure: Structure) -> Iterator[_Region]:
    length = c.source.length
    yield _Region(0, f.SUPERBLOCK.size, "the superblock")
    yield _Region(c.footer.directory_offset, length, "the directory")
    for i in set(range(c.group_count)) - structure.lost:
        header = c.trail(i).header
        stop = header.offset + f.TRAILER.size + header.body_length
        yield _Region(header.offset, stop, f"the trailer of group {i}")
    for section, pieces in structure.pieces.items():
        for piece in pieces:
            size = structure.stored.get((section, piece.address))
            if size is not None:
                yield _Region(piece.offset, piece.offset + size, f"section {c.sections[section].name}")
    yield from _tables(c)
    yield from _lost(c, structure)


def stripe_checks(entry: f.TableEntry) -> tuple[int, int]:
    """Where what is said of a table's stripes starts and stops in the file; nothing is said of a single one."""
    stop = entry.offset + entry.stored
    each = {f.RAW: 8 * (entry.length > f.STRIPE), f.STRIPED: 16}.get(entry.codec, 0)
    start = -(-stop // 8) * 8 if each else stop
    return start, start + each * -(-entry.length // f.STRIPE)


def _tables(c: Checked) -> Iterator[_Region]:
    for fields in c._entries(f.TABLES):
        entry = f.TableEntry(*fields)
        name = f"table {TABLE_NAMES.get(entry.what, entry.what)} of {entry.owner}"
        checks, stop = stripe_checks(entry)
        if entry.stored and stop <= c.footer.directory_offset:
            yield _Region(entry.offset, entry.offset + entry.stored, name, True)
            if stop > checks:
                yield _Region(checks, stop, f"{name}, its stripes", True)


def _lost(c: Checked, structure: Structure) -> Iterator[_Region]:
    """What groups without their trailers may have held: nobody knows what is padding there."""
    tables = min((f.TableEntry(*e).offset for e in c._entries(f.TABLES)), default=c.footer.directory_offset)
    start = f.SUPERBLOCK.size
    for number in range(c.group_count + 1):
        if number in structure.lost:
            continue
        header = c.trail(number).header if number < c.group_count else None
        stop = header.start if header else tables
        if number - 1 in structure.lost and start < stop:
            yield _Region(start, stop, "groups whose trailers are lost")
        if header:
            start = header.offset + f.TRAILER.size + header.body_length


def _check_gap(c: Checked, start: int, stop: int, before: str, findings: Findings) -> None:
    for at in range(start, stop, STEP):
        data = bytes(c.source.read(at, min(STEP, stop - at)))
        if data.count(0) != len(data):
            place = at + len(data) - len(data.lstrip(b"\0"))
            text = f"{stop - start} bytes behind {before} must be zero, byte {place} is not (R1)"
            findings.say("layout", f"offset {start}", text, "R1")
            return
