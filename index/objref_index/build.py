"""Building the index: columns in, tables out. Needs numpy.

`Columns` takes batches as they come (no Python object for each record) and keeps them as arrays; `build` turns keys
into key tables and named references into ordinals. Memory: about 26 bytes an object and 17 bytes a reference, and
while the tables are made about twice as much (bench/memory.py): columns are let go of as soon as a table has their
content.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from objref_index.build_columns import Growing
from objref_index.build_keys import build_byte_keys, build_int_keys
from objref_index.keys import KeyShape
from objref_index.references import DANGLING_BIT

__all__ = ["RESOLVED", "Columns", "Index", "SpaceTables", "alias_space", "ordinals_of", "resolve"]

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
AnyArray = npt.NDArray[Any]

STRIDE = 1 << 16
RESOLVED = 0xFFFF
"""In place of a kind: the key of a reference's target is the ordinal itself."""


class SpaceTables(NamedTuple):
    """A key table, ready to store. Tables are little-endian arrays by name."""

    kind: int
    layer: int
    alias: bool
    shape: KeyShape
    tables: dict[str, AnyArray]


class Index(NamedTuple):
    """All tables of an image."""

    spaces: list[SpaceTables]
    tables: dict[str, AnyArray]
    objects: int
    references: int
    dangling: int
    counts: dict[int, tuple[int, int]]
    """kind -> (objects, bytes)"""


