"""Import: source → splitter → container, in one pass (collector.py is where they meet)."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from itertools import chain
from typing import Any, BinaryIO, Protocol

from objref.archive.paths import AnyPath
from objref.archive.sources import Source, open_source
from objref.collector import SplittingCollector
from objref.container.output import Output
from objref.container.writer import ContainerWriter, Options
from objref.cuts import Partial, check_partial, refused
from objref.dialects import events as ev
from objref.dialects.registry import expected, find, is_known
from objref.errors import FormatError, IntegrityError, SourceError, UsageError
from objref.limits import DEFAULT, Limits
from objref.native import MAGIC
from objref.report import Report
from objref_index.large import AnyColumns, Columns, LargeColumns, Scratch

__all__ = ["Options", "Partial", "Report", "collect", "import_image"]


def import_image(
    source: str | os.PathLike[str] | BinaryIO,
    image: str | os.PathLike[str],
    *,
    options: Options | None = None,
    parent_root: str | os.PathLike[str] | None = None,
    partial: Partial = "refuse",
    replace: bool = False,
    seal: str | None = None,
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Read a checkpoint once, and write it to one file: a CRIU image directory, or a tar of it, a stream of another
    dialect, or the native stream of an image (plain, gzip, zstd, xz, bzip2).

    source       a directory, a file, or a binary file object such as a pipe
    image        the file to make; it appears only when it is whole
    options      how to store it
    parent_root  how far `parent` links of a directory may lead; default: the folder that holds the directory
    partial      what becomes of a source that is cut: "refuse" it, or "keep" what arrived whole, as an image that
                 says what is missing
    replace      whether an existing file may be replaced
    seal         take only the native stream with this seal, 64 hexadecimal digits
    progress     called with the number of stream bytes done, about once a MiB

    Errors: UsageError (a destination in use, a source that is no image), SourceError (the system refused),
    TruncatedError (a source that is cut), FormatError (a damaged archive). After an error nothing is left under the
    final name.
    """
    check_partial(partial)
    options = options or Options()
    noticed: list[ev.Note] = []

    def on_skip(name: bytes, reason: str) -> None:
        noticed.append(ev.Note("skipped", os.fsdecode(name), reason))

    def on_cut(text: str) -> None:
        noticed.append(ev.Note(ev.CUT, "", text))

    with (
        Output(image, replace=replace) as output,
        open_source(
            source,
            root=parent_root,
            on_skip=on_skip,
            on_cut=on_cut,
            known=_is_known,
            framed=_is_native,
            expected=expected("native"),
            limits=limits,
        ) as stream,
    ):
        _check_outside(output.path, stream.folders)
        writer = ContainerWriter(output, options._replace(seen_pages=limits.seen_pages))
        report = collect(writer, stream, noticed, limits, progress, partial, os.path.dirname(output.path))
        if stream.kind == "directory":
            _check_found(stream.name, report)
        if seal is not None:
            _check_seal(stream.name, report, seal)
        output.commit()
    return report._replace(path=os.fspath(image))


def _is_native(head: bytes) -> bool:
    return head.startswith(MAGIC)


def _is_known(head: bytes) -> bool:
    return _is_native(head) or is_known(head)


def _check_found(name: str, report: Report) -> None:
    """FormatError for a directory with nothing in it that is looked for: it is not the one that was meant."""
    for note in report.notes:
        if note.what == ev.NOTHING:
            raise FormatError(f"{name}: {note.text}; expected the directory that holds them")


def _check_seal(name: str, report: Report, wanted: str) -> None:
    if not report.native:
        raise IntegrityError(f"{name}: not a native stream, so it has no seal; expected the one with {wanted}")
    if report.seal != wanted.lower():
        raise IntegrityError(f"{name}: its seal is {report.seal or 'missing (it is cut)'}, expected {wanted}")


def _check_outside(image: str, folders: Sequence[AnyPath]) -> None:
    """UsageError for an image that would be made inside what it is made of, and so be read while it grows."""
    read = {_identity(folder): folder for folder in folders}
    above, folder = "", os.path.realpath(os.path.dirname(image))
    while folder != above:
        inside = read.get(_identity(folder))
        if inside is not None:
            raise UsageError(f"{image}: lies inside {os.fsdecode(inside)}, which it is made of; choose another place")
        above, folder = folder, os.path.dirname(folder)


def _identity(folder: AnyPath) -> tuple[int, int]:
    found = os.stat(folder)
    return found.st_dev, found.st_ino


def collect(
    writer: ContainerWriter,
    stream: Source,
    noticed: list[ev.Note],
    limits: Limits,
    progress: Callable[[int], None] | None = None,
    partial: Partial = "refuse",
    scratch: str = "",
) -> Report:
    """Read a source to its end and write what its dialect makes of it. The output still has to be committed.

    `scratch`: the folder of a temporary file for the columns of the index when they outgrow memory; without one
    they stay there.
    """
    aside = Scratch(scratch, lambda error: _no_scratch(scratch, error))
    columns = LargeColumns(aside) if scratch else Columns()
    try:
        chunks = iter(stream)
        head = next(chunks, b"")
        collector = _collector_of(head, writer, limits, columns)
        for chunk in chain([head], chunks):
            collector.feed(chunk)
            if progress is not None:
                progress(writer.stream_length)
        collector.end(noticed)
        if collector.cuts and partial == "refuse":
            raise refused(stream.name, collector.cuts)
        return collector.finish(_about_source(stream))
    finally:
        aside.close()
        writer.close()


def _no_scratch(folder: str, error: OSError) -> SourceError:
    why = os.strerror(error.errno or 0)
    return SourceError(f"{folder}: the temporary file for a large index cannot be used: {why}; nothing was left")


class Collecting(Protocol):
    """Takes the bytes of a source and fills a writer with them. Mutable."""

    cuts: list[ev.Note]

    def feed(self, data: bytes) -> None:
        """The next bytes of the source."""

    def end(self, noticed: list[ev.Note]) -> None:
        """The source has ended; what was noticed while it was read."""

    def finish(self, source: dict[str, Any]) -> Report:
        """Build the index and write it."""


def _collector_of(head: bytes, writer: ContainerWriter, limits: Limits, columns: AnyColumns) -> Collecting:
    """What a source that starts like this is collected by."""
    if _is_native(head):
        from objref.native.collecting import NativeCollector

        return NativeCollector(writer, limits, columns)
    return SplittingCollector(writer, find(head), limits, columns)


def _about_source(stream: Any) -> dict[str, Any]:
    return {"kind": stream.kind, "compression": stream.compression}
