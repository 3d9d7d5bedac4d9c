"""References between objects, forward and backward, as arrays (docs/format.md, section 9)."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from objref_index.columns import Column

__all__ = ["DANGLING_BIT", "Dangling", "Edge", "ReferenceTable"]

DANGLING_BIT = 1 << 31


class Edge(NamedTuple):
    """A reference: `role` is a number of the roles array, the ends are ordinals. `target` is None when dangling."""

    role: int
    source: int
    target: int | None
    dangling: int = 0


class Dangling(NamedTuple):
    """What a dangling reference names."""

    key: int
    kind: int
    layer: int


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

    def _span(self, name: str, ordinal: int, count: int) -> tuple[int, int]:
        ends = self._columns.get(name)
        if ends is None:
            return 0, 0
        start, end = ends[ordinal], ends[ordinal + 1]
        if not start <= end <= count:
            raise self._damage(f"{name} of object {ordinal} are {start}…{end} of {count}")
        return start, end

    def of(self, ordinal: int) -> Iterator[Edge]:
        """References from an object, in the order of its fields."""
        start, end = self._span("reference ends", ordinal, len(self._columns.get("targets", ())))
        for i in range(start, end):
            yield self._edge(ordinal, self._columns["roles"][i], self._columns["targets"][i])

    def _edge(self, source: int, role: int, target: int) -> Edge:
        if target & DANGLING_BIT:
            return Edge(role, source, None, target ^ DANGLING_BIT)
        if target >= self.objects:
            raise self._damage(f"object {source} refers to object {target} of {self.objects}")
        return Edge(role, source, target)

    def to(self, ordinal: int) -> Iterator[Edge]:
        """References to an object, by ordinal of what refers to it."""
        start, end = self._span("referrer ends", ordinal, len(self._columns.get("sources", ())))
        for i in range(start, end):
            source = self._columns["sources"][i]
            if source >= self.objects:
                raise self._damage(f"object {ordinal} is referred to by object {source} of {self.objects}")
            yield Edge(self._columns["source roles"][i], source, ordinal)

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
