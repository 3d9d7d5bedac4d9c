"""How an item of an image file gets its key: from its place, the name of the file, or a field (kinds.FileKind)."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy.typing as npt

    from objref.dialects.criu.columns import Columns

__all__ = ["PAIR_HIGH", "ItemKeys"]

PAIR_HIGH = 32
PAIR_LOW = (1 << PAIR_HIGH) - 1
KEY_MASK = (1 << 64) - 1


class ItemKeys:
    """Keys by one rule, in the file whose name has this number."""

    __slots__ = ("_fixed", "_high", "_mask", "_places", "of", "path")

    def __init__(self, rule: str, number: int) -> None:
        pair = rule.startswith("name/")
        field = rule.removeprefix("name/")
        self._high = number << PAIR_HIGH if pair else 0
        self._mask = PAIR_LOW if pair else KEY_MASK
        self._places = field == "index"
        self._fixed = {"zero": 0, "name": number}.get(field)
        self.path = "" if self._places or self._fixed is not None else field
        """Of the field that is read; empty when it is none."""
        self.of = self._rule()
        """(message, place in the file) -> key"""

    def _rule(self) -> Callable[[Any, int], int]:
        high, mask, fixed = self._high, self._mask, self._fixed
        if fixed is not None:
            return lambda message, place: fixed
        if self._places:
            return lambda message, place: high | place
        get = attrgetter(self.path)
        return lambda message, place: high | get(message) & mask

    def column(self, columns: Columns, places: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """The keys of messages in columns, which have these places in the file; one number when all have the same."""
        import numpy as np

        if self._fixed is not None:
            return np.asarray(self._fixed, np.uint64)
        values = places if self._places else columns.value(self.path)
        return values.astype(np.uint64) & np.uint64(self._mask) | np.uint64(self._high)
