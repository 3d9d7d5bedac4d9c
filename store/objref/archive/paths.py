"""Files by their names: as callers give them, as messages show them, and what happens to those left out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from objref.errors import ObjrefError, SourceError

__all__ = ["AnyPath", "OnSkip", "naming", "refuse", "shown"]

OnSkip = Callable[[bytes, str], None]
"""Called with (name, reason) for everything that is left out or not followed."""

AnyPath = str | bytes | os.PathLike[str] | os.PathLike[bytes]


def refuse(name: bytes, reason: str) -> None:
    """The default of `on_skip`: without anybody to tell, nothing is left out."""
    raise SourceError(f"{shown(name)}: {reason}")


def shown(name: bytes) -> str:
    """A name for a message: quoted, with escapes."""
    return repr(os.fsdecode(name))


@contextmanager
def naming(name: bytes) -> Iterator[None]:
    """Say which file the system refused, and why."""
    try:
        yield
    except ObjrefError:
        raise
    except OSError as error:
        raise SourceError(f"{shown(name)}: {error.strerror or error}") from error
