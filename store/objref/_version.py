"""Versions of objref and of the libraries that decide what bytes it writes."""

from __future__ import annotations

__all__ = ["library_versions", "version"]


def version() -> str:
    """The installed version, or "source" when run from a source tree that was never installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("objref")
    except PackageNotFoundError:
        return "source"


def library_versions() -> dict[str, str]:
    """What else must be the same for the same input to give the same file."""
    import zstandard

    return {"zstd": ".".join(map(str, zstandard.ZSTD_VERSION)), "zstandard": zstandard.__version__}
