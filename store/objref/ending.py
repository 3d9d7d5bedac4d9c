"""The end of an import: the index is made of its columns, and written with META, notes, kinds and roles."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from objref.container import format as f
from objref.container.writer import ContainerWriter, TableData
from objref.dialects.events import Kind, Note, Role
from objref_index import FORM_BYTES
from objref_index.build import Index
from objref_index.large import AnyColumns, Stored

__all__ = ["build_index", "canonical_json", "claims_of", "write_end", "written_by"]

SEPARATORS = (",", ":")


def build_index(writer: ContainerWriter, columns: AnyColumns, kinds: Sequence[Kind]) -> Index:
    """The tables of all objects. The columns are empty afterwards."""
    byte_kinds = frozenset(i for i, kind in enumerate(kinds) if kind.form == FORM_BYTES)
    return writer.settle(columns.build(byte_kinds))


def claims_of(index: Index, kinds: Sequence[Kind]) -> list[Note]:
    """Notes about keys that several objects claim."""
    extra = [(space.kind, space.shape.keys - space.shape.distinct) for space in index.spaces]
    return [
        Note(
            "claimed-twice",
            kinds[kind].name,
            f"{more} object{' claims' if more == 1 else 's claim'} a key that another one has: all are kept",
        )
        for kind, more in extra
        if more
    ]


def written_by(writer: ContainerWriter) -> dict[str, Any]:
    """What META says of who wrote a file, and how."""
    from objref._version import library_versions, version

    return {"producer": f"objref {version()}", "libraries": library_versions(), **writer.about()}


def write_end(
    writer: ContainerWriter,
    index: Index,
    kinds: Sequence[Kind],
    roles: Sequence[Role],
    meta: dict[str, Any],
    notes: Sequence[Note],
) -> f.Footer:
    """All that follows the groups. The output still has to be committed."""
    return writer.finish(
        _tables(index, meta, notes),
        [_space(i + 1, space, kinds[space.kind]) for i, space in enumerate(index.spaces)],
        [f.KindEntry(i, *index.counts.get(i, (0, 0)), kind.name) for i, kind in enumerate(kinds)],
        [f.RoleEntry(i, role.strength, role.name) for i, role in enumerate(roles)],
        index.objects,
        index.references,
    )


def _space(number: int, space: Any, kind: Kind) -> f.SpaceEntry:
    shape = space.shape
    flags = f.SPACE_RUN * shape.run | f.SPACE_CONTIGUOUS * (shape.first is not None) | f.SPACE_ALIAS * space.alias
    return f.SpaceEntry(
        number, space.kind, space.layer, kind.form, flags, shape.keys, shape.base, shape.first or 0, shape.distinct,
        shape.radix_bits, shape.radix_shift, kind.name,
    )  # fmt: skip


def _tables(index: Index, meta: dict[str, Any], notes: Sequence[Note]) -> list[TableData]:
    tables = [
        TableData(name, i + 1, _view(data))
        for i, space in enumerate(index.spaces)
        for name, data in space.tables.items()
        if len(data)
    ]
    tables += [TableData(name, 0, _view(data)) for name, data in index.tables.items() if len(data)]
    tables.append(TableData("META", 0, canonical_json(meta)))
    if notes:
        tables.append(TableData("NOTES", 0, b"\n".join(canonical_json(note._asdict()) for note in notes)))
    return tables


def _view(table: Any) -> memoryview | Stored:
    """The bytes of a table, little-endian whatever the machine."""
    if isinstance(table, Stored):
        return table
    little = table.astype(table.dtype.newbyteorder("<"), copy=False)
    return memoryview(little).cast("B")


def canonical_json(value: Any) -> bytes:
    """Canonical JSON. Names of an image may hold bytes that are not UTF-8: they stay escaped."""
    return json.dumps(value, separators=SEPARATORS, sort_keys=True).encode("ascii")
