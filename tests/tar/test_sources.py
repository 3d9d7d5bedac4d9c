"""open_source: the same chunks whatever the wrapping and the pipe; torn, damaged, hostile input is named."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import lzma
import os
import socket
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from objref.archive.decompress import WINDOW_MAX
from objref.archive.source_bytes import CHUNK, Readable
from objref.archive.sources import open_source
from objref.archive.tar import Member, encode_member
from objref.archive.tar_header import END_OF_ARCHIVE, padding
from objref.errors import (
    FormatError,
    LimitError,
    ObjrefError,
    SourceError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)

if TYPE_CHECKING:
    from collections.abc import Callable


def archive(content: bytes = b"content", name: bytes = b"pages-1.img") -> bytes:
    return encode_member(Member(name, size=len(content))) + content + padding(len(content)) + END_OF_ARCHIVE


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def drain(source: Readable | Path | str) -> bytes:
    with open_source(source) as opened:
        chunks = list(opened)
    assert all(len(chunk) == CHUNK for chunk in chunks[:-1])
    assert not chunks or 0 < len(chunks[-1]) <= CHUNK
    return b"".join(chunks)


def zstd(data: bytes, **options: int) -> bytes:
    return zstandard.ZstdCompressor(**options).compress(data)  # type: ignore[arg-type]


def zstd_stream(data: bytes) -> bytes:
    """A frame that does not state its size, with a checksum."""
    packer = zstandard.ZstdCompressor(level=1, write_checksum=True).compressobj()
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "zstd": zstd,
    "zstd stream": zstd_stream,
    "xz": lzma.compress,
    "bzip2": bz2.compress,
}
BIG = archive(b"".join(struct.pack("<Q", at * 0x9E3779B97F4A7C15 % 2**64) for at in range(350_000)))


class Dribble(io.RawIOBase):
    """A file that gives a few bytes at each read, as a pipe may."""

    def __init__(self, data: bytes, sizes: list[int]) -> None:
        self._file = io.BytesIO(data)
        self._sizes = sizes
        self._turn = 0

    def read(self, size: int = -1, /) -> bytes:
        self._turn += 1
        return self._file.read(min(size, self._sizes[self._turn % len(self._sizes)]))


# What is given is told by its bytes


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS.keys())
def test_every_compression_in_any_reads(pack: Callable[[bytes], bytes]) -> None:
    packed = pack(BIG)
    assert drain(io.BytesIO(packed)) == BIG
    assert drain(Dribble(packed, [1000, 7, 100_000])) == BIG


@pytest.mark.parametrize("name", PACKERS)
def test_compression_is_named_whatever_the_suffix(tmp_path: Path, name: str) -> None:
    path = tmp_path / "x.tar.gz"
    path.write_bytes(PACKERS[name](archive()))
    with open_source(path) as source:
        assert (source.kind, source.compression, source.name) == ("tar", name.split()[0], str(path))
        assert b"".join(source) == archive()


def test_plain_tar(tmp_path: Path) -> None:
    (tmp_path / "x.tar").write_bytes(BIG)
    with open_source(str(tmp_path / "x.tar")) as source:
        assert (source.kind, source.compression) == ("tar", None)
        assert b"".join(source) == BIG
    assert drain(Dribble(BIG, [513, 65536])) == BIG
    assert drain(io.BytesIO(bytes(10240))) == bytes(10240)


def test_a_member_named_like_a_magic_is_a_tar_still() -> None:
    for name in (b"BZh", b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"{json", b"PK\x03\x04"):
        assert drain(io.BytesIO(archive(name=name))) == archive(name=name)


@pytest.mark.parametrize("command", [["gzip"], ["xz", "-T2"], ["bzip2"], ["zstd", "-T2"], ["zstd", "--long=27", "-3"]])
def test_archives_of_the_tools(command: list[str]) -> None:
    try:
        packed = subprocess.run([*command, "-c"], input=BIG, capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip(f"needs {command[0]}")
    assert drain(io.BytesIO(packed)) == BIG


def test_a_directory(tmp_path: Path) -> None:
    (tmp_path / "pages-1.img").write_bytes(bytes(range(256)) * 10_000)
    from objref.archive.directory import read_directory

    with open_source(tmp_path) as source:
        assert (source.kind, source.compression) == ("directory", None)
    assert drain(tmp_path) == b"".join(read_directory(tmp_path))


def test_a_directory_with_a_parent(tmp_path: Path) -> None:
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "core-1.img").write_text(name)
    os.symlink("../1", tmp_path / "2" / "parent")
    data = drain(tmp_path / "2")
    assert b"1/core-1.img" in data
    assert b"2/core-1.img" in data
    os.symlink("/elsewhere", tmp_path / "1" / "parent")
    skipped: list[bytes] = []
    with open_source(tmp_path / "2", on_skip=lambda name, _: skipped.append(name)) as source:
        list(source)
    assert skipped == [b"1/parent"]


def test_a_pipe_is_widened_and_cut_as_a_file() -> None:
    import fcntl

    reader, writer = os.pipe()

    def fill() -> None:
        with os.fdopen(writer, "wb", buffering=0) as file:
            for at in range(0, len(BIG), 3000):
                file.write(BIG[at : at + 3000])

    thread = threading.Thread(target=fill)
    thread.start()
    with os.fdopen(reader, "rb", buffering=0) as file:
        assert drain(file) == BIG
        if hasattr(fcntl, "F_GETPIPE_SZ"):
            assert fcntl.fcntl(reader, fcntl.F_GETPIPE_SZ) in (CHUNK, 65536)
        assert not file.closed
    thread.join()


def test_sockets_and_buffered_files_will_do() -> None:
    one, other = socket.socketpair()

    def fill() -> None:
        with one:
            one.sendall(BIG)

    thread = threading.Thread(target=fill)
    thread.start()
    with other, other.makefile("rb") as file:
        assert drain(file) == BIG
    thread.join()


def test_nothing_is_ever_sought() -> None:
    class Forward(io.BytesIO):
        def seek(self, *_: int) -> int:
            raise AssertionError("seek")

        tell = seek

    for pack in PACKERS.values():
        assert drain(Forward(pack(archive()))) == archive()


def test_decompressors_are_imported_when_they_are_needed() -> None:
    code = (
        "import sys, objref.archive.sources as s; bad = {'zstandard', 'lzma', 'bz2', 'numpy'} & set(sys.modules);"
        "assert not bad, bad"
    )
    subprocess.run([sys.executable, "-S", "-c", code], check=True, env={"PYTHONPATH": os.pathsep.join(sys.path)})


# Several members, frames, paddings


@pytest.mark.parametrize("name", PACKERS)
@given(cuts=st.lists(st.integers(0, len(archive())), max_size=4))
@settings(max_examples=15, deadline=None)
def test_several_members(name: str, cuts: list[int]) -> None:
    data, ends = archive(), [0, *sorted(cuts), len(archive())]
    packed = b"".join(PACKERS[name](data[a:b]) for a, b in itertools.pairwise(ends))
    assert drain(Dribble(packed, [3, 50])) == data


def test_paddings() -> None:
    data = archive()
    for zeros in (1, 511, 100_000):
        assert drain(io.BytesIO(gzip.compress(data) + bytes(zeros))) == data
    assert drain(io.BytesIO(gzip.compress(data[:100]) + bytes(5) + gzip.compress(data[100:]))) == data
    assert drain(io.BytesIO(lzma.compress(data) + bytes(8))) == data
    with pytest.raises(FormatError, match="3 zeros after xz data"):
        drain(io.BytesIO(lzma.compress(data) + bytes(3)))
    for pack in (bz2.compress, zstd):
        with pytest.raises(FormatError, match="other bytes follow"):
            drain(io.BytesIO(pack(data) + bytes(8)))


def test_zstd_skippable_frames_anywhere() -> None:
    data = archive()
    skip = struct.pack("<II", 0x184D2A5B, 70_000) + bytes(70_000)
    packed = skip + zstd(data[:600]) + skip + zstd(b"") + zstd_stream(data[600:]) + skip
    assert drain(io.BytesIO(packed)) == data
    with pytest.raises(TruncatedError):
        drain(io.BytesIO(packed[:-1]))


@pytest.mark.parametrize("kind", ["noise", "zeros", "empty", "tiny"])
def test_zstd_blocks_of_all_sorts(kind: str) -> None:
    content = {"noise": os.urandom(300_000), "zeros": bytes(5 << 20), "empty": b"", "tiny": b"x"}[kind]
    data = archive(content)
    for level in (-5, 1, 19):
        for checksum in (0, 1):
            packed = zstd(data, level=level, write_checksum=checksum, write_content_size=checksum)
            assert drain(io.BytesIO(packed)) == data


# Torn, damaged, hostile


@pytest.mark.parametrize("name", PACKERS)
def test_torn_at_every_byte(name: str) -> None:
    packed = PACKERS[name](archive())
    for size in range(len(packed)):
        with pytest.raises((TruncatedError, FormatError)) as caught:
            drain(io.BytesIO(packed[:size]))
        if size > 16:
            assert isinstance(caught.value, TruncatedError), size
            assert f"byte {size} of the compressed input" in str(caught.value)


@pytest.mark.parametrize("name", PACKERS)
def test_every_byte_flipped_is_an_error_or_harmless(name: str) -> None:
    data = archive(os.urandom(200))
    packed = PACKERS[name](data)
    for at in range(len(packed)):
        bad = bytearray(packed)
        bad[at] ^= 0x10
        try:
            found = drain(io.BytesIO(bytes(bad)))
        except ObjrefError:
            continue
        assert found == data or name == "zstd", at  # this zstd frame has no checksum


def test_the_place_of_damage_is_told() -> None:
    data = archive(os.urandom(3 << 20))
    for name in ("gzip", "zstd stream", "bzip2", "xz"):
        bad = bytearray(PACKERS[name](data))
        bad[2 << 20] ^= 0xFF
        with pytest.raises(FormatError, match=r"byte \d+ of the compressed input") as caught:
            drain(io.BytesIO(bytes(bad)))
        assert "damaged" in str(caught.value)


@pytest.mark.parametrize("name", PACKERS)
def test_trailing_garbage_is_named_by_its_offset(name: str) -> None:
    packed = PACKERS[name](archive())
    for garbage in (b"garbage", b"\x1f", b"B", b"\x28\xb5", b"\xfd7z", b"\x01" * 100_000):
        if PACKERS[name](b"").startswith(garbage) and name.startswith("zstd"):
            continue
        with pytest.raises(FormatError, match=f"byte {len(packed)} of the compressed input"):
            drain(io.BytesIO(packed + garbage))


def bomb_zstd(blocks: int) -> bytes:
    """RLE blocks of 128 KiB, 4 bytes each, in a frame without content size."""
    head = b"\x28\xb5\x2f\xfd\x00" + bytes([(17 - 10) << 3])
    block = struct.pack("<I", (1 << 17) << 3 | 1 << 1)[:3] + b"\0"
    last = struct.pack("<I", 1)[:3]
    return head + block * blocks + last


@pytest.mark.parametrize("name", ["gzip", "zstd", "xz", "bzip2"])
def test_bombs_take_no_memory(name: str) -> None:
    zeros = bytes(1024)
    packed = zstd(zeros) + bomb_zstd(8192) if name == "zstd" else PACKERS[name](bytes(200 << 20))  # zstd: 1 GiB
    tracemalloc.start()
    with open_source(io.BytesIO(packed)) as source:
        total = sum(len(chunk) for chunk in source)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert total >= 200 << 20
    assert peak < 24 << 20


def test_windows_have_a_limit() -> None:
    def framed(log: int) -> bytes:
        parameters = zstandard.ZstdCompressionParameters(window_log=log, compression_level=1, enable_ldm=True)
        packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
        return packer.compress(archive()) + packer.flush()

    assert drain(io.BytesIO(framed(27))) == archive()
    with pytest.raises(LimitError, match=f"byte 0 of .*{2 << 27} bytes, the limit is {WINDOW_MAX}"):
        drain(io.BytesIO(framed(28)))
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 0, "dict_size": 1 << 29}]
    with pytest.raises(LimitError, match="window"):
        drain(io.BytesIO(lzma.compress(archive(), filters=filters)))


def test_a_zstd_dictionary_is_asked_for_by_name() -> None:
    samples: list[bytes | bytearray | memoryview] = [os.urandom(20) + b"common text" * 20 for _ in range(2000)]
    dictionary = zstandard.train_dictionary(4096, samples)
    packed = zstandard.ZstdCompressor(dict_data=dictionary).compress(archive())
    with pytest.raises(UnsupportedError, match=f"dictionary {dictionary.dict_id()}"):
        drain(io.BytesIO(packed))


# What is no tar

STRANGERS = {
    b"": (TruncatedError, "empty"),
    b"short": (FormatError, "5 bytes, less than one tar header"),
    b"\x7fELF" + bytes(600): (FormatError, "ELF"),
    b"PK\x03\x04" + bytes(600): (UnsupportedError, "zip"),
    b"\x04\x22\x4d\x18" + bytes(600): (UnsupportedError, "lz4"),
    b"070701" + bytes(600): (UnsupportedError, "cpio"),
    b"\x19CVT" + bytes(600): (FormatError, "CRIU image file; give the directory"),
    b"\x89ORF\r\n\x1a\n" + bytes(600): (FormatError, "objref container"),
    b"hello " * 200: (FormatError, "start with b'hello"),
    b"\1" + archive()[1:]: (FormatError, "checksum is wrong"),
}


@pytest.mark.parametrize("data", STRANGERS, ids=lambda data: repr(data[:8]))
def test_what_is_no_tar_is_explained(data: bytes) -> None:
    kind, words = STRANGERS[data]
    with pytest.raises(kind, match=words):
        open_source(io.BytesIO(data))
    for name, pack in PACKERS.items():
        if data:
            with pytest.raises(kind, match=words) as caught:
                open_source(io.BytesIO(pack(data)))
            assert f"({name.split()[0]})" in str(caught.value)


def test_compressed_nothing_and_compressed_twice() -> None:
    for name, pack in PACKERS.items():
        with pytest.raises(FormatError, match="holds no bytes"):
            open_source(io.BytesIO(pack(b"")))
        twice = f"{name.split()[0]} data inside"
        with pytest.raises(FormatError, match=twice):
            open_source(io.BytesIO(pack(pack(archive()))))


def test_sources_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"missing.*No such file"):
        open_source(tmp_path / "missing")
    with pytest.raises(UsageError, match="binary"):
        open_source(io.StringIO("text"))  # type: ignore[arg-type]

    class Broken(io.RawIOBase):
        def read(self, _: int = -1, /) -> bytes | None:
            raise OSError(5, "Input/output error")

    with pytest.raises(SourceError, match="Input/output"):
        open_source(Broken())
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    with os.fdopen(reader, "rb", buffering=0) as file, pytest.raises(SourceError, match="does not block"):
        open_source(file)
    os.close(writer)


def test_files_are_closed(tmp_path: Path) -> None:
    (tmp_path / "good").write_bytes(gzip.compress(BIG))
    (tmp_path / "bad").write_bytes(b"bad")
    before = descriptors()
    with pytest.raises(FormatError):
        open_source(tmp_path / "bad")
    with open_source(tmp_path / "good") as source:
        next(iter(source))
    assert descriptors() == before
