"""No room: the import says so and leaves nothing behind."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from samples import SAMPLE, folder_listing

import objref
from objref.container.output import LARGE, Output

LIMITED = """
import resource, signal, sys, objref
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
try:
    objref.import_image(sys.argv[1], sys.argv[2], replace=True)
except objref.SourceError as error:
    print(error)
    sys.exit(error.exit_code)
"""


def limited(source: Path, image: Path, room: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", LIMITED, str(source), str(image), str(room)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("room", [0, 50, 4096, 60_000])
def test_a_file_that_may_not_grow(tmp_path: Path, room: int) -> None:
    image = tmp_path / "x.objref"
    image.write_bytes(b"the old one")
    done = limited(SAMPLE, image, room)
    assert done.returncode == 7, done.stderr
    assert "File too large" in done.stdout
    assert "nothing was left" in done.stdout
    assert folder_listing(tmp_path) == ["x.objref"]
    assert image.read_bytes() == b"the old one"


def test_with_room_enough_the_same_command_works(tmp_path: Path) -> None:
    done = limited(SAMPLE, tmp_path / "x.objref", 1 << 30)
    assert done.returncode == 0, done.stderr
    assert folder_listing(tmp_path) == ["x.objref"]


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """A file system of 64 KiB."""
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", folder], capture_output=True, check=False
        )
        if made.returncode:
            pytest.skip("cannot mount a tmpfs here")
        try:
            yield Path(folder)
        finally:
            subprocess.run(["umount", folder], check=True)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")
def test_a_disk_that_is_full(small_disk: Path) -> None:
    with pytest.raises(objref.SourceError, match=r"cannot write after .*No space left on device; nothing was left"):
        objref.import_image(SAMPLE, small_disk / "x.objref")
    assert folder_listing(small_disk) == []


def test_a_device_that_is_always_full(tmp_path: Path) -> None:
    image = tmp_path / "x.objref"
    objref.import_image(SAMPLE, image)
    with (
        objref.open(image) as opened,
        open("/dev/full", "wb", buffering=0) as full,
        pytest.raises(objref.SourceError, match="No space left"),
    ):
        opened.export(full)


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(objref.SourceError, match="cannot be created: No such file"):
        objref.import_image(SAMPLE, tmp_path / "nowhere" / "x.objref")


def test_an_image_path_that_is_a_folder(tmp_path: Path) -> None:
    with pytest.raises(objref.UsageError, match="is a directory"):
        objref.import_image(SAMPLE, tmp_path)


def test_a_disk_that_is_full_when_a_thread_writes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error comes with what is done next, whatever that is; and nothing is left."""

    def full(fd: int, parts: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    then: list[Callable[[Output], object]] = [
        lambda o: o.write(b"x"), lambda o: o.write_all([b"x"]), lambda o: o.read(3, 9), Output.commit, Output.source,
    ]  # fmt: skip
    monkeypatch.setattr(os, "writev", full)
    for act in then:
        with Output(tmp_path / "x") as output:
            output.write(b"abc")
            output.write_all([bytes(LARGE)])
            assert output.position == 3 + LARGE
            with pytest.raises(objref.SourceError, match=r"cannot write after 3 bytes: No space left on device"):
                act(output)
        assert folder_listing(tmp_path) == []
