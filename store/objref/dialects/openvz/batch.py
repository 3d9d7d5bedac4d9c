"""Small objects, many at a time: their bytes are one run, their ids and references a few columns."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from objref.dialects.events import Edges, Event, Note, Objects, Part, Run
from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import ARRAY, BODY_NAME, KIND, NUMBER, ROLE, VOID
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.ledger import at
from objref.dialects.openvz.memory import FILE_TOKEN, Owner
from objref.dialects.openvz.plans import OWNERS, Image, Plan
from objref.dialects.openvz.references import POS

__all__ = ["DEPTH_MAX", "NAMES_MAX", "Batch"]

DEPTH_MAX = 16
"""Objects inside objects. Real files have five levels (watch, file, lock); deeper ones are kept, not walked."""
NOTHING: list[bytes] = []
NAMES_MAX = 3
"""Texts of NAMEs that references depend on: those of a mount."""
TEXT_MAX = 4096
PART, PID, PROCESS, MEM, MEM_ROLE = ROLE["part"], KIND["pid"], ROLE["process"], KIND["mem"], ROLE["mem"]


class _Place(NamedTuple):
    """An object of a batch, for what only some types have: its number here, offsets, and what is around it."""

    me: int
    number: int
    start: int
    header: int
    content: int
    stop: int
    depth: int
    owner: Owner | None
    names: list[bytes]


class Batch:
    """Whole objects of one container, and all that is nested in them; or one that the end of the file cuts (`cut`).
    Mutable; used once."""

    def __init__(self, image: Image, data: memoryview, position: int, *, cut: bool = False) -> None:
        self._image = image
        self._cut = cut
        self._data = data
        self._position = position
        self._kinds: list[int] = []
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._edges: list[tuple[int, int, int, int]] = []
        self._tops = array("Q")
        self._keys: list[tuple[int, int, int]] = []
        self._checks: list[tuple[int, int, int]] = []
        self._notes: list[Note] = []

    def events(
        self, section: str, depth: int, owner: Owner | None, names: list[bytes], tops: array[int]
    ) -> Iterator[Event]:
        """The run of these bytes and what is in it. Added to `names`: texts of outermost NAMEs; to `tops`: positions of
        outermost objects."""
        data = self._data
        yield Run(section, data, (Part(FILE_TOKEN, 0, len(data)),))
        self._tops = tops
        self._walk(0, len(data), depth, owner, names, -1)
        yield from self._columns()
        yield from self._notes

    def _columns(self) -> Iterator[Event]:
        """One column for each kind, in the order in which the kinds first come."""
        groups: dict[int, list[int]] = {}
        for i, kind in enumerate(self._kinds):
            groups.setdefault(kind, []).append(i)
        starts, lengths, ledger = array("Q", self._starts), array("Q", self._lengths), self._image.ledger
        position = self._position
        positions = array("Q", [position + start for start in self._starts])
        ordinals = array("I", bytes(4 * len(starts)))
        for kind, members in groups.items():
            for ordinal, i in enumerate(members, ledger.take(len(members))):
                ordinals[i] = ordinal
            keys, offsets, sizes = (array("Q", [column[i] for i in members]) for column in (positions, starts, lengths))
            yield Objects(kind, 0, keys, offsets, sizes)
        first = ledger.extend(positions, array("H", self._kinds), ordinals)
        for me, kind, key in self._keys:
            ledger.call(first + me, kind, key)
        if self._edges:
            sources, roles, kinds, named = zip(*self._edges, strict=True)
            holders = array("I", [ordinals[i] for i in sources])
            yield Edges(0, holders, array("B", roles), array("H", kinds), array("Q", named))
        for start, key, expected in self._checks:
            note = ledger.check(position + start, key, expected)
            if note is not None:
                yield note

    # -- the walk ------------------------------------------------------------------------------------------

    def _walk(self, start: int, end: int, depth: int, owner: Owner | None, names: list[bytes], outer: int) -> None:
        """The objects in data[start:end], which are nested in object number `outer` of the batch, or outermost (-1)."""
        data, unpack, plans, position = self._data, HEAD.unpack_from, self._image.plans, self._position
        starts, lengths, kinds, base = self._starts, self._lengths, self._kinds, HEAD.size
        while start < end:
            if end - start < base:
                self._tell("length", start, f"{end - start} bytes are no object: kept as they are")
                return
            length, number, header, content = unpack(data, start)
            if self._cut and base <= header <= end - start < length:  # its struct is there, the file ends behind
                length = end - start
            if header < base or length < header or length > end - start:
                reason = bodies.broken(length, header, end - start)
                self._tell("length", start, f"{reason}: kept as it is up to {at(position + end)}")
                return
            plan = plans.get((number, header)) or self._image.plan(number, header, position + start, self._notes)
            me, inner = len(starts), NOTHING
            starts.append(start)
            lengths.append(length)
            kinds.append(plan.kind)
            if outer >= 0:
                self._edges.append((outer, PART, POS, position + start))
            else:
                self._tops.append(position + start)
            if length > header or number in EXTRAS:
                place = _Place(me, number, start, header, content, start + length, depth, owner, names)
                inner = self._inside(plan, place)
            if plan.tells:
                self._describe(plan, me, start, header, inner)
            start += length

    def _inside(self, plan: Plan, place: _Place) -> list[bytes]:
        """What follows the struct of an object. Returns the texts of the NAMEs in it."""
        inner: list[bytes] = []
        room = place.stop - place.start - place.header
        if place.content == ARRAY and plan.listed and room:
            around = Owner(self._position + place.start, plan.kind) if place.number in OWNERS else place.owner
            self._nested(place.start + place.header, place.stop, place.depth + 1, around, inner, place.me)
        elif place.content == VOID:
            if plan.bare and room:
                self._tell("length", place.start, f"states no content, and has {room} bytes of it")
        elif place.content != ARRAY and place.number in bodies.LISTS:
            self._tell("content", place.start, f"content kind {place.content}, expected {ARRAY}: not looked into")
        if place.number in EXTRAS:
            EXTRAS[place.number](self, place)
        return inner

    def _describe(self, plan: Plan, me: int, start: int, header: int, names: list[bytes]) -> None:
        """References and further keys."""
        data, edges, checks = self._data, self._edges, self._checks
        (unpack, rules), own = plan.fields, plan.own
        for (role, kind, expected, nothing), key in zip(rules, unpack(data, start), strict=True):
            if key not in nothing:
                edges.append((me, role, kind, key))
                if expected >= 0:
                    checks.append((start, key, expected))
        if own.rules:
            for rule, key in zip(own.rules, own.unpack(data, start), strict=True):
                if key not in rule.nothing:
                    self._keys.append((me, rule.kind, key))
        if plan.special is not None:
            for role, kind, key, expected in plan.special(self._image.about, data, start, header, names):
                edges.append((me, role, kind, key))
                if expected >= 0:
                    checks.append((start, key, expected))

    def _nested(self, start: int, end: int, depth: int, owner: Owner | None, names: list[bytes], outer: int) -> None:
        if depth > DEPTH_MAX:
            self._tell("depth", start, f"more than {DEPTH_MAX} objects inside each other: kept, not looked into")
        else:
            self._walk(start, end, depth, owner, names, outer)

    def _tell(self, what: str, offset: int, text: str) -> None:
        """Of an object that the end of the file cuts nothing is told: it is said once, that it does."""
        if not self._cut:
            self._notes.append(Note(what, at(self._position + offset), text))

    # -- what only some types have -------------------------------------------------------------------------

    def _stated(self, place: _Place) -> None:
        head = self._data[place.start : place.start + place.header]
        reason = bodies.disagrees(place.number, place.content, head, place.stop - place.start - place.header)
        if reason:
            self._tell("length", place.start, reason)

    def _name(self, place: _Place) -> None:
        if place.content != BODY_NAME:
            self._stated(place)
            return
        body = self._data[place.start + place.header : place.stop]
        text = bodies.text(body)
        if not bodies.fits(text, body):
            self._tell("length", place.start, f"a text of {len(text)} bytes in {len(body)}: no NUL, or more behind it")
        if len(place.names) < NAMES_MAX:
            place.names.append(text[:TEXT_MAX])

    def _cgroup(self, place: _Place) -> None:
        """A NAME unless it is the root group, process ids, and a zero."""
        start = place.start + place.header
        body = self._data[start : place.stop]
        found = bodies.cgroup(body)
        name = found.name if found else bodies.cgroup_name(body) if self._cut else None
        if name:
            self._nested(start, start + name, place.depth + 1, None, [], place.me)
        if found:
            self._edges.extend((place.me, PROCESS, PID, pid) for pid in found.processes)
        else:
            self._tell("length", place.start, "a cgroup is a name and numbers of processes up to 0: it is not")

    def _task(self, place: _Place) -> None:
        mm = self._image.task(self._data, place.start, place.header)
        if mm is not None:
            self._edges.append((place.me, MEM_ROLE, MEM, mm))

    def _pages(self, place: _Place) -> None:
        head = self._data[place.start : place.start + place.header]
        room = place.stop - place.start - place.header
        reason = self._image.memories.block(self._position + place.start, head, place.content, room, place.owner)
        if reason:
            self._tell("pages", place.start, f"{reason}: no memory is made of it")

    def _trailer(self, place: _Place) -> None:
        head = self._data[place.start : place.start + place.header]
        self._image.trailer = (self._position + place.start, bytes(head))


EXTRAS: dict[int, Callable[[Batch, _Place], None]] = {
    NUMBER["BITS"]: Batch._stated,
    NUMBER["SYSVMSG_MSG"]: Batch._stated,
    NUMBER["SYSVSEM_UNDO_REC"]: Batch._stated,
    bodies.NAME: Batch._name,
    bodies.CGROUP: Batch._cgroup,
    NUMBER["TASK"]: Batch._task,
    NUMBER["PAGES"]: Batch._pages,
    NUMBER["COPYPAGES"]: Batch._pages,
    NUMBER["LAZYPAGES"]: Batch._pages,
    NUMBER["ITERPAGES"]: Batch._pages,
    NUMBER["ITERYOUNGPAGES"]: Batch._pages,
    NUMBER["TRAILER"]: Batch._trailer,
}
