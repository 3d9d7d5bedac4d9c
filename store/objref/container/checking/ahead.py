"""Many neighbouring blocks in one go: one read, and one call that decompresses them all."""

from __future__ import annotations

from struct import Struct
from typing import TYPE_CHECKING, NamedTuple

from xxhash import xxh3_64_intdigest as xxh3

from objref.container.blocks import check_frame
from objref.container.source import Source
from objref.errors import FormatError

if TYPE_CHECKING:
    from objref.container.dictionary import Dictionary

__all__ = ["Block", "decode_many"]

SIZE = Struct("=Q")


class Block(NamedTuple):
    """A block as its trailer tells of it."""

    stored: int
    length: int
    check: int


def decode_many(
    source: Source, offset: int, blocks: list[Block], dictionary: Dictionary | None = None
) -> list[bytes | memoryview | None]:
    """Contents of blocks that lie one behind the other; None for the damaged ones: asked one by one, they say why."""
    found: list[memoryview | None] = []
    packed: list[int] = []
    sizes: list[int] = []
    try:
        view, at = memoryview(source.read(offset, sum(block.stored for block in blocks))), 0
    except FormatError:
        return [None] * len(blocks)
    for i, (stored, length, check) in enumerate(blocks):
        one = view[at : at + stored]
        at += stored
        if xxh3(one) != check or (stored != length and check_frame(one, length)):
            found.append(None)
            continue
        found.append(one)
        if stored != length:
            packed.append(i)
            sizes.append(length)
    return _unpack(found, packed, sizes, dictionary)


def _unpack(
    found: list[memoryview | None], packed: list[int], sizes: list[int], dictionary: Dictionary | None
) -> list[bytes | memoryview | None]:
    import zstandard

    whole: list[bytes | memoryview | None] = list(found)
    if packed:
        frames = [found[i] for i in packed]
        try:
            decompressor = zstandard.ZstdDecompressor() if dictionary is None else dictionary.decompressor()
            contents = decompressor.multi_decompress_to_buffer(
                frames,  # type: ignore[arg-type]
                decompressed_sizes=b"".join(map(SIZE.pack, sizes)),
            )
        except (zstandard.ZstdError, AttributeError):  # one of them; or a build of zstandard that cannot
            for i in packed:
                whole[i] = None
            return whole
        for i, content in zip(packed, contents, strict=True):  # type: ignore[call-overload]
            whole[i] = memoryview(content)
    return whole
