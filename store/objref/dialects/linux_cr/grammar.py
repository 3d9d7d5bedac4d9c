"""Which record belongs to which object: a stack of the objects whose records still come.

linux-cr has no end-of-object mark. A record goes to the innermost object that wants its name, and what lies above that
one is closed; so definitions nest, and the order of records inside a task does not matter (it changed between versions,
and is not known for all). A record that nobody wants becomes an object of its own, `record:POSITION`.
"""

from __future__ import annotations

from typing import NamedTuple

from objref.dialects.linux_cr.batch import Batch, Frame
from objref.dialects.linux_cr.hooks import Hook, Hooks
from objref.dialects.linux_cr.notebook import Notebook
from objref.dialects.linux_cr.numbering import Layout, object_kinds
from objref.dialects.linux_cr.openers import Opener
from objref.dialects.linux_cr.records import FIXED, X86_ONLY, find_record, may_cover
from objref.dialects.linux_cr.references import References, references

__all__ = ["Grammar"]

SMALL = 1 << 16
"""Longer records pass through without being held."""
ADDRESSES = 1 << 24
KNOWN_MAX = 4096
LENIENT = frozenset(["IPC_MSG", "IPC_SEM"])
"""What follows these is known, whatever their length."""


class _Shape(NamedTuple):
    """What is known of records of one type and length."""

    name: str
    references: References | None
    opener: Opener | None
    hook: Hook | None
    covered: bool
    """Whether the facts give its layout."""


class Grammar(Hooks):
    """Takes records one by one, closes objects into a batch. Mutable.

    `record` is told of each record that lies in `data` at `at`: all of it, or as much as `reach` asked for.
    """

    def __init__(self, order: str, batch: Batch, notebook: Notebook, limit: int) -> None:
        super().__init__(order, batch, notebook)
        self._limit = limit
        self._shapes: dict[int, _Shape] = {}

    # -- records -------------------------------------------------------------------------------------------

    def reach(self, type_: int, length: int, position: int) -> int:
        """How many bytes of a record `record` must see. 0: its length cannot be, the framing is lost."""
        name = self.revision.names.get(type_, "")
        if self.pages and name == "BUFFER":
            reach = self._page_reach(length, position)
            if reach:
                return reach
        if length <= SMALL:
            return length
        if name in FIXED or length > self._limit:
            return 0
        parsed = name == "BUFFER" and self.stack and self.stack[-1].kind in ("tree", "pids", "epoll")
        return length if parsed else 8

    def _page_reach(self, length: int, position: int) -> int:
        """Of a chunk of pages: its header and the addresses. The sizes of word and page follow from the length:
        only one of them makes the page a power of two."""
        each, rest = divmod(length - 8, self.pages)
        for word in (4, 8):
            page = each - word
            if not rest and page >= 4096 and page & (page - 1) == 0 and self.pages * word <= ADDRESSES:
                self.word, self.page = word, page
                return 8 + self.pages * word
        self.notebook.add("page-chunk", f"record:{position:#x}", f"a chunk of {self.pages} pages in {length} bytes: "
                          "kept, not looked into", "page-chunk")  # fmt: skip
        self.pages = 0
        return 0

    def record(self, type_: int, length: int, data: bytearray, at: int, reach: int) -> None:
        """The next record. Its first `reach` bytes are at `at`."""
        shape = self._shapes.get(type_ << 32 | length) or self._shape(type_, length, at)
        name, refs, opener, hook, covered = shape
        self.passing = None
        if opener is not None:
            frame = opener(data, at, length) or self._stray(name, at)
        else:
            frame = self._wanting(name) or self._stray(name, at)
        if frame.end == at:
            frame.end = at + reach
        else:
            frame.take(at, at + reach)
        if refs is not None:
            unpack, codes = refs
            for value, code in zip(unpack.unpack_from(data, at), codes, strict=True):
                if value > 0:
                    frame.codes.append(code | value)
                elif value < 0:
                    self.negative(frame, value)
        if self.pages and name != "BUFFER":
            self.pages = 0
        if hook is not None:
            hook(frame, data, at, length)
        elif not covered and opener is None:
            frame.loose = True
        if reach < length:
            self.passing = frame
        elif not frame.wants:
            self.close_to(frame)

    def passed(self) -> None:
        """The rest of a long record has passed."""
        frame, self.passing = self.passing, None
        self.pages = 0
        if frame is not None and not frame.wants:
            self.close_to(frame)

    def _shape(self, type_: int, length: int, at: int) -> _Shape:
        if self.revision.learn(type_, length):
            self._shapes.clear()
            self._kinds = object_kinds(self.revision.layout)
        layout, name = self.revision.layout, self.revision.name(type_, length)
        covered = name != "" and find_record(name, length, layout) is not None
        if name in X86_ONLY and not self.revision.x86:
            covered = name == "MM_CONTEXT"
        refs = self._references(name, length, layout) if covered else None
        hook = self._hooks.get(name) if covered or name in LENIENT else None
        shape = _Shape(name, refs, self._open.get(name), hook, covered)
        if name == "" and layout:
            self._odd(at, f"type {type_} is not known: kept, not decoded", f"type {type_}", "unknown-record")
        elif layout and name not in X86_ONLY and not may_cover(name, length, layout):
            self._odd(at, f"{name} of {length} bytes: a layout that the facts do not have, kept, not decoded",
                      f"{name} {length}", "unknown-layout")  # fmt: skip
        if len(self._shapes) < KNOWN_MAX:
            self._shapes[type_ << 32 | length] = shape
        return shape

    def _references(self, name: str, length: int, layout: Layout) -> References | None:
        if name == "FILE":
            return references(name, 40 if layout == Layout.REV3 else 48, self.order)
        if name == "TASK_OBJS" and length == 32:
            name = "LEGACY_TASK_OBJS" if layout <= Layout.V20 else "LATE_TASK_OBJS"
        return references(name, length, self.order)

    def _wanting(self, name: str) -> Frame | None:
        """The innermost object that wants such a record, now one less; what is above it is closed."""
        stack = self.stack
        for i in range(len(stack) - 1, -1, -1):
            frame = stack[i]
            left = frame.wants.get(name)
            if left is not None:
                while len(stack) > i + 1:
                    self.close_top()
                if left == 1:
                    del frame.wants[name]
                elif left > 1:
                    frame.wants[name] = left - 1
                return frame
        return None

    def _stray(self, name: str, at: int) -> Frame:
        if self.revision.layout and name:
            text = f"a {name} where no object wants one: kept, not decoded"
            self.notebook.add("stray", f"record:{self.base + at:#x}", text, name)
        frame = Frame("record", self.base + at, {}, True)
        self.push(frame)
        return frame
