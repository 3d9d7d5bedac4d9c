"""Building the tree from the key tables that `Columns.build` makes. Needs numpy.

Entries go in ascending, so LMDB appends and its pages are full. Memory: about 25 MB for the pages of one transaction,
whatever the number of entries.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from objref_index.build import Index, SpaceTables, ordinals_of
from objref_index.objects import ADDRESS_MASK, LISTED, NOWHERE
from objref_index.tree.layout import CLAIM_SIZE, KEY_SIZE, VALUE

__all__ = ["Built", "build_tree", "in_one_section", "without_keys"]

TRANSACTION = 1 << 18
BATCH = 1 << 12
"""Entries made at a time: larger batches fall out of the processor's caches."""
MAP_SIZE = 1 << 20
BYTES_PER_ENTRY = 64
"""45 to 49 in full pages. If it is too little after all, the map grows."""

KEYS = np.dtype([("space", ">u2"), ("key", ">u8"), ("ordinal", ">u4")])
VALUES = np.dtype([("where", "<u8"), ("what", "<u8"), ("ordinal", "<u4"), ("n", "<u4")])
assert KEYS.itemsize == CLAIM_SIZE  # as layout.py declares them
assert VALUES.itemsize == VALUE.size

PLACES = {"objects": slice(0, None, 2), "extents": slice(1, None, 3)}
"""Words that say where bytes are. In the head of an extent list that word is a count, below 2^48: it stays."""

Pairs = tuple[list[bytes], list[bytes]]


class Part(NamedTuple):
    """Entries start…stop-1 of a space."""

    number: int
    space: SpaceTables
    start: int
    stop: int


class Built(NamedTuple):
    """A finished tree. `length` in bytes: what follows in the file is not LMDB's."""

    length: int
    page_size: int
    entries: int


def build_tree(path: str, index: Index, failed: Callable[[str], Exception]) -> Built:
    """Write the tree of an index into an empty file. `failed` makes the exception to raise when LMDB cannot.

    path  must be UTF-8, which names of files need not be, since LMDB's binding encodes it: /proc/self/fd/N will do
    """
    import lmdb

    entries = sum(space.shape.keys for space in index.spaces if _is_numbers(space))
    newest: dict[str, Any] = {"lib_version": 0} if hasattr(lmdb.Environment, "lib_version") else {}
    try:
        # The file has a temporary name and is synced at the end, so neither locks nor syncs on the way.
        with lmdb.open(
            path, subdir=False, lock=False, sync=False, metasync=False, create=False, max_dbs=0,
            map_size=MAP_SIZE + BYTES_PER_ENTRY * entries, **newest,
        ) as environment:  # fmt: skip
            _load(environment, index)
            built = _built(environment)
    except lmdb.Error as error:
        raise failed(str(error)) from None
    if built.entries != entries:
        raise failed(f"{entries - built.entries} objects have one key twice")
    return built


def _built(environment: Any) -> Built:
    stat = environment.stat()
    length = (environment.info()["last_pgno"] + 1) * stat["psize"]
    return Built(length, stat["psize"], stat["entries"])


def _load(environment: Any, index: Index) -> None:
    import lmdb

    for parts in _transactions(index.spaces):
        while True:
            try:
                _append(environment, index, parts)
                break
            except lmdb.MapFullError:
                environment.set_mapsize(2 * environment.info()["map_size"])


def _transactions(spaces: list[SpaceTables]) -> Iterator[list[Part]]:
    """All entries in order, cut into runs of a space, and these into transactions of a bounded size."""
    parts: list[Part] = []
    room = TRANSACTION
    for number, space in enumerate(spaces, 1):
        at, end = 0, space.shape.keys if _is_numbers(space) else 0
        while at < end:
            stop = min(at + room, end)
            parts.append(Part(number, space, at, stop))
            room -= stop - at
            at = stop
            if not room:
                yield parts
                parts, room = [], TRANSACTION
    if parts:
        yield parts


