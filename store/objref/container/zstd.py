"""python-zstandard, or of it only what decodes: for one object from the shell, its package imports too much."""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from importlib.machinery import ModuleSpec
    from types import ModuleType

__all__ = ["library", "load_extension"]

PACKAGE, EXTENSION = "zstandard", "zstandard.backend_c"
POLICY = "PYTHON_ZSTANDARD_IMPORT_POLICY"
"""With which a user asks the package for another backend."""
_alone: list[ModuleType] = []
"""The extension, if it was loaded without the package."""


def library() -> ModuleType:
    """What has ZstdDecompressor, get_frame_parameters and the rest: the package, or what `load_extension` loaded."""
    if _alone:
        return _alone[0]
    import zstandard

    return zstandard


def load_extension() -> None:
    """Load the extension without its package, which asks `platform` what Python this is (that imports `re` and
    compiles expressions) and on Python 3.11 imports `typing`, too: together as long as Python takes to start. The
    extension needs neither. The package, imported later, finds it loaded. When something is not as expected, nothing
    is done, and `library` imports the package.

    For a process of our own: in others `zstandard.backend_c` would be loaded in a way that they do not expect.
    """
    if PACKAGE in sys.modules or POLICY in os.environ or sys.implementation.name != "cpython":
        return
    package = _spec(PACKAGE, None)
    spec = _spec(EXTENSION, package.submodule_search_locations) if package is not None else None
    if spec is None or spec.loader is None:
        return
    try:
        module = spec.loader.create_module(spec)
        if module is not None:  # None: no extension
            spec.loader.exec_module(module)
            sys.modules[EXTENSION] = module
            _alone.append(module)
    except ImportError:  # of another Python: the package says so
        pass


def _spec(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    """Where a module is, as `importlib.util.find_spec` has it, which takes a while to load."""
    return next((spec for finder in sys.meta_path if (spec := finder.find_spec(name, path)) is not None), None)
