"""Neighbouring blocks are decoded in one call. What each of them would be refused for alone is refused all the same."""

from __future__ import annotations

import random

import pytest
import zstandard
from xxhash import xxh3_64_intdigest as xxh3

from objref.container.together import Plan, decode_many
from objref.container.dictionary import Dictionary
from objref.container.source import BytesSource

SEED, SIZE = 2009, 4096
DICE = random.Random(SEED)
TEXTS = [bytes(DICE.choices(b"checkpoint ", k=SIZE)) for _ in range(5)]
NOISE, SAME = DICE.randbytes(SIZE), b"z" * SIZE
SKIPPED = b"\x50\x2a\x4d\x18\x03\0\0\0abc"
"""A frame that holds nothing, as far as a decoder is concerned (RFC 8878, section 3.1.2)."""


def frame(data: bytes, **options: object) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)  # type: ignore[arg-type]


def plan(blocks: list[bytes], contents: list[bytes], **more: Dictionary) -> Plan:
    """Blocks as a file has them, behind a byte of something else, with the right checks."""
    source = BytesSource(b"x" + b"".join(blocks))
    return Plan(source, 1, list(map(len, blocks)), list(map(len, contents)), list(map(xxh3, blocks)), **more)


WAYS = {
    "all compressed": ([*map(frame, TEXTS)], TEXTS),
    "all as they are": (TEXTS, TEXTS),
    "some of each": ([frame(TEXTS[0]), NOISE, frame(TEXTS[1])], [TEXTS[0], NOISE, TEXTS[1]]),
    "one byte, repeated": ([frame(SAME), frame(TEXTS[0])], [SAME, TEXTS[0]]),
    "frames with checksums": ([frame(text, write_checksum=True) for text in TEXTS], TEXTS),
    "frames of several blocks": ([frame(TEXTS[0] * 80), frame(TEXTS[1] * 80)], [TEXTS[0] * 80, TEXTS[1] * 80]),
    "a short one at the end": ([frame(TEXTS[0]), frame(TEXTS[1][:99] * 9)], [TEXTS[0], TEXTS[1][:99] * 9]),
}


@pytest.mark.parametrize("way", WAYS)
def test_what_is_sound(way: str) -> None:
    blocks, contents = WAYS[way]
    found = decode_many(plan(blocks, contents))
    assert (bytes(found.joined), found.damaged) == (b"".join(contents), [])


def test_with_a_dictionary() -> None:
    made = Dictionary(TEXTS[0], 3)
    found = decode_many(plan([made.compressor().compress(text) for text in TEXTS], TEXTS, dictionary=made))
    assert (bytes(found.joined), found.damaged) == (b"".join(TEXTS), [])


def damaged(blocks: list[bytes]) -> list[int]:
    found = decode_many(plan(blocks, TEXTS))
    whole = zip(TEXTS, range(len(TEXTS)), strict=True)
    assert bytes(found.joined) == b"".join(bytes(SIZE) if i in found.damaged else text for text, i in whole)
    return found.damaged


@pytest.mark.parametrize("behind", [b"\0", b"x" * 20, SKIPPED, frame(b""), frame(b"more")])
def test_nothing_follows_a_frame(behind: bytes) -> None:
    """A decoder that is given many frames goes on with what follows one, and there may be frames of no bytes."""
    blocks = [*map(frame, TEXTS)]
    for i in range(len(blocks)):
        assert damaged([*blocks[:i], blocks[i] + behind, *blocks[i + 1 :]]) == [i]


def test_a_frame_that_goes_on_in_the_next_block() -> None:
    """Joined, these are the frames that are expected; but no block may be read by what is in another."""
    blocks = [*map(frame, TEXTS)]
    for cut in (1, 3, 20):
        moved = [blocks[0], blocks[1][:-cut], blocks[1][-cut:] + blocks[2], *blocks[3:]]
        assert damaged(moved) == [1, 2]


def test_damaged_ones_are_told_apart() -> None:
    blocks = [*map(frame, TEXTS)]
    torn = bytearray(blocks[3])
    torn[len(torn) // 2 :] = bytes(len(torn) - len(torn) // 2)
    assert damaged([frame(TEXTS[0][:-1]), *blocks[1:3], bytes(torn), blocks[4]]) == [0, 3]
    whole = plan(blocks, TEXTS)
    assert decode_many(whole._replace(checks=[0, *whole.checks[1:]])).damaged == [0]
    assert decode_many(whole._replace(offset=2 << 40)).damaged == [0, 1, 2, 3, 4]
