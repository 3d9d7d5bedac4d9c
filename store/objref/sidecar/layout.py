"""The ending of a sidecar, declared once (docs/format.md, section 13)."""

from __future__ import annotations

import struct
import sys

from xxhash import xxh3_64_intdigest as xxh3

from objref.container import format as f
from objref.errors import FormatError, IntegrityError, TruncatedError, UnsupportedError
from objref_index.named import NamedTuple

__all__ = ["CHECKED", "CHECKED_LOG2", "ENDING", "HEAD", "STREAM", "SUFFIX", "Ending", "block_log2", "decode", "encode"]

SUFFIX = ".objref-index"
HEAD = 4096
"""Bytes before those of FILE: the superblock, padded so that raw blocks are aligned as in a container."""
STREAM = 1
"""The section that is FILE."""
CHECKED_LOG2 = 20
CHECKED = 1 << CHECKED_LOG2
"""Bytes of the tree under one check."""
BLOCK_LOG2, BLOCKS_LOG2 = 16, 20
MAGIC, END_MAGIC = b"ORFSIDE\n", b"ORFSEND\n"
MAJOR, MINOR = 1, 0
WORD = struct.calcsize("@N")
ENDING = struct.Struct("<8sHHII4sIIQQQQ48sQ8s")
ORDER = struct.Struct("@I")
ORDER_MARK = ORDER.pack(0x01020304)


class Ending(NamedTuple):
    """What the last bytes of a sidecar say. Lengths in bytes."""

    page_size: int
    tree: int
    file: int
    entries: int
    length: int


def block_log2(length: int) -> int:
    """log2 of the block size for a FILE of this length: 64 KiB, and at most 2^20 blocks."""
    return min(max(BLOCK_LOG2, (max(length, 1) - 1).bit_length() - BLOCKS_LOG2), f.BLOCK_LOG2_MAX)


def encode(e: Ending) -> bytes:
    """The last 128 bytes of a sidecar."""
    body = ENDING.pack(
        MAGIC, MAJOR, MINOR, 0, 0, ORDER_MARK, WORD, e.page_size, e.tree, e.file, e.entries, e.length, bytes(48), 0,
        END_MAGIC,
    )  # fmt: skip
    return body[:112] + f.CHECK.pack(xxh3(body[:112])) + END_MAGIC


def decode(data: bytes, length: int) -> Ending:
    """The ending of a sidecar of this length (S3 to S6, S8)."""
    if len(data) < ENDING.size or data[:8] != MAGIC or data[-8:] != END_MAGIC:
        raise TruncatedError(f"no ending at offset {length - len(data)}: it is torn, or no sidecar")
    _, major, minor, incompatible, _, order, word, *numbers, zero, check, _ = ENDING.unpack(data)
    if check != xxh3(data[:112]):
        raise IntegrityError(f"ending: checksum {xxh3(data[:112]):016x}, expected {check:016x}")
    if major != MAJOR or incompatible:
        raise UnsupportedError(f"version {major}.{minor}, features {incompatible:#x}: this objref is too old (S3, S4)")
    if order != ORDER_MARK or word != WORD:
        raise UnsupportedError(
            f"made on a machine of another kind: {_kind(order, word)}, here {_kind(ORDER_MARK, WORD)} (S5)"
        )
    if zero.count(0) != len(zero):
        raise FormatError("ending: bytes 64…111 must be zero (R1)")
    return _sound(Ending(*numbers), length)


def _kind(order: bytes, word: int) -> str:
    names = {ORDER_MARK: sys.byteorder, ORDER_MARK[::-1]: {"little": "big", "big": "little"}[sys.byteorder]}
    return f"{names.get(order, 'unknown')}-endian with words of {word} bytes"


def _sound(e: Ending, length: int) -> Ending:
    if e.length != length:
        raise TruncatedError(f"it should have {e.length} bytes, it has {length} (S8)")
    if e.page_size < 512 or e.page_size & (e.page_size - 1) or e.tree % e.page_size:
        raise FormatError(f"ending: a tree of {e.tree} bytes in pages of {e.page_size} (S6)")
    if e.tree + HEAD + ENDING.size > length:
        raise FormatError(f"ending: a tree of {e.tree} bytes does not fit into {length} (S6)")
    return e
