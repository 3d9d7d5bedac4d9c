"""Small images for tests, every question that can be asked of one, and a forger that makes lies look genuine.

`small_image` drives the importer's collector with events of a made-up dialect: keys that are a run, keys that are
sorted, claimed twice or permuted, names, memory with gaps, nodes without bytes, references that dangle; all in a few
thousand bytes, so that a test can try every one of them.
"""

from __future__ import annotations

import hashlib
import os
import re
import struct
import tempfile
from array import array
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import ending
from objref.container import format as f
from objref.container.encoding import encode_footer
from objref.container import writer as container_writer
from objref.container.output import Output
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.collector import Collector
from objref.container.writer import ContainerWriter, Options
from objref.dialects import events as ev
from objref.limits import DEFAULT
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX, FORM_PAIR
from objref_index.build import Columns

SAMPLE = Path(__file__).resolve().parent / "images" / "tree.tar.zst"
"""A real dump as an archive."""

MEMBER, ITEM, THING, PAIR, MEM, NODE = range(6)
KINDS = (
    ev.Kind("member", FORM_BYTES),
    ev.Kind("item", FORM_DECIMAL),
    ev.Kind("thing", FORM_HEX),
    ev.Kind("pair", FORM_PAIR),
    ev.Kind("mem", FORM_DECIMAL),
    ev.Kind("node", FORM_DECIMAL),
)
ROLES = (ev.Role("next", "H"), ev.Role("lost", "S"))
EXTREMES = (2**64 - 1, 5, 0, 5, 77)
"""Keys of `thing`: both ends of u64, one claimed twice, in no order."""


def u64(*values: int) -> array[int]:
    return array("Q", values)


class Small:
    """Only what the collector asks of a dialect."""

    name = "small"
    kinds = KINDS
    roles = ROLES


def page(fill: int) -> bytes:
    return bytes([fill]) * f.PAGE


def small_events(items: int = 5) -> Iterator[ev.Event]:
    """A stream of about 25 KB that has every shape of object and key table."""
    texts = [b"item %d of the run;" % i + b"=" * i for i in range(items)]
    yield ev.Run("items", b"HEAD")
    yield ev.Run("items", b"".join(texts), (ev.Part(1, 0, sum(map(len, texts))),))
    starts = [sum(map(len, texts[:i])) for i in range(items)]
    yield ev.Objects(ITEM, 0, u64(*range(10, 10 + items)), u64(*starts), u64(*map(len, texts)))
    things = [b"thing %d/" % i for i in range(5)]
    yield ev.Run("things", b"".join(things))
    yield ev.Objects(THING, 0, u64(*EXTREMES), u64(*range(0, 40, 8)), u64(*[8] * 5))
    yield ev.Pages(memoryview(page(1) + page(0) + page(2) + page(1)), (2,))
    yield ev.Run("tail", b"between")
    yield ev.Pages(memoryview(page(0) + page(3)), (2,))
    yield ev.Run("items", b"and more items", (ev.Part(1, 0, 14),))
    yield ev.Objects(PAIR, 0, u64(3 << 32 | 1, 3 << 32), u64(0, 4), u64(3, 4))
    yield ev.Whole(MEMBER, 0, b"pages.img", 2)
    yield ev.Whole(MEMBER, 0, b"items.img", 1)
    yield ev.Whole(MEMBER, 0, b"empty \xff", 99)
    yield ev.Derived(
        MEM, 0, 7, True, u64(0x1000, 0x4000, 0x9000), u64(2, 2, 0), u64(0, 0x4000, 0), u64(0x2000, 0x2000, 0x1000)
    )
    yield ev.Derived(NODE, 0, 1, False, u64(), u64(), u64(), u64())
    sources, roles = array("I", [0, 0, 5, 1]), array("B", [0, 0, 1, 0])
    yield ev.Edges(0, sources, roles, array("H", [ITEM, THING, ITEM, MEM]), u64(11, 5, 4711, 7))


def noise(seed: int, length: int) -> bytes:
    """Bytes that nothing shrinks."""
    return hashlib.shake_128(b"%d" % seed).digest(length)


def alike(count: int, seed: int = 0) -> bytes:
    """Pages that share most with each other and nothing with themselves: one alone does not shrink."""
    common = noise(seed, f.PAGE - 64)
    return b"".join(common + noise(1000 + i, 64) for i in range(count))


