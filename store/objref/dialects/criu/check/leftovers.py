"""Image files that nothing in the dump leads to: left over from another one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import layers_of

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["HOLDERS", "look_for_leftovers"]

HOLDERS: Mapping[str, tuple[str, ...]] = {
    "core": ("core", "thread"),
    "ids": ("ids",),
    "mm": ("mm",),
    "fs": ("fs",),
    "pagemap": ("pagemap",),
    "creds": ("creds",),
    "fdtable": ("fdtable",),
    "shmem": ("segment",),
    "ghost": ("replacement",),
    "tcp-stream": ("stream",),
    "pipe-data": ("data",),
    "fifo-data": ("data",),
    "memfd": ("inode",),
    "bpfmap-data": ("map",),
}
"""Kind -> roles of references of which there must be one. `mem` refers to its own page map: only those of tasks count."""
OWN = ("mem", "shmem")


def look_for_leftovers(image: Image, tick: Tick) -> Iterator[Found]:
    """Of dumps; to a pre-dump nothing of its own folder leads."""
    for layer in layers_of(image, tick):
        if not layer.has("task"):
            continue
        for kind, roles in HOLDERS.items():
            for key in layer.keys(kind):
                if not layer.held(kind, key, *roles):
                    yield Found("stale", layer.name(kind, key), "nothing in the dump leads to it")
        for key in layer.keys("pages"):
            if not layer.held("pages", key, "pages"):
                yield Found("stale", layer.name("pages", key), "no page map of this folder has its pages there")
