"""A file that gets shorter while it is read: an error where it is read, the end of the process where it is mapped."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from samples import small_events, small_image
from sidecar.making import in_child, write_beside

import objref


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "x.objref"
    path.write_bytes(small_image("raw"))
    return path


def read_all(opened: objref.Image) -> None:
    for _ in opened.stream():
        pass


def shortened(path: Path, access: str, by: Path | None = None) -> Callable[[], None]:
    """Open, shorten to nothing, read all of it: an error of ours is what is hoped for."""

    def work() -> None:
        with objref.open(path, access=access) as opened:
            assert len(opened) > 0
            read_all(opened)
            os.truncate(by or path, 0)
            with pytest.raises(objref.ObjrefError, match=r"wanted|has|changed"):
                read_all(opened)

    return work


def test_what_is_read_is_an_error(image: Path) -> None:
    shortened(image, "pread")()


def test_what_is_mapped_ends_the_process(image: Path) -> None:
    """Why `access="map"` is for files that nobody shortens, and why the command line never maps an image."""
    status = in_child(shortened(image, "map"))
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGBUS


def test_what_was_not_mapped_yet_is_an_error(image: Path) -> None:
    """The first reads are no reason for a map."""
    with objref.open(image, access="map") as opened:
        os.truncate(image, 0)
        with pytest.raises(objref.TruncatedError, match=r"wanted|now it has 0"):
            read_all(opened)


def test_what_others_may_write_to_is_not_mapped_unasked(image: Path) -> None:
    image.chmod(0o666)
    assert in_child(shortened(image, "auto")) == 0


def test_a_stream_with_an_index_beside_it(tmp_path: Path) -> None:
    write_beside(tmp_path / "x", list(small_events()))
    assert in_child(shortened(tmp_path / "x", "pread")) == 0


def ask_tree(path: Path, beside: Path) -> Callable[[], None]:
    def work() -> None:
        with objref.open(path, access="pread") as opened:
            for key in range(10, 30):  # the first few are answered without LMDB
                assert opened[f"item:{key}"].size > 0
            os.truncate(beside, 0)
            for key in range(10, 400):
                assert opened[f"item:{key}"].size > 0

    return work


def test_the_tree_of_an_index_is_mapped_where_only_we_can_write(tmp_path: Path) -> None:
    """LMDB maps, so who shortens his own index ends his own process; what others may write to was copied before."""
    beside = write_beside(tmp_path / "x", list(small_events(400)))
    status = in_child(ask_tree(tmp_path / "x", beside))
    assert os.WIFSIGNALED(status)
    assert os.WTERMSIG(status) == signal.SIGBUS


def test_the_tree_of_an_index_that_others_may_write_to_is_a_copy(tmp_path: Path) -> None:
    beside = write_beside(tmp_path / "x", list(small_events()))
    beside.chmod(0o666)

    def work() -> None:
        with objref.open(tmp_path / "x", access="pread") as opened:
            keys = list(opened["item"])
            os.truncate(beside, 0)
            assert list(opened["item"]) == keys

    assert in_child(work) == 0
