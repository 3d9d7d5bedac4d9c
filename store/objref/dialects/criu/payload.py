"""Image files whose items are followed by raw bytes: queued pipe data, deleted files, TCP queues, System V objects.

A *plan* says what follows an item: it is a generator that asks for a number of bytes, for a further message, or for all
the rest. The driver below answers as the bytes come, so no payload is held in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

from objref.dialects.criu.items import LENGTH, REMEMBERED, ImageFile
from objref.dialects.criu.kinds import KIND
from objref.dialects.criu.parsing import parser
from objref.dialects.criu.refs import EXTRACT
from objref.dialects.criu.state import Outbox
from objref.dialects.events import Event, Part, Run, Whole

__all__ = ["PLANS", "PayloadFile"]


class Sub(NamedTuple):
    """A request: a length-prefixed message of this name."""

    message: str


REST = -1
Ask = Sub | int
Plan = Generator[Ask, Any, None]


def _up(length: int, unit: int) -> int:
    return -(-length // unit) * unit


def _fixed(*fields: str) -> Callable[[Any], Plan]:
    def plan(message: Any) -> Plan:
        for field in fields:
            yield getattr(message, field)

    return plan


def _ghost(message: Any) -> Plan:
    if message.HasField("symlnk_target"):
        return
    if not message.chunks:
        yield REST
        return
    while True:  # until the file ends
        chunk = yield Sub("ghost_chunk_entry")
        yield chunk.len


def _ipc_shm(message: Any) -> Plan:
    if not message.in_pagemaps:
        yield _up(message.size, 4)


def _ipc_sem(message: Any) -> Plan:
    yield _up(2 * message.nsems, 8)


def _ipc_msg(message: Any) -> Plan:
    for _ in range(message.qnum):
        one = yield Sub("ipc_msg")
        yield _up(one.msize, 8)


PLANS: dict[str, Callable[[Any], Plan]] = {
    "pipe-data": _fixed("bytes"),
    "fifo-data": _fixed("bytes"),
    "sk-packet": _fixed("length"),
    "tcp-stream": _fixed("inq_len", "outq_len"),
    "bpfmap-data": _fixed("keys_bytes", "values_bytes"),
    "ghost": _ghost,
    "ipcns-shm": _ipc_shm,
    "ipcns-sem": _ipc_sem,
    "ipcns-msg": _ipc_msg,
}


class PayloadFile(ImageFile):
    """Items with payloads. An object's first piece is its message, the others are what its plan asked for, one by one
    (also those of no bytes), however the file was cut into runs."""

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._plan: Plan | None = None
        self._ask: Ask = Sub(self.spec.message)
        self._passing = 0
        self._at_start = False
        self._message: Any = None
        self._token = 0

    def _items(self, buffer: bytes, at: int) -> Iterator[Event]:
        parts: list[Part] = []
        finished: list[tuple[int, Any]] = []
        end, broken = len(buffer), False
        self._need = 1
        while at < end and not broken:
            if self._passing:
                at = self._pass(at, end, parts)
                if not self._passing:
                    self._answer(None, at, parts, finished)
                continue
            if at + 4 > end:
                self._need = 4
                break
            length = LENGTH.unpack_from(buffer, at)[0]
            if at + 4 + length > end or length > self._limit:
                note = self._broken(at, length)
                broken = note is not None
                if note is not None:
                    yield note
                self._need = 4 + length
                break
            broken = not self._take(buffer[at + 4 : at + 4 + length], at + 4, parts, finished)
            if broken:
                yield self._note("unparsed", f"item at {self._done + at} does not parse; kept as it is from there")
            at += 4 + length
        self._kept_as_is = broken
        yield from self._emit(buffer, end if broken else at, parts, finished)

    def _pass(self, at: int, end: int, parts: list[Part]) -> int:
        """Bytes of the payload that are there."""
        n = end - at if self._passing == REST else min(self._passing, end - at)
        parts.append(Part(self._token, at, n, new=self._at_start))
        self._at_start = False
        if self._passing != REST:
            self._passing -= n
        return at + n

    def _take(self, item: bytes, at: int, parts: list[Part], finished: list[tuple[int, Any]]) -> bool:
        """A message: a new object, or one that a plan asked for. False when it does not parse."""
        try:
            if self._plan is None:
                message = self.parse(item)
                self._token = self._numbering.new_token()
            else:
                assert isinstance(self._ask, Sub)  # for mypy: a number would be passing
                message = parser(self._ask.message)(item)
        except ValueError:
            return False
        parts.append(Part(self._token, at, len(item), new=True))
        after = at + len(item)
        if self._plan is None:
            self._message = message
            self._plan = PLANS[self.spec.kind](message)
            self._answer(None, after, parts, finished)
        else:
            self._answer(message, after, parts, finished)
        return True

    def _answer(self, value: Any, at: int, parts: list[Part], finished: list[tuple[int, Any]]) -> None:
        """Go on with the plan until it needs bytes; at its end the object is complete."""
        assert self._plan is not None  # for mypy: only called while a plan runs
        try:
            ask = self._plan.send(value)
            while ask == 0:
                parts.append(Part(self._token, at, 0, new=True))
                ask = next(self._plan)
        except StopIteration:
            finished.append((self._token, self._message))
            self._plan, self._ask = None, Sub(self.spec.message)
            return
        self._ask = ask
        self._passing = ask if isinstance(ask, int) else 0
        self._at_start = True

    def _emit(self, buffer: bytes, end: int, parts: list[Part], finished: list[tuple[int, Any]]) -> Iterator[Event]:
        self._carry += buffer[end:]
        self._done += end
        whole = Part(self.member.token, 0, end)
        if end:
            yield Run(self._section, buffer[:end], (whole, *parts))
        for token, message in finished:
            yield from self._complete(token, message)

    def _complete(self, token: int, message: Any) -> Iterator[Event]:
        outbox = Outbox(self._state, self.number)
        outbox.source = self._numbering.take(1)
        key = self._keys.of(message, self._index)
        self._index += 1
        if self.spec.kind in REMEMBERED:
            self._state.keys.setdefault(self.spec.kind, set()).add(key)
        yield Whole(KIND[self.spec.kind], self.member.layer, key, token, False)
        extract = EXTRACT.get(self.spec.message)
        if extract is not None:
            extract(message, outbox)
        yield from outbox.events(self.member.layer)

    def end(self) -> Iterator[Event]:
        """An object whose payload breaks off is kept with what there is: others refer to it."""
        yield from super().end()
        if self._plan is None:
            return
        complete = self._passing == REST or self._ask == Sub("ghost_chunk_entry")
        if not (complete or self._carry or self._kept_as_is):  # these have their notes
            yield self._note("truncated", f"ends inside the payload of {self.spec.kind} {self._index}")
        yield from self._complete(self._token, self._message)
