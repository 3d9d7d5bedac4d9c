"""Makes the vectors: `python tests/vectors/making.py` writes those that are not there, and never one that is.

A vector is a file that was written once. When a later objref would write it otherwise, the old one stays, and a new one
gets another name: what was true of format 1.0 is read from these files and not from today's code.
"""

from __future__ import annotations

import csv
import hashlib
import struct
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from unittest import mock

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import samples
from container.test_from_the_future import Arrays, rebuilt
from forgeries import R19, R20, SEALED, ZEROS, stretched
from native.leaving import Whole, joined
from native.lies import LIES, PARTS, STREAM, header
from samples import Forger, dense_events, small_events, write_events
from sidecar.making import write_beside
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import ending
from objref.container import format as f
from objref.container.options import Options
from objref.container.spare import decode_spare, encode_spare
from objref.native import layout as n
from objref.sidecar.layout import ENDING, HEAD, SUFFIX, decode

__all__ = ["FILES", "TABLE", "Vector", "vectors"]

FILES, TABLE = Path(__file__).parent / "files", Path(__file__).parent / "vectors.tsv"
CHECKED = 1 << 20


class Vector(NamedTuple):
    """One file, or two: a stream and its sidecar. `rules`: those that a valid one shows at work, or the broken one."""

    name: str
    reads: str
    rules: str
    data: bytes
    what: str
    beside: bytes | None = None

    @property
    def valid(self) -> bool:
        """Whether a reader must accept it."""
        return not self.name.startswith("invalid-")


# -- containers ---------------------------------------------------------------------------------------------


def image(events: Iterator[samples.ev.Event], options: Options, group: int, small: int) -> bytes:
    """The bytes of an image with groups of so many bytes and tables compressed from so many bytes on."""
    with (
        mock.patch.object(samples.container_writer, "GROUP", group),
        mock.patch.object(ending, "SMALL_TABLE", small),
        tempfile.TemporaryDirectory() as folder,
    ):
        path = Path(folder) / "x.objref"
        write_events(path, list(events), options)
        return path.read_bytes()


SMALL = Options(codec="raw", block_log2=12, page_block_log2=12)
WHOLE = 1 << 40


def sound() -> dict[str, tuple[str, bytes, str]]:
    """Name -> (rules, bytes, what)."""
    raw = samples.small_image("raw", groups=True, plain_tables=True)
    packed = samples.small_image("zstd", groups=True)
    return {
        "raw": ("R1 R2 R3 R4 R6 R8 R9 R10 R11 R12 R14 R15 R16 R17 R18", raw, "three groups, nothing compressed, every shape of keys, objects, extents, references"),
        "packed": ("R6 R7 R8 R12 R13", packed, "the same, compressed, directory and tables packed"),
        "nothing": ("R2 R9 R13 R17", image(iter(()), SMALL, WHOLE, -1), "no object, no byte of a stream"),
        "stripes": ("R16", image(dense_events(4200), SMALL, WHOLE, -1), "tables of more than one stripe, not compressed"),
        "blocks": ("R5 R9", image(small_events(), Options(block_log2=12, page_block_log2=22), WHOLE, -1), "the smallest blocks and the largest"),
        "dense": ("R13 R19 R20", samples.dense_image(), "a dictionary, packed tables of several stripes, a packed directory"),
        "future": ("R3 R4 R15 R16", future(raw), "of a later minor version: longer entries, unknown arrays, tables and sections, kinds without a name, features that may be ignored"),
    }  # fmt: skip


