"""Where a container is read from: `read` gives bytes that are there, or an error.

Mapped files are for long-lived readers of files that nobody shortens: a mapped file that shrinks kills the process.
`PreadSource` is for one-shot commands and for files of others.
"""

from __future__ import annotations

import mmap
import os
import stat
from _thread import allocate_lock

from objref.errors import SourceError, TruncatedError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol
else:
    Protocol = object

__all__ = ["BytesSource", "CountedSource", "FileSource", "MapSource", "PreadSource", "Source", "open_path"]


class Source(Protocol):
    """Random access to `length` bytes. Safe for many threads."""

    name: str

    @property
    def length(self) -> int:
        """Bytes"""

    def read(self, offset: int, length: int) -> bytes | memoryview:
        """Exactly these bytes; TruncatedError when they are not there."""

    def close(self) -> None:
        """Let go of the file. Twice is fine."""


CLOSED = -1
"""Length of a closed source: no range fits into it."""


def _short(name: str, offset: int, length: int, have: int) -> TruncatedError | UsageError:
    if have == CLOSED:
        return UsageError(f"{name}: the image was closed")
    return TruncatedError(f"{name}: bytes {offset}…{offset + length} wanted, the file has {have}")


class BytesSource:
    """Bytes in memory."""

    def __init__(self, data: bytes | bytearray | memoryview, name: str = "bytes") -> None:
        try:
            self._view = memoryview(data).cast("B")
        except TypeError:
            raise UsageError(f"{name}: a memoryview with gaps cannot be read as an image") from None
        self.length = len(self._view)
        self.name = name

    def read(self, offset: int, length: int) -> memoryview:
        if offset > self.length - length:
            raise _short(self.name, offset, length, self.length)
        return self._view[offset : offset + length]

    def close(self) -> None:
        self._view = memoryview(b"")
        self.length = CLOSED


def _pread(fd: int, name: str, offset: int, length: int) -> bytes:
    try:
        data = os.pread(fd, length, offset)
        while len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
            data += more
    except OSError as error:
        raise SourceError(f"{name}: cannot read at {offset}: {os.strerror(error.errno or 0)}") from None
    if len(data) < length:
        raise _short(name, offset, length, offset + len(data))
    return data


OPENING = 4
"""Reads that opening an image takes. Mapping and the first touch of a page take 10 µs each, these reads 2."""


class MapSource:
    """A mapped file. `map` gives plain bytes by slicing, the fastest read that Python has. It is made when more is read
    than opening an image takes."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self.length = os.fstat(fd).st_size
        self.name = name
        self._reads = 0
        self._map: mmap.mmap | None = None
        self._view: memoryview | None = None

    @property
    def map(self) -> mmap.mmap | None:
        """The map. None: the file is empty, or was closed."""
        if self._map is None and self.length > 0:
            self._map = self._mapped()
        return self._map

    def _mapped(self) -> mmap.mmap:
        try:
            found = mmap.mmap(self._fd, self.length, prot=mmap.PROT_READ)
        except OSError as error:
            raise SourceError(f'{self.name}: cannot be mapped: {os.strerror(error.errno or 0)}; try "pread"') from None
        except ValueError:
            have = os.fstat(self._fd).st_size
            raise TruncatedError(
                f"{self.name}: it had {self.length} bytes when it was opened, now it has {have}"
            ) from None
        self._view = memoryview(found)
        return found

    def _drop(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def read(self, offset: int, length: int) -> bytes | memoryview:
        if offset > self.length - length:
            raise _short(self.name, offset, length, self.length)
        view = self._view
        if view is None:
            self._reads += 1
            if self._reads <= OPENING:
                return _pread(self._fd, self.name, offset, length)
            view = memoryview(self.map or b"")
        return view[offset : offset + length]

    def close(self) -> None:
        # Views that callers still hold keep the map alive, so it is left to the last of them.
        self._view = None
        self._map = None
        self.length = CLOSED
        self._drop()

    def __del__(self) -> None:
        self._drop()  # a map ends with its last user, a descriptor does not


class PreadSource:
    """A file read with pread: no shared position, no signal when the file shrinks."""

    def __init__(self, fd: int, name: str) -> None:
        self._fd = fd
        self.length = os.fstat(fd).st_size
        self.name = name

    def read(self, offset: int, length: int) -> bytes:
        if offset > self.length - length:  # before a lying length becomes a buffer
            raise _short(self.name, offset, length, self.length)
        return _pread(self._fd, self.name, offset, length)

    def fileno(self) -> int:
        """The descriptor, which stays this source's."""
        return self._fd

    def close(self) -> None:
        self.length = CLOSED
        fd, self._fd = self._fd, -1
        if fd >= 0:
            try:
                os.close(fd)
            except OSError:  # what was read was read
                pass


