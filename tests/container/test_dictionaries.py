"""Dictionaries: stored when they pay for themselves, read by whoever names them, and no way to fool or to fill a reader."""

from __future__ import annotations

import threading
import tracemalloc
from pathlib import Path

import pytest
import zstandard
from samples import Forger, alike, noise
from hypothesis import given, settings
from hypothesis import strategies as st

import objref
from objref.container import format as f
from objref.container import piece_writer
from objref.container import writer as container_writer
from objref.container.blocks import decompress
from objref.container.dictionary import Dictionary
from objref.container.output import Output
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.container.writer import ContainerWriter, Options
from objref.errors import FormatError, IntegrityError, UnsupportedError
from objref.limits import DEFAULT

LEARNING = Options(block_log2=12, page_block_log2=12, whole_log2=12, dictionary_log2=15)


def unlike(count: int) -> bytes:
    """Pages that share nothing."""
    return noise(7, count * f.PAGE)


def written(path: Path, parts: list[bytes], options: Options = LEARNING, dictionary: Dictionary | None = None) -> bytes:
    """A container whose stream is a strand's run and some pages, in turn; a group ends after each."""
    with Output(path, replace=True) as output:
        writer = ContainerWriter(output, options, dictionary)
        for i, data in enumerate(parts):
            writer.append(writer.section("notes"), b"part %d;" % i)
            writer.append_pages(memoryview(data))
            writer.end_group()
        writer.finish([], [], [], [], 0, 0)
        writer.close()
        output.commit()
    return path.read_bytes()


def stream(parts: list[bytes]) -> bytes:
    return b"".join(b"part %d;" % i + data for i, data in enumerate(parts))


def read(data: bytes) -> bytes:
    return b"".join(Container(BytesSource(data)).stream())


def dictionaries(data: bytes) -> list[f.Section]:
    return [s for s in Container(BytesSource(data)).sections.values() if s.role == f.DICTIONARY]


PARTS = [alike(20), alike(30) + unlike(2), alike(3)]


@pytest.fixture
def learnt(tmp_path: Path) -> bytes:
    """Three groups, pages with a dictionary of 32 KiB."""
    return written(tmp_path / "x", PARTS)


def test_what_pages_share_is_stored_once(tmp_path: Path, learnt: bytes) -> None:
    plain = written(tmp_path / "y", PARTS, LEARNING._replace(dictionary_log2=0))
    (made,) = dictionaries(learnt)
    assert made.length == 1 << 15
    assert len(learnt) < len(plain) / 2
    assert read(learnt) == read(plain) == stream(PARTS)
    pages = next(s for s in Container(BytesSource(learnt)).sections.values() if s.role == f.PAGES)
    assert pages.dictionary == made.id


def test_a_dictionary_that_does_not_pay_is_not_stored(tmp_path: Path) -> None:
    for parts in ([unlike(20)], [bytes(f.PAGE) * 20], [unlike(1)], []):
        data = written(tmp_path / "x", parts)
        assert dictionaries(data) == []
        assert read(data) == stream(parts)


def test_an_image_that_ends_before_the_dictionary_is_full(tmp_path: Path) -> None:
    data = written(tmp_path / "x", [alike(5), alike(5, seed=2)])
    assert [s.length for s in dictionaries(data)] == [5 * f.PAGE]
    assert read(data) == stream([alike(5), alike(5, seed=2)])


def test_trailers_name_the_dictionary_too(learnt: bytes) -> None:
    container = Container(BytesSource(learnt))
    named = {
        piece.dictionary
        for n in range(container.count(f.GROUPS))
        for piece in map(container.trail(n).piece, range(container.trail(n).header.pieces))
        if piece.role == f.PAGES
    }
    assert named == {dictionaries(learnt)[0].id}
    first = container.trail(0)
    roles = [first.piece(i).role for i in range(first.header.pieces)]
    assert f.DICTIONARY in roles  # a file torn after its first group can be recovered


