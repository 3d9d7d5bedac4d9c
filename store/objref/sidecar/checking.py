"""A stream and its sidecar that are read although they are damaged: what is wrong is noted, and nobody trusts it."""

from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise

from objref.container import format as f
from objref.container.checking import NOTHING, Bytes, Depth, check_container
from objref.container.checking.opened import Checked
from objref.container.decoding import decode_footer
from objref.container.source import PreadSource, Source, open_path
from objref.errors import FormatError, IntegrityError, UnsupportedError
from objref.findings import Findings
from objref.limits import Limits
from objref.sidecar.checked import damaged_parts
from objref.sidecar.joined import Joined
from objref.sidecar.layout import ENDING, HEAD, STREAM, Ending, decode
from objref.sidecar.opening import beside
from objref.sidecar.spliced import SplicedSource
from objref_index import FORM_BYTES
from objref_index.tree.opened import Tree

__all__ = ["check_beside"]

FILE_LENGTH = 8
"""Place of that field in a footer."""
UNKNOWN = -1
"""Entries of the tree, when the ending is damaged."""


class WholeSource(SplicedSource):
    """head ‖ FILE ‖ rest, also for who looks at what lies in two of them."""

    def read(self, offset: int, length: int) -> bytes | memoryview:
        end = offset + length
        cuts = [offset, *(cut for cut in (HEAD, HEAD + self.ending.file) if offset < cut < end), end]
        if len(cuts) == 2:
            return super().read(offset, length)
        return b"".join(super(WholeSource, self).read(a, b - a) for a, b in pairwise(cuts))


def check_beside(
    path: str | os.PathLike[str],
    file: Source,
    limits: Limits,
    findings: Findings,
    depth: Depth,
    progress: Callable[[int], None] | None = None,
) -> tuple[Source, Bytes]:
    """Verify a FILE that has a sidecar, as `check_container` does. Returns what to close, too."""
    source = _open(path, file, findings)
    if source is None:
        return file, NOTHING
    try:
        known = check_container(source, limits, findings, depth, progress, CheckedSidecar)
    except BaseException:
        source.close()
        raise
    whole = known.proof.whole and file.length == source.ending.file
    return source, known._replace(proof=known.proof._replace(whole=whole))


def _open(path: str | os.PathLike[str], file: Source, findings: Findings) -> WholeSource | None:
    """FILE with its sidecar, as far as the sidecar's ending can be believed; None when there is nothing to go by."""
    source = open_path(beside(path), "pread")
    assert isinstance(source, PreadSource)  # for mypy: as asked
    ending = _ending(source, findings)
    if ending is None:
        source.close()
        return None
    if ending.file != file.length:
        text = f"it had {ending.file} bytes when it was indexed, now it has {file.length} (S7)"
        findings.say("stream", file.name, f"{text}; run `objref index {file.name}` again", "S7")
    return WholeSource(file, source, ending)


def _ending(source: PreadSource, findings: Findings) -> Ending | None:
    length = source.length
    try:
        return decode(bytes(source.read(max(0, length - ENDING.size), min(length, ENDING.size))), length)
    except FormatError as error:
        findings.error("ending", source.name, error)
        return None if isinstance(error, UnsupportedError) else _by_footer(source)


def _by_footer(source: PreadSource) -> Ending | None:
    """What a damaged ending must have said, by the footer before it; the tree tells itself how many entries it has."""
    at = source.length - ENDING.size - f.FOOTER.size
    try:
        data = bytes(source.read(at, f.FOOTER.size)) if at > 0 else b""
        footer = decode_footer(data, f.FOOTER.unpack(data)[FILE_LENGTH] if len(data) == f.FOOTER.size else 0)
    except FormatError:
        return None
    rest = footer.file_length - HEAD - footer.stream_length
    tree = source.length - ENDING.size - rest - HEAD
    return (
        Ending(0, tree, footer.stream_length, UNKNOWN, source.length) if tree >= 0 and f.FOOTER.size <= rest else None
    )


class CheckedSidecar(Joined, Checked):
    """Damaged blocks of FILE read as zeros, and nothing asks a damaged tree. Mutable; for one thread."""

    def __init__(self, source: WholeSource, limits: Limits, findings: Findings) -> None:
        self.tree_lost = False
        """Whether the tree cannot be asked."""
        super().__init__(source, limits, findings)

    def check_own(self) -> None:
        """The section that is FILE, and the tree: its checks, and how many entries it has."""
        with self.findings.watching("section", "section stream"):
            self.check_stream()
        head = bytes(self.source.read(f.SUPERBLOCK.size, HEAD - f.SUPERBLOCK.size))
        if head.strip(b"\0"):
            self.findings.say("head", "head", f"bytes {f.SUPERBLOCK.size}…{HEAD} must be zero (S1)", "S1")
        self.tree_lost = True
        with self.findings.watching("tree", "tree"):
            self.tree_lost = self._has_damage() or not self.tree
        if self.tree_lost:
            self._tree = Tree(os.devnull, 0, self._damaged)
            self._tree.close(lambda: self._damaged("the tree is damaged"))

    def _has_damage(self) -> bool:
        before, length = len(self.findings), self._ending.tree
        for start, wrong in damaged_parts(self._beside, length, self.tree_checks()):
            self.findings.say("tree", f"tree, offset {start}", f"{wrong} (S12)", "S12")
        return len(self.findings) > before

    def _check_count(self, count: int) -> None:
        """Found, not fatal: the entries that are there can be looked at."""
        in_spaces = sum(space.keys for space in self.spaces if space.form != FORM_BYTES)
        for whose, number in (("the ending says", self._ending.entries), ("the spaces have", in_spaces)):
            if number not in (count, UNKNOWN):
                self.findings.say("tree", "tree", f"{count} entries, {whose} {number} (S9)", "S9")

    # -- the stream ----------------------------------------------------------------------------------------

    def place_of(self, section: f.Section, first: int, stop: int) -> str:
        """Blocks of a section in words; of FILE, by their bytes."""
        if section.id != STREAM:
            return super().place_of(section, first, stop)
        end = min(stop << section.block_log2, self._ending.file)
        return f"stream, bytes {first << section.block_log2}…{end}"

    def _damaged_block(self, section: f.Section, piece: f.PieceEntry, index: int, error: FormatError) -> None:
        if section.id == STREAM and isinstance(error, IntegrityError):
            error = IntegrityError("changed since it was indexed")
        super()._damaged_block(section, piece, index, error)
