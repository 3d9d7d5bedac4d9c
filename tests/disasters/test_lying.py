"""A hostile writer: lengths, counts and offsets that lie, under checksums that are right.

Such a file may claim what it likes, but a reader must neither crash, hang nor take memory for it; the stream is right
or refused, since its digest says so; and the mapped file, where a fast path skips blocks, must say the same as a plain
read.
"""

from __future__ import annotations

import random
import struct
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import Forger, KINDS, answers, foot, places, questions

from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import format as f
from objref.container.decoding import decode_name
from objref.errors import FormatError, IntegrityError, LimitError, ObjrefError, UnsupportedError

SEED = 20240607
MEMORY = 12 << 20
"""The cache of decoded blocks and something: far below what the lies ask for."""
SIZES = {"B": 1, "H": 2, "I": 4, "Q": 8}


def fields(layout: struct.Struct) -> Iterator[tuple[int, str]]:
    """(offset, code) of the integer fields of a struct."""
    at, digits = 0, ""
    for code in layout.format[1:]:
        if code.isdigit():
            digits += code
            continue
        if code == "s":
            at += int(digits or 1)
        else:
            yield from ((at + SIZES[code] * i, code) for i in range(int(digits or 1)))
            at += SIZES[code] * int(digits or 1)
        digits = ""


