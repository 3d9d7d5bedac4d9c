"""A file without a footer or a directory that can be trusted: its groups still tell of themselves.

Nothing else does, so an image it is not. But what can be recovered can be said: the trailers are found by their magic,
and each says where it lies and which one was before it.
"""

from __future__ import annotations

from collections.abc import Iterator

from objref.container import format as f
from objref.container.checking.opened import Checked
from objref.container.decoding import decode_arrays, decode_trailer
from objref.container.encoding import encode_directory
from objref.container.source import Source
from objref.errors import FormatError
from objref.findings import Findings
from objref.limits import Limits

__all__ = ["Torn", "found_magic", "open_torn", "trailers_of"]

STEP = 4 << 20


class Torn(Checked):
    """The groups of a torn file, from the first on. Mutable."""

    whole = False

    def __init__(self, source: Source, limits: Limits, findings: Findings, trailers: list[f.Trailer]) -> None:
        self._trailers = trailers
        super().__init__(source, limits, findings)
        self._sections = self._by_trailers()

    def _open(self) -> None:
        self._check_front()
        last = self._trailers[-1]
        self.footer = f.Footer(
            last.offset, 0, 0, last.digest, last.stream_to, 0, 0, self.source.length, len(self._trailers), last.check
        )
        groups = [f.GROUP_ENTRY.pack(t.offset, t.check, t.stream_to) for t in self._trailers]
        self._directory = memoryview(encode_directory({f.GROUPS: groups}))
        self._arrays = decode_arrays(self._directory)

    def _by_trailers(self) -> dict[int, f.Section]:
        """Sections as the pieces of the groups tell of them."""
        found: dict[int, f.Section] = {}
        for number in range(len(self._trailers)):
            try:
                trail = self.trail(number)
            except FormatError:  # found again, and reported, by who asks for the group
                continue
            for i in range(trail.header.pieces):
                p = trail.piece(i)
                found.setdefault(
                    p.section, f.Section(p.section, p.role, p.codec, p.block_log2, 0, p.dictionary, 0, 0, p.name)
                )
        return found


def open_torn(source: Source, limits: Limits, findings: Findings) -> Torn | None:
    """What can be read of a torn file; None without a first group."""
    chain: list[f.Trailer] = []
    for trailer in trailers_of(source):
        if trailer.number == len(chain) and trailer.previous == (chain[-1].check if chain else 0):
            chain.append(trailer)
    return Torn(source, limits, findings, chain) if chain else None


def trailers_of(source: Source) -> Iterator[f.Trailer]:
    """Sound trailers that lie where they say, in the order of the file."""
    for offset in found_magic(source, f.GROUP_MAGIC, f.TRAILER.size):
        try:
            yield decode_trailer(bytes(source.read(offset, f.TRAILER.size)), offset)
        except FormatError:  # these eight bytes may stand anywhere
            continue


def found_magic(source: Source, magic: bytes, size: int) -> Iterator[int]:
    """Where these bytes stand, with room for `size` bytes."""
    keep = len(magic) - 1
    for start in range(0, source.length, STEP):
        try:
            data = bytes(source.read(start, min(STEP + keep, source.length - start)))
        except FormatError:  # FILE is shorter than the index beside it says: what comes behind has no place
            return
        at = -1
        while (at := data.find(magic, at + 1)) >= 0:
            if start + at + size <= source.length:
                yield start + at
