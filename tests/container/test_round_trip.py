"""What goes into a container comes out, in order, however its parts were mixed, cut and repeated."""

from __future__ import annotations

import hashlib
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from objref.container import format as f
from objref.container import piece_writer, seen, writer
from objref.container.output import Output
from objref.container.reader import Container
from objref.container.source import BytesSource, FileSource, open_path
from objref.container.writer import ContainerWriter, Options
from objref_index.core import VARIABLE

FAST = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
PAGES = [bytes(f.PAGE), b"a" * f.PAGE, b"b" * f.PAGE, bytes(range(256)) * 16, b"\x01" + bytes(f.PAGE - 1)]

Step = tuple[str, bytes]


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a few KB have several groups and pieces."""
    monkeypatch.setattr(writer, "GROUP", 20_000)
    monkeypatch.setattr(piece_writer, "PIECE_BUFFER", 8_192)
    monkeypatch.setattr(piece_writer, "BATCH", 8_192)


def write(path: Path, steps: list[Step], options: Options | None = None) -> list[int]:
    """Write runs ("name", bytes) and pages ("", bytes); returns the address of each step."""
    addresses = []
    with Output(path, replace=True) as output:
        container = ContainerWriter(output, options)
        for name, data in steps:
            if name:
                addresses.append(container.append(container.section(name), data))
            else:
                addresses.append(container.append_pages(memoryview(data)))
            container.end_batch()
        container.finish([], [], [], [], 0, 0)
        container.close()
        output.commit()
    return addresses


@st.composite
def steps(draw: Any) -> list[Step]:
    """Files that grow at once: runs of several sections and pages, mixed."""
    run = st.tuples(st.sampled_from(["one", "two", "three"]), st.binary(max_size=3000))
    page_runs = st.lists(st.sampled_from(PAGES), min_size=1, max_size=4).map(lambda found: ("", b"".join(found)))
    return draw(st.lists(run | page_runs, max_size=40))


@FAST
@given(steps(), st.sampled_from(["zstd", "raw"]))
def test_the_stream_comes_back(small_groups: None, tmp_path: Path, mixed: list[Step], codec: str) -> None:
    addresses = write(tmp_path / "x", mixed, Options(codec=codec))
    expected = b"".join(data for _, data in mixed)
    data = (tmp_path / "x").read_bytes()
    sources = [
        open_path(tmp_path / "x", "map"),
        open_path(tmp_path / "x", "pread"),
        BytesSource(data),
        FileSource(io.BytesIO(data)),
    ]
    for source in sources:
        container = Container(source)
        assert b"".join(container.stream()) == expected
        assert container.footer.stream_digest == hashlib.sha256(expected).digest()
        for (name, content), address in zip(mixed, addresses, strict=True):
            number = next((s.id for s in container.sections.values() if s.name == (name or "page-table")), 0)
            if content:
                assert b"".join(container.chunks(number, address, len(content))) == content
        container.close()


def test_a_group_alone_proves_a_prefix_of_the_stream(small_groups: None, tmp_path: Path) -> None:
    mixed = [("one", bytes([i]) * 5000) for i in range(30)]
    write(tmp_path / "x", mixed)
    container = Container(open_path(tmp_path / "x", "pread"))
    stream = b"".join(data for _, data in mixed)
    assert container.footer.groups > 3
    previous = 0
    for number, group in enumerate(container.groups):
        header = container.trail(number).header
        assert header.digest == hashlib.sha256(stream[: group.stream_to]).digest()
        assert header.stream_from == previous
        previous = header.stream_to
    assert previous == len(stream)


def test_trailers_and_directory_say_the_same_of_every_piece(small_groups: None, tmp_path: Path) -> None:
    write(tmp_path / "x", [("one", b"x" * 9000), ("", PAGES[1] * 9), ("two", b"y" * 30_000)] * 5)
    container = Container(open_path(tmp_path / "x", "pread"))
    for section in container.sections.values():
        for piece in container.pieces(section.id):
            entries = [container.trail(piece.group).piece(i) for i in range(container.trail(piece.group).header.pieces)]
            twin = next(e for e in entries if (e.section, e.address) == (piece.section, piece.address))
            assert (twin.length, twin.offset, twin.blocks) == (piece.length, piece.offset, piece.blocks)
            assert (twin.name, twin.codec, twin.block_log2) == (section.name, section.codec, section.block_log2)


def test_zero_pages_are_not_stored_and_repeats_are_stored_once(tmp_path: Path) -> None:
    write(tmp_path / "x", [("", bytes(f.PAGE) * 100), ("", PAGES[1] * 50), ("one", b"-"), ("", PAGES[2] + PAGES[1])])
    container = Container(open_path(tmp_path / "x", "pread"))
    stored = next(s for s in container.sections.values() if s.role == f.PAGES)
    assert stored.length == 2 * f.PAGE


def test_repeats_are_found_across_groups(small_groups: None, tmp_path: Path) -> None:
    distinct = [bytes([i]) * f.PAGE for i in range(1, 30)]
    mixed = [("", page) for page in distinct] + [("one", b"z" * 50_000)] + [("", page) for page in distinct]
    write(tmp_path / "x", mixed)
    container = Container(open_path(tmp_path / "x", "pread"))
    assert container.footer.groups > 2
    stored = next(s for s in container.sections.values() if s.role == f.PAGES)
    assert stored.length == len(distinct) * f.PAGE
    assert b"".join(container.stream()) == b"".join(data for _, data in mixed)


def test_pages_of_one_hash_stay_two_pages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The hash nominates, the bytes decide: here every page has the same hash."""
    monkeypatch.setenv(VARIABLE, "0")
    monkeypatch.setattr(seen, "xxh3", lambda data: 7)
    monkeypatch.setattr(seen, "ZERO_HASH", 7)
    mixed = [("", b"".join(PAGES)), ("", PAGES[3] + PAGES[0] + PAGES[2])]
    write(tmp_path / "x", mixed)
    container = Container(open_path(tmp_path / "x", "pread"))
    assert b"".join(container.stream()) == b"".join(data for _, data in mixed)


