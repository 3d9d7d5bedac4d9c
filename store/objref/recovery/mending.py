"""A damaged container, whose groups are found by their trailers or, where these are lost, by their spares."""

from __future__ import annotations

from collections.abc import Iterator

from objref.container import format as f
from objref.container.checking.opened import GOOD, UNSEEN, Checked
from objref.container.checking.spares import trail_of
from objref.container.checking.torn import Torn, found_magic, trailers_of
from objref.container.content import Trail
from objref.container.source import Source
from objref.container.spare import HEAD, MAGIC, decode_spare
from objref.errors import FormatError, UnsupportedError
from objref.findings import Findings
from objref.limits import Limits

__all__ = ["Mended", "open_mended"]


class Mended(Checked):
    """Reads what a spare tells where a trailer is lost. Mutable."""

    _spares: list[Trail] | None = None

    def _read_trail(self, group: int) -> Trail:
        try:
            return super()._read_trail(group)
        except FormatError as error:
            check = self.groups[group].check if group < self.group_count else None
            for spare in self.spares():
                if spare.header.number == group and spare.header.check == check:
                    self.findings.error("group", f"group {group}", error)
                    return spare
            raise

    def again(self) -> None:
        """What was found good is read a second time, as quickly as the first: many blocks at once."""
        self.rest()
        self._held = 0
        for seen in self.seen.values():
            seen[:] = seen.replace(bytes([GOOD]), bytes([UNSEEN]))

    def spares(self) -> list[Trail]:
        """What the spares of the file stand for; they are looked for once, by their magic."""
        if self._spares is None:
            self._spares = [trail for trail, _ in _spares_of(self.source)]
        return self._spares

    def runs_told(self, group: int) -> bytes | None:
        """The runs of a group by its spare."""
        try:
            check = self.trail(group).header.check
        except FormatError:
            return None
        found = (runs for trail, runs in _spares_of(self.source) if trail.header.check == check)
        return next(found, None)


class _MendedTorn(Mended, Torn):
    """The same without a directory. Mutable."""

    def __init__(
        self, source: Source, limits: Limits, findings: Findings, trailers: list[f.Trailer], spares: list[Trail]
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
        spares = list(_spares_of(source))
        chain = _chain([*trailers_of(source), *(trail.header for trail, _ in spares)])
        if not chain:
            raise FormatError(
                f"{source.name}: nothing to recover: {str(error).removeprefix(f'{source.name}: ')}; no group is proven"
            ) from None
        return _MendedTorn(source, limits, findings, chain, [trail for trail, _ in spares])


def _chain(headers: list[f.Trailer]) -> list[f.Trailer]:
    """From the first group on, those that name the one before."""
    by_place = {(header.number, header.previous): header for header in headers}
    chain: list[f.Trailer] = []
    while (found := by_place.get((len(chain), chain[-1].check if chain else 0))) is not None:
        chain.append(found)
    return chain


def _spares_of(source: Source) -> Iterator[tuple[Trail, bytes]]:
    """(what each sound spare stands for, the runs of its group), in the order of the file."""
    for offset in found_magic(source, MAGIC, HEAD.size):
        try:
            _, _, stored, _, _ = HEAD.unpack_from(source.read(offset, HEAD.size))
            data = bytes(source.read(offset, HEAD.size + stored))
            spare, _ = decode_spare(data, offset)
            yield trail_of(spare, data, offset), spare.runs
        except FormatError:  # these eight bytes may stand anywhere
            continue
