"""The index made again: what is left of the stream is read as an import reads it, into a container of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from objref.container.checking.opened import Checked
from objref.container.options import Options
from objref.container.output import Output
from objref.container.writer import ContainerWriter
from objref.errors import FormatError, UnsupportedError
from objref.importer import Report, collect
from objref.limits import Limits
from objref.recovery.joining import parts_of
from objref.recovery.lost import Fate, Ranges

__all__ = ["split_again"]

CHUNK = 1 << 20
"""As the sources of an import cut their streams."""
FILLER = b"\xff"
"""In place of lost bytes: unlike zeros it is no number, name, length or message that any dialect takes for sound."""


class _Left:
    """What is left of a stream, as a source of an import. Mutable: to be iterated once."""

    compression = None

    def __init__(self, c: Checked, fate: Fate, stop: int | None) -> None:
        self.name, self.kind = c.source.name, "tar"
        self.lost = Ranges()
        self.length = 0
        self._parts = _good_or_lost(c, fate)
        self._stop = stop

    def __iter__(self) -> Iterator[bytes]:
        held = bytearray()
        for data, lost in self._parts:
            room = len(data) if self._stop is None else min(len(data), self._stop - self.length)
            if lost and room:
                self.lost.add(self.length, self.length + room)
            self.length += room
            held += data[:room]
            while len(held) >= CHUNK:
                yield bytes(held[:CHUNK])
                del held[:CHUNK]
            if room < len(data):
                break
        yield bytes(held)


def _good_or_lost(c: Checked, fate: Fate) -> Iterator[tuple[bytes | memoryview, bool]]:
    """The stream in pieces. Of a group whose order is lost, all is lost: nobody could split it."""
    for group, parts in parts_of(c, fate):
        for part in parts:
            if not part.lost and group.ordered and part.section is not None:
                for chunk in c.chunks(part.section.id, part.address, part.length):
                    yield chunk, False
                continue
            for done in range(0, part.length, CHUNK):
                yield FILLER * min(part.length - done, CHUNK), True


def split_again(c: Checked, fate: Fate, output: Output, options: Options, limits: Limits) -> tuple[Report, Ranges, int]:
    """Import what is left into `output`, lost bytes as filler. Returns what was made, the positions of the filler, and
    how many bytes of the stream could not be used at all.

    A dialect that gives up at a hole is asked once more, for what is before it.
    """
    left = _Left(c, fate, None)
    try:
        return _import(left, output, options, limits), left.lost, 0
    except UnsupportedError:
        raise
    except FormatError:
        if not left.lost.starts or not left.lost.starts[0]:
            raise
    output.resume(0)
    rest = c.footer.stream_length - left.lost.starts[0]
    left = _Left(c, fate, left.lost.starts[0])
    return _import(left, output, options, limits), left.lost, rest


def _import(left: _Left, output: Output, options: Options, limits: Limits) -> Report:
    writer = ContainerWriter(output, options._replace(seen_pages=limits.seen_pages))
    source: Any = left
    return collect(writer, source, [], limits, partial="keep")


def options_of(meta: dict[str, Any]) -> Options:
    """How the damaged file was stored, as far as it says and this version can; dictionaries of pages aside, which
    take a repack."""
    found = meta.get("options")
    if not isinstance(found, dict):
        return Options()
    known = {k: v for k, v in found.items() if k in Options._fields and type(v) is type(getattr(Options(), k))}
    try:
        from objref.container.options import sound

        return sound(Options(**known)._replace(dictionary_log2=0))
    except (ValueError, TypeError):
        return Options()
