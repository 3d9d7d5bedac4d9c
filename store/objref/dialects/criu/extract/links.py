"""References of one image, followed by the names of their roles; what contradicts itself is an error with names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.kinds import MESSAGES
from objref.dialects.criu.parsing import parser
from objref.errors import FormatError
from objref_index.objects import LISTED

if TYPE_CHECKING:
    from objref.image import Image
    from objref.object import Object
    from objref_index import Edge

__all__ = ["Links"]


MAY_BE_MISSING = (("segment", "shmem"), ("replacement", "task"), ("other-end", "tty"))
"""(role, kind) of references that dangle in sound images: segments that System V IPC images hold, processes that had
ended, terminals that came from outside (docs/criu.md, 3)."""


class Links:
    """The image as a plan reads it. `layer`: the one that the tasks are in."""

    def __init__(self, image: Image, layer: int) -> None:
        self.image = image
        self.layer = layer
        self._spaces = frozenset(image.spaces())
        self._roles = {role.id: role.name for role in image.container.roles}

    # -- by key --------------------------------------------------------------------------------------------

    def find(self, kind: str, key: int | bytes) -> Object | None:
        """The only object with that key, if there is one."""
        layer = 0 if kind == "member" else self.layer
        if (layer, kind) not in self._spaces or key not in (space := self.image.space(kind, layer)):
            return None
        found = space.object(key)
        if space.claims(key) > 1:
            raise FormatError(
                f"{found.objref} and {found.objref}~2 have one id: which of them is meant, nobody can say"
            )
        return found

    def has(self, kind: str) -> bool:
        """Whether there are objects of a kind."""
        return (self.layer, kind) in self._spaces

    def key(self, found: Object) -> int:
        """The number that an object has in its space."""
        claim = self.image.space(found.kind, self.layer).claim(found.ordinal)
        if claim is None or not isinstance(claim[0], int):
            raise FormatError(f"{found.objref} has no number in layer {self.layer}")
        return claim[0]

    def name(self, kind: str, key: int | str) -> str:
        """The objref of a number, whether there is such an object or not."""
        return f"{self.layer}/{kind}:{key}" if self.layer else f"{kind}:{key}"

    # -- by role -------------------------------------------------------------------------------------------

    def of(self, found: Object, *roles: str) -> Iterator[Object]:
        """What an object refers to in one of these roles; FormatError for what is not in the image, unless it may be
        missing (see `MAY_BE_MISSING`)."""
        for edge in self.image.reference_table.of(found.ordinal):
            role = self._roles.get(edge.role, "")
            if role in roles and (target := self._target(found, role, edge)) is not None:
                yield target

    def _target(self, found: Object, role: str, edge: Edge) -> Object | None:
        if edge.target is None:
            lost = self.image.dangling_objref(edge.dangling)
            if (role, lost.rpartition("/")[2].partition(":")[0]) in MAY_BE_MISSING:
                return None
            raise FormatError(f"{found.objref} needs {lost} ({role}), which is not in the image")
        target = self.image.by_ordinal(edge.target)
        entry = self.image.space(target.kind, self.layer).entry
        if entry.keys != entry.distinct:
            self.find(target.kind, self.key(target))
        return target

    def one(self, found: Object, role: str) -> Object:
        """The one that an object refers to in this role."""
        for target in self.of(found, role):
            return target
        raise FormatError(f"{found.objref} has no {role} in the image: it cannot be restored")

    def to(self, found: Object, *roles: str) -> Iterator[Object]:
        """What refers to an object in one of these roles."""
        for edge in self.image.reference_table.to(found.ordinal):
            if self._roles.get(edge.role) in roles:
                yield self.image.by_ordinal(edge.source)

    # -- messages ------------------------------------------------------------------------------------------

    def message(self, found: Object) -> Any:
        """The message of an object; of one with a payload, without it."""
        data = b"" if not found.size else found.parts[0] if found.row.section == LISTED else found.bytes
        try:
            return parser(MESSAGES[found.kind])(data)
        except ValueError as error:
            raise FormatError(f"{found.objref} does not parse: {error}") from None
