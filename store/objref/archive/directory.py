"""A directory read as a tar stream: canonical, so the same tree always gives the same bytes.

The stream is pax as `tar_write.encode_member` writes it. `./` comes first (the folder itself), then all
members in bytewise order of their names as written, directories with their `/`: `tar t | LC_ALL=C sort -c`
agrees, and what a directory holds follows it at once. Two zero blocks end the stream.

Kept: names as bytes, type, permission bits, owner, mtime in nanoseconds, holes, hard links (the first name in
order is the file), symlinks, fifos, device numbers. Not kept: atime, ctime, extended attributes, ACLs, names
of users and groups. Sockets cannot be kept and are reported.

Nothing outside the tree can be reached, even while somebody moves and replaces files in it: every open is
relative to an open directory and follows no symlink, and the way back up is checked to lead where it came
from. So one descriptor is enough at any depth. What changes while it is read is an error, never a mixture.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from objref.archive.paths import AnyPath, OnSkip, naming, refuse, shown
from objref.archive.tar_header import END_OF_ARCHIVE, padding
from objref.archive.tar_member import Member, MemberType, Runs
from objref.archive.tar_sparse import RUNS_MAX
from objref.archive.tar_write import encode_member
from objref.errors import SourceError, UsageError

__all__ = ["read_directory"]

READ_BYTES = 1 << 18  # stays in the cache until it is cut into chunks: four times as fast as 1 MiB
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: if a fifo takes the file's place between two calls, opening it must not hang.
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC

TYPES: dict[int, MemberType] = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "dir",
    stat.S_IFLNK: "symlink",
    stat.S_IFCHR: "chardev",
    stat.S_IFBLK: "blockdev",
    stat.S_IFIFO: "fifo",
}


def _changed(name: bytes, what: str) -> SourceError:
    return SourceError(f"{shown(name)}: {what} while it was read")


# The tree


class _Folder(NamedTuple):
    """A directory on the way down: its name in the stream (`a/b/`), what it was, the entries to come."""

    name: bytes
    found: os.stat_result
    entries: Iterator[bytes]


def _identity(found: os.stat_result) -> tuple[int, int]:
    return found.st_dev, found.st_ino


def _listing(fd: int, name: bytes) -> Iterator[bytes]:
    """Entries in stream order; those of directories end in `/`, which is what sorts a tree's names."""
    with naming(name), os.scandir(fd) as entries:
        found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
    return iter(sorted(os.fsencode(entry + "/" if is_dir else entry) for entry, is_dir in found))


def _open_folder(name: bytes, shown: bytes, parent: int | None = None) -> int:
    with naming(shown):
        return os.open(name, OPEN_FOLDER, dir_fd=parent)


def _open_below(top: int, name: bytes) -> int:
    """Open a directory by its name below `top`, step by step, so that no part of the name is a symlink."""
    fd = os.dup(top)
    for step in name.split(b"/"):
        parent = fd
        try:
            fd = _open_folder(step, name, parent)
        finally:
            os.close(parent)
    return fd


class _Walk:
    """One directory tree on its way into a stream. Mutable: owns the descriptor of the folder it is in."""

    def __init__(self, fd: int, name: bytes, links: dict[tuple[int, int], bytes], on_skip: OnSkip) -> None:
        self._fd = fd
        self._links = links  # first names of files that have several
        self._on_skip = on_skip
        self._name = name
        self._path: list[_Folder] = []

    def _folder(self, name: bytes) -> _Folder:
        return _Folder(name, os.fstat(self._fd), _listing(self._fd, name))

    def members(self) -> Iterator[bytes]:
        """The blocks of the folder itself (`./` if it has no name) and of all below."""
        try:
            self._path = [self._folder(self._name)]
            yield encode_member(_member(self._name or b"./", self._path[0].found))
            while self._path:
                folder = self._path[-1]
                entry = next(folder.entries, None)
                if entry is None:
                    self._leave()
                elif entry.endswith(b"/"):
                    yield self._enter(entry)
                else:
                    yield from self._leaf(entry, folder.name + entry)
        finally:
            os.close(self._fd)

    def _enter(self, entry: bytes) -> bytes:
        name = self._path[-1].name + entry
        below = _open_folder(entry[:-1], name, self._fd)
        os.close(self._fd)
        self._fd = below
        self._path.append(self._folder(name))
        return encode_member(_member(name, self._path[-1].found))

    def _leave(self) -> None:
        left = self._path.pop()
        if os.fstat(self._fd).st_mtime_ns != left.found.st_mtime_ns:
            raise _changed(left.name or b"./", "the directory changed")
        if not self._path:
            return
        above = _open_folder(b"..", left.name, self._fd)
        os.close(self._fd)
        self._fd = above
        if _identity(os.fstat(above)) != _identity(self._path[-1].found):
            raise _changed(left.name, "the directory was moved")

    def _leaf(self, entry: bytes, name: bytes) -> Iterator[bytes]:
        with naming(name):
            found = os.lstat(entry, dir_fd=self._fd)
        kind = TYPES.get(stat.S_IFMT(found.st_mode))
        if kind == "dir":
            raise _changed(name, "it became a directory")
        if kind is None:
            self._on_skip(name, "a socket cannot be kept in an image, only its name; left out")
        elif found.st_nlink > 1 and (first := self._links.setdefault(_identity(found), name)) != name:
            yield encode_member(_member(name, found)._replace(type="hardlink", linkname=first, size=0))
        elif kind == "file":
            yield from _file(self._fd, entry, name, found)
        else:
            yield self._special(entry, name, found)

    def _special(self, entry: bytes, name: bytes, found: os.stat_result) -> bytes:
        """Links, fifos and devices: never opened, all of them is in the header."""
        member = _member(name, found)
        if member.type == "symlink":
            with naming(name):
                member = member._replace(linkname=os.readlink(entry, dir_fd=self._fd))
        return encode_member(member)


