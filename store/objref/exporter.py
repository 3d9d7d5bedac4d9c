"""Export: container → the original bytes, as a stream, a file or a directory. The digest is checked before it
is called done."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from objref.container.source import BytesSource
from objref.errors import FormatError, LostError, SourceError, UsageError

if TYPE_CHECKING:
    from objref.archive.extract import Devices
    from objref.image import Image

__all__ = ["FORMS", "Exported", "export_image", "joined"]

FORMS = ("auto", "directory", "tar", "native")
DEVICES = ("refuse", "create")
LOST = ("refuse", "fill")
JOIN, LARGE = 1 << 18, 1 << 15
"""Pieces that are large go on as they are: what is copied is slower than what is written in two calls."""


class Exported(NamedTuple):
    """What an export made."""

    form: str
    """"directory", "tar" or "native"."""
    bytes: int
    """Length of the stream, of a native one that of the native stream."""
    folders: list[str]
    """Where the image directories are in a directory that was made, newest layer first."""
    notes: list[str]
    """What could not be restored, such as owners when not root."""
    seal: str = ""
    """What stands for all of a native stream, 64 hexadecimal digits (docs/native.md, section 8)."""


def export_image(
    image: Image,
    dest: str | os.PathLike[str] | BinaryIO,
    *,
    form: str = "auto",
    replace: bool = False,
    devices: Devices = "refuse",
    lost: str = "refuse",
    progress: Callable[[int], None] | None = None,
) -> Exported:
    """Write the original of an image.

    dest  a binary file object: the stream (for a directory its canonical tar) is written to it; a path: see form
    form  "directory": recreate the files below dest, which must be absent or empty; "tar": the stream as one file;
          "auto": what the image was imported from; "native": a stream of the image itself, which `import_image` makes
          the same image of
    devices  "create" makes the device nodes of a directory, too, as root may; else they are refused, since whoever
          opens one reaches what it stands for
    lost  "fill" puts zeros where an image that was recovered has lost bytes; else such an image is refused

    Errors: IntegrityError when the bytes are not those that were imported (a file or directory is then not
    left behind; of a pipe the last part is held back), LostError, UsageError, SourceError, FormatError (refused).
    """
    if devices not in DEVICES:
        raise UsageError(f"devices must be one of {', '.join(DEVICES)}, not {devices!r}")
    if form not in FORMS:
        raise UsageError(f"form must be one of {', '.join(FORMS)}, not {form!r}")
    if isinstance(dest, str | os.PathLike):
        _refuse_own(image, dest)
    _check_lost(image, lost, form)
    if form == "native":
        return _native(image, dest, replace, progress)
    stream = _counted(image.stream(fill=lost == "fill"), progress)
    if not isinstance(dest, str | os.PathLike):
        if form == "directory":
            raise UsageError("a directory cannot be written to a pipe: name a folder, or leave the form at tar")
        return _to_pipe(stream, dest)
    kind = image.source.get("kind")
    if form == "directory" and kind == "stream":
        raise UsageError("the source was no archive but one stream: it comes back as one file (form tar)")
    if form == "directory" and image.partial:
        raise UsageError("a partial image has the front part of an archive only: export it as tar")
    if form == "auto":
        form = "directory" if kind == "directory" else "tar"
    if form == "directory":
        return _to_directory(image, stream, dest, devices)
    if os.path.isdir(dest):
        raise UsageError(f"{os.fsdecode(dest)}: is a directory, and this comes back as one file: name it")
    return _to_file(stream, dest, replace)


def _refuse_own(image: Image, dest: str | os.PathLike[str]) -> None:
    """UsageError for the file that the image is read from, or the index beside it: with `replace` it would be gone."""
    container = image.container
    index = container.about().get("index", {}).get("name")
    names = () if isinstance(container.source, BytesSource) else (container.source.name, index)
    if any(name is not None and _is_same(dest, name) for name in names):
        raise UsageError(f"{os.fsdecode(dest)}: is what the image is read from; name another file to make")


def _is_same(dest: str | os.PathLike[str], name: str) -> bool:
    try:
        return os.path.samefile(dest, name)
    except (OSError, ValueError):  # not there, or no name at all: whoever opens it says so
        return False


def _check_lost(image: Image, lost: str, form: str) -> None:
    if lost not in LOST:
        raise UsageError(f"lost must be one of {', '.join(LOST)}, not {lost!r}")
    length = image.lost_bytes
    if not length or (lost == "fill" and form != "native"):
        return
    how = "a native stream cannot say so" if form == "native" else "--partial writes zeros in their place"
    where = ", ".join(f"{start}…{stop}" for start, stop in image.lost_ranges[:5])
    raise LostError(f"{image.container.source.name}: {length} bytes of the stream are lost ({where}); {how}")


def _native(
    image: Image, dest: str | os.PathLike[str] | BinaryIO, replace: bool, progress: Callable[[int], None] | None
) -> Exported:
    from objref.native.writing import NativeWriter

    writer = NativeWriter(image)
    stream = _counted(writer.pieces(), progress)
    if isinstance(dest, str | os.PathLike):
        if os.path.isdir(dest):
            raise UsageError(f"{os.fsdecode(dest)}: is a directory; name the file to make")
        done = _to_file(joined(stream), dest, replace)
    else:
        done = _to_pipe(joined(stream), dest)
    return done._replace(form="native", seal=writer.seal.hex())


def joined(pieces: Iterator[bytes | memoryview]) -> Iterator[bytes | memoryview]:
    """The same bytes in fewer pieces: a call of the system for each header would be most of the time."""
    held: list[bytes | memoryview] = []
    size = 0
    for piece in pieces:
        large = len(piece) >= LARGE
        if not large:
            held.append(piece)
            size += len(piece)
        if held and (large or size >= JOIN):
            yield b"".join(held)
            held, size = [], 0
        if large:
            yield piece
    yield b"".join(held)


def _counted(stream: Iterator[Any], progress: Callable[[int], None] | None) -> Iterator[bytes | memoryview]:
    done = 0
    for chunk in stream:
        yield chunk
        done += len(chunk)
        if progress is not None:
            progress(done)


def _to_pipe(stream: Iterator[bytes | memoryview], dest: BinaryIO) -> Exported:
    done = 0
    try:
        for chunk in stream:
            dest.write(chunk)
            done += len(chunk)
        dest.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise SourceError(f"output: cannot write after {done} bytes: {os.strerror(error.errno or 0)}") from None
    return Exported("tar", done, [], [])


def _to_file(stream: Iterator[bytes | memoryview], dest: str | os.PathLike[str], replace: bool) -> Exported:
    from objref.container.output import Output

    with Output(dest, replace=replace) as output:
        for chunk in stream:
            output.write(chunk)
        output.commit()
        return Exported("tar", output.position, [], [])


def _to_directory(
    image: Image, stream: Iterator[bytes | memoryview], dest: str | os.PathLike[str], devices: Devices
) -> Exported:
    from objref.archive.extract import extract

    for folder in image.layers:  # a user is told to restore from there
        if folder.startswith("/") or ".." in folder.split("/"):
            raise FormatError(f"META names {folder!r} as the folder of a layer, which lies outside of what is exported")
    notes = extract((bytes(chunk) for chunk in stream), dest, devices=devices)
    folders = [os.path.join(os.fspath(dest), folder) if folder else os.fspath(dest) for folder in image.layers]
    shown = [f"{os.fsdecode(note.name)}: {note.text}" for note in notes]
    return Exported("directory", image.stream_length, folders, shown)
