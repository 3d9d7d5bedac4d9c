"""References as a tree for reading: from an object outwards, each object opened out once, loops marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

from objref.graph import role_numbers
from objref.object import Object, Reference
from objref_index import Edge

if TYPE_CHECKING:
    from objref.image import Image

__all__ = ["Branch", "Mark", "branches"]

Mark = Literal["", "loop", "above", "dangling"]
"""loop: leads back to an object that this one hangs from, or to itself; above: that object was opened out before;
dangling: it is not in the image."""


class Branch(NamedTuple):
    """A reference in a tree. `lasts`: whether it and what it hangs from, outermost first, are the last of theirs."""

    reference: Reference
    other: Object | None
    """The end that is further out; None when it dangles."""
    objref: str
    mark: Mark
    lasts: tuple[bool, ...]

    @property
    def depth(self) -> int:
        """1 for references of the object that was asked for."""
        return len(self.lasts)


def branches(
    root: Object, *, reverse: bool = False, depth: int = 1, roles: Iterable[str] | None = None
) -> Iterator[Branch]:
    """References from an object (`reverse`: to it), from the objects at their ends, and so on `depth` times.

    roles   names of the only roles that are shown; NotFoundError for one that there is not

    Depth first, in the order of fields. Memory: an entry for each object that was opened out.
    """
    image = root._image
    numbers = None if roles is None else role_numbers(image, roles)
    opened, path = {root.ordinal}, {root.ordinal: None}  # the path is a dict for its order
    open_ends = [_look_ahead(_edges(image, root.ordinal, reverse, numbers))]
    lasts: list[bool] = []
    while open_ends:
        step = next(open_ends[-1], None)
        if step is None:
            open_ends.pop()
            path.popitem()
            del lasts[-1:]
            continue
        edge, last = step
        other = edge.source if reverse else edge.target
        yield _branch(image, edge, other, _mark(other, path, opened), (*lasts, last))
        if other is not None and other not in opened and len(open_ends) < depth:
            opened.add(other)
            path[other] = None
            lasts.append(last)
            open_ends.append(_look_ahead(_edges(image, other, reverse, numbers)))


def _edges(image: Image, ordinal: int, reverse: bool, roles: frozenset[int] | None) -> Iterator[Edge]:
    table = image.reference_table
    return (e for e in (table.to(ordinal) if reverse else table.of(ordinal)) if roles is None or e.role in roles)


def _look_ahead(edges: Iterator[Edge]) -> Iterator[tuple[Edge, bool]]:
    """Each, and whether it is the last."""
    held = next(edges, None)
    while held is not None:
        following = next(edges, None)
        yield held, following is None
        held = following


def _mark(other: int | None, path: dict[int, None], opened: set[int]) -> Mark:
    if other is None:
        return "dangling"
    if other in opened:
        return "loop" if other in path else "above"
    return ""


def _branch(image: Image, edge: Edge, other: int | None, mark: Mark, lasts: tuple[bool, ...]) -> Branch:
    reference = Reference(image, edge)
    found = None if other is None else image.by_ordinal(other)
    return Branch(reference, found, reference.target_objref if found is None else found.objref, mark, lasts)
