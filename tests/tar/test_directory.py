"""read_directory and image_roots: one tree gives one stream, and nothing outside the tree gets into it."""

from __future__ import annotations

import io
import os
import shutil
import socket
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from objref.archive.directory import read_directory
from objref.archive.directory_parents import image_roots
from objref.archive.tar import Begin, Content, Member, TarSplitter
from objref.errors import FormatError, LimitError, SourceError, UsageError
from objref.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class Skips(list[tuple[bytes, str]]):
    def __call__(self, name: bytes, reason: str) -> None:
        self.append((name, reason))


def parts(data: bytes) -> list[tuple[Member, bytes]]:
    found: list[tuple[Member, bytes]] = []
    splitter = TarSplitter()
    for event in [*splitter.feed(data), *splitter.finish()]:
        if isinstance(event, Begin):
            found.append((event.member, b""))
        elif isinstance(event, Content):
            found[-1] = (found[-1][0], found[-1][1] + bytes(event.data))
    return found


def descriptors() -> set[str]:
    return {entry.name for entry in Path("/proc/self/fd").iterdir()}


def read(path: Path, **options: object) -> bytes:
    return b"".join(read_directory(path, **options))  # type: ignore[arg-type]


def listed(data: bytes) -> list[bytes]:
    return [member.name for member, _ in parts(data)]


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "image"
    (root / "a").mkdir(parents=True)
    for name in ("a-b", "a/x", "a0", "a/deep", "z"):
        (root / name).write_text(name)
    os.chmod(root / "z", 0o2640)
    os.utime(root / "z", ns=(1, 1_234_567_890_987_654_321))
    os.symlink("../../etc/passwd", root / "a" / "symlink")
    os.link(root / "z", root / "a" / "hard")
    os.mkfifo(root / "fifo")
    (root / os.fsdecode(b"\xff\xfe")).write_text("odd")
    return root


def test_the_whole_tree_in_order(tree: Path) -> None:
    data = read(tree)
    names = listed(data)
    assert names == [
        b"./", b"a-b", b"a/", b"a/deep", b"a/hard", b"a/symlink", b"a/x", b"a0", b"fifo", b"z", b"\xff\xfe",
    ]  # fmt: skip
    assert names[1:] == sorted(names[1:])
    found = {member.path: (member, content) for member, content in parts(data)}
    first, content = found[b"a/hard"]
    assert (first.type, content, first.mode, first.mtime_ns) == (
        "file",
        b"z",
        0o2640,
        1_234_567_890_987_654_321,
    )
    assert (found[b"z"][0].type, found[b"z"][0].linkname) == ("hardlink", b"a/hard")
    assert found[b"a/symlink"][0].linkname == b"../../etc/passwd"
    assert found[b"fifo"][0].type == "fifo"
    assert found[b""][0].mtime_ns == tree.stat().st_mtime_ns
    assert found[b"a/x"][0].uid == os.getuid()


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    subprocess.run(["cp", "-a", str(tree), str(copy)], check=True)
    assert read(copy) == read(tree) == read(tree)


def test_a_path_may_be_bytes_or_a_symlink(tree: Path, tmp_path: Path) -> None:
    os.symlink(tree, tmp_path / "latest")
    assert read(tmp_path / "latest") == read(tree) == b"".join(read_directory(os.fsencode(tree)))


def test_an_empty_directory(tmp_path: Path) -> None:
    assert listed(read(tmp_path)) == [b"./"]


@pytest.mark.skipif(not shutil.which("tar"), reason="needs tar")
def test_gnu_tar_and_tarfile_understand_the_stream(tree: Path, tmp_path: Path) -> None:
    data = read(tree)
    out = tmp_path / "out"
    out.mkdir()
    subprocess.run(["tar", "-x", "-p", "-C", str(out)], input=data, check=True)
    assert read(out) == data
    shown = subprocess.run(["tar", "-t", "--quoting-style=literal"], input=data, capture_output=True, check=True)
    assert shown.stdout.split(b"\n")[:-1] == listed(data)
    with tarfile.open(fileobj=io.BytesIO(data)) as judge:
        assert len(judge.getmembers()) == len(listed(data))


