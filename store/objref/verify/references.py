"""References: forward and backward arrays tell of the same ones, and all of them lead somewhere (section 9)."""

from __future__ import annotations

from typing import Any

import numpy as np

from objref.findings import Findings
from objref.verify.names import names_of
from objref.verify.sums import PairSums
from objref_index import Column
from objref_index.arrays import Ints, parts, window
from objref_index.references import DANGLING_BIT

__all__ = ["check_references"]

ROLE_SHIFT = np.uint64(32)


def check_references(image: Any, findings: Findings) -> None:
    """All of them. Memory does not grow with their number."""
    container, objects = image.container, len(image)
    names = ("reference ends", "targets", "roles", "referrer ends", "sources", "source roles", "dangling")
    columns = {name: column for name in names if (column := container.column(name)) is not None}
    if "targets" not in columns and "sources" not in columns:
        return
    known = np.zeros(256, bool)
    known[[role.id for role in container.roles if role.id < 256]] = True
    dangling = len(columns["dangling"]) // 2 if "dangling" in columns else 0
    _check_dangling(container, columns.get("dangling"), findings)
    pairs, before = PairSums(objects), len(findings)
    forward = _walk(columns, "reference ends", "targets", "roles", objects, findings)
    for owners, targets, roles in forward:
        _check_roles(known, roles, findings)
        lost = targets >= DANGLING_BIT
        limit = np.where(lost, DANGLING_BIT + dangling, objects)
        if (targets >= limit).any():
            odd = owners[targets >= limit]
            findings.say(
                "references", "table targets", f"targets that do not exist, of {', '.join(names_of(image, odd))}"
            )
            return
        pairs.add(targets[~lost], _packed(owners, roles)[~lost])
    for owners, sources, roles in _walk(columns, "referrer ends", "sources", "source roles", objects, findings):
        _check_roles(known, roles, findings)
        pairs.take(owners, _packed(sources, roles))
    if len(findings) > before:
        return  # half of them are not a half that can be compared
    for first, last in pairs.differences()[:10]:
        text = f"references to objects {first}…{min(last, objects) - 1} are not those that lead back from them"
        findings.say("references", "table sources", text)


def _packed(owners: Ints, roles: Ints) -> Ints:
    return owners.astype(np.uint64) | roles.astype(np.uint64) << ROLE_SHIFT


def _check_roles(known: Ints, roles: Ints, findings: Findings) -> None:
    if not known[roles].all():
        odd = int(roles[~known[roles]][0])
        findings.say("references", "table roles", f"role {odd}, which the directory does not have")


def _walk(columns: dict[str, Column], ends: str, values: str, roles: str, objects: int, findings: Findings) -> Any:
    """(owners, values, roles) of all entries, in parts of them; the ends are checked on the way."""
    count, first = len(columns.get(values, ())), 0
    for start, stop in parts(objects):
        bounds = window(columns[ends], start, stop + 1).astype(np.int64)
        if (np.diff(bounds) < 0).any() or bounds[0] != first or bounds[-1] > count:
            findings.say("references", f"table {ends}", f"of objects {start}…{stop - 1} do not ascend to {count}")
            return
        for low, high in _steps(int(bounds[0]), int(bounds[-1])):
            # Objects without entries share their end with the one before: `right` finds the one that has them.
            owners = start + np.searchsorted(bounds, np.arange(low, high), "right") - 1
            yield owners, window(columns[values], low, high).astype(np.int64), window(columns[roles], low, high)
        first = int(bounds[-1])
    if first != count:
        findings.say("references", f"table {ends}", f"ends at {first} of {count}")


def _steps(start: int, stop: int) -> Any:
    """The same in parts of columns."""
    for low, high in parts(stop):
        if high > start:
            yield max(low, start), high


def _check_dangling(container: Any, dangling: Column | None, findings: Findings) -> None:
    if dangling is None:
        return
    kinds = np.array(sorted(kind.id for kind in container.kinds), np.uint64)
    for start, stop in parts(len(dangling) // 2):
        packed = window(dangling, 2 * start, 2 * stop).reshape(-1, 2)[:, 1]
        if (packed >> np.uint64(32)).any():
            findings.say("references", "table dangling", "bytes 12…15 of a row must be zero (R1)", "R1")
        if not np.isin(packed & np.uint64(0xFFFF), kinds).all():
            findings.say("references", "table dangling", "a kind that the directory does not have")