def _append(environment: Any, index: Index, parts: list[Part]) -> None:
    rows = index.tables["objects"]
    with environment.begin(write=True) as transaction:
        cursor = transaction.cursor()
        for part in parts:
            for keys, values in _pairs(part, rows):
                cursor.putmulti(zip(keys, values, strict=True), append=True)


def _is_numbers(space: SpaceTables) -> bool:
    return "ends" not in space.tables


def _pairs(part: Part, rows: npt.NDArray[Any]) -> Iterator[Pairs]:
    """The entries of a part, in batches."""
    number, space, start, stop = part
    keys = _sorted_keys(space, start, stop)
    claims = _claims(space, keys, start)
    for low in range(start, stop, BATCH):
        high = min(low + BATCH, stop)
        here = slice(low - start, high - start)
        ordinals = ordinals_of(space, np.arange(low, high))
        yield _batch(number, keys[here], ordinals, claims[here], rows)


def _sorted_keys(space: SpaceTables, start: int, stop: int) -> npt.NDArray[Any]:
    if space.shape.run:
        return np.arange(start, stop, dtype=np.uint64) + np.uint64(space.shape.base)
    return space.tables["keys"][start:stop]


def _claims(space: SpaceTables, keys: npt.NDArray[Any], start: int) -> npt.NDArray[Any]:
    """The how-manieth (from 1) to claim its key each entry is; the first ones may continue what came before."""
    place = np.arange(len(keys))
    new = np.ones(len(keys), bool)
    new[1:] = keys[1:] != keys[:-1]
    n = place - np.maximum.accumulate(np.where(new, place, 0)) + 1
    if start and space.shape.distinct < space.shape.keys:
        before = start - np.searchsorted(space.tables["keys"], keys[0])
        n[: np.searchsorted(keys, keys[0], side="right")] += before
    return n


def _batch(
    number: int, keys: npt.NDArray[Any], ordinals: npt.NDArray[Any], claims: npt.NDArray[Any], rows: npt.NDArray[Any]
) -> Pairs:
    made, values = np.empty(len(keys), KEYS), np.empty(len(keys), VALUES)
    made["space"], made["key"], made["ordinal"] = number, keys, ordinals
    values["where"], values["what"] = rows[2 * ordinals], rows[2 * ordinals + 1]
    values["ordinal"], values["n"] = ordinals, claims
    flat = made.view("u1").reshape(len(keys), CLAIM_SIZE)
    first = np.ascontiguousarray(flat[:, :KEY_SIZE]).view(f"V{KEY_SIZE}").ravel().tolist()
    for i in np.flatnonzero(claims > 1).tolist():
        first[i] = made[i].tobytes()
    return first, values.view(f"V{VALUE.size}").tolist()


def without_keys(space: SpaceTables) -> SpaceTables:
    """The space with the tables that it has beside a tree: from ordinals back to keys."""
    if not _is_numbers(space):
        return space
    tables, shape = space.tables, space.shape
    kept = {name: tables[name] for name in ("ordinals",) if name in tables}
    if not shape.run or "place" in tables:
        keys = _sorted_keys(space, 0, shape.keys)
        kept["ordinal keys"] = keys[tables["place"]] if "place" in tables else keys
    return space._replace(tables=kept, shape=shape._replace(radix_bits=0, radix_shift=0))


def in_one_section(index: Index, section: int) -> Index:
    """The index with all bytes in one section, at the addresses that they have."""
    words = {name: index.tables[name].copy() for name in PLACES if name in index.tables}
    for name, table in words.items():
        where = table[PLACES[name]]
        placed = (where >> np.uint64(48) != NOWHERE) & (where >> np.uint64(48) != LISTED)
        where[placed] = where[placed] & np.uint64(ADDRESS_MASK) | np.uint64(section << 48)
    return index._replace(tables=index.tables | words)
