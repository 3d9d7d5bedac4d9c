"""One recovery: look, copy what is good, make the index again where it is damaged, verify what was made."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, NamedTuple

from objref.container import format as f
from objref.container.checking import Bytes
from objref.container.checking.opened import Checked
from objref.container.checking.run import check_opened
from objref.container.checking.tables import check_tables
from objref.container.options import Options
from objref.container.output import Output
from objref.container.source import Source, open_path
from objref.container.writer import ContainerWriter
from objref.dialects.registry import find
from objref.ending import written_by
from objref.errors import FormatError, IntegrityError, UnsupportedError, UsageError
from objref.findings import Findings
from objref.image import open_image
from objref.limits import DEFAULT, Limits
from objref.recovery.account import NO_REFERENCES, Account, Kept
from objref.recovery.copying import NAMES, REFERENCES, Copied, copy_image
from objref.recovery.joining import parts_of
from objref.recovery.lost import Fate, Ranges
from objref.recovery.mending import Mended, open_mended
from objref.recovery.splitting import options_of, split_again

__all__ = ["recover"]

HEAD = 1 << 20
"""Bytes by which a dialect is told."""
TOLD = 100
"""Names of objects and ranges of the stream that are told."""
Progress = Callable[[int], None] | None


def recover(
    image: str | os.PathLike[str],
    dest: str | os.PathLike[str],
    *,
    replace: bool = False,
    limits: Limits = DEFAULT,
    progress: Progress = None,
) -> Account:
    """Make a sound image of what can be proven good of a damaged one, which stays as it is.

    image     a container: torn, cut, or with damage anywhere
    dest      the file to make; it appears when it was verified
    replace   whether an existing file may be replaced; never `image` itself
    progress  called with the bytes of the stream done

    Objects that the damage did not touch have their ids, kinds, bytes and references. Reading one that lost bytes is a
    LostError, and so is reading the stream, unless filler is asked for.

    Errors: FormatError (nothing of it can be proven), UnsupportedError (made by a newer version), UsageError (no
    container, or a destination in use), SourceError.
    """
    source = open_path(image, "pread")
    try:
        if os.path.exists(dest) and os.path.samefile(image, dest):
            raise UsageError(f"{os.fspath(dest)}: is what is read from, and stays as it is; name another file")
        _check_container(image, source)
        with Output(dest, replace=replace) as output:
            return _Recovery(source, output, limits, progress).run()._replace(path=os.fspath(dest))
    finally:
        source.close()


def _check_container(image: str | os.PathLike[str], source: Source) -> None:
    """UsageError for what is sound without being a container, and for what is made again in another way."""
    from objref.native import MAGIC
    from objref.sidecar.layout import END_MAGIC as SIDECAR_END
    from objref.sidecar.opening import has_beside

    name = os.fspath(image)
    start = bytes(source.read(0, min(max(len(MAGIC), 8), source.length)))
    if start.startswith(MAGIC):
        raise UsageError(f"{name}: a native stream, of which `objref import --keep-partial` takes what arrived whole")
    if start.startswith(f.SUPERBLOCK_MAGIC):
        return
    end = bytes(source.read(max(source.length - len(SIDECAR_END), 0), min(source.length, len(SIDECAR_END))))
    if has_beside(image) or end == SIDECAR_END:
        raise UsageError(f"{name}: an index beside a stream, or the stream; make it again: `objref index --force`")


class _Made(NamedTuple):
    """What was written, before it is verified."""

    footer: Any
    """Or the report of an import: both have the lengths and the counts."""
    sha256: str
    tables: Kept
    lost: Ranges
    left_out: int
    touched: list[int]
    unordered: list[tuple[int, int]]
    cuts: list[str]


class _Recovery:
    """One recovery. Mutable."""

    def __init__(self, source: Source, output: Output, limits: Limits, progress: Progress) -> None:
        self._source, self._output, self._limits, self._progress = source, output, limits, progress
        self._findings = Findings()
        self._expected = ""

    def run(self) -> Account:
        """All of it, up to the commit."""
        c = open_mended(self._source, self._limits, self._findings)
        try:
            _only_what_is_known(c)
            index, about, references = _tables_damaged(c, self._limits)
            known = check_opened(c, self._findings, "full", self._progress, joined=False)
            for cause in known.damage.causes:
                self._findings.add(cause)
            spans = _spans(c, known)
            c.again()
            self._expected = c.footer.stream_digest.hex()
            meta = _meta(c) or {"dialect": _dialect_of(c)}
            make = self._split if index or (about and not spans) else self._copy
            try:
                made = make(c, Fate(spans), options_of(meta), meta)
            except FormatError:
                if make != self._split or not references:
                    raise
                self._output.resume(0)
                made = self._copy(c, Fate(spans), options_of(meta), meta, references=False)
        finally:
            c.rest()
        return self._finish(made)

    def _copy(self, c: Checked, fate: Fate, options: Options, meta: dict[str, Any], references: bool = True) -> _Made:
        """With the tables that there are, or those of them that tell of no references."""
        tables: Kept = "kept" if references else NO_REFERENCES
        writer = ContainerWriter(self._output, options._replace(seen_pages=self._limits.seen_pages))

        def whole_meta(done: Copied) -> dict[str, Any]:
            said = self._says(tables, done.lost, 0, len(done.touched))
            return meta | written_by(writer) | {"recovered": said | {"unordered": done.unordered[:TOLD]}}

        try:
            footer, done = copy_image(c, fate, writer, whole_meta, self._progress, references)
        finally:
            writer.close()
        return _Made(footer, footer.stream_digest.hex(), tables, done.lost, 0, done.touched, done.unordered, [])

    def _split(self, c: Checked, fate: Fate, options: Options, meta: dict[str, Any]) -> _Made:
        """With tables that are made again."""

        def says(lost: Ranges, left_out: int, touched: int) -> dict[str, Any]:
            return self._says("rebuilt", lost, left_out, touched)

        said = meta.get("source")
        source = said if isinstance(said, dict) else {}
        try:
            done = split_again(c, fate, self._output, options, source, says, self._limits)
        except UnsupportedError as error:
            why = "its index is damaged and cannot be made again"
            if not _begins_lost(c, fate):
                raise UnsupportedError(f"{c.source.name}: {why}: {error}") from None
            raise FormatError(f"{c.source.name}: {why}: the beginning of its stream is lost, too") from None
        before = {_cut_text(cut) for cut in meta.get("partial", []) if isinstance(cut, dict)}
        cuts = [text for cut in done.report.cuts if (text := _cut_text(cut._asdict())) not in before]
        sha256 = done.report.stream_sha256
        return _Made(done.report, sha256, "rebuilt", done.lost, done.left_out, done.touched, [], cuts)

    def _says(self, tables: str, lost: Ranges, left_out: int, touched: int) -> dict[str, Any]:
        """What META says of the recovery."""
        return {
            "file_length": self._source.length,
            "tables": tables,
            "stream_sha256": self._expected,
            "lost_bytes": lost.total + left_out,
            "lost": lost.first(TOLD),
            "lost_objects": touched,
        }

    def _finish(self, made: _Made) -> Account:
        """Verify what was written, then give it its name."""
        names = self._verify(made)
        footer, lost = made.footer, made.lost.total + made.left_out
        account = Account(
            "", footer.file_length, footer.stream_length, made.sha256, footer.objects, footer.references, made.tables,
            len(made.touched), names, lost, made.lost.first(TOLD), made.unordered, made.cuts,
            made.sha256 == self._expected, self._findings.found,
        )  # fmt: skip
        if not account.proven and not lost:
            raise IntegrityError(f"{self._source.name}: what was joined is not the stream that its digest tells of")
        self._output.commit()
        return account

    def _verify(self, made: _Made) -> list[str]:
        """Names of objects that have lost bytes, the first of them."""
        from objref.verify import verify_image

        report = verify_image(self._output.descriptor, access="pread", limits=self._limits)
        if not report.sound:
            first = report.findings[0]
            text = f"{first.what} {first.where}: {first.text}"
            raise IntegrityError(f"{self._source.name}: what was recovered is not sound, so it is not kept: {text}")
        with open_image(self._output.descriptor, access="pread", limits=self._limits) as image:
            return [image.by_ordinal(ordinal).objref for ordinal in made.touched[:TOLD]]


def _begins_lost(c: Checked, fate: Fate) -> bool:
    """Whether the first bytes of the stream are."""
    return next((part.lost for _, parts in parts_of(c, fate) for part in parts), True)


def _only_what_is_known(c: Mended) -> None:
    """What a later version added cannot be carried over by one that does not know what it says of the rest."""
    strange = [f"section {s.name}" for s in c.sections.values() if s.role >= len(f.ROLE_NAMES)]
    if c.whole:
        strange += [f"array {what}" for what in c.foreign_arrays()]
        strange += [f"table {t.what}" for t in c.tables() if t.what not in NAMES]
    if strange:
        raise UnsupportedError(f"{c.source.name}: {strange[0]} is unknown to this version, and would be lost")


def _tables_damaged(c: Mended, limits: Limits) -> tuple[bool, bool, bool]:
    """Whether tables of the index are, whether META or NOTES are, and of the former only those of references."""
    if not c.whole:
        return True, True, False
    findings = Findings()
    check_tables(c, findings)
    about = [finding for finding in findings.found if finding.where in ("table META of 0", "table NOTES of 0")]
    others = [finding for finding in findings.found if finding not in about]
    references = all(finding.where in {f"table {name} of 0" for name in REFERENCES} for finding in others)
    return bool(others), bool(about), references and not findings.left_out


def _meta(c: Mended) -> dict[str, Any]:
    try:
        return c.meta()
    except FormatError:
        return {}


def _dialect_of(c: Mended) -> str:
    """By how the stream begins, as an import tells it; empty when it does not show."""
    try:
        head = bytearray()
        for _, chunk in c.runs():
            head += chunk
            if len(head) >= HEAD:
                break
        return find(bytes(head)).name
    except FormatError:
        return ""


def _spans(c: Checked, known: Bytes) -> dict[int, list[tuple[int, int]]]:
    """Damaged addresses of what the stream consists of, by section."""
    return {
        number: list(zip(found.starts.tolist(), found.stops.tolist(), strict=True))
        for number, found in known.damage.spans.items()
        if c.sections[number].role in f.IN_STREAM
    }


def _cut_text(cut: dict[str, Any]) -> str:
    return ": ".join(str(cut[name]) for name in ("where", "text") if cut.get(name))
