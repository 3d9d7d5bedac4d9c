"""What `verify` and `check` find: each thing with its place and the objects that it touches. What a verification finds
is bounded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, NamedTuple

from objref.errors import FormatError

__all__ = ["Finding", "Findings", "Severity", "finding_of"]

Severity = Literal["error", "warning", "note"]

RULE = re.compile(r"\b(?:R(?:2[01]|1\d|[1-9])|S(?:1[0-2]|[1-9]))\b")
FINDINGS = 1000
"""Findings that are kept; further ones are counted."""


class Finding(NamedTuple):
    """One thing that is wrong."""

    what: str
    """A word. Of a verification: superblock, footer, directory, group, piece, layout, table, block, braid, page,
    digest, keys, …; of a check: those of docs/check.md."""
    where: str
    """The place: a section, a table, an offset, an objref."""
    text: str
    """What was found, and what was expected."""
    rules: tuple[str, ...] = ()
    """The rules of docs/format.md that are broken, such as "R12" or "S9"; none where a checksum or digest is wrong."""
    objrefs: tuple[str, ...] = ()
    """Objects that this touches, the first few."""
    affected: int = 0
    """How many objects this touches."""
    severity: Severity = "error"
    """All that a verification finds is an error. Of a check: error, a restore fails or goes wrong; warning, perhaps;
    note, something to know."""
    meaning: str = ""
    """Of a check: what it means for a restore, and what can be done."""


def finding_of(what: str, where: str, error: FormatError) -> Finding:
    """What a reader raised. The rules are those that its message names."""
    text = str(error)
    return Finding(what, where, text.removeprefix(where).lstrip(",: "), tuple(RULE.findall(text)))


class Findings:
    """Collects. Mutable."""

    def __init__(self, limit: int = FINDINGS) -> None:
        self.found: list[Finding] = []
        self.left_out = 0
        self._limit = limit
        self._said: set[tuple[str, str]] = set()

    def __len__(self) -> int:
        """All, also those that are only counted."""
        return len(self.found) + self.left_out

    def add(self, finding: Finding) -> None:
        """Keep or count. What was said before, word for word, is not said again."""
        said = finding.where, finding.text
        if said in self._said:
            return
        if len(self.found) < self._limit:
            self.found.append(finding)
            self._said.add(said)
        else:
            self.left_out += 1

    def forget(self) -> None:
        """Start again: what was looked at is something else."""
        self.found, self.left_out, self._said = [], 0, set()

    def say(self, what: str, where: str, text: str, *rules: str) -> None:
        """Something is wrong that touches no object in particular."""
        self.add(Finding(what, where, text, rules))

    def error(self, what: str, where: str, error: FormatError) -> None:
        """What a reader raised."""
        self.add(finding_of(what, where, error))

    @contextmanager
    def watching(self, what: str, where: str) -> Iterator[None]:
        """What is raised inside is found, not fatal; the rest of the block is skipped."""
        try:
            yield
        except FormatError as error:
            self.error(what, where, error)
