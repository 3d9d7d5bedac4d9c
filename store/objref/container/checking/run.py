"""One verification of a container, from the superblock to the last page."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np

from objref.container import format as f
from objref.container.checking.braid import check_braid
from objref.container.checking.damage import U64, Damage, Spans, covered, runs_of
from objref.container.checking.dictionaries import check_dictionaries
from objref.container.checking.layout import check_layout
from objref.container.checking.opened import Checked
from objref.container.checking.slots import bad_blocks, check_slots
from objref.container.checking.spares import check_spares
from objref.container.checking.stream import Proof, check_blocks, check_stream
from objref.container.checking.structure import Structure, check_structure
from objref.container.checking.tables import check_tables
from objref.container.checking.torn import open_torn
from objref.container.source import Source
from objref.errors import FormatError, UnsupportedError
from objref.findings import Finding, Findings, finding_of
from objref.limits import Limits

__all__ = ["NOTHING", "Bytes", "Depth", "check_container", "check_opened"]

Depth = Literal["quick", "full"]
EMPTY = np.zeros(0, np.int64)


class Bytes(NamedTuple):
    """What is known of the bytes of an image, whatever it is stored in."""

    container: Any
    """To read by; None when nothing leads to its index."""
    covered: dict[int, tuple[U64, U64]]
    """Section -> ascending runs of addresses (starts, stops) that extents may name."""
    damage: Damage
    proof: Proof
    blocks: int
    """How many were read."""


NOTHING = Bytes(None, {}, Damage({}, []), Proof(0, 0, False), 0)
"""When nothing leads to anything."""


def check_container(
    source: Source,
    limits: Limits,
    findings: Findings,
    depth: Depth,
    progress: Callable[[int], None] | None = None,
    opened: Callable[[Any, Limits, Findings], Checked] = Checked,
) -> Bytes:
    """Verify all that has no need to know what an object is. Findings that touch objects come as `damage`.

    opened  makes of the source what it is read by
    """
    try:
        c = opened(source, limits, findings)
        _ = c.sections
    except UnsupportedError as error:  # nobody knows what would be right
        findings.error("file", source.name, error)
        return NOTHING
    except FormatError as error:
        findings.error("file", source.name, error)
        torn = open_torn(source, limits, findings)
        if torn is None:
            return NOTHING
        c = torn
    try:
        return check_opened(c, findings, depth, progress)
    finally:
        c.rest()


def check_opened(
    c: Checked, findings: Findings, depth: Depth, progress: Callable[[int], None] | None, joined: bool = True
) -> Bytes:
    """The same for what is open, which then reads by what the trailers confirm. It is for the caller to let it rest.

    joined  whether the stream is joined, too, for its digests
    """
    structure = check_structure(c, findings)
    c.adopt(structure.pieces, structure.lost)
    check_dictionaries(c, structure, findings)
    check_spares(c, structure, findings)
    if c.whole:
        check_layout(c, structure, findings)
        check_tables(c, findings)
        c.check_own()
    proof = Proof(0, 0, False)
    if depth == "full":
        sound = check_braid(c, structure, findings)
        proof = check_stream(c, structure, findings, progress) if sound and joined else proof
        check_blocks(c, structure, progress, proof.length)
    slots = check_slots(c, structure, findings) if depth == "full" else {}
    damage = _damage(c, structure, slots)
    return Bytes(c if c.whole else None, _covered(c, structure), damage, proof, c.blocks_read)


def _covered(c: Checked, structure: Structure) -> dict[int, tuple[U64, U64]]:
    found = {}
    for number, pieces in structure.pieces.items():
        role = c.sections[number].role
        if role in f.IN_STREAM:
            scale = f.PAGE // 4 if role == f.PAGE_TABLE else 1
            found[number] = covered([(p.address * scale, (p.address + p.length) * scale) for p in pieces])
    return found


# -- damage by address --------------------------------------------------------------------------------------


def _damage(c: Checked, structure: Structure, slots: dict[int, tuple[Any, Any]]) -> Damage:
    causes: list[Finding] = []
    spans: dict[int, Spans] = {}
    pages: tuple[Any, Any] = (EMPTY, EMPTY)  # damaged blocks of the pages section, and their causes
    for number, pieces in structure.pieces.items():
        section = c.sections[number]
        blocks = bad_blocks(c, section, pieces)
        if not len(blocks):
            continue
        first, last = runs_of(blocks)
        labels = _causes(c, section, first, last, causes)
        if section.role == f.PAGES:
            pages = blocks, np.repeat(labels, last - first)
        scale = f.PAGE // 4 if section.role == f.PAGE_TABLE else 1
        size = np.uint64(scale << section.block_log2)
        spans[number] = Spans(first.astype(np.uint64) * size, last.astype(np.uint64) * size, labels)
    for number, (bad, blocks) in slots.items():
        spans[number] = _with_pages(spans.get(number), bad, blocks, pages, causes)
    return Damage({number: found for number, found in spans.items() if len(found.starts)}, causes)


def _causes(c: Checked, section: f.Section, first: Any, last: Any, causes: list[Finding]) -> Any:
    """A finding for each run of damaged blocks; returns their places."""
    labels = np.arange(len(causes), len(causes) + len(first))
    for start, stop in zip(first.tolist(), last.tolist(), strict=True):
        where = c.place_of(section, start, stop)
        finding = Finding("block", where, "the trailer of its group is lost, or there is too much damage to tell")
        if error := c.texts.get((section.id, start)):
            finding = finding_of("block", where, error)
        causes.append(finding)
    return labels


def _with_pages(own: Spans | None, bad: Any, blocks: Any, pages: tuple[Any, Any], causes: list[Finding]) -> Spans:
    """Damage of a page table: its own blocks, and its pages that are damaged."""
    labels = np.full(len(bad), len(causes), np.int64)
    if (blocks < 0).any():
        causes.append(Finding("page", "page table", "names slots that are no pages (R12)", ("R12",)))
    known = blocks >= 0
    if len(pages[0]):
        labels[known] = pages[1][np.minimum(np.searchsorted(pages[0], blocks[known]), len(pages[0]) - 1)]
    starts = bad.astype(np.uint64) << np.uint64(f.PAGE_LOG2)
    if own is not None:
        starts, labels = np.r_[own.starts, starts], np.r_[own.labels, labels]
    stops = bad.astype(np.uint64) + np.uint64(1) << np.uint64(f.PAGE_LOG2)
    if own is not None:
        stops = np.r_[own.stops, stops]
    order = np.argsort(starts, kind="stable")
    return Spans(starts[order], stops[order], labels[order])
