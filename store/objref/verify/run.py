"""One verification: bytes, then objects, keys, references; then what can still be trusted."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, BinaryIO, NamedTuple

from objref.container.checking import Bytes, Depth, check_container
from objref.container.format import SUPERBLOCK_MAGIC
from objref.container.source import Source
from objref.errors import UsageError
from objref.findings import Finding, Findings
from objref.image import Image, open_source
from objref.limits import DEFAULT, Limits
from objref.verify.keys import check_space
from objref.verify.objects import check_objects
from objref.verify.references import check_references
from objref.verify.sums import RunSums

__all__ = ["Report", "verify_image"]


class Report(NamedTuple):
    """What a verification found. Lengths in bytes."""

    name: str
    depth: Depth
    findings: list[Finding]
    findings_left_out: int
    objects: int
    affected: int | None
    """Objects whose bytes are damaged or missing; None when the index does not tell, or nobody asked."""
    references: int
    blocks: int
    """Blocks whose checksums were compared."""
    stream_length: int
    stream_sha256: str
    proven: int
    """Bytes of the stream, from its start, that a digest proves to be those of the source."""
    proven_groups: int
    whole: bool
    """Whether all of the stream is proven."""
    beside: str | None = None
    """The index beside a stream; None for a container."""
    lost: int = 0
    """Bytes of the stream that had not come back when the image was recovered. They are told of, so it may be sound."""

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.findings


def verify_image(
    image: str | os.PathLike[str] | bytes | BinaryIO,
    *,
    depth: Depth = "full",
    access: str = "auto",
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Verify an image: a path, its bytes, or a seekable binary file object. A path may also name a stream with an index
    beside it.

    depth     "full": every byte; "quick": the structure only (superblock, footer, directory, trailers and what they
              say of each other, the checksums of tables), and no block of the sections
    access    as `open` takes it
    progress  called with the bytes of the stream done

    Damage is reported, not raised: SourceError and UsageError are all that is. Memory: some MiB, and a byte for each
    block of the sections.
    """
    if depth not in ("quick", "full"):
        raise UsageError(f'depth must be "quick" or "full", not {depth!r}')
    source, findings, opened = open_source(image, access), Findings(), None
    try:
        source, known = _check_bytes(image, source, limits, findings, depth, progress)
        opened = Image(known.container) if known.container is not None else None
        affected = _check_index(opened, known, findings) if opened is not None and depth == "full" else None
        if affected is None:
            for cause in known.damage.causes:
                findings.add(cause)
        return _report(source.name, depth, known, opened, findings, affected)
    finally:
        if opened is not None:
            opened.close()
        source.close()


def _check_bytes(
    image: object,
    source: Source,
    limits: Limits,
    findings: Findings,
    depth: Depth,
    progress: Callable[[int], None] | None,
) -> tuple[Source, Bytes]:
    """A container, or a stream with an index beside it: told as `open` tells them. Returns what to close, too."""
    start = SUPERBLOCK_MAGIC
    if not isinstance(image, str | os.PathLike) or bytes(source.read(0, min(len(start), source.length))) == start:
        return source, check_container(source, limits, findings, depth, progress)
    from objref.sidecar.opening import has_beside, open_beside

    if has_beside(image):
        from objref.sidecar.checking import check_beside

        return check_beside(image, source, limits, findings, depth, progress)
    known = check_container(source, limits, findings, depth, progress)
    if known.container is None and not known.blocks:  # no container with a damaged superblock, either
        findings.forget()
        with findings.watching("index", source.name):
            open_beside(image, source, limits)
    return source, known


def _check_index(image: Image, known: Bytes, findings: Findings) -> int | None:
    """Objects, keys, references, META and notes; returns how many objects are touched."""
    affected, whole, kinds_of = None, False, RunSums(len(image))
    with findings.watching("table", "table objects"):
        _ = image.object_table  # as many rows as the footer says
        affected, whole = check_objects(image, known, findings, kinds_of)
    with findings.watching("directory", "directory, spaces"):
        before = len(findings)
        for entry in image.container.spaces:
            check_space(image, entry, findings, kinds_of)
        if len(findings) == before and whole:
            _report_keyless(image, kinds_of, findings)
    with findings.watching("references", "references"):
        _ = image.reference_table
        check_references(image, findings)
    with findings.watching("table", "META"):
        _ = image.meta
    with findings.watching("table", "NOTES"):
        image.notes()
    return affected


def _report_keyless(image: Image, kinds_of: RunSums, findings: Findings) -> None:
    for first, last in kinds_of.differences()[:1]:
        text = f"not every object of {first}…{min(last, len(image)) - 1} has one key of its kind, or more than one"
        findings.say("keys", "spaces", text)


def _report(name: str, depth: Depth, known: Bytes, image: Any, findings: Findings, affected: int | None) -> Report:
    footer = image.container.footer if image is not None else None
    return Report(
        name,
        depth,
        findings.found,
        findings.left_out,
        footer.objects if footer else 0,
        affected,
        footer.references if footer else 0,
        known.blocks,
        footer.stream_length if footer else 0,
        footer.stream_digest.hex() if footer else "",
        known.proof.length,
        known.proof.groups,
        known.proof.whole,
        image.container.about().get("index", {}).get("name") if image is not None else None,
        image.lost_bytes if image is not None else 0,
    )