# Holes


def holey(path: Path, *data: tuple[int, int], size: int) -> bool:
    """A file with data only at (offset, length); False if the file system makes no holes."""
    with path.open("wb") as file:
        for offset, length in data:
            file.seek(offset)
            file.write(b"d" * length)
        file.truncate(size)
        try:
            return os.lseek(file.fileno(), 0, os.SEEK_HOLE) < size
        except OSError:
            return False


@pytest.mark.parametrize(
    ("data", "size"),
    [
        (((1 << 20, 8192),), 4 << 20),
        ((), 1 << 20),
        (((0, 4096), (65536, 100)), 65636),
        (((0, 4096),), 1 << 33),
    ],
)
def test_holes_are_kept(tmp_path: Path, data: tuple[tuple[int, int], ...], size: int) -> None:
    if not holey(tmp_path / "pages-1.img", *data, size=size):
        pytest.skip("no holes here")
    member, content = parts(read(tmp_path))[1]
    assert member.sparse is not None
    assert member.real_size == size
    for offset, length in data:
        assert any(at <= offset and offset + length <= at + long for at, long in member.sparse)
    assert member.size == len(content) < 1 << 17


def test_a_file_without_holes_is_no_sparse_member(tmp_path: Path) -> None:
    (tmp_path / "full").write_bytes(bytes(1 << 20))
    member, content = parts(read(tmp_path))[1]
    assert member.sparse is None
    assert content == bytes(1 << 20)
    assert not any(key.startswith(b"GNU") for key, _ in member.pax)


def test_more_runs_than_a_map_may_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spots = tuple((at * 65536, 4096) for at in range(6))
    if not holey(tmp_path / "f", *spots, size=6 * 65536):
        pytest.skip("no holes here")
    monkeypatch.setattr("objref.archive.directory.RUNS_MAX", 4)
    member, content = parts(read(tmp_path))[1]
    assert member.sparse is not None
    assert len(member.sparse) == 4
    assert member.sparse[-1] == (3 * 65536, 3 * 65536)
    assert content.count(b"d") == 6 * 4096


# What cannot be kept, or read


def test_a_socket_is_reported_and_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket")
        skips = Skips()
        assert listed(read(tmp_path, on_skip=skips)) == [b"./"]
        assert [name for name, _ in skips] == [b"socket"]
        assert "socket" in skips[0][1]
        with pytest.raises(SourceError, match="socket"):
            read(tmp_path)


