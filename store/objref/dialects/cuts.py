"""What can be cut in an extract, what can be done about it, and what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from objref.dialects.plan import FAIL, Cut
from objref.errors import UsageError

__all__ = ["Cuts", "Kind"]


class Kind(NamedTuple):
    """A class of cuts."""

    default: str
    policies: dict[str, str]
    """Besides `fail`: policy → what it does."""


class Cuts:
    """All cuts of an extract, in the order found. Mutable."""

    def __init__(self, policy: Mapping[str, str], kinds: Mapping[str, Kind]) -> None:
        self.found: dict[tuple[str, str, str, str], Cut] = {}
        self._kinds = kinds
        self._policy = dict(policy)
        self._unused = set(policy)
        for name, value in policy.items():
            self._check(name, value)
        self._unused -= set(kinds)  # a class may have no cuts, an object that is named must have one

    def add(
        self, name: str, source: str, role: str, target: str, meaning: str, choices: tuple[str, ...] | None = None
    ) -> str:
        """Record a cut; returns its policy. `choices`: policies that are possible here, default: all of its class."""
        kind = self._kinds[name]
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
        default = self._kinds[name].default
        return self._policy.get(name, default if default in possible else FAIL)

    def check_all_used(self) -> None:
        """UsageError for a policy that names an object which is not cut."""
        for name in sorted(self._unused):
            raise UsageError(f"{name}={self._policy[name]}: {name} is no end of anything that is cut")

    def _check(self, name: str, value: str) -> None:
        if ":" in name:
            known = {policy for kind in self._kinds.values() for policy in kind.policies}
        elif name in self._kinds:
            known = set(self._kinds[name].policies)
        else:
            raise UsageError(f"no cuts are called {name!r}: name a class ({', '.join(self._kinds)}) or an objref")
        if value not in known | {FAIL}:
            raise UsageError(f"{name}={value}: policies are {', '.join((FAIL, *sorted(known)))}")
