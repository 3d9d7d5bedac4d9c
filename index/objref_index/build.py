"""Building the index: columns in, tables out. Needs numpy.

`Columns` takes batches as they come (no Python object for each record) and keeps them as arrays; `build` turns keys
into key tables and named references into ordinals. Memory: about 26 bytes an object and 17 bytes a reference, twice
that while the tables are made.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from objref_index.columns import Word
from objref_index.keys import KeyShape
from objref_index.references import DANGLING_BIT

__all__ = ["Alias", "Columns", "Index", "SpaceTables", "build_byte_keys", "build_int_keys", "ordinals_of"]

U64 = npt.NDArray[np.uint64]
U32 = npt.NDArray[np.uint32]
AnyArray = npt.NDArray[Any]

RADIX_FROM = 64
"""Below this many keys a bisection over one stripe is as fast as a directory."""
KEYS_PER_BUCKET_LOG2 = 2


class SpaceTables(NamedTuple):
    """A key table, ready to store. Tables are little-endian arrays by name."""

    kind: int
    layer: int
    alias: bool
    shape: KeyShape
    tables: dict[str, AnyArray]


class Alias(NamedTuple):
    """A second key for objects: key `keys[i]` in space (layer, kind) names object `ordinals[i]`."""

    kind: int
    layer: int
    keys: U64
    ordinals: U32


class Index(NamedTuple):
    """All tables of an image."""

    spaces: list[SpaceTables]
    tables: dict[str, AnyArray]
    objects: int
    references: int
    dangling: int
    counts: dict[int, tuple[int, int]]
    """kind -> (objects, bytes)"""


class _Growing:
    """A growing column: one flat array, so a million single objects cost what a batch of a million costs."""

    __slots__ = ("_data", "_dtype")

    def __init__(self, word: Word) -> None:
        self._data = array(word)
        self._dtype = np.dtype(f"=u{self._data.itemsize}")

    @property
    def count(self) -> int:
        """Values so far."""
        return len(self._data)

    def extend(self, values: Any) -> None:
        """Append a sequence of integers, or an array."""
        if isinstance(values, np.ndarray):
            self._data.frombytes(values.astype(self._dtype, copy=False).tobytes())
        else:
            self._data.extend(values)

    def fill(self, value: int, n: int) -> None:
        """Append n times the same value."""
        self._data.extend(array(self._data.typecode, [value]) * n)

    def keep(self, mask: AnyArray) -> None:
        """Only the values where the mask is true stay."""
        kept = self.take()[mask]
        self._data = array(self._data.typecode)
        self.extend(kept)

    def take(self) -> AnyArray:
        """The whole column as one array that may be changed in place; the column does not grow while it is in use."""
        return np.frombuffer(self._data, self._dtype) if self._data else np.zeros(0, self._dtype)


class Columns:
    """What an import learns, as columns. Mutable; one writer."""

    def __init__(self) -> None:
        self.keys = _Growing("Q")
        self.where = _Growing("Q")
        self.what = _Growing("Q")
        self.layer = _Growing("H")
        self.source = _Growing("I")
        self.role = _Growing("B")
        self.target_kind = _Growing("H")
        self.target_layer = _Growing("H")
        self.target_key = _Growing("Q")
        self.extents = _Growing("Q")
        self.names: dict[int, list[bytes]] = {}
        self.aliases: list[Alias] = []

    @property
    def objects(self) -> int:
        """Objects so far: the next ordinal."""
        return self.keys.count

    def add(self, layer: int, keys: Any, where: Any, what: Any) -> int:
        """Append objects; returns the ordinal of the first."""
        first = self.keys.count
        self.keys.extend(keys)
        self.where.extend(where)
        self.what.extend(what)
        self.layer.fill(layer, self.keys.count - first)
        return first

    def refer(self, source: Any, role: Any, layer: int, kind: Any, key: Any) -> None:
        """Append references, from ordinals to keys of spaces (layer, kind)."""
        before = self.source.count
        self.source.extend(source)
        self.role.extend(role)
        self.target_kind.extend(kind)
        self.target_key.extend(key)
        self.target_layer.fill(layer, self.source.count - before)

    def relayer(self, mapping: list[int]) -> None:
        """Replace the provisional layer numbers: layer i becomes mapping[i]."""
        table = np.asarray(mapping, "<u2")
        for column in (self.layer, self.target_layer):
            values = column.take()
            values[:] = table[values]
        self.aliases = [alias._replace(layer=mapping[alias.layer]) for alias in self.aliases]

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

    def build(self, byte_kinds: frozenset[int] = frozenset()) -> Index:
        """All tables. Kinds in `byte_kinds` have names (`names[kind][key]`) for keys."""
        keys, what, layer = self.keys.take(), self.what.take(), self.layer.take()
        kind = (what >> np.uint64(48)).astype("<u2")
        spaces = []
        for (space_layer, space_kind), members in _groups(layer, kind):
            if space_kind in byte_kinds:
                names = self.names[space_kind]
                shape, tables = build_byte_keys([names[k] for k in keys[members].tolist()], members)
            else:
                shape, tables = build_int_keys(keys[members], members)
            spaces.append(SpaceTables(space_kind, space_layer, False, shape, tables))
        for alias in self.aliases:
            order = np.argsort(alias.ordinals, kind="stable")
            shape, tables = build_int_keys(alias.keys[order], alias.ordinals[order])
            spaces.append(SpaceTables(alias.kind, alias.layer, True, shape, tables))
        objects = len(keys)
        tables = {"objects": _interleave(self.where.take(), what)}
        if self.extents.count:
            tables["extents"] = self.extents.take()
        edges = self._references(objects, spaces)
        counts = _count(kind, what)
        return Index(spaces, tables | edges, objects, self.source.count, len(edges.get("dangling", ())) // 2, counts)

    def _references(self, objects: int, spaces: list[SpaceTables]) -> dict[str, AnyArray]:
        if not self.source.count:
            return {}
        columns = (self.source, self.role, self.target_layer, self.target_kind, self.target_key)
        source, role, layer, kind, key = _by_first([column.take() for column in columns])
        target = _resolve(layer, kind, key, spaces)
        lost = np.flatnonzero(target < 0)
        packed = kind[lost].astype("<u8") | layer[lost].astype("<u8") << np.uint64(16)
        live = np.flatnonzero(target >= 0).astype("<u4")
        back = live[np.argsort(target[live], kind="stable")]
        stored = target.astype("<u4")
        stored[lost] = DANGLING_BIT + np.arange(len(lost))
        return {
            "reference ends": _ends(source, objects),
            "targets": stored,
            "roles": role,
            "referrer ends": _ends(target[back], objects),
            "sources": source[back],
            "source roles": role[back],
            "dangling": _interleave(key[lost], packed),
        }


def _by_first(columns: list[AnyArray]) -> list[AnyArray]:
    """Columns in ascending order of the first, which they often are: then nothing is copied."""
    first = columns[0]
    if np.all(first[1:] >= first[:-1]):
        return columns
    order = np.argsort(first, kind="stable").astype("<u4")
    return [column[order] for column in columns]


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
    code = layer.astype("<u4") << np.uint32(16) | kind
    order = np.argsort(code, kind="stable").astype("<u4")
    code = code[order]
    cuts = np.flatnonzero(code[1:] != code[:-1]) + 1
    for members in np.split(order, cuts) if len(order) else []:
        first = int(members[0])
        yield (int(layer[first]), int(kind[first])), members


def _count(kind: AnyArray, what: AnyArray) -> dict[int, tuple[int, int]]:
    length = (what & np.uint64((1 << 48) - 1)).astype("<f8")
    objects, sizes = np.bincount(kind), np.bincount(kind, weights=length)
    return {k: (int(objects[k]), int(sizes[k])) for k in np.flatnonzero(objects).tolist()}


def _resolve(layer: AnyArray, kind: AnyArray, key: U64, spaces: list[SpaceTables]) -> npt.NDArray[np.int32]:
    """Ordinal of each named target, -1 where there is none. (Ordinals are below 2^31.)"""
    known = {(s.layer, s.kind): s for s in spaces}
    target = np.full(len(key), -1, np.int32)
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


def build_int_keys(keys: U64, ordinals: U32) -> tuple[KeyShape, dict[str, AnyArray]]:
    """Key table for u64 keys, given in the order of their (ascending) ordinals."""
    tables, first = _place_tables(ordinals)
    order = np.argsort(keys, kind="stable")
    sorted_keys = np.asarray(keys, "<u8")[order]
    _order_tables(order, tables)
    n, base = len(keys), int(sorted_keys[0]) if len(keys) else 0
    steps = sorted_keys[1:] != sorted_keys[:-1]
    distinct = int(np.count_nonzero(steps)) + (1 if n else 0)
    if n and distinct == n and int(sorted_keys[-1]) - base == n - 1:
        return KeyShape(n, True, base, first, distinct=distinct), tables
    tables["keys"] = sorted_keys
    bits, shift = _radix(sorted_keys, tables)
    return KeyShape(n, False, base, first, bits, shift, distinct), tables


def build_byte_keys(keys: list[bytes], ordinals: U32) -> tuple[KeyShape, dict[str, AnyArray]]:
    """Key table for names, given in the order of their (ascending) ordinals."""
    tables, first = _place_tables(ordinals)
    order = np.asarray(sorted(range(len(keys)), key=keys.__getitem__), np.int64)
    _order_tables(order, tables)
    tables["keys"] = np.frombuffer(b"".join(keys[i] for i in order), "u1")
    tables["ends"] = np.cumsum([len(keys[i]) for i in order]).astype("<u4")
    return KeyShape(len(keys), False, 0, first, distinct=len(set(keys))), tables


def _place_tables(ordinals: U32) -> tuple[dict[str, AnyArray], int | None]:
    n = len(ordinals)
    if n and int(ordinals[-1]) - int(ordinals[0]) == n - 1 and bool(np.all(ordinals[1:] > ordinals[:-1])):
        return {}, int(ordinals[0])
    return {"ordinals": np.asarray(ordinals, "<u4")}, None


def _order_tables(order: npt.NDArray[np.int64], tables: dict[str, AnyArray]) -> None:
    if len(order) and not np.array_equal(order, np.arange(len(order))):
        tables["order"] = order.astype("<u4")
        place = np.empty(len(order), "<u4")
        place[order] = np.arange(len(order))
        tables["place"] = place


def _radix(keys: U64, tables: dict[str, AnyArray]) -> tuple[int, int]:
    """A directory over the leading bits of (key - smallest), about four keys a bucket."""
    if len(keys) < RADIX_FROM:
        return 0, 0
    span = int(keys[-1]) - int(keys[0])
    bits = min(24, max(1, (len(keys) >> KEYS_PER_BUCKET_LOG2).bit_length()))
    shift = max(0, span.bit_length() - bits)
    bits = max(1, (span >> shift).bit_length())
    buckets = (keys - keys[0]) >> np.uint64(shift)
    tables["radix"] = np.searchsorted(buckets, np.arange((1 << bits) + 1, dtype=np.uint64)).astype("<u4")
    return bits, shift
