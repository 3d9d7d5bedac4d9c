"""What a folder of image files must have, and how its files begin."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.dialects.checks import Found
from objref.dialects.criu.check.layer import Layer, layers_of
from objref.dialects.criu.finish import BACK
from objref.dialects.criu.items import LENGTH
from objref.dialects.criu.kinds import COMMON_MAGIC, SERVICE_MAGIC, parse_name
from objref.names import format_key
from objref_index import FORM_BYTES

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image

__all__ = ["look_at_folders", "look_at_magics", "look_at_parents"]

NEWEST_VERSION = 2
"""CRTOOLS_IMAGES_V1_1: two magics at the start of each file but inventory.img. Version 1 has one."""


def look_at_folders(image: Image, tick: Tick) -> Iterator[Found]:
    """Inventories, and the order of layers."""
    newer = 0
    for layer in layers_of(image, tick):
        yield from _dump(layer) if layer.is_dump else _pre_dump(layer)
        made = layer.inventory.dump_uptime if layer.inventory is not None else 0
        if 0 < newer < made:
            text = f"was made at uptime {made}, the layer above it at {newer}"
            yield Found("older-is-newer", layer.name("inventory", 0), text)
        newer = made


def _dump(layer: Layer) -> Iterator[Found]:
    inventory = layer.inventory
    if inventory is None:
        yield Found("no-inventory", layer.file("inventory.img"), "is not in the image, or not to be read")
    elif not 0 < inventory.img_version <= NEWEST_VERSION or not inventory.fdinfo_per_id:
        text = f"says version {inventory.img_version}, fdinfo_per_id {inventory.fdinfo_per_id}"
        yield Found("version", layer.name("inventory", 0), f"{text}: expected 1 or 2, and True")
    if not layer.has("task"):
        yield Found("no-pstree", layer.file("pstree.img"), "is not in the image, or has no task")


def _pre_dump(layer: Layer) -> Iterator[Found]:
    if not layer.number and layer.has("pagemap"):
        yield Found("pre-dump", layer.file("inventory.img"), "the newest folder has page maps and no tasks")


def look_at_parents(image: Image, tick: Tick) -> Iterator[Found]:
    """What the import found out about older layers."""
    for said in image.notes():
        where, text = said.get("where", ""), said.get("text", "")
        if said.get("what") == "parent":
            link = "parent-circle" if BACK in text else "parent-link"
            what = link if where.rpartition("/")[2] == "parent" else "parent-pages"
            yield Found(what, f"member:{where}" if f"member:{where}" in image else where, text)


# -- how files begin ----------------------------------------------------------------------------------------


def look_at_magics(image: Image, tick: Tick) -> Iterator[Found]:
    """Whether each file begins as its name and the version of its dump say."""
    versions = {layer.folder: _version(layer) for layer in layers_of(image, tick)}
    if (0, "member") not in image.spaces():
        return
    space = image["member"]
    for path in space:
        tick()
        folder, _, base = path.decode("utf-8", "surrogateescape").rpartition("/")
        name = parse_name(base)
        if folder not in versions or name is None or not name.spec.message:
            continue
        member = space.object(path)
        if member.size >= LENGTH.size:  # shorter ones have their note
            reason = _wrong(member.read(0, 2 * LENGTH.size), name.spec.magic, base, versions[folder])
            if reason:
                yield Found("magic", f"member:{format_key(path, FORM_BYTES)}", reason)


def _version(layer: Layer) -> int:
    inventory = layer.inventory
    return inventory.img_version if inventory is not None else 0


def _wrong(start: bytes, magic: int, base: str, version: int) -> str:
    """What is wrong with a file that starts so; nothing, if it is as it should be."""
    first = LENGTH.unpack_from(start)[0]
    if base == "inventory.img":
        return "" if first == magic else f"starts with {start.hex(' ')}, not as an inventory"
    if first == magic:
        return "starts as in a dump of version 1, and its inventory says 2" if version == NEWEST_VERSION else ""
    if first in (COMMON_MAGIC, SERVICE_MAGIC):
        if len(start) == 2 * LENGTH.size and LENGTH.unpack_from(start, LENGTH.size)[0] != magic:
            return f"starts with {start.hex(' ')}: it is not what its name says"
        service = first == SERVICE_MAGIC
        return "starts as in a dump of version 2, and its inventory says 1" if version == 1 and not service else ""
    return f"starts with {start.hex(' ')}, as no image file does"
