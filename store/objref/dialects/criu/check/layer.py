"""One folder of image files, as the looks of a check read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.kinds import KIND, KINDS, MESSAGES
from objref.dialects.criu.payload import PLANS
from objref.dialects.criu.show_message import parse
from objref.names import format_objref
from objref_index.objects import LISTED

if TYPE_CHECKING:
    from objref.dialects.checks import Tick
    from objref.image import Image
    from objref.object import Object

__all__ = ["DEAD", "HOLDERS", "Layer", "layers_of", "matters"]

DEAD = (2, 6)
"""core.tc.task_state of zombies: they have a core and nothing else."""
HOLDERS: Mapping[str, tuple[str, ...]] = {
    "core": ("core", "thread"),
    "ids": ("ids",),
    "mm": ("mm",),
    "fs": ("fs",),
    "pagemap": ("pagemap",),
    "fdtable": ("fdtable",),
    "shmem": ("segment",),
    "pages": ("pages",),
    "ghost": ("replacement",),
    "tcp-stream": ("stream",),
    "pipe-data": ("data",),
    "fifo-data": ("data",),
    "memfd": ("inode",),
    "bpfmap-data": ("map",),
}
"""Kind -> roles of references of which one must lead to it, or CRIU never looks at it."""
BY_THEMSELVES = ("mem", "shmem")
"""Kinds that are made of a page map and refer to it: that is not what it is there for."""
THROUGH = {"fd": "fdtable", "pagemap-shmem": "shmem"}
"""Kinds that matter if an object of another kind does, whose key is theirs (of a pair: its first half)."""
OF_A_DUMP = ("task", "core", "ids", "mm", "fs", "file", "fdtable")
"""Kinds of which a pre-dump has none."""


class Layer:
    """The objects of one layer, read one by one."""

    def __init__(self, image: Image, number: int, tick: Tick) -> None:
        self.image = image
        self.number = number
        self.folder = image.layers[number] if number < len(image.layers) else ""
        self._tick = tick
        self._roles: dict[tuple[str, ...], frozenset[int]] = {}
        self._last: tuple[str, int, bool] = ("", 0, True)
        self._kinds = {name for layer, name in image.spaces() if layer == number}

    def has(self, kind: str, key: int | None = None) -> bool:
        """Whether there are objects of a kind; with a key, whether that one is there."""
        return kind in self._kinds and (key is None or key in self.image.space(kind, self.number))

    def keys(self, kind: str) -> Iterator[int]:
        """Their keys, ascending."""
        if kind in self._kinds:
            for key in self.image.space(kind, self.number):
                self._tick()
                yield key

    def each(self, kind: str) -> Iterator[tuple[int, Any]]:
        """Key and message of each."""
        for key in self.keys(kind):
            yield key, self.message(kind, key)

    def message(self, kind: str, key: int) -> Any:
        """The message of an object that is there; of one with a payload, without it."""
        space = self.image.space(kind, self.number)
        if kind not in PLANS:
            return parse(MESSAGES[kind], space[key])
        found = space.object(key)
        data = b"" if not found.size else found.parts[0] if found.row.section == LISTED else found.bytes
        return parse(MESSAGES[kind], data)

    def get(self, kind: str, key: int) -> Any:
        """The message, or None."""
        return self.message(kind, key) if self.has(kind, key) else None

    def ordinal(self, kind: str, key: int) -> int:
        """Where in the stream an object that is there was announced."""
        return self.image.space(kind, self.number).ordinal(key)

    def roles(self, *names: str) -> frozenset[int]:
        """Numbers of roles."""
        found = self._roles.get(names)
        if found is None:
            found = self._roles[names] = frozenset(r.id for r in self.image.container.roles if r.name in names)
        return found

    def held(self, kind: str, key: int, *roles: str) -> bool:
        """Whether a reference of one of these roles leads to an object that is there."""
        numbers = self.roles(*roles)
        for edge in self.image.reference_table.to(self.ordinal(kind, key)):
            if edge.role in numbers:
                source = self.image.kind_name(self.image.object_table.row(edge.source).kind)
                if source not in BY_THEMSELVES:
                    return True
        return False

    def matters(self, kind: str, key: int) -> bool:
        """Whether CRIU would look at an object. To a pre-dump nothing of its own folder leads."""
        if not self.has("task"):
            return True
        if kind in THROUGH:
            kind, key = THROUGH[kind], key >> 32 if kind == "fd" else key
        if kind not in HOLDERS or not self.has(kind, key):
            return True
        if self._last[:2] != (kind, key):  # a table is asked for by each of its descriptors
            self._last = kind, key, self.held(kind, key, *HOLDERS[kind])
        return self._last[2]

    def name(self, kind: str, key: int) -> str:
        """The objref of a key, whether there is such an object or not."""
        return format_objref(self.number, kind, key, KINDS[KIND[kind]].form)

    def file(self, base: str) -> str:
        """The path of an image file in the source."""
        return f"{self.folder}/{base}" if self.folder else base

    @property
    def inventory(self) -> Any:
        """What inventory.img says; None without one."""
        return self.get("inventory", 0)

    @property
    def is_dump(self) -> bool:
        """Whether it is more than a pre-dump: it has tasks, or says that it should."""
        if any(map(self.has, OF_A_DUMP)):
            return True
        inventory = self.inventory
        return inventory is not None and inventory.img_version > 0


def matters(image: Image) -> Callable[[Object], bool]:
    """Tells of objects of an image whether CRIU would look at them."""
    layers = {layer.number: layer for layer in layers_of(image, lambda: None)}

    def judge(found: Object) -> bool:
        kind = found.kind
        for layer in layers.values():
            claim = image.space(kind, layer.number).claim(found.ordinal) if layer.has(kind) else None
            if claim is not None and isinstance(claim[0], int):
                return layer.matters(kind, claim[0])
        return True

    return judge


def layers_of(image: Image, tick: Tick) -> list[Layer]:
    """All layers that have objects, newest first."""
    numbers = sorted({layer for layer, name in image.spaces() if name != "member"})
    return [Layer(image, number, tick) for number in numbers]
