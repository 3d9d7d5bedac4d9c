"""Objects for people and for JSON: their records with the field names of `checkpoint_hdr.h`."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary

from objref.dialects.linux_cr.fields import values
from objref.dialects.linux_cr.kinds import DECODED
from objref.dialects.linux_cr.numbering import Layout, arch_name, byte_order
from objref.dialects.linux_cr.records import X86_ONLY, find_record
from objref.dialects.linux_cr.revision import Revision
from objref.dialects.linux_cr.tails import SHOWN, TAILS, raw
from objref.errors import FormatError, UsageError

if TYPE_CHECKING:
    from objref.image import Image
    from objref.object import Object

__all__ = ["Stream", "Window", "decode", "decode_record", "decode_records", "stream_of"]

Fields = dict[str, Any]
RECORD_MAX = 1 << 20
"""Longer records are not decoded."""
WINDOW = 1 << 12
HEADER = 72


class Stream(NamedTuple):
    """What must be known of the whole stream to read one object."""

    revision: Revision
    order: str


_STREAMS: WeakKeyDictionary[Image, Stream] = WeakKeyDictionary()
"""What images say of their streams: a list of all files asks once for each of them, and an image does not change."""


def stream_of(found: Object) -> Stream:
    """The stream that an object is from: its header, and the layout that the import learned."""
    image = found._image
    stream = _STREAMS.get(image)
    if stream is None:
        stream = _STREAMS[image] = _stream(image)
    return stream


def _stream(image: Image) -> Stream:
    header = image["header:0"].read(0, HEADER)
    order = byte_order(header)
    if not order or len(header) < HEADER:
        raise FormatError("header:0 is not the header of a linux-cr stream")
    rev = struct.unpack_from(order + "H", header, 24)[0]
    revision = Revision()
    revision.begin(rev, arch_name(rev, int.from_bytes(header[16:18], "little"), order == ">"))
    if "layout" in image:
        learned = next(iter(image["layout"]), Layout.UNKNOWN)
        if learned in Layout.__members__.values():
            revision.set(Layout(learned))
    return Stream(revision, order)


class Window:
    """Bytes of an object, read a window at a time: its records are small, and a read of each is not. Mutable."""

    def __init__(self, found: Object) -> None:
        self._found = found
        self._at, self._data = 0, b""

    def read(self, start: int, stop: int, ahead: int = WINDOW) -> bytes:
        """Bytes start…stop-1. `ahead`: how many bytes from `start` are read, if more."""
        if not self._at <= start <= stop <= self._at + len(self._data):
            self._at = start
            self._data = self._found.read(start, min(max(stop, start + ahead), self._found.size))
        return self._data[start - self._at : stop - self._at]


# -- records ------------------------------------------------------------------------------------------------


def decode_record(type_: int, data: bytes, stream: Stream, before: str = "") -> Fields:
    """One record. `before`: the name of the record before it, which says what a BUFFER holds."""
    revision = stream.revision
    name = revision.name(type_, len(data))
    record = find_record(name, len(data), revision.layout) if name else None
    shown: Fields = {"record": name or f"type {type_}", "len": len(data)}
    tail = TAILS.get(name)
    if record is None or (name in X86_ONLY and not revision.x86) or not (record.fields or tail or len(data) == 8):
        return shown | raw(data[8:])
    shown |= values(record.fields, data, stream.order)
    return shown | tail(data, stream.order, revision, before) if tail is not None else shown


def decode_records(found: Object, stream: Stream, stop: int) -> Iterator[Fields]:
    """The records of an object, up to an offset. Pages are not read."""
    at, before, pages, window = 0, "", 0, Window(found)
    while at + 8 <= stop:
        type_, length = struct.unpack(stream.order + "II", window.read(at, at + 8))
        if length < 8 or at + length > found.size:
            yield {"record": f"type {type_}", "len": length, "in_the_image": found.size - at}
            return
        name = stream.revision.name(type_, length)
        if pages and name == "BUFFER":
            yield {"record": name, "len": length, "pages": pages} | _addresses(window, at, length, pages, stream)
        elif length > RECORD_MAX:
            yield {"record": name or f"type {type_}", "len": length} | raw(window.read(at + 8, at + 8 + SHOWN))
        else:
            data = window.read(at, at + length)
            yield decode_record(type_, data, stream, before)
            pages = struct.unpack_from(stream.order + "Q", data, 8)[0] if (name, length) == ("PGARR", 16) else 0
        before = name if name != "BUFFER" else before
        at += length


def _addresses(window: Window, at: int, length: int, pages: int, stream: Stream) -> Fields:
    """Where the pages of a chunk belong, as ranges; numbers of pages for shared memory."""
    each, rest = divmod(length - 8, pages)
    word = next((w for w in stream.revision.words if each - w >= 4096 and (each - w) & (each - w - 1) == 0), 0)
    if rest or not word or pages * word > RECORD_MAX:
        return {}
    form = f"{stream.order}{pages}{'Q' if word == 8 else 'I'}"
    addresses = struct.unpack(form, window.read(at + 8, at + 8 + pages * word))
    return {"page": each - word, "at": list(_ranges(addresses, each - word))}


def _ranges(addresses: tuple[int, ...], page: int) -> Iterator[str]:
    first = last = addresses[0]
    for address in (*addresses[1:], -1):
        if address - last not in (1, page):
            yield f"{first:#x}" if first == last else f"{first:#x}…{last:#x}"
            first = address
        last = address


# -- objects ------------------------------------------------------------------------------------------------


def decode(found: Object) -> Fields:
    """The records of an object with their fields. A pid: its numbers. A layout: its name."""
    if found.kind not in DECODED:
        raise UsageError(f"{found.objref} has no fields; its bytes: objref get")
    stream = stream_of(found)
    if found.kind == "layout":
        return {"layout": stream.revision.layout.label}
    if found.kind == "pid":
        depth, *numbers = struct.unpack(f"{stream.order}I{found.size // 4 - 1}i", found.bytes)
        return {"depth": depth, "numbers": numbers}
    return {"records": list(decode_records(found, stream, found.size))}
