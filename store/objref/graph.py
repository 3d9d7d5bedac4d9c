"""The graph of an image: what an object needs, what refers to it, what is cut when objects are taken apart.

docs/graph.md says which references a closure follows, and why.
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, Unpack, get_args

from objref.cut import MEANING, Cut, References
from objref.errors import LimitError, NotFoundError, UsageError
from objref.names import offered
from objref.object import Object
from objref_index.cut import Where, edges
from objref_index.traversal import Roles, Walk, reach, reach_lazily, role_set

if TYPE_CHECKING:
    from objref.image import Image
    from objref_index.components import Components

__all__ = ["MEANING", "NEEDED", "Closure", "Cut", "Direction", "References", "Roots", "closure", "role_numbers", "walk"]

Direction = Literal["needs", "forward", "reverse", "both"]
"""needs: to what objects refer to, and both ways along references of ownership (O); forward: to what they refer to;
reverse: to what refers to them; both: both."""

NEEDED = "HKO"
"""Strengths that are followed unless told otherwise: all but S, which may be missing."""

STRENGTHS = "HSKO"
OWNERSHIP = "O"

Root: TypeAlias = "str | int | Object | Closure"
Roots: TypeAlias = "Root | Iterable[Root]"


class Closure:
    """A set of objects that are reached from others. Immutable; valid as long as the image is open."""

    __slots__ = ("image", "ordinals", "roots")

    def __init__(self, image: Image, roots: tuple[int, ...], ordinals: array[int]) -> None:
        self.image = image
        """Of which they are."""
        self.roots = roots
        """Ordinals of the objects that were asked for, without repetition, in the order in which they were named."""
        self.ordinals = ordinals
        """Of all members, ascending."""

    def __len__(self) -> int:
        return len(self.ordinals)

    def __contains__(self, member: Any) -> bool:
        """Whether an object, an objref or an ordinal is in it."""
        try:
            ordinal = _ordinal(self.image, member)
        except NotFoundError:
            return False
        return self.has(ordinal)

    def has(self, ordinal: int) -> bool:
        """Whether the object with this ordinal is in it."""
        i = bisect_left(self.ordinals, ordinal)
        return i < len(self.ordinals) and self.ordinals[i] == ordinal

    def member(self, member: Any) -> int:
        """The ordinal of a member, by objref, object or ordinal. NotFoundError when it is none."""
        ordinal = _ordinal(self.image, member)
        if not self.has(ordinal):
            raise NotFoundError(f"{self.image.by_ordinal(ordinal).objref} is not one of the {len(self)} objects")
        return ordinal

    def __iter__(self) -> Iterator[Object]:
        return self.objects()

    def objects(self) -> Iterator[Object]:
        """The members in stream order."""
        return map(self.image.by_ordinal, self.ordinals)

    def kinds(self) -> dict[str, tuple[int, int]]:
        """kind -> (members, their bytes), in the dialect's order."""
        found: dict[int, tuple[int, int]] = {}
        for row in map(self.image.object_table.row, self.ordinals):
            number, size = found.get(row.kind, (0, 0))
            found[row.kind] = number + 1, size + row.length
        return {self.image.kind_name(kind): found[kind] for kind in sorted(found)}

    def references(self, strengths: str | None = None) -> References:
        """References between members, of these strengths (None: of all)."""
        return self._references(True, "inside", strengths)

    def cut(self) -> Cut:
        """References of all roles that leave the members for other objects, and those that enter."""
        return Cut(self._references(True, "outside"), self._references(False, "outside"))

    def dangling(self) -> References:
        """References of members to what is not in the image."""
        return self._references(True, "nowhere")

    def _references(self, forward: bool, where: Where, strengths: str | None = None) -> References:
        roles = None if strengths is None else role_set(_by_strength(self.image, strengths))
        return References(self.image, forward, edges(self.image.reference_table, forward, self.ordinals, where, roles))

    def components(self, strengths: str | None = NEEDED) -> Components:
        """Sets of members that lead to each other through references of these strengths (None: all), as ordinals.

        Those that are referred to come first. `.loops()` are those of more than one member.
        """
        from objref_index.components import components

        return components(self.ordinals, self.references(strengths).edges)

    def creation_order(self, strengths: str | None = NEEDED) -> array[int]:
        """All members as ordinals, targets of references before their sources; within a loop in stream order."""
        return self.components(strengths).order

    def __repr__(self) -> str:
        return f"<closure of {len(self.roots)} objects: {len(self)} of {self.image!r}>"


class Following(TypedDict, total=False):
    """How objects are followed to others."""

    direction: Direction
    """"needs" unless said otherwise."""
    roles: Iterable[str] | None
    """Names of the only roles that are followed; they may be soft."""
    without: Iterable[str]
    """Names of roles that are not followed."""
    strengths: str | None
    """Letters of those that are followed: "HKO" unless roles are named, which are followed whatever they are."""
    limit: int | None
    """Objects at most (`limits.closure`)."""