def lies(code: str, truth: int) -> list[int]:
    """Values that break arithmetic: ends of the type, neighbours, powers of two."""
    top = (1 << 8 * SIZES[code]) - 1
    near = {truth - 1, truth + 1, truth * 2, truth // 2, truth + 4096}
    return sorted(v for v in {0, 1, top, top - 1, top >> 1, 1 << 47 & top, *near} if 0 <= v <= top and v != truth)


def structs(forger: Forger) -> Iterator[tuple[str, int, struct.Struct]]:
    """(name, where, layout) of every struct in the file."""
    yield "superblock", 0, f.SUPERBLOCK
    yield "footer", foot(forger.data), f.FOOTER
    directory = forger.footer.directory_offset
    yield "directory head", directory, f.DIRECTORY_HEAD
    for i, what in enumerate(forger.arrays):
        yield f"array {what}", directory + f.DIRECTORY_HEAD.size + i * f.ARRAY.size, f.ARRAY
        for k in range(forger.arrays[what].entries):
            yield f"array {what} entry {k}", forger.entry(what, k), f.ENTRY_STRUCTS[what]
    for n, trail in enumerate(forger.trails):
        yield f"trailer {n}", trail.header.offset, f.TRAILER
        for k in range(trail.header.pieces):
            yield f"trailer {n} piece {k}", forger.body(n) + k * f.PIECE.size, f.PIECE


def ask_all(data: Any, asked: dict[str, Any], access: str = "auto") -> dict[str, Any]:
    """Every answer, errors as their class. Only errors of ours, and no complaint about the caller."""
    try:
        image = objref.open(data, access=access)
    except FormatError as error:  # nothing else: the caller did nothing wrong
        return {"open": type(error)}
    said: dict[str, Any] = {}
    with image:
        for name, ask in asked.items():
            try:
                said[name] = ask(image)
            except ObjrefError as error:  # also UsageError: what a liar calls memory with gaps is asked by range
                said[name] = type(error)
    return said


class Witness:
    """Asks forged files, and compares. Mutable: remembers where it writes."""

    def __init__(self, genuine: bytes, folder: Path) -> None:
        with objref.open(genuine) as image:
            self.asked, self.truth = questions(image) | places(image), answers(image)
        self.path = folder / "forged.objref"

    def hear(self, what: str, data: bytes) -> dict[str, Any]:
        """What a forged file says: never a crash, never a wrong stream, the same from memory and from a mapped file."""
        said = ask_all(data, self.asked)
        stream = said.get("stream", b"")
        assert not isinstance(stream, bytes) or stream in (b"", self.truth["stream"]), what
        if "open" in said:
            return said
        self.path.write_bytes(data)
        mapped = ask_all(self.path, self.asked, "map")
        assert mapped == said, (what, [k for k in said if said[k] != mapped.get(k)])
        return said


@pytest.fixture
def witness(raw: bytes, tmp_path: Path) -> Witness:
    return Witness(raw, tmp_path)


@pytest.fixture
def forger(raw: bytes) -> Forger:
    return Forger(raw)


def test_the_forger_forges_nothing_when_nothing_is_changed(raw: bytes, packed: bytes) -> None:
    for genuine in (raw, packed):
        forger = Forger(genuine)
        assert (forger.genuine == genuine) == (genuine is raw)
        forger.data[56:64] = bytes(8)
        assert forger.seal() == forger.genuine


def lying_files(raw: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """(what lies, the file), a seeded choice of all fields and lies."""
    forger = Forger(raw)
    cases = [
        (f"{name} at {at} = {lie:#x}", where + at, code, lie)
        for name, where, layout in structs(forger)
        for at, code in fields(layout)
        for lie in lies(code, struct.unpack_from("<" + code, raw, where + at)[0])
    ]
    for name, at, code, lie in random.Random(SEED + count).sample(cases, count):
        forger.data[:] = raw
        forger.put(at, code, lie)
        yield name, forger.seal()


def test_every_field_of_every_struct_lies(raw: bytes, witness: Witness) -> None:
    for name, data in lying_files(raw, 2000):
        witness.hear(name, data)


def test_no_lie_makes_a_reader_take_memory(raw: bytes, witness: Witness) -> None:
    files = list(lying_files(raw, 250))
    tracemalloc.start()
    try:
        for name, data in files:
            tracemalloc.reset_peak()
            before = tracemalloc.get_traced_memory()[0]
            witness.hear(name, data)
            assert tracemalloc.get_traced_memory()[1] - before < MEMORY, name
    finally:
        tracemalloc.stop()


def test_the_same_of_a_compressed_image(packed: bytes, tmp_path: Path) -> None:
    witness, forger = Witness(packed, tmp_path), Forger(packed)
    dice = random.Random(SEED)
    places = [(name, where + at, code) for name, where, layout in structs(forger) for at, code in fields(layout)]
    for name, at, code in dice.sample(places, min(400, len(places))):
        forger.data[:] = forger.genuine
        lie = dice.choice(lies(code, struct.unpack_from("<" + code, forger.genuine, at)[0]))
        forger.put(at, code, lie)
        witness.hear(f"{name} = {lie:#x}", forger.seal())


def test_every_word_of_every_table_lies(raw: bytes, witness: Witness) -> None:
    forger = Forger(raw)
    names = {number: name for name, number in f.TABLE_IDS.items()}
    for table in forger.tables:
        name = names[table.what]
        if name not in f.TABLE_WORDS:
            continue
        code = "B" if name == "keys" and table.owner == 1 else f.TABLE_WORDS[name]
        for at in range(table.offset, table.offset + table.length, SIZES[code]):
            truth = struct.unpack_from("<" + code, raw, at)[0]
            for lie in lies(code, truth)[::2]:
                forger.data[:] = raw
                forger.put(at, code, lie)
                witness.hear(f"table {name} of {table.owner} at {at - table.offset} = {lie:#x}", forger.seal())


def test_every_word_of_braid_and_page_table_lies(raw: bytes, witness: Witness) -> None:
    forger = Forger(raw)
    for piece in forger.pieces:
        role = forger.sections[piece.section].role
        if role not in (f.BRAID, f.PAGE_TABLE):
            continue
        code = "Q" if role == f.BRAID else "I"
        # The braid is a zstd section in every image, but blocks this small are stored as they are.
        for at in range(piece.offset, piece.offset + piece.length, SIZES[code]):
            for lie in lies(code, struct.unpack_from("<" + code, raw, at)[0]):
                forger.data[:] = raw
                forger.put(at, code, lie)
                witness.hear(f"{f.ROLE_NAMES[role]} at {at} = {lie:#x}", forger.seal())


def test_every_end_of_a_block_lies(raw: bytes, witness: Witness) -> None:
    forger = Forger(raw)
    for n, trail in enumerate(forger.trails):
        ends = forger.body(n) + trail.header.pieces * f.PIECE.size
        for i in range(trail.header.blocks):
            for lie in lies("I", trail.ends[i]):
                forger.data[:] = raw
                forger.put(ends + 4 * i, "I", lie)
                witness.hear(f"end {i} of group {n} = {lie:#x}", forger.seal())


# -- single lies, with the error that they deserve ----------------------------------------------------------


def opened(forger: Forger) -> objref.Image:
    return objref.open(forger.seal())


def space_at(forger: Forger, name: str) -> int:
    """Where the entry of a space is."""
    for i in range(forger.arrays[f.SPACES].entries):
        at = forger.entry(f.SPACES, i)
        if decode_name(bytes(forger.data[at + 56 : at + 80])) == name:
            return at
    raise AssertionError(name)


def owner(name: str) -> int:
    return [kind.name for kind in KINDS].index(name) + 1


def test_a_run_that_claims_more_objects_than_there_are(forger: Forger) -> None:
    forger.put(space_at(forger, "item") + 8, "Q", 1 << 40)
    with pytest.raises(FormatError, match="space item"):
        opened(forger)["item"]


def test_a_run_that_leaves_u64(forger: Forger) -> None:
    forger.put(space_at(forger, "item") + 16, "Q", 2**64 - 2)
    with pytest.raises(FormatError, match="space item"):
        opened(forger)["item"]


def test_more_distinct_keys_than_keys(forger: Forger) -> None:
    forger.put(space_at(forger, "item") + 32, "Q", 4)
    with pytest.raises(FormatError, match="distinct"):
        opened(forger)["item"]


def test_a_form_of_keys_from_the_future(forger: Forger) -> None:
    forger.put(space_at(forger, "thing") + 6, "B", 4)
    with pytest.raises(UnsupportedError, match="space thing"):
        opened(forger)["thing"]


def test_a_run_with_a_table_of_keys_is_two_truths(forger: Forger) -> None:
    """Read by the run in a mapped file, by the table elsewhere: two objects for one key."""
    flags = space_at(forger, "thing") + 7
    forger.put(flags, "B", forger.data[flags] | f.SPACE_RUN)
    forger.put(space_at(forger, "thing") + 32, "Q", 5)
    with pytest.raises(FormatError, match="space thing"):
        opened(forger)["thing"]


def test_order_without_place(forger: Forger) -> None:
    forger.put(forger.entry(f.TABLES, forger.table_index("place", owner("thing"))), "H", 999)
    with pytest.raises(FormatError, match="space thing: table place is missing"):
        opened(forger)["thing"]


def test_place_and_order_that_contradict_each_other(forger: Forger) -> None:
    table = forger.table("place", owner("thing"))
    a, b = struct.unpack_from("<II", forger.data, table.offset)
    forger.put(table.offset, "II"[:1], b)
    forger.put(table.offset + 4, "I", a)
    image = opened(forger)
    with pytest.raises(IntegrityError, match="key place"):
        _ = image.by_ordinal(5).objref


def test_keys_that_do_not_ascend(forger: Forger) -> None:
    table = forger.table("keys", owner("thing"))
    words = struct.unpack_from("<5Q", forger.data, table.offset)
    struct.pack_into("<5Q", forger.data, table.offset, *reversed(words))
    image = opened(forger)
    with pytest.raises(IntegrityError, match="do not ascend"):
        _ = [found.objref for found in image.objects("thing")]


def test_a_section_number_twice(forger: Forger) -> None:
    forger.put(forger.entry(f.SECTIONS, 1), "H", 1)
    with pytest.raises(FormatError, match="each once"):
        opened(forger)["item"][10]


def test_raw_blocks_that_are_not_where_mapped_reads_look(raw: bytes, witness: Witness) -> None:
    """The trailer's ends move the second block of a raw piece: one way of reading finds A, the other B."""
    forger = Forger(raw)
    pages = next(p for p in forger.pieces if forger.sections[p.section].role == f.PAGES and p.blocks > 1)
    ends = forger.body(pages.group) + forger.trails[pages.group].header.pieces * f.PIECE.size
    forger.put(ends + 4 * pages.first_block, "I", 1000)
    with pytest.raises(FormatError, match="R8"):
        opened(forger)["member"]["pages.img"]


def test_an_extent_list_that_holds_more_than_its_object_says(forger: Forger) -> None:
    """A run of zero bytes of 2^60 would be joined in memory."""
    table = forger.table("extents")
    for row in range(table.length // 24):
        forger.data[:] = forger.genuine
        forger.put(table.offset + 24 * row + 8, "Q", 0)
        forger.put(table.offset + 24 * row + 16, "Q", 1 << 60)
        image = opened(forger)
        for found in image.objects():
            try:
                assert len(found.parts) >= 0
                found.chunks()
            except ObjrefError:
                continue


def test_an_object_that_lies_nowhere_but_has_a_length(forger: Forger) -> None:
    table = forger.table("objects")
    forger.put(table.offset, "Q", 0)
    with pytest.raises(IntegrityError, match="nowhere"):
        _ = opened(forger).by_ordinal(0).bytes


def test_a_page_table_that_ends_inside_an_entry(raw: bytes, witness: Witness) -> None:
    forger = Forger(raw)
    for i, piece in enumerate(forger.pieces):
        if forger.sections[piece.section].role in (f.PAGE_TABLE, f.BRAID, f.PAGES):
            for less in (1, 2, 3):
                forger.data[:] = raw
                forger.put(forger.entry(f.PIECES, i) + 16, "Q", piece.length - less)
                said = witness.hear(f"piece {i} shorter by {less}", forger.seal())
                assert said["stream"] is FormatError


def test_references_that_the_footer_does_not_count(forger: Forger) -> None:
    forger.put(foot(forger.data) + 80, "Q", 3)
    with pytest.raises(FormatError, match="table targets"):
        _ = opened(forger).by_ordinal(0).references


def test_reference_ends_of_a_table_that_is_gone(forger: Forger) -> None:
    """Without its targets an image must not say that nothing refers to anything."""
    for name in ("sources", "source roles"):
        forger.put(forger.entry(f.TABLES, forger.table_index(name)), "H", 999)
    with pytest.raises(IntegrityError, match="referrer ends"):
        _ = opened(forger).by_ordinal(1).referrers


NO_JSON = [b"[" * 100_000, b"{", b"\xff", b"9" * 5000]


@pytest.mark.parametrize("text", NO_JSON)
@pytest.mark.parametrize("table", ["META", "NOTES"])
def test_tables_that_are_no_json(forger: Forger, table: str, text: bytes) -> None:
    image = objref.open(with_table(forger, table, text))
    with pytest.raises(FormatError, match=table):
        _ = image.meta if table == "META" else image.notes()


@pytest.mark.parametrize("text", [b"[1, 2]", b'{"layers": 7}', b"null", b'{"layers": {"a": 1}, "dialect": ["x"]}'])
def test_meta_of_another_shape(forger: Forger, text: bytes) -> None:
    image = objref.open(with_table(forger, "META", text))
    assert isinstance(image.meta, dict)
    assert image.layers == []
    assert image.dialect.kinds == ()
    assert image.by_ordinal(5).references[0].target_objref.startswith("item:")


@pytest.mark.parametrize("text", [b"{}\n[]\n7\n{}", b'{"what": {"a": 1}}\n"x"', b"\n\n"])
def test_notes_of_another_shape(forger: Forger, text: bytes) -> None:
    try:
        notes = objref.open(with_table(forger, "NOTES", text)).notes()
    except FormatError:
        notes = []
    assert all(isinstance(value, str) for note in notes for value in note.values())


def with_table(forger: Forger, name: str, content: bytes) -> bytes:
    """The file with other content for a table, put where the directory was."""
    entry, footer = forger.entry(f.TABLES, forger.table_index(name)), forger.footer
    cut = footer.directory_offset
    shift = len(content) + -len(content) % 8
    head, tail = forger.genuine[:cut], bytearray(forger.genuine[cut:])
    struct.pack_into("<QQQQ", tail, entry - cut + 8, cut, len(content), len(content), xxh3(content))
    struct.pack_into("<B", tail, entry - cut + 4, f.RAW)
    end = len(tail) - f.FOOTER.size
    struct.pack_into("<Q", tail, end + 8, cut + shift)
    struct.pack_into("<Q", tail, end + 24, xxh3(bytes(tail[:end])))
    struct.pack_into("<Q", tail, end + 88, len(forger.genuine) + shift)
    struct.pack_into("<Q", tail, end + 112, xxh3(bytes(tail[end : end + 112])))
    return head + content.ljust(shift, b"\0") + tail


def test_a_directory_larger_than_its_limit(raw: bytes) -> None:
    with pytest.raises(LimitError, match="directory"):
        objref.open(raw, limits=objref.Limits(directory=100))


def test_a_table_and_a_meta_larger_than_their_limits(packed: bytes) -> None:
    image = objref.open(packed, limits=objref.Limits(table=10, meta=10))
    for ask in (lambda: image.meta, lambda: image.by_ordinal(0)):
        with pytest.raises(LimitError, match="limit 10"):
            ask()


def test_an_object_larger_than_one_read(packed: bytes) -> None:
    image = objref.open(packed, limits=objref.Limits(read=1000))
    found = image["member:pages.img"]
    tries: list[Callable[[], object]] = [
        lambda: found.bytes, found.read, lambda: found.parts, found.view, lambda: image["member"]["pages.img"]
    ]  # fmt: skip
    for attempt in tries:
        with pytest.raises(LimitError, match="limit 1000"):
            attempt()
    assert sum(map(len, found.chunks())) == found.size == 24576
    assert len(found.read(4000, 5000)) == 1000
