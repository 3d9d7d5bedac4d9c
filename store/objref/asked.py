"""The keys that a batch asks for: an array of u64 where they are numbers, else a list. Needs numpy."""

from __future__ import annotations

from array import array
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from objref.errors import UsageError
from objref.gathering import U64
from objref_index import FORM_BYTES

if TYPE_CHECKING:
    from objref.space import Space

__all__ = ["Asked"]


class Asked:
    """Keys in the order of the batch."""

    def __init__(self, space: Space, keys: Iterable[Any], missing: str) -> None:
        if missing not in ("error", "empty"):
            raise UsageError(f'missing must be "error" or "empty", not {missing!r}')
        if isinstance(keys, str | bytes) or not isinstance(keys, Iterable):
            raise UsageError(f"several keys of space {space.name!r} are wanted, not {keys!r}")
        self._space = space
        self._strict = missing == "error"
        given = keys if isinstance(keys, np.ndarray) else list(keys)
        self.numbers = None if space.form == FORM_BYTES else _numbers(given)
        """None if they are names, or some are no u64."""
        self._listed: list[Any] = []
        if self.numbers is None:  # maybe as they are written, such as "3/4"; or such as can be nowhere: -1
            self._listed = [space.plain(key) for key in (given if isinstance(given, list) else given.tolist())]
            self.numbers = None if space.form == FORM_BYTES else _numbers(self._listed)

    def __len__(self) -> int:
        return len(self._listed if self.numbers is None else self.numbers)

    def ordinals(self, places: list[int]) -> list[int]:
        """Of the keys at these places of the batch; -1 of what is not there, if that is no error."""
        keys = [self._listed[i] for i in places] if self.numbers is None else self.numbers[places].tolist()
        found = [self._space.find(key) for key in keys]
        absent = [key for key, ordinal in zip(keys, found, strict=True) if ordinal < 0]
        if absent and self._strict:
            raise self._space.missing(absent, len(self))
        return found


def _numbers(keys: npt.NDArray[Any] | list[Any]) -> U64 | None:
    if isinstance(keys, list):
        try:
            return np.asarray(array("Q", keys))
        except (TypeError, OverflowError):
            return None
    if keys.ndim != 1:
        raise UsageError(f"keys are an array of one dimension, not of {keys.ndim}")
    if keys.dtype.kind == "u" or (keys.dtype.kind == "i" and not (keys < 0).any()):
        return np.ascontiguousarray(keys, np.uint64)
    return None
