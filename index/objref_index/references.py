"""References between objects, forward and backward, as arrays (docs/format.md, section 9)."""

from __future__ import annotations

from objref_index.columns import Column
from objref_index.named import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["DANGLING_BIT", "Dangling", "Edge", "ReferenceTable", "Side"]

DANGLING_BIT = 1 << 31
NOTHING = Column(lambda k: b"", "I", 0)


class Edge(NamedTuple):
    """A reference: `role` is a number of the roles array, the ends are ordinals. `target` is None when dangling."""

    role: int
    source: int
    target: int | None
    dangling: int = 0


_edge = Edge._make
"""Hot path: no look at the names of the fields."""


class Dangling(NamedTuple):
    """What a dangling reference names."""

    key: int
    kind: int
    layer: int


class Side(NamedTuple):
    """The references seen from one of their ends: those of object i are entries ends[i]…ends[i+1]-1 of `roles` and
    `others`, which are the other ends as they are stored (with DANGLING_BIT when there is none)."""

    forward: bool
    ends: Column
    roles: Column
    others: Column
    objects: int
    damage: Callable[[str], Exception]

    def span(self, ordinal: int) -> tuple[int, int]:
        """First entry of an object, and the one behind its last."""
        start, end = self.ends[ordinal], self.ends[ordinal + 1]
        if not start <= end <= self.others.count:
            raise self.wrong_span(ordinal, start, end)
        return start, end

    def wrong_span(self, ordinal: int, start: int, end: int) -> Exception:
        """What is wrong with such entries."""
        name = "reference ends" if self.forward else "referrer ends"
        return self.damage(f"{name} of object {ordinal} are {start}…{end} of {self.others.count}")

    def wrong_end(self, ordinal: int, other: int) -> Exception:
        """What is wrong with such another end."""
        how = "refers to" if self.forward else "is referred to by"
        return self.damage(f"object {ordinal} {how} object {other} of {self.objects}")

    def overlapping(self) -> Exception:
        """What is wrong when different objects have more references together than there are."""
        name = "reference ends" if self.forward else "referrer ends"
        return self.damage(f"{name}: objects share references, {self.others.count} are too few")


class ReferenceTable:
    """Forward and backward references of `objects` objects."""

    __slots__ = ("_columns", "_damage", "objects")

    def __init__(self, columns: dict[str, Column], objects: int, damage: Callable[[str], Exception]) -> None:
        self._columns = columns
        self._damage = damage
        self.objects = objects
        for name in ("reference ends", "referrer ends"):
            if name in columns and len(columns[name]) != objects + 1:
                raise damage(f"table {name} has {len(columns[name])} entries, expected {objects + 1}")
        for name, roles in (("targets", "roles"), ("sources", "source roles")):
            if len(columns.get(name, ())) != len(columns.get(roles, ())):
                raise damage(f"tables {name} and {roles} differ in length")

    def side(self, forward: bool) -> Side | None:
        """The references from objects, or those to objects; None when the image has none at all."""
        names = ("reference ends", "roles", "targets") if forward else ("referrer ends", "source roles", "sources")
        ends, roles, others = map(self._columns.get, names)
        if ends is None:
            return None
        return Side(forward, ends, roles or NOTHING, others or NOTHING, self.objects, self._damage)

    def of(self, ordinal: int) -> Iterator[Edge]:
        """References from an object, in the order of its fields."""
        side = self.side(True)
        if side is None:
            return
        for i in range(*side.span(ordinal)):
            role, target = side.roles[i], side.others[i]
            if target & DANGLING_BIT:
                yield _edge((role, ordinal, None, target ^ DANGLING_BIT))
            elif target < self.objects:
                yield _edge((role, ordinal, target, 0))
            else:
                raise side.wrong_end(ordinal, target)

    def to(self, ordinal: int) -> Iterator[Edge]:
        """References to an object, by ordinal of what refers to it."""
        side = self.side(False)
        if side is None:
            return
        for i in range(*side.span(ordinal)):
            source = side.others[i]
            if source >= self.objects:
                raise side.wrong_end(ordinal, source)
            yield _edge((side.roles[i], source, ordinal, 0))

    def dangling(self, i: int) -> Dangling:
        """What the i-th dangling reference names."""
        words = self._columns.get("dangling")
        if words is None or 2 * i + 1 >= words.count:
            raise self._damage(f"dangling reference {i} is not in its table")
        packed = words[2 * i + 1]
        return Dangling(words[2 * i], packed & 0xFFFF, packed >> 16 & 0xFFFF)

    @property
    def dangling_count(self) -> int:
        """How many references lead to nothing in the image."""
        words = self._columns.get("dangling")
        return words.count // 2 if words is not None else 0
