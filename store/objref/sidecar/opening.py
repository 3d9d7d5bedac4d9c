"""Finding the sidecar of a stream, and saying why there is none."""

from __future__ import annotations

import os

from objref.container import format as f
from objref.container.decoding import check_superblock
from objref.container.source import PreadSource, Source, open_path
from objref.errors import FormatError, SourceError
from objref.limits import Limits
from objref.sidecar.layout import SUFFIX
from objref.sidecar.reader import Sidecar

__all__ = ["beside", "has_beside", "open_beside"]


def beside(path: str | os.PathLike[str]) -> str:
    """Name of the sidecar of a file."""
    return os.fsdecode(path) + SUFFIX


def has_beside(path: str | os.PathLike[str]) -> bool:
    """Whether there is something in the sidecar's place."""
    return not os.fsdecode(path).endswith(SUFFIX) and os.path.lexists(beside(path))


def open_beside(path: str | os.PathLike[str], file: Source, limits: Limits) -> Sidecar:
    """The stream in `file` with its sidecar. FormatError without one, IntegrityError for one of other bytes."""
    stream, name = os.fsdecode(path), beside(path)
    if stream.endswith(SUFFIX):
        raise FormatError(f"{stream}: an index beside a stream; open the stream, {stream.removesuffix(SUFFIX)}")
    if not has_beside(path):
        raise _not_indexed(stream, file)
    source = open_path(name, "pread")
    assert isinstance(source, PreadSource)  # for mypy: as asked
    try:
        return Sidecar(file, source, limits)
    except BaseException:
        source.close()
        raise


def _not_indexed(path: str, file: Source) -> FormatError:
    try:
        check_superblock(bytes(file.read(0, min(f.SUPERBLOCK.size, file.length))), path)
    except FormatError as error:
        return FormatError(f"{error}; and it has no index: run `objref index {path}`, or `objref import`")
    raise SourceError(f"{path}: changed while it was opened")
