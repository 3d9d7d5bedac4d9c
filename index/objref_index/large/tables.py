"""The tables of an index from columns in a file: those that build.py makes, some rows at a time. Needs numpy.

In memory are the kind of each object, the keys of one space while it is made, what references are resolved by (no table
where keys are a run), and how many references each object has: 10 to 40 bytes an object.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from objref_index.build import Columns, Index, SpaceTables, alias_space, resolve
from objref_index.build_keys import build_byte_keys, build_int_keys
from objref_index.columns import Word
from objref_index.large.ordered import Ordered
from objref_index.large.scratch import ROWS, Scratch, Stored, Stretch
from objref_index.references import DANGLING_BIT

if TYPE_CHECKING:
    from objref_index.large.columns import LargeColumns

__all__ = ["LargeTables"]

AnyArray = npt.NDArray[Any]
OBJECTS = ("objects", "extents")
ORDER = (
    *OBJECTS, "reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling"
)  # fmt: skip
"""Tables in the order of build.py, so that the same image is the same file."""
LENGTH = np.uint64((1 << 48) - 1)
SEARCHED = ("keys", "order", "ordinals", "ends")
"""Tables of a space that references are resolved by."""


class LargeTables:
    """One index in the making. Mutable; used once."""

    def __init__(self, columns: LargeColumns, byte_kinds: frozenset[int]) -> None:
        self._columns = columns
        self._scratch: Scratch = columns.scratch
        self._byte_kinds = byte_kinds
        self._objects = columns.objects
        self._tables: dict[str, Any] = {}
        self._open: dict[str, Stretch] = {}
        self._counts: dict[int, tuple[int, int]] = {}

    def index(self) -> Index:
        """All tables."""
        spaces = [*self._spaces(self._object_table()), *self._alias_spaces()]
        if self._columns.extents.count:
            self._tables["extents"] = self._columns.extents.release()
        references, dangling = self._references(spaces) if self._columns.references else (0, 0)
        names = ORDER if references else OBJECTS
        tables = {name: self._tables[name] for name in names if name in self._tables}
        return Index(spaces, tables, self._objects, references, dangling, self._counts)

    def _put(self, name: str, word: Word, values: AnyArray) -> None:
        """Append to a table."""
        column = self._open.get(name)
        if column is None:
            column = self._open[name] = Stretch(self._scratch, word)
            self._tables[name] = Stored(column)
        column.extend(values)
        column.flush()

    # -- objects and keys ----------------------------------------------------------------------------------

    def _object_table(self) -> AnyArray:
        """Writes it; returns layer << 16 | kind of each object."""
        spaces = np.empty(self._objects, np.uint32)
        for start, part in self._parts(self._objects, objects=True):
            where, what = part.where.take(), part.what.take()
            kind = (what >> np.uint64(48)).astype(np.uint32)
            spaces[start : start + len(kind)] = part.layer.take().astype(np.uint32) << np.uint32(16) | kind
            rows = np.empty(2 * len(kind), np.uint64)
            rows[0::2], rows[1::2] = where, what
            self._put("objects", "Q", rows)
            self._count(kind, what)
        return spaces

    def _parts(self, count: int, objects: bool) -> Iterator[tuple[int, Columns]]:
        for start in range(0, count, ROWS):
            rows = start, min(start + ROWS, count)
            yield start, self._columns.part(rows, (0, 0)) if objects else self._columns.part((0, 0), rows)

    def _count(self, kind: AnyArray, what: AnyArray) -> None:
        objects, sizes = np.bincount(kind), np.bincount(kind, weights=(what & LENGTH).astype(np.float64))
        for k in np.flatnonzero(objects).tolist():
            before = self._counts.get(k, (0, 0))
            self._counts[k] = before[0] + int(objects[k]), before[1] + int(sizes[k])
        self._counts = dict(sorted(self._counts.items()))

    def _spaces(self, spaces: AnyArray) -> Iterator[SpaceTables]:
        """Of each layer and kind, the key tables."""
        for space in _distinct(spaces):
            members = np.concatenate([
                (np.flatnonzero(spaces[at : at + ROWS] == space) + at).astype(np.uint32)
                for at in range(0, len(spaces), ROWS)
            ])  # fmt: skip
            keys, kind, layer = self._keys(members), space & 0xFFFF, space >> 16
            if kind in self._byte_kinds:
                names = self._columns.names[kind]
                shape, tables = build_byte_keys([names[k] for k in keys.tolist()], members)
            else:
                shape, tables = build_int_keys(keys, members)
            del keys, members
            yield SpaceTables(kind, layer, False, shape, self._kept(tables))

    def _keys(self, members: AnyArray) -> AnyArray:
        """The keys of these objects."""
        keys, done = np.empty(len(members), np.uint64), 0
        for start in range(0, self._objects, ROWS):
            stop = min(start + ROWS, self._objects)
            some = members[done : np.searchsorted(members, stop)] - np.uint32(start)
            if len(some):
                keys[done : done + len(some)] = self._columns.keys(start, stop)[some]
                done += len(some)
        return keys

    def _alias_spaces(self) -> Iterator[SpaceTables]:
        for (kind, layer), pairs in self._columns.aliases():
            keys, ordinals = (
                np.concatenate([pair[i].read(0, pair[i].count) for pair in pairs]) for i in (0, 1)
            )  # fmt: skip
            space = alias_space(kind, layer, keys, ordinals)
            yield space._replace(tables=self._kept(space.tables))

    def _kept(self, tables: dict[str, AnyArray]) -> dict[str, Any]:
        """The tables of a space: what nobody searches in leaves the memory."""
        return {name: data if name in SEARCHED else self._moved(data) for name, data in tables.items()}

    def _moved(self, data: AnyArray) -> Any:
        words: dict[tuple[str, int], Word] = {("u", 8): "Q", ("u", 4): "I", ("u", 2): "H", ("u", 1): "B"}
        column = Stretch(self._scratch, words[data.dtype.kind, data.dtype.itemsize])
        column.extend(data)
        column.flush()
        return Stored(column)

    # -- references ----------------------------------------------------------------------------------------

    def _references(self, spaces: list[SpaceTables]) -> tuple[int, int]:
        """Writes their tables; returns how many there are, and how many of them dangle."""
        back = Ordered(self._scratch, ("I", "I", "B"), self._objects)
        counts, lost = np.zeros(self._objects + 1, np.uint32), 0
        self._tables["reference ends"] = counts
        for source, role, layer, kind, key in self._by_source().chunks():
            _count_into(counts, source)
            target = resolve(layer, kind, key, spaces)
            live, gone = np.flatnonzero(target >= 0), np.flatnonzero(target < 0)
            targets = target.view(np.uint32)
            back.put(targets[live], source[live], role[live])
            targets[gone] = np.arange(DANGLING_BIT + lost, DANGLING_BIT + lost + len(gone), dtype=np.uint32)
            self._put("targets", "I", targets)
            self._put("roles", "B", role)
            self._put("dangling", "Q", _dangling(key[gone], kind[gone], layer[gone]))
            lost += len(gone)
        np.cumsum(counts, out=counts, dtype=np.uint32)
        self._referrers(back)
        return int(counts[-1]), lost

    def _by_source(self) -> Ordered:
        ordered = Ordered(self._scratch, ("I", "B", "H", "H", "Q"), self._objects)
        for _, part in self._parts(self._columns.references, objects=False):
            ordered.put(*(
                column.take()
                for column in (part.source, part.role, part.target_layer, part.target_kind, part.target_key)
            ))  # fmt: skip
        return ordered

    def _referrers(self, back: Ordered) -> None:
        counts = np.zeros(self._objects + 1, np.uint32)
        self._tables["referrer ends"] = counts
        for target, source, role in back.chunks():
            _count_into(counts, target)
            self._put("sources", "I", source)
            self._put("source roles", "B", role)
        np.cumsum(counts, out=counts, dtype=np.uint32)


def _distinct(values: AnyArray) -> list[int]:
    found: set[int] = set()
    for at in range(0, len(values), ROWS):
        found.update(np.unique(values[at : at + ROWS]).tolist())
    return sorted(found)


def _count_into(counts: AnyArray, owners: AnyArray) -> None:
    """One more for the entry behind each owner's."""
    which, times = np.unique(owners, return_counts=True)
    counts[which + np.uint32(1)] += times.astype(np.uint32)


def _dangling(key: AnyArray, kind: AnyArray, layer: AnyArray) -> AnyArray:
    rows = np.empty(2 * len(key), np.uint64)
    rows[0::2] = key
    rows[1::2] = kind.astype(np.uint64) | layer.astype(np.uint64) << np.uint64(16)
    return rows
