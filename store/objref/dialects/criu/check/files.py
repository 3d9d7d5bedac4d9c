"""Open files: what they say they are, who holds them, what belongs to them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import Layer, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["look_at_files"]

FIELDS = {
    1: "reg", 2: "pipe", 3: "fifo", 4: "isk", 5: "usk", 6: "efd", 7: "epfd", 8: "ify", 9: "sgfd", 10: "psk",
    11: "tty", 12: "ffy", 13: "nlsk", 14: "nsf", 15: "tunf", 16: "ext", 17: "tfd", 18: "memfd", 19: "bpf",
    20: "pidfd",
}  # fmt: skip
"""file_entry.type -> the field that holds such a file."""
MADE = (2, 5, 11)
"""Types that CRIU makes whether somebody holds them or not: pipes, unix sockets, terminals."""
INET, UNIX, EPOLL = 4, 5, 7
HOLDERS = ("file", "in-flight", "mapping")
TCP = 6
CONNECTED = (1, 4, 5, 8, 9, 11)
"""Socket states in which a tcp-stream image is written: established, and all on the way out of it."""


def look_at_files(image: Image, tick: Tick) -> Iterator[Found]:
    """Each entry of files.img, and the descriptors that name it."""
    for layer in layers_of(image, tick):
        types: dict[int, int] = {}
        for number, file in layer.each("file"):
            types[number] = file.type
            yield from _file(layer, number, file)
        if types:
            yield from _descriptors(layer, types)


def _file(layer: Layer, number: int, file: Any) -> Iterator[Found]:
    reason = _wrong(number, file)
    if reason:
        yield Found("file", layer.name("file", number), reason)
    elif file.type == INET:
        if _is_connected(file.isk) and not layer.has("tcp-stream", file.isk.ino) and not _closes_tcp(layer):
            text = f"a connection without {layer.name('tcp-stream', file.isk.ino)}"
            yield Found("no-tcp-stream", layer.name("file", number), text)
    elif file.type == EPOLL:
        yield from _watched(layer, number, file.epfd)
    elif file.type in MADE and _needs_holder(file) and not layer.held("file", number, *HOLDERS):
        yield Found("unheld", layer.name("file", number), f"no task has this {FIELDS[file.type]} open")


def _closes_tcp(layer: Layer) -> bool:
    """Whether connections were not dumped, and are to be closed ones after a restore (--tcp-close)."""
    return layer.inventory is not None and bool(layer.inventory.tcp_close)


def _wrong(number: int, file: Any) -> str:
    field = FIELDS.get(file.type)
    if field is None:  # of a newer CRIU
        return ""
    if not file.HasField(field):
        return f"says type {file.type} and has no {field}"
    inner = getattr(file, field).id
    return f"has a {field} with id {inner} inside" if inner != number else ""


def _needs_holder(file: Any) -> bool:
    """Not so sockets that CRIU made up, and those outside of the dump."""
    return file.type != UNIX or not file.usk.uflags


def _is_connected(socket: Any) -> bool:
    return socket.proto == TCP and socket.state in CONNECTED


def _watched(layer: Layer, number: int, epoll: Any) -> Iterator[Found]:
    """A descriptor that is watched may be closed in one table that the epoll is in, but not in all."""
    role = layer.roles("file")
    space = layer.image.space("fd", layer.number) if layer.has("fd") else None
    tables: set[int] = set()
    for edge in layer.image.reference_table.to(layer.ordinal("file", number)):
        claim = space.claim(edge.source) if space is not None and edge.role in role else None
        tables |= {int(claim[0]) >> 32} if claim is not None else set()
    lost = [t.tfd for t in epoll.tfd if not any(layer.has("fd", table << 32 | t.tfd) for table in tables)]
    if tables and lost:
        numbers = ", ".join(map(str, lost[:5])) + ", …" * (len(lost) > 5)
        yield Found("watches", layer.name("file", number), f"watches descriptors that no table has: {numbers}")


def _descriptors(layer: Layer, types: dict[int, int]) -> Iterator[Found]:
    """They say the type of what they name once more."""
    for key, fd in layer.each("fd"):
        kind = types.get(fd.id, fd.type)
        if kind != fd.type:
            text = f"says that {layer.name('file', fd.id)} is of type {fd.type}, it is of {kind}"
            yield Found("file-type", layer.name("fd", key), text)
