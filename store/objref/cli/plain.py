"""The plainest lines, understood without argparse: to load it takes as long as to find and write an object."""

from __future__ import annotations

__all__ = ["Asked", "understood"]


class Asked:
    """What `objref get IMAGE OBJREF [-o FILE]` says: as argparse would have it, the rest by default."""

    range: str | None = None
    part: int | None = None
    where = force = False

    def __init__(self, image: str, objref: str, output: str = "-") -> None:
        self.image = image
        self.objref = objref
        self.output = output


def understood(arguments: list[str]) -> Asked | None:
    """What a line says, None if it says more or less than those words in that order: then it is for argparse."""
    if arguments[:1] != ["get"] or len(arguments) not in (3, 5) or arguments[3:4] not in ([], ["-o"]):
        return None
    words = [*arguments[1:3], *arguments[4:]]
    if any(not word or word.startswith("-") for word in words):
        return None
    return Asked(*words)
