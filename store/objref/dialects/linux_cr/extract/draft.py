"""An extract in the making."""

from __future__ import annotations

from bisect import bisect_right
from functools import cached_property
from operator import itemgetter
from typing import TYPE_CHECKING

from objref.dialects.linux_cr.kinds import ROLE

if TYPE_CHECKING:
    from objref.dialects.cuts import Cuts
    from objref.dialects.linux_cr.extract.original import Original
    from objref.image import Image

__all__ = ["Draft"]


class Draft:
    """What is kept, as ordinals, and what is changed in it. Mutable."""

    def __init__(self, original: Original, cuts: Cuts, tasks: list[int]) -> None:
        self.original = original
        self.cuts = cuts
        self.tasks = tasks
        """In the order of the stream."""
        self.kept: set[int] = set()
        """Objects whose records will be written."""
        self.no_peer: set[int] = set()
        """Sockets whose peer is left out."""
        self.no_queue: set[int] = set()
        """Sockets whose queues are left out."""
        self.unwatched: dict[int, set[int]] = {}
        """Items of an epoll → ids of files that are watched no longer."""
        self.notes: list[str] = []

    @property
    def image(self) -> Image:
        """That of the original."""
        return self.original.image

    # -- who has what --------------------------------------------------------------------------------------

    def is_held(self, file: int) -> bool:
        """Whether something that is kept has this open file."""
        return any(holder in self.kept for holder in self.holders(file))

    def holders(self, file: int) -> list[int]:
        """Tables and memories that have this open file."""
        return self.original.linking(file, ROLE["fd"], ROLE["exe"], ROLE["mapping"])

    def task_of(self, ordinal: int) -> str:
        """Objref of a task that has this table or memory and is left out; else its own."""
        for task in self.original.linking(ordinal, *HOLDING):
            if task not in self.kept:
                return self.original.objref(task)
        return self.original.objref(ordinal)

    # -- queues --------------------------------------------------------------------------------------------

    @cached_property
    def starts(self) -> list[int]:
        """Positions where tasks begin, ascending, all of the stream's."""
        return sorted(map(self.original.begin, self.original.all("task")))

    def stretch(self, position: int) -> int:
        """Which task's stretch a position is in, counted from 1."""
        return bisect_right(self.starts, position)

    @cached_property
    def queues(self) -> dict[int, list[int]]:
        """File table → queues of sockets that follow it. No field says whose they are; they are written when all files
        of a table are. Without a table before them they are a task's."""
        tables = sorted((self.original.span(table)[1], table) for table in self.original.all("file-table"))
        tasks = sorted((self.original.begin(task), task) for task in self.original.all("task"))
        found: dict[int, list[int]] = {}
        for queue in self.original.all("queue"):
            begin = self.original.begin(queue)
            end, owner = tables[bisect_right(tables, begin, key=itemgetter(0)) - 1] if tables else (-1, -1)
            if not tables or end > begin or self.stretch(end - 1) != self.stretch(begin):
                owner = tasks[self.stretch(begin) - 1][1]
            found.setdefault(owner, []).append(queue)
        return found


HOLDING = tuple(ROLE[role] for role in ("file-table", "mm", "fs", "sighand", "signal", "sem-undo"))
