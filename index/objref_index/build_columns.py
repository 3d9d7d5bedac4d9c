"""Columns that grow while an image is read. Needs numpy."""

from __future__ import annotations

from array import array
from typing import Any

import numpy as np
import numpy.typing as npt

from objref_index.columns import Word

__all__ = ["Growing"]

AnyArray = npt.NDArray[Any]


class Growing:
    """A growing column: one flat array, so a million single objects cost what a batch of a million costs."""

    __slots__ = ("_data", "_dtype")

    def __init__(self, word: Word) -> None:
        self._data = array(word)
        self._dtype = np.dtype(f"=u{self._data.itemsize}")

    @property
    def count(self) -> int:
        """Values so far."""
        return len(self._data)

    def extend(self, values: Any) -> None:
        """Append a sequence of integers, or an array."""
        if isinstance(values, np.ndarray):
            self._data.frombytes(values.astype(self._dtype, copy=False).tobytes())
        else:
            self._data.extend(values)

    def spread(self, value: Any, n: int) -> None:
        """Append n times the same value, or an array of n values."""
        if isinstance(value, np.ndarray):
            self.extend(value)
        else:
            self._data.extend(array(self._data.typecode, [value]) * n)

    def keep(self, mask: AnyArray) -> None:
        """Only the values where the mask is true stay."""
        self.extend(self.release()[mask])

    def take(self) -> AnyArray:
        """The whole column as one array that may be changed in place; the column does not grow while it is in use."""
        return np.frombuffer(self._data, self._dtype) if self._data else np.zeros(0, self._dtype)

    def release(self) -> AnyArray:
        """The whole column; from here on it is empty, and its memory is the caller's."""
        whole = self.take()
        self._data = array(self._data.typecode)
        return whole
