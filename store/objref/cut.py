"""What crosses the border of a set of objects, and what that means for a restore."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, overload

from objref.object import Reference
from objref_index import Edge
from objref_index.cut import Edges
from objref_index.references import DANGLING_BIT

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["MEANING", "Crossing", "Cut", "References"]

MEANING = {
    ("leaving", "H"): "needed: cannot be restored without it, or without a replacement",
    ("leaving", "K"): "a part that is left behind: restored without it, it is incomplete",
    ("leaving", "O"): "one exists because of the other: what belongs together is taken apart",
    ("leaving", "S"): "may be missing: restored without it, or with what is there then",
    (
        "entering",
        "H",
    ): "shared: the other side needs it too; restored apart, there are two that know nothing of each other",
    ("entering", "K"): "a part of something that is left behind",
    ("entering", "O"): "one exists because of the other: what belongs together is taken apart",
    ("entering", "S"): "mentioned by something that is left behind, which may miss it",
}
"""What a reference across a cut means for a restore: (way, strength) -> text."""
UNKNOWN = "a strength that this version does not know"


class References(Sequence[Reference]):
    """References of an image, each made when asked for. `edges` has them as columns."""

    __slots__ = ("_forward", "_image", "edges")

    def __init__(self, image: Image, forward: bool, found: Edges) -> None:
        self._image = image
        self._forward = forward
        self.edges = found

    def __len__(self) -> int:
        return len(self.edges.members)

    @overload
    def __getitem__(self, i: int) -> Reference: ...
    @overload
    def __getitem__(self, i: slice) -> References: ...
    def __getitem__(self, i: int | slice) -> Reference | References:
        if isinstance(i, slice):
            return References(self._image, self._forward, Edges(*(column[i] for column in self.edges)))
        member, role, other = (column[i] for column in self.edges)
        if not self._forward:
            return Reference(self._image, Edge(role, other, member))
        if other & DANGLING_BIT:
            return Reference(self._image, Edge(role, member, None, other ^ DANGLING_BIT))
        return Reference(self._image, Edge(role, member, other))

    def __repr__(self) -> str:
        return f"<{len(self)} references>"


class Crossing(NamedTuple):
    """The references of one role that cross a cut in one way, and what they mean for a restore."""

    way: Literal["leaving", "entering"]
    role: str
    strength: str
    number: int
    meaning: str


class Cut(NamedTuple):
    """What crosses the border of a set of objects. References to nothing are `Closure.dangling()`."""

    leaving: References
    """From members to objects outside."""
    entering: References
    """From objects outside to members."""

    def summary(self) -> list[Crossing]:
        """By way and role: those without which a restore fails come first, the most frequent among them."""
        rows = [*_crossings("leaving", self.leaving), *_crossings("entering", self.entering)]
        return sorted(
            rows, key=lambda row: (row.way != "leaving", f"HKO{row.strength}".index(row.strength), -row.number)
        )


def _crossings(way: Literal["leaving", "entering"], references: References) -> Iterator[Crossing]:
    from collections import Counter

    for number, count in Counter(references.edges.roles).items():
        role = references._image.role(number)
        yield Crossing(way, role.name, role.strength, count, MEANING.get((way, role.strength), UNKNOWN))
