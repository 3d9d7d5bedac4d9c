"""The tables of a container: read and checked at first touch, long ones by the stripe."""

from __future__ import annotations

from objref.container import format as f
from objref.container.blocks import check_block, decompress
from objref.container.directory import Directory
from objref.container.planes import from_planes
from objref.container.source import Source
from objref.errors import FormatError, IntegrityError, LimitError, UnsupportedError
from objref.limits import DEFAULT, Limits
from objref_index import FORM_BYTES, Column, IntKeys, KeyShape, KeyTable, NumberTable, ObjectTable, ReferenceTable
from objref_index.columns import cast
from objref_index.keys import ByteKeys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Tables", "damaged"]


class Tables(Directory):
    """The directory with its tables: bytes, columns, and what the index makes of them."""

    def __init__(self, source: Source, limits: Limits = DEFAULT) -> None:
        super().__init__(source, limits)
        self._tables: dict[tuple[int, int], f.TableEntry] | None = None

    def _table(self, name: str, owner: int) -> f.TableEntry | None:
        if self._tables is None:
            self._tables = {(e[0], e[1]): f.TableEntry._make(e) for e in self._entries(f.TABLES)}
        return self._tables.get((f.TABLE_IDS[name], owner))

    def tables(self) -> list[f.TableEntry]:
        """All tables that the directory lists, in its order."""
        return [f.TableEntry._make(e) for e in self._entries(f.TABLES)]

    def table(self, name: str, owner: int = 0, limit: int | None = None) -> bytes | memoryview:
        """The whole content of a table, checked; empty when there is none."""
        entry = self._table(name, owner)
        if entry is None:
            return b""
        if limit is not None and entry.length > limit:
            raise LimitError(f"table {name} of {entry.length} bytes, limit {limit}")
        load = self._loader(name, entry)
        if entry.length <= f.STRIPE:
            return load(0) if entry.length else b""
        return b"".join(load(k) for k in range(-(-entry.length // f.STRIPE)))

    def column(self, name: str, owner: int = 0) -> Column | None:
        """A table of integers, read and checked by the stripe."""
        entry = self._table(name, owner)
        if entry is None:
            return None
        word = f.TABLE_WORDS[name]
        return Column(self._loader(name, entry), word, entry.length // f.WORD_BYTES[word])

    def _loader(self, name: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        where = f"table {name} at offset {entry.offset}"
        end = self.footer.directory_offset
        if entry.zero or entry.zero2:
            raise FormatError(f"{where}: bytes 6 and 40 of its entry must be zero (R1)")
        if entry.offset > end or entry.stored > end - entry.offset or entry.stripe_log2 != f.STRIPE_LOG2:
            raise FormatError(f"{where}: {entry.stored} bytes are not inside the file (R16)")
        if entry.codec == f.ZSTD:
            return self._packed_loader(where, entry)
        if entry.codec == f.STRIPED and name in f.TABLE_WORDS:
            return self._planes_loader(where, entry, f.WORD_BYTES[f.TABLE_WORDS[name]])
        if entry.codec != f.RAW or entry.length != entry.stored:
            raise UnsupportedError(f"{where}: unknown codec {entry.codec}")
        if entry.length <= f.STRIPE:
            return lambda k: self._checked(where, entry.offset, entry.length, entry.check)
        return self._striped_loader(where, entry)

    def _checked(self, where: str, offset: int, length: int, check: int) -> bytes | memoryview:
        data = self.source.read(offset, length)
        check_block(data, check, where)
        return data

    def _packed_loader(self, where: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        if entry.length > self.limits.table:
            raise LimitError(f"{where}: {entry.length} bytes, limit {self.limits.table}")
        content: list[memoryview] = []

        def load(k: int) -> memoryview:
            if not content:
                stored = self._checked(where, entry.offset, entry.stored, entry.check)
                content.append(memoryview(decompress(stored, entry.length, where)))
            return content[0][k << f.STRIPE_LOG2 : (k + 1) << f.STRIPE_LOG2]

        return load

    def _striped_loader(self, where: str, entry: f.TableEntry) -> Callable[[int], bytes | memoryview]:
        stripes = -(-entry.length // f.STRIPE)
        at = -(-(entry.offset + entry.length) // 8) * 8
        checks: list[memoryview] = []

        def load(k: int) -> bytes | memoryview:
            if not checks:
                checks.append(cast(self._checked(f"{where}: its stripes", at, stripes * 8, entry.check), "Q"))
            start = k << f.STRIPE_LOG2
            length = min(f.STRIPE, entry.length - start)
            return self._checked(f"{where}, stripe {k}", entry.offset + start, length, checks[0][k])

        return load

    def _planes_loader(self, where: str, entry: f.TableEntry, width: int) -> Callable[[int], bytes | memoryview]:
        if entry.length > self.limits.table:
            raise LimitError(f"{where}: {entry.length} bytes, limit {self.limits.table}")
        stripes = -(-entry.length // f.STRIPE)
        at = -(-(entry.offset + entry.stored) // 8) * 8
        found: list[memoryview] = []

        def load(k: int) -> bytes | memoryview:
            if k >= stripes:
                raise FormatError(f"{where}: no stripe {k} of {stripes} (R20)")
            if not found:
                found.append(cast(self._checked(f"{where}: its stripes", at, stripes * 16, entry.check), "Q"))
            start, end, check = (found[0][k - 1] if k else 0), found[0][k], found[0][stripes + k]
            length = min(f.STRIPE, entry.length - (k << f.STRIPE_LOG2))
            if not 0 < end - start <= length or end > entry.stored:
                raise FormatError(f"{where}, stripe {k}: stores {end - start} bytes (R20)")
            stored = self._checked(f"{where}, stripe {k}", entry.offset + start, end - start, check)
            if len(stored) == length:
                return stored
            return from_planes(decompress(stored, length, f"{where}, stripe {k}"), width)

        return load

    # -- the index -----------------------------------------------------------------------------------------

    def objects(self) -> ObjectTable:
        """The object table."""
        words, count = self.column("objects"), self.footer.objects
        if (words.count if words else 0) != 2 * count or count >= 1 << 31:
            raise FormatError(f"table objects does not have the {count} rows that the footer says")
        return ObjectTable(words, self.column("extents"), count, damaged)

    def references(self) -> ReferenceTable:
        """The reference arrays."""
        names = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling")
        columns = {name: column for name in names if (column := self.column(name)) is not None}
        if len(columns.get("targets", ())) != self.footer.references:
            raise FormatError(f"table targets does not have the {self.footer.references} rows that the footer says")
        ends, objects = ("reference ends", "referrer ends"), self.footer.objects
        if columns and any(name not in columns or len(columns[name]) != objects + 1 for name in ends):
            raise FormatError("the reference tables do not fit the objects")
        for a, b in (("targets", "roles"), ("sources", "source roles")):
            if columns and len(columns.get(a, ())) != len(columns.get(b, ())):
                raise FormatError(f"tables {a} and {b} differ in length")
        return ReferenceTable(columns, objects, damaged)

    def keys(self, space: f.SpaceEntry) -> KeyTable:
        """The key table of a space."""
        return self.byte_keys(space) if space.form == FORM_BYTES else self.int_keys(space)

    def int_keys(self, space: f.SpaceEntry) -> NumberTable:
        """The key table of a space whose keys are numbers."""
        return IntKeys(self._shape(space), self.key_columns(space), damaged)

    def byte_keys(self, space: f.SpaceEntry) -> ByteKeys:
        """The key table of a space whose keys are names."""
        return ByteKeys(
            self._shape(space),
            self.key_columns(space),
            lambda: memoryview(self.table("keys", space.number)),
            damaged,
        )

    def _shape(self, s: f.SpaceEntry) -> KeyShape:
        first = s.first if s.flags & f.SPACE_CONTIGUOUS else None
        if first is not None and first + s.keys > self.footer.objects:
            raise FormatError(f"space {s.name}: objects {first}…{first + s.keys} of {self.footer.objects}")
        run = bool(s.flags & f.SPACE_RUN)
        if s.form > FORM_BYTES:
            raise UnsupportedError(f"space {s.name}: unknown form of keys {s.form}")
        broken = s.distinct != s.keys or s.base + s.keys > 1 << 64 or s.form == FORM_BYTES
        if s.distinct > s.keys or (run and broken):
            raise FormatError(f"space {s.name}: {s.keys} keys from {s.base:#x}, {s.distinct} of them distinct")
        return KeyShape(s.keys, run, s.base, first, s.radix_bits, s.radix_shift, s.distinct)

    def key_columns(self, s: f.SpaceEntry) -> dict[str, Column]:
        """The tables of a space, by name. One that its entry does not call for contradicts it, and is refused."""
        numbers = s.form != FORM_BYTES
        names = ("ends", "ordinals", "order", "place") + ("keys",) * numbers + ("radix",) * bool(s.radix_bits)
        columns = {name: column for name in names if (column := self.column(name, s.number)) is not None}
        expected = {"radix": (1 << s.radix_bits) + 1}
        for name, column in columns.items():
            if len(column) != expected.get(name, s.keys):
                raise FormatError(f"space {s.name}: table {name} has {len(column)} entries, expected {s.keys}")
        needed = [] if s.flags & f.SPACE_RUN else ["keys" if numbers else "ends"]
        needed += ["radix"] if s.radix_bits else []
        needed += [] if s.flags & f.SPACE_CONTIGUOUS else ["ordinals"]
        needed += ["order", "place"] if "order" in columns or "place" in columns else []
        if s.keys and (missing := [name for name in needed if name not in columns]):
            raise FormatError(f"space {s.name}: table {missing[0]} is missing")
        if excess := [name for name in columns if name not in needed]:
            raise FormatError(f"space {s.name}: table {excess[0]} does not belong to keys of this shape")
        return columns

    def meta(self) -> dict[str, Any]:
        """META: what made this file, from what, with which options."""
        import json

        try:
            found = json.loads(bytes(self.table("META", limit=self.limits.meta)) or b"{}")
        except (ValueError, RecursionError) as error:
            raise FormatError(f"table META is not JSON: {error}") from None
        return found if isinstance(found, dict) else {}


def damaged(text: str) -> IntegrityError:
    """The exception for index tables that contradict themselves."""
    return IntegrityError(f"index: {text}")
