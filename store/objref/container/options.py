"""How a container is stored: what can be chosen, and which choices no reader would open."""

from typing import NamedTuple

from zstandard import MAX_COMPRESSION_LEVEL

from objref.container import format as f
from objref.errors import UsageError

__all__ = ["Options", "sound"]


class Options(NamedTuple):
    """How sections are stored. The defaults were chosen by measurement (docs/performance.md)."""

    codec: str = "zstd"
    """"zstd", or "raw": nothing compressed, everything can be mapped."""
    level: int = 3
    page_level: int = 1
    block_log2: int = 14
    bulk_log2: int = 16
    """Blocks of sections that are read in long runs (unknown files, archives inside)."""
    page_block_log2: int = 14
    seen_pages: int = 512 << 10


def sound(options: Options) -> Options:
    """UsageError for options that would make a file that no reader opens."""
    if options.codec not in f.CODEC_NAMES:
        raise UsageError(f"codec must be one of {', '.join(f.CODEC_NAMES)}, not {options.codec!r}")
    for name in ("block_log2", "bulk_log2", "page_block_log2"):
        log2 = getattr(options, name)
        if not f.BLOCK_LOG2_MIN <= log2 <= f.BLOCK_LOG2_MAX:
            raise UsageError(f"{name} must be {f.BLOCK_LOG2_MIN}…{f.BLOCK_LOG2_MAX}, not {log2}")
    for level in (options.level, options.page_level):
        if not 0 < level <= MAX_COMPRESSION_LEVEL:
            raise UsageError(f"levels of zstd are 1…{MAX_COMPRESSION_LEVEL}, not {level}")
    return options
