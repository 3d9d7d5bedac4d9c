"""head ‖ FILE ‖ rest as one source: a container whose longest part lies in another file."""

from __future__ import annotations

from objref.container.source import PreadSource, Source
from objref.errors import FormatError, TruncatedError
from objref.sidecar.layout import ENDING, HEAD, Ending

__all__ = ["SplicedSource"]


class SplicedSource:
    """Random access to the whole. Nothing that a reader asks for lies in two parts. `counted`: `beside`, counted."""

    def __init__(self, file: Source, beside: PreadSource, ending: Ending, counted: Source | None = None) -> None:
        self.file = file
        self.beside = beside
        self._counted = counted or beside
        self.ending = ending
        self.name = file.name
        self._tree = ending.tree
        self._rest = HEAD + ending.file
        self.length = self._rest + ending.length - ending.tree - HEAD - ENDING.size

    def read(self, offset: int, length: int) -> bytes | memoryview:
        end = offset + length
        if offset >= self._rest:
            if end > self.length:
                raise TruncatedError(f"{self.beside.name}: bytes {offset}…{end} wanted, {self.length} are there")
            return self._counted.read(self._tree + HEAD + offset - self._rest, length)
        if end <= HEAD:
            return self._counted.read(self._tree + offset, length)
        if offset < HEAD or end > self._rest:
            raise FormatError(f"{self.beside.name}: bytes {offset}…{end} lie in two files (S2)")
        return self.file.read(offset - HEAD, length)

    def close(self) -> None:
        self.file.close()
        self.beside.close()
