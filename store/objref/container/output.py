"""The file that is being written, under a temporary name until it is whole."""

from __future__ import annotations

import errno
import os

from objref.container.source import PreadSource
from objref.errors import SourceError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future, ThreadPoolExecutor
    from types import TracebackType
    from typing import Any, Protocol
else:
    Protocol = object

__all__ = ["Output", "Sink"]

MODE = 0o600
AT_ONCE = 1024
"""Buffers that the system takes in one call (IOV_MAX of Linux)."""
LARGE = 1 << 20
"""So many bytes are written by a thread, while what comes next is made."""
NO_LINKS = (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK)
NO_FOLDER_SYNC = (errno.EACCES, errno.EINVAL, errno.ENOTSUP, errno.EBADF)
"""Folders that may be written but not read, and file systems that only sync files."""


class Sink(Protocol):
    """What the parts of a container are written to, in order."""

    position: int

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append."""

    def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all of these, which must not change afterwards."""

    def align(self, unit: int) -> None:
        """Append zero bytes up to a multiple of `unit`."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes written before."""


class Output:
    """A file of mode 0600 beside `path`, which gets its name only by `commit`. Mutable; unusable after its first
    error. Leaving the `with` block without a commit removes it, as does an interrupt before that is entered."""

    _owner = 0
    """The process that made the file and has not removed it; a forked child does not remove it."""

    def __init__(self, path: str | os.PathLike[str], *, replace: bool = False) -> None:
        self.path = os.path.abspath(os.fsdecode(path))
        self._replace = replace
        folder, name = os.path.split(self.path)
        if not os.fspath(path):
            raise UsageError("the name of the file to make is empty")
        if os.path.isdir(self.path):
            raise UsageError(f"{path}: is a directory; name the file to make")
        if os.path.lexists(self.path) and not os.path.islink(self.path) and not os.path.isfile(self.path):
            raise UsageError(f"{path}: is no regular file and is left alone; name a file to make")
        if not replace and os.path.lexists(self.path):
            raise UsageError(f"{path}: exists already; remove it or say --force")
        self._folder = folder
        short = os.fsdecode(os.fsencode(name)[:200])  # file systems count bytes
        self._partial = os.path.join(folder, f".{short}.{os.urandom(4).hex()}.partial")
        self.position = self._sure = 0  # the latter: where what a thread writes begins
        self._thread: ThreadPoolExecutor | None = None
        self._behind: Future[None] | None = None
        self._fd, self._owner = -1, os.getpid()
        try:
            self._fd = os.open(self._partial, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, MODE)
        except OSError as error:
            self._owner = 0
            raise SourceError(f"{path}: cannot be created: {os.strerror(error.errno or 0)}") from None
        except ValueError as error:  # a zero byte
            self._owner = 0
            raise UsageError(f"{str(path)!r} is no path: {error}") from None
        try:
            os.fchmod(self._fd, MODE)  # a umask may have taken even the owner's rights
        except OSError as error:
            self._discard()
            raise SourceError(f"{path}: cannot be made private: {os.strerror(error.errno or 0)}") from None
        except BaseException:
            self._discard()
            raise

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Append; a full disk is a SourceError."""
        self._settle()
        view = memoryview(data).cast("B")
        try:
            _write(self._fd, view)
        except OSError as error:
            raise self._failed("write", error) from None
        self.position += len(view)

    def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        """Append all of these, without joining them: for large ones that would take as long as writing them. Those are
        written later than this returns; whatever else is done with the file waits for it and tells its errors."""
        self._settle()
        length = sum(map(len, parts))
        if length >= LARGE:
            self._behind = self._threads().submit(_write_early, self._fd, parts, self.position, length)
        else:
            try:
                _write_all(self._fd, parts)
            except OSError as error:
                raise self._failed("write", error) from None
        self._sure, self.position = self.position, self.position + length

    def _threads(self) -> ThreadPoolExecutor:
        if self._thread is None:
            from concurrent.futures import ThreadPoolExecutor

            self._thread = ThreadPoolExecutor(1, "objref-write")
        return self._thread

    def _settle(self) -> None:
        """Wait for what a thread writes."""
        behind, self._behind = self._behind, None
        if behind is not None:
            try:
                behind.result()
            except OSError as error:
                self.position = self._sure
                raise self._failed("write", error) from None

    @property
    def descriptor(self) -> str:
        """A name of the open file, in ASCII, whatever its own name consists of."""
        return f"/proc/self/fd/{self._fd}"

    def resume(self, length: int) -> None:
        """Go on at `length`, behind what others wrote under the temporary name."""
        self._settle()
        try:
            os.ftruncate(self._fd, length)
            self.position = os.lseek(self._fd, length, os.SEEK_SET)
        except OSError as error:
            raise self._failed("write", error) from None

    def align(self, unit: int) -> None:
        """Append zero bytes up to a multiple of `unit`."""
        self.write(bytes(-self.position % unit))

    def read(self, offset: int, length: int) -> bytes:
        """Bytes written before: all of them, or as many as there are."""
        if offset + length > self._sure:
            self._settle()
        data = b""
        try:
            while len(data) < length and (more := os.pread(self._fd, length - len(data), offset + len(data))):
                data += more
        except OSError as error:
            raise self._failed("read back", error) from None
        return data

    def source(self) -> PreadSource:
        """What was written so far, to be read back like a file. To be closed."""
        self._settle()
        return PreadSource(os.dup(self._fd), self.path)

    def commit(self) -> None:
        """Sync, then give the file its name: from here on it is there, and before it was not."""
        self._settle()
        try:
            os.fsync(self._fd)
            if self._replace:
                os.replace(self._partial, self.path)
            else:
                self._link()
        except OSError as error:
            raise self._failed("finish", error) from None
        self._sync_folder()

    def _link(self) -> None:
        """A name that appeared in the meantime is another writer's: link, unlike rename, refuses to take it."""
        try:
            os.link(self._partial, self.path)
        except FileExistsError:
            raise self._taken() from None
        except OSError as error:
            if error.errno not in NO_LINKS:
                raise
            if os.path.lexists(self.path):  # all that can be done there; two at this very moment: the last one wins
                raise self._taken() from None
            os.rename(self._partial, self.path)
        else:
            _quietly(os.unlink, self._partial)  # the image is there, whatever becomes of its first name

    def _taken(self) -> UsageError:
        return UsageError(f"{self.path}: appeared while it was written; the other file was left alone")

    def _sync_folder(self) -> None:
        try:
            fd = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)
        except OSError as error:
            if error.errno not in NO_FOLDER_SYNC:
                why = os.strerror(error.errno or 0)
                raise SourceError(f"{self.path}: whole and in place, but its folder cannot be synced: {why}") from None

    def _failed(self, verb: str, error: OSError) -> SourceError:
        return SourceError(
            f"{self.path}: cannot {verb} after {self.position} bytes: {os.strerror(error.errno or 0)}; nothing was left"
        )

    def __enter__(self) -> Output:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def __del__(self) -> None:
        if self._owner == os.getpid():
            self._discard()

    def _discard(self) -> None:
        """After a commit there is nothing left to remove, and what was synced cannot be lost by closing."""
        self._owner = 0
        try:
            if self._thread is not None:
                self._thread.shutdown()
            _quietly(os.close, self._fd)
        finally:
            _quietly(os.unlink, self._partial)


def _write_early(fd: int, parts: Sequence[bytes | memoryview], start: int, length: int) -> None:
    """Write, and have the disk begin at once what `commit` waits for. Linux does so when it is told that nobody needs
    what is there, and keeps what it is about to write."""
    _write_all(fd, parts)
    if hasattr(os, "posix_fadvise"):
        try:
            os.posix_fadvise(fd, start, length, os.POSIX_FADV_DONTNEED)
        except OSError:
            pass


def _write_all(fd: int, parts: Sequence[bytes | memoryview]) -> None:
    for start in range(0, len(parts), AT_ONCE):
        some = parts[start : start + AT_ONCE]
        done = os.writev(fd, some)
        if done < sum(map(len, some)):  # a disk that is nearly full, or a signal
            _write(fd, memoryview(b"".join(some))[done:])


def _write(fd: int, view: memoryview) -> None:
    while view:
        view = view[os.write(fd, view) :]


def _quietly(act: Callable[[Any], None], what: int | str) -> None:
    """Do what nothing depends on."""
    try:
        act(what)
    except OSError:
        pass
