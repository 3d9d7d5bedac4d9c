"""What a verb must not write to: the files that it reads from."""

from __future__ import annotations

import os

from objref.errors import UsageError
from objref.sidecar.layout import SUFFIX

__all__ = ["refuse_inputs"]


def refuse_inputs(dest: str | None, *inputs: str) -> None:
    """UsageError when `dest` is one of the inputs by whatever name, the index beside one, or lies in one that is a
    directory: `--force` is about what may go, not about what is being read. An input `-` is standard input."""
    there = _status(dest) if dest not in (None, "-") else None
    if dest is None or there is None:
        return
    for name in inputs:
        if any(found and os.path.samestat(there, found) for found in (_status(name), _status(name + SUFFIX))):
            raise UsageError(f"{dest}: is what is read from; name another file to make")
        if os.path.isdir(name) and os.path.realpath(dest).startswith(os.path.join(os.path.realpath(name), "")):
            raise UsageError(f"{dest}: belongs to {name}, which is read from; name another file to make")


def _status(name: str) -> os.stat_result | None:
    try:
        return os.stat(0 if name == "-" else name)
    except (OSError, ValueError):  # not there, or no name at all: whoever opens it says so
        return None
