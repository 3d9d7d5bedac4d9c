"""Dictionaries of raw content: what frames of a section may refer to, as if it stood before every block.

With one, blocks of 16 KiB come close to the density of a window of its size (docs/density.md). It is content, never
a trained zstd dictionary, whatever its first bytes are: nothing in it is parsed, and no frame decodes to more bytes
because of it.
"""

from __future__ import annotations

from _thread import _local as local  # which `threading` only names

from objref.container.zstd import library

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from zstandard import ZstdCompressionParameters, ZstdCompressor, ZstdDecompressor

__all__ = ["Dictionary", "cost", "learn", "own_level", "saving"]

OVERHEAD = 256
"""Entries of a dictionary in trailer and directory."""
SLOW, OWN_LEVEL = 3, 9


class Dictionary:
    """A dictionary with what it needs to be used, on any thread. `level`: the one to compress at, if it is to."""

    def __init__(self, content: bytes, level: int = 0) -> None:
        self.content = content if level else b""
        """Only of one to compress with: a reader need not keep it twice."""
        self.length = len(content)
        zstandard = library()
        self._data = zstandard.ZstdCompressionDict(content, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self.level = level
        if level:  # digested once, for all threads: of 4 MiB at level 19 it takes a second
            self._parameters = _parameters(level, len(content))
            self._data.precompute_compress(compression_params=self._parameters)
        self._local = local()

    def decompressor(self) -> ZstdDecompressor:
        """One for each thread, which ends with the dictionary."""
        known: dict[str, Any] = self._local.__dict__
        found: ZstdDecompressor | None = known.get("decompressor")
        if found is None:
            found = known["decompressor"] = library().ZstdDecompressor(dict_data=self._data)
        return found

    def compressor(self) -> ZstdCompressor:
        """One for each thread."""
        known: dict[str, Any] = self._local.__dict__
        found: ZstdCompressor | None = known.get("compressor")
        if found is None:
            found = known["compressor"] = library().ZstdCompressor(
                compression_params=self._parameters, dict_data=self._data
            )
        return found


def _parameters(level: int, length: int) -> ZstdCompressionParameters:
    """zstd's quick levels keep so small a table that they forget most of a dictionary: one entry for each 8 bytes of it
    makes a quick level nearly as dense as level 3, in two thirds of its time (docs/density.md)."""
    from zstandard import STRATEGY_FAST, ZstdCompressionParameters

    if level >= SLOW:
        return ZstdCompressionParameters.from_level(level)
    table = max(min(length.bit_length() - 4, 22), 10)
    return ZstdCompressionParameters.from_level(level, hash_log=table, min_match=6, strategy=STRATEGY_FAST)


def learn(data: bytes | bytearray, length: int, block: int, level: int) -> Dictionary | None:
    """The first `length` bytes of a section as its dictionary, if that pays for itself. They are stored once more, in
    one frame, and cost next to nothing as blocks, so it is known at once.
    """
    made, view = Dictionary(bytes(data[:length]), level), memoryview(data)
    blocks = [view[at : at + block] for at in range(0, len(view), block)]
    return made if saving(made, blocks) > cost(made) else None


def saving(dictionary: Dictionary, blocks: Iterable[bytes | memoryview]) -> int:
    """Bytes that the frames of these blocks are shorter with the dictionary than without; negative: longer."""
    from zstandard import ZstdCompressor

    plain, using = ZstdCompressor(level=dictionary.level), dictionary.compressor()
    return sum(min(len(b), len(plain.compress(b))) - min(len(b), len(using.compress(b))) for b in blocks)


def cost(dictionary: Dictionary) -> int:
    """Bytes that a file is longer because it holds the dictionary."""
    from zstandard import ZstdCompressor

    return len(ZstdCompressor(level=own_level(dictionary.level)).compress(dictionary.content)) + OVERHEAD


def own_level(level: int) -> int:
    """At which level a dictionary is stored, if the blocks that need it have this one: it is stored but once."""
    return max(level, OWN_LEVEL)