def test_repeats_are_found_in_what_was_packed_with_a_dictionary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer reads pages back from its own file."""
    monkeypatch.setattr(piece_writer, "BATCH", 8192)
    monkeypatch.setattr(container_writer, "READ_BACK_BLOCKS", 1)
    parts = [alike(20), alike(20), alike(20)]
    data = written(tmp_path / "x", parts)
    pages = next(s for s in Container(BytesSource(data)).sections.values() if s.role == f.PAGES)
    assert pages.length == 20 * f.PAGE
    assert read(data) == stream(parts)


@settings(max_examples=40, deadline=None)
@given(
    st.lists(st.lists(st.integers(0, 30), max_size=12), min_size=1, max_size=5),
    st.integers(12, 16),
    st.sampled_from([12, 14]),
)
def test_any_pages(tmp_path_factory: pytest.TempPathFactory, groups: list[list[int]], size: int, block: int) -> None:
    pages = [alike(31)[i * f.PAGE : (i + 1) * f.PAGE] for i in range(31)]
    parts = [b"".join(pages[i] for i in group) for group in groups]
    options = LEARNING._replace(dictionary_log2=size, page_block_log2=block)
    path = tmp_path_factory.mktemp("any") / "x"
    data = written(path, parts, options)
    assert read(data) == stream(parts)
    assert written(path, parts, options) == data


def test_many_threads_share_one(learnt: bytes) -> None:
    container = Container(BytesSource(learnt), DEFAULT._replace(cache=1))
    found: list[bytes] = []

    def ask() -> None:
        found.append(b"".join(container.stream()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [stream(PARTS)] * 8


def test_levels_and_the_window_that_frames_state(tmp_path: Path) -> None:
    """R7 holds with a dictionary: no frame asks for more than its block."""
    content = alike(64)
    for level in (1, 2, 3, 9, 19):
        made = Dictionary(content, level)
        for length in (1, 100, 4096, 16384, 65536):
            data = content[-length:]
            frame = made.compressor().compress(data)
            assert zstandard.get_frame_parameters(frame).window_size <= max(length, 1024)
            assert decompress(frame, length, "block", Dictionary(content)) == data


# -- hostile ------------------------------------------------------------------------------------------------


def entry(forger: Forger, role: int) -> int:
    """Where the directory's entry of the first section of a role is."""
    i = next(i for i, s in enumerate(forger.sections.values()) if s.role == role)
    return forger.entry(f.SECTIONS, i)


def refused(forger: Forger, error: type[Exception], match: str) -> None:
    with pytest.raises(error, match=match):
        read(forger.seal())


@pytest.mark.parametrize("number", [999, 0xFFFF])
def test_a_dictionary_that_is_missing(learnt: bytes, number: int) -> None:
    forger = Forger(learnt)
    forger.put(entry(forger, f.PAGES) + 6, "H", number)
    refused(forger, FormatError, r"page-data, dictionary \d+: no dictionary.*R19")


def test_a_dictionary_that_is_a_strand_a_braid_or_itself_pages(learnt: bytes) -> None:
    for role in (f.STRAND, f.BRAID, f.PAGE_TABLE, f.PAGES):
        forger = Forger(learnt)
        number = next(s.id for s in forger.sections.values() if s.role == role)
        forger.put(entry(forger, f.PAGES) + 6, "H", number)
        refused(forger, FormatError, "R19")


def test_a_dictionary_of_a_dictionary(learnt: bytes) -> None:
    forger = Forger(learnt)
    for number in (dictionaries(learnt)[0].id, 1):
        forger.put(entry(forger, f.DICTIONARY) + 6, "H", number)
        refused(forger, FormatError, "R19")


def test_a_dictionary_of_blocks_that_are_stored_as_they_are(learnt: bytes) -> None:
    forger = Forger(learnt)
    forger.put(entry(forger, f.PAGES) + 3, "B", f.RAW)
    with pytest.raises(FormatError):
        read(forger.seal())


def test_a_dictionary_of_unknown_codec(learnt: bytes) -> None:
    forger = Forger(learnt)
    forger.put(entry(forger, f.DICTIONARY) + 3, "B", 9)
    refused(forger, UnsupportedError, "codec 9")


def test_a_dictionary_of_two_blocks_or_two_pieces(learnt: bytes) -> None:
    forger = Forger(learnt)
    i = next(i for i, p in enumerate(forger.pieces) if forger.sections[p.section].role == f.DICTIONARY)
    forger.put(entry(forger, f.DICTIONARY) + 4, "B", 14)
    forger.put(forger.entry(f.PIECES, i) + 32, "I", 2)
    refused(forger, FormatError, "R19")
    forger = Forger(learnt)
    other = next(i for i, p in enumerate(forger.pieces) if forger.sections[p.section].role == f.STRAND)
    forger.put(forger.entry(f.PIECES, other), "H", dictionaries(learnt)[0].id)
    with pytest.raises(FormatError):
        read(forger.seal())


