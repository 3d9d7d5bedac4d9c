"""What a splitter says about a stream: runs of bytes, and the objects and references in them.

A splitter is pure: `feed(data)` and `finish()` give events, nothing is read or written. The runs, joined, are
the stream. Objects are numbered in the order in which `Objects`, `Whole` and `Derived` announce them (their
ordinal), so a
splitter knows the ordinals of its own objects and may refer from them later.

A *token* is a number that the splitter makes up for something that several runs belong to: a file, an object
with a payload.
"""

from __future__ import annotations

from array import array
from typing import NamedTuple, Protocol

__all__ = [
    "CUT", "NOTHING", "Alias", "Derived", "Edges", "Event", "Forget", "Kind", "Layers", "Note", "Objects", "Pages",
    "Part", "Retarget", "Role", "Run", "Splitter", "Whole", "Woven",
]  # fmt: skip

from collections.abc import Iterator

CUT = "cut"
"""What an import acts upon of `what` notes say: the stream ends before its format says it does."""
NOTHING = "no-images"
"""And: nothing in it is of the dialect. Of an archive that is kept, a directory is then the wrong one."""


class Kind(NamedTuple):
    """A kind of object. `form` says how its keys are written (objref_index.FORM_…)."""

    name: str
    form: int = 0


class Role(NamedTuple):
    """A role of references. Strength: H hard, S soft, K belongs together, O owned by the holder."""

    name: str
    strength: str


class Part(NamedTuple):
    """Bytes start…start+length of a run belong to `token`.

    `new`: they begin a piece of it that is told apart from the one before, wherever the runs were cut.
    """

    token: int
    start: int
    length: int
    new: bool = False


class Run(NamedTuple):
    """The next bytes of the stream; they are kept in the section of that name. `bulk`: read in long runs."""

    section: str
    data: bytes | memoryview
    parts: tuple[Part, ...] = ()
    bulk: bool = False


class Pages(NamedTuple):
    """The next bytes of the stream: whole memory pages, all of them part of `tokens`."""

    data: memoryview
    tokens: tuple[int, ...]


class Woven(NamedTuple):
    """The next bytes of the stream: bytes that are kept in a section and whole memory pages in turn, many times; what
    a `Run` and a `Pages` for each of them would say."""

    section: str
    data: memoryview
    turns: array[int]
    """Lengths that make up `data`: of bytes for the section, of pages, of bytes, of pages, …"""
    token: int
    """All of it is part of that."""
    tokens: tuple[int, ...] = ()
    """The pages are part of these, too."""


class Objects(NamedTuple):
    """Objects inside the last run: u64 keys, offsets in the run, lengths."""

    kind: int
    layer: int
    keys: array[int]
    starts: array[int]
    lengths: array[int]


class Whole(NamedTuple):
    """An object that is all parts of a token, in order. `merge`: parts that touch become one extent.

    `runs`: the parts are only the data (offset, length) of a file of `size` bytes; the rest of it is holes.
    """

    kind: int
    layer: int
    key: int | bytes
    token: int
    merge: bool = True
    runs: tuple[tuple[int, int], ...] | None = None
    size: int = 0


class Derived(NamedTuple):
    """An object made at the end: `lengths[i]` bytes at `offsets[i]` of the bytes of token `tokens[i]` are
    found at `at[i]`."""

    kind: int
    layer: int
    key: int
    sparse: bool
    at: array[int]
    tokens: array[int]
    offsets: array[int]
    lengths: array[int]


class Edges(NamedTuple):
    """References from ordinals to keys of spaces in `layer`."""

    layer: int
    sources: array[int]
    roles: array[int]
    kinds: array[int]
    keys: array[int]


class Alias(NamedTuple):
    """Further keys for objects, in a space of their own."""

    kind: int
    layer: int
    keys: array[int]
    ordinals: array[int]


class Retarget(NamedTuple):
    """References in `layer` to objects of these kinds mean kind `to` instead."""

    layer: int
    kinds: tuple[int, ...]
    to: int


class Forget(NamedTuple):
    """References in `layer` to these keys of a kind (None: to all) are no references: what they name is by its
    nature not part of the image, such as the namespaces that CRIU itself runs in."""

    layer: int
    kind: int
    keys: tuple[int, ...] | None


class Layers(NamedTuple):
    """Layer numbers so far were provisional: number i means `numbers[i]`. `paths[n]` is the folder of layer n."""

    numbers: list[int]
    paths: list[str]


class Note(NamedTuple):
    """Something that the user should know. `what` is a short name, `where` an objref or a name in the image.

    A splitter whose stream is cut raises nothing: it gives the bytes that are there in runs, objects for what came
    whole, and a note CUT that says where the stream ends and what is missing. Whether that is kept, the import decides.
    """

    what: str
    where: str
    text: str


Event = Run | Pages | Woven | Objects | Whole | Derived | Edges | Alias | Retarget | Forget | Layers | Note


class Splitter(Protocol):
    """A dialect, for one stream. Mutable."""

    kinds: tuple[Kind, ...]
    """Kind number i is kinds[i]; number 0 is the source's own files."""
    roles: tuple[Role, ...]

    def feed(self, data: bytes | memoryview) -> Iterator[Event]:
        """The next bytes of the stream, in pieces of any size."""

    def finish(self) -> Iterator[Event]:
        """The stream has ended."""
