"""Objects by name, as far as a damaged index still knows them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from objref.errors import ObjrefError

__all__ = ["NAMED", "name_of", "names_of"]

NAMED = 10
"""Objects that a finding names."""


def name_of(image: Any, ordinal: int) -> str:
    """The objref of an object, or its ordinal where its keys are damaged, too."""
    try:
        return str(image.objref(ordinal, image.object_table.row(ordinal).kind))
    except ObjrefError:
        return f"#{ordinal}"


def names_of(image: Any, ordinals: Iterable[int]) -> tuple[str, ...]:
    """Of the first few."""
    return tuple(name_of(image, int(ordinal)) for ordinal, _ in zip(ordinals, range(NAMED), strict=False))
