"""From frames to what they say, with every rule of docs/native.md checked. Pure. Needs numpy.

What is held: counts, names that wait for their objects, rows of extents that wait for theirs.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from objref.container import format as f
from objref.errors import FormatError, IntegrityError, LimitError, ObjrefError
from objref.native import layout as n
from objref.native.frames import Bytes, Frame, FrameReader
from objref.native.lists import Waiting
from objref.native.said import Aliases, Mark, Meta, Names, Notes, Objects, References, Runs, Said, Strand
from objref.native.schema import Schema, decode_schema, name_of
from objref_index import FORM_BYTES
from objref_index.arrays import Ints, different
from objref_index.build import RESOLVED
from objref_index.objects import LISTED
from objref_index.references import DANGLING_BIT

__all__ = ["Decoder"]

MASK, SHIFT = np.uint64(f.ADDRESS_MASK), np.uint64(48)
NAME_MAX = 1 << 20
NAMES_MAX = (1 << 32) - 1
STRANDS_MAX, SPACES_MAX = 65532, 65534
OBJECTS_MAX, REFERENCES_MAX = (1 << 31) - 1, (1 << 32) - 1
PHASES = {n.SCHEMA: 0, n.META: 1, n.NOTES: 2, n.ALIASES: 4, n.END: 5}
BODY = 3


class Decoder:
    """Takes a native stream in pieces of any size and says what is in it. Mutable; unusable after its first error."""

    def __init__(self) -> None:
        self._frames = FrameReader()
        self._phase = -1
        self._schema = Schema("", (), ())
        self._names: dict[str, int] = {}
        self._paged = 0
        self._gone = np.zeros(1, np.uint64)
        self._waiting = Waiting()
        self._named: dict[int, list[int]] = {}
        self._spaces: set[int] = set()
        self._aliased: dict[int, int] = {}
        self._last_alias = -1
        self._source = self._target = 0
        self.stream = self.objects = self.references = self.aliases = self.notes = 0
        """How much came in whole frames."""
        self._on: dict[int, Callable[[Frame], Iterator[Said]]] = {
            n.SCHEMA: self._schema_frame, n.META: self._meta, n.NOTES: self._note_lines, n.STRANDS: self._strands,
            n.RUNS: self._runs, n.NAMES: self._name_list, n.EXTENTS: self._extents, n.OBJECTS: self._objects,
            n.REFERENCES: self._references, n.ALIASES: self._aliases, n.MARK: self._mark, n.END: self._mark,
        }  # fmt: skip

    def feed(self, data: Bytes) -> Iterator[Said]:
        """The next bytes."""
        for frame in self._frames.feed(data):
            self._in_order(frame)
            try:
                yield from self._on[frame.kind](frame)
            except ObjrefError as error:
                if str(error).startswith("native stream: "):
                    raise
                raise type(error)(frame.wrong(str(error))) from None

    def finish(self) -> str | None:
        """The stream has ended: None when it is whole, else where it is cut."""
        cut = self._frames.finish()
        if cut is None:
            return None
        if self._phase < 1:
            raise cut
        return f"{cut}: {self.stream} bytes of the original stream, {self.objects} objects"

    def _in_order(self, frame: Frame) -> None:
        phase = PHASES.get(frame.kind, BODY)
        once = phase == self._phase and phase in (0, 1)
        if once or phase < self._phase or (phase > self._phase + 1 and (self._phase < 1)):
            raise FormatError(frame.wrong("not in its place (N7)"))
        self._phase = phase

    # -- what it is ----------------------------------------------------------------------------------------

    def _schema_frame(self, frame: Frame) -> Iterator[Said]:
        self._schema = decode_schema(frame.payload)
        self._named = {i: [0, 0, 0] for i, kind in enumerate(self._schema.kinds) if kind.form == FORM_BYTES}
        yield self._schema

    def _meta(self, frame: Frame) -> Iterator[Said]:
        found = _json(frame.payload) if len(frame.payload) <= n.BODY_MAX else None
        if not isinstance(found, dict):
            raise FormatError("no JSON object of at most 1 MiB")
        yield Meta(found)

    def _note_lines(self, frame: Frame) -> Iterator[Said]:
        notes: list[tuple[str, str, str]] = []
        for line in bytes(frame.payload).splitlines():
            found = _json(line)
            if not isinstance(found, dict) or any(not isinstance(found.get(k), str) for k in ("what", "where", "text")):
                raise FormatError(f"note {self.notes + len(notes)} is no JSON object of what, where and text")
            notes.append((found["what"], found["where"], found["text"]))
        self.notes += len(notes)
        yield Notes(notes)

    def _strands(self, frame: Frame) -> Iterator[Said]:
        entries = _entries(frame.payload, n.STRAND.size)
        for number, role, flags, zero, name in n.STRAND.iter_unpack(entries):
            text, expected = name_of(name), len(self._names) + 1
            if number != expected or text in self._names or expected > STRANDS_MAX or (self._paged and role):
                raise FormatError(f"strand {number} ({text}): expected number {expected}, and a new name (N11)")
            if role not in (0, n.PAGES) or flags & ~n.BULK or zero:
                raise FormatError(f"strand {number} ({text}): unknown role {role} or flags {flags:#x} (N1, N11)")
            self._names[text] = number
            self._paged = number if role else self._paged
            yield Strand(text, bool(role), bool(flags & n.BULK))
        self._gone = np.r_[self._gone, np.zeros(len(self._names) + 1 - len(self._gone), np.uint64)]

    # -- bytes ---------------------------------------------------------------------------------------------

    def _runs(self, frame: Frame) -> Iterator[Said]:
        count, _ = _head(frame.payload, zero=True)
        at = 8 + 8 * count
        table = np.frombuffer(_part(frame.payload, 8, at), "<u8")
        strands, lengths = (table >> SHIFT).astype(np.int64), table & MASK
        if not count or (strands == 0).any() or (strands > len(self._names)).any() or (lengths == 0).any():
            raise FormatError("a run of no bytes, or of no strand (N12)")
        if (lengths > n.MAX).any() or int(lengths.sum()) != len(frame.payload) - at:
            raise FormatError(f"its runs are not the {len(frame.payload) - at} bytes that follow (N12)")
        if (lengths[strands == self._paged] % np.uint64(f.PAGE)).any():
            raise FormatError(f"pages that are not whole (N12): multiples of {f.PAGE} bytes")
        self.stream += len(frame.payload) - at
        if self.stream > f.ADDRESS_MASK:
            raise LimitError(f"more than {f.ADDRESS_MASK} bytes of the original stream")
        np.add.at(self._gone, strands, lengths)
        ends = (at + np.cumsum(lengths.astype(np.int64))).tolist()
        starts = [at, *ends[:-1]]
        payload = frame.payload
        yield Runs([(s, payload[a:b]) for s, a, b in zip(strands.tolist(), starts, ends, strict=True)])

    # -- objects -------------------------------------------------------------------------------------------

    def _name_list(self, frame: Frame) -> Iterator[Said]:
        count, _ = _head(frame.payload, zero=True)
        named = self._named.get(frame.operand)
        if named is None:
            raise FormatError(f"kind {frame.operand} has no names (N14)")
        at = 8 + 4 * count
        lengths = np.frombuffer(_part(frame.payload, 8, at), "<u4").astype(np.int64)
        if int(lengths.sum()) != len(frame.payload) - at:
            raise FormatError(f"its names are not the {len(frame.payload) - at} bytes that follow (N14)")
        named[0] += count
        named[2] += len(frame.payload) - at
        if named[2] > NAMES_MAX or (lengths > NAME_MAX).any():
            raise LimitError(f"names of {named[2]} bytes for one kind, or a name above {NAME_MAX} (N14)")
        ends = at + np.cumsum(lengths)
        joined = bytes(frame.payload)
        yield Names(frame.operand, [joined[b - k : b] for k, b in zip(lengths.tolist(), ends.tolist(), strict=True)])

    def _extents(self, frame: Frame) -> Iterator[Said]:
        rows = np.frombuffer(_entries(frame.payload, n.EXTENT_ROW), "<u8").reshape(-1, 3)
        self._inside(rows[:, 1], rows[:, 2], holes=True)
        self._waiting.add(rows)
        return iter(())

    def _inside(self, where: Ints, lengths: Ints, holes: bool) -> None:
        """All of these bytes have come (N13)."""
        strands, offsets = (where >> SHIFT).astype(np.int64), where & MASK
        nowhere = strands == 0
        if (strands > len(self._names)).any():
            raise FormatError("bytes of a strand that does not exist (N13)")
        ends = offsets + (lengths & MASK)
        late = ~nowhere & ((ends > self._gone[strands]) | (lengths > MASK))
        if late.any():
            i = int(np.argmax(late))
            raise FormatError(
                f"entry {i} needs bytes {int(offsets[i])}…{int(offsets[i]) + int(lengths[i])} of strand "
                f"{int(strands[i])}, of which {int(self._gone[strands[i]])} have come (N13)"
            )
        if (nowhere & ((offsets != 0) | (lengths != 0 if not holes else False))).any():
            raise FormatError("bytes that are in no strand (N13)")

    def _objects(self, frame: Frame) -> Iterator[Said]:
        count, _ = _head(frame.payload, zero=True)
        if 8 + n.OBJECT_ROW * count != len(frame.payload) or self.objects + count > OBJECTS_MAX:
            raise FormatError(f"{count} objects in {len(frame.payload)} bytes, after {self.objects}")
        keys, where, what = (np.frombuffer(frame.payload, "<u8", count, 8 + 8 * count * i) for i in range(3))
        layers = np.frombuffer(frame.payload, "<u2", count, 8 + 24 * count)
        kinds, listed = (what >> SHIFT).astype(np.int64), where >> SHIFT == LISTED
        if (kinds >= len(self._schema.kinds)).any() or (layers >= n.LAYERS).any():
            raise FormatError("an object of an unknown kind, or of a layer above the limit")
        self._inside(where[~listed], what[~listed] & MASK, holes=False)
        lists = self._waiting.take(where[listed], what[listed] & MASK)
        self._check_names(kinds, keys)
        self._spaces.update(different(layers.astype(np.int64) << 16 | kinds))
        self.objects += count
        self._count_spaces()
        yield Objects(keys, where, what, layers, lists)

    def _check_names(self, kinds: Ints, keys: Ints) -> None:
        for kind, named in self._named.items():
            mine = keys[kinds == kind]
            if (mine != np.arange(named[1], named[1] + len(mine), dtype=np.uint64)).any():
                raise FormatError(f"keys of kind {kind} do not count its objects (N14)")
            named[1] += len(mine)
            if named[1] > named[0]:
                raise FormatError(f"{named[1]} objects of kind {kind}, {named[0]} names (N14)")

    def _count_spaces(self) -> None:
        if len(self._spaces) + len(self._aliased) > SPACES_MAX:
            raise LimitError(f"more than {SPACES_MAX} spaces")

    # -- references ----------------------------------------------------------------------------------------

    def _references(self, frame: Frame) -> Iterator[Said]:
        count, lost = _head(frame.payload)
        if 8 + 16 * lost + 9 * count != len(frame.payload) or self.references + count > REFERENCES_MAX:
            raise FormatError(f"{count} references, {lost} of them to names, in {len(frame.payload)} bytes (N16)")
        names = np.frombuffer(frame.payload, "<u8", 2 * lost, 8).reshape(-1, 2)
        at = 8 + 16 * lost
        sources, targets = (np.frombuffer(frame.payload, "<u4", count, at + 4 * count * i) for i in range(2))
        roles = np.frombuffer(frame.payload, "u1", count, at + 8 * count)
        self._check_sources(sources, roles)
        dangling = targets & np.uint32(DANGLING_BIT) != 0
        self._check_targets(names, targets, dangling)
        kinds, layers = np.full(count, RESOLVED, np.uint16), np.zeros(count, np.uint16)
        keys = targets.astype(np.uint64)
        keys[dangling] = names[:, 0]
        kinds[dangling] = names[:, 1] & np.uint64(0xFFFF)
        layers[dangling] = names[:, 1] >> np.uint64(16)
        self.references += count
        yield References(sources, roles, layers, kinds, keys)

    def _check_sources(self, sources: Ints, roles: Ints) -> None:
        if not len(sources):
            return
        ordered = np.r_[np.uint32(self._source), sources]
        if (ordered[1:] < ordered[:-1]).any() or int(sources[-1]) >= self.objects:
            raise FormatError(f"sources do not ascend below {self.objects}, the objects that have come (N16)")
        if int(roles.max()) >= len(self._schema.roles):
            raise FormatError(f"unknown role {int(roles.max())} (N16)")
        self._source = int(sources[-1])

    def _check_targets(self, names: Ints, targets: Ints, dangling: Ints) -> None:
        places = targets[dangling] ^ np.uint32(DANGLING_BIT)
        if len(places) != len(names) or (places != np.arange(len(names))).any():
            raise FormatError("names of what is not in the image are used once each, in order (N16)")
        kinds, layers = names[:, 1] & np.uint64(0xFFFF), names[:, 1] >> np.uint64(16)
        if (kinds >= len(self._schema.kinds)).any() or (layers >= n.LAYERS).any():
            raise FormatError("the name of an object of an unknown kind or layer (N16)")
        there = targets[~dangling]
        if len(there):
            self._target = max(self._target, int(there.max()) + 1)

    def _aliases(self, frame: Frame) -> Iterator[Said]:
        if len(frame.payload) < n.ALIAS_HEAD.size:
            raise FormatError(f"{len(frame.payload)} bytes, less than its head (N17)")
        count, layer, zero = n.ALIAS_HEAD.unpack_from(frame.payload)
        if 8 + 12 * count != len(frame.payload) or zero or layer >= n.LAYERS:
            raise FormatError(f"{count} keys of layer {layer} in {len(frame.payload)} bytes (N17)")
        kind, space = frame.operand, layer << 16 | frame.operand
        again = space in self._aliased and space != self._last_alias
        named = kind >= len(self._schema.kinds) or self._schema.kinds[kind].form == FORM_BYTES
        if again or named or space in self._spaces:
            raise FormatError(f"second keys of kind {kind}, layer {layer}: not a space of their own (N17)")
        keys = np.frombuffer(frame.payload, "<u8", count, 8)
        ordinals = np.frombuffer(frame.payload, "<u4", count, 8 + 8 * count)
        ordered = np.r_[np.int64(self._aliased.get(space, -1)), ordinals.astype(np.int64)]
        if (ordered[1:] <= ordered[:-1]).any() or int(ordered[-1]) >= max(self.objects, 1) or not count:
            raise FormatError(f"ordinals do not ascend below {self.objects} (N17)")
        self._aliased[space], self._last_alias = int(ordered[-1]), space
        self.aliases += count
        self._count_spaces()
        yield Aliases(kind, layer, keys, ordinals)

    # -- marks ---------------------------------------------------------------------------------------------

    def _mark(self, frame: Frame) -> Iterator[Said]:
        if len(frame.payload) != n.MARK_BODY.size:
            raise FormatError(f"{len(frame.payload)} bytes, expected {n.MARK_BODY.size}")
        *said, zero, sha256, seal = n.MARK_BODY.unpack(frame.payload)
        counts = n.Counts(frame.position, frame.number, self.stream, self.objects, self.references, self.aliases,
                          self.notes)  # fmt: skip
        if tuple(said) != counts or zero:
            raise IntegrityError(f"it says {n.Counts(*said)}, found {counts} (N18)")
        if seal != frame.seal:
            raise IntegrityError(f"its seal is {seal.hex()}, expected {frame.seal.hex()} (N18)")
        if self._waiting.count or any(count != used for count, used, _ in self._named.values()):
            raise FormatError("extents or names are left that no object took (N14, N15)")
        end = frame.kind == n.END
        if end and self._target > self.objects:
            raise FormatError(f"a reference leads to object {self._target - 1} of {self.objects} (N16)")
        yield Mark(counts, sha256, seal, end, frame.position, frame.number)


def _head(payload: memoryview, zero: bool = False) -> tuple[int, int]:
    """(count, second number, which may have to be zero)."""
    if len(payload) < n.COUNTS.size:
        raise FormatError(f"{len(payload)} bytes, less than its head")
    count, second = n.COUNTS.unpack_from(payload)
    if zero and second:
        raise FormatError("bytes 4 to 7 must be zero (N1)")
    return count, second


def _part(payload: memoryview, start: int, end: int) -> memoryview:
    if end > len(payload):
        raise FormatError(f"its table ends at {end}, its payload at {len(payload)}")
    return payload[start:end]


def _entries(payload: memoryview, size: int) -> memoryview:
    if not len(payload) or len(payload) % size:
        raise FormatError(f"{len(payload)} bytes, expected entries of {size}")
    return payload


def _json(data: memoryview | bytes) -> Any:
    try:
        return json.loads(bytes(data))
    except (ValueError, RecursionError) as error:
        raise FormatError(f"not JSON: {error}") from None
