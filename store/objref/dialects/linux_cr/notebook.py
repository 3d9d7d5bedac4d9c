"""Notes that are told once with a count, however often their reason occurs."""

from __future__ import annotations

from collections.abc import Iterator

from objref.dialects.events import Note

__all__ = ["Notebook"]

DISTINCT = 1000


class Notebook:
    """Collects notes; those for the same reason become one. Mutable."""

    def __init__(self) -> None:
        self._notes: dict[tuple[str, str], tuple[Note, int]] = {}
        self._lost = 0

    def add(self, what: str, where: str, text: str, reason: str = "") -> None:
        """A note. Those with one `reason` are counted, and the first one is told."""
        name = what, reason or f"{where} {text}"
        found = self._notes.get(name)
        if found is not None:
            self._notes[name] = found[0], found[1] + 1
        elif len(self._notes) < DISTINCT:
            self._notes[name] = Note(what, where, text), 1
        else:
            self._lost += 1

    def take(self) -> Iterator[Note]:
        """All of them."""
        for note, count in self._notes.values():
            yield note if count == 1 else note._replace(text=f"{note.text} ({count} times, this was the first)")
        if self._lost:
            yield Note("notes", "", f"{self._lost} further notes left out")
