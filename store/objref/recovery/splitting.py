"""The index made again: what is left of the stream is imported, with its holes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from objref.container.checking.opened import Checked
from objref.container.options import Options, sound
from objref.container.output import Output
from objref.errors import FormatError, UnsupportedError
from objref.importer import Report, collect
from objref.limits import Limits
from objref.recovery.holes import HoledWriter
from objref.recovery.joining import parts_of
from objref.recovery.lost import Fate, Ranges

__all__ = ["Split", "options_of", "split_again"]

CHUNK = 1 << 20
"""As the sources of an import cut their streams."""
FILLER = b"\xff"
"""In place of lost bytes: unlike zeros it is no number, name, length or message that any dialect takes for sound."""
Says = Callable[[Ranges, int, int], dict[str, Any]]
"""(lost positions, bytes that were left out, objects that have lost bytes) -> what META says of the recovery."""


class Split(NamedTuple):
    """What came of it."""

    report: Report
    lost: Ranges
    left_out: int
    """Bytes of the stream that could not be used: behind a hole that the dialect does not get over."""
    touched: list[int]
    """Ordinals of objects that have lost bytes."""


class _Left:
    """What is left of a stream, as a source of an import. Mutable: to be iterated once."""

    def __init__(self, c: Checked, fate: Fate, stop: int | None, source: dict[str, Any]) -> None:
        self.name = c.source.name
        self.kind, self.compression = source.get("kind", "tar"), source.get("compression")
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


def split_again(
    c: Checked, fate: Fate, output: Output, options: Options, source: dict[str, Any], says: Says, limits: Limits
) -> Split:
    """Import what is left into `output`, which still has to be committed. `source`: what META said of the source.

    A dialect that gives up at a hole is asked once more, for what is before it.
    """
    left = _Left(c, fate, None, source)
    try:
        return _import(left, output, options, 0, says, limits)
    except UnsupportedError:
        raise
    except FormatError:
        if not left.lost.starts or not left.lost.starts[0]:
            raise
    output.resume(0)
    stop = left.lost.starts[0]
    return _import(_Left(c, fate, stop, source), output, options, c.footer.stream_length - stop, says, limits)


def _import(left: _Left, output: Output, options: Options, left_out: int, says: Says, limits: Limits) -> Split:
    options = options._replace(seen_pages=limits.seen_pages)
    writer = HoledWriter(output, options, left.lost, lambda touched: says(left.lost, left_out, touched))
    source: Any = left
    report = collect(writer, source, [], limits, partial="keep")
    return Split(report, left.lost, left_out, writer.touched)


def options_of(meta: dict[str, Any]) -> Options:
    """How the damaged file was stored, as far as it says and this version can; a dictionary of the best pages aside,
    which takes a repack."""
    found, plain = meta.get("options"), Options()
    if not isinstance(found, dict):
        return plain
    known = {k: v for k, v in found.items() if k in Options._fields and type(v) is type(getattr(plain, k))}
    try:
        return sound(plain._replace(**known | {"dictionary_log2": 0}))
    except ValueError:
        return plain
