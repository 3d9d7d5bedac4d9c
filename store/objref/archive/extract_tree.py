"""The tree that an extraction fills, and the names within it that may come from a hostile archive.

Names are taken apart, and every step is an open relative to an open directory that follows no symlink.
"""

from __future__ import annotations

import errno
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Literal

from objref.archive.paths import naming, shown
from objref.errors import FormatError, SourceError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from objref.archive.tar_member import Member

__all__ = [
    "OPEN_FOLDER",
    "PRIVATE",
    "REASONS",
    "File",
    "Steps",
    "Tree",
    "creating",
    "leads_outside",
    "refusal",
    "take_apart",
]

Steps = tuple[bytes, ...]

PRIVATE = 0o700
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
CREATE_FILE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def refusal(name: bytes, reason: str) -> FormatError:
    """The error for a member that is not written."""
    return FormatError(f"refused to write {shown(name)}: {reason}")


def take_apart(name: bytes, whose: bytes) -> Steps:
    """A name taken apart; () is the root. Refuses, in the name of `whose`, what could lead outside."""
    steps = tuple(step for step in name.split(b"/") if step not in (b"", b"."))
    if not name:
        raise refusal(whose, "an empty name")
    if name.startswith(b"/"):
        raise refusal(whose, f"the name {shown(name)} is absolute")
    if b".." in steps:
        raise refusal(whose, f"the name {shown(name)} holds '..'")
    if b"\0" in name:
        raise refusal(whose, "the name holds a NUL byte")
    return steps


def leads_outside(folder: Steps, target: bytes) -> bool:
    """Whether a symlink in `folder` points out of the tree, by its text: other links are not looked at."""
    depth = len(folder)
    for step in target.split(b"/"):
        depth += {b"": 0, b".": 0, b"..": -1}.get(step, 1)
        if depth < 0:
            return True
    return target.startswith(b"/")


@contextmanager
def creating(name: bytes) -> Iterator[None]:
    """Turn what the system says about a hostile or odd name into words about the archive."""
    try:
        with naming(name):
            yield
    except OverflowError as error:
        raise refusal(name, f"an owner or time out of range: {error}") from error
    except SourceError as error:
        cause = error.__cause__
        if isinstance(cause, OSError) and cause.errno in REASONS:
            raise refusal(name, REASONS[cause.errno]) from error
        raise


REASONS = {
    errno.EEXIST: "a member of this name was there before",
    errno.ELOOP: "a symlink of the archive stands in its way",
    errno.ENOTDIR: "something that is not a directory stands in its way",
    errno.ENAMETOOLONG: "the name is too long for this file system",
}


def _common(one: Steps, other: Steps) -> int:
    """How many first steps two names share."""
    shortest = min(len(one), len(other))
    return next((i for i in range(shortest) if one[i] != other[i]), shortest)


class Tree:
    """The folder being filled, and a place in it. Mutable: owns two descriptors.

    Nobody else can enter the folder (mode 0700): its directories stay in place, so `..` can be trusted.
    """

    def __init__(self, fd: int) -> None:
        self.root = fd
        self._fd = os.dup(fd)
        self._at: Steps = ()

    def close(self) -> None:
        for fd in (self._fd, self.root):
            with suppress(OSError):  # a folder holds nothing that closing could lose
                os.close(fd)

    def enter(self, steps: Steps, *, missing: Literal["create", "refuse"], whose: bytes) -> int:
        """Descriptor of a directory, valid until the next call."""
        common = _common(self._at, steps)
        with creating(whose):
            for _ in range(len(self._at) - common):
                self._move(b"..", self._at[:-1])
            for step in steps[common:]:
                if missing == "create":
                    with suppress(FileExistsError):
                        os.mkdir(step, PRIVATE, dir_fd=self._fd)
                self._move(step, (*self._at, step))
        return self._fd

    def _move(self, step: bytes, at: Steps) -> None:
        fd = os.open(step, OPEN_FOLDER, dir_fd=self._fd)
        os.close(self._fd)
        self._fd, self._at = fd, at


class File:
    """A regular file being written, holes left out. Mutable: owns its descriptor."""

    def __init__(self, member: Member, name: bytes, folder: int) -> None:
        self.member = member
        self.fd = os.open(name, CREATE_FILE, 0o600, dir_fd=folder)
        self._runs = iter(((0, member.size),) if member.sparse is None else member.sparse)
        self._offset = self._left = 0
        if member.sparse is not None:
            os.ftruncate(self.fd, member.real_size)

    def write(self, data: bytes | memoryview) -> None:
        view = memoryview(data)
        while view:
            if not self._left:
                self._offset, self._left = next(self._runs, (0, 0))
            done = os.pwrite(self.fd, view[: self._left], self._offset)
            if not done:
                raise UsageError(f"{shown(self.member.name)}: more content than the member has")
            view = view[done:]
            self._offset += done
            self._left -= done
