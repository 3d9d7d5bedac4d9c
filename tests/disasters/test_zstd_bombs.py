"""Frames that say one thing and hold another: refused by their header, before memory is taken."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Iterator

import pytest
import zstandard
from samples import Forger

import objref
from objref.container import format as f
from objref.container.blocks import decompress
from objref.errors import FormatError

LENGTH = 4096
TEXT = b"what a block holds; " * 205


def frame(data: bytes, **parameters: object) -> bytes:
    return zstandard.ZstdCompressor(**parameters).compress(data)  # type: ignore[arg-type]


def without_size(data: bytes) -> bytes:
    return frame(data, write_content_size=False)


def with_dictionary(data: bytes) -> bytes:
    trained = zstandard.train_dictionary(1024, [b"%d of many " % i * 9 for i in range(300)])
    return frame(data, dict_data=trained)


def with_window(data: bytes, log2: int) -> bytes:
    """Not of a single segment, so that the window is stated by itself."""
    parameters = zstandard.ZstdCompressionParameters(window_log=log2, write_content_size=1)
    stream = zstandard.ZstdCompressor(compression_params=parameters).compressobj(size=len(data) + (1 << log2))
    head = stream.compress(data) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    stated = bytearray(head)
    size = zstandard.get_frame_parameters(head)
    assert size.window_size >= 1 << log2
    return bytes(stated)


def skippable(data: bytes) -> bytes:
    return struct.pack("<II", 0x184D2A50, len(data)) + data


CONTENT = TEXT[:LENGTH]
BOMB = bytes(256 << 20)


@pytest.fixture(scope="module")
def bomb() -> bytes:
    return frame(BOMB, level=1)


def bad_frames(bomb: bytes) -> Iterator[tuple[str, bytes]]:
    good = frame(CONTENT)
    yield "256 MiB from 25 KB", bomb
    yield "one byte more", frame(CONTENT + b"x")
    yield "one byte less", frame(CONTENT[:-1])
    yield "nothing", frame(b"")
    yield "no content size", without_size(CONTENT)
    yield "no content size, far too much", without_size(bytes(1 << 22))
    yield "a dictionary id", with_dictionary(CONTENT)
    yield "a window of 64 MiB", with_window(CONTENT, 26)
    yield "two frames", good + good
    yield "a frame and a byte", good + b"\0"
    yield "a frame and a skippable one", good + skippable(b"hidden")
    yield "a skippable frame", skippable(CONTENT)
    yield "a skippable frame before", skippable(b"hidden") + good
    yield "cut", good[:-1]
    yield "only its header", good[:9]
    yield "no frame", b"no frame"
    yield "empty", b""
    yield "states 4096, holds 256 MiB", restated(bomb, LENGTH)


def restated(data: bytes, size: int) -> bytes:
    """The frame with another content size in its header (8 bytes of it, descriptor 0xE0)."""
    parameters = zstandard.get_frame_parameters(data)
    header = zstandard.frame_header_size(data)
    assert parameters.content_size != size
    return data[:4] + b"\xe0" + struct.pack("<Q", size) + data[header:]


def test_every_bad_frame_is_refused_without_memory(bomb: bytes) -> None:
    for name, stored in bad_frames(bomb):
        tracemalloc.start()
        try:
            with pytest.raises(FormatError, match="block 7"):
                decompress(stored, LENGTH, "block 7")
            assert tracemalloc.get_traced_memory()[1] < 1 << 20, name
        finally:
            tracemalloc.stop()


def test_the_good_frame_is_read() -> None:
    assert decompress(frame(CONTENT), LENGTH, "block 7") == CONTENT
    assert decompress(memoryview(frame(CONTENT)), LENGTH, "block 7") == CONTENT


def test_a_bad_frame_in_a_file_under_right_checksums(packed: bytes, bomb: bytes) -> None:
    """In place of the frame of a table, and of a block: other objects are still read."""
    forger = Forger(packed)
    i, table = forger.table_index("objects"), forger.table("objects")
    for name, stored in bad_frames(bomb):
        if len(stored) > table.stored:
            continue
        forger.data[:] = forger.genuine
        forger.data[table.offset : table.offset + len(stored)] = stored
        forger.put(forger.entry(f.TABLES, i) + 16, "Q", len(stored))
        forger.tables[i] = table._replace(stored=len(stored))
        image = objref.open(forger.seal())
        with pytest.raises(FormatError, match="table objects at offset"):
            image.by_ordinal(0)
        assert image.meta["dialect"], name


def test_a_block_that_states_more_than_a_block(packed: bytes) -> None:
    forger = Forger(packed)
    piece = next(p for p in forger.pieces if forger.sections[p.section].role == f.PAGES)
    stored = forger.trails[piece.group].ends[piece.first_block]
    hostile = frame(bytes(1 << 20), level=19)[:stored].ljust(stored, b"\0")
    forger.data[piece.offset : piece.offset + stored] = hostile
    image = objref.open(forger.seal())
    with pytest.raises(FormatError, match=r"section page-data, block 0, offset \d+: zstd frame states"):
        image["member"]["pages.img"]
    assert image["item"][10] == b"item 0 of the run;"


def test_a_zstd_table_that_would_be_larger_than_the_limit(packed: bytes) -> None:
    """Stated in the directory: 64 MiB is the most a compressed table may become."""
    forger = Forger(packed)
    i = forger.table_index("NOTES")
    forger.put(forger.entry(f.TABLES, i) + 24, "Q", 1 << 30)
    with pytest.raises(objref.LimitError, match="table NOTES"):
        objref.open(forger.seal()).notes()
