"""Columns that outgrow memory give the tables that those in memory give; what they leave behind, and a full disk."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objref_index.build import Columns, Index
from objref_index.large import AnyColumns, LargeColumns, Scratch, columns, ordered, scratch, tables

KEYS = (0, 1, 2, 3, 1000, 1 << 40, (1 << 64) - 1)
KINDS, LAYERS, NAMED = 4, 3, 3


@pytest.fixture
def aside(tmp_path: Path) -> Iterator[Scratch]:
    made = scratch_in(tmp_path)
    yield made
    made.close()


def scratch_in(folder: Path) -> Scratch:
    return Scratch(os.fspath(folder), lambda error: RuntimeError(f"no room: {error.strerror}"))


@pytest.fixture(autouse=True)
def few_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is too much."""
    for module in (scratch, columns, tables, ordered):
        if hasattr(module, "ROWS"):
            monkeypatch.setattr(module, "ROWS", 5)
    monkeypatch.setattr(columns, "LOOK", 4)
    monkeypatch.setattr(ordered, "SORTED", 6)
    monkeypatch.setattr(ordered, "ROOM", 64)
    monkeypatch.setattr(ordered, "FAN", 3)


@st.composite
def stories(draw: st.DrawFn) -> Callable[[AnyColumns], None]:
    """What an import tells columns; the same each time it is told."""
    seed, shape = draw(st.integers(0, 1 << 32)), draw(st.sampled_from(["run", "any", "few"]))
    objects, edges = draw(st.integers(1, 60)), draw(st.integers(0, 90))
    late = draw(st.permutations(["relayer", "retarget", "forget", "forget all"]))[: draw(st.integers(0, 4))]
    backwards, hub = draw(st.booleans()), draw(st.booleans())

    def tell(into: AnyColumns) -> None:
        random = Random(seed)
        into.names = {NAMED: []}
        told = 0
        while told < objects:
            n = min(random.randrange(1, 9), objects - told)
            layer, kind = random.randrange(LAYERS), random.randrange(KINDS)
            keys = [told + i if shape == "run" else random.choice(KEYS) if shape == "few" else random.getrandbits(64)
                    for i in range(n)]  # fmt: skip
            if kind == NAMED:
                into.names[NAMED] += [random.randbytes(2) for _ in range(n)]
                keys = list(range(len(into.names[NAMED]) - n, len(into.names[NAMED])))
            what = np.array([kind << 48 | random.randrange(99) for _ in range(n)], np.uint64)
            into.add(layer, np.array(keys, np.uint64), np.arange(told, told + n, dtype=np.uint64), what)
            if kind == 0:
                into.alias(9, layer, keys, range(told, told + n))
            told += n
        for i in range(edges):
            source = random.randrange(objects) if backwards else i * objects // edges
            key = 1 if hub else random.choice((*KEYS, random.randrange(objects)))
            into.refer([source], [random.randrange(5)], random.randrange(LAYERS), [random.randrange(KINDS)], [key])
        for change in late:
            if change == "relayer":
                into.relayer([2, 0, 0])
            elif change == "retarget":
                into.retarget(1, (1, 2), 0)
            else:
                into.forget(0, 1, None if change == "forget all" else (1, 2, 3))
        into.extents.extend([1, 2, 3])

    return tell


def plain(index: Index) -> Any:
    """All of it in values that can be compared."""

    def content(table: Any) -> bytes:
        return table.tobytes() if isinstance(table, np.ndarray) else table[: len(table)]

    spaces = [(*space[:4], {name: content(table) for name, table in space.tables.items()}) for space in index.spaces]
    made = [(name, content(table)) for name, table in index.tables.items() if len(table)]
    return spaces, made, index.objects, index.references, index.dangling, index.counts


@settings(deadline=None, max_examples=250)
@given(tell=stories(), room=st.sampled_from([0, 200, 1 << 20]))
def test_the_same_tables(tmp_path_factory: pytest.TempPathFactory, tell: Callable[[AnyColumns], None], room: int) -> None:
    small, large = Columns(), LargeColumns(scratch_in(tmp_path_factory.getbasetemp()), room)
    tell(small)
    tell(large)
    byte_kinds = frozenset([NAMED])
    try:
        assert plain(large.build(byte_kinds)) == plain(small.build(byte_kinds))
    finally:
        large.scratch.close()


def test_what_is_dropped_is_counted(aside: Scratch) -> None:
    """As when a native stream is cut."""
    small, large = Columns(), LargeColumns(aside, 0)
    for into in (small, large):
        into.add(0, range(20), np.zeros(20), np.zeros(20))
        into.refer(range(20), bytes(20), 0, [0] * 20, range(10, 30))
    assert large.drop(0, 25) == small.drop(0, 25) == 5
    assert plain(large.build()) == plain(small.build())


def test_the_file_has_no_name_and_is_private(tmp_path: Path, aside: Scratch) -> None:
    aside.append(b"secret")
    assert aside._file is not None
    assert list(tmp_path.iterdir()) == []
    assert stat.S_IMODE(os.fstat(aside._file.fileno()).st_mode) == 0o600


def test_nothing_is_made_before_it_is_needed(tmp_path: Path) -> None:
    """Also not where nothing could be made."""
    large = LargeColumns(scratch_in(tmp_path / "no such folder"))
    large.add(0, range(20), np.zeros(20), np.zeros(20))
    assert large.build().objects == 20
    with pytest.raises(RuntimeError, match="no room: No such file"):
        large.scratch.append(b"x")


def test_a_full_disk(aside: Scratch) -> None:
    """/dev/full says so at every write."""
    aside._file = open("/dev/full", "r+b", buffering=0)  # noqa: SIM115
    with pytest.raises(RuntimeError, match="no room: No space left on device"):
        aside.append(b"x")
