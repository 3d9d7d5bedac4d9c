"""What the splitter remembers of the objects that it saw: where they start, their ordinals, their other keys.

About 15 bytes an object, and 20 for a reference that points forward (in real files: the signal structs of tasks).
"""

from __future__ import annotations

from array import array
from bisect import bisect_left
from collections.abc import Iterator

from objref.dialects.events import Alias, Event, Note
from objref.dialects.openvz.kinds import KINDS
from objref.dialects.openvz.references import POS

__all__ = ["Ledger", "at", "one"]


def at(position: int) -> str:
    """The objref of a position."""
    return f"pos:{position:#x}"


def one(number: int) -> array[int]:
    """A column of one value."""
    return array("Q", (number,))


class Ledger:
    """Objects by position, in ascending order. Mutable."""

    def __init__(self) -> None:
        self._starts = array("Q")
        self._kinds = array("H")
        self._ordinals = array("I")
        self._count = 0
        self._keys: dict[int, tuple[array[int], array[int]]] = {}
        self._late = (array("Q"), array("Q"), array("H"))

    # -- objects -------------------------------------------------------------------------------------------

    def enter(self, position: int, kind: int) -> int:
        """An object starts behind all that started before. Returns its number, by which it is `settled`."""
        self._starts.append(position)
        self._kinds.append(kind)
        self._ordinals.append(0)
        return len(self._starts) - 1

    def extend(self, starts: array[int], kinds: array[int], ordinals: array[int]) -> int:
        """Objects that are settled already, in ascending order. Returns the number of the first."""
        first = len(self._starts)
        self._starts.extend(starts)
        self._kinds.extend(kinds)
        self._ordinals.extend(ordinals)
        return first

    def take(self, n: int) -> int:
        """The ordinal of the first of the next n objects that are announced."""
        first = self._count
        self._count += n
        return first

    @property
    def last(self) -> int:
        """The ordinal of the object that was announced last."""
        return self._count - 1

    def settle(self, number: int, ordinal: int) -> None:
        """The ordinal of an object is known."""
        self._ordinals[number] = ordinal

    def call(self, number: int, kind: int, key: int) -> None:
        """An object has a further key."""
        keys, numbers = self._keys.setdefault(kind, (array("Q"), array("I")))
        keys.append(key)
        numbers.append(number)

    # -- positions -----------------------------------------------------------------------------------------

    def check(self, source: int, target: int, expected: int) -> Note | None:
        """Whether a position names an object of the expected kind (0: any). What lies ahead is looked at in the end."""
        if target > self._starts[-1]:
            for column, value in zip(self._late, (source, target, expected), strict=True):
                column.append(value)
            return None
        return self._judge(source, target, expected)

    def _judge(self, source: int, target: int, expected: int) -> Note | None:
        i = bisect_left(self._starts, target)
        if i < len(self._starts) and self._starts[i] == target:
            if expected in (0, self._kinds[i]):
                return None
            wanted, found = KINDS[expected].name, KINDS[self._kinds[i]].name
            return Note("wrong-kind", at(source), f"names {at(target)} as its {wanted}: a {found} stands there")
        before = f", the last start before it is {at(self._starts[i - 1])}" if i else ""
        return Note("dangling", at(source), f"names {at(target)}, where no object starts{before}")

    # -- the end -------------------------------------------------------------------------------------------

    def finish(self) -> Iterator[Event]:
        """The references that pointed forward, and all further keys."""
        for source, target, expected in zip(*self._late, strict=True):
            note = self._judge(source, target, expected)
            if note is not None:
                yield note
        if self._starts:
            yield Alias(POS, 0, self._starts, self._ordinals)
        for kind, (keys, numbers) in sorted(self._keys.items()):
            yield Alias(kind, 0, keys, array("I", (self._ordinals[i] for i in numbers)))

    def ordinal_at(self, position: int) -> int:
        """Ordinal of the object that starts there."""
        return self._ordinals[bisect_left(self._starts, position)]
