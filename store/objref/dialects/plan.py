"""What an extract will be, before anything of it is written: what a dialect's `extract` is asked, and what it answers.

Everything that is cut is in the plan, with the policy that was chosen for it. A plan with a cut whose policy is
`fail` is for reading only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

__all__ = ["FAIL", "Cut", "File", "Plan", "Request", "Scope"]

Scope = Literal["subtree", "alone"]
FAIL = "fail"


class Request(NamedTuple):
    """What is wanted.

    scope   "subtree": the objects and all that descends from them; "alone": the objects themselves
    policy  name of a class of cuts, or objref of what is cut → what is done about it
    """

    objrefs: tuple[str, ...]
    scope: Scope = "subtree"
    policy: Mapping[str, str] = {}


class Cut(NamedTuple):
    """A reference from what is kept to what is not."""

    name: str
    """Class of cuts: it has policies of its own."""
    policy: str
    source: str
    """Objref of what is kept."""
    role: str
    target: str
    """Objref of what is left out."""
    meaning: str
    """What it means for the programs that are restored."""
    choices: tuple[str, ...]
    """Policies that this cut can have."""


class File(NamedTuple):
    """A file of the smaller image. `chunks` may be called again: each time it gives the same `size` bytes."""

    name: str
    size: int
    chunks: Callable[[], Iterator[bytes | memoryview]]


class Plan(NamedTuple):
    """All of an extract."""

    roots: tuple[str, ...]
    kept: tuple[str, ...]
    """Objrefs of what was asked for, with what came along because of the scope."""
    files: tuple[File, ...]
    """In order of their names."""
    cuts: tuple[Cut, ...]
    command: tuple[str, ...]
    """How to restore it: words of a command line. `{}` stands for the folder."""
    descriptors: tuple[str, ...]
    """What must be open for that command, one sentence each."""
    on_disk: tuple[str, ...]
    """Files that are not in the image and must be where they were."""
    notes: tuple[str, ...]
    stream: bool = False
    """The one file is a stream of the dialect: it is written as it is, and lies in no folder."""
    objects: tuple[int, ...] = ()
    """Ordinals of what is kept, of a dialect that has no form for a part: then there are no files."""

    @property
    def refused(self) -> tuple[Cut, ...]:
        """Cuts whose policy is to fail."""
        return tuple(cut for cut in self.cuts if cut.policy == FAIL)

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.size for file in self.files)
