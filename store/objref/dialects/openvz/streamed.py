"""Walking objects as their bytes come: large ones and page blocks pass through, small ones are left to `batch`.

Where a batch ends depends on the lengths in the file alone, never on the pieces that it came in.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator
from typing import NamedTuple, TypeAlias

from objref.dialects.events import Derived, Edges, Event, Note, Pages, Part, Run
from objref.dialects.openvz import bodies
from objref.dialects.openvz.batch import COPYPAGES, DEPTH_MAX, OWNERS, PAGES, PART, RANGE, TRAILER, Batch, Image
from objref.dialects.openvz.kinds import BODY_DATA, BODY_NAME, KIND_OF, NUMBER, OBJECTS, UNKNOWN
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.ledger import at, one
from objref.dialects.openvz.memory import FILE_TOKEN, Owner
from objref.dialects.openvz.references import POS, About
from objref.dialects.openvz.window import Window

__all__ = ["Frame", "Steps", "Walk"]

Steps: TypeAlias = Generator[Event | None, None, None]
"""Events; None asks for more bytes."""
Amount: TypeAlias = Generator[Event | None, None, int]
Wait: TypeAlias = Generator[None, None, bool]

BATCH = 64 << 10
"""Bytes of small objects that are looked at together. An object of more is streamed."""
CGROUP_MAX = 1 << 20
"""A cgroup is taken whole for its list of processes: 256 K of them fit."""
PAGE = 4096
"""The page unit of the store."""
PAD = 8
"""A writer aligns the position after page contents: fewer bytes than this follow them."""
PAGED = frozenset({NUMBER["MM"], NUMBER["VMA"], NUMBER["INODE"], PAGES})


class Frame(NamedTuple):
    """An open container: a section, or an object that is streamed."""

    number: int
    """Its number in the ledger."""
    position: int
    end: int
    section: str
    depth: int
    owner: Owner | None


class _Head(NamedTuple):
    """An object header."""

    length: int
    type: int
    header: int
    content: int

    @property
    def streamed(self) -> bool:
        """Whether its bytes are passed on before all of them are there."""
        if self.type == bodies.CGROUP:
            return self.length > CGROUP_MAX
        return self.length > BATCH or (self.type in PAGED and self.length >= PAGE)


class Walk:
    """The walk through one file: its window, and what is known so far. Mutable."""

    def __init__(self) -> None:
        self.window = Window()
        self.image = Image(About(0, 0))
        self.cut: list[tuple[str, str]] = []
        """(objref, what is missing) where the file ended too early, innermost first."""

    # -- bytes ---------------------------------------------------------------------------------------------

    def wait(self, length: int) -> Wait:
        """Ask for bytes until that many are there; False at the end of the file."""
        while self.window.available < length:
            if self.window.closed:
                return False
            yield None
        return True

    def raw(self, section: str, length: int) -> Amount:
        """Pass on bytes as they come. Returns how many were missing at the end of the file."""
        while length:
            if not (yield from self.wait(1)):
                return length
            n = min(length, self.window.ready())
            yield Run(section, self.window.take(n), (Part(FILE_TOKEN, 0, n),))
            length -= n
        return 0

    def opaque(self, section: str) -> Steps:
        """All that is left of the file, in no object."""
        while (yield from self.wait(1)):
            n = self.window.ready()
            yield Run(section, self.window.take(n), (Part(FILE_TOKEN, 0, n),), bulk=True)

    # -- objects -------------------------------------------------------------------------------------------

    def enter(self, position: int, kind: int) -> int:
        """An object starts; see `Ledger.enter`."""
        return self.image.ledger.enter(position, kind)

    def settle(self, number: int) -> int:
        """An object ends and gets its ordinal."""
        ordinal = self.image.ledger.take(1)
        self.image.ledger.settle(number, ordinal)
        return ordinal

    def whole(self, kind: int, position: int) -> Derived:
        """The object that started at `position` and ends here."""
        length = self.window.position - position
        return Derived(kind, 0, position, False, one(0), one(FILE_TOKEN), one(position), one(length))

    def children(self, frame: Frame, parts: array[int] | None = None, names: list[bytes] | None = None) -> Steps:
        """The objects in a container. Stops where the walk cannot go on: the rest is for the caller to pass on."""
        window, texts, pending = self.window, [] if names is None else names, 0
        note = None
        while (room := frame.end - window.position - pending) > 0 and note is None:
            if room < HEAD.size:
                note = Note("length", at(frame.end - room), f"{room} bytes are no object: kept as they are")
                break
            if not (yield from self.wait(pending + HEAD.size)):
                break
            head = _Head._make(HEAD.unpack_from(window.peek(pending + HEAD.size), pending))
            reason = bodies.broken(head.length, head.header, room)
            if reason:
                text = f"{reason}: kept as it is up to {frame.end:#x}"
                note = Note("length", at(window.position + pending), text)
                break
            if head.streamed:
                yield from self._batch(frame, pending, texts)
                pending = 0
                self._part(parts, window.position)
                yield from self._object(frame, head)
                continue
            if not (yield from self.wait(pending + head.length)):
                break
            self._part(parts, window.position + pending)
            pending += head.length
            if pending >= BATCH:
                yield from self._batch(frame, pending, texts)
                pending = 0
        yield from self._batch(frame, pending, texts)
        if note is not None:
            yield note
        elif window.position < frame.end:
            yield from self._cut_short(frame, parts, texts)

    def _part(self, parts: array[int] | None, position: int) -> None:
        if parts is not None:
            parts.append(position)

    def _batch(self, frame: Frame, length: int, names: list[bytes], *, cut: bool = False) -> Iterator[Event]:
        if length:
            position = self.window.position
            batch = Batch(self.image, self.window.take(length), position, frame.section, cut=cut)
            yield from batch.events(frame.depth, frame.owner, names)

    def _cut_short(self, frame: Frame, parts: array[int] | None, names: list[bytes]) -> Iterator[Event]:
        """A small object that the end of the file cuts: an object if its struct came whole, else bare bytes."""
        window = self.window
        left, position = window.available, window.position
        if not left:
            return
        if left < HEAD.size:
            self.cut.append((at(position), f"{HEAD.size - left} bytes of an object header"))
        else:
            length, number, header, _ = HEAD.unpack(window.peek(HEAD.size))
            name = OBJECTS.get(number, f"object of type {number}")
            self.cut.append((at(position), f"{length - left} of {length} bytes of a {name}"))
            if left >= header:
                self._part(parts, position)
                yield from self._batch(frame, left, names, cut=True)

    def _object(self, outer: Frame, head: _Head) -> Steps:
        """An object that is streamed."""
        window = self.window
        position, name = window.position, OBJECTS.get(head.type, f"object of type {head.type}")
        if not (yield from self.wait(head.header)):
            self.cut.append((at(position), f"{head.length - window.available} of {head.length} bytes of a {name}"))
            yield from self.raw(outer.section, window.available)
            return
        kind = KIND_OF.get(head.type, UNKNOWN)
        me = self.enter(position, kind)
        struct = bytes(window.peek(head.header))
        yield from self.raw(outer.section, head.header)
        owner = Owner(position, kind) if head.type in OWNERS else outer.owner
        frame = Frame(me, position, position + head.length, outer.section, outer.depth + 1, owner)
        parts, names = array("Q"), list[bytes]()
        yield from self._body(frame, head, struct, parts, names)
        missing = yield from self.raw(outer.section, frame.end - window.position)
        if missing:
            self.cut.append((at(position), f"{missing} of {head.length} bytes of a {name}"))
        ordinal = self.settle(me)
        yield self.whole(kind, position)
        yield from self._describe(frame, head, struct, ordinal, parts, names)

    def _body(self, frame: Frame, head: _Head, struct: bytes, parts: array[int], names: list[bytes]) -> Steps:
        known = head.type in OBJECTS
        if head.type == PAGES and head.content == BODY_DATA:
            yield from self._pages(frame, struct)
        elif not bodies.has_children(known, head.content):
            yield from self._remark_body(frame, head, struct)
        elif frame.depth > DEPTH_MAX:
            text = f"more than {DEPTH_MAX} objects inside each other: kept, not looked into"
            yield Note("depth", at(self.window.position), text)
        else:
            yield from self.children(frame, parts, names)

    def _remark_body(self, frame: Frame, head: _Head, struct: bytes) -> Iterator[Note]:
        """What is wrong or unused with raw content."""
        room = frame.end - self.window.position
        stated = bodies.body_length(head.type, head.content, memoryview(struct))
        if stated is not None and stated > room:
            yield Note("length", at(frame.position), f"states {stated} bytes of content, and has room for {room}")
        if head.type in PAGED or head.type in (COPYPAGES, bodies.CGROUP):
            text = f"content kind {head.content} of {room} bytes: kept, not looked into"
            yield Note("content", at(frame.position), text)
        if head.type == TRAILER:
            self.image.trailer = (frame.position, struct)
        if head.type == bodies.NAME and head.content == BODY_NAME:
            yield Note("length", at(frame.position), f"a name of {room} bytes: kept, not looked into")

    def _describe(
        self, frame: Frame, head: _Head, struct: bytes, ordinal: int, parts: array[int], names: list[bytes]
    ) -> Iterator[Event]:
        """References and further keys of a streamed object, known when its children are."""
        note = self.image.remark(frame.position, head.type, head.header)
        if note is not None:
            yield note
        roles, kinds = array("B", [PART]) * len(parts), array("H", [POS]) * len(parts)
        keys, found = self.image.describe(frame.position, head.type, head.header, memoryview(struct), 0, names)
        for kind, key in keys:
            self.image.ledger.call(frame.number, kind, key)
        for role, kind, key, expected in found:
            roles.append(role)
            kinds.append(kind)
            parts.append(key)
            wrong = self.image.ledger.check(frame.position, key, expected) if kind == POS else None
            if wrong is not None:
                yield wrong
        if parts:
            yield Edges(0, array("I", [ordinal]) * len(parts), roles, kinds, parts)

    # -- pages ---------------------------------------------------------------------------------------------

    def _pages(self, frame: Frame, struct: bytes) -> Steps:
        """Page contents, as slices of what came in."""
        low, high = RANGE.unpack_from(struct, HEAD.size) if len(struct) >= HEAD.size + RANGE.size else (0, 0)
        position, room = self.window.position, frame.end - self.window.position
        length = high - low
        if not 0 < length <= room < length + PAD or length % PAGE:
            text = f"addresses {low:#x}…{high:#x} and {room} bytes of pages do not agree: no memory is made of them"
            yield Note("pages", at(frame.position), text)
            return
        while length and (yield from self.wait(PAGE)):
            n = min(length, max(PAGE, self.window.ready() // PAGE * PAGE))
            yield Pages(self.window.take(n), (FILE_TOKEN,))
            length -= n
        if length:
            yield from self.raw(frame.section, self.window.available)
        came = min(self.window.position - position, high - low)
        if frame.owner is None:
            yield Note(
                "pages", at(frame.position), "page contents outside of an MM or INODE: no memory is made of them"
            )
        elif came and not self.image.memories.data(frame.owner, low, came, position):
            yield Note("pages", at(frame.position), f"addresses {low:#x}…{high:#x} make no sense")
