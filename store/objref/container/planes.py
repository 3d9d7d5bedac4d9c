"""Words in planes: the first bytes of all of them, then the second bytes, and so on.

Words of an index count upwards. zstd finds what repeats, not what grows; in planes, the upper bytes repeat.
"""

__all__ = ["from_planes", "to_planes"]


def to_planes(words: bytes, width: int) -> bytes:
    """Words of `width` bytes, in planes."""
    return b"".join(words[i::width] for i in range(width))


def from_planes(planes: bytes, width: int) -> bytes:
    """The words again. Bytes that are no whole number of words, which only a broken table has, stay in some order."""
    words = bytearray(len(planes))
    at = 0
    for i in range(width):
        length = len(words[i::width])
        words[i::width] = planes[at : at + length]
        at += length
    return bytes(words)