class FileSource:
    """A seekable binary file object of the caller's, which stays open."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._lock = allocate_lock()
        self.name = str(getattr(file, "name", "file object"))
        try:
            self.length = file.seek(0, os.SEEK_END)
            if not isinstance(file.read(0), bytes):
                raise UsageError(f"{self.name}: opened as text; an image is read from a binary file")
        except (OSError, AttributeError) as error:
            raise UsageError(f"{self.name}: cannot seek and read, as an image needs: {error}") from None

    def read(self, offset: int, length: int) -> bytes:
        if offset > self.length - length:
            raise _short(self.name, offset, length, self.length)
        try:
            with self._lock:
                data = self._take(offset, length)
        except (OSError, ValueError) as error:  # ValueError: the caller closed it
            raise SourceError(f"{self.name}: cannot read at {offset}: {error}") from None
        if len(data) < length:
            raise _short(self.name, offset, length, offset + len(data))
        return data

    def _take(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        data = b""
        while len(data) < length and (more := self._file.read(length - len(data))):
            data += more
        return data

    def close(self) -> None:
        self.length = CLOSED


class Tally:
    """What was read of how much. Mutable; exact while one thread reads."""

    def __init__(self) -> None:
        self.reads = 0
        self.done = 0
        """Bytes"""
        self.length = 0
        """Bytes of all sources that are counted together"""


class CountedSource:
    """A source that counts what is read of it, maybe together with others."""

    def __init__(self, source: Source, tally: Tally | None = None) -> None:
        self._source = source
        self.name = source.name
        self.tally = tally or Tally()
        self.tally.length += source.length

    @property
    def length(self) -> int:
        return self._source.length

    @property
    def reads(self) -> int:
        """Calls of `read`, of all that is counted together."""
        return self.tally.reads

    @property
    def done(self) -> int:
        """Bytes that these gave."""
        return self.tally.done

    def read(self, offset: int, length: int) -> bytes | memoryview:
        self.tally.reads += 1
        self.tally.done += length
        return self._source.read(offset, length)

    def close(self) -> None:
        self._source.close()


def open_path(path: str | os.PathLike[str], access: str) -> Source:
    """Open a file. `access`: "map", "pread", or "auto": map what is ours and that nobody else can write."""
    if access not in ("auto", "map", "pread"):
        raise UsageError(f'access must be "auto", "map" or "pread", not {access!r}')
    name = os.fspath(path)
    try:
        fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)  # a fifo must not block
        status = os.fstat(fd)
    except OSError as error:
        raise SourceError(f"{name}: cannot be opened: {os.strerror(error.errno or 0)}") from None
    except ValueError as error:  # a zero byte
        raise UsageError(f"{name!r} is no path: {error}") from None
    if not stat.S_ISREG(status.st_mode):
        os.close(fd)
        if stat.S_ISDIR(status.st_mode):
            raise UsageError(f"{name}: is a directory, not an image; `objref import` makes one of it")
        raise UsageError(f"{name}: not a regular file; an image is read in any order, so it cannot come from a pipe")
    if access == "auto":
        ours = status.st_uid == os.geteuid() and not status.st_mode & 0o022
        access = "map" if ours else "pread"
    return MapSource(fd, name) if access == "map" else PreadSource(fd, name)
