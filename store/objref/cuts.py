"""A source that is cut, and the notes of it: how many are kept, how long they may be."""

from __future__ import annotations

from typing import Literal, get_args

from objref.dialects.events import Note
from objref.errors import TruncatedError, UsageError

__all__ = ["CUTS", "Partial", "check_partial", "partial_of", "refused", "shortened"]

NOTE_TEXT = 1024
"""Characters of a note's name and of its text: names in a tar may have a megabyte, and readers take 64 MiB of notes."""
CUTS = 100
"""Places where a stream is cut that META tells of: it has one, or two when it was compressed."""

Partial = Literal["refuse", "keep"]


def check_partial(partial: str) -> None:
    """UsageError for what is no decision about a source that is cut."""
    if partial not in get_args(Partial):
        raise UsageError(f'partial must be "refuse" or "keep", not {partial!r}')


def refused(name: str, cuts: list[Note]) -> TruncatedError:
    """What is raised for a source that ends too early, unless what arrived is to be kept."""
    texts = "; ".join(f"{cut.where}: {cut.text}" if cut.where else cut.text for cut in cuts)
    return TruncatedError(f"{name}: {texts}; --keep-partial imports what is there")


def partial_of(cuts: list[Note]) -> list[dict[str, str]]:
    """What META says of where a source is cut."""
    return [{"where": cut.where, "text": cut.text} for cut in cuts]


def shortened(note: Note) -> Note:
    """The note, no longer than notes are kept."""
    where, text = (t if len(t) <= NOTE_TEXT else t[: NOTE_TEXT - 1] + "…" for t in (note.where, note.text))
    return Note(note.what, where, text)