def test_an_unreadable_file_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open

    def refusing(path: object, *args: object, **options: object) -> int:
        if path == b"deep":
            raise PermissionError(13, "Permission denied")
        return real(path, *args, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(SourceError, match="'a/deep': Permission denied"):
        read(tree)


def test_no_such_directory(tmp_path: Path) -> None:
    for path in (tmp_path / "missing", tmp_path / "file"):
        (tmp_path / "file").write_text("")
        with pytest.raises(SourceError, match=path.name):
            read(path)


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root")
def test_devices_are_never_opened(tmp_path: Path) -> None:
    try:
        os.mknod(tmp_path / "dev", 0o60600, os.makedev(250, 77))
    except PermissionError:
        pytest.skip("no device nodes here")
    member, _ = parts(read(tmp_path))[1]
    assert (member.type, member.devmajor, member.devminor) == ("blockdev", 250, 77)


# What changes while it is read


def until(pieces: Iterator[bytes], name: bytes) -> None:
    """Read until the header of that member has come, and no further."""
    for piece in pieces:
        if name in piece:
            return
    raise AssertionError("not found")


def grow(path: Path) -> None:
    with path.open("ab") as file:
        file.write(b"more")


def shrink(path: Path) -> None:
    os.truncate(path, 5 << 18)


def rewrite(path: Path) -> None:
    with path.open("r+b") as file:
        file.write(b"other")
    os.utime(path, ns=(0, 0))


@pytest.mark.parametrize(("change", "words"), [(grow, "went from"), (shrink, "shrank"), (rewrite, "written to")])
def test_a_file_that_changes_is_an_error(tmp_path: Path, change: Callable[[Path], None], words: str) -> None:
    (tmp_path / "pages-1.img").write_bytes(b"p" * (3 << 20))
    pieces = read_directory(tmp_path)
    until(pieces, b"pages-1.img")
    change(tmp_path / "pages-1.img")
    with pytest.raises(SourceError, match=f"'pages-1.img'.*{words}"):
        list(pieces)


def test_a_file_added_to_a_directory_is_an_error(tree: Path) -> None:
    pieces = read_directory(tree)
    until(pieces, b"a/deep")
    (tree / "late").write_text("late")
    os.utime(tree, ns=(5, 5))
    with pytest.raises(SourceError, match=r"'\./': the directory changed"):
        list(pieces)


def test_a_file_removed_is_an_error(tree: Path) -> None:
    pieces = read_directory(tree)
    until(pieces, b"a/deep")
    (tree / "a" / "x").unlink()
    with pytest.raises(SourceError, match="'a/x': No such file"):
        list(pieces)


def test_a_folder_swapped_for_a_symlink_is_not_followed(tree: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    pieces = read_directory(tree)
    until(pieces, b"a-b")
    (tree / "a").rename(tmp_path / "moved")
    os.symlink(secret, tree / "a")
    with pytest.raises(SourceError, match="'a/'"):
        list(pieces)


def test_a_file_swapped_for_a_symlink_is_kept_as_one_or_refused(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.lstat

    def swapping(path: object, **options: object) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type]
        if path == b"x":
            (tree / "a" / "x").unlink()
            os.symlink("/etc/passwd", tree / "a" / "x")
        return found

    monkeypatch.setattr(os, "lstat", swapping)
    with pytest.raises(SourceError, match="'a/x'"):
        read(tree)


@pytest.mark.parametrize("make", [Path.touch, os.mkfifo])
def test_a_file_swapped_for_another_or_a_fifo_is_refused(
    tree: Path, monkeypatch: pytest.MonkeyPatch, make: Callable[[Path], None]
) -> None:
    real = os.lstat

    def swapping(path: object, **options: object) -> os.stat_result:
        found = real(path, **options)  # type: ignore[arg-type]
        if path == b"x":
            (tree / "a" / "x").rename(tree / "a" / "y")
            make(tree / "a" / "x")
        return found

    monkeypatch.setattr(os, "lstat", swapping)
    with pytest.raises(SourceError, match="'a/x': another file took its place"):
        read(tree)


def test_a_folder_moved_away_cannot_lead_the_walk_elsewhere(tree: Path, tmp_path: Path) -> None:
    pieces = read_directory(tree)
    until(pieces, b"a/deep")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tree / "a").rename(elsewhere / "a")
    with pytest.raises(SourceError, match="'a/': the directory was moved"):
        list(pieces)


def test_deeper_than_recursion_descriptors_and_paths_go(tmp_path: Path) -> None:
    depth = 2500
    fd = os.open(tmp_path, os.O_RDONLY)
    for _ in range(depth):
        os.mkdir("d", dir_fd=fd)
        below = os.open("d", os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = below
    os.close(fd)
    count = sum(piece.count(b"ustar\x0000") for piece in read_directory(tmp_path))
    assert count > depth
    subprocess.run(["rm", "-rf", str(tmp_path / "d")], check=True)


def test_no_descriptor_is_left_open(tree: Path) -> None:
    before = descriptors()
    read(tree)
    pieces = read_directory(tree)
    until(pieces, b"a/deep")
    pieces.close()  # type: ignore[attr-defined]
    with pytest.raises(UsageError):
        read(tree, only=[b"../x"])
    with pytest.raises(SourceError):
        read(tree, only=[b"a/symlink"])
    assert descriptors() == before


# Chains of parents


@pytest.fixture
def dumps(tmp_path: Path) -> Path:
    """dumps/3 -> 2 -> 1, and something else beside them."""
    top = tmp_path / "dumps"
    for name in ("1", "2", "3", "other"):
        (top / name).mkdir(parents=True)
        (top / name / "core-1.img").write_text(name)
    os.symlink("../2", top / "3" / "parent")
    os.symlink("../1/", top / "2" / "parent")
    return top


def test_a_chain_is_taken_as_a_whole(dumps: Path) -> None:
    root, names = image_roots(dumps / "3")
    assert (root, names) == (dumps, [b"3", b"2", b"1"])
    assert listed(read(root, only=names)) == [
        b"1/", b"1/core-1.img", b"2/", b"2/core-1.img", b"2/parent", b"3/", b"3/core-1.img", b"3/parent",
    ]  # fmt: skip


def test_hard_links_across_a_chain(dumps: Path) -> None:
    os.link(dumps / "1" / "core-1.img", dumps / "3" / "same.img")
    root, names = image_roots(dumps / "3")
    (member,) = [member for member, _ in parts(read(root, only=names)) if member.name == b"3/same.img"]
    assert (member.type, member.linkname) == ("hardlink", b"1/core-1.img")


def test_no_parent(dumps: Path, tmp_path: Path) -> None:
    assert image_roots(dumps / "1") == (dumps / "1", [])
    os.symlink(dumps / "1", tmp_path / "latest")
    assert image_roots(tmp_path / "latest") == (dumps / "1", [])


def test_a_root_may_be_wider(dumps: Path, tmp_path: Path) -> None:
    old = tmp_path / "old" / "0"
    old.mkdir(parents=True)
    os.symlink("../../old/0", dumps / "1" / "parent")
    skips = Skips()
    assert image_roots(dumps / "3", on_skip=skips)[1] == [b"3", b"2", b"1"]
    assert skips[0][0] == b"1/parent"
    assert "outside" in skips[0][1]
    root, names = image_roots(dumps / "3", tmp_path)
    assert (root, names) == (tmp_path, [b"dumps/3", b"dumps/2", b"dumps/1", b"old/0"])
    assert b"old/0/" in listed(read(root, only=names))
    with pytest.raises(UsageError, match="does not lie inside"):
        image_roots(tmp_path / "old", dumps)


def test_a_parent_inside_the_child_is_read_once(dumps: Path) -> None:
    (dumps / "1" / "older").mkdir()
    os.symlink("older", dumps / "1" / "parent")
    root, names = image_roots(dumps / "1")
    assert names == [b"1", b"1/older"]
    assert listed(read(root, only=names)) == [b"1/", b"1/core-1.img", b"1/older/", b"1/parent"]


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("/var/lib/dumps/0", "absolute"),
        ("../../elsewhere", "outside"),
        ("../../dumps/other", "outside"),
        ("../../../../../../..", "outside"),
        ("..", "folder that holds"),
        ("../missing", "no directory"),
        ("core-1.img", "no directory"),
        ("../link", "another symlink"),
        ("../link/../other", "another symlink"),
    ],
)
def test_a_parent_link_that_is_not_followed_is_kept_and_reported(dumps: Path, target: str, words: str) -> None:
    (dumps.parent / "elsewhere" / "below").mkdir(parents=True)
    os.symlink("../elsewhere/below", dumps / "link")
    os.symlink(target, dumps / "1" / "parent")
    skips = Skips()
    assert image_roots(dumps / "1", on_skip=skips) == (dumps / "1", [])
    ((name, reason),) = skips
    assert name == b"parent"
    assert words in reason
    assert target in reason
    assert b"parent" in listed(read(dumps / "1"))
    with pytest.raises(SourceError, match=words):
        image_roots(dumps / "1")


def test_cycles(dumps: Path) -> None:
    os.symlink("../3", dumps / "1" / "parent")
    with pytest.raises(FormatError, match="cycle"):
        image_roots(dumps / "3")
    os.symlink(".", dumps / "other" / "parent")
    with pytest.raises(FormatError, match="cycle"):
        image_roots(dumps / "other")


def test_a_chain_has_a_limit(dumps: Path) -> None:
    limits = DEFAULT._replace(parents=2)
    assert len(image_roots(dumps / "3", limits=limits)[1]) == 3
    with pytest.raises(LimitError, match="more than 1"):
        image_roots(dumps / "3", limits=DEFAULT._replace(parents=1))
