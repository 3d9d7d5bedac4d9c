"""Making an index: killed, failing or out of room at every step leaves the old one or nothing; the map grows."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import lmdb
import pytest
from samples import answers, folder_listing, small_events
from sidecar.making import in_child, streams, write_beside

import objref
from objref.sidecar.layout import SUFFIX
from objref_index.tree import build

CALLS = ("open", "write", "fsync", "link", "replace", "rename", "unlink", "close", "fchmod", "ftruncate", "lseek")
TREE = dict(streams())["tree.tar"]


class Counter:
    """Stands before system calls and LMDB's, and acts at the n-th. Mutable."""

    def __init__(self, patch: pytest.MonkeyPatch, act: Callable[[], None], at: int) -> None:
        self.count = 0
        self._act, self._at = act, at
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))
        patch.setattr(lmdb, "open", self._wrapped(lmdb.open))
        patch.setattr(build, "_append", self._wrapped(build._append))
        patch.setattr(build, "_built", self._wrapped(build._built))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                self._act()
            return call(*arguments, **more)

        return counted


def make(path: Path, replace: bool) -> None:
    write_beside(path, list(small_events()), replace=replace)


def calls_of(path: Path) -> int:
    with pytest.MonkeyPatch.context() as patch:
        counter = Counter(patch, lambda: None, 0)
        make(path, False)
        return counter.count


def whole(path: Path) -> dict[str, Any]:
    with objref.open(path) as image:
        return answers(image)


@pytest.mark.parametrize("replace", [False, True])
def test_killed_at_every_call(tmp_path: Path, replace: bool) -> None:
    (tmp_path / "counted").mkdir()
    count, truth = calls_of(tmp_path / "counted" / "small"), whole(tmp_path / "counted" / "small")
    folder = tmp_path / "here"
    folder.mkdir()
    path, old = folder / "small", (tmp_path / "counted" / f"small{SUFFIX}").read_bytes()
    seen = set()
    for n in range(1, count + 1):
        for name in folder_listing(folder):
            os.unlink(folder / name)
        if replace:
            (folder / f"small{SUFFIX}").write_bytes(old)

        def killed(n: int = n) -> None:
            with pytest.MonkeyPatch.context() as patch:
                Counter(patch, lambda: os.kill(os.getpid(), signal.SIGKILL), n)
                make(path, replace)

        assert in_child(killed) & 0x7F == signal.SIGKILL or replace
        names = folder_listing(folder)
        if f"small{SUFFIX}" in names:
            assert whole(path) == truth
        seen.add(f"small{SUFFIX}" in names)
        strays = [name for name in names if name not in ("small", f"small{SUFFIX}")]
        assert all(name.endswith(".partial") for name in strays)
        assert len(strays) <= 1
    assert seen == ({True} if replace else {False, True})


@pytest.mark.parametrize(
    "failure", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt(), MemoryError(), lmdb.DiskError()]
)
def test_failing_at_every_call_leaves_no_partial_file(tmp_path: Path, failure: BaseException) -> None:
    (tmp_path / "counted").mkdir()
    count = calls_of(tmp_path / "counted" / "small")
    folder = tmp_path / "here"
    folder.mkdir()
    path = folder / "small"

    def fail() -> None:
        raise failure

    for n in range(1, count + 1):
        for name in folder_listing(folder):
            os.unlink(folder / name)
        error: BaseException | None = None
        with pytest.MonkeyPatch.context() as patch:
            Counter(patch, fail, n)
            try:
                make(path, False)
            except (objref.SourceError, KeyboardInterrupt, MemoryError, OSError, lmdb.Error) as caught:
                error = caught
        assert folder_listing(folder) in (["small"], ["small", f"small{SUFFIX}"]), (n, error)
        if "nothing was left" in str(error):
            assert folder_listing(folder) == ["small"]


LIMITED = """
import resource, signal, sys, objref
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    objref.index_file(sys.argv[1])
except objref.SourceError as error:
    print(error)
    sys.exit(error.exit_code)
"""


@pytest.mark.parametrize("room", [0, 50, 4096, 8192, 10_000, 20_000, 24_000, 30_000])
def test_a_file_that_may_not_grow(tmp_path: Path, room: int) -> None:
    (tmp_path / "tree.tar").write_bytes(TREE)
    command = [sys.executable, "-c", LIMITED, str(tmp_path / "tree.tar"), str(room)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 7, done.stderr
    assert re.search("File too large|cannot write the tree: .*bytes free", done.stdout)
    assert "nothing was left" in done.stdout
    assert folder_listing(tmp_path) == ["tree.tar"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the stream and a part of its index."""
    folder = tmp_path / "disk"
    folder.mkdir()
    size = len(TREE) + (20 << 10)
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full(small_disk: Path) -> None:
    (small_disk / "tree.tar").write_bytes(TREE)
    with pytest.raises(objref.SourceError, match=r"(No space left on device|[(]0 bytes free).*; nothing was left"):
        objref.index_file(small_disk / "tree.tar")
    assert folder_listing(small_disk) == ["tree.tar"]


def test_a_map_that_is_too_small_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_beside(tmp_path / "right", list(small_events(900)))
    monkeypatch.setattr(build, "MAP_SIZE", 16384)
    monkeypatch.setattr(build, "BYTES_PER_ENTRY", 0)
    monkeypatch.setattr(build, "TRANSACTION", 200)
    write_beside(tmp_path / "small", list(small_events(900)))
    assert whole(tmp_path / "small") == whole(tmp_path / "right")


def test_transactions_and_batches_that_cut_repeated_keys(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_beside(tmp_path / "right", list(small_events(40)))
    truth = whole(tmp_path / "right")
    for transaction, batch in ((1, 1), (2, 1), (3, 2), (7, 3)):
        monkeypatch.setattr(build, "TRANSACTION", transaction)
        monkeypatch.setattr(build, "BATCH", batch)
        write_beside(tmp_path / "small", list(small_events(40)), replace=True)
        assert whole(tmp_path / "small") == truth


def test_two_at_once_the_second_is_told(tmp_path: Path) -> None:
    path = tmp_path / "tree.tar"
    path.write_bytes(TREE)

    def other(_: int) -> None:
        if not Path(f"{path}{SUFFIX}").exists():
            Path(f"{path}{SUFFIX}").write_bytes(b"of another")

    with pytest.raises(objref.UsageError, match="appeared while it was written"):
        objref.index_file(path, progress=other)
    assert Path(f"{path}{SUFFIX}").read_bytes() == b"of another"