def closure(image: Image, roots: Roots, **following: Unpack[Following]) -> Closure:
    """All objects that are reached from some objects, themselves included.

    roots      objrefs, ordinals, objects, closures: one or several
    following  direction, roles, without, strengths, limit: see `Following`

    Errors: NotFoundError (no such object or role), LimitError, FormatError and its kin where the index is damaged.

    >>> needs = closure(image, "task:17")
    >>> needs.cut().summary()
    """
    start = tuple(dict.fromkeys(_ordinals(image, roots)))
    return Closure(image, start, reach(_walk(image, start, **following)))


def walk(image: Image, roots: Roots, **following: Unpack[Following]) -> Iterator[Object]:
    """The objects of a `closure` one by one, in the order in which they are met: the roots, what they lead to, …

    Nothing is read ahead, so the first are there at once whatever the size of it all.
    """
    start = tuple(dict.fromkeys(_ordinals(image, roots)))
    return map(image.by_ordinal, reach_lazily(_walk(image, start, **following)))


def _walk(
    image: Image,
    roots: Iterable[int],
    *,
    direction: str = "needs",
    roles: Iterable[str] | None = None,
    without: Iterable[str] = (),
    strengths: str | None = None,
    limit: int | None = None,
) -> Walk:
    forward, backward = _steps(image, direction, _followed(image, roles, without, strengths))
    most = image.container.limits.closure if limit is None else limit

    def too_many(found: int) -> Exception:
        return LimitError(f"a closure of {found} objects and more, limit {most}")

    return Walk(image.reference_table, roots, forward, backward, most, too_many)


def _ordinals(image: Image, roots: Any) -> Iterator[int]:
    if isinstance(roots, Closure):
        if roots.image is not image:
            raise UsageError(f"{roots!r} is of another image")
        yield from roots.ordinals
    elif isinstance(roots, str | Object) or hasattr(roots, "__index__"):
        yield _ordinal(image, roots)
    else:
        try:
            several = iter(roots)
        except TypeError:
            raise UsageError(f"what is reached from {roots!r}? Expected objrefs, objects or ordinals") from None
        for root in several:
            yield from _ordinals(image, root)


def _ordinal(image: Image, root: Any) -> int:
    if isinstance(root, Object):
        if root._image is not image:
            raise UsageError(f"{root!r} is of another image")
        return root.ordinal
    if isinstance(root, str):
        return image.object(root).ordinal
    if hasattr(root, "__index__") and 0 <= root < len(image):
        return int(root.__index__())
    return image.by_ordinal(root).ordinal


def _followed(
    image: Image, roles: Iterable[str] | None, without: Iterable[str], strengths: str | None
) -> frozenset[int]:
    named = role_numbers(image, roles) if roles is not None else _by_strength(image, strengths or NEEDED)
    if roles is not None and strengths is not None:
        named &= _by_strength(image, strengths)
    return named - role_numbers(image, without)


def _by_strength(image: Image, strengths: str) -> frozenset[int]:
    if unknown := set(strengths) - set(STRENGTHS):
        raise UsageError(f"no strength {min(unknown)!r}; there is: {', '.join(STRENGTHS)}")
    return frozenset(role.id for role in image.container.roles if role.strength in strengths)


def role_numbers(image: Image, names: Iterable[str]) -> frozenset[int]:
    """Numbers of roles by name (a name may have several). NotFoundError for one that there is not."""
    known: dict[str, list[int]] = {}
    for role in image.container.roles:
        known.setdefault(role.name, []).append(role.id)
    found: list[int] = []
    for name in [names] if isinstance(names, str) else names:
        if name not in known:
            raise _no_role(name, list(known))
        found += known[name]
    return frozenset(found)


def _no_role(name: str, known: list[str]) -> NotFoundError:
    from difflib import get_close_matches

    near = tuple(get_close_matches(name, known, 3))
    return NotFoundError(f"no role {name!r}; {offered(near, known)}", near)


def _steps(image: Image, direction: str, followed: frozenset[int]) -> tuple[Roles, Roles]:
    """Roles that are followed forward, and backward."""
    owned = followed & _by_strength(image, OWNERSHIP)
    nothing: frozenset[int] = frozenset()
    both = {
        "needs": (followed, owned),
        "forward": (followed, nothing),
        "reverse": (nothing, followed),
        "both": (followed, followed),
    }
    if direction not in both:
        raise UsageError(f"no direction {direction!r}; there is: {', '.join(get_args(Direction))}")
    forward, backward = both[direction]
    return role_set(forward), role_set(backward)
