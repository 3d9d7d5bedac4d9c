"""The tree of a sidecar, handed to LMDB only after its checks were compared.

LMDB trusts what it maps: a damaged page can end the process (SIGSEGV), and so can a file that shrinks (SIGBUS). So the
whole tree is read and compared first, and LMDB opens the very file that was read, by its descriptor. What others
might write to is copied into sealed memory on the way.
"""

from __future__ import annotations

import fcntl
import os
import stat

from xxhash import xxh3_64_intdigest as xxh3

from objref.container.source import PreadSource
from objref.errors import FormatError, IntegrityError, LimitError, SourceError
from objref.limits import Limits
from objref.sidecar.layout import CHECKED, CHECKED_LOG2
from objref.sidecar.mounts import remote_type

TYPE_CHECKING = False
TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["check_tree", "damaged_parts"]

OTHERS = stat.S_IWGRP | stat.S_IWOTH
SEALS = ("F_SEAL_SEAL", "F_SEAL_SHRINK", "F_SEAL_GROW", "F_SEAL_WRITE")
SEAL_NUMBERS = {"F_ADD_SEALS": 1033, "F_SEAL_SEAL": 1, "F_SEAL_SHRINK": 2, "F_SEAL_GROW": 4, "F_SEAL_WRITE": 8}
"""fcntl(2). Python's fcntl has them where the libc had them when it was built."""


def check_tree(source: PreadSource, length: int, checks: memoryview, limits: Limits) -> int:
    """Compare the first `length` bytes with their checks; returns a descriptor of the caller's to map them by."""
    parts = _parts(source, length, _all(checks, length))
    fd = source.fileno()
    if _is_steady(fd):
        for _ in parts:
            pass
        return os.dup(fd)
    if length > limits.tree:
        raise LimitError(f"{source.name}: others may write to it, and its tree of {length} bytes is too large to copy, "
                         f"limit {limits.tree}: make your own")  # fmt: skip
    return _sealed(parts, source.name)


def damaged_parts(source: PreadSource, length: int, checks: memoryview) -> Iterator[tuple[int, str]]:
    """(offset, what is wrong) of each MiB that is not what its check says."""
    for i, check in enumerate(_all(checks, length)):
        start = i << CHECKED_LOG2
        if wrong := _wrong(source.read(start, min(CHECKED, length - start)), check):
            yield start, wrong


def _all(checks: memoryview, length: int) -> memoryview:
    if len(checks) != -(-length // CHECKED):
        raise FormatError(f"table tree checks has {len(checks)} entries for a tree of {length} bytes (S12)")
    return checks


def _wrong(data: bytes, check: int) -> str | None:
    found = xxh3(data)
    return None if found == check else f"checksum {found:016x}, expected {check:016x}"


def _parts(source: PreadSource, length: int, checks: memoryview) -> Iterator[bytes]:
    for i, check in enumerate(checks):
        start = i << CHECKED_LOG2
        data = source.read(start, min(CHECKED, length - start))
        if wrong := _wrong(data, check):
            raise IntegrityError(f"{source.name}: tree, offset {start}: {wrong}")
        yield data


def _is_steady(fd: int) -> bool:
    """Whether nobody but the reader and root can write to a file, on a disk of this machine."""
    status = os.fstat(fd)
    return status.st_uid in (0, os.geteuid()) and not status.st_mode & OTHERS and remote_type(fd) is None


def _sealed(parts: Iterator[bytes], name: str) -> int:
    """The parts as a file in memory that nobody can change any more."""
    try:
        fd = os.memfd_create("objref-index", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        try:
            for part in parts:
                view = memoryview(part)
                while view:
                    view = view[os.write(fd, view) :]
            fcntl.fcntl(fd, _number("F_ADD_SEALS"), sum(map(_number, SEALS)))
        except BaseException:
            os.close(fd)
            raise
    except OSError as error:
        if isinstance(error, SourceError):
            raise
        raise SourceError(f"{name}: its tree cannot be copied: {os.strerror(error.errno or 0)}") from None
    return fd


def _number(name: str) -> int:
    return int(getattr(fcntl, name, SEAL_NUMBERS[name]))
