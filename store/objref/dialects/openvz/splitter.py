"""The OpenVZ dialect: a CPT file becomes objects and references, in one pass, whatever the sizes of its pieces.

A CPT file is a header, sections and a trailer; sections hold objects, objects hold objects. All that is needed to
walk it is the length at the start of each; nothing is assumed about alignment. Small objects are taken many at a time
(`batch`), large ones and page blocks as they come (`streamed`). What breaks a rule is kept as it is, with a note.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from struct import Struct

from objref.dialects.events import Event, Forget, Note
from objref.dialects.openvz.kinds import (
    ARCHITECTURES,
    COVERED,
    KIND,
    KINDS,
    ROLES,
    SECTION_NUMBER,
    SECTIONS,
    SIGNATURE,
    UNKNOWN,
    VERSIONS,
)
from objref.dialects.openvz.layouts import SECTION_HEAD
from objref.dialects.openvz.ledger import at
from objref.dialects.openvz.plans import Image
from objref.dialects.openvz.references import About
from objref.dialects.openvz.streamed import Frame, Steps, Walk
from objref.dialects.openvz.trailer import check_trailer
from objref.limits import DEFAULT, Limits

__all__ = ["CptSplitter"]

HEADER_SIZE = 80
HEADER = Struct("<4sHHH")
TRAILER = SECTION_NUMBER["trailer"]
CUT_NAMES = 8


class CptSplitter:
    """Splits the bytes of a CPT file. Mutable; see `events.Splitter`."""

    kinds = KINDS
    roles = ROLES

    def __init__(self, limits: Limits = DEFAULT) -> None:
        self._walk = Walk()
        self._sections: list[tuple[int, int]] = []
        self._covered = False
        self._steps = self._file()

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """The next bytes of the file."""
        self._walk.window.add(data)
        yield from self._go()
        self._walk.window.keep()

    def finish(self) -> Iterator[Event]:
        """The file has ended."""
        self._walk.window.closed = True
        yield from self._go()

    def _go(self) -> Iterator[Event]:
        for step in self._steps:
            if step is None:  # more bytes are needed
                return
            yield step

    # -- the file ------------------------------------------------------------------------------------------

    def _file(self) -> Steps:
        walk = self._walk
        yield from walk.wait(HEADER_SIZE)
        length, notes = self._header()
        if length:
            yield from self._take_header(length)
        yield from notes
        if self._covered:
            yield from self._all_sections()
        yield from walk.opaque("trailing" if self._sections else "unknown")
        if self._covered:
            yield from self._end(walk.image)
        yield from walk.image.ledger.finish()

    def _header(self) -> tuple[int, list[Note]]:
        """(length of the header, 0 if there is none; what is wrong with it)."""
        window = self._walk.window
        if window.available < HEADER_SIZE:
            text = f"the file ends at {window.available}, inside its header of {HEADER_SIZE} bytes"
            return 0, [Note("cut", at(0), text)]
        signature, length, version, architecture = HEADER.unpack_from(window.peek(HEADER.size))
        if signature != SIGNATURE or length < HEADER_SIZE:
            text = f"signature {signature.hex()} and header length {length} are not those of a CPT file: kept as it is"
            return 0, [Note("header", at(0), text)]
        if version not in COVERED or architecture not in (0, 1):
            known = f"{version:#x} ({VERSIONS.get(version, '?')})"
            name = ARCHITECTURES.get(architecture, str(architecture))
            text = f"version {known} on {name} is not covered: only the header is an object, the rest is kept as it is"
            return length, [Note("version", at(0), text)]
        self._covered = True
        self._walk.image = Image(About(version, architecture))
        return length, []

    def _take_header(self, length: int) -> Steps:
        walk = self._walk
        if not (yield from walk.wait(length)):
            yield Note("cut", at(0), f"the file ends at {walk.window.available}, inside its header of {length} bytes")
            self._covered = False
            return
        position, me = walk.opened(KIND["header"])
        yield from walk.raw("header", length)
        yield walk.closed(me, KIND["header"], position)

    # -- sections ------------------------------------------------------------------------------------------

    def _all_sections(self) -> Steps:
        """Up to the trailer, the end of the file, or what is no section."""
        walk, last = self._walk, -1
        while last != TRAILER and (yield from walk.wait(SECTION_HEAD.size)):
            position = walk.window.position
            length, last, header, align = SECTION_HEAD.unpack(walk.window.peek(SECTION_HEAD.size))
            if header < SECTION_HEAD.size or length < header:
                text = f"a section of {length} bytes with a header of {header}: kept as it is up to the end of the file"
                yield Note("section", at(position), text)
                return
            odd = header != SECTION_HEAD.size or align != 0
            if odd:
                text = f"header length {header} and alignment {align}, expected {SECTION_HEAD.size} and 0"
                yield Note("section", at(position), text + ("" if last == TRAILER else ": kept as it is"))
            if odd and last != TRAILER:
                yield from self._no_section(position, length)
            else:
                yield from self._section(position, length, last)
        left = walk.window.available
        if last != TRAILER and left:
            walk.cut.append((at(walk.window.position), f"{SECTION_HEAD.size - left} bytes of a section header"))
        elif last == TRAILER and (yield from walk.wait(1)):
            yield Note("trailing", at(walk.window.position), "data after the trailer: kept, not looked into")

    def _no_section(self, position: int, length: int) -> Steps:
        """What stands where a section should, and is none: an object of the one before, or damage."""
        walk = self._walk
        _, me = walk.opened(UNKNOWN)
        missing = yield from walk.raw("unknown", length)
        yield walk.closed(me, UNKNOWN, position)
        if missing:
            walk.cut.append((at(position), f"{missing} of {length} bytes of what is no section"))

    def _section(self, position: int, length: int, number: int) -> Steps:
        walk = self._walk
        known = number < len(SECTIONS)
        name = SECTIONS[number] if known else "unknown"
        self._sections.append((number, position))
        _, me = walk.opened(KIND["section"])
        if not known:
            yield Note("section", at(position), f"section number {number} is not in the facts: kept as it is")
        yield from walk.raw(name, SECTION_HEAD.size)
        frame = Frame(me, position, position + length, name, 0, None)
        if known:
            yield from walk.children(frame, array("Q"), [])
        if walk.swallowed:
            walk.swallowed = False
            where = walk.window.position
            text = f"says {length} bytes: the next section is at {at(where)}, and it is taken to end there"
            yield Note("length", at(position), text)
            frame = frame._replace(end=where)
        missing = yield from walk.raw(name, frame.end - walk.window.position)
        yield walk.closed(me, KIND["section"], position)
        if missing:
            walk.cut.append((at(position), f"{missing} of {length} bytes of section {name}"))

    # -- the end -------------------------------------------------------------------------------------------

    def _end(self, image: Image) -> Steps:
        walk = self._walk
        length = walk.window.position
        if not any(number == TRAILER for number, _ in self._sections):
            walk.cut.append((at(length), "the trailer section"))
        if walk.cut:
            texts = "; ".join(text for _, text in walk.cut[:CUT_NAMES])
            yield Note("cut", walk.cut[0][0], f"the file ends at {length}; missing: {texts}")
        else:
            yield from check_trailer(image, self._sections, length)
        yield from image.memories.finish(image.ledger)
        without = tuple(sorted(mm for mm in image.spaces if not image.memories.has(mm)))
        yield Forget(0, KIND["mem"], without)
