"""Frames of a native stream, written and read: the chain, the checks and the seal. Pure: bytes in, bytes out."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from xxhash import xxh3_64, xxh3_64_intdigest

from objref.errors import FormatError, IntegrityError, LimitError, TruncatedError, UnsupportedError
from objref.native import layout as n

__all__ = ["Frame", "FrameReader", "FrameWriter"]

Bytes = bytes | memoryview


class FrameWriter:
    """Makes frames. Mutable. `position` and `number` are those of the next frame."""

    def __init__(self) -> None:
        self._start = n.prologue()
        self._link = n.check_prologue(self._start)
        self._seal = hashlib.sha256(self._start)
        self.position = n.PROLOGUE.size
        self.number = 0

    def begin(self) -> bytes:
        """The prologue."""
        return self._start

    def frame(self, kind: int, parts: Sequence[Bytes], *, operand: int = 0, unsealed: int = 0) -> list[Bytes]:
        """A frame whose payload is these parts, joined; the seal leaves out the last `unsealed` of them."""
        check, length = xxh3_64(), 0
        for part in parts:
            check.update(part)
            length += len(part)
        if length > n.MAX:
            raise LimitError(f"a {n.TYPES[kind]} frame of {length} bytes, limit {n.MAX}")
        head = n.FRAME.pack(kind, operand, 0, length, check.intdigest(), 0)
        self._link = n.link_of(self._link, head)
        head = n.FRAME.pack(kind, operand, 0, length, check.intdigest(), self._link)
        self._seal.update(head)
        for part in parts[: len(parts) - unsealed]:
            self._seal.update(part)
        self.position += len(head) + length
        self.number += 1
        return [head, *parts]

    def mark(self, kind: int, counts: Sequence[int], stream_sha256: bytes) -> tuple[list[Bytes], bytes]:
        """A MARK or END, and its seal. `counts`: stream, objects, references, aliases, notes."""
        body = n.MARK_BODY.pack(self.position, self.number, *counts, 0, stream_sha256, bytes(32))[: n.SEALED]
        seal = self._seal.copy()
        seal.update(body)
        return self.frame(kind, [body, seal.digest()]), seal.digest()


class Frame(NamedTuple):
    """A frame that was checked. `seal` is what MARK and END must say."""

    kind: int
    operand: int
    payload: memoryview
    position: int
    number: int
    seal: bytes

    def wrong(self, text: str) -> str:
        """What is wrong with it, and where."""
        return f"native stream: {n.TYPES[self.kind]} at byte {self.position} (frame {self.number}): {text}"


class FrameReader:
    """Takes the bytes of a native stream in pieces of any size, gives whole frames that were checked. Mutable.

    It holds less than one frame. Unknown ancillary frames are passed over.
    """

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self._have = 0
        self._link: int | None = None
        self._seal = hashlib.sha256()
        self._sealing = b""
        self._header: tuple[int, int, int, int] | None = None
        self._ended = False
        self.position = 0
        """Where the next frame starts, or the one that is not whole yet."""
        self.number = 0

    def feed(self, data: Bytes) -> Iterator[Frame]:
        """The next bytes."""
        self._pieces.append(memoryview(data).cast("B"))
        self._have += len(data)
        while self._have and (not self._ended or self._refuse_more()):
            if self._link is None:
                if self._have < n.PROLOGUE.size:
                    return
                self._begin(self._take(n.PROLOGUE.size))
            elif self._header is None:
                if self._have < n.FRAME.size:
                    return
                self._header = self._checked(bytes(self._take(n.FRAME.size)))
            elif self._have < self._header[2]:
                return
            if self._header is not None and self._have >= self._header[2]:
                frame = self._whole(*self._header)
                if frame is not None:
                    yield frame

    def _refuse_more(self) -> bool:
        raise FormatError(
            f"native stream: it ends at byte {self.position}, and bytes follow (N8): another stream behind it?"
        )

    def _take(self, size: int) -> memoryview:
        """The next bytes, which are there: without a copy when they came in one piece."""
        self._have -= size
        first = self._pieces[0]
        if len(first) > size:
            self._pieces[0] = first[size:]
            return first[:size]
        taken = []
        while size:
            piece = self._pieces[0]
            taken.append(piece[:size])
            if len(piece) > size:
                self._pieces[0] = piece[size:]
            else:
                self._pieces.popleft()
            size -= len(taken[-1])
        return taken[0] if len(taken) == 1 else memoryview(b"".join(taken))

    def _begin(self, data: memoryview) -> None:
        self._link = n.check_prologue(bytes(data))
        self._seal.update(data)
        self.position = n.PROLOGUE.size

    def _where(self) -> str:
        return f"native stream: frame {self.number} at byte {self.position}"

    def _checked(self, header: bytes) -> tuple[int, int, int, int]:
        """(type, operand, length, check) of a header that fits the one before."""
        kind, operand, zero, length, check, link = n.FRAME.unpack(header)
        assert self._link is not None  # for mypy: there was a prologue
        if link != n.link_of(self._link, header):
            what = "a second stream begins, which is not its continuation" if header.startswith(n.MAGIC) else (
                f"damaged, or not the frame that follows frame {self.number - 1}" if self.number else "damaged"
            )  # fmt: skip
            raise IntegrityError(f"{self._where()}: {what}: its link is {link:016x} (N6)")
        if length > n.MAX:
            raise LimitError(f"{self._where()}: a payload of {length} bytes, limit {n.MAX} (N4)")
        if zero or (operand and kind in n.KNOWN - n.WITH_OPERAND):
            raise FormatError(f"{self._where()}: bytes of its header must be zero (N1)")
        if kind not in n.KNOWN and not kind & n.ANCILLARY:
            raise UnsupportedError(f"{self._where()}: of the unknown type {kind}: a newer objref can read it (N9)")
        self._link = link
        self._sealing = header
        return kind, operand, length, check

    def _whole(self, kind: int, operand: int, length: int, check: int) -> Frame | None:
        payload = self._take(length) if length else memoryview(b"")
        if check != xxh3_64_intdigest(payload):
            raise IntegrityError(
                f"{self._where()}: its payload of {length} bytes is damaged: the checksum differs (N5)"
            )
        frame = Frame(kind, operand, payload, self.position, self.number, self._sealed(kind, payload))
        self._header = None
        self.position += n.FRAME.size + length
        self.number += 1
        self._ended = kind == n.END
        return frame if kind in n.KNOWN else None

    def _sealed(self, kind: int, payload: memoryview) -> bytes:
        """Seal a payload; of MARK and END, what the seal in them must be."""
        wanted = b""
        if kind in (n.MARK, n.END):
            seal = self._seal.copy()
            seal.update(payload[: n.SEALED])
            wanted = seal.digest()
        self._seal.update(self._sealing)
        self._seal.update(payload[: _table(payload)] if kind == n.RUNS else payload)
        return wanted

    def finish(self) -> TruncatedError | None:
        """The stream has ended; what is missing, if it is cut."""
        if self._ended:
            return None
        if self._link is None:
            return TruncatedError(f"native stream: cut in its prologue, after {self._have} of {n.PROLOGUE.size} bytes")
        if self._header is not None:
            kind, _, length, _ = self._header
            name = n.TYPES[kind] if kind in n.KNOWN else f"type {kind}"
            part = f"in frame {self.number} ({name}): {self._have} of {length} bytes of its payload are there"
        elif self._have:
            part = f"in the header of frame {self.number}: {self._have} of {n.FRAME.size} bytes are there"
        else:
            part = f"behind frame {self.number - 1}" if self.number else "behind the prologue"
        end = self.position + (n.FRAME.size if self._header is not None else 0) + self._have
        return TruncatedError(f"native stream: cut at byte {end}, {part}; whole up to byte {self.position}")


def _table(payload: memoryview) -> int:
    """Bytes of RUNS that are no bytes of the original stream: a count that lies is found by who reads the frame."""
    return 8 + 8 * int.from_bytes(payload[:4], "little")
