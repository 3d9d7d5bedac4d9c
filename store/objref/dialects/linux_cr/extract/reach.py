"""All that some tasks need."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from objref.dialects.linux_cr.kinds import KIND, ROLE
from objref.errors import LimitError

if TYPE_CHECKING:
    from objref.dialects.linux_cr.extract.draft import Draft

__all__ = ["grow", "ipc_of"]

TREE_ROLES = ["parent", "leader", "group", "session", "pid", "parent-pid", "leader-pid", "group-pid", "session-pid"]
ASIDE = frozenset(ROLE[role] for role in (*TREE_ROLES, "self", "mem", "watches"))
"""What the TREE says; views of memory; files that an epoll watches, which do not live by that."""
PEER, SEGMENT, NET_NS, EPOLL_FILE = (ROLE[role] for role in ("peer", "segment", "net-ns", "epoll-file"))


def grow(draft: Draft, roots: Iterable[int]) -> list[int]:
    """Keep these objects and what they need; returns those that are new. Peers of sockets are settled later."""
    limit = draft.image.container.limits.closure
    new = [root for root in roots if root not in draft.kept]
    draft.kept.update(new)
    for one in new:  # which grows
        for needed in _needs(draft, one):
            if needed not in draft.kept:
                draft.kept.add(needed)
                new.append(needed)
        if len(draft.kept) > limit:
            raise LimitError(f"more than {limit} objects to keep")
    return new


def _needs(draft: Draft, ordinal: int) -> Iterator[int]:
    kind = draft.original.kind(ordinal)
    for edge in draft.image.reference_table.of(ordinal):
        if edge.target is None or edge.role in ASIDE or (edge.role == PEER and kind == "sock"):
            continue
        if edge.role == SEGMENT:
            yield from ipc_of(draft, edge.target)
        else:
            yield edge.target
    yield from _companions(draft, kind, ordinal)


def ipc_of(draft: Draft, segment: int) -> list[int]:
    """The ipc namespace that has a segment of shared memory; none for memory that no file stands for."""
    holders = draft.original.linking(segment, SEGMENT)
    return [holder for holder in holders if draft.original.kind(holder) == "ipc-ns"][:1]


def _companions(draft: Draft, kind: str, ordinal: int) -> Iterator[int]:
    """What belongs to an object and is not named by it."""
    if kind == "file":
        epoll = draft.original.find(KIND["epoll"], draft.original.key(ordinal))
        if epoll is not None:
            yield epoll
    elif kind == "net-ns":
        yield from (n for n in draft.original.linking(ordinal, NET_NS) if draft.original.kind(n) == "netdev")
    elif kind in ("file-table", "task"):
        yield from draft.queues.get(ordinal, ())