def dense_events(items: int = 9000) -> Iterator[ev.Event]:
    """Pages that a dictionary makes small, before and behind so many objects that their tables have several stripes."""
    yield ev.Pages(memoryview(alike(12)), (2,))
    yield ev.Run("items", b"0123456789ab" * items, (ev.Part(1, 0, 12 * items),))
    yield ev.Objects(ITEM, 0, u64(*range(0, 3 * items, 3)), u64(*range(0, 12 * items, 12)), u64(*[12] * items))
    yield ev.Pages(memoryview(alike(24)[12 * f.PAGE :] + page(0)), (2,))
    yield ev.Whole(MEMBER, 0, b"items.img", 1)
    yield ev.Whole(MEMBER, 0, b"pages.img", 2)
    yield ev.Derived(MEM, 0, 7, True, u64(0x1000), u64(2), u64(0), u64(25 * f.PAGE))


def write_events(
    path: Path,
    events: Sequence[ev.Event],
    options: Options | None = None,
    replace: bool = False,
    dialect: Any = None,
) -> None:
    """One container from events; `end_batch` after each of them."""
    with Output(path, replace=replace) as output:
        writer = ContainerWriter(output, options)
        try:
            collector = Collector(writer, dialect or Small(), DEFAULT, Columns())
            for event in events:
                collector.take([event])
                writer.end_batch()
            collector.finish({"kind": "tar", "compression": None})
        finally:
            writer.close()
        output.commit()


def small_image(codec: str = "zstd", *, groups: bool = False, plain_tables: bool = False) -> bytes:
    """The bytes of a small image. `groups`: several of them; `plain_tables`: nothing of the index compressed."""
    saved = container_writer.GROUP, ending.SMALL_TABLE
    container_writer.GROUP = 8192 if groups else saved[0]
    ending.SMALL_TABLE = -1 if plain_tables else saved[1]
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "small.objref"
            write_events(path, list(small_events()), Options(codec=codec, block_log2=12, page_block_log2=12))
            return path.read_bytes()
    finally:
        container_writer.GROUP, ending.SMALL_TABLE = saved


def dense_image(items: int = 9000) -> bytes:
    """An image in two groups with a dictionary of 16 KiB, packed tables of several stripes and a packed directory."""
    saved = container_writer.GROUP, ending.SMALL_TABLE
    container_writer.GROUP, ending.SMALL_TABLE = 65536, 8192
    options = Options(block_log2=12, page_block_log2=12, whole_log2=12, dictionary_log2=14, tables="packed")
    try:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "dense.objref"
            write_events(path, list(dense_events(items)), options)
            return path.read_bytes()
    finally:
        container_writer.GROUP, ending.SMALL_TABLE = saved


# -- every question that can be asked of an image -------------------------------------------------------------

Question = Callable[[objref.Image], Any]


def questions(image: objref.Image) -> dict[str, Question]:
    """Name -> question. Asked of a damaged copy, each must have the same answer or an ObjrefError."""
    asked: dict[str, Question] = {
        "len": len,
        "spaces": lambda i: i.spaces(),
        "kinds": lambda i: i.kinds(),
        "roles": lambda i: i.container.roles,
        "meta": lambda i: i.meta,
        "notes": lambda i: i.notes(),
        "layers": lambda i: i.layers,
        "stream": lambda i: b"".join(i.stream()),
        "counts": lambda i: (i.stream_length, i.stream_sha256, i.reference_count, i.dangling_count),
        "groups": lambda i: [i.container.trail(n).header.digest for n in range(i.container.count(f.GROUPS))],
    }
    for layer, name in image.spaces():
        asked |= _of_space(image.space(name, layer), name, layer)
    for ordinal in range(len(image)):
        asked[f"#{ordinal}"] = lambda i, o=ordinal: about(i.by_ordinal(o))
    return asked


