"""Compressing a batch of blocks at once, on the threads of a writer."""

from __future__ import annotations

from threading import local
from typing import Any

from zstandard import ZstdCompressor

from objref.container.dictionary import Dictionary

__all__ = ["compress_all"]

_local = local()


def compress_all(
    level: int, blocks: list[memoryview], dictionary: Dictionary | None = None
) -> list[bytes | memoryview]:
    """Frames of the blocks; a block that would not shrink stays as it is. Runs on the threads of a writer."""
    compressor = _compressor(level) if dictionary is None else dictionary.compressor()
    if len(blocks) > 1 and hasattr(compressor, "multi_compress_to_buffer"):
        # One call for all: it lets go of the interpreter lock once, not for each block.
        many: Any = compressor.multi_compress_to_buffer(list(blocks))
        frames = [many[i].tobytes() for i in range(len(blocks))]
    else:  # the pure-Python backend of zstandard has no batch call
        frames = [compressor.compress(block) for block in blocks]
    return [frame if len(frame) < len(block) else block for frame, block in zip(frames, blocks, strict=True)]


def _compressor(level: int) -> ZstdCompressor:
    """One for each thread and level: they must not be shared."""
    known: dict[Any, ZstdCompressor] = _local.__dict__
    found = known.get(level)
    if found is None:
        found = known[level] = ZstdCompressor(level=level)
    return found
