"""Which core looks things up: the native one where it was built and is wanted, else pure Python."""

from __future__ import annotations

import os
from types import ModuleType

__all__ = ["VARIABLE", "native"]

VARIABLE = "OBJREF_NATIVE"
"""Environment variable: 0 for pure Python although there is a native core."""


def native() -> ModuleType | None:
    """The native core; None for pure Python."""
    if os.environ.get(VARIABLE) == "0":
        return None
    try:
        from objref_index import _fast
    except ImportError:  # not built, or for another machine
        return None
    return _fast
