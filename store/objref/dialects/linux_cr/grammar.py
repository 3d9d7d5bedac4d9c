"""Which record belongs to which object: a stack of the objects whose records still come.

linux-cr has no end-of-object mark. A record goes to the innermost object that wants its name, and what lies above that
one is closed; so definitions nest, and the order of records inside a task does not matter (it changed between versions,
and is not known for all). A record that nobody wants becomes an object of its own, `record:POSITION`.
"""

from __future__ import annotations

from typing import NamedTuple

from objref.dialects.linux_cr.batch import Batch, Frame
from objref.dialects.linux_cr.chunks import Form
from objref.dialects.linux_cr.fields import References, references
from objref.dialects.linux_cr.hooks import Hook, Hooks
from objref.dialects.linux_cr.memory import Memory
from objref.dialects.linux_cr.notebook import Notebook
from objref.dialects.linux_cr.openers import Opener
from objref.dialects.linux_cr.records import FIXED, X86_ONLY, find_record, may_cover

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
    lost: bool
    """Whether it would say what follows, if the facts gave its layout."""


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
        """Of a chunk of pages: its header and the addresses. The size of a page follows from the length: only with one
        size of words it is a power of two, and that must be the machine's."""
        each, rest = divmod(length - 8, self.pages)
        for word in (4, 8):
            page = each - word
            if not rest and page >= 4096 and page & (page - 1) == 0 and word in self.revision.words:
                if self.pages * word > ADDRESSES:
                    break
                self.word, self.page = word, page
                return 8 + self.pages * word
        self.notebook.add("page-chunk", f"{position:#x}", f"a chunk of {self.pages} pages in {length} bytes: "
                          "kept, not looked into", "page-chunk length")  # fmt: skip
        self.pages = 0
        return 0

    def record(self, type_: int, length: int, data: bytearray, at: int, reach: int) -> None:
        """The next record. Its first `reach` bytes are at `at`."""
        shape = self._shapes.get(type_ << 32 | length) or self._shape(type_, length, at)
        name, refs, opener, hook, lost = shape
        frame = (opener(data, at, length) if opener is not None else self._wanting(name)) or self._stray(name, at)
        if frame.end == at:
            frame.end = at + reach
        else:
            frame.take(at, at + reach)
        if refs is not None:
            self.refer(frame, refs, data, at)
        if self.pages and name != "BUFFER":
            self.pages = 0
        if hook is not None:
            hook(frame, data, at, length)
        elif lost:
            frame.loose = True
        if reach < length:
            self.passing = frame
        elif not frame.wants:
            self.close_to(frame)

    def passed(self) -> None:
        """The rest of a long record has passed."""
        frame, self.passing = self.passing, None
        self.pages, self.area = 0, None
        if frame is not None and not frame.wants:
            self.close_to(frame)

    def open_area(self) -> tuple[int, tuple[Memory, bool], Form] | None:
        """(token of an object, its area, how chunks look) if all that a chunk of pages would do here is to go there:
        one did before, and its bytes were passed on."""
        frame = self.stack[-1] if self.stack else None
        if frame is None or frame.area is None or not self.page or not frame.token or frame.start >= 0:
            return None
        if "PGARR" not in frame.wants or "BUFFER" in frame.wants:
            return None
        types = self.revision.types
        return frame.token, frame.area, Form(self.order, types["PGARR"], types["BUFFER"], self.word, self.page)

    def _shape(self, type_: int, length: int, at: int) -> _Shape:
        revision = self.revision
        if revision.learn(type_, length):
            self._shapes.clear()
            self._kinds = revision.kinds
        name = revision.name(type_, length)
        record = find_record(name, length, revision.layout) if name else None
        if name in X86_ONLY and not revision.x86:
            record = None
        refs = references(record.fields, self.order) if record is not None else None
        hook = self._hooks.get(name) if record is not None or name in LENIENT or self._is_foreign(name) else None
        self._doubt(name, type_, length, at)
        shape = _Shape(name, refs, self._open.get(name), hook, hook is None and name in self._hooks)
        if len(self._shapes) < KNOWN_MAX:
            self._shapes[type_ << 32 | length] = shape
        return shape

    def _is_foreign(self, name: str) -> bool:
        """The end of an mm on machines whose record the facts do not give."""
        return name == "MM_CONTEXT" and not self.revision.x86

    def _doubt(self, name: str, type_: int, length: int, at: int) -> None:
        layout = self.revision.layout
        if name == "" and layout:
            self._odd(at, f"type {type_} is not known: kept, not decoded", f"type {type_}", "unknown-record")
        elif layout and name not in X86_ONLY and not may_cover(name, length, layout):
            self._odd(at, f"{name} of {length} bytes: a layout that the facts do not have, kept, not decoded",
                      f"{name} {length}", "unknown-layout")  # fmt: skip

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
