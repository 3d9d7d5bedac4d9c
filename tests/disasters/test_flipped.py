"""One byte is not what it was: right bytes or an error that names the place, never wrong bytes."""

from __future__ import annotations

import random
from pathlib import Path

from samples import SAMPLE, answers, deceived, questions

import objref

SEED = 20240607


def flip(data: bytes, at: int, pattern: int) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= pattern
    return bytes(damaged)


def survive(data: bytes, places: list[tuple[int, int]], path: Path | None = None) -> int:
    """Flip at each place, ask everything. Returns how many flips were noticed by opening alone."""
    with objref.open(data) as image:
        asked, truth = questions(image), answers(image)
    early = 0
    for at, pattern in places:
        damaged = flip(data, at, pattern)
        early += refuses(damaged)
        if path is not None:
            path.write_bytes(damaged)
        wrong = deceived(path or damaged, asked, truth)
        assert not wrong, f"byte {at} ^ {pattern:#x}: {wrong[:3]}"
    return early


def refuses(data: bytes) -> bool:
    try:
        objref.open(data).close()
    except objref.ObjrefError:
        return True
    return False


def test_every_byte_flipped_in_one_bit(packed: bytes) -> None:
    early = survive(packed, [(at, 1 << at % 8) for at in range(len(packed))])
    assert early > 128  # the footer alone


def test_every_byte_flipped_in_all_bits(packed: bytes) -> None:
    survive(packed, [(at, 0xFF) for at in range(len(packed))])


def test_every_byte_of_a_raw_image_that_is_not_padding(raw: bytes, tmp_path: Path) -> None:
    """Through a mapped file, where the fast path of a run of keys reads past blocks and checks."""
    dice = random.Random(SEED)
    used = [at for at in range(len(raw)) if raw[max(at - 8, 0) : at + 8].strip(b"\0")]
    dull = [at for at in used if raw[at - 32 : at + 32] == raw[at : at + 1] * 64]  # inside of pages
    places = sorted(set(used) - set(dull)) + dice.sample(dull, 50)
    places = dice.sample(places, min(len(places), 2500))
    survive(raw, [(at, dice.randrange(1, 256)) for at in sorted(places)], tmp_path / "flipped.objref")


def test_padding_flipped_harms_nobody(raw: bytes) -> None:
    dice = random.Random(SEED)
    dull = [at for at in range(64, len(raw) - 128) if not any(raw[at - 40 : at + 40])]
    survive(raw, [(at, dice.randrange(1, 256)) for at in dice.sample(dull, 60)])


def test_a_real_dump_flipped_here_and_there(tmp_path: Path) -> None:
    path = tmp_path / "tree.objref"
    objref.import_image(SAMPLE, path)
    data = path.read_bytes()
    dice = random.Random(SEED)
    survive(data, [(dice.randrange(len(data)), 1 << dice.randrange(8)) for _ in range(40)])


def test_two_bytes_swapped_and_blocks_exchanged(packed: bytes) -> None:
    with objref.open(packed) as image:
        asked, truth = questions(image), answers(image)
    dice = random.Random(SEED)
    for _ in range(300):
        data = bytearray(packed)
        length = dice.choice((1, 8, 64, 128))
        a, b = (dice.randrange(len(data) - length) for _ in range(2))
        data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]
        if len(data) == len(packed):
            assert not deceived(bytes(data), asked, truth), (a, b, length)