def _member(name: bytes, found: os.stat_result) -> Member:
    """What lstat knows. The size is left at 0."""
    kind = TYPES[stat.S_IFMT(found.st_mode)]
    device = found.st_rdev if kind in ("chardev", "blockdev") else 0
    return Member(
        name,
        kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime_ns=found.st_mtime_ns,
        devmajor=os.major(device),
        devminor=os.minor(device),
    )


# Regular files


def _file(folder: int, entry: bytes, name: bytes, found: os.stat_result) -> Iterator[bytes]:
    with naming(name):
        fd = os.open(entry, OPEN_FILE, dir_fd=folder)
    try:
        opened = os.fstat(fd)
        if not stat.S_ISREG(opened.st_mode) or _identity(opened) != _identity(found):
            raise _changed(name, "another file took its place")
        with naming(name):
            runs = _data_runs(fd, opened.st_size)
        stored = runs if runs is not None else ((0, opened.st_size),)
        size = sum(length for _, length in stored)
        yield encode_member(_member(name, opened)._replace(size=size, sparse=runs, real_size=opened.st_size))
        for offset, length in stored:
            yield from _content(fd, offset, length, name)
        yield padding(size)
        _check_unchanged(name, opened, os.fstat(fd))
    finally:
        os.close(fd)


def _content(fd: int, offset: int, length: int, name: bytes) -> Iterator[bytes]:
    end = offset + length
    while offset < end:
        with naming(name):
            piece = os.pread(fd, min(READ_BYTES, end - offset), offset)
        if not piece:
            raise _changed(name, f"the file shrank to {os.fstat(fd).st_size} bytes, read up to {offset},")
        offset += len(piece)
        yield piece


def _check_unchanged(name: bytes, before: os.stat_result, after: os.stat_result) -> None:
    if before.st_size != after.st_size:
        raise _changed(name, f"the file went from {before.st_size} to {after.st_size} bytes")
    if before.st_mtime_ns != after.st_mtime_ns:
        raise _changed(name, "the file was written to")


def _data_runs(fd: int, size: int) -> Runs | None:
    """Where data lies, or None if there are no holes (or the file system cannot tell)."""
    try:
        if not size or os.lseek(fd, 0, os.SEEK_HOLE) >= size:
            return None
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.EOPNOTSUPP):
            return None
        raise
    runs: list[tuple[int, int]] = []
    at = 0
    while (start := _next_data(fd, at, size)) < size:
        # The last run that a map may have takes the rest of the file, holes included: bytes before holes.
        last = len(runs) == RUNS_MAX - 1
        at = size if last else min(os.lseek(fd, start, os.SEEK_HOLE), size)
        runs.append((start, at - start))
    return tuple(runs)


def _next_data(fd: int, at: int, size: int) -> int:
    try:
        return os.lseek(fd, at, os.SEEK_DATA)
    except OSError as error:
        if error.errno == errno.ENXIO:  # only a hole is left
            return size
        raise


# The public verb


def read_directory(path: AnyPath, *, only: Sequence[bytes] = (), on_skip: OnSkip = refuse) -> Iterator[bytes]:
    """The canonical tar stream of a directory, in small pieces (content: at most 256 KiB).

    `only`: names of directories below `path` (see `image_roots`); the stream then holds these and no `./`.
    Errors: SourceError names the file that cannot be read, or that changed while it was read.
    """
    links: dict[tuple[int, int], bytes] = {}
    root = os.fsencode(path)
    with naming(root):
        top = os.open(root, OPEN_FOLDER & ~os.O_NOFOLLOW)  # what the caller names may be a link
    try:
        if not only:
            yield from _Walk(os.dup(top), b"", links, on_skip).members()
        for name in _outermost(only):
            yield from _Walk(_open_below(top, name), name + b"/", links, on_skip).members()
    finally:
        os.close(top)
    yield END_OF_ARCHIVE


def _outermost(names: Sequence[bytes]) -> Iterator[bytes]:
    """In stream order, without those that lie below another one."""
    if any(step in (b"", b".", b"..") for name in names for step in name.split(b"/")):
        raise UsageError(f"names of directories below the root expected, found {list(names)!r}")
    last = None
    for name in sorted(name + b"/" for name in names):
        if last is None or not name.startswith(last):
            yield name[:-1]
            last = name