def _of_space(space: objref.Space, name: str, layer: int) -> dict[str, Question]:
    asked: dict[str, Question] = {
        f"{layer}/{name} keys": lambda i: (list(i.space(name, layer)), len(i.space(name, layer))),
        f"{layer}/{name} objects": lambda i: [o.ordinal for o in i.space(name, layer).objects()],
    }
    keys = [key for key in space if not space.object(key).sparse]
    if keys:
        asked[f"{layer}/{name} many"] = lambda i: batches(i.space(name, layer), [*keys, *keys[:1]])
    for key in space:
        asked[f"{layer}/{name}[{key!r}]"] = lambda i, k=key: content(i.space(name, layer).object(k))
        if not space.object(key).sparse:
            asked[f"{layer}/{name}[{key!r}] bytes"] = lambda i, k=key: i.space(name, layer)[k]
    return asked


def batches(space: objref.Space, keys: list[Any]) -> Any:
    """What a batch says, in both forms."""
    joined, views = space.get_many(keys), space.get_many(keys, form="views")
    return bytes(joined.data), joined.ends.tolist(), [bytes(view) for view in views]


def places(image: objref.Image) -> dict[str, Question]:
    """Where the objects of each space lie in the file: what a copy that is stored otherwise says otherwise."""

    def of(name: str, layer: int, keys: list[Any]) -> Question:
        return lambda i: tuple(array.tolist() for array in i.space(name, layer).offsets(keys))

    return {f"{layer}/{name} offsets": of(name, layer, list(image.space(name, layer))) for layer, name in image.spaces()}


def content(found: objref.Object) -> Any:
    """The bytes of an object; of memory, those of each range."""
    if found.sparse:
        return [(start, found.read(start, stop)) for start, stop in found.ranges]
    return found.bytes


def about(found: objref.Object) -> Any:
    """All that an object says of itself."""
    references = [(r.role, r.strength, r.target_objref, r.dangling) for r in found.references]
    referrers = [(r.role, r.source.objref) for r in found.referrers]
    return found.objref, found.kind, found.size, found.ranges, found.layer, content(found), references, referrers


def answers(image: objref.Image) -> dict[str, Any]:
    """The truth."""
    return {name: ask(image) for name, ask in questions(image).items()}


PLACE = re.compile(
    r"offset|section|table|superblock|footer|directory|group|space|braid|stream|index|bytes \d|starts with"
)


def deceived(data: Any, asked: dict[str, Question], truth: dict[str, Any], access: str = "auto") -> list[str]:
    """What is wrong with the answers of a damaged image: nothing may be. Errors must be ours and name a place."""
    try:
        image = objref.open(data, access=access)
    except objref.ObjrefError as error:
        return complaint("open", error)
    wrong: list[str] = []
    with image:
        for name, ask in asked.items():
            try:
                if ask(image) != truth[name]:
                    wrong.append(f"{name}: wrong answer")
            except objref.ObjrefError as error:
                wrong += complaint(name, error)
    return wrong


def complaint(what: str, error: objref.ObjrefError) -> list[str]:
    """An error that blames the caller, or that does not say where, is no good error for damage."""
    if isinstance(error, objref.UsageError) or not PLACE.search(str(error)):
        return [f"{what}: {type(error).__name__}: {error}"]
    return []


# -- the forger -----------------------------------------------------------------------------------------------


def unpacked(data: bytes) -> bytes:
    """The same image with a directory that is not packed."""
    container = Container(BytesSource(data))
    footer, directory = container.footer, bytes(container._directory)
    length = footer.directory_offset + len(directory) + f.FOOTER.size
    plain = footer._replace(
        directory_length=len(directory), directory_check=xxh3(directory), file_length=length, codec=f.RAW
    )
    return data[: footer.directory_offset] + directory + encode_footer(plain)


