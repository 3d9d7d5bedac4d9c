"""A temporary file without a name, and columns that continue in it. Needs numpy."""

from __future__ import annotations

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

import numpy as np
import numpy.typing as npt

from objref_index.build_columns import Growing
from objref_index.columns import Word

__all__ = ["ROWS", "Scratch", "Stored", "Stretch"]

AnyArray = npt.NDArray[Any]

ROWS = 1 << 20
"""Rows that are in memory at once."""


class Scratch:
    """A file of mode 0600 in `folder` that has no name, so that it goes with the process. Mutable; made at its first
    use. `failed` makes the exception to raise from what the system said."""

    def __init__(self, folder: str, failed: Callable[[OSError], Exception]) -> None:
        self.folder = folder
        self.length = 0
        self._failed = failed
        self._file: BinaryIO | None = None

    def append(self, data: bytes | memoryview) -> int:
        """Keep these bytes; returns where they are."""
        at, view = self.length, memoryview(data).cast("B")
        try:
            if self._file is None:
                import tempfile

                self._file = cast(BinaryIO, tempfile.TemporaryFile(dir=self.folder, buffering=0))  # noqa: SIM115
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._failed(error) from None
        self.length = at + memoryview(data).nbytes
        return at

    def read_into(self, target: AnyArray, at: int) -> None:
        """Fill an array with the bytes from there on."""
        assert self._file is not None  # for mypy: something was kept
        view = target.view(np.uint8).data
        try:
            while view:
                n = os.preadv(self._file.fileno(), [view], at)
                if not n:
                    raise OSError(5, "the temporary file has become shorter")
                view, at = view[n:], at + n
        except OSError as error:
            raise self._failed(error) from None

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            self._file.close()


class Stretch:
    """A column: the last values in memory, those before them in the file after a `flush`. Mutable."""

    __slots__ = ("_ends", "_places", "_scratch", "dtype", "tail")

    def __init__(self, scratch: Scratch, word: Word) -> None:
        self._scratch = scratch
        self.tail = Growing(word)
        """Those in memory."""
        self.dtype = self.tail.take().dtype
        self._ends: list[int] = []
        """Rows up to the end of each piece in the file."""
        self._places: list[int] = []

    @property
    def count(self) -> int:
        """Values so far."""
        return (self._ends[-1] if self._ends else 0) + self.tail.count

    @property
    def held(self) -> int:
        """Bytes in memory."""
        return self.tail.count * self.dtype.itemsize

    def extend(self, values: Any) -> None:
        """Append a sequence of integers, or an array."""
        self.tail.extend(values)

    def spread(self, value: Any, n: int) -> None:
        """Append n times the same value, or an array of n values."""
        self.tail.spread(value, n)

    def flush(self) -> None:
        """What is in memory goes to the file."""
        if self.tail.count:
            count = self.count
            self._places.append(self._scratch.append(self.tail.release().tobytes()))
            self._ends.append(count)

    def read(self, start: int, stop: int) -> AnyArray:
        """Rows start…stop-1, as an array of the caller's."""
        rows, at = np.empty(stop - start, self.dtype), start
        i = bisect_right(self._ends, start)
        while at < stop and i < len(self._ends):
            first = self._ends[i - 1] if i else 0
            part = rows[at - start : min(stop, self._ends[i]) - start]
            self._scratch.read_into(part, self._places[i] + (at - first) * self.dtype.itemsize)
            at, i = at + len(part), i + 1
        if at < stop:
            before = self._ends[-1] if self._ends else 0
            rows[at - start :] = self.tail.take()[at - before : stop - before]
        return rows

    def chunks(self) -> Iterator[AnyArray]:
        """All rows, some at a time."""
        for start in range(0, self.count, ROWS):
            yield self.read(start, min(start + ROWS, self.count))


class Stored:
    """The bytes of a column as a table holds them, little-endian: a length, and slices of it."""

    def __init__(self, column: Stretch) -> None:
        self._column = column

    def __len__(self) -> int:
        return self._column.count * self._column.dtype.itemsize

    def __getitem__(self, part: slice) -> bytes:
        start, stop, _ = part.indices(len(self))
        size = self._column.dtype.itemsize
        first = start // size
        rows = self._column.read(first, -(-max(stop, start) // size))
        if sys.byteorder == "big":
            rows.byteswap(inplace=True)
        return rows.tobytes()[start - first * size : stop - first * size]
