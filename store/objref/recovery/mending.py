"""A damaged container, whose groups are found by their trailers or, where these are lost, by their spares."""

from __future__ import annotations

from collections.abc import Iterator

from objref.container import format as f
from objref.container.checking.opened import GOOD, UNSEEN, Checked
from objref.container.checking.spares import trail_of
from objref.container.checking.torn import Torn, found_magic, trailers_of
from objref.container.content import Trail
from objref.container.source import Source
from objref.container.spare import HEAD, MAGIC, Spare, decode_spare
from objref.errors import FormatError, UnsupportedError
from objref.findings import Findings
from objref.limits import Limits

__all__ = ["Mended", "open_mended"]


class Mended(Checked):
    """Reads what a spare tells where a trailer is lost. Mutable."""

    _spares: dict[int, int] | None = None
    """The check of a trailer -> where the spare lies that says the same."""

    def _read_trail(self, group: int) -> Trail:
        try:
            return super()._read_trail(group)
        except FormatError as error:
            offset = self._spare_of(group)
            if offset is None:
                raise
            self.findings.error("group", f"group {group}", error)
            return _read(self.source, offset)[0]

    def _spare_of(self, group: int) -> int | None:
        """Where the spare of a group is. All are looked for once, by their magic."""
        if self._spares is None:
            self._spares = {trail.header.check: offset for trail, offset in _spares_in(self.source)}
        return self._spares.get(self.groups[group].check) if group < self.group_count else None

    def runs_told(self, group: int) -> bytes | None:
        """The runs of a group by its spare."""
        offset = self._spare_of(group)
        return None if offset is None else _read(self.source, offset)[1].runs

    def again(self) -> None:
        """What was found good is read a second time, as quickly as the first: many blocks at once."""
        self.rest()
        self._held = 0
        for seen in self.seen.values():
            seen[:] = seen.replace(bytes([GOOD]), bytes([UNSEEN]))


class _MendedTorn(Mended, Torn):
    """The same without a directory. Mutable."""

    def __init__(
        self, source: Source, limits: Limits, findings: Findings, trailers: list[f.Trailer], spares: dict[int, int]
    ) -> None:
        self._spares = spares
        super().__init__(source, limits, findings, trailers)


def open_mended(source: Source, limits: Limits, findings: Findings) -> Mended:
    """What is left of a container. FormatError: not even a group; UnsupportedError: made by a newer version."""
    try:
        found = Mended(source, limits, findings)
        _ = found.sections
        return found
    except UnsupportedError:
        raise
    except FormatError as error:
        findings.error("file", source.name, error)
        headers, spares = list(trailers_of(source)), {}
        for trail, offset in _spares_in(source):
            headers.append(trail.header)
            spares[trail.header.check] = offset
        chain = _chain(headers)
        if not chain:
            why = str(error).removeprefix(f"{source.name}: ")
            raise FormatError(f"{source.name}: nothing to recover: {why}; no group is proven") from None
        return _MendedTorn(source, limits, findings, chain, spares)


def _chain(headers: list[f.Trailer]) -> list[f.Trailer]:
    """From the first group on, those that name the one before."""
    by_place = {(header.number, header.previous): header for header in headers}
    chain: list[f.Trailer] = []
    while (found := by_place.get((len(chain), chain[-1].check if chain else 0))) is not None:
        chain.append(found)
    return chain


def _spares_in(source: Source) -> Iterator[tuple[Trail, int]]:
    """(what it stands for, its offset) of each sound spare, in the order of the file."""
    for offset in found_magic(source, MAGIC, HEAD.size):
        try:
            yield _read(source, offset)[0], offset
        except FormatError:  # these eight bytes may stand anywhere
            continue


def _read(source: Source, offset: int) -> tuple[Trail, Spare]:
    """The spare at an offset."""
    stored = HEAD.unpack_from(source.read(offset, HEAD.size))[2]
    data = bytes(source.read(offset, HEAD.size + stored))
    spare, _ = decode_spare(data, offset)
    return trail_of(spare, data, offset), spare