def test_a_damaged_dictionary_is_found_before_it_is_used(learnt: bytes) -> None:
    forger = Forger(learnt)
    piece = next(p for p in forger.pieces if forger.sections[p.section].role == f.DICTIONARY)
    for at in (piece.offset, piece.offset + forger.trails[piece.group].ends[piece.first_block] - 1):
        damaged = bytearray(learnt)
        damaged[at] ^= 1
        with pytest.raises(IntegrityError, match=r"page-data, dictionary \d+, offset \d+: checksum"):
            read(bytes(damaged))


def test_a_wrong_dictionary_under_a_right_checksum(learnt: bytes) -> None:
    """Frames refer to content that is another: the digest of the stream tells."""
    forger = Forger(learnt)
    piece = next(p for p in forger.pieces if forger.sections[p.section].role == f.DICTIONARY)
    stored = forger.trails[piece.group].ends[piece.first_block]
    other = zstandard.ZstdCompressor().compress(bytes(piece.length))
    forger.data[piece.offset : piece.offset + stored] = other + b"\0" * (stored - len(other))
    with pytest.raises(FormatError, match="frame"):
        read(forger.seal())


def test_content_that_looks_like_a_trained_dictionary_is_content(tmp_path: Path) -> None:
    """Entropy tables in it would be parsed by zstd; raw content is not."""
    trained = zstandard.train_dictionary(8192, [b"%d of many " % i * 9 for i in range(300)]).as_bytes()
    assert trained[:4] == b"\x37\xa4\x30\xec"
    for content in (trained, trained[:4] + b"\xff" * 8000):
        made = Dictionary(content, 3)
        parts = [(content * 2)[: f.PAGE], alike(4)]
        data = written(tmp_path / "x", parts, LEARNING, made)
        assert len(dictionaries(data)) == 1
        assert read(data) == stream(parts)


def test_many_large_dictionaries_are_not_all_kept(tmp_path: Path) -> None:
    """4 MiB each from a frame of a few hundred bytes: a reader keeps two."""
    made = Dictionary(bytes(4 << 20), 1)
    data = written(tmp_path / "x", [alike(2)], LEARNING, made)
    container = Container(BytesSource(data))
    pages = next(s for s in container.sections.values() if s.role == f.PAGES)
    (own,) = dictionaries(data)
    for number in range(100, 140):  # as many names of one dictionary
        container.sections[number] = own._replace(id=number)
        container._all_pieces()[number] = container._all_pieces()[own.id]
    tracemalloc.start()
    try:
        for number in range(100, 140):
            assert container.dictionary(pages._replace(dictionary=number)).length == 4 << 20
        assert container._held_dictionaries() <= container.limits.dictionaries == 8 << 20
        assert tracemalloc.get_traced_memory()[1] < 20 << 20
    finally:
        tracemalloc.stop()


def test_options_that_no_reader_would_open() -> None:
    for size in (-1, 1, 11, 23):
        for name in ("dictionary_log2", "record_dictionary_log2"):
            with pytest.raises(objref.UsageError, match=name):
                container_writer.sound(Options()._replace(**{name: size}))


# -- strands ------------------------------------------------------------------------------------------------


def with_strand(path: Path, data: bytes, step: int) -> bytes:
    """A container of one strand, which comes `step` bytes at a time."""
    with Output(path, replace=True) as output:
        writer = ContainerWriter(output, Options(block_log2=12, record_dictionary_log2=14))
        for at in range(0, len(data), step):
            writer.append(writer.section("records of aällsorts"), data[at : at + step])
        writer.finish([], [], [], [], 0, 0)
        writer.close()
        output.commit()
    return path.read_bytes()


def test_a_strand_of_a_mib_has_a_dictionary_if_that_pays(tmp_path: Path) -> None:
    records, mixed = alike(260), noise(3, 260 * f.PAGE)
    data = with_strand(tmp_path / "x", records, 10_000)
    assert [(s.length, s.name) for s in dictionaries(data)] == [(1 << 14, "records of a dictionary")]
    assert len(data) < len(records) / 20
    assert read(data) == records
    assert with_strand(tmp_path / "x", records, 777) == data
    for other in (mixed, records[: 1 << 19]):
        data = with_strand(tmp_path / "x", other, 10_000)
        assert dictionaries(data) == []
        assert read(data) == other
