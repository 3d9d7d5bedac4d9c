"""A packed directory and long tables packed by the stripe: the same answers, and errors where bytes are not right."""

from __future__ import annotations

import random
import struct
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st
from samples import Forger, deceived, foot, questions, small_events, write_events

from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import ending
from objref.container import format as f
from objref.container.encoding import encode_footer
from objref.container.planes import from_planes, to_planes
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.container.writer import Options
from objref.errors import FormatError, IntegrityError, LimitError

ITEMS = 4300
"""Objects: 69 KB of rows, which is two stripes."""
SEED = 20240607


@given(st.binary(max_size=300), st.sampled_from([1, 2, 4, 8]))
def test_planes_and_back(data: bytes, width: int) -> None:
    planes = to_planes(data, width)
    assert from_planes(planes, width) == data
    assert sorted(planes) == sorted(data)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packed")


def made(folder: Path, tables: str) -> bytes:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "SMALL_TABLE", 8192)
        path = folder / tables
        write_events(path, list(small_events(ITEMS)), Options(tables=tables), replace=True)
        return path.read_bytes()


@pytest.fixture(scope="module")
def packed(folder: Path) -> bytes:
    return made(folder, "packed")


def striped(data: bytes) -> list[f.TableEntry]:
    return [t for t in Container(BytesSource(data)).tables() if t.codec == f.STRIPED]


def test_the_same_answers_from_fewer_bytes(folder: Path, packed: bytes) -> None:
    plain = made(folder, "raw")
    assert [f.TABLE_IDS["objects"]] == [t.what for t in striped(packed)]
    assert striped(plain) == []
    assert len(plain) - len(packed) > 50_000
    with objref.open(packed) as a, objref.open(plain) as b:
        for ordinal in (0, 4095, 4096, ITEMS - 1, len(b) - 1):
            assert a.by_ordinal(ordinal).objref == b.by_ordinal(ordinal).objref
        assert a.container.table("objects") == b.container.table("objects")
        assert dict(a["item"]) == dict(b["item"])
        assert b"".join(a.stream()) == b"".join(b.stream())


def test_every_stripe_is_checked_by_itself(packed: bytes) -> None:
    (table,) = striped(packed)
    ends = -(-(table.offset + table.stored) // 8) * 8
    first, second = struct.unpack_from("<QQ", packed, ends)
    for at in (table.offset + first, table.offset + second - 1):
        damaged = bytearray(packed)
        damaged[at] ^= 0x40
        with objref.open(bytes(damaged)) as image:
            assert image.by_ordinal(0).size
            with pytest.raises(IntegrityError, match=r"table objects at offset \d+, stripe 1"):
                image.by_ordinal(4200)


def test_flipped_here_and_there(packed: bytes) -> None:
    (table,) = striped(packed)
    dice = random.Random(SEED)
    with objref.open(packed) as image:
        every = questions(image)
        asked = {name: every[name] for name in dice.sample(sorted(every), 30)}
        truth = {name: ask(image) for name, ask in asked.items()}
    end = -(-(table.offset + table.stored) // 8) * 8 + 32
    places = [dice.randrange(table.offset, end) for _ in range(60)]
    places += [dice.randrange(foot(packed) - 1500, len(packed)) for _ in range(60)]
    for at in places:
        damaged = bytearray(packed)
        damaged[at] ^= 1 << dice.randrange(8)
        assert not deceived(bytes(damaged), asked, truth), at


def resealed(packed: bytes, change: dict[int, int]) -> bytes:
    """The file with other ends or checks of stripes, under a right checksum."""
    forger = Forger(packed)
    i = forger.table_index("objects")
    table = forger.tables[i]
    at, stripes = -(-(table.offset + table.stored) // 8) * 8, -(-table.length // f.STRIPE)
    for k, value in change.items():
        forger.put(at + 8 * k, "Q", value)
    forger.put(forger.entry(f.TABLES, i) + 32, "Q", xxh3(bytes(forger.data[at : at + 16 * stripes])))
    return forger.seal(tables=False)


@pytest.mark.parametrize("lie", [0, 1, 2**64 - 1, 1 << 40, 70_000])
def test_ends_that_lie(packed: bytes, lie: int) -> None:
    assert objref.open(resealed(packed, {})).by_ordinal(4200).size
    with objref.open(resealed(packed, {1: lie})) as image, pytest.raises(FormatError, match="table objects"):
        image.by_ordinal(4200)


def test_a_table_larger_than_its_limit(packed: bytes) -> None:
    with (
        objref.open(packed, limits=objref.Limits(table=60_000)) as image,
        pytest.raises(LimitError, match="table objects"),
    ):
        image.by_ordinal(0)


# -- the directory ------------------------------------------------------------------------------------------


def with_directory(data: bytes, stored: bytes) -> bytes:
    """The file with something else in place of its packed directory."""
    footer = Container(BytesSource(data)).footer
    length = footer.directory_offset + len(stored) + f.FOOTER.size
    changed = footer._replace(directory_length=len(stored), directory_check=xxh3(stored), file_length=length)
    return data[: footer.directory_offset] + stored + encode_footer(changed)


def test_a_directory_is_packed_only_if_it_may_be(folder: Path, packed: bytes) -> None:
    assert Container(BytesSource(packed)).footer.codec == f.ZSTD
    path = folder / "raw"
    write_events(path, list(small_events()), Options(codec="raw"), replace=True)
    data = path.read_bytes()
    assert Container(BytesSource(data)).footer.codec == f.RAW
    assert struct.unpack_from("<I", data, 12) == (0,)  # what version 0.1 reads


def test_directories_that_are_no_frame_or_too_much_of_one(packed: bytes) -> None:
    directory = bytes(Container(BytesSource(packed))._directory)
    good = zstandard.ZstdCompressor().compress(directory)
    assert len(objref.open(with_directory(packed, good)).object_table.row(4200)) == 4
    frames = [b"", b"no frame", good[:-1], good + b"\0", good + good, zstandard.ZstdCompressor(
        write_content_size=False).compress(directory)]  # fmt: skip
    for stored in frames:
        with pytest.raises(FormatError):
            objref.open(with_directory(packed, stored))


def test_a_directory_of_256_mib_takes_no_memory(packed: bytes) -> None:
    bomb = zstandard.ZstdCompressor(level=1).compress(bytes(256 << 20))
    tracemalloc.start()
    try:
        with pytest.raises(LimitError, match="directory at offset"):
            objref.open(with_directory(packed, bomb))
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()
