"""A run of keys in a mapped file has a path of its own: it is a dict all the same, wherever the run begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from samples import ITEM, u64, write_events

import objref
from objref.dialects import events as ev
from objref.direct import NEAR, DirectSpace
from objref_index.core import native

COUNT = 600
"""More than two stripes of keys, and a part of one."""
TEXTS = [b"item %d;" % i + b"." * (i % 7) for i in range(COUNT)]
BASES = (0, 1, 10, 255, NEAR, NEAR + 1, 1 << 40, (1 << 64) - COUNT)


def written(folder: Path, base: int) -> Path:
    starts = [sum(map(len, TEXTS[:i])) for i in range(COUNT)]
    run = ev.Run("items", b"".join(TEXTS))
    keys = range(base, base + COUNT)
    objects = ev.Objects(ITEM, 0, u64(*keys), u64(*starts), u64(*map(len, TEXTS)))
    write_events(folder / "run.objref", [run, objects], objref.Options(codec="raw"))
    return folder / "run.objref"


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("backwards", [False, True])
def test_every_key_of_a_run_and_none_beside_it(base: int, backwards: bool, tmp_path: Path) -> None:
    with objref.open(written(tmp_path, base), access="map") as image:
        items: Any = image["item"]
        assert isinstance(items, DirectSpace) == (base <= NEAR or native() is not None)
        numbers = range(COUNT - 1, -1, -1) if backwards else range(COUNT)
        assert [items[base + i] for i in numbers] == [TEXTS[i] for i in numbers]
        assert [items[base + i] for i in numbers] == [TEXTS[i] for i in numbers]
        for missing in {base - 1, base + COUNT, base // 2 - 1, -1, -base - 1, 2 * base + 2 * COUNT, -(1 << 70), 1 << 70}:
            with pytest.raises(KeyError):
                items[missing]


@pytest.mark.parametrize("kind", [np.uint8, np.int8, np.int64, bool])
def test_numbers_that_wrap_around_are_not_added_to_themselves(kind: Any, tmp_path: Path) -> None:
    with objref.open(written(tmp_path, 1), access="map") as image:
        items: Any = image["item"]
        assert items[kind(1)] == items[1] == TEXTS[0]
        largest = kind(100)
        assert items[largest] == TEXTS[int(largest) - 1]
