"""Convert: a stream of one layout of its dialect becomes one of another, pipe to pipe. No image is made."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from itertools import chain
from typing import BinaryIO, NamedTuple

from objref.archive.sources import Source, open_source
from objref.container.output import Output
from objref.dialects.registry import expected, find, is_known
from objref.errors import ObjrefError, SourceError, UnsupportedError
from objref.limits import DEFAULT, Limits

__all__ = ["Converted", "convert_stream"]


class Converted(NamedTuple):
    """What a conversion did. Lengths in bytes."""

    dialect: str
    read: int
    written: int


def convert_stream(
    source: str | os.PathLike[str] | BinaryIO,
    dest: str | os.PathLike[str] | BinaryIO,
    *,
    to: str,
    origin: str | None = None,
    replace: bool = False,
    limits: Limits = DEFAULT,
    progress: Callable[[int], None] | None = None,
) -> Converted:
    """Read a stream once and write it in another layout of its dialect.

    source  a file, or a binary file object such as a pipe; compressed or not
    dest    a file to make, which appears when it is whole, or a binary file object
    to      the layout, as the dialect names it (docs/linux-cr.md)
    origin  the layout of the source, where the stream does not tell

    Errors: UnsupportedError where there is no exact counterpart, FormatError, SourceError, UsageError. After an error
    in a conversion to a file object, what was written is part of a stream and nothing more; of a file nothing is left.
    """
    done = _Done()
    with (
        _opened(dest, replace) as out,
        open_source(source, known=is_known, expected=expected(), limits=limits) as stream,
    ):
        try:
            name = _convert(stream, out, done, to, origin, limits, progress)
        except ObjrefError as error:
            if isinstance(out, Output) or not done.written:
                raise
            raise type(error)(f"{error}; the {done.written} bytes written before are no whole stream") from None
        if isinstance(out, Output):
            out.commit()
    return Converted(name, done.read, done.written)


def _opened(
    dest: str | os.PathLike[str] | BinaryIO, replace: bool
) -> AbstractContextManager[Output] | AbstractContextManager[BinaryIO]:
    return Output(dest, replace=replace) if isinstance(dest, str | os.PathLike) else nullcontext(dest)


class _Done:
    """Bytes so far. Mutable."""

    def __init__(self) -> None:
        self.read = self.written = 0


def _convert(
    stream: Source, out: Output | BinaryIO, done: _Done, to: str, origin: str | None, limits: Limits,
    progress: Callable[[int], None] | None,
) -> str:  # fmt: skip
    chunks = iter(stream)
    head = next(chunks, b"")
    dialect = find(head)
    if dialect.converter is None:
        raise UnsupportedError(f"{stream.name}: a stream of {dialect.name}, which has no other layouts to convert to")
    converter = dialect.converter(to, origin, limits)
    for chunk in chain([head], chunks):
        done.read += len(chunk)
        _write(out, converter.feed(chunk), done)
        if progress is not None:
            progress(done.read)
    _write(out, converter.finish(), done)
    return dialect.name


def _write(out: Output | BinaryIO, pieces: Iterator[bytes], done: _Done) -> None:
    for piece in pieces:
        try:
            out.write(piece)
        except BrokenPipeError:
            raise
        except OSError as error:
            if isinstance(error, ObjrefError):
                raise
            raise SourceError(f"output: cannot write: {os.strerror(error.errno or 0)}") from None
        done.written += len(piece)
