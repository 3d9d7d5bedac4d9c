"""Killed, or failing, at every single system call: the old image or the new one, whole, and nothing between."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from samples import answers, folder_listing, small_events, write_events

import objref
from objref.container.output import Output
from objref.container.writer import Options

CALLS = ("open", "write", "fsync", "link", "replace", "rename", "unlink", "close", "fchmod")
OPTIONS = Options(codec="raw", block_log2=12, page_block_log2=12)
Act = Callable[[], None]


class Counter:
    """Stands before system calls and acts at the n-th. Mutable."""

    def __init__(self, patch: pytest.MonkeyPatch, act: Act, at: int) -> None:
        self.count = 0
        self._act, self._at = act, at
        for name in CALLS:
            patch.setattr(os, name, self._wrapped(getattr(os, name)))

    def _wrapped(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any, **more: Any) -> Any:
            self.count += 1
            if self.count == self._at:
                self._act()
            return call(*arguments, **more)

        return counted


def write(path: Path, items: int, replace: bool) -> None:
    write_events(path, list(small_events(items)), OPTIONS, replace)


def calls_of(path: Path, replace: bool) -> int:
    """How many system calls one write makes."""
    with pytest.MonkeyPatch.context() as patch:
        counter = Counter(patch, lambda: None, 0)
        write(path, 9, replace)
        return counter.count


def killed_at(n: int, path: Path, replace: bool) -> bool:
    """Write in a child that kills itself at its n-th call. Returns whether it was killed."""
    child = os.fork()
    if child == 0:
        try:
            with pytest.MonkeyPatch.context() as patch:
                Counter(patch, lambda: os.kill(os.getpid(), signal.SIGKILL), n)
                write(path, 9, replace)
        finally:
            os._exit(0)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def whole(path: Path) -> dict[str, Any]:
    with objref.open(path) as image:
        return answers(image)


@pytest.mark.parametrize("replace", [False, True])
def test_killed_at_every_call(tmp_path: Path, replace: bool) -> None:
    old, new, path = tmp_path / "old", tmp_path / "new", tmp_path / "here" / "x.objref"
    write(old, 3, False)
    write(new, 9, False)
    before, after = whole(old), whole(new)
    path.parent.mkdir()
    count = calls_of(tmp_path / "counted", False)
    seen = set()
    for n in range(1, count + 2):
        for name in folder_listing(path.parent):
            os.unlink(path.parent / name)
        if replace:
            path.write_bytes(old.read_bytes())
        killed = killed_at(n, path, replace)
        assert killed == (n <= count) or replace
        if path.exists():
            found = whole(path)
            assert found in (before, after) if replace else found == after
            seen.add("new" if found == after else "old")
        else:
            assert not replace
            seen.add("nothing")
        strays = [name for name in folder_listing(path.parent) if name != "x.objref"]
        assert all(name.endswith(".partial") for name in strays)
        assert len(strays) <= 1
    assert seen == ({"old", "new"} if replace else {"nothing", "new"})


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("failure", [OSError(errno.EIO, "I/O error"), KeyboardInterrupt(), MemoryError()])
def test_failing_at_every_call_leaves_no_partial_file(tmp_path: Path, replace: bool, failure: BaseException) -> None:
    old, new, path = tmp_path / "old", tmp_path / "new", tmp_path / "here" / "x.objref"
    write(old, 3, False)
    write(new, 9, False)
    before, after = old.read_bytes(), new.read_bytes()
    path.parent.mkdir()

    def fail() -> None:
        raise failure

    for n in range(1, calls_of(tmp_path / "counted", False) + 1):
        path.unlink(missing_ok=True)
        if replace:
            path.write_bytes(before)
        error: BaseException | None = None
        with pytest.MonkeyPatch.context() as patch:
            Counter(patch, fail, n)
            try:
                write(path, 9, replace)
            except (objref.SourceError, KeyboardInterrupt, MemoryError) as caught:
                error = caught
        content = path.read_bytes() if path.exists() else None
        assert content in ((before, after) if replace else (None, after)), n
        assert folder_listing(path.parent) in ([], ["x.objref"]), (n, error)
        if "nothing was left" in str(error):
            assert content == (before if replace else None), n


def test_a_folder_that_cannot_be_synced_is_not_a_failed_import(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some file systems only sync files; a folder may be writable and not readable."""
    real = os.open

    def closed(path: Any, flags: int, *more: Any, **other: Any) -> int:
        if flags & os.O_DIRECTORY:
            raise PermissionError(errno.EACCES, "no")
        return real(path, flags, *more, **other)

    monkeypatch.setattr(os, "open", closed)
    write(tmp_path / "x.objref", 3, False)
    assert folder_listing(tmp_path) == ["x.objref"]


def test_a_folder_that_fails_to_sync_is_reported_as_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By then the image has its name, so `nothing was left` would be a lie."""
    real, seen = os.fsync, []

    def failing(fd: int) -> None:
        seen.append(fd)
        if len(seen) == 2:
            raise OSError(errno.EIO, "I/O error")
        real(fd)

    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(objref.SourceError, match="whole and in place"):
        write(tmp_path / "x.objref", 3, False)
    assert folder_listing(tmp_path) == ["x.objref"]


def test_a_file_system_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    write(tmp_path / "x.objref", 3, False)
    assert folder_listing(tmp_path) == ["x.objref"]


def test_what_is_read_back_in_parts_is_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A short read once went into the checks of a sidecar's tree: an index that was done, and useless."""
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: real(fd, (length + 1) // 2, offset))
    with Output(tmp_path / "x") as output:
        output.write(b"0123456789")
        assert output.read(2, 7) == b"2345678"
        assert output.read(8, 7) == b"89"
