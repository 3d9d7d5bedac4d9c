"""Areas of memory, and the shared segments that they map."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from objref.dialects.areas import unsorted
from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import Layer, layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["areas_of", "look_at_areas"]

REGULAR, ANON_SHARED, SYSVIPC = 1 << 0, 1 << 8, 1 << 10
PAGE = 4096


def look_at_areas(image: Image, tick: Tick) -> Iterator[Found]:
    """Areas are sorted and do not overlap; their segments are there."""
    for layer in layers_of(image, tick):
        segments = _system_v(layer)
        for pid, mm in layer.each("mm"):
            if not layer.matters("mm", pid):
                continue
            areas = areas_of(layer, pid, mm)
            where = layer.name("mm", pid)
            if not areas:
                yield Found("no-areas", where, "has no areas of memory")
            for (start, stop), why in unsorted(((area.start, area.end) for area in areas), PAGE):
                yield Found("area", where, f"area {start:#x}…{stop:#x} {why}")
            yield from _segments(layer, where, areas, segments)


def areas_of(layer: Layer, pid: int, mm: Any) -> list[Any]:
    """In old dumps they are in a file of their own."""
    if mm.vmas or not layer.has("vma") or pid >> 32:
        return list(mm.vmas)
    space = layer.image.space("vma", layer.number)
    areas: list[Any] = []
    while pid << 32 | len(areas) in space:
        areas.append(layer.message("vma", pid << 32 | len(areas)))
    return areas


def _system_v(layer: Layer) -> set[int]:
    """Segments that an image of System V IPC has."""
    return {key & 0xFFFFFFFF for key in layer.keys("ipcns-shm")}


def _segments(layer: Layer, where: str, areas: list[Any], system_v: set[int]) -> Iterator[Found]:
    lost: dict[int, Any] = {}
    for area in areas:
        mapped = area.status & REGULAR and area.status & (ANON_SHARED | SYSVIPC)
        elsewhere = area.status & SYSVIPC and area.shmid in system_v
        if mapped and not elsewhere and not layer.has("shmem", area.shmid):
            lost.setdefault(area.shmid, area)
    for shmid, area in lost.items():
        text = f"area {area.start:#x}…{area.end:#x} maps {layer.name('shmem', shmid)}, which is not in the image"
        yield Found("segment", where, text)
