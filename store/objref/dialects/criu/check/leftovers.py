"""Image files that nothing in the dump leads to: left over from another one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import HOLDERS, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["look_for_leftovers"]


def look_for_leftovers(image: Image, tick: Tick) -> Iterator[Found]:
    """Of dumps; to a pre-dump nothing of its own folder leads."""
    for layer in layers_of(image, tick):
        if not layer.has("task"):
            continue
        for kind in HOLDERS:
            for key in layer.keys(kind):
                if not layer.matters(kind, key):
                    what = "stale-ghost" if kind == "ghost" else "stale"
                    yield Found(what, layer.name(kind, key), "nothing in the dump leads to it")
