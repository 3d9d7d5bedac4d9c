"""Walking objects as their bytes come: large ones and page blocks pass through, small ones are left to `batch`.

Where a batch ends depends on the lengths in the file alone, never on the pieces that it came in.
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator
from itertools import accumulate
from typing import NamedTuple, TypeAlias

from objref.dialects.events import Derived, Edges, Event, Note, Pages, Part, Run, Woven
from objref.dialects.openvz import bodies
from objref.dialects.openvz.batch import DEPTH_MAX, Batch
from objref.dialects.openvz.kinds import ARRAY, BODY_DATA, BODY_NAME, KIND, NUMBER, OBJECTS, ROLE, VOID
from objref.dialects.openvz.layouts import HEAD
from objref.dialects.openvz.ledger import at, one
from objref.dialects.openvz.memory import BLOCKS, FILE_TOKEN, PAGES, RANGE, Owner
from objref.dialects.openvz.page_blocks import HEADER, find_blocks
from objref.dialects.openvz.plans import OWNERS, Image, Plan
from objref.dialects.openvz.references import POS, About, Target
from objref.dialects.openvz.scanning import PAGE, SWALLOWED, Frame, Head, scan
from objref.dialects.openvz.window import Window

__all__ = ["Frame", "Steps", "Walk"]

Steps: TypeAlias = Generator[Event | None, None, None]
"""Events; None asks for more bytes."""
Amount: TypeAlias = Generator[Event | None, None, int]
Wait: TypeAlias = Generator[None, None, bool]

TAR = "tar"
"""Section for what is in a tmpfs: it may be long, and is read as a whole."""
TASK, TRAILER, PART = NUMBER["TASK"], NUMBER["TRAILER"], ROLE["part"]


class _Open(NamedTuple):
    """A streamed object while it passes."""

    frame: Frame
    plan: Plan
    head: Head
    struct: bytes
    parts: array[int]
    """Positions of the objects in it."""
    names: list[bytes]


class Walk:
    """The walk through one file: its window, and what is known so far. Mutable."""

    def __init__(self) -> None:
        self.window = Window()
        self.image = Image(About(0, 0))
        self.cut: list[tuple[str, str]] = []
        """(objref, what is missing) where the file ended too early, innermost first."""
        self.swallowed = False
        """Whether the section that was walked last holds the header of the next one."""

    # -- bytes ---------------------------------------------------------------------------------------------

    def wait(self, length: int) -> Wait:
        """Ask for bytes until that many are there; False at the end of the file."""
        while self.window.available < length:
            if self.window.closed:
                return False
            yield None
        return True

    def raw(self, section: str, length: int, *, bulk: bool = False) -> Amount:
        """Pass on bytes as they come. Returns how many were missing at the end of the file."""
        while length:
            if not (yield from self.wait(1)):
                return length
            n = min(length, self.window.ready())
            yield Run(section, self.window.take(n), (Part(FILE_TOKEN, 0, n),), bulk)
            length -= n
        return 0

    def opaque(self, section: str) -> Steps:
        """All that is left of the file, in no object."""
        while (yield from self.wait(1)):
            n = self.window.ready()
            yield Run(section, self.window.take(n), (Part(FILE_TOKEN, 0, n),), bulk=True)

    # -- objects -------------------------------------------------------------------------------------------

    def opened(self, kind: int) -> tuple[int, int]:
        """An object starts here: (its position, its number in the ledger)."""
        position = self.window.position
        return position, self.image.ledger.enter(position, kind)

    def closed(self, number: int, kind: int, position: int) -> Derived:
        """An object ends here."""
        ledger, length = self.image.ledger, self.window.position - position
        ledger.settle(number, ledger.take(1))
        return Derived(kind, 0, position, False, one(0), one(FILE_TOKEN), one(position), one(length))

    def children(self, frame: Frame, parts: array[int], names: list[bytes]) -> Steps:
        """The objects in a container: their positions are added to `parts`, their texts to `names`. Stops where the
        walk cannot go on: the rest is for the caller to pass on."""
        window, pending = self.window, 0
        while (room := frame.end - window.position) > pending:
            pending, need, reason = scan(window.front, pending, room, frame)
            if need and (yield from self.wait(need)):
                window.peek(need)
                continue
            whole, pending = pending, 0
            if whole:
                yield from self._batch(frame, whole, parts, names)
            if need:
                yield from self._cut_short(frame, parts, names)
                return
            if reason == SWALLOWED:
                self.swallowed = True
                return
            if reason:
                text = f"{reason}: kept as it is up to {at(frame.end)}"
                yield Note("length", at(window.position), text)
                return
            if not whole:
                if (yield from self._page_blocks(frame, parts)):
                    continue
                parts.append(window.position)
                yield from self._object(frame, Head._make(HEAD.unpack(window.peek(HEAD.size))))

    def _batch(
        self, frame: Frame, length: int, parts: array[int], names: list[bytes], *, cut: bool = False
    ) -> Iterator[Event]:
        position = self.window.position
        batch = Batch(self.image, self.window.take(length), position, cut=cut)
        yield from batch.events(frame.section, frame.depth, frame.owner, names, parts)

    def _cut_short(self, frame: Frame, parts: array[int], names: list[bytes]) -> Iterator[Event]:
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
                yield from self._batch(frame, left, parts, names, cut=True)

    def _object(self, outer: Frame, head: Head) -> Steps:
        """An object that is streamed."""
        window, image = self.window, self.image
        if window.available < head.header and not (yield from self.wait(head.header)):
            self._lacks(window.position, head, head.length - window.available)
            yield from self.raw(outer.section, window.available)
            return
        notes: list[Note] = []
        plan = image.plan(head.type, head.header, window.position, notes)
        position, me = self.opened(plan.kind)
        struct = window.take(head.header)
        yield Run(outer.section, struct, (Part(FILE_TOKEN, 0, head.header),))
        owner = Owner(position, plan.kind) if head.type in OWNERS else outer.owner
        frame = Frame(me, position, position + head.length, outer.section, outer.depth + 1, owner)
        found = _Open(frame, plan, head, bytes(struct), array("Q"), [])
        yield from self._body(found)
        if window.position < frame.end:
            tar = head.type == bodies.NAME and head.content == BODY_DATA
            section = TAR if tar else outer.section
            missing = yield from self.raw(section, frame.end - window.position, bulk=tar)
            if missing:
                self._lacks(position, head, missing)
        yield self.closed(me, plan.kind, position)
        yield from notes
        yield from self._describe(found, image.ledger.last)

    def _lacks(self, position: int, head: Head, missing: int) -> None:
        name = OBJECTS.get(head.type, f"object of type {head.type}")
        self.cut.append((at(position), f"{missing} of {head.length} bytes of a {name}"))

    def _body(self, found: _Open) -> Steps:
        frame, head = found.frame, found.head
        if head.type == PAGES and head.content == BODY_DATA:
            yield from self._pages(frame, found.struct)
        elif not (found.plan.listed and head.content == ARRAY):
            yield from self._remark_body(found)
        elif frame.depth > DEPTH_MAX:
            text = f"more than {DEPTH_MAX} objects inside each other: kept, not looked into"
            yield Note("depth", at(self.window.position), text)
        else:
            yield from self.children(frame, found.parts, found.names)

    def _remark_body(self, found: _Open) -> Iterator[Note]:
        """What is wrong with raw content."""
        frame, head, where = found.frame, found.head, at(found.frame.position)
        room = frame.end - self.window.position
        reason = bodies.disagrees(head.type, head.content, found.struct, room)
        if reason:
            yield Note("length", where, reason)
        if head.content == VOID and found.plan.bare and room:
            yield Note("length", where, f"states no content, and has {room} bytes of it")
        elif head.content != VOID and head.type in bodies.LISTS:
            yield Note("content", where, f"content kind {head.content}, expected {ARRAY}: not looked into")
        if head.type in BLOCKS:
            reason = self.image.memories.block(frame.position, found.struct, head.content, room, frame.owner)
            if reason:
                yield Note("pages", where, f"{reason}: no memory is made of it")
        if head.type == TRAILER:
            self.image.trailer = (frame.position, found.struct)
        if head.type == bodies.CGROUP or (head.type == bodies.NAME and head.content == BODY_NAME):
            yield Note("length", where, f"{room} bytes of content: kept, not looked into")

    def _describe(self, found: _Open, ordinal: int) -> Iterator[Event]:
        """References and further keys of a streamed object, known when its children are."""
        frame, parts, view, ledger = found.frame, found.parts, memoryview(found.struct), self.image.ledger
        roles, kinds = array("B", [PART]) * len(parts), array("H", [POS]) * len(parts)
        keys, targets = self.image.describe(found.plan, view, 0, len(view), found.names)
        for kind, key in keys:
            ledger.call(frame.number, kind, key)
        if found.head.type == TASK and (mm := self.image.task(view, 0, len(view))) is not None:
            targets.append(Target(ROLE["mem"], KIND["mem"], mm))
        for role, kind, key, expected in targets:
            roles.append(role)
            kinds.append(kind)
            parts.append(key)
            wrong = ledger.check(frame.position, key, expected) if expected >= 0 else None
            if wrong is not None:
                yield wrong
        if parts:
            yield Edges(0, array("I", [ordinal]) * len(parts), roles, kinds, parts)

    # -- pages ---------------------------------------------------------------------------------------------

    def _page_blocks(self, frame: Frame, parts: array[int]) -> Generator[Event | None, None, bool]:
        """Small page blocks, behind one that told of their struct. False when there are none."""
        window, image, owner = self.window, self.image, frame.owner
        plan = image.plans.get((PAGES, HEADER))
        if owner is None or plan is None or plan.tells:
            return False
        blocks = find_blocks(window.front, frame.end - window.position)
        if not blocks.lengths:
            return False
        position, count = window.position, len(blocks.lengths)
        starts = array("Q", accumulate(blocks.lengths[:-1], initial=position))
        first, nothing, whole = image.ledger.take(count), one(0), one(FILE_TOKEN)
        image.ledger.extend(starts, array("H", [plan.kind]) * count, array("I", range(first, first + count)))
        parts.extend(starts)
        yield Woven(frame.section, window.take(sum(blocks.lengths)), blocks.turns, FILE_TOKEN)
        for start, low, length in zip(starts, blocks.starts, blocks.lengths, strict=True):
            yield Derived(plan.kind, 0, start, False, nothing, whole, one(start), one(length))
            if not image.memories.data(owner, low, length - HEADER, start + HEADER):
                yield _senseless(start, low, low + length - HEADER)
        return True

    def _pages(self, frame: Frame, struct: bytes) -> Steps:
        """Page contents, as slices of what came in."""
        low, high = RANGE.unpack_from(struct, HEAD.size) if len(struct) >= HEAD.size + RANGE.size else (0, 0)
        window, where = self.window, at(frame.position)
        position, room, length = window.position, frame.end - window.position, high - low
        if not 0 < length <= room < length + bodies.PAD:
            text = f"addresses {low:#x}…{high:#x} and {room} bytes of pages do not agree: no memory is made of them"
            yield Note("pages", where, text)
            return
        while length >= PAGE and (window.available >= PAGE or (yield from self.wait(PAGE))):
            n = min(length // PAGE * PAGE, max(PAGE, window.ready() // PAGE * PAGE))
            yield Pages(window.take(n), (FILE_TOKEN,))
            length -= n
        if length:
            yield from self.raw(frame.section, min(length, window.available))
        came = min(window.position - position, high - low)
        if frame.owner is None:
            yield Note("pages", where, "page contents outside of an MM or INODE: no memory is made of them")
        elif came and not self.image.memories.data(frame.owner, low, came, position):
            yield _senseless(frame.position, low, high)


def _senseless(position: int, low: int, high: int) -> Note:
    return Note("pages", at(position), f"addresses {low:#x}…{high:#x} make no sense: no memory is made of them")
