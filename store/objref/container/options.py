"""How a container is stored: what can be chosen, and which choices no reader would open."""

from __future__ import annotations

from typing import Any, NamedTuple

from zstandard import MAX_COMPRESSION_LEVEL

from objref.container import format as f
from objref.errors import UsageError

__all__ = ["PRESETS", "Options", "sound"]


class Options(NamedTuple):
    """How sections are stored. The defaults are the preset *fast*; all were chosen by measurement (docs/density.md)."""

    codec: str = "zstd"
    """"zstd", or "raw": nothing compressed, everything can be mapped."""
    level: int = 3
    page_level: int = 1
    block_log2: int = 14
    bulk_log2: int = 16
    """Blocks of sections that are read in long runs (unknown files, archives inside)."""
    page_block_log2: int = 14
    seen_pages: int = 512 << 10
    pages: str = "zstd"
    """"raw": memory pages as they are, aligned, to be mapped, whatever the codec of the rest."""
    tables: str = "raw"
    """Long tables of the index: "raw", or "packed" by stripes of 64 KiB."""
    whole_log2: int = 18
    """Blocks of sections that are still small (less than 1 MiB) when the image ends; no smaller than the others."""
    record_dictionary_log2: int = 17
    """First bytes of a strand that become the dictionary of its blocks, if it has a MiB and that pays; 0: none."""
    dictionary_log2: int = 0
    """Pages that become the dictionary of all pages, if it pays for itself; 0: none."""

    @classmethod
    def preset(cls, name: str, **changes: Any) -> Options:
        """The options of a preset, "fast", "small" or "smallest", with these changes.

        >>> Options.preset("small", pages="raw").block_log2
        16
        """
        found = PRESETS.get(name)
        if found is None:
            raise UsageError(f"preset must be one of {', '.join(PRESETS)}, not {name!r}")
        try:
            return found._replace(**changes)
        except (TypeError, ValueError) as error:
            raise UsageError(f"options: {error}") from None


PRESETS = {
    "fast": Options(),
    "small": Options(
        level=3, page_level=2, block_log2=16, bulk_log2=18, page_block_log2=18, whole_log2=20, tables="packed"
    ),
    "smallest": Options(
        level=19,
        page_level=19,
        block_log2=16,
        bulk_log2=18,
        page_block_log2=16,
        whole_log2=20,
        dictionary_log2=22,
        tables="packed",
    ),
}
"""*fast*: small frames, quick to read at random. *small*: larger ones, imported as quickly. *smallest*: for `repack`,
with a dictionary of up to 4 MiB, so that blocks need not be large; it takes minutes where the others take seconds."""


def sound(options: Options) -> Options:
    """UsageError for options that would make a file that no reader opens."""
    if options.codec not in f.CODEC_NAMES:
        raise UsageError(f"codec must be one of {', '.join(f.CODEC_NAMES)}, not {options.codec!r}")
    if options.pages not in f.CODEC_NAMES:
        raise UsageError(f"pages must be one of {', '.join(f.CODEC_NAMES)}, not {options.pages!r}")
    if options.tables not in ("raw", "packed"):
        raise UsageError(f"tables must be raw or packed, not {options.tables!r}")
    for name in (
        "block_log2",
        "bulk_log2",
        "page_block_log2",
        "whole_log2",
        "record_dictionary_log2",
        "dictionary_log2",
    ):
        log2 = getattr(options, name)
        if "dictionary" in name and log2 == 0:
            continue
        if not f.BLOCK_LOG2_MIN <= log2 <= f.BLOCK_LOG2_MAX:
            raise UsageError(f"{name} must be {f.BLOCK_LOG2_MIN}…{f.BLOCK_LOG2_MAX}, not {log2}")
    for level in (options.level, options.page_level):
        if not 0 < level <= MAX_COMPRESSION_LEVEL:
            raise UsageError(f"levels of zstd are 1…{MAX_COMPRESSION_LEVEL}, not {level}")
    return options
