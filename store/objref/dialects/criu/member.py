"""One file of a CRIU directory, and those that nobody looks into: raw files, pages (docs/criu.md).

Each class has `feed(data)` and `end()`, which give events. Every byte that goes in comes out in a run, in order, also
when the file is not what its name says: then it is kept as it is, with a note.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from objref.container.format import PAGE
from objref.dialects.criu.kinds import KIND, ImageName
from objref.dialects.events import Event, Note, Pages, Part, Run, Whole

__all__ = ["OTHER_SECTION", "File", "HoledFile", "Member", "Numbering", "PagesFile", "RawFile"]

TAIL_SECTION = "page-tail"
OTHER_SECTION = "other"


class Numbering:
    """Ordinals, given out in the order in which objects are announced. Mutable."""

    def __init__(self) -> None:
        self.next = 0
        self.token = 0

    def take(self, n: int) -> int:
        """Ordinal of the first of the next n objects."""
        first = self.next
        self.next += n
        return first

    def new_token(self) -> int:
        """A token that was not used before."""
        self.token += 1
        return self.token


class Member(NamedTuple):
    """What a file splitter must know about the file it splits."""

    path: str
    """For notes."""
    layer: int
    token: int
    size: int
    runs: tuple[tuple[int, int], ...] | None
    real_size: int

    def until(self, arrived: int) -> Member:
        """The same file, as if it ended after the first `arrived` bytes that the stream holds of it."""
        if self.runs is None:
            return self._replace(size=arrived, real_size=arrived)
        runs, left = [], arrived
        for offset, length in self.runs:
            if left:
                runs.append((offset, min(length, left)))
                left -= runs[-1][1]
        return self._replace(size=arrived, runs=tuple(runs), real_size=sum(runs[-1]) if runs else 0)


class File:
    """A file that nobody looks into. The other classes begin like it."""

    def __init__(self, member: Member, numbering: Numbering) -> None:
        self.member = member
        self._numbering = numbering

    def feed(self, data: memoryview) -> Iterator[Event]:
        """The next bytes of the file."""
        yield self._run(OTHER_SECTION, data, bulk=True)

    def end(self) -> Iterator[Event]:
        """The file is complete."""
        return iter(())

    def cut(self) -> Iterator[Event]:
        """The stream ends inside the file: what was held back. It is no object, the objects in it stay."""
        return iter(())

    def _run(self, section: str, data: bytes | memoryview, bulk: bool = False) -> Run:
        return Run(section, data, (Part(self.member.token, 0, len(data)),), bulk)

    def _whole(self, kind: str, number: int) -> Whole:
        """The object that is this file."""
        self._numbering.take(1)
        member = self.member
        return Whole(KIND[kind], member.layer, number, member.token, True, member.runs, member.real_size)

    def _note(self, what: str, text: str) -> Note:
        return Note(what, self.member.path, text)


class HoledFile(File):
    """An image file with holes. CRIU makes none there, and items cannot be followed where no bytes are stored."""

    def end(self) -> Iterator[Event]:
        yield self._note("holes", "has holes, which only pages and raw files may have: kept, not looked into")


class RawFile(File):
    """A file without structure that CRIU wrote: firewall rules, the content of a tmpfs."""

    def __init__(self, member: Member, numbering: Numbering, name: ImageName) -> None:
        super().__init__(member, numbering)
        self._name = name

    def feed(self, data: memoryview) -> Iterator[Event]:
        yield self._run(self._name.spec.kind, data, bulk=True)

    def end(self) -> Iterator[Event]:
        yield self._whole(self._name.spec.kind, self._name.number)


class PagesFile(File):
    """Memory pages, page by page wherever the pieces end. A part of a page at the end is kept aside."""

    def __init__(self, member: Member, numbering: Numbering, name: ImageName) -> None:
        super().__init__(member, numbering)
        self._name = name
        self._carry = b""

    def feed(self, data: memoryview) -> Iterator[Event]:
        tokens = (self.member.token,)
        if self._carry:
            missing = PAGE - len(self._carry)
            self._carry += data[:missing]
            data = data[missing:]
            if len(self._carry) < PAGE:
                return
            yield Pages(memoryview(self._carry), tokens)
            self._carry = b""
        whole = len(data) // PAGE * PAGE
        if whole:
            yield Pages(data[:whole], tokens)
        self._carry = bytes(data[whole:])

    def cut(self) -> Iterator[Event]:
        if self._carry:
            yield Pages(memoryview(b""), (self.member.token,))  # a file of less than a page is one of pages, too
            yield self._run(TAIL_SECTION, self._carry)

    def end(self) -> Iterator[Event]:
        yield from self.cut()
        yield self._whole(self._name.spec.kind, self._name.number)
