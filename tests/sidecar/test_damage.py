"""A byte is not what it was, in the stream or in its sidecar: the right answer or an error, and the process lives.

LMDB crashes on damaged pages, so all of it happens in children, whose end is looked at.
"""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path
from typing import Any

import lmdb
import pytest
from samples import answers, deceived, questions, small_events
from sidecar.making import in_child, write_beside

import objref
from objref.container.source import BytesSource
from objref.limits import DEFAULT
from objref.sidecar.checked import check_tree
from objref.sidecar.layout import ENDING, HEAD, decode

SEED = 20261019


class Pair:
    """A small stream with its sidecar, and what is true of it."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "small"
        self.beside = write_beside(self.file, list(small_events()))
        self.stream, self.sidecar = self.file.read_bytes(), self.beside.read_bytes()
        self.ending = decode(self.sidecar[-ENDING.size :], len(self.sidecar))
        with objref.open(self.file) as image:
            self.asked, self.truth = questions(image), answers(image)

    def wrong(self, asked: dict[str, Any] | None = None, access: str = "auto") -> list[str]:
        return deceived(self.file, asked or self.asked, self.truth, access)

    def some(self, dice: random.Random, n: int) -> dict[str, Any]:
        return {name: self.asked[name] for name in dice.sample(sorted(self.asked), n)}


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return Pair(tmp_path_factory.mktemp("damage"))


def flipped(data: bytes, at: int, pattern: int) -> bytes:
    damaged = bytearray(data)
    damaged[at] ^= pattern
    return bytes(damaged)


def fresh(pair: Pair, tmp_path: Path) -> Pair:
    """A copy that may be damaged."""
    for path in (pair.file, pair.beside):
        shutil.copy2(path, tmp_path)
    copy = Pair.__new__(Pair)
    copy.__dict__ |= pair.__dict__ | {"file": tmp_path / pair.file.name, "beside": tmp_path / pair.beside.name}
    return copy


def test_lmdb_alone_does_crash(tmp_path: Path) -> None:
    """Why the checks are there: an old bug report's flip, a leaf whose count of entries is a lie. Without this the
    other tests would prove little."""
    path = tmp_path / "x.mdb"
    with lmdb.open(str(path), subdir=False, lock=False) as env, env.begin(write=True) as txn:
        for i in range(50):
            txn.put(b"%05d" % i, b"v" * 40)
    data = path.read_bytes()

    def read(damaged: bytes) -> None:
        path.write_bytes(damaged)
        with lmdb.open(str(path), subdir=False, lock=False, readonly=True) as env, env.begin() as txn:
            for i in range(50):
                txn.get(b"%05d" % i)
            list(txn.cursor())

    ends = {in_child(lambda: read(data[:8192]))}
    dice = random.Random(SEED)
    ends |= {in_child(lambda: read(flipped(data, dice.randrange(8192, len(data)), 0xFF))) for _ in range(25)}
    assert any(end & 0x7F for end in ends), "LMDB survived: a signal was expected"


def test_every_byte_of_the_tree_is_compared(pair: Pair) -> None:
    length = pair.ending.tree
    with objref.open(pair.file) as image:
        checks = memoryview(image.container.table("tree checks")).cast("Q")  # as stored, on little-endian machines
    for at in range(length):
        with pytest.raises(objref.IntegrityError, match="tree, offset 0"):
            check_tree(Held(flipped(pair.sidecar, at, 1 << at % 8)), length, checks, DEFAULT)  # type: ignore[arg-type]


class Held(BytesSource):
    """Bytes that were just written to a file."""

    def fileno(self) -> int:
        return 0


def test_no_damaged_byte_of_the_tree_reaches_lmdb(pair: Pair, tmp_path: Path) -> None:
    """The question about a key ends in an error, and what needs no key is not disturbed."""
    here, dice = fresh(pair, tmp_path), random.Random(SEED)
    key, row = here.asked["0/item[11]"], here.asked["kinds"]

    def damage() -> None:
        for at in dice.sample(range(here.ending.tree), 500):
            here.beside.write_bytes(flipped(here.sidecar, at, dice.randrange(1, 256)))
            with objref.open(here.file) as image:
                assert row(image) == here.truth["kinds"]
                with pytest.raises(objref.IntegrityError, match=r"tree, offset 0: .*objref index"):
                    key(image)

    assert in_child(damage) == 0


def test_bytes_behind_the_tree(pair: Pair, tmp_path: Path) -> None:
    here, dice = fresh(pair, tmp_path), random.Random(SEED)
    start, end = here.ending.tree + HEAD, len(here.sidecar)
    places = [*range(start - HEAD, start - HEAD + 64), *dice.sample(range(start - HEAD, start), 40)]
    places += [*dice.sample(range(start, end - 256), 800), *range(end - 256, end)]

    def damage() -> None:
        for at in places:
            here.beside.write_bytes(flipped(here.sidecar, at, dice.randrange(1, 256)))
            assert not (wrong := here.wrong(here.some(dice, 5))), (at, wrong)

    assert in_child(damage) == 0


def test_here_and_there_with_every_question(pair: Pair, tmp_path: Path) -> None:
    here, dice = fresh(pair, tmp_path), random.Random(SEED)

    def damage() -> None:
        for _ in range(120):
            here.beside.write_bytes(flipped(here.sidecar, dice.randrange(len(here.sidecar)), dice.randrange(1, 256)))
            assert not (wrong := here.wrong(access=dice.choice(("map", "pread")))), wrong

    assert in_child(damage) == 0


def test_cut_anywhere(pair: Pair, tmp_path: Path) -> None:
    here = fresh(pair, tmp_path)

    def cut() -> None:
        length, dice = len(here.sidecar), random.Random(SEED)
        near = {*range(length - 1000, length), *range(here.ending.tree, here.ending.tree + 100), *range(200)}
        for size in sorted(near | {*dice.sample(range(length), 1000)}, reverse=True):
            os.truncate(here.beside, size)
            with pytest.raises(objref.FormatError, match=r"small\.objref-index: .*objref index"):
                objref.open(here.file)

    assert in_child(cut) == 0


def test_something_behind_the_end(pair: Pair, tmp_path: Path) -> None:
    here = fresh(pair, tmp_path)
    for more in (b"\0", b"x" * 5000, here.sidecar):
        here.beside.write_bytes(here.sidecar + more)
        if more != here.sidecar:
            with pytest.raises(objref.FormatError, match="torn, or no sidecar"):
                objref.open(here.file)
        else:
            with pytest.raises(objref.FormatError, match="it should have"):
                objref.open(here.file)


def test_every_byte_of_the_stream(pair: Pair, tmp_path: Path) -> None:
    """One flipped byte of the stream: what does not touch it may still be answered, and nothing is answered wrongly."""
    here, dice = fresh(pair, tmp_path), random.Random(SEED)

    def damage() -> None:
        for at in dice.sample(range(len(here.stream)), 400):
            here.file.write_bytes(flipped(here.stream, at, dice.randrange(1, 256)))
            assert not (wrong := here.wrong(access=dice.choice(("map", "pread")))), (at, wrong)

    assert in_child(damage) == 0


def test_blocks_of_the_sidecar_exchanged(pair: Pair, tmp_path: Path) -> None:
    here, dice = fresh(pair, tmp_path), random.Random(SEED)

    def damage() -> None:
        for _ in range(200):
            data, length = bytearray(here.sidecar), dice.choice((1, 8, 128, 4096))
            a, b = (dice.randrange(len(data) - length) for _ in range(2))
            data[a : a + length], data[b : b + length] = data[b : b + length], data[a : a + length]
            here.beside.write_bytes(data[: len(here.sidecar)])
            assert not (wrong := here.wrong(here.some(dice, 20))), wrong

    assert in_child(damage) == 0
