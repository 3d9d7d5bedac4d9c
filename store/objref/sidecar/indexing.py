"""`objref index`: an index beside a stream that stays as it is, in one pass."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from io import FileIO

from objref.archive.sources import Source, open_source
from objref.container import format as f
from objref.container.output import Output
from objref.container.source import open_path
from objref.cuts import Partial, check_partial
from objref.dialects import events as ev
from objref.dialects.registry import expected, is_known
from objref.errors import FormatError, SourceError, UsageError
from objref.importer import collect
from objref.limits import DEFAULT, Limits
from objref.report import Report
from objref.sidecar.layout import SUFFIX
from objref.sidecar.mounts import remote_type
from objref.sidecar.opening import beside, open_beside
from objref.sidecar.writer import SidecarWriter

__all__ = ["index_file"]


def index_file(
    path: str | os.PathLike[str],
    *,
    replace: bool = False,
    partial: Partial = "refuse",
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Report:
    """Read a stream once and make `path` + ".objref-index" beside it, so that `open` reads objects out of the stream.

    path      an uncompressed stream or tar; it is not written to, and may be read-only
    replace   whether an index that still fits may be made again; one of other bytes is always replaced
    partial   what becomes of a stream that is cut: "refuse" it, or "keep" an index of what is whole
    progress  called with the number of bytes done, about once a MiB

    Returns a Report: `path` and `file_length` are those of the index.
    Errors: UsageError (a directory, a pipe, compressed
    data, a container, an index that fits), SourceError (the system refused, the file changed), FormatError (what
    the dialect cannot read). After an error nothing is left under the final name, and what was there before stays.
    """
    check_partial(partial)
    name = os.fsdecode(path)
    noticed: list[ev.Note] = []
    if os.path.isdir(name):
        raise UsageError(f"{name}: a directory, its files are no stream: put it into one file with `objref import`")
    with _opened(name) as file:
        before = os.fstat(file.fileno())
        _refuse(name, file, before)
        replace = replace or _is_stale(name, limits)
        with (
            Output(beside(name), replace=replace) as output,
            open_source(
                file,
                on_cut=lambda text: noticed.append(ev.Note(ev.CUT, "", text)),
                known=is_known,
                expected=expected(),
                limits=limits,
            ) as stream,
        ):
            _refuse_compressed(name, stream)
            report = collect(SidecarWriter(output, before.st_size), stream, noticed, limits, progress, partial)
            after = os.fstat(file.fileno())
            if (after.st_size, after.st_mtime_ns) != (report.stream_length, before.st_mtime_ns):
                raise SourceError(f"{name}: changed while it was indexed")
            output.commit()
    return report._replace(path=beside(name))


@contextmanager
def _opened(name: str) -> Iterator[FileIO]:
    try:
        file = open(name, "rb", buffering=0, opener=_opener)  # noqa: SIM115 - closed below
    except OSError as error:
        raise SourceError(f"{name}: cannot be opened: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:  # a zero byte
        raise UsageError(f"{name!r} is no path: {error}") from None
    try:
        yield file
    finally:
        with suppress(OSError):  # what was read was read
            file.close()


def _opener(name: str, flags: int) -> int:
    return os.open(name, flags | os.O_NONBLOCK)  # a fifo must not block


def _refuse(name: str, file: FileIO, status: os.stat_result) -> None:
    """What has no positions that an index could name, or no place for one."""
    if not stat.S_ISREG(status.st_mode):
        raise UsageError(f"{name}: not a regular file: what cannot be read again needs no index; use `objref import`")
    if name.endswith(SUFFIX):
        raise UsageError(f"{name}: an index itself; name the stream that it stands beside")
    if os.pread(file.fileno(), len(f.SUPERBLOCK_MAGIC), 0) == f.SUPERBLOCK_MAGIC:
        raise UsageError(f"{name}: an objref container, which has its index inside")
    remote = remote_type(os.path.dirname(os.path.abspath(name)))
    if remote is not None:
        raise UsageError(f"{name}: on a network file system ({remote}), where LMDB must not be used: copy it to a disk")


def _refuse_compressed(name: str, stream: Source) -> None:
    if stream.compression is not None:
        raise UsageError(
            f"{name}: {stream.compression} data, in which no object has a position: decompress it first, "
            "or put it into one file with `objref import`"
        )


def _is_stale(name: str, limits: Limits) -> bool:
    """Whether there is an index that does not fit, by every byte of both files. UsageError for one that fits."""
    if not os.path.isfile(beside(name)):
        return False
    source = open_path(name, "pread")
    try:
        found = open_beside(name, source, limits)
        try:
            found.compare()
        finally:
            found.close()
    except FormatError:
        return True
    finally:
        source.close()
    raise UsageError(f"{beside(name)}: exists already and fits; --force makes it again")
