"""What checks cannot do: whoever writes a file writes its checks, too. Nothing in an image is signed."""

from __future__ import annotations

import random
import signal
from contextlib import suppress
from pathlib import Path

import pytest
from fuzz.sealing import redigest, respare
from samples import Forger, small_events, small_image
from sidecar.making import in_child, write_beside
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import format as f
from objref.sidecar.layout import ENDING, HEAD, decode

SEED = 20261124


def test_a_forged_image_verifies() -> None:
    """Other bytes under right checks and digests: only a seal or a signature kept elsewhere could tell."""
    forger = Forger(small_image("raw"))
    at = forger.data.index(b"item 1 of the run")
    forger.data[at : at + 6] = b"ITEM 1"
    assert not objref.verify_image(bytes(forger.data)).sound
    redigest(forger)
    respare(forger)
    forged = forger.seal()
    assert objref.verify_image(forged).sound
    with objref.open(forged) as image, objref.open(forger.genuine) as genuine:
        assert image["item:11"].bytes.startswith(b"ITEM 1")
        assert image.stream_sha256 != genuine.stream_sha256


def test_a_forged_tree_can_end_the_process(tmp_path: Path) -> None:
    """LMDB believes its pages. With right checks of ours before them, an index from a stranger can crash the reader."""
    beside = write_beside(tmp_path / "x", list(small_events(400)))
    genuine, stream = beside.read_bytes(), (tmp_path / "x").read_bytes()
    ending = decode(genuine[-ENDING.size :], len(genuine))
    rest = genuine[ending.tree : -ENDING.size]
    forger = Forger(rest[:HEAD] + stream + rest[HEAD:])
    checks = forger.table("tree checks")
    assert (checks.codec, ending.tree <= 1 << 20) == (f.RAW, True)

    def forged(dice: random.Random) -> bytes:
        tree = bytearray(genuine[: ending.tree])
        for page in range(2 * ending.page_size, len(tree), ending.page_size):  # behind the two meta pages
            for k in range(page + 16, page + 40, 2):  # where its first entries lie
                entry = page + int.from_bytes(tree[k : k + 2], "little")
                if page + 40 < entry < page + ending.page_size - 8:  # lengths of value and key, and flags
                    tree[entry : entry + 8] = dice.choice((b"\xff" * 8, dice.randbytes(8)))
        forger.data[:] = forger.genuine
        forger.put(checks.offset, "Q", xxh3(bytes(tree)))
        made = forger.seal()
        return bytes(tree) + made[:HEAD] + made[HEAD + len(stream) :] + genuine[-ENDING.size :]

    def ask() -> None:
        with objref.open(tmp_path / "x") as image:
            for key in range(10, 410):
                with suppress(objref.ObjrefError):
                    image.get(f"item:{key}")

    dice, crashes = random.Random(SEED), {signal.SIGSEGV, signal.SIGBUS, signal.SIGABRT}
    for _ in range(300):  # one in ten or so does it
        beside.write_bytes(forged(dice))
        if in_child(ask) & 0x7F in crashes:
            break
    else:
        pytest.fail("LMDB survived: a signal was expected")
    beside.write_bytes(genuine)
    assert in_child(ask) == 0
