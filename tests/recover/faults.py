"""Seeded single faults on the bytes of an image, what each object depends on, and the three things that must hold."""

from __future__ import annotations

import random
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from xxhash import xxh3_128_hexdigest as xxh3
from xxhash import xxh3_128

import objref
from objref.container import format as f
from objref.container.reader import Container
from objref.verify import verify_image
from objref_index.objects import NOWHERE

KINDS = ("flip", "cut", "zero", "swap")
RANGE_LOG2 = 12
"""Zeroed and swapped ranges have 1 to 4096 bytes, small ones as often as large ones: up to a sector of today's disks."""
Spans = list[tuple[int, int]]


class Fault(NamedTuple):
    """Damaged bytes, and where they differ from the sound ones. Of a cut: up to where the file ended."""

    kind: str
    data: bytes
    touched: Spans


class Known(NamedTuple):
    """An object of the sound image."""

    kind: str
    content: str
    references: tuple[tuple[str, str], ...]
    needs: Spans
    """Where in the file its bytes lie: blocks, and those of page tables, pages and dictionaries that they need."""
    tells: bool
    """Whether some of its bytes are a record, which says what it is."""


class Sound(NamedTuple):
    """A sound image."""

    objects: dict[str, Known]
    """By id."""
    records: Spans
    """Where its strands lie."""
    index: Spans
    """Where tables, directory and footer lie."""
    sha256: str


def fault(data: bytes, seed: int) -> Fault:
    """The fault number `seed` of these bytes. Its ranges have different bytes where that is possible."""
    dice = random.Random(seed)
    kind = KINDS[seed % len(KINDS)]
    for _ in range(1000):
        made = MAKE[kind](data, dice)
        if made.data != data:
            return made
    raise ValueError("these bytes are all the same")


def _flip(data: bytes, dice: random.Random) -> Fault:
    at = dice.randrange(len(data))
    bad = bytearray(data)
    bad[at] ^= dice.randrange(1, 256)
    return Fault("flip", bytes(bad), [(at, at + 1)])


def _cut(data: bytes, dice: random.Random) -> Fault:
    at = dice.randrange(len(data))
    return Fault("cut", data[:at], [(at, len(data))])


