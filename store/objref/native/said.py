"""What a native stream says: the contents of its frames. Columns are numpy arrays."""

from __future__ import annotations

from typing import Any, NamedTuple

from objref.native import layout as n
from objref.native.lists import Lists
from objref.native.schema import Schema
from objref_index.arrays import Ints

__all__ = ["Aliases", "Mark", "Meta", "Names", "Notes", "Objects", "References", "Runs", "Said", "Strand"]


class Meta(NamedTuple):
    """META of the image that left."""

    meta: dict[str, Any]


class Notes(NamedTuple):
    """Notes: (what, where, text)."""

    notes: list[tuple[str, str, str]]


class Strand(NamedTuple):
    """A strand, before its first bytes. They are numbered from 1."""

    name: str
    pages: bool
    bulk: bool


class Runs(NamedTuple):
    """The next bytes of the original stream: (strand, bytes)."""

    runs: list[tuple[int, memoryview]]


class Names(NamedTuple):
    """The next names of a kind."""

    kind: int
    names: list[bytes]


class Objects(NamedTuple):
    """The next objects as columns; those in several places (strand 65535) take `lists`, in their order."""

    keys: Ints
    where: Ints
    what: Ints
    layers: Ints
    lists: Lists


class References(NamedTuple):
    """References: where kind is RESOLVED, the key is an ordinal."""

    sources: Ints
    roles: Ints
    layers: Ints
    kinds: Ints
    keys: Ints


class Aliases(NamedTuple):
    """Second keys."""

    kind: int
    layer: int
    keys: Ints
    ordinals: Ints


class Mark(NamedTuple):
    """Up to here it is whole, if the original stream has this SHA-256."""

    counts: n.Counts
    sha256: bytes
    seal: bytes
    end: bool
    position: int
    frame: int


Said = Schema | Meta | Notes | Strand | Runs | Names | Objects | References | Aliases | Mark
