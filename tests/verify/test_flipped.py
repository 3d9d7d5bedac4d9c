"""One byte is not what it was. There is none that does not matter: verify finds each of them.

Here a sample; `tests/verify/exhaustive.py` does the same for every byte of a real image.
"""

from __future__ import annotations

import random

from samples import Forger

import objref

SEED = 20240607


def sound(data: bytes, at: int, pattern: int) -> bool:
    changed = bytearray(data)
    changed[at] ^= pattern
    return objref.verify_image(bytes(changed)).sound


def test_bytes_of_a_small_image(packed: bytes, raw: bytes) -> None:
    dice = random.Random(SEED)
    for data in (packed, raw):
        places = dice.sample(range(len(data)), 120)
        assert not [at for at in places if sound(data, at, 1 << dice.randrange(8))]


def test_bytes_of_a_real_image(tree: bytes) -> None:
    dice = random.Random(SEED)
    assert not [at for at in dice.sample(range(len(tree)), 60) if sound(tree, at, dice.randrange(1, 256))]


def test_padding_counts_too(raw: bytes) -> None:
    """Between pieces, before tables: zeros that nothing covers but R1."""
    used = bytearray(len(raw))
    forger = Forger(raw)
    for piece in forger.pieces:
        used[piece.offset : piece.offset + piece.length] = b"\1" * piece.length
    for table in forger.tables:
        used[table.offset : table.offset + table.stored] = b"\1" * table.stored
    for n, trail in enumerate(forger.trails):
        start = trail.header.offset
        used[start : forger.body(n) + len(trail.body)] = b"\1" * (forger.body(n) + len(trail.body) - start)
    used[:64] = b"\1" * 64
    end = forger.footer.directory_offset
    gaps = [at for at in range(end) if not used[at]]
    assert len(gaps) > 1000
    dice = random.Random(SEED)
    assert not [at for at in dice.sample(gaps, 60) if sound(raw, at, 1 << dice.randrange(8))]