class Forger:
    """Changes a container and makes all checksums right again. Mutable: `data` is what it works on.

    It knows where things are from the genuine file, so whatever is changed stays where a reader looks for it. A packed
    directory is unpacked first, so `genuine` is not always what was given.
    """

    def __init__(self, genuine: bytes) -> None:
        self.genuine = genuine = unpacked(genuine)
        self.data = bytearray(genuine)
        container = Container(BytesSource(genuine))
        self.footer = container.footer
        self.arrays = container._arrays
        self.trails = [container.trail(n) for n in range(container.count(f.GROUPS))]
        self.tables = [f.TableEntry(*e) for e in container._entries(f.TABLES)]
        self.pieces = [f.PieceEntry(*e) for e in container._entries(f.PIECES)]
        self.sections = container.sections

    def put(self, at: int, layout: str, value: Any) -> None:
        """Write one field."""
        struct.pack_into("<" + layout, self.data, at, value)

    def entry(self, what: int, i: int) -> int:
        """Where an entry of the directory is in the file."""
        array = self.arrays[what]
        return self.footer.directory_offset + array.offset + i * array.entry_size

    def table(self, name: str, owner: int = 0) -> f.TableEntry:
        """A table's entry."""
        return next(t for t in self.tables if (t.what, t.owner) == (f.TABLE_IDS[name], owner))

    def table_index(self, name: str, owner: int = 0) -> int:
        """Its place among the entries."""
        return self.tables.index(self.table(name, owner))

    def body(self, group: int) -> int:
        """Where the body of a trailer is."""
        return self.trails[group].header.offset + f.TRAILER.size

    def seal(self, *, tables: bool = True, blocks: bool = True, body: bool = True) -> bytes:
        """The forged file. What is sealed from inside can be told not to be, to forge the seal itself."""
        if tables:
            self._seal_tables()
        if blocks:
            self._seal_blocks()
        self._seal_trailers(body)
        self._seal_ends()
        return bytes(self.data)

    def _sum(self, start: int, length: int) -> int:
        return xxh3(memoryview(self.data)[start : start + length])

    def _seal_tables(self) -> None:
        for i, table in enumerate(self.tables):
            start, length = table.offset, table.stored
            if table.codec == f.RAW and table.length > f.STRIPE:
                start = -(-(table.offset + table.length) // 8) * 8
                for k in range(0, table.length, f.STRIPE):
                    check = self._sum(table.offset + k, min(f.STRIPE, table.length - k))
                    self.put(start + k // f.STRIPE * 8, "Q", check)
                length = -(-table.length // f.STRIPE) * 8
            if table.codec == f.STRIPED:
                start, length = self._seal_stripes(table)
            self.put(self.entry(f.TABLES, i) + 32, "Q", self._sum(start, length))

    def _seal_stripes(self, table: f.TableEntry) -> tuple[int, int]:
        """Seals packed stripes, as far as their ends are sound; returns (start, length) of what is said of them."""
        stripes, at = -(-table.length // f.STRIPE), -(-(table.offset + table.stored) // 8) * 8
        ends = (0, *struct.unpack_from(f"<{stripes}Q", self.data, at))
        for k, (start, end) in enumerate(pairwise(ends)):
            if start < end <= table.stored:
                self.put(at + 8 * (stripes + k), "Q", self._sum(table.offset + start, end - start))
        return at, 16 * stripes

    def _seal_blocks(self) -> None:
        for piece in self.pieces:
            trail = self.trails[piece.group]
            checks = self.body(piece.group) + len(trail.body) - 8 * trail.header.blocks
            start = 0
            for i in range(piece.first_block, piece.first_block + piece.blocks):
                end = trail.ends[i]
                self.put(checks + 8 * i, "Q", self._sum(piece.offset + start, end - start))
                start = end

    def _seal_trailers(self, body: bool) -> None:
        previous = 0
        for n, trail in enumerate(self.trails):
            at = trail.header.offset
            self.put(at + 56, "Q", previous)
            if body:
                self.put(at + 104, "Q", self._sum(self.body(n), len(trail.body)))
            self.put(at + 120, "Q", self._sum(at, 120))
            previous = struct.unpack_from("<Q", self.data, at + 120)[0]
            self.put(self.entry(f.GROUPS, n) + 8, "Q", previous)
        self.put(len(self.data) - 128 + 104, "Q", previous)

    def _seal_ends(self) -> None:
        foot = len(self.data) - f.FOOTER.size
        self.put(56, "Q", self._sum(0, 56))
        self.put(foot + 24, "Q", self._sum(self.footer.directory_offset, self.footer.directory_length))
        self.put(foot + 112, "Q", self._sum(foot, 112))


def foot(data: bytes | bytearray) -> int:
    """Where the footer of a file is."""
    return len(data) - f.FOOTER.size


def folder_listing(folder: os.PathLike[str]) -> list[str]:
    """Names in a folder, sorted."""
    return sorted(os.listdir(folder))
