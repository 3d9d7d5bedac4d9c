"""What can be cut, what can be done about it, and what was chosen.

The defaults: `fail` where the programs would be refused by CRIU, end, wait for ever, or lose data, unless the user says
what they shall get. Found by experiments with CRIU 4.1.1 (docs/extract.md has the table; tests/real repeats them).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from objref.dialects.plan import FAIL, Cut
from objref.errors import UsageError

__all__ = ["KINDS", "Cuts"]


class Kind(NamedTuple):
    """A class of cuts."""

    default: str
    policies: dict[str, str]
    """Besides `fail`: policy → what it does."""


KINDS: dict[str, Kind] = {
    "parent": Kind(FAIL, {"adopt": "the first task becomes the parent of those whose own is left out"}),
    "session": Kind(
        "new",
        {
            "new": "a session and a process group of its own, led by the first task",
            "shell-job": "the session and the group of the shell that calls criu",
        },
    ),
    "pipe": Kind(
        FAIL,
        {
            "drop": "readers find the end after what is queued, writers get SIGPIPE",
            "hold": "the other end is kept open by the task itself: readers wait, writers fill the pipe, then wait",
            "external": "criu's caller connects it (--inherit-fd)",
        },
    ),
    "in-flight": Kind(FAIL, {"drop": "bytes queued in a pipe that criu's caller connects are not put back"}),
    "fifo": Kind(FAIL, {"drop": "the other end is whoever opens the fifo next"}),
    "unix": Kind(
        FAIL,
        {
            "drop": "a socket whose peer has hung up; what is queued can still be read",
            "hold": "the peer is kept open by the task itself: nobody answers, nobody hangs up",
        },
    ),
    "epoll": Kind(FAIL, {"drop": "it is watched no longer"}),
    "terminal": Kind(
        FAIL,
        {
            "drop": "a terminal that hung up: the next read or write of it finds the end",
            "null": "/dev/null in its place",
        },
    ),
    "tcp": Kind(
        FAIL,
        {
            "keep": "the connection goes on (--tcp-established), in one restored copy at most",
            "drop": "the connection is closed (--tcp-close)",
        },
    ),
    "pidfd": Kind(FAIL, {"drop": "it says that the process is dead"}),
    "owner": Kind("drop", {"drop": "nobody gets the signals of that descriptor"}),
    "shared": Kind("drop", {"drop": "each side goes on with a copy of its own"}),
}


class Cuts:
    """All cuts of an extract, in the order found. Mutable."""

    def __init__(self, policy: Mapping[str, str]) -> None:
        self.found: dict[tuple[str, str, str, str], Cut] = {}
        self._policy = dict(policy)
        self._unused = set(policy)
        for name, value in policy.items():
            _check(name, value)
        self._unused -= set(KINDS)  # a class may have no cuts, an object that is named must have one

    def add(
        self, name: str, source: str, role: str, target: str, meaning: str, choices: tuple[str, ...] | None = None
    ) -> str:
        """Record a cut; returns its policy. `choices`: policies that are possible here, default: all of its class."""
        kind = KINDS[name]
        possible = (FAIL, *kind.policies) if choices is None else (FAIL, *choices)
        policy = self._chosen(name, source, target, possible)
        if policy not in possible:
            raise UsageError(
                f"{policy!r} is not possible for {name} {source} → {target}; choose from {', '.join(possible)}"
            )
        self.found[name, source, role, target] = Cut(name, policy, source, role, target, meaning, possible)
        return policy

    def _chosen(self, name: str, source: str, target: str, possible: tuple[str, ...]) -> str:
        """What was said about one of its ends, else about the class, else the default."""
        said = [objref for objref in (target, source) if objref in self._policy]
        self._unused -= set(said)
        if said:
            return self._policy[said[0]]
        default = KINDS[name].default
        return self._policy.get(name, default if default in possible else FAIL)

    def check_all_used(self) -> None:
        """UsageError for a policy that names an object which is not cut."""
        for name in sorted(self._unused):
            raise UsageError(f"{name}={self._policy[name]}: {name} is no end of anything that is cut")


def _check(name: str, value: str) -> None:
    if ":" in name:
        known = {policy for kind in KINDS.values() for policy in kind.policies}
    elif name in KINDS:
        known = set(KINDS[name].policies)
    else:
        raise UsageError(f"no cuts are called {name!r}: name a class ({', '.join(KINDS)}) or an objref")
    if value not in known | {FAIL}:
        raise UsageError(f"{name}={value}: policies are {', '.join((FAIL, *sorted(known)))}")
