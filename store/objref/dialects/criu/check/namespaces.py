"""Namespaces that were dumped have the files that CRIU opens for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import Layer, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["look_at_namespaces"]

PARTS = {
    "net_ns_id": "netns",
    "ipc_ns_id": "ipcns-var",
    "uts_ns_id": "utsns",
    "user_ns_id": "userns",
    "time_ns_id": "timens",
    "mnt_ns_id": "mnt",
}
"""Field of an ids entry -> kind without which CRIU cannot make such a namespace."""


def look_at_namespaces(image: Image, tick: Tick) -> Iterator[Found]:
    """Of tasks whose namespace is not that of CRIU itself."""
    for layer in layers_of(image, tick):
        if layer.inventory is None:  # which namespaces were those of CRIU?
            continue
        there = {field: _dumped(layer, kind) for field, kind in PARTS.items()}
        known = {field: {0, getattr(layer.inventory.root_ids, field)} for field in PARTS}
        for pid, ids in layer.each("ids"):
            if layer.matters("ids", pid):
                yield from _task(layer, pid, ids, there, known)


def _task(layer: Layer, pid: int, ids: Any, there: dict[str, set[int]], known: dict[str, set[int]]) -> Iterator[Found]:
    """What was not said before. `known`: namespaces that need no part, or were looked at."""
    for field, kind in PARTS.items():
        number = getattr(ids, field)
        if number not in known[field] | there[field]:
            known[field].add(number)
            text = f"its {field} is {layer.name('ns', number)}, of which there is no {kind}"
            yield Found("namespace-part", layer.name("ids", pid), text)


def _dumped(layer: Layer, kind: str) -> set[int]:
    """Namespaces that have this part. Old dumps have devices instead of a netns, and called the timens 0."""
    if kind == "mnt":
        return _mounted(layer)
    found = set(layer.keys(kind))
    if kind == "netns":
        found |= {key >> 32 for key in layer.keys("netdev")}
    if kind == "timens" and 0 in found:
        found |= {ids.time_ns_id for _, ids in layer.each("ids")}
    return found


def _mounted(layer: Layer) -> set[int]:
    """Mount namespaces with mounts."""
    roles = layer.roles("namespace")
    found: set[int] = set()
    for key in layer.keys("mnt"):
        for edge in layer.image.reference_table.of(layer.ordinal("mnt", key)):
            if edge.role in roles and edge.target is not None:
                claim = layer.image.space("ns", layer.number).claim(edge.target)
                found |= {int(claim[0])} if claim is not None else set()
    return found
