"""What a recovery brought back, and what it did not."""

from __future__ import annotations

from typing import Literal, NamedTuple

from objref.findings import Finding

__all__ = ["NO_REFERENCES", "Account", "Kept"]


Kept = Literal["kept", "kept, no references", "rebuilt"]
NO_REFERENCES: Kept = "kept, no references"


class Account(NamedTuple):
    """What a recovery made. Lengths and positions in bytes."""

    path: str
    file_length: int
    stream_length: int
    stream_sha256: str
    objects: int
    references: int
    tables: Kept
    """Whether the tables were sound, or were made again by reading the stream as an import does; or those of references
    are lost, and the others were sound."""
    lost_objects: int
    """Objects that came back by name, without all of their bytes: reading these is an error."""
    lost_names: list[str]
    """The first of them."""
    lost_bytes: int
    lost_ranges: list[tuple[int, int]]
    """Where the stream has lost bytes, as (from, to): the first ones, joined if they touch."""
    unordered: list[tuple[int, int]]
    """Parts of the stream whose runs came back, but not the order in which they follow each other."""
    cuts: list[str]
    """Where the stream ends too early, as far as that shows: what came behind it is gone without a trace."""
    proven: bool
    """Whether the stream has the digest of the one that was imported: that of the footer, or of the last trailer."""
    damage: list[Finding]
    """What is wrong with the file that was read; its objects are not named here."""

    @property
    def nothing_lost(self) -> bool:
        """Whether all that was imported came back."""
        return (
            self.proven
            and self.tables != NO_REFERENCES
            and not (self.lost_bytes or self.lost_objects or self.unordered or self.cuts)
        )
