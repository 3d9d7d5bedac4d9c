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
    "LostError",
    "NotFoundError",
    "ObjrefError",
    "RestoreError",
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


class LostError(FormatError):
    """Bytes of an image that was recovered from a damaged one, and that did not come back."""


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


class RestoreError(ObjrefError):
    """A function of the caller's failed to create or to link an object (see `objref.restore`). Its own error is the
    `__cause__`."""

    def __init__(self, step: str, reason: str, objref: str, role: str = "", target: str = "") -> None:
        super().__init__(step, reason, objref, role, target)
        self.step, self.reason = step, reason
        """"create" or "link", and why it failed."""
        self.objref, self.role, self.target = objref, role, target
        """The object; of a link, its role and where it leads to."""
        self.undone = 0
        """How many objects were undone."""
        self.undo_failures: tuple[tuple[str, BaseException], ...] = ()
        """What could not be undone: (objref, error)."""

    def __str__(self) -> str:
        what = f"{self.objref} {self.role} {self.target}".strip()
        text = f"cannot {self.step} {what}: {self.reason}; {self.undone} objects were undone"
        if not self.undo_failures:
            return text
        stay = ", ".join(f"{objref} ({type(error).__name__}: {error})" for objref, error in self.undo_failures[:5])
        return f"{text}, {len(self.undo_failures)} could not be: {stay}" + ", …" * (len(self.undo_failures) > 5)
