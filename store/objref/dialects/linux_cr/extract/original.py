"""The stream that an extract is made of: where its objects lie, and their records one by one.

All records begin in one section, so their addresses there have the order of the stream.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from objref.dialects.linux_cr.entries import FILE_TYPES, watches
from objref.dialects.linux_cr.fields import References, references
from objref.dialects.linux_cr.kinds import KINDS
from objref.dialects.linux_cr.numbering import Layout
from objref.dialects.linux_cr.records import VETH, X86_ONLY, find_record
from objref.dialects.linux_cr.view import Window, stream_of
from objref.errors import FormatError, UnsupportedError
from objref_index.objects import NOWHERE

if TYPE_CHECKING:
    from objref.image import Image
    from objref_index import Extent

__all__ = ["PAGES", "Original", "Record"]

SMALL = 1 << 16
"""Longer records hold no ids and are not read, but for the items of an epoll."""
PAGES = "pages"
"""Name of a run of PGARR and BUFFER records, as one."""
HEAD_AND_COUNT = 16
PAGE_MODE: tuple[tuple[int, ...], tuple[int, ...]] = (), (24,)
"""How far ahead is read: of chunks of pages no more than the heads of their records."""
LENIENT = frozenset(["IPC_MSG", "IPC_SEM"])
"""Of rev 3 their layout is not known. No ids are in them, since there were no SECURITY objects yet."""


class Record(NamedTuple):
    """A record of an object. `start`, `stop`: offsets in the object. `position` orders records of all objects."""

    name: str
    start: int
    stop: int
    position: int
    data: bytes
    """All of it; nothing when it is long, or pages."""


class Original:
    """See above. Positions are kept once they are asked for; records are read each time."""

    def __init__(self, image: Image) -> None:
        self.image = image
        header = image.object("header:0")
        self.revision, self.order = stream_of(header)
        self._section = self.extents(header.ordinal)[0].section
        self._spans: dict[int, tuple[int, int]] = {}
        self._spaces = frozenset(image.spaces())
        self._found: dict[tuple[int, int], int | None] = {}
        self._shapes: dict[tuple[str, int], References | None] = {}

    # -- objects -------------------------------------------------------------------------------------------

    def kind(self, ordinal: int) -> str:
        """Its kind."""
        return self.image.kind_name(self.image.object_table.row(ordinal).kind)

    def objref(self, ordinal: int) -> str:
        """Its objref."""
        return self.image.by_ordinal(ordinal).objref

    def all(self, kind: str) -> Iterator[int]:
        """All objects of a kind."""
        if (0, kind) in self._spaces:
            yield from (found.ordinal for found in self.image.space(kind).objects())

    def only(self, kind: str) -> int:
        """The one object of a kind, of which there is one."""
        return self.image.object(f"{kind}:0").ordinal

    def find(self, kind: int, key: int) -> int | None:
        """The object of a kind (its number) with that key."""
        name = kind, key
        if name not in self._found:
            space = self.image.space(KINDS[kind].name) if (0, KINDS[kind].name) in self._spaces else None
            self._found[name] = space.ordinal(key) if space is not None and key in space else None
        return self._found[name]

    def key(self, ordinal: int) -> int:
        """Its number in the space of its kind."""
        claim = self.image.space(self.kind(ordinal)).claim(ordinal)
        return int(claim[0]) if claim is not None else 0

    def links(self, ordinal: int, *roles: int) -> list[int]:
        """Objects that it refers to in these roles."""
        return [e.target for e in self.image.reference_table.of(ordinal) if e.role in roles and e.target is not None]

    def linking(self, ordinal: int, *roles: int) -> list[int]:
        """Objects that refer to it in these roles, each once."""
        return list(dict.fromkeys(e.source for e in self.image.reference_table.to(ordinal) if e.role in roles))

    # -- positions -----------------------------------------------------------------------------------------

    def extents(self, ordinal: int) -> list[Extent]:
        """Where its bytes lie."""
        table = self.image.object_table
        return [extent for extent in table.extents(table.row(ordinal)).extents if extent.section != NOWHERE]

    def span(self, ordinal: int) -> tuple[int, int]:
        """Positions where its records begin, and end."""
        found = self._spans.get(ordinal)
        if found is None:
            own = [extent for extent in self.extents(ordinal) if extent.section == self._section]
            if not own:
                raise FormatError(f"{self.objref(ordinal)} has no records")
            found = self._spans[ordinal] = own[0].address, own[-1].address + own[-1].length
        return found

    def begin(self, ordinal: int) -> int:
        """Position where its records begin."""
        return self.span(ordinal)[0]

    # -- records -------------------------------------------------------------------------------------------

    def records(self, ordinal: int) -> Iterator[Record]:
        """Its records in order. Pages and what is long are not read."""
        begun: Record | None = None
        for record, pages in self._walk(ordinal):
            if record.name == PAGES:
                begun = record if begun is None else begun._replace(stop=record.stop)
                if pages:
                    continue
                record, begun = begun, None
            elif begun is not None:
                yield begun
                begun = None
            yield record
        if begun is not None:
            yield begun

    def _walk(self, ordinal: int) -> Iterator[tuple[Record, bool]]:
        """The records, and whether a chunk of pages goes on behind them."""
        found, kind = self.image.by_ordinal(ordinal), self.kind(ordinal)
        window, place = Window(found), _Place(self.extents(ordinal))
        at, pages = 0, False
        while at < found.size:
            type_, length = struct.unpack(self.order + "II", window.read(at, at + 8, *PAGE_MODE[pages]))
            if length < 8 or at + length > found.size:
                raise FormatError(f"{found.objref}: a record of {length} bytes at {at}, of {found.size} in all")
            name, stop = self.revision.name(type_, length), at + length
            if name == "PGARR" and length == HEAD_AND_COUNT:
                pages = any(window.read(at + 8, stop, 0))
                yield Record(PAGES, at, stop, place.of(at), b""), pages
            elif name == "BUFFER" and pages:
                yield Record(PAGES, at, stop, place.of(at), b""), True
            else:
                pages = False
                small = length <= SMALL or kind == "epoll"
                yield Record(name, at, stop, place.of(at), window.read(at, stop) if small else b""), False
            at = stop

    def references(self, ordinal: int, record: Record) -> Iterator[tuple[int, int, int]]:
        """(role, kind, key) of the ids in a record, by number. UnsupportedError for one that may hold unknown ones."""
        if not record.data:
            return
        codes = self._codes(record, self._shape(ordinal, record))
        if record.name == "FILE":
            codes += self._codes(record, self._file(record))
        elif record.name == "NETDEV" and self._number(record, 12) == self.key(ordinal):
            codes += self._codes(record, references(VETH, self.order))
        elif record.name == "BUFFER" and self.kind(ordinal) == "epoll":
            codes += watches(bytearray(record.data), 8, len(record.data) - 8, self.order)
        for code in codes:
            yield code >> 48, code >> 32 & 0xFFFF, code & 0xFFFFFFFF

    def _codes(self, record: Record, refs: References | None) -> list[int]:
        if refs is None:
            return []
        values = refs.unpack.unpack_from(record.data)
        return [code | value for value, code in zip(values, refs.codes, strict=True) if value > 0]

    def _number(self, record: Record, offset: int) -> int:
        value: int = struct.unpack_from(self.order + "I", record.data, offset)[0]
        return value

    def _file(self, record: Record) -> References | None:
        common = 40 if self.revision.layout == Layout.REV3 else 48
        text = FILE_TYPES.get(self._number(record, 8), ("", ""))[1]
        return references(text, self.order, common) if text and len(record.data) >= common + 4 else None

    def _shape(self, ordinal: int, record: Record) -> References | None:
        name = record.name, len(record.data)
        if name not in self._shapes:
            self._shapes[name] = self._learn(ordinal, record)
        return self._shapes[name]

    def _learn(self, ordinal: int, record: Record) -> References | None:
        name, layout = record.name, self.revision.layout
        known = find_record(name, len(record.data), layout) if name else None
        if known is not None:
            return references(known.fields, self.order)
        if (name in X86_ONLY and not self.revision.x86) or (name in LENIENT and layout == Layout.REV3):
            return None
        raise UnsupportedError(
            f"{self.objref(ordinal)}: {name or 'a record of unknown type'} of {len(record.data)} bytes is none of "
            f"{layout.label}, and may hold ids: no part of the stream can be taken"
        )


class _Place:
    """Position of offsets that ascend. Mutable."""

    def __init__(self, extents: list[Extent]) -> None:
        self._extents = extents
        self._i = 0

    def of(self, offset: int) -> int:
        extents = self._extents
        while extents[self._i].at + extents[self._i].length <= offset:
            self._i += 1
        return extents[self._i].address + offset - extents[self._i].at
