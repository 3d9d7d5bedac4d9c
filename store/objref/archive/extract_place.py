"""Where an extracted tree will be, and the hidden folder beside it in which it grows."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from typing import TYPE_CHECKING

from objref.archive.extract_tree import OPEN_FOLDER, PRIVATE
from objref.archive.paths import AnyPath, naming, shown
from objref.archive.tar_member import Member
from objref.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Place", "remove"]


class Place:
    """Where the tree will be, and the folder beside it where it grows. Mutable: owns a descriptor."""

    def __init__(self, dest: AnyPath) -> None:
        self._path = os.path.abspath(os.fsencode(dest))
        parent, self._name = os.path.split(self._path)
        if not self._name:
            raise UsageError(f"cannot write a directory in place of {shown(self._path)}")
        with naming(parent):
            self._parent = os.open(parent, OPEN_FOLDER & ~os.O_NOFOLLOW)  # the caller's way may hold links
        try:
            self._mode = self._check()
        except BaseException:
            os.close(self._parent)
            raise
        self._partial = b".%b.%b.partial" % (self._name[:200], secrets.token_hex(4).encode())

    def _check(self) -> int:
        """The mode of the empty directory that is there, or PRIVATE."""
        try:
            found = os.lstat(self._name, dir_fd=self._parent)
        except FileNotFoundError:
            return PRIVATE
        if not stat.S_ISDIR(found.st_mode):
            raise UsageError(f"{shown(self._path)} exists and is not a directory")
        with naming(self._path):
            fd = os.open(self._name, OPEN_FOLDER, dir_fd=self._parent)
            try:
                with os.scandir(fd) as entries:
                    count = sum(1 for _ in entries)
            finally:
                os.close(fd)
        if count:
            raise UsageError(f"{shown(self._path)} is not empty ({count} entries)")
        return stat.S_IMODE(found.st_mode)

    def default_root(self) -> Member:
        """The root when the archive tells nothing: nameless, so that owner and time stay as they are."""
        return Member(b"", "dir", mode=self._mode)

    def open(self) -> int:
        with naming(self._path):
            os.mkdir(self._partial, PRIVATE, dir_fd=self._parent)
            try:
                return os.open(self._partial, OPEN_FOLDER, dir_fd=self._parent)
            except BaseException:
                with suppress(OSError):
                    os.rmdir(self._partial, dir_fd=self._parent)
                raise

    def commit(self) -> None:
        with naming(self._path):
            os.rename(self._partial, self._name, src_dir_fd=self._parent, dst_dir_fd=self._parent)
        self._close()

    def discard(self, note: Callable[[bytes, str], None]) -> None:
        try:
            remove(self._partial, self._parent)
        except OSError as error:
            note(self._partial, f"could not be removed: {error}")
        self._close()

    def _close(self) -> None:
        with suppress(OSError):  # a folder holds nothing that closing could lose
            os.close(self._parent)


def remove(name: bytes, parent: int) -> None:
    """Remove a tree of any depth with one descriptor (shutil.rmtree recurses)."""
    pending: list[tuple[bytes, list[bytes]]] = []
    fd = os.dup(parent)
    below = [name]
    try:
        while True:
            if below:
                pending.append((below.pop(), below))
                fd = _step(fd, pending[-1][0])
                os.fchmod(fd, PRIVATE)
                below = _unlink_files(fd)
            elif pending:
                fd = _step(fd, b"..")
                name, below = pending.pop()
                os.rmdir(name, dir_fd=fd)
            else:
                return
    finally:
        os.close(fd)


def _step(fd: int, name: bytes) -> int:
    to = os.open(name, OPEN_FOLDER, dir_fd=fd)
    os.close(fd)
    return to


def _unlink_files(fd: int) -> list[bytes]:
    """Unlink all but the directories, whose names are returned."""
    with os.scandir(fd) as entries:
        found = [(os.fsencode(entry.name), entry.is_dir(follow_symlinks=False)) for entry in entries]
    for name, is_folder in found:
        if not is_folder:
            os.unlink(name, dir_fd=fd)
    return [name for name, is_folder in found if is_folder]
