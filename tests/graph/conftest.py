"""Thresholds that send small graphs along every path of the code."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from objref_index import cut, frontier, strides, traversal

WAYS: dict[str, dict[str, int]] = {
    "one by one": {},
    "together": {"SHORT": 0, "WIDE": 1, "NARROW": 0, "DENSE_LOG2": 9},
    "together, few of many": {"SHORT": 0, "WIDE": 1, "NARROW": 0, "DENSE_LOG2": 0, "PART": 2},
    "along chains": {"SHORT": 0, "WIDE": 99, "NARROW": 99, "OFTEN": 1, "GROUP_LOG2": 2, "STEPS": 3},
    "one after the other": {"SHORT": 2, "WIDE": 4, "NARROW": 2, "OFTEN": 2, "GROUP_LOG2": 1, "STEPS": 1},
}


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest) -> Iterator[str]:
    """One way to walk."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in WAYS[request.param].items():
            for module in (traversal, frontier, strides, cut):
                if hasattr(module, name):
                    patch.setattr(module, name, value)
        if request.param == "together, few of many":
            patch.setattr(frontier._Large, "_in_map", frontier._Large._by_sorting)
        yield request.param