def test_beyond_the_cap_pages_are_stored_again_and_read_right(tmp_path: Path) -> None:
    distinct = b"".join(bytes([i]) * f.PAGE for i in range(1, 9))
    write(tmp_path / "x", [("", distinct), ("", distinct)], Options(seen_pages=3))
    container = Container(open_path(tmp_path / "x", "pread"))
    stored = next(s for s in container.sections.values() if s.role == f.PAGES)
    assert stored.length == (8 + 5) * f.PAGE
    assert b"".join(container.stream()) == distinct * 2


def test_the_same_input_gives_the_same_file(small_groups: None, tmp_path: Path) -> None:
    mixed = [("one", b"abc" * 4000), ("", b"".join(PAGES)), ("two", b"x" * 20_000)] * 3
    write(tmp_path / "x", mixed)
    write(tmp_path / "y", mixed)
    assert (tmp_path / "x").read_bytes() == (tmp_path / "y").read_bytes()


def test_an_empty_stream_is_an_image_too(tmp_path: Path) -> None:
    write(tmp_path / "x", [])
    assert b"".join(Container(open_path(tmp_path / "x", "map")).stream()) == b""


def test_raw_pieces_lie_where_they_can_be_mapped(small_groups: None, tmp_path: Path) -> None:
    write(tmp_path / "x", [("one", b"a" * 30_000), ("two", b"b" * 30_000)], Options(codec="raw"))
    container = Container(open_path(tmp_path / "x", "pread"))
    for section in container.sections.values():
        if section.codec == f.RAW:
            assert all(piece.offset % f.RAW_ALIGN == 0 for piece in container.pieces(section.id))
