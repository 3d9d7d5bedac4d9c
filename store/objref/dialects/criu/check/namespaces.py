"""Namespaces that were dumped have the files that CRIU opens for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import Layer, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["PARTS", "look_at_namespaces"]

PARTS = {
    "net_ns_id": "netns",
    "ipc_ns_id": "ipcns-var",
    "uts_ns_id": "utsns",
    "mnt_ns_id": "mnt",
    "user_ns_id": "userns",
    "time_ns_id": "timens",
}
"""Field of an ids entry -> kind without which CRIU cannot make such a namespace."""


def look_at_namespaces(image: Image, tick: Tick) -> Iterator[Found]:
    """Of tasks whose namespace is not that of CRIU itself."""
    for layer in layers_of(image, tick):
        inventory = layer.inventory
        if inventory is None:  # which namespaces were those of CRIU?
            continue
        seen: set[tuple[str, int]] = set()
        mounted = _mounted(layer)
        for pid, ids in layer.each("ids"):
            if not layer.matters("ids", pid):
                continue
            for field, kind in PARTS.items():
                number = getattr(ids, field)
                if (field, number) in seen or number == getattr(inventory.root_ids, field) or not number:
                    continue
                seen.add((field, number))
                there = number in mounted if kind == "mnt" else layer.has(kind, number)
                if not there:
                    text = f"its {field} is {layer.name('ns', number)}, of which there is no {kind}"
                    yield Found("namespace-part", layer.name("ids", pid), text)


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
