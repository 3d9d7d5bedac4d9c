"""Images opened for looking up, by the native core or by pure Python, whichever the machine has."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import objref
from objref.limits import DEFAULT
from objref_index.core import VARIABLE, native

__all__ = ["CORES", "NATIVE", "PYTHON", "space"]

NATIVE, PYTHON = "native core", "pure Python"
CORES = (NATIVE, PYTHON) if native() is not None else (PYTHON,)
"""Those that can be had."""


def space(path: Path, stack: ExitStack, core: str = CORES[0], decoded: int = DEFAULT.decoded) -> Any:
    """The files of an image, mapped. The core is chosen when a space is looked at first."""
    before = os.environ.get(VARIABLE)
    os.environ[VARIABLE] = "1" if core == NATIVE else "0"
    try:
        opened = objref.open(path, access="map", limits=DEFAULT._replace(decoded=decoded))
        return stack.enter_context(opened)["file"]
    finally:
        if before is None:
            del os.environ[VARIABLE]
        else:
            os.environ[VARIABLE] = before
