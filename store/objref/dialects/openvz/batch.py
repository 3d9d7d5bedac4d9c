"""Small objects, many at a time: their bytes are one run, their ids and references a few columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from struct import Struct

from objref.dialects.events import Edges, Event, Note, Objects, Part, Run
from objref.dialects.openvz import bodies
from objref.dialects.openvz.kinds import ARRAY, BODY_NAME, KIND, KIND_OF, NUMBER, OBJECTS, ROLE, UNKNOWN, VOID
from objref.dialects.openvz.layouts import HEAD, layout
from objref.dialects.openvz.ledger import Ledger, at
from objref.dialects.openvz.memory import FILE_TOKEN, Memories, Owner
from objref.dialects.openvz.references import POS, About, Target, own_keys, targets

__all__ = ["DEPTH_MAX", "OWNERS", "Batch", "Image"]

DEPTH_MAX = 16
"""Objects inside objects. Real files have five levels (watch, file, lock); deeper ones are kept, not walked."""
OWNERS = {NUMBER["MM"]: KIND["mm"], NUMBER["INODE"]: KIND["inode"]}
"""Types whose page blocks are memory."""
PAGES, COPYPAGES = NUMBER["PAGES"], NUMBER["COPYPAGES"]
ELSEWHERE = frozenset({NUMBER["ITERPAGES"], NUMBER["ITERYOUNGPAGES"]})
MOUNT, TRAILER = NUMBER["VFSMOUNT"], NUMBER["TRAILER"]
NAME_MAX = 4096
RANGE, SOURCE = Struct("<QQ"), Struct("<Q")
PART, PID = ROLE["part"], KIND["pid"]


class Image:
    """What is known of the file as a whole while it is walked. Mutable."""

    def __init__(self, about: About) -> None:
        self.about = about
        self.ledger = Ledger()
        self.memories = Memories()
        self.trailer: tuple[int, bytes] | None = None
        """Position and struct of the trailer object."""
        self._said: set[tuple[int, int]] = set()

    def readable(self, number: int, header: int) -> bool:
        """Whether the struct of an object has fields that the facts give, and as many bytes as they allow."""
        found = layout(number, self.about.architecture)
        return found is not None and header <= found.size

    def remark(self, position: int, number: int, header: int) -> Note | None:
        """What is not decoded, said once for each type and length."""
        found = layout(number, self.about.architecture)
        known = number in OBJECTS and (found is None or header <= found.size)
        if known or (number, header if number in OBJECTS else 0) in self._said:
            return None
        self._said.add((number, header if number in OBJECTS else 0))
        if found is None:
            return Note("unknown-type", at(position), f"object type {number} is kept, not looked into (said once)")
        name = OBJECTS[number]
        text = f"a {name} struct of {header} bytes, at most {found.size} are known: kept, not decoded (said once)"
        return Note("layout", at(position), text)

    def describe(
        self, position: int, number: int, header: int, data: memoryview, offset: int, names: list[bytes]
    ) -> tuple[list[tuple[int, int]], list[Target]]:
        """(further keys, references) of an object whose struct stands at data[offset:]."""
        if not self.readable(number, header):
            return [], []
        about = self.about
        return (
            list(own_keys(about, number, data, offset, header)),
            list(targets(about, number, data, offset, header, names)),
        )


class Batch:
    """Whole objects of one container, and all that is nested in them; or one that the end of the file cuts (`cut`).
    Mutable; used once."""

    def __init__(self, image: Image, data: memoryview, position: int, section: str, *, cut: bool = False) -> None:
        self._image = image
        self._cut = cut
        self._data = data
        self._position = position
        self._section = section
        self._numbers: list[int] = []
        self._kinds: list[int] = []
        self._starts: list[int] = []
        self._lengths: list[int] = []
        self._edges: list[tuple[int, int, int, int]] = []
        self._notes: list[Note] = []

    def events(self, depth: int, owner: Owner | None, names: list[bytes]) -> Iterator[Event]:
        """The run of these bytes and what is in it. The texts of outermost NAMEs are added to `names`."""
        data = self._data
        yield Run(self._section, data, (Part(FILE_TOKEN, 0, len(data)),))
        at, end = 0, len(data)
        while at < end:
            at = self._visit(at, end, depth, owner, names)[0]
        yield from self._columns()
        yield from self._notes

    def _columns(self) -> Iterator[Event]:
        """One column for each kind, in the order in which the kinds first come."""
        groups: dict[int, list[int]] = {}
        for i, kind in enumerate(self._kinds):
            groups.setdefault(kind, []).append(i)
        ordinals = [0] * len(self._kinds)
        settle, position, starts, lengths = self._image.ledger.settle, self._position, self._starts, self._lengths
        for kind, members in groups.items():
            ordinal = self._image.ledger.take(len(members))
            for i in members:
                ordinals[i] = ordinal
                settle(self._numbers[i], ordinal)
                ordinal += 1
            offsets = array("Q", [starts[i] for i in members])
            keys = array("Q", [position + offset for offset in offsets])
            yield Objects(kind, 0, keys, offsets, array("Q", [lengths[i] for i in members]))
        if self._edges:
            sources, roles, kinds, named = zip(*self._edges, strict=True)
            yield Edges(
                0, array("I", [ordinals[i] for i in sources]), array("B", roles), array("H", kinds), array("Q", named)
            )

    # -- the walk ------------------------------------------------------------------------------------------

    def _visit(self, start: int, end: int, depth: int, owner: Owner | None, names: list[bytes]) -> tuple[int, int]:
        """One object, known to be sound: (where it ends, its number here). One that is cut short ends at `end`."""
        data, image = self._data, self._image
        length, number, header, content = HEAD.unpack_from(data, start)
        stop = min(start + length, end)
        body = start + header
        position = self._position + start
        me = len(self._kinds)
        self._numbers.append(image.ledger.enter(position, KIND_OF.get(number, UNKNOWN)))
        self._kinds.append(KIND_OF.get(number, UNKNOWN))
        self._starts.append(start)
        self._lengths.append(stop - start)
        if number in OWNERS:
            owner = Owner(position, OWNERS[number])
        inner: list[bytes] = []
        if content == ARRAY and number in OBJECTS:
            self._children(body, stop, depth, owner, inner, me)
        elif number == bodies.CGROUP:
            self._cgroup(body, stop, depth, me)
        elif content == BODY_NAME and number == bodies.NAME and len(names) <= 2:
            names.append(bodies.text(data[body : min(stop, body + NAME_MAX)]))
        self._describe(position, number, header, start, inner, me)
        self._check(position, number, header, content, start, stop, owner)
        return stop, me

    def _describe(self, position: int, number: int, header: int, start: int, names: list[bytes], me: int) -> None:
        image = self._image
        note = image.remark(position, number, header)
        if note is not None:
            self._notes.append(note)
        keys, found = image.describe(position, number, header, self._data, start, names)
        for kind, key in keys:
            image.ledger.call(self._numbers[me], kind, key)
        for role, kind, key, expected in found:
            self._edges.append((me, role, kind, key))
            if kind == POS:
                note = image.ledger.check(position, key, expected)
                if note is not None:
                    self._notes.append(note)

    def _children(self, start: int, end: int, depth: int, owner: Owner | None, names: list[bytes], me: int) -> None:
        if depth >= DEPTH_MAX and start < end:
            self._note("depth", start, f"more than {DEPTH_MAX} objects inside each other: kept, not looked into")
            return
        while start < end:
            if end - start < HEAD.size:
                if not self._cut:
                    self._note("length", start, f"{end - start} bytes are no object: kept as they are")
                return
            length, _, header, _ = HEAD.unpack_from(self._data, start)
            if self._cut and header <= end - start < length:  # its struct is there, the file ends behind
                length = end - start
            reason = bodies.broken(length, header, end - start)
            if reason:
                if not self._cut:
                    self._note("length", start, f"{reason}: kept as it is up to {self._position + end:#x}")
                return
            self._edges.append((me, PART, POS, self._position + start))
            start = self._visit(start, end, depth + 1, owner, names)[0]

    def _cgroup(self, start: int, end: int, depth: int, me: int) -> None:
        """A NAME unless it is the root group, process ids, and a zero."""
        name = bodies.cgroup_name(self._data[start:end]) if depth < DEPTH_MAX else 0
        if name:
            self._edges.append((me, PART, POS, self._position + start))
            self._visit(start, start + name, depth + 1, None, [])
        for i in range(start + name, end - 3, 4):
            pid = int.from_bytes(self._data[i : i + 4], "little")
            if not pid:
                return
            self._edges.append((me, ROLE["process"], PID, pid))
        if not self._cut:
            self._note("length", start, "the list of processes of a cgroup does not end with 0")

    def _note(self, what: str, offset: int, text: str) -> None:
        self._notes.append(Note(what, at(self._position + offset), text))

    # -- what only some types have -------------------------------------------------------------------------

    def _check(
        self, position: int, number: int, header: int, content: int, start: int, stop: int, owner: Owner | None
    ) -> None:
        head = self._data[start : start + header]
        stated = bodies.body_length(number, content, head)
        if stated is not None and stated > stop - start - header and not self._cut:
            text = f"states {stated} bytes of content, and has room for {stop - start - header}"
            self._notes.append(Note("length", at(position), text))
        if number == TRAILER:
            self._image.trailer = (position, bytes(head))
        elif number in (PAGES, COPYPAGES) or number in ELSEWHERE:
            self._pages(position, number, content, head, owner)

    def _pages(self, position: int, number: int, content: int, head: memoryview, owner: Owner | None) -> None:
        """Page blocks without bytes of their own; those with bytes are streamed, not batched."""
        reason = ""
        memories = self._image.memories
        if len(head) < HEAD.size + RANGE.size:
            reason = "its struct is too short"
        elif number == COPYPAGES and len(head) >= 40 and owner is not None:
            low, high = RANGE.unpack_from(head, HEAD.size)
            if not memories.copy(owner, low, high - low, SOURCE.unpack_from(head, 32)[0]):
                reason = f"addresses {low:#x}…{high:#x} make no sense"
        elif number == PAGES and content == VOID and owner is not None:
            low, high = RANGE.unpack_from(head, HEAD.size)
            if not memories.zero(owner, low, high - low):
                reason = f"addresses {low:#x}…{high:#x} make no sense"
        else:
            reason = f"content kind {content}, and what it says of its bytes, give no pages"
        if reason:
            self._notes.append(Note("pages", at(position), f"{reason}: no memory is made of it"))
