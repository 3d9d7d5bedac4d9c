"""Which object is written inside which: a record of an object that is kept stays where it is, as far as that stays."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft

__all__ = ["Places"]


class Places:
    """`home`: the innermost kept object that an object lies in; those whose surroundings are left out have none."""

    def __init__(self, draft: Draft) -> None:
        self.home: dict[int, int] = {}
        self.inside: dict[int, list[int]] = {}
        """Object → what lies in it, in the order of the stream."""
        ends = {task: self._end(draft, task) for task in draft.tasks}
        stack: list[tuple[int, int]] = []
        for one in sorted(draft.kept, key=draft.original.begin):
            begin, end = draft.original.span(one)
            while stack and stack[-1][0] <= begin:
                stack.pop()
            if stack and one not in ends:
                self.home[one] = stack[-1][1]
                self.inside.setdefault(stack[-1][1], []).append(one)
            stack.append((ends.get(one, end), one))

    def _end(self, draft: Draft, task: int) -> int:
        """A task reaches to where the next one begins, or the TAIL."""
        starts, k = draft.starts, draft.stretch(draft.original.begin(task))
        return starts[k] if k < len(starts) else draft.original.begin(draft.original.only("tail"))
