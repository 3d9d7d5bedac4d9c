"""What an import made."""

from __future__ import annotations

from typing import NamedTuple

from objref.dialects.events import Note

__all__ = ["Report"]


class Report(NamedTuple):
    """What an import made. Lengths in bytes."""

    path: str
    stream_length: int
    stream_sha256: str
    file_length: int
    objects: int
    references: int
    dangling: int
    notes: list[Note]
    notes_left_out: int
    cuts: list[Note]
    """Where the source ends too early and what is missing; empty when it is whole."""
    seal: str = ""
    """Of a native stream, what stands for all of it (docs/native.md, section 8); else, and when it is cut, empty."""
    native: bool = False
    """Whether it was a native stream."""
