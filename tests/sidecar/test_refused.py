"""What cannot be indexed, what an index is not for, and what each of them says."""

from __future__ import annotations

import gzip
import os
import struct
from pathlib import Path

import numpy as np
import pytest
from samples import folder_listing
from sidecar.making import streams, tar_of
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.sidecar import layout, mounts
from objref.sidecar.reader import SAMPLES
from objref_index.tree import build

TREE = dict(streams())["tree.tar"]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A real dump with an index beside it."""
    path = tmp_path / "tree.tar"
    path.write_bytes(TREE)
    objref.index_file(path)
    return path


def beside(path: Path) -> Path:
    return path.with_name(path.name + layout.SUFFIX)


# -- what cannot be indexed -----------------------------------------------------------------------------------


def test_a_directory(tmp_path: Path) -> None:
    with pytest.raises(objref.UsageError, match=r"a directory.*objref import"):
        objref.index_file(tmp_path)


def test_a_pipe_and_a_device(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(objref.UsageError, match="not a regular file"):
            objref.index_file(path)


def test_compressed_data(tmp_path: Path) -> None:
    path = tmp_path / "tree.tar.gz"
    path.write_bytes(gzip.compress(TREE))
    with pytest.raises(objref.UsageError, match=r"gzip data, in which no object has a position: decompress it first"):
        objref.index_file(path)
    assert folder_listing(tmp_path) == ["tree.tar.gz"]


def test_a_container(tmp_path: Path, tree: Path) -> None:
    objref.import_image(tree, tmp_path / "x.objref")
    with pytest.raises(objref.UsageError, match="an objref container, which has its index inside"):
        objref.index_file(tmp_path / "x.objref")


def test_an_index(tree: Path) -> None:
    with pytest.raises(objref.UsageError, match="an index itself"):
        objref.index_file(beside(tree))
    with pytest.raises(objref.FormatError, match=r"an index beside a stream; open the stream, .*tree\.tar$"):
        objref.open(beside(tree))


def test_what_no_dialect_knows(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(b"nothing of the kind" * 100)
    (tmp_path / "empty").write_bytes(b"")
    for name in ("x", "empty"):
        with pytest.raises(objref.FormatError):
            objref.index_file(tmp_path / name)
    assert folder_listing(tmp_path) == ["empty", "x"]


def test_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(objref.SourceError, match="No such file"):
        objref.index_file(tmp_path / "x")
    with pytest.raises(objref.UsageError, match="no path"):
        objref.index_file("a\0b")


def test_a_file_that_grows_while_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "grows.tar"
    path.write_bytes(tar_of({"big": bytes(3 << 20)}))

    def grow(done: int) -> None:
        with path.open("ab") as file:
            file.write(bytes(1024))

    with pytest.raises(objref.SourceError, match="changed while it was indexed"):
        objref.index_file(path, progress=grow)
    assert folder_listing(tmp_path) == ["grows.tar"]


def test_a_network_file_system(tree: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    device = os.stat(tree).st_dev
    table = tmp_path / "mountinfo"
    number = f"{os.major(device)}:{os.minor(device)}"
    table.write_text(f"36 35 {number} / /mnt rw,noatime shared:1 - nfs4 server:/export rw\n")
    monkeypatch.setattr(mounts, "MOUNTS", str(table))
    with pytest.raises(objref.UsageError, match=r"network file system \(nfs4\)"):
        objref.index_file(tree, replace=True)
    with objref.open(tree) as image:  # reading goes through memory
        assert image["task"][100]
    table.write_text("garbage\n")
    assert mounts.remote_type(str(tree)) is None


# -- one that exists ------------------------------------------------------------------------------------------


def test_one_that_fits_is_left_alone(tree: Path) -> None:
    before = os.stat(beside(tree))
    with pytest.raises(objref.UsageError, match="exists already and fits; --force"):
        objref.index_file(tree)
    assert os.stat(beside(tree)).st_ino == before.st_ino
    objref.index_file(tree, replace=True)
    assert os.stat(beside(tree)).st_ino != before.st_ino
    assert os.stat(beside(tree)).st_mode & 0o777 == 0o600


@pytest.mark.parametrize("change", ["stream", "tree", "table", "torn"])
def test_one_that_does_not_fit_is_replaced(tree: Path, change: str) -> None:
    """Wherever the difference is: who was told to index again must not be told that it fits."""
    if change == "stream":
        tree.write_bytes(TREE[:-1] + b"x")
    else:
        data = bytearray(beside(tree).read_bytes())
        ending = layout.decode(bytes(data[-128:]), len(data))
        at = {"tree": 4096 + 20, "table": ending.tree + layout.HEAD + 500, "torn": 0}[change]
        data[at] ^= 1
        beside(tree).write_bytes(data[:-1] if change == "torn" else data)
    objref.index_file(tree)
    with objref.open(tree) as image:
        assert b"".join(image.stream()) == tree.read_bytes()
        assert image["task"][100]


def test_a_folder_in_its_place(tree: Path) -> None:
    beside(tree).unlink()
    beside(tree).mkdir()
    with pytest.raises(objref.UsageError, match="is a directory"):
        objref.index_file(tree)
    with pytest.raises(objref.UsageError, match="is a directory"):
        objref.open(tree)


# -- the file changed -----------------------------------------------------------------------------------------


def test_no_index_says_how_to_make_one(tmp_path: Path) -> None:
    path = tmp_path / "tree.tar"
    path.write_bytes(TREE)
    with pytest.raises(
        objref.FormatError, match=r"not an objref file: .*it has no index: run `objref index .*tree\.tar`"
    ):
        objref.open(path)


def test_another_length(tree: Path) -> None:
    tree.write_bytes(TREE + bytes(512))
    with pytest.raises(
        objref.IntegrityError, match=rf"it had {len(TREE)} bytes, now it has {len(TREE) + 512}; run `objref index"
    ):
        objref.open(tree)


def test_a_change_in_a_sampled_block_shows_at_once(tree: Path) -> None:
    tree.write_bytes(b"T" + TREE[1:])
    with pytest.raises(
        objref.IntegrityError, match=r"changed since it was indexed: bytes 0…65536 are others; run `objref index"
    ):
        objref.open(tree)


def told(space: objref.Space, name: str) -> bytes | str:
    try:
        return space[name]
    except objref.IntegrityError as error:
        return str(error)


def test_a_change_elsewhere_shows_where_it_is_read(tmp_path: Path) -> None:
    files = {f"f{i}": bytes([i]) * (60 << 10) for i in range(100)}
    path = tmp_path / "files.tar"
    path.write_bytes(tar_of(files))
    objref.index_file(path)
    blocks = path.stat().st_size + 65535 >> 16
    sampled = {i * (blocks - 1) // (SAMPLES - 1) for i in range(SAMPLES)}
    hidden = next(i for i in range(blocks // 2, blocks) if i not in sampled)
    with path.open("r+b") as file:
        file.seek((hidden << 16) + 1000)
        was = file.read(1)
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([was[0] ^ 1]))
    with objref.open(path) as image:
        right = [name for name, data in files.items() if told(image["member"], name) == data]
        wrong = {told(image["member"], name) for name in files if name not in right}
        assert len(right) >= 97
        assert len(wrong) == 1
        assert f"bytes {hidden << 16}…{hidden + 1 << 16} are others" in str(wrong)
        with pytest.raises(objref.IntegrityError, match="are others"):
            image.export(tmp_path / "out.tar")
    assert folder_listing(tmp_path) == ["files.tar", "files.tar.objref-index"]


def test_the_index_of_another_file(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.tar"
    other.write_bytes(TREE[:-512] + b"x" * 512)
    beside(other).write_bytes(beside(tree).read_bytes())
    with pytest.raises(objref.IntegrityError, match="are others"):
        objref.open(other)


def test_both_renamed_together(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "moved").mkdir()
    for path in (tree, beside(tree)):
        path.rename(tmp_path / "moved" / path.name)
    with objref.open(tmp_path / "moved" / tree.name) as image:
        assert image["task"][100]


# -- made elsewhere -------------------------------------------------------------------------------------------


def forged(path: Path, offset: int, value: bytes) -> None:
    """Change the ending and make its checksum right."""
    data = bytearray(path.read_bytes())
    ending = bytearray(data[-128:])
    ending[offset : offset + len(value)] = value
    ending[112:120] = struct.pack("<Q", xxh3(bytes(ending[:112])))
    path.write_bytes(data[:-128] + ending)


@pytest.mark.parametrize(
    ("offset", "value", "error", "text"),
    [
        (8, b"\2\0", objref.UnsupportedError, r"version 2\.0"),
        (12, b"\1\0\0\0", objref.UnsupportedError, "features 0x1"),
        (20, layout.ORDER_MARK[::-1], objref.UnsupportedError, "made on a machine of another kind: big-endian"),
        (20, b"\4\1\2\3", objref.UnsupportedError, "unknown-endian"),
        (24, b"\4\0\0\0", objref.UnsupportedError, "words of 4 bytes"),
        (28, b"\0\0\0\0", objref.FormatError, "S6"),
        (32, b"\1" + bytes(7), objref.FormatError, "S6"),
        (32, bytes(6) + b"\1\0", objref.FormatError, "S6"),
        (64, b"x", objref.FormatError, "must be zero"),
    ],
)
def test_endings_from_elsewhere(tree: Path, offset: int, value: bytes, error: type[Exception], text: str) -> None:
    forged(beside(tree), offset, value)
    with pytest.raises(error, match=text):
        objref.open(tree)


def test_a_newer_minor_version_is_fine(tree: Path) -> None:
    forged(beside(tree), 10, b"\7\0")
    forged(beside(tree), 16, b"\7\0\0\0")
    with objref.open(tree) as image:
        assert image["task"][100]


@pytest.mark.parametrize(("offset", "text"), [(48, "S9"), (32, "tree|superblock|footer|head")])
def test_an_ending_that_lies(tree: Path, offset: int, text: str) -> None:
    data = beside(tree).read_bytes()
    ending = layout.decode(data[-128:], len(data))
    wrong = {48: ending.entries + 1, 32: ending.tree + ending.page_size}[offset]
    forged(beside(tree), offset, struct.pack("<Q", wrong))
    with pytest.raises(objref.FormatError, match=text), objref.open(tree) as image:
        image["task"][100]


def test_rows_of_the_tree_are_those_of_the_objects_table(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with objref.open(tree) as image:
        image.container.compare()  # type: ignore[attr-defined]
        image.container.compare_rows()  # type: ignore[attr-defined]
    real = build._batch
    monkeypatch.setattr(build, "_batch", lambda *given: real(*given[:-1], given[-1] + np.uint64(1)))
    objref.index_file(tree, replace=True)
    with objref.open(tree) as image:
        image.container.compare()  # type: ignore[attr-defined]
        with pytest.raises(objref.IntegrityError, match="objects table differ"):
            image.container.compare_rows()  # type: ignore[attr-defined]
