"""An image as a native stream, front to back, in bounded memory (docs/native.md). Needs numpy.

What is held: one frame, one part of each table, and the keys of spaces whose objects came in another order.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from objref.backing import Backing
from objref.container import format as f
from objref.container.digest import StreamDigest
from objref.container.encoding import encode_name
from objref.errors import FormatError, IntegrityError
from objref.native import layout as n
from objref.native.edges import EdgePayloads
from objref.native.frames import Bytes, FrameWriter
from objref.native.keys import Keys, SpaceKeys
from objref.native.rows import Ready, Rows
from objref.native.schema import encode_schema, schema_of
from objref_index import FORM_BYTES

if TYPE_CHECKING:
    from objref.image import Image
from objref_index.arrays import Ints

__all__ = ["NativeWriter"]

GROUP = 64 << 20
"""Where the source has fewer marks, they are this far apart."""
EXTENTS_AT_ONCE = n.BODY_MAX // n.EXTENT_ROW
NAMES_AT_ONCE = n.BODY_MAX // 2


class NativeWriter:
    """Writes one image as a native stream. Mutable; for one use."""

    def __init__(self, image: Image) -> None:
        self._image = image
        self._container: Backing = image.container
        self._frames = FrameWriter()
        self._digest = StreamDigest()
        self._schema = schema_of(image)
        self._strands = _numbers(self._container)
        self._declared = 0
        self._paged = next((k for s, k in self._strands.items() if image.container.sections[s].role == f.PAGE_TABLE), 0)
        self._rows = Rows(self._container, self._strands)
        self._keys = Keys(self._container)
        self._edges = EdgePayloads(self._container)
        self._gone = np.zeros(len(self._strands) + 1, np.uint64)
        self._runs = array("Q")
        self._parts: list[Bytes] = []
        self._size = 0
        self._named = [0] * len(self._schema.kinds)
        self._references = self._aliases = self._notes = 0
        self.seal = b""
        """SHA-256 that stands for the whole stream, once all of it was given out."""

    def pieces(self) -> Iterator[Bytes]:
        """The stream. IntegrityError before its end when the bytes are not those that were imported."""
        try:
            yield self._frames.begin()
            yield from self._frames.frame(n.SCHEMA, [encode_schema(self._schema)])
            yield from self._frames.frame(n.META, [self._container.table("META", limit=n.BODY_MAX)])
            yield from self._all_notes()
            yield from self._bytes()
            yield from self._announce()
            self._check_all()
            yield from self._all_aliases()
            yield from self._mark(n.END)
        finally:
            self._digest.close()

    # -- bytes ---------------------------------------------------------------------------------------------

    def _bytes(self) -> Iterator[Bytes]:
        for number, part, marked in self._cut_at_marks():
            if number > self._declared:
                yield from self._declare(number)
            self._digest.update(part)
            yield from self._append(number, part)
            if marked:
                yield from self._flush()
                yield from self._announce()
                yield from self._mark(n.MARK)
        yield from self._flush()
        yield from self._declare(len(self._strands))

    def _cut_at_marks(self) -> Iterator[tuple[int, Bytes, bool]]:
        """(strand, bytes, whether a MARK follows): cut where marks are due, not where the image happens to be cut."""
        marks = iter([*_marks(self._container.groups), 1 << 63])
        mark, done = next(marks), 0
        for section, chunk in self._container.runs():
            number = self._strands[section]
            unit = f.PAGE if number == self._paged else 1
            while len(chunk):
                part = chunk[: -(-(mark - done) // unit) * unit]
                chunk = chunk[len(part) :]
                done += len(part)
                yield number, part, done >= mark
                while done >= mark:
                    mark = next(marks)

    def _declare(self, number: int) -> Iterator[Bytes]:
        """Strands up to this one, in the order in which the image made them."""
        sections = list(self._strands)[self._declared : number]
        if not sections:
            return
        yield from self._flush()
        found = [self._container.sections[section] for section in sections]
        entries = [n.STRAND.pack(self._strands[s.id], s.role, _bulk(s), 0, encode_name(s.name)) for s in found]
        step = n.BODY_MAX // n.STRAND.size
        for at in range(0, len(entries), step):
            yield from self._frames.frame(n.STRANDS, [b"".join(entries[at : at + step])])
        self._declared = number

    def _append(self, number: int, chunk: Bytes) -> Iterator[Bytes]:
        unit = f.PAGE if number == self._paged else 1
        while len(chunk):
            room = (n.BODY_MAX - 8 - self._size) // unit * unit
            if room <= 0:
                yield from self._flush()
                yield from self._announce()
                continue
            self._hold(number, chunk[:room])
            chunk = chunk[room:]

    def _hold(self, number: int, part: Bytes) -> None:
        runs = self._runs
        if runs and runs[-1] >> 48 == number:
            runs[-1] += len(part)
        else:
            runs.append(number << 48 | len(part))
            self._size += 8
        self._parts.append(part)
        self._size += len(part)
        self._gone[number] += np.uint64(len(part))

    def _flush(self) -> Iterator[Bytes]:
        """The runs that wait, as one frame."""
        if self._runs:
            table = n.COUNTS.pack(len(self._runs), 0) + np.array(self._runs, "<u8").tobytes()
            yield from self._frames.frame(n.RUNS, [table, *self._parts], unsealed=len(self._parts))
            self._runs, self._parts, self._size = array("Q"), [], 0

    # -- objects -------------------------------------------------------------------------------------------

    def _announce(self) -> Iterator[Bytes]:
        """All objects whose bytes have gone out."""
        while (ready := self._rows.ready(self._gone)) is not None:
            yield from self._objects(ready)
            for count, payload in self._edges.of(ready.first, ready.first + len(ready.where)):
                self._references += count
                yield from self._frames.frame(n.REFERENCES, payload)

    def _objects(self, ready: Ready) -> Iterator[Bytes]:
        count = len(ready.where)
        keys, layers = np.zeros(count, np.uint64), np.zeros(count, np.uint16)
        kinds, found = (ready.what >> np.uint64(48)).astype(np.int64), np.zeros(count, bool)
        for keyed in self._keys.take(ready.first + count):
            places, space = keyed.ordinals - ready.first, keyed.space
            if (places < 0).any() or (kinds[places] != space.kind).any() or found[places].any():
                raise FormatError(f"space {space.name}: it has objects of another kind, or of another space")
            numbers = keyed.keys
            if space.form == FORM_BYTES:
                yield from self._names(space.kind, keyed.keys)
                numbers = None
            found[places], layers[places] = True, space.layer
            if numbers is not None:
                keys[places] = numbers
        if not found.all():
            raise FormatError(f"index: object {ready.first + int(np.argmin(found))} has no key")
        self._number_names(kinds, keys)
        for at in range(0, len(ready.extents), EXTENTS_AT_ONCE):
            part = ready.extents[at : at + EXTENTS_AT_ONCE]
            yield from self._frames.frame(n.EXTENTS, [part.astype("<u8").tobytes()])
        columns = [column.astype("<u8").tobytes() for column in (keys, ready.where, ready.what)]
        yield from self._frames.frame(n.OBJECTS, [n.COUNTS.pack(count, 0), *columns, layers.astype("<u2").tobytes()])

    def _number_names(self, kinds: Ints, keys: Ints) -> None:
        """Keys that are names: how many of the kind came before."""
        for kind, entry in enumerate(self._schema.kinds):
            if entry.form == FORM_BYTES and (mine := kinds == kind).any():
                count = int(np.count_nonzero(mine))
                keys[mine] = np.arange(self._named[kind], self._named[kind] + count, dtype=np.uint64)
                self._named[kind] += count

    def _names(self, kind: int, names: list[bytes]) -> Iterator[Bytes]:
        start = 0
        while start < len(names):
            size, end = len(names[start]), start + 1
            while end < len(names) and size + len(names[end]) + 4 * (end - start) < NAMES_AT_ONCE:
                size, end = size + len(names[end]), end + 1
            some = names[start:end]
            head = n.COUNTS.pack(len(some), 0) + np.array([len(name) for name in some], "<u4").tobytes()
            yield from self._frames.frame(n.NAMES, [head, *some], operand=kind)
            start = end

    # -- the rest ------------------------------------------------------------------------------------------

    def _all_notes(self) -> Iterator[Bytes]:
        notes = bytes(self._container.table("NOTES", limit=self._container.limits.table))
        batch: list[bytes] = []
        size = 0
        for line in notes.splitlines(keepends=True):
            if batch and size + len(line) > n.BODY_MAX:
                yield from self._frames.frame(n.NOTES, batch)
                batch, size = [], 0
            batch.append(line if line.endswith(b"\n") else line + b"\n")
            size += len(batch[-1])
            self._notes += 1
        if batch:
            yield from self._frames.frame(n.NOTES, batch)

    def _all_aliases(self) -> Iterator[Bytes]:
        for entry in self._container.spaces:
            if not entry.flags & f.SPACE_ALIAS:
                continue
            space = SpaceKeys(self._container, entry)
            while space.next >= 0:
                keyed = space.take()
                head = n.ALIAS_HEAD.pack(len(keyed.ordinals), entry.layer, 0)
                columns = [np.asarray(keyed.keys, "<u8").tobytes(), keyed.ordinals.astype("<u4").tobytes()]
                self._aliases += len(keyed.ordinals)
                yield from self._frames.frame(n.ALIASES, [head, *columns], operand=entry.kind)

    def _mark(self, kind: int) -> Iterator[Bytes]:
        counts = (self._digest.length, self._rows.next, self._references, self._aliases, self._notes)
        pieces, self.seal = self._frames.mark(kind, counts, self._digest.digest())
        yield from pieces

    def _check_all(self) -> None:
        """What is said to be all must be all."""
        footer = self._container.footer
        if self._digest.length != footer.stream_length or self._digest.digest() != footer.stream_digest:
            raise IntegrityError(
                f"the stream has {self._digest.length} bytes with SHA-256 {self._digest.digest().hex()}, expected "
                f"{footer.stream_length} with {footer.stream_digest.hex()}: these are not the bytes that were imported"
            )
        if self._rows.next != footer.objects:
            raise FormatError(f"index: object {self._rows.next} needs bytes that are not in the stream (R17)")
        if self._references != footer.references:
            raise FormatError(f"index: {self._references} references have a source, expected {footer.references}")


def _numbers(container: Backing) -> dict[int, int]:
    """The number in the stream of each section that takes part in it."""
    strands = [s for s in sorted(container.sections.values()) if s.role in (f.STRAND, f.PAGE_TABLE)]
    if len({s.name for s in strands}) != len(strands):
        raise FormatError("directory: two sections have one name")
    return {s.id: number for number, s in enumerate(strands, 1)}


def _bulk(section: f.Section) -> int:
    """Whether it is read in long runs."""
    return n.BULK if section.role == f.STRAND and section.flags & f.BULK else 0


def _marks(groups: list[f.GroupEntry]) -> Iterator[int]:
    """Stream positions of marks: the ends of groups but the last, and inside of long ones."""
    before = 0
    for i, group in enumerate(groups):
        end = group.stream_to
        if end - before > 2 * GROUP:
            yield from range(before + GROUP, end - GROUP, GROUP)
        if i < len(groups) - 1:
            yield end
        before = end
