"""Anything written in any order is read back, from any source, and the file keeps every rule of docs/format.md."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from writing import STEPS, Bytes, End, Pages, Step, Written, write

from objref.container import format as f
from objref.container.output import Output
from objref.container.reader import Container
from objref.container.source import BytesSource, FileSource, Source, open_path
from objref.container.writer import ContainerWriter, Options


def read_back(source: Source, written: Written) -> None:
    container = Container(source)
    assert b"".join(container.stream()) == written.stream
    for section, address, data in written.places:
        assert bytes(container.read(section, address, len(data))) == data
    for section, address, data in written.places[::3]:
        for start, stop in ((1, len(data)), (len(data) // 2, len(data)), (4000, 4200), (0, 1)):
            if start < stop <= len(data):
                assert bytes(container.read(section, address + start, stop - start)) == data[start:stop]


CODECS = [Options(codec, 3, 1, 12, 13, log2) for codec in ("zstd", "raw") for log2 in (12, 13, 14)]
CODECS += [CODECS[0]._replace(dictionary_log2=13), CODECS[0]._replace(pages="raw"), Options.preset("small")]


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(STEPS, st.sampled_from(CODECS))
@example([Pages((1, 1, 0, 2)), Bytes(0, 0, 3), End(), Pages((2, 1, 0))], CODECS[0])
@example([Bytes(0, 4, 50_000), End(), Bytes(1, 4, 1), Bytes(0, 4, 1), End(), Bytes(0, 4, 50_000)], CODECS[2])
@example(
    [Bytes(0, 0, 0), Pages((2, 4, 6)), Bytes(0, 4, 20_000), Pages((3, 5, 0, 1))], CODECS[0]._replace(page_block_log2=13)
)
@example([], CODECS[0])
@example([Pages(()), Bytes(0, 0, 0)], CODECS[1])
def test_strands_that_grow_at_once_and_pages_in_any_order(steps: list[Step], options: Options) -> None:
    written = write(steps, options)
    read_back(BytesSource(written.data), written)
    keeps_the_rules(written)


def test_many_groups_pieces_and_pages_read_back_from_the_file() -> None:
    steps: list[Step] = []
    for i in range(60):
        steps += [Bytes(i % 5, i, 7000), Pages(tuple((i * 7 + j) % 9 for j in range(12))), Bytes(i % 3, i, 11), End()]
    for options in CODECS:
        written = write(steps, options)
        container = Container(BytesSource(written.data))
        assert container.count(f.GROUPS) > 5
        assert any(len(container.pieces(s)) > 5 for s in container.sections)
        read_back(BytesSource(written.data), written)
        keeps_the_rules(written)


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_every_kind_of_source_reads_the_same(tmp_path: Path, codec: str) -> None:
    steps: list[Step] = [s for i in range(9) for s in (Bytes(i % 4, i, 9999), Pages((i, 0, 1)), End())]
    written = write(steps, CODECS[0]._replace(codec=codec))
    path = tmp_path / "x"
    path.write_bytes(written.data)
    with path.open("rb") as file, path.open("rb", buffering=0) as plain:
        sources: list[Source] = [
            open_path(path, "map"), open_path(path, "pread"), open_path(path, "auto"), FileSource(file),
            FileSource(plain), FileSource(io.BytesIO(written.data)), BytesSource(bytearray(written.data)),
        ]  # fmt: skip
        for source in sources:
            read_back(source, written)
            source.close()
            source.close()


@pytest.mark.parametrize("log2", [12, 16, 20, 22])
def test_blocks_larger_than_a_batch(log2: int) -> None:
    steps: list[Step] = [s for i in range(9) for s in (Bytes(i % 2, 4, 30_000), Pages((1, 2, i)))]
    written = write(steps, Options(block_log2=log2, bulk_log2=log2, page_block_log2=log2))
    read_back(BytesSource(written.data), written)
    keeps_the_rules(written)


# -- docs/format.md, checked by other code than the reader's --------------------------------------------------


def keeps_the_rules(written: Written) -> None:
    container = Container(BytesSource(written.data))
    groups = [container.trail(n) for n in range(container.count(f.GROUPS))]
    regions = [(0, f.SUPERBLOCK.size)]
    start, before, previous = f.SUPERBLOCK.size, 0, 0
    directory = [e for s in container.sections for e in container.pieces(s)]
    for n, trail in enumerate(groups):
        h = trail.header
        assert (h.number, h.start, h.stream_from, h.previous) == (n, start, before, previous)
        assert h.digest == hashlib.sha256(written.stream[: h.stream_to]).digest()
        start = h.offset + f.TRAILER.size + h.body_length
        before, previous = h.stream_to, h.check
        regions.append((h.offset, start))
        blocks = 0
        for i in range(h.pieces):
            piece = trail.piece(i)
            assert piece.first_block == blocks
            blocks += piece.blocks
            stored = trail.ends[blocks - 1]
            assert h.start <= piece.offset <= piece.offset + stored <= h.offset
            assert piece.codec != f.RAW or piece.offset % f.RAW_ALIGN == 0
            regions.append((piece.offset, piece.offset + stored))
            (same,) = (e for e in directory if (e.group, e.first_block) == (n, piece.first_block))
            assert (same.section, same.address, same.length, same.offset, same.blocks) == (
                piece.section, piece.address, piece.length, piece.offset, piece.blocks,
            )  # fmt: skip
        assert blocks == h.blocks
    assert before == len(written.stream)
    regions.append((container.footer.directory_offset, len(written.data)))
    regions.sort()
    assert all(a[1] <= b[0] for a, b in pairwise(regions)), "R16: overlap"
    _braids(container, groups)
    _sections(container)


def _braids(container: Container, groups: list[object]) -> None:
    """R10: the part of the braid in each group covers exactly its stream."""
    for section in container.sections.values():
        if section.role == f.BRAID:
            pieces = container.pieces(section.id)
            assert [p.group for p in pieces] == sorted({p.group for p in pieces})
            for p in pieces:
                runs = b"".join(container.chunks(section.id, p.address, p.length))
                words = memoryview(runs).cast("Q")
                header = container.trail(p.group).header
                assert sum(w & f.ADDRESS_MASK for w in words) == header.stream_to - header.stream_from
                assert all(
                    (w & f.ADDRESS_MASK) % f.PAGE == 0
                    for w in words
                    if container.sections[w >> 48].role == f.PAGE_TABLE
                )  # R11


def _sections(container: Container) -> None:
    for section in container.sections.values():
        pieces = container.pieces(section.id)
        assert section.length == sum(p.length for p in pieces)
        stored = [container.trail(p.group).ends[p.first_block + p.blocks - 1] for p in pieces]
        assert section.stored == sum(stored)


def slots_of(container: Container) -> Iterator[int]:
    for section in container.sections.values():
        if section.role == f.PAGE_TABLE:
            for p in container.pieces(section.id):
                for part in container.chunks_of_slots(section, p.address // 4, p.length // 4):
                    yield from part


@settings(max_examples=80, deadline=None)
@given(st.lists(st.one_of(st.lists(st.integers(0, 8), max_size=30).map(tuple).map(Pages), st.just(End())), max_size=12))
def test_zero_pages_are_not_stored_and_equal_ones_once_also_across_groups(steps: list[Step]) -> None:
    written = write(steps)
    container = Container(BytesSource(written.data))
    fills = [fill for step in steps if isinstance(step, Pages) for fill in step.fills]
    slots = list(slots_of(container))
    assert [slot == f.ZERO_PAGE for slot in slots] == [fill == 0 for fill in fills]
    distinct = set(slots) - {f.ZERO_PAGE}
    assert len(distinct) == len(set(fills) - {0})
    held = [s.length for s in container.sections.values() if s.role == f.PAGES]
    assert sum(held) == f.PAGE * len(distinct)
    seen = written.pages.seen
    assert (seen.pages, seen.zero, seen.repeated) == (
        len(fills),
        fills.count(0),
        len(fills) - fills.count(0) - len(distinct),
    )


def test_a_few_megabytes_with_the_sizes_that_users_have(tmp_path: Path) -> None:
    """Nothing made small: batches of 1 MiB, of which the pages of a call fill one and begin the next."""
    dice = random.Random(3)
    stream = hashlib.sha256()
    with Output(tmp_path / "x") as output:
        writer = ContainerWriter(output)
        for _ in range(3):
            pages, run = dice.randbytes(f.PAGE * 1285), dice.randbytes((8 << 20) + 5)
            stream.update(pages + run)
            writer.append_pages(memoryview(pages))
            writer.append(writer.section("strand"), run)
            writer.end_batch()
        writer.finish([], [], [], [], 0, 0)
        writer.close()
        output.commit()
    container = Container(open_path(tmp_path / "x", "map"))
    found = hashlib.sha256()
    for chunk in container.stream():
        found.update(chunk)
    assert found.digest() == stream.digest()
