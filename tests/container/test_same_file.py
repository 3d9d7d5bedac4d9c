"""The same input, options and library versions give the same file, however the bytes arrive."""

from __future__ import annotations

import io
import os
import threading
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from samples import SAMPLE, small_events, write_events
from objref.container.writer import Options as _Options
from writing import STEPS, Bytes, End, Pages, Step, write

import objref
from objref import Options
from objref.errors import FormatError, UsageError
from objref_index import core

CODECS = [_Options(codec, 3, 1, 12, 13, log2) for codec in ("zstd", "raw") for log2 in (12, 13, 14)]
CODECS += [
    CODECS[0]._replace(dictionary_log2=13), CODECS[1]._replace(dictionary_log2=15, whole_log2=12, page_level=9),
    CODECS[0]._replace(pages="raw"), _Options.preset("small"),
]  # fmt: skip


def cut(steps: list[Step], data: st.DataObject) -> list[Step]:
    """The same strands, batches and pages, in other pieces."""
    again: list[Step] = []
    for step in steps:
        if isinstance(step, Bytes) and step.length > 1 and not step.seed & 4:
            at = 2 * data.draw(st.integers(0, step.length // 2))
            again += [step._replace(length=at), step._replace(length=step.length - at)]
        elif isinstance(step, Pages) and step.fills:
            at = data.draw(st.integers(0, len(step.fills)))
            again += [Pages(step.fills[:at]), Pages(step.fills[at:])]
        else:
            again.append(step)
    return again


@settings(max_examples=80, deadline=None)
@given(STEPS, st.sampled_from(CODECS), st.sampled_from([0, 3, 1000]), st.data())
def test_runs_cut_elsewhere(steps: list[Step], options: Options, cap: int, data: st.DataObject) -> None:
    options = options._replace(seen_pages=cap)
    whole = [s._replace(length=s.length & ~1) if isinstance(s, Bytes) else s for s in steps]
    assert write(whole, options).data == write(cut(whole, data), options).data


@pytest.mark.skipif(core.native() is None, reason="the native core was not built (no compiler), or is not wanted")
@settings(max_examples=60, deadline=None)
@given(STEPS, st.sampled_from(CODECS), st.integers(0, 9))
def test_both_cores(steps: list[Step], options: Options, cap: int) -> None:
    """Zero pages, repeats near and far, more pages than are remembered: the file does not tell who found them."""
    options = options._replace(seen_pages=cap)
    native = write(steps, options).data
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(core.VARIABLE, "0")
        assert write(steps, options).data == native


def test_pieces_do_not_depend_on_read_sizes() -> None:
    """Two strands in turn: where a piece is cut must follow from the stream alone."""
    rounds = range(12)
    coarse: list[Step] = [s for i in rounds for s in (Bytes(0, 0, 24_000), Bytes(1, 0, 10_000), End())]
    fine: list[Step] = [
        s
        for i in rounds
        for s in (*[Bytes(0, 0, 1000)] * 24, Bytes(1, 0, 2), *[Bytes(1, 0, 1666)] * 6, Bytes(1, 0, 2), End())
    ]
    assert write(coarse).stream == write(fine).stream
    for options in CODECS:
        assert write(coarse, options).data == write(fine, options).data


class Slow(io.RawIOBase):
    """Gives what it likes of what is asked."""

    def __init__(self, data: bytes, step: int) -> None:
        self._file, self._step = io.BytesIO(data), step

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)[: self._step]  # type: ignore[arg-type]
        return self._file.readinto(view)


def imported(source: object, path: Path) -> bytes:
    objref.import_image(source, path)  # type: ignore[arg-type]
    return path.read_bytes()


def test_a_file_a_pipe_and_a_slow_reader(tmp_path: Path) -> None:
    with SAMPLE.open("rb") as file:
        tar = zstandard.ZstdDecompressor().stream_reader(file).read()
    path = tmp_path / "plain.tar"
    path.write_bytes(tar)
    expected = imported(path, tmp_path / "file.objref")
    for step in (1000, 4097, 1 << 20):
        assert imported(Slow(tar, step), tmp_path / f"slow{step}.objref") == expected
    reader, writer = os.pipe()

    def feed() -> None:
        with os.fdopen(writer, "wb", buffering=0) as out:
            for at in range(0, len(tar), 7777):
                out.write(tar[at : at + 7777])

    thread = threading.Thread(target=feed)
    thread.start()
    with os.fdopen(reader, "rb") as pipe:
        assert imported(pipe, tmp_path / "pipe.objref") == expected
    thread.join()


def test_a_native_stream_in_pieces(tmp_path: Path) -> None:
    """It is not cut into chunks: its frames are found however it comes."""
    objref.import_image(SAMPLE, tmp_path / "image")
    with objref.open(tmp_path / "image") as image:
        image.export(tmp_path / "native", form="native")
    expected = imported(tmp_path / "native", tmp_path / "file.objref")
    for step in (999, 65_536, 100_003, 1 << 20):
        assert imported(Slow((tmp_path / "native").read_bytes(), step), tmp_path / f"slow{step}.objref") == expected


def test_twice_the_same(tmp_path: Path) -> None:
    for codec in ("zstd", "raw"):
        for name in ("a", "b"):
            write_events(tmp_path / f"{name}{codec}", list(small_events()), Options(codec=codec))
        assert (tmp_path / f"a{codec}").read_bytes() == (tmp_path / f"b{codec}").read_bytes()


BAD_OPTIONS = [
    {"codec": "lzma"}, {"block_log2": 11}, {"block_log2": 23}, {"bulk_log2": 64}, {"page_block_log2": 0},
    {"level": 0}, {"level": 99}, {"page_level": -5000},
]  # fmt: skip


@pytest.mark.parametrize("change", BAD_OPTIONS)
def test_options_that_would_make_an_unreadable_file(tmp_path: Path, change: dict[str, object]) -> None:
    with pytest.raises(UsageError):
        write_events(tmp_path / "x", list(small_events()), Options()._replace(**change))  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []


def test_a_strand_that_is_called_braid(tmp_path: Path) -> None:
    """Names are for people: they must not make a strand the braid."""
    written = write([Bytes(0, 0, 10)])
    assert written.stream
    from objref.container.output import Output
    from objref.container.reader import Container
    from objref.container.source import BytesSource
    from objref.container.writer import ContainerWriter

    path = tmp_path / "x"
    with Output(path) as output:
        writer = ContainerWriter(output)
        for name in ("braid", "page-table", "page-data", "braid"):
            writer.append(writer.section(name), name.encode())
        writer.append_pages(memoryview(bytes(4096)))
        with pytest.raises(FormatError, match="24 bytes"):
            writer.section("x" * 25)
        writer.finish([], [], [], [], 0, 0)
        writer.close()
        output.commit()
    assert b"".join(Container(BytesSource(path.read_bytes())).stream()) == b"braidpage-tablepage-databraid" + bytes(
        4096
    )


def test_an_index_that_outgrew_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same file, whether its columns were kept in memory or in a file beside it."""
    from functools import partial

    from objref import importer
    from objref_index.large import LargeColumns, columns

    objref.import_image(SAMPLE, tmp_path / "small")
    monkeypatch.setattr(columns, "LOOK", 1)
    monkeypatch.setattr(importer, "LargeColumns", partial(LargeColumns, room=0))
    objref.import_image(SAMPLE, tmp_path / "large")
    assert (tmp_path / "large").read_bytes() == (tmp_path / "small").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large", "small"]


def test_no_room_for_an_index_that_outgrew_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error says where the temporary file is; nothing is left."""
    import tempfile
    from functools import partial

    from objref import importer
    from objref_index.large import LargeColumns, columns

    monkeypatch.setattr(columns, "LOOK", 1)
    monkeypatch.setattr(importer, "LargeColumns", partial(LargeColumns, room=0))
    monkeypatch.setattr(tempfile, "TemporaryFile", lambda **_: open("/dev/full", "r+b", buffering=0))  # noqa: SIM115
    with pytest.raises(objref.SourceError, match=f"^{tmp_path}: .*temporary file.*No space left on device"):
        objref.import_image(SAMPLE, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []
