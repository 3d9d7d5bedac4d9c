"""Splits an image: the header, then objects until the end, each at a multiple of 8.

Runs of objects of one kind, with their padding, go to the section of that kind. A walk that cannot go on keeps the
rest as it is, in the section `unread`.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Generator, Iterator

from objref.dialects.dobriyan.doubts import DOUBTS_MAX, Doubt, Passing, settle
from objref.dialects.dobriyan.framing import Frame, Verdict, is_strong, look
from objref.dialects.dobriyan.kinds import KIND, KINDS, ROLES
from objref.dialects.dobriyan.layouts import HEADER, HEADER_SPAN, OBJECT, padded
from objref.dialects.dobriyan.references import edges
from objref.dialects.dobriyan.unread import why_unread
from objref.dialects.events import Alias, Event, Note, Objects, Run
from objref.limits import DEFAULT, Limits

__all__ = ["DobriyanSplitter"]

Step = Generator[Event, None, int]
"""Events; returns how far it came in the buffer."""
Taker = Callable[[bytes, int, bool], Step]


class DobriyanSplitter:
    """See `events.Splitter`. Mutable. Memory: 8 bytes an object, and a few KiB."""

    kinds = KINDS
    roles = ROLES

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._buffer = bytearray()
        self._need = HEADER_SPAN
        self._at = 0  # position in the stream of the buffer's first byte
        self._step: Taker = self._header
        self._positions = array("Q")
        self._doubts: list[Doubt] = []
        self._tokens = 0
        self._passing: Passing | None = None
        self._others: dict[Verdict, Callable[[Frame, bytes, int], Step]] = {
            Verdict.MORE: self._more,
            Verdict.DOUBT: self._doubt,
            Verdict.BROKEN: self._broken,
            Verdict.CUT: self._cut,
        }

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """The next bytes of the image."""
        self._buffer += data
        if len(self._buffer) >= self._need:
            yield from self._work(last=False)

    def finish(self) -> Iterator[Event]:
        """The image has ended."""
        empty = not (self._at or self._buffer)
        yield from self._work(last=True)
        if empty:
            yield Note("cut", "header:0", f"an empty stream: all {HEADER.length} bytes of the header are missing")
        yield from self._end_of_doubts()
        if self._positions:
            ordinals = array("I", range(1, len(self._positions) + 1))  # the header is object 0
            yield Alias(KIND["pos"], 0, self._positions, ordinals)

    def _work(self, last: bool) -> Iterator[Event]:
        buffer, at = bytes(self._buffer), 0
        self._need = 0
        while at < len(buffer) and not self._need:
            at = yield from self._step(buffer, at, last)
        self._buffer = bytearray(buffer[at:])
        self._at += at

    # -- the header ----------------------------------------------------------------------------------------

    def _header(self, buffer: bytes, at: int, last: bool) -> Step:
        """There is all of it, or all that there will be; its padding may be missing."""
        data = buffer[:HEADER_SPAN]
        yield Run("header", data)
        self._step = self._unread
        if len(data) < HEADER.length:
            missing = HEADER.length - len(data)
            yield Note("cut", "header:0", f"ends after {len(data)} bytes, inside the header: {missing} are missing")
        elif why := why_unread(data):
            yield Note("unread", "header:0", f"{why}: kept as it is, not looked into")
        else:
            yield Objects(KIND["header"], 0, array("Q", [0]), array("Q", [0]), array("Q", [HEADER.length]))
            self._step = self._objects
        return len(data)

    # -- objects -------------------------------------------------------------------------------------------

    def _objects(self, buffer: bytes, at: int, last: bool) -> Step:
        frame = look(buffer, at, last, alone=not self._doubts)
        if frame.verdict is not Verdict.SURE:
            return (yield from self._others[frame.verdict](frame, buffer, at))
        yield from self._settle()
        return (yield from self._alike(frame, buffer, at, last))

    def _alike(self, frame: Frame, buffer: bytes, start: int, last: bool) -> Step:
        """Sure objects of one kind, as far as they go: one run."""
        layout, at = frame.layout, start
        assert layout is not None  # for mypy: what is sure is known
        starts, lengths = array("Q"), array("Q")
        while frame.verdict is Verdict.SURE and frame.layout is layout:
            starts.append(at - start)
            lengths.append(frame.length)
            at = min(at + padded(frame.length), len(buffer))
            frame = look(buffer, at, last, alone=True)
        first, data = self._ordinal(), buffer[start:at]
        keys = array("Q", [self._at + start + offset for offset in starts])
        self._positions.extend(keys)
        yield Run(layout.kind, data)
        yield Objects(KIND[layout.kind], 0, keys, starts, lengths)
        references = edges(layout, data, starts, first)
        if references is not None:
            yield references
        return at

    def _ordinal(self) -> int:
        """Of the next object; the header is 0."""
        return 1 + len(self._positions)

    def _more(self, frame: Frame, buffer: bytes, at: int) -> Step:
        self._need = frame.need
        yield from ()
        return at

    # -- what is in doubt ----------------------------------------------------------------------------------

    def _doubt(self, frame: Frame, buffer: bytes, at: int) -> Step:
        if len(self._doubts) == DOUBTS_MAX:
            return (yield from self._broken(Frame(Verdict.BROKEN, why="too many objects in doubt"), buffer, at))
        self._tokens += 1
        doubt = Doubt(self._at + at, self._tokens, frame.layout, frame.why)
        self._passing = Passing(doubt, frame.length)
        self._step = self._pass
        return (yield from self._pass(buffer, at, False))

    def _pass(self, buffer: bytes, at: int, last: bool) -> Step:
        passing = self._passing
        assert passing is not None  # for mypy: that is what this step is for
        run = passing.take(buffer, at)
        yield run
        if passing.done:
            self._doubts.append(passing.doubt)
            self._passing, self._step = None, self._objects
        return at + len(run.data)

    def _settle(self) -> Iterator[Event]:
        """A sure object: those before it are objects, too."""
        for doubt in self._doubts:
            yield from settle(doubt)
            self._positions.append(doubt.position)
        self._doubts.clear()

    def _end_of_doubts(self) -> Iterator[Event]:
        """The stream has ended: where an object ends, or inside of one that was in doubt."""
        passing = self._passing
        if passing is not None and not passing.left:  # only the last padding is missing
            self._doubts.append(passing.doubt)
        elif passing is not None:
            yield from self._dropped()
            yield _cut(passing.doubt.position, passing.length - passing.left, passing.length, passing.doubt.why)
        yield from self._settle()

    def _dropped(self) -> Iterator[Note]:
        """What follows them is no object: they are bytes, and no objects."""
        if self._doubts:
            text = f"{len(self._doubts)} objects whose lengths nothing confirms: kept as they are, without id"
            yield Note("doubtful", f"pos:{self._doubts[0].position:#x}", text)
        self._doubts.clear()

    # -- the end -------------------------------------------------------------------------------------------

    def _broken(self, frame: Frame, buffer: bytes, at: int) -> Step:
        """No object can begin here, so nobody knows where the next one would."""
        yield from self._dropped()
        where = f"pos:{self._at + at:#x}"
        yield Note("unread", where, f"{frame.why}: kept as it is from there on, not looked into")
        self._step = self._unread
        return at

    def _unread(self, buffer: bytes, at: int, last: bool) -> Step:
        yield Run("unread", buffer[at:])
        return len(buffer)

    def _cut(self, frame: Frame, buffer: bytes, at: int) -> Step:
        """The stream ends inside an object. It is bytes, and no object: nothing can refer to it."""
        if is_strong(frame.layout):
            yield from self._settle()
        else:
            yield from self._dropped()
        yield Run("unread" if frame.layout is None else frame.layout.kind, buffer[at:])
        what = "an object's header" if frame.layout is None else frame.layout.name
        yield _cut(self._at + at, len(buffer) - at, frame.length or OBJECT.size, what)
        return len(buffer)


def _cut(position: int, have: int, length: int, what: str) -> Note:
    text = f"ends after {have} of {length} bytes of {what}: {length - have} are missing"
    return Note("cut", f"pos:{position:#x}", text)
