"""Objects that are in doubt: framed by a length that nothing has confirmed yet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from objref.dialects.dobriyan.kinds import KIND
from objref.dialects.dobriyan.layouts import Layout, padded
from objref.dialects.events import Note, Part, Run, Whole

__all__ = ["DOUBTS_MAX", "Doubt", "Passing", "settle"]

DOUBTS_MAX = 4096
"""Objects in doubt at a time, some hundred bytes of memory each. After that the walk ends."""


class Doubt(NamedTuple):
    """An object that is an object if the next one is. `layout` None: unknown, `why` says so."""

    position: int
    token: int
    layout: Layout | None
    why: str


class Passing:
    """An object in doubt whose bytes pass by. Mutable."""

    def __init__(self, doubt: Doubt, length: int) -> None:
        self.doubt = doubt
        self.length = length
        self.left = length
        self._padding = padded(length) - length

    @property
    def done(self) -> bool:
        """Whether it and its padding are there."""
        return not (self.left or self._padding)

    def take(self, buffer: bytes, at: int) -> Run:
        """What of it is in the buffer."""
        body = min(self.left, len(buffer) - at)
        padding = min(self._padding, len(buffer) - at - body)
        self.left -= body
        self._padding -= padding
        data = buffer[at : at + body + padding]
        if self.doubt.layout is not None and any(data[body:]):
            self.doubt = self.doubt._replace(layout=None, why=f"{self.doubt.layout.name}: its padding is not zero")
        return Run("unknown", data, (Part(self.doubt.token, 0, body),) if body else ())


def settle(doubt: Doubt) -> Iterator[Whole | Note]:
    """What follows has confirmed it."""
    kind = "unknown" if doubt.layout is None else doubt.layout.kind
    yield Whole(KIND[kind], 0, doubt.position, doubt.token, merge=False)
    if doubt.why:
        yield Note("unknown", f"pos:{doubt.position:#x}", f"{doubt.why}: kept as it is")
