"""Whether an image makes sense: what a dialect looks at, and what the things that it finds mean.

Three things are judged: what the import noticed, references to nothing, and what the dialect's own looks find.
All names and meanings are tables (docs/check.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from objref.findings import Severity

if TYPE_CHECKING:
    from objref.image import Image
    from objref.object import Object

__all__ = ["Checks", "Found", "Judgement", "Look", "Tick", "error", "note", "warning"]

Tick = Callable[[], None]
"""Called for each object that was looked at."""


class Judgement(NamedTuple):
    """What it means that something was found."""

    severity: Severity
    meaning: str
    """What happens at a restore, what can be done."""


class Found(NamedTuple):
    """Something that a look has found. `what`: its name in the table `findings`."""

    what: str
    where: str
    """An objref, or the name of a file that is not there."""
    text: str
    objrefs: tuple[str, ...] = ()


Look = Callable[["Image", Tick], Iterator[Found]]
"""Gives what it finds while it looks: memory is bounded by the objects, not by what is wrong with them."""


class Checks(NamedTuple):
    """All that is checked of images of a dialect."""

    notes: Mapping[str, Judgement | None]
    """`what` of a note of the import → what it means; None: says nothing of the dump, or a look says it better."""
    lost: Mapping[str, Judgement | None]
    """What a reference to nothing means: by "role objref" or "role kind" of what is missing (in whatever layer), "kind
    role" of what refers, or role."""
    lost_otherwise: Mapping[str, Judgement | None]
    """The same by strength, for roles that are not in `lost`."""
    findings: Mapping[str, Judgement] = {}
    looks: tuple[Look, ...] = ()
    matters: Callable[[Image], Callable[[Object], bool]] = lambda _: lambda _: True
    """Tells of objects of an image whether a restore would look at them at all: references of others to nothing are
    not told."""


def error(meaning: str) -> Judgement:
    """A restore fails, or what it restores is not what was dumped."""
    return Judgement("error", meaning)


def warning(meaning: str) -> Judgement:
    """A restore may go well, but something is not as it should be."""
    return Judgement("warning", meaning)


def note(meaning: str) -> Judgement:
    """Nothing is wrong; something has to be known for a restore."""
    return Judgement("note", meaning)