def future(raw: bytes) -> bytes:
    """What a later version may add; all that was there before reads as before."""

    start = Forger(raw).footer.directory_offset
    hints = b"what tomorrow's readers like to know" * 20
    at = -(-start // 64) * 64

    def change(arrays: Arrays) -> None:
        for i, (what, size, entries, content) in enumerate(arrays):
            if what == f.SECTIONS:
                content += f.SECTION_ENTRY.pack(4000, 200, 77, 12, 0, 0, 0, 0, b"hints")
            elif what == f.TABLES:
                content += f.TABLE_ENTRY.pack(500, 0, 0, 16, 0, at, len(hints), len(hints), xxh3(hints), 0)
            elif what == f.KINDS:
                content += f.KIND_ENTRY.pack(999, 0, 0, 0, 0, b"hologram")
            entries = len(content) // size
            longer = b"".join(content[k * size : (k + 1) * size] + b"\xee" * 8 for k in range(entries))
            arrays[i] = (what, size + 8, entries, longer)
        arrays.append((900, 12, 2, b"of tomorrow!" * 2))

    forger = Forger(rebuilt(raw, change, bytes(at - start) + hints))
    forger.put(10, "H", 7)
    forger.put(16, "I", 0x80000001)
    return forger.seal()


def forged(data: bytes, change: Callable[[Forger], object]) -> bytes:
    """Changed, with right checksums."""
    forger = Forger(data)
    change(forger)
    return forger.seal()


def containers() -> Iterator[Vector]:
    """Valid ones, then one or more broken ones for each rule."""
    genuine = sound()
    for name, (rules, data, what) in genuine.items():
        yield Vector(f"{name}.objref", "container", rules, data, what)
    raw, packed, dense = (genuine[name][1] for name in ("raw", "packed", "dense"))
    for where in ("superblock", "trailer header", "footer", "space", "between pieces"):
        yield _broken("R1", where, forged(raw, ZEROS[where]), f"a byte that is not zero: {where}")
    yield _broken("R2", "cut", raw[:-1], "the last byte is missing")
    yield _broken("R2", "longer", raw + b"\0", "one byte too many")
    yield _broken("R7", "size", forged(packed, stretched), "a frame that states another size than its block's")
    for rule, change in SEALED.items():
        yield _broken(rule, "", forged(raw, change), (change.__doc__ or "").rstrip(".") or "see tests/forgeries.py")
    for rule, several in (("R19", R19), ("R20", R20)):
        for how, change in several.items():
            yield _broken(rule, how, forged(dense, change), how)
    yield _broken("R21", "", forged(raw, other_spare), "a spare that tells of more bytes of the stream than its trailer")
    yield Vector("lost.objref", "container", "R17 R21", recovered(packed), "recovered from a damaged file: a part of the stream is lost")


def other_spare(forger: Forger) -> None:
    """One spare says something else than the trailer of its group."""
    for piece in forger.pieces:
        if forger.sections[piece.section].role == f.SPARE:
            spare, _ = decode_spare(bytes(forger.data[piece.offset : piece.offset + piece.length]), piece.offset)
            told = encode_spare(spare._replace(stream_to=spare.stream_to + 1), piece.offset, 3)
            if len(told) <= piece.length:
                forger.data[piece.offset : piece.offset + piece.length] = told.ljust(piece.length, b"\0")
                return
    raise AssertionError("no lie was short enough")


def recovered(image: bytes) -> bytes:
    """What is left when a block of records is damaged."""
    forger = Forger(image)
    piece = next(p for p in forger.pieces if forger.sections[p.section].name == "items")
    forger.data[piece.offset] ^= 0xFF
    with tempfile.TemporaryDirectory() as folder:
        damaged, new = Path(folder) / "damaged", Path(folder) / "new"
        damaged.write_bytes(forger.data)
        objref.recover(damaged, new)
        return new.read_bytes()


def _broken(rule: str, how: str, data: bytes, what: str) -> Vector:
    name = "-".join(["invalid", rule, *how.replace(",", "").split()])
    return Vector(f"{name}.objref", "container", rule, data, what)


# -- sidecars -----------------------------------------------------------------------------------------------


class Beside:
    """A stream and its sidecar, to be forged: the container that they are together, and the ending."""

    def __init__(self, stream: bytes, sidecar: bytes) -> None:
        self.stream, self.sidecar = stream, sidecar
        self.ending = decode(sidecar[-ENDING.size :], len(sidecar))
        self.tree = bytearray(sidecar[: self.ending.tree])
        self.rest = sidecar[self.ending.tree + HEAD : -ENDING.size]
        self.head = sidecar[self.ending.tree : self.ending.tree + HEAD]

    def joined(self) -> Forger:
        """The container."""
        return Forger(self.head + self.stream + self.rest)

    def with_container(self, data: bytes) -> bytes:
        """The sidecar, with other parts of that container."""
        rest = data[HEAD + len(self.stream) :]
        return bytes(self.tree) + data[:HEAD] + rest + self.sidecar[-ENDING.size :]

    def with_ending(self, offset: int, layout: str, value: int | bytes) -> bytes:
        """The sidecar, with another field in its ending."""
        tail = bytearray(self.sidecar[-ENDING.size :])
        struct.pack_into("<" + layout, tail, offset, value)
        struct.pack_into("<Q", tail, 112, xxh3(bytes(tail[:112])))
        return self.sidecar[: -ENDING.size] + bytes(tail)


def sidecars() -> Iterator[Vector]:
    """One stream, with one right index and one that breaks each rule."""
    with mock.patch.object(ending, "SMALL_TABLE", -1), tempfile.TemporaryDirectory() as folder:
        beside = write_beside(Path(folder) / "x", list(small_events()))
        stream, sidecar = (Path(folder) / "x").read_bytes(), beside.read_bytes()
    rules = " ".join(f"S{i}" for i in range(1, 13))
    yield Vector("stream", "sidecar", rules, stream, "a stream that stays as it is, with an index beside it", sidecar)
    it = Beside(stream, sidecar)
    newer = Beside(stream, it.with_ending(10, "H", 9)).with_ending(16, "I", 6)
    yield Vector("stream-future", "sidecar", "S3 S4", stream, "of a later minor version", newer)
    for rule, what, data in _lies(it):
        longer = stream + b"\0" * (rule == "S7")
        yield Vector(f"invalid-{rule}-stream", "sidecar", rule, longer, what, data)


def _lies(it: Beside) -> Iterator[tuple[str, str, bytes]]:
    ending = it.ending
    head = bytearray(it.sidecar)
    head[ending.tree + 3000] = 1
    yield "S1", "a byte of the head that is not zero", bytes(head)
    forger = it.joined()
    forger.put(forger.entry(f.SECTIONS, 0) + 2, "B", 77)
    yield "S2", "section 1 is no strand", it.with_container(forger.seal())
    yield "S3", "another major version", it.with_ending(8, "H", 9)
    yield "S4", "an unknown feature", it.with_ending(12, "I", 1)
    yield "S5", "another byte order", it.with_ending(20, "4s", b"\x01\x02\x03\x04")
    yield "S6", "a tree that is no number of pages", it.with_ending(32, "Q", ending.tree + 1)
    yield "S7", "FILE has one byte more", it.sidecar
    yield "S8", "the file has another length", it.with_ending(56, "Q", ending.length + 1)
    yield "S9", "one entry more than there are", it.with_ending(48, "Q", ending.entries + 1)
    yield "S10", "a row of the tree that is not that of the objects table", _other_row(it)
    forger = it.joined()
    forger.put(forger.entry(f.TABLES, forger.table_index("ordinal keys", 3)), "H", f.TABLE_IDS["keys"])
    yield "S11", "a space of numbers with a table of keys", it.with_container(forger.seal())
    tree = bytearray(it.sidecar)
    tree[ending.tree // 2] ^= 1
    yield "S12", "a byte of the tree that was changed", bytes(tree)


def _other_row(it: Beside) -> bytes:
    """One byte more for the first object, in the tree alone; the checks of the tree are right."""
    forger = it.joined()
    rows = forger.table("objects")
    assert rows.codec == f.RAW
    row = bytes(forger.data[rows.offset : rows.offset + 16])
    at = it.tree.index(row)
    struct.pack_into("<Q", it.tree, at + 8, struct.unpack_from("<Q", row, 8)[0] + 1)
    checks = forger.table("tree checks")
    for i in range(0, len(it.tree), CHECKED):
        forger.put(checks.offset + i // CHECKED * 8, "Q", xxh3(bytes(it.tree[i : i + CHECKED])))
    return it.with_container(forger.seal())


# -- native streams -----------------------------------------------------------------------------------------


def natives() -> Iterator[Vector]:
    """One stream of every frame, one with frames of tomorrow, and lies."""
    every = " ".join(f"N{i}" for i in range(1, 19))
    yield Vector("image.native", "native", every, STREAM, "objects of every shape, references, names")
    news = Whole(n.ANCILLARY | 77, 5, b"of tomorrow", 0)
    future = joined([news, *(part for whole in PARTS for part in (whole, news))][:-1])
    yield Vector("future.native", "native", "N9", future, "ancillary frames that nobody knows, everywhere")
    for name, rule, data in _damaged(STREAM):
        yield Vector(f"invalid-{rule}-{name.replace(' ', '-')}.native", "native", rule, data, name)
    known: set[str] = {"N4"}
    for name, (rule, lie) in LIES.items():
        if rule.startswith("N") and rule not in known:
            known.add(rule)
            yield Vector(f"invalid-{rule}-{name.replace(' ', '-')}.native", "native", rule, joined(lie()), name)


def _damaged(stream: bytes) -> Iterator[tuple[str, str, bytes]]:
    for rule, at, name in (("N2", 8, "another major version"), ("N2", 12, "an unknown feature")):
        head = bytearray(stream[:24])
        head[at] = 9
        yield name, rule, bytes(head) + struct.pack("<Q", xxh3(bytes(head))) + stream[32:]
    yield "a changed prologue", "N3", stream[:17] + b"\1" + stream[18:]
    yield "a payload of any length", "N4", header(length=n.MAX + 1)
    at = PARTS[1].position + n.FRAME.size
    yield "a changed payload", "N5", stream[:at] + bytes([stream[at] ^ 1]) + stream[at + 1 :]
    first, second = PARTS[0].position, PARTS[1].position
    yield "a frame that is left out", "N6", stream[:first] + stream[second:]
    yield "two streams", "N8", stream + stream


# -- all ----------------------------------------------------------------------------------------------------


def vectors() -> Iterator[Vector]:
    """All, as this version writes them."""
    yield from containers()
    yield from sidecars()
    yield from natives()


def error_of(path: Path) -> str:
    """The class of the error that reading all of it ends with; "verify" if only a verification finds it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            if path.suffix == ".native":
                objref.import_image(path, Path(folder) / "x")
                return ""
            with objref.open(path) as opened:
                samples.answers(opened)
        except objref.ObjrefError as error:
            return type(error).__name__
        return "verify"


def original_of(path: Path) -> tuple[str, int, int]:
    """SHA-256 of the original stream, or "lost"; objects and references of a valid one."""
    with tempfile.TemporaryDirectory() as folder:
        if path.suffix == ".native":
            objref.import_image(path, Path(folder) / "x")
            path = Path(folder) / "x"
        with objref.open(path) as opened:
            whole = not opened.lost_bytes
            digest = hashlib.sha256(b"".join(opened.stream())).hexdigest() if whole else "lost"
            return digest, len(opened), opened.reference_count


def main() -> int:
    """Write what is missing; then the table."""
    FILES.mkdir(exist_ok=True)
    lines = TABLE.read_text().splitlines() if TABLE.exists() else []
    rows = {row["file"]: row for row in csv.DictReader(lines, delimiter="\t")}
    for vector in vectors():
        path = FILES / vector.name
        if path.exists():
            continue
        path.write_bytes(vector.data)
        if vector.beside is not None:
            path.with_name(path.name + SUFFIX).write_bytes(vector.beside)
        rows[vector.name] = _row(vector, path)
    with TABLE.open("w", newline="") as out:
        writer = csv.DictWriter(out, COLUMNS, delimiter="\t", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows.values())
    names = sorted(path.name for path in FILES.iterdir())
    sums = (f"{hashlib.sha256((FILES / name).read_bytes()).hexdigest()}  {name}\n" for name in names)
    (FILES.parent / "SHA256SUMS").write_text("".join(sums))
    return 0


COLUMNS = ("file", "reads", "verdict", "rules", "error", "original", "objects", "references", "what")


def _row(vector: Vector, path: Path) -> dict[str, str | int]:
    if vector.valid:
        told: tuple[str, str, str | int, str | int] = ("", *original_of(path))
    else:
        told = (error_of(path), "", "", "")
    verdict = "valid" if vector.valid else "invalid"
    values = (vector.name, vector.reads, verdict, vector.rules, *told, vector.what)
    return dict(zip(COLUMNS, values, strict=True))


if __name__ == "__main__":
    sys.exit(main())