class Columns:
    """What an import learns, as columns. Mutable; one writer."""

    def __init__(self) -> None:
        self.keys = Growing("Q")
        self.where = Growing("Q")
        self.what = Growing("Q")
        self.layer = Growing("H")
        self.source = Growing("I")
        self.role = Growing("B")
        self.target_kind = Growing("H")
        self.target_layer = Growing("H")
        self.target_key = Growing("Q")
        self.extents = Growing("Q")
        self.names: dict[int, list[bytes]] = {}
        self.aliases: dict[tuple[int, int], tuple[Growing, Growing]] = {}
        """(kind, layer) -> (keys, ordinals): further keys of objects, in a space of their own."""

    @property
    def objects(self) -> int:
        """Objects so far: the next ordinal."""
        return self.keys.count

    def add(self, layer: Any, keys: Any, where: Any, what: Any) -> int:
        """Append objects, all of one layer or each of its own; returns the ordinal of the first."""
        first = self.keys.count
        self.keys.extend(keys)
        self.where.extend(where)
        self.what.extend(what)
        self.layer.spread(layer, self.keys.count - first)
        return first

    def refer(self, source: Any, role: Any, layer: Any, kind: Any, key: Any) -> None:
        """Append references, from ordinals to keys of spaces (layer, kind), or to ordinals (kind RESOLVED)."""
        before = self.source.count
        self.source.extend(source)
        self.role.extend(role)
        self.target_kind.extend(kind)
        self.target_key.extend(key)
        self.target_layer.spread(layer, self.source.count - before)

    def alias(self, kind: int, layer: int, keys: Any, ordinals: Any) -> None:
        """Append further keys of objects, in space (layer, kind): keys[i] names object ordinals[i]."""
        pair = self.aliases.setdefault((kind, layer), (Growing("Q"), Growing("I")))
        pair[0].extend(keys)
        pair[1].extend(ordinals)

    def relayer(self, mapping: list[int]) -> None:
        """Replace the provisional layer numbers: layer i becomes mapping[i]."""
        table = np.asarray(mapping, "<u2")
        for column in (self.layer, self.target_layer):
            values = column.take()
            values[:] = table[values]
        aliases, self.aliases = self.aliases, {}
        for (kind, layer), (keys, ordinals) in aliases.items():
            self.alias(kind, mapping[layer], keys.release(), ordinals.release())

    def retarget(self, layer: int, kinds: tuple[int, ...], to: int) -> None:
        """References in a layer to any of these kinds mean kind `to`."""
        kind, in_layer = self.target_kind.take(), self.target_layer.take() == layer
        kind[in_layer & np.isin(kind, np.asarray(kinds, kind.dtype))] = to

    def forget(self, layer: int, kind: int, keys: tuple[int, ...] | None) -> None:
        """Drop the references in a layer to these keys of a kind, or to all of that kind."""
        gone = (self.target_layer.take() == layer) & (self.target_kind.take() == kind)
        if keys is not None:
            gone &= np.isin(self.target_key.take(), np.asarray(keys, np.uint64))
        for column in (self.source, self.role, self.target_kind, self.target_layer, self.target_key):
            column.keep(~gone)

    def drop(self, kind: int, key: int) -> int:
        """Drop the references to keys of this kind from `key` on; returns how many."""
        gone = (self.target_kind.take() == kind) & (self.target_key.take() >= np.uint64(key))
        for column in (self.source, self.role, self.target_kind, self.target_layer, self.target_key):
            column.keep(~gone)
        return int(np.count_nonzero(gone))

    def build(self, byte_kinds: frozenset[int] = frozenset()) -> Index:
        """All tables; the columns are empty afterwards. Keys of kinds in `byte_kinds` are places in `names[kind]`."""
        what, references = self.what.release(), self.source.count
        kind, objects = (what >> np.uint64(48)).astype("<u2"), len(what)
        spaces = [*self._own_spaces(kind, byte_kinds), *self._alias_spaces()]
        counts = _count(kind, what)
        tables = {"objects": _interleave(self.where.release(), what)}
        del kind, what
        if self.extents.count:
            tables["extents"] = self.extents.release()
        edges = self._references(objects, spaces) if references else {}
        return Index(spaces, tables | edges, objects, references, len(edges.get("dangling", ())) // 2, counts)

    def _own_spaces(self, kind: AnyArray, byte_kinds: frozenset[int]) -> Iterator[SpaceTables]:
        keys, layer = self.keys.release(), self.layer.release()
        for (space_layer, space_kind), members in _groups(layer, kind):
            if space_kind in byte_kinds:
                names = self.names[space_kind]
                shape, tables = build_byte_keys([names[k] for k in keys[members].tolist()], members)
            else:
                shape, tables = build_int_keys(keys[members], members)
            yield SpaceTables(space_kind, space_layer, False, shape, tables)

    def _alias_spaces(self) -> Iterator[SpaceTables]:
        aliases, self.aliases = self.aliases, {}
        for (kind, layer), (keys, ordinals) in sorted(aliases.items(), key=lambda item: item[0][::-1]):
            yield alias_space(kind, layer, keys.release(), ordinals.release())

    def _references(self, objects: int, spaces: list[SpaceTables]) -> dict[str, AnyArray]:
        columns = (self.source, self.role, self.target_layer, self.target_kind, self.target_key)
        source, role, layer, kind, key = _by_first(columns)
        target = resolve(layer, kind, key, spaces)
        lost, live = (np.flatnonzero(mask).astype("<u4") for mask in (target < 0, target >= 0))
        dangling = _dangling(lost, layer, kind, key)
        del layer, kind, key
        back = live[np.argsort(target[live], kind="stable")]
        tables = {
            "reference ends": _ends(source, objects),
            "targets": target.view("u4"),
            "roles": role,
            "referrer ends": _ends(target[live], objects),
            "sources": source[back],
            "source roles": role[back],
            "dangling": dangling,
        }
        tables["targets"][lost] = DANGLING_BIT + np.arange(len(lost), dtype="u4")
        return tables


def alias_space(kind: int, layer: int, keys: U64, ordinals: U32) -> SpaceTables:
    """The space of further keys."""
    if not np.all(ordinals[1:] >= ordinals[:-1]):
        order = np.argsort(ordinals, kind="stable")
        keys, ordinals = keys[order], ordinals[order]
    return SpaceTables(kind, layer, True, *build_int_keys(keys, ordinals))


def _by_first(columns: tuple[Growing, ...]) -> list[AnyArray]:
    """Columns in ascending order of the first, which they often are: then nothing is copied."""
    first = columns[0].take()
    if np.all(first[1:] >= first[:-1]):
        return [column.release() for column in columns]
    order = np.argsort(first, kind="stable").astype("<u4")
    del first
    return [column.release()[order] for column in columns]


def _dangling(lost: U32, layer: AnyArray, kind: AnyArray, key: U64) -> AnyArray:
    """Rows for the references at these places."""
    rows = np.empty((len(lost), 2), "<u8")
    for at in range(0, len(lost), STRIDE):  # all at once would take as much again
        some = lost[at : at + STRIDE]
        rows[at : at + STRIDE, 0] = key[some]
        rows[at : at + STRIDE, 1] = kind[some].astype("<u8") | layer[some].astype("<u8") << np.uint64(16)
    return rows.reshape(-1)


def _interleave(a: AnyArray, b: AnyArray) -> AnyArray:
    """a[0], b[0], a[1], b[1], …"""
    both = np.empty(2 * len(a), "<u8")
    both[0::2], both[1::2] = a, b
    return both


def _ends(owners: AnyArray, objects: int) -> AnyArray:
    """objects + 1 running counts."""
    ends = np.zeros(objects + 1, "<u4")
    np.cumsum(np.bincount(owners, minlength=objects), out=ends[1:])
    return ends


def _groups(layer: AnyArray, kind: AnyArray) -> Iterator[tuple[tuple[int, int], U32]]:
    """((layer, kind), ordinals of its objects ascending), by layer, then kind."""
    if not len(kind):
        return
    kinds = int(kind.max()) + 1
    small = (int(layer.max()) + 1) * kinds <= 1 << 16  # 16 bits are sorted by radix
    code = layer.astype("<u2" if small else "<u4") * np.asarray(kinds, "<u2" if small else "<u4")
    code += kind
    order = np.argsort(code, kind="stable").astype("<u4")
    code = code[order]
    cuts = np.flatnonzero(code[1:] != code[:-1]) + 1
    for members in np.split(order, cuts):
        first = int(members[0])
        yield (int(layer[first]), int(kind[first])), members


def _count(kind: AnyArray, what: AnyArray) -> dict[int, tuple[int, int]]:
    length = (what & np.uint64((1 << 48) - 1)).astype("<f8")
    objects, sizes = np.bincount(kind), np.bincount(kind, weights=length)
    return {k: (int(objects[k]), int(sizes[k])) for k in np.flatnonzero(objects).tolist()}


def resolve(layer: AnyArray, kind: AnyArray, key: U64, spaces: list[SpaceTables]) -> npt.NDArray[np.int32]:
    """Ordinal of each named target, -1 where there is none. (Ordinals are below 2^31.)"""
    known = {(s.layer, s.kind): s for s in spaces}
    target = np.full(len(key), -1, np.int32)
    resolved = kind == RESOLVED
    if resolved.any():
        target[resolved] = key[resolved]
        if (rest := ~resolved).any():
            target[rest] = resolve(layer[rest], kind[rest], key[rest], spaces)
        return target
    for (space_layer, space_kind), members in _groups(layer, kind):
        space = known.get((space_layer, space_kind))
        if space is not None and "ends" not in space.tables:
            target[members] = _lookup(space, key[members])
    return target


def _lookup(space: SpaceTables, wanted: U64) -> npt.NDArray[np.int32]:
    shape, n = space.shape, space.shape.keys
    if shape.run:
        place = (wanted - np.uint64(shape.base)).astype(np.int64)
        hit = (wanted >= np.uint64(shape.base)) & (wanted - np.uint64(shape.base) < np.uint64(n))
    else:
        keys = space.tables["keys"]
        place = np.searchsorted(keys, wanted, side="left")
        hit = np.zeros(len(wanted), bool)
        inside = place < n
        hit[inside] = keys[place[inside]] == wanted[inside]
    found = np.full(len(wanted), -1, np.int32)
    found[hit] = ordinals_of(space, place[hit].astype(np.int64))
    return found


def ordinals_of(space: SpaceTables, place: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Ordinals of the objects at these places in key order."""
    if "order" in space.tables:
        place = space.tables["order"][place].astype(np.int64)
    if space.shape.first is not None:
        return place + space.shape.first
    return space.tables["ordinals"][place].astype(np.int64)
