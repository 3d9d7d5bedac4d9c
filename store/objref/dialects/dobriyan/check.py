"""Whether an image of the Dobriyan dialect makes sense (docs/check.md). There is no restore that could be asked: what
would be missing is said instead."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from objref.dialects.checks import Checks, Found, Judgement, error, warning

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["CHECKS"]

NOTES: Mapping[str, Judgement | None] = {
    "cut": error("objects are missing: the image was not copied to its end"),
    "unknown": warning("not looked into: it may be of another posting of the patches"),
    "doubtful": warning("nothing confirms their lengths: what follows may be damaged"),
    "unread": error("the rest is lost: it is damaged from there on, or of a version that is not known"),
    "claimed-twice": error("two objects have one id"),
}
LOST: Mapping[str, Judgement | None] = {}
LOST_OTHERWISE: Mapping[str, Judgement | None] = {
    "H": error("what the object needs is not at that position, or of another type: the image is damaged"),
    "K": error("what belongs to the object is not there: the image is damaged"),
    "O": None,
    "S": None,
}
FINDINGS: Mapping[str, Judgement] = {
    "no-tasks": warning("there is nothing to restore"),
}


def _look_at_tasks(image: Image, tick: Tick) -> Iterator[Found]:
    if (0, "task") not in image.spaces():
        yield Found("no-tasks", "header:0", "no task is in the image")


CHECKS = Checks(NOTES, LOST, LOST_OTHERWISE, FINDINGS, (_look_at_tasks,))
