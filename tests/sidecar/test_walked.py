"""A tree walked without LMDB: LMDB's own answers, from as few MiB as there are pages on the way, and no damage hurts."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import lmdb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sidecar.making import write_beside
from samples import small_events
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container.source import BytesSource
from objref.sidecar.layout import CHECKED
from objref.sidecar.parts import Parts
from objref_index.tree.layout import KEY, VALUE
from objref_index.tree.walked import FEW, Walked, can_walk

pytestmark = pytest.mark.skipif(not can_walk(), reason="this machine has trees that only LMDB can read")
SEED = 20261124
KEYS = st.lists(st.binary(min_size=1, max_size=14), unique=True, max_size=400)


class DamagedError(Exception):
    """What a reader raises."""


class Tree(NamedTuple):
    """A data file that LMDB wrote, and what is in it."""

    data: bytes
    page_size: int
    pairs: dict[bytes, bytes]

    def walked(self, read: Callable[[int, int], bytes | memoryview] | None = None) -> Walked:
        return Walked(len(self.data), self.page_size, read or self.read, DamagedError)

    def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]


def tree_of(folder: str | Path, pairs: dict[bytes, bytes]) -> Tree:
    path = Path(folder) / "tree"
    newest = {"lib_version": 0} if hasattr(lmdb.Environment, "lib_version") else {}
    with lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=1 << 28, **newest) as env:
        with env.begin(write=True) as txn, txn.cursor() as cursor:
            cursor.putmulti(sorted(pairs.items()), append=True)
        size = env.stat()["psize"]
        length = (env.info()["last_pgno"] + 1) * size
    return Tree(path.read_bytes()[:length], size, pairs)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Tree:
    """Three levels, some MiB."""
    keys = np.random.default_rng(SEED).integers(0, 1 << 63, 150_000).tolist()
    return tree_of(tmp_path_factory.mktemp("walked"), {KEY.pack(1, k): VALUE.pack(k, k, i, 1) for i, k in enumerate(keys)})


@given(keys=KEYS, asked=st.lists(st.binary(max_size=15), max_size=30))
@settings(max_examples=60, deadline=None)
def test_any_keys_are_found_and_no_others(keys: list[bytes], asked: list[bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = tree_of(folder, {key: VALUE.pack(i, 0, 0, 1) for i, key in enumerate(keys)})
    walked = tree.walked()
    assert walked.count == len(keys)
    for key in [*keys, *asked]:
        assert walked.get(key) == tree.pairs.get(key)


def test_a_deep_tree(large: Tree) -> None:
    walked, dice = large.walked(), random.Random(SEED)
    for key in dice.sample(sorted(large.pairs), 500):
        assert walked.get(key) == large.pairs[key]
        assert walked.get(key[:-1]) is None
        assert walked.get(key + b"\0") is None
    assert walked.get(b"") is walked.get(b"\xff" * 10) is None


def test_a_question_reads_the_mib_on_its_way_and_no_others(large: Tree) -> None:
    whole = len(large.data)
    checks = [xxh3(large.data[at : at + CHECKED]) for at in range(0, whole, CHECKED)]
    assert len(checks) > 5
    for key in random.Random(SEED).sample(sorted(large.pairs), 20):
        seen: set[int] = set()
        parts = Parts(BytesSource(large.data), whole, memoryview(np.array(checks, "<u8")), DamagedError)  # type: ignore[arg-type]

        def read(offset: int, length: int, seen: set[int] = seen, parts: Parts = parts) -> memoryview:
            seen.add(offset // CHECKED)
            return parts.read(offset, length)

        assert large.walked(read).get(key) == large.pairs[key]
        assert len(seen) <= 4
        for number in range(len(checks)):
            damaged = bytearray(large.data)
            damaged[number * CHECKED + 100] ^= 1
            parts = Parts(BytesSource(damaged), whole, memoryview(np.array(checks, "<u8")), DamagedError)  # type: ignore[arg-type]
            if number in seen:
                with pytest.raises(DamagedError, match=f"tree, offset {number * CHECKED}: checksum"):
                    large.walked(parts.read).get(key)
            else:
                assert large.walked(parts.read).get(key) == large.pairs[key]


def test_whatever_a_forger_writes_ends_in_an_answer_or_an_error(large: Tree) -> None:
    """Without checks: no other exception, no circle, nothing read that is not there."""
    dice, keys = random.Random(SEED), sorted(large.pairs)
    root = large.walked()._root * large.page_size
    errors = 0
    for _ in range(3000):
        start = dice.choice((0, large.page_size, 2 * large.page_size))
        patched = {start + dice.randrange(200): dice.randrange(256), root + dice.randrange(64): dice.randrange(256)}

        def read(offset: int, length: int, patched: dict[int, int] = patched) -> bytes:
            data = bytearray(large.read(offset, length))
            for at, value in patched.items():
                if offset <= at < offset + length:
                    data[at - offset] = value
            return bytes(data)

        try:
            large.walked(read).get(dice.choice(keys))
        except DamagedError:
            errors += 1
    assert errors > 100


def test_pages_that_lead_in_circles(large: Tree) -> None:
    walked = large.walked()
    page = bytearray(large.read(walked._root * large.page_size, large.page_size))
    count = (int.from_bytes(page[12:14], "little") - 16) // 2
    for i in range(count):
        node = int.from_bytes(page[16 + 2 * i : 18 + 2 * i], "little")
        page[node : node + 6] = walked._root.to_bytes(6, "little")

    def read(offset: int, length: int) -> bytes:
        return bytes(page) if offset == walked._root * large.page_size else large.read(offset, length)

    with pytest.raises(DamagedError, match="circles"):
        large.walked(read).get(sorted(large.pairs)[5])


@pytest.mark.parametrize("access", ["pread", "map"])
def test_who_asks_more_has_the_whole_tree_compared(tmp_path: Path, access: str) -> None:
    """The first questions of a reader with pread are walked, the others are LMDB's; all have the same answer."""
    path = tmp_path / "small"
    write_beside(path, list(small_events()))
    with objref.open(path, access=access) as image:
        key = next(iter(image["item"]))
    with objref.open(path, access=access) as image:
        whole = []
        for _ in range(FEW + 2):
            found = image.object(f"item:{key}")
            assert (found.objref, found.bytes) == (f"item:{key}", image["item"][key])
            whole.append(image.container._tree is not None)  # type: ignore[attr-defined]
    assert whole == sorted(whole)
    assert whole[0] == (access == "map")
    assert whole[-1]


def test_a_tree_of_another_length_is_refused_at_the_first_question(tmp_path: Path) -> None:
    path = tmp_path / "small"
    write_beside(path, list(small_events()))
    with objref.open(path, access="pread") as image:
        container = image.container
        container._ending = container._ending._replace(entries=1)  # type: ignore[attr-defined]
        with pytest.raises(objref.IntegrityError, match=r"expected 1 \(S9\); run `objref index"):
            image.object("item:11")