def _length(data: bytes, dice: random.Random) -> int:
    return min(dice.randrange(1 << dice.randrange(RANGE_LOG2 + 1)) + 1, len(data) // 4)


def _zero(data: bytes, dice: random.Random) -> Fault:
    length = _length(data, dice)
    at = dice.randrange(len(data) - length)
    return Fault("zero", data[:at] + bytes(length) + data[at + length :], [(at, at + length)])


def _swap(data: bytes, dice: random.Random) -> Fault:
    length = _length(data, dice)
    a, b = sorted(dice.sample(range(len(data) // length), 2))
    a, b = a * length, b * length
    one, two = data[a : a + length], data[b : b + length]
    bad = data[:a] + two + data[a + length : b] + one + data[b + length :]
    return Fault("swap", bad, [(a, a + length), (b, b + length)])


MAKE = {"flip": _flip, "cut": _cut, "zero": _zero, "swap": _swap}


# -- the sound image ------------------------------------------------------------------------------------------


def content_of(found: objref.Object) -> str:
    """A digest of an object's bytes and of where it has them."""
    digest = xxh3_128(repr(found.ranges if found.sparse else found.size).encode())
    for chunk in found.stored_chunks():
        digest.update(chunk)
    return digest.hexdigest()


def references_of(found: objref.Object) -> tuple[tuple[str, str], ...]:
    """Role and target of each reference, in order."""
    return tuple((reference.role, reference.target_objref) for reference in found.references)


def known(data: bytes) -> Sound:
    """All that is to be known of a sound image."""
    with objref.open(data) as image:
        container = image.container
        places = _Places(container)
        objects = {
            found.objref: Known(
                found.kind, content_of(found), references_of(found), places.of(found), places.in_records(found)
            )
            for found in image.objects()
        }
        records = sorted(
            span
            for section in container.sections.values()
            if section.role == f.STRAND
            for piece in container.pieces(section.id)
            for span in places._stored(section, piece.address, piece.length)
        )
        first = min([table.offset for table in container.tables()])
        return Sound(objects, records, [(first, len(data))], image.stream_sha256)


class _Places:
    """Where in the file the bytes of sections lie. Mutable."""

    def __init__(self, container: Container) -> None:
        self._c = container
        self._known: dict[tuple[int, int], Spans] = {}

    def in_records(self, found: objref.Object) -> bool:
        """Whether an object has bytes in a strand."""
        sections = {extent.section for extent in found._list.extents if extent.length} - {NOWHERE}
        return any(self._c.sections[number].role == f.STRAND for number in sections)

    def of(self, found: objref.Object) -> Spans:
        """All blocks that reading an object needs."""
        spans: set[tuple[int, int]] = set()
        for extent in found._list.extents:
            if extent.section != NOWHERE and extent.length:
                spans |= set(self._range(extent.section, extent.address, extent.length))
        return sorted(spans)

    def _range(self, number: int, address: int, length: int) -> Iterator[tuple[int, int]]:
        section = self._c.sections[number]
        if section.role == f.PAGE_TABLE:
            first, last = address // f.PAGE, (address + length - 1) // f.PAGE
            yield from self._stored(section, first * 4, (last - first + 1) * 4)
            for slots in self._c.chunks_of_slots(section, first, last - first + 1):
                for slot in {slot for slot in slots if slot != f.ZERO_PAGE}:
                    yield from self._stored(self._c.page_section, slot * f.PAGE, f.PAGE)
        else:
            yield from self._stored(section, address, length)

    def _stored(self, section: f.Section, address: int, length: int) -> Iterator[tuple[int, int]]:
        for block in range(address >> section.block_log2, (address + length - 1 >> section.block_log2) + 1):
            key = section.id, block
            if key not in self._known:
                self._known[key] = list(self._block(section, block))
            yield from self._known[key]

    def _block(self, section: f.Section, block: int) -> Iterator[tuple[int, int]]:
        piece = self._c.find_piece(section.id, block << section.block_log2)
        index = block - (piece.address >> section.block_log2)
        offset, stored, _, _ = self._c._place(piece, index, section)
        yield offset, offset + stored
        if section.dictionary:
            yield from self._block(self._c.sections[section.dictionary], 0)


def untouched(sound: Sound, touched: Spans) -> set[str]:
    """Objects none of whose bytes a fault touched. Of one that has no record of its own (a folder, a pipe, memory) the
    index tells, and the records of others that it was made of: it is untouched as long as one of the two is."""
    told = not _meet(sound.records, touched) or not _meet(sound.index, touched)
    return {
        name
        for name, found in sound.objects.items()
        if (found.tells or told) and not _meet(found.needs, touched)
    }


def _meet(spans: Spans, others: Spans) -> bool:
    return any(a < stop and start < b for start, stop in spans for a, b in others)


# -- what must hold -------------------------------------------------------------------------------------------


class Outcome(NamedTuple):
    """What became of one fault. The first three are what nothing may ever be in."""

    wrong: list[str]
    """Objects that were read, and are not what they were: of the damaged file, or of the recovered one."""
    missed: bool
    """Verify found nothing."""
    missing: list[str]
    """Untouched objects that did not come back as they were."""
    counts: Counter[str]


def outcome(sound: Sound, made: Fault, folder: Path) -> Outcome:
    """Verify, read, recover, and read again."""
    objects = sound.objects
    missed = verify_image(made.data).sound
    wrong = _wrong(made.data, objects)
    alive = untouched(sound, made.touched)
    damaged, new = folder / "damaged", folder / "new"
    damaged.write_bytes(made.data)
    new.unlink(missing_ok=True)
    try:
        account = objref.recover(damaged, new)
    except objref.FormatError:
        counts = Counter({"nothing recovered": 1})
        return Outcome(wrong, missed, sorted(alive), counts)
    counts = Counter({"all recovered" if account.nothing_lost else "recovered with losses": 1})
    counts["objects"], counts["index made again"] = len(alive), account.tables == "rebuilt"
    if account.nothing_lost and account.stream_sha256 != sound.sha256:
        wrong.append("the stream")
    bad, missing = _back(new.read_bytes(), objects, alive)  # recover has verified it
    return Outcome(wrong + bad, missed, missing, counts)


def _wrong(data: bytes, objects: dict[str, Known]) -> list[str]:
    """Objects that can be read and are not what they were."""
    found = []
    try:
        image = objref.open(data)
    except objref.ObjrefError:
        return []
    with image:
        for name, expected in objects.items():
            try:
                if content_of(image[name]) != expected.content:
                    found.append(name)
            except objref.ObjrefError:
                continue
    return found


def _back(data: bytes, objects: dict[str, Known], alive: set[str]) -> tuple[list[str], list[str]]:
    """Objects of a recovered image that are not what they were, and those of `alive` that are not there with kind,
    bytes and references."""
    wrong, missing = [], []
    with objref.open(data) as image:
        for name, expected in objects.items():
            got = image.get(name)
            try:
                if got is not None and content_of(got) == expected.content:
                    if name in alive and (got.kind != expected.kind or not _refers(expected, got, alive)):
                        missing.append(name)
                    continue
                wrong += [name] * (got is not None)
            except objref.ObjrefError:
                pass
            missing += [name] * (name in alive)
    return wrong, missing


def _refers(expected: Known, got: objref.Object, alive: set[str]) -> bool:
    """Whether the references are what they were. One to an object that is lost may be lost with it: a dialect may
    take what nothing in the image tells of for something outside of it."""
    there, before = Counter(references_of(got)), Counter(expected.references)
    return there <= before and not any(target in alive for _, target in (before - there).elements())


def image_of(path: Path) -> bytes:
    """The container of an image file, or of what an import takes."""
    if path.suffix == ".objref":
        return path.read_bytes()
    with tempfile.TemporaryDirectory() as folder:
        made = Path(folder) / "image.objref"
        objref.import_image(path, made)
        return made.read_bytes()


def name_of(data: bytes) -> str:
    """Short and the same for the same bytes: for a report."""
    return xxh3(data)[:8]
