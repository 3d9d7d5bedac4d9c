"""The error tree: the caller's mistake, what is wrong with the bytes, what the system refused.

Every message says what, where, expected and found, in one line for people. Each class has the exit code
that the command line ends with.
"""

from __future__ import annotations

__all__ = [
    "CutError",
    "FormatError",
    "IntegrityError",
    "LimitError",
    "NotFoundError",
    "ObjrefError",
    "SourceError",
    "TruncatedError",
    "UnsupportedError",
    "UsageError",
]


class ObjrefError(Exception):
    """Root of everything that objref raises on purpose."""

    exit_code = 1


class UsageError(ObjrefError, ValueError):
    """The caller asked for something that makes no sense: a bad option, a bad objref, a used destination."""

    exit_code = 2


class NotFoundError(UsageError, KeyError):
    """No object of that id, no space of that name. `nearest` holds existing ids close to what was asked."""

    exit_code = 3

    def __init__(self, message: str, nearest: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.nearest = nearest

    def __str__(self) -> str:  # KeyError would print the repr of the message
        return str(self.args[0])


class CutError(UsageError):
    """What was asked for cannot be had without losing something: the caller has to say what shall become of it."""


class FormatError(ObjrefError):
    """Bytes that break a rule of docs/format.md, or of the dialect they claim to be."""

    exit_code = 4


class TruncatedError(FormatError, EOFError):
    """The bytes end before they should."""


class IntegrityError(FormatError):
    """A checksum or digest differs from the bytes it covers."""


class LimitError(FormatError):
    """A size or count beyond the limits in force (see `objref.limits`)."""

    exit_code = 5


class UnsupportedError(FormatError):
    """Well-formed, but made by a newer format or with a feature that this version does not know."""

    exit_code = 6


class SourceError(ObjrefError, OSError):
    """The system refused: a file that cannot be read or written, a full disk, a file that changed while it was read."""

    exit_code = 7

    def __str__(self) -> str:  # OSError would print errno and a tuple
        return str(self.args[0]) if self.args else ""
