"""What an import learns, as columns that go to a temporary file when there is too much of it. Needs numpy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from objref_index.build import Columns, Index
from objref_index.build_columns import Growing
from objref_index.columns import Word
from objref_index.large.scratch import ROWS, Scratch, Stretch

__all__ = ["ROOM", "LargeColumns"]

ROOM = 96 << 20
"""Bytes of columns in memory: 1 M objects with three references each take 78 MB."""

LOOK = 1 << 16
"""Rows after which it is looked how much is in memory."""

OBJECTS: dict[str, Word] = {"keys": "Q", "where": "Q", "what": "Q", "layer": "H"}
REFERENCES: dict[str, Word] = {"source": "I", "role": "B", "target_layer": "H", "target_kind": "H", "target_key": "Q"}
"""Columns, as those of `Columns` are called."""


class LargeColumns:
    """Takes what `Columns` takes, and makes the same tables of it. Mutable; one writer.

    As long as all fits into `room` bytes it is a `Columns` in the end, too.
    """

    def __init__(self, scratch: Scratch, room: int = ROOM) -> None:
        self.scratch = scratch
        self._room = room
        self._objects = {name: Stretch(scratch, word) for name, word in OBJECTS.items()}
        self._references = {name: Stretch(scratch, word) for name, word in REFERENCES.items()}
        self._aliases: dict[tuple[int, int], tuple[Stretch, Stretch]] = {}
        self._late: list[Callable[[Columns], Any]] = []
        """What is done to the columns in the end, in this order."""
        self._added = 0
        self.extents = Growing("Q")
        self.names: dict[int, list[bytes]] = {}

    @property
    def objects(self) -> int:
        """Objects so far: the next ordinal."""
        return self._objects["keys"].count

    @property
    def references(self) -> int:
        """References so far, also those that will be forgotten."""
        return self._references["source"].count

    def add(self, layer: Any, keys: Any, where: Any, what: Any) -> int:
        """Append objects, all of one layer or each of its own; returns the ordinal of the first."""
        first, columns = self.objects, self._objects
        columns["keys"].extend(keys)
        columns["where"].extend(where)
        columns["what"].extend(what)
        columns["layer"].spread(layer, self.objects - first)
        self._make_room(self.objects - first)
        return first

    def refer(self, source: Any, role: Any, layer: Any, kind: Any, key: Any) -> None:
        """Append references, from ordinals to keys of spaces (layer, kind)."""
        before, columns = self.references, self._references
        columns["source"].extend(source)
        columns["role"].extend(role)
        columns["target_kind"].extend(kind)
        columns["target_key"].extend(key)
        columns["target_layer"].spread(layer, self.references - before)
        self._make_room(self.references - before)

    def alias(self, kind: int, layer: int, keys: Any, ordinals: Any) -> None:
        """Append further keys of objects, in a space of their own."""
        pair = self._aliases.get((kind, layer))
        if pair is None:
            pair = self._aliases[kind, layer] = Stretch(self.scratch, "Q"), Stretch(self.scratch, "I")
        pair[0].extend(keys)
        pair[1].extend(ordinals)
        self._make_room(len(keys))

    def relayer(self, mapping: list[int]) -> None:
        """Replace the provisional layer numbers: layer i becomes mapping[i]."""
        self._late.append(partial(Columns.relayer, mapping=mapping))

    def retarget(self, layer: int, kinds: tuple[int, ...], to: int) -> None:
        """References in a layer to any of these kinds mean kind `to`."""
        self._late.append(partial(Columns.retarget, layer=layer, kinds=kinds, to=to))

    def forget(self, layer: int, kind: int, keys: tuple[int, ...] | None) -> None:
        """Drop the references in a layer to these keys of a kind, or to all of that kind."""
        self._late.append(partial(Columns.forget, layer=layer, kind=kind, keys=keys))

    def drop(self, kind: int, key: int) -> int:
        """Drop the references to keys of this kind from `key` on; returns how many."""
        ends = range(0, self.references, ROWS)
        gone = sum(self.part((0, 0), (at, min(at + ROWS, self.references))).drop(kind, key) for at in ends)
        self._late.append(partial(Columns.drop, kind=kind, key=key))
        return gone

    def build(self, byte_kinds: frozenset[int] = frozenset()) -> Index:
        """All tables. Keys of kinds in `byte_kinds` are places in `names[kind]`."""
        if not self.scratch.length:
            return self._whole().build(byte_kinds)
        from objref_index.large.tables import LargeTables

        return LargeTables(self, byte_kinds).index()

    def keys(self, start: int, stop: int) -> npt.NDArray[np.uint64]:
        """Keys of the objects start…stop-1."""
        return self._objects["keys"].read(start, stop)

    def part(self, objects: tuple[int, int], references: tuple[int, int]) -> Columns:
        """These rows, start…stop-1, with all that is done to them in the end."""
        part = Columns()
        for columns, (start, stop) in ((self._objects, objects), (self._references, references)):
            for name, column in columns.items():
                getattr(part, name).extend(column.read(start, stop))
        return self._changed(part)

    def aliases(self) -> Iterator[tuple[tuple[int, int], list[tuple[Stretch, Stretch]]]]:
        """((kind, layer), the pairs of columns that are its keys and ordinals), with the numbers that layers get."""
        found: dict[tuple[int, int], list[tuple[Stretch, Stretch]]] = {}
        for (kind, layer), pair in self._aliases.items():
            one = Columns()
            one.alias(kind, layer, (), ())
            (final,) = self._changed(one).aliases
            found.setdefault(final, []).append(pair)
        return iter(sorted(found.items(), key=lambda item: item[0][::-1]))

    def _changed(self, columns: Columns) -> Columns:
        for change in self._late:
            change(columns)
        return columns

    def _whole(self) -> Columns:
        """All of it, not copied."""
        whole = Columns()
        for name, column in (self._objects | self._references).items():
            setattr(whole, name, column.tail)
        whole.names, whole.extents = self.names, self.extents
        whole.aliases = {space: (keys.tail, ordinals.tail) for space, (keys, ordinals) in self._aliases.items()}
        self._objects.clear()
        self._references.clear()
        self._aliases.clear()
        return self._changed(whole)

    def _make_room(self, added: int) -> None:
        """Now and then: is there too much in memory?"""
        self._added += added
        if self._added < LOOK:
            return
        self._added = 0
        columns = [*self._objects.values(), *self._references.values()]
        columns += (column for pair in self._aliases.values() for column in pair)
        if sum(column.held for column in columns) > self._room:
            for column in columns:
                column.flush()
