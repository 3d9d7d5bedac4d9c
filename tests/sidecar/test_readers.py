"""Many readers at once: threads, processes, after a fork, while the index is made again, where nothing can be written."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import subprocess
import sys
import threading
import weakref
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from samples import answers, questions, small_events
from sidecar.making import in_child, streams, write_beside

import objref
from objref.sidecar import checked, layout

TREE = dict(streams())["tree.tar"]


@pytest.fixture
def small(tmp_path: Path) -> Path:
    path = tmp_path / "small"
    write_beside(path, list(small_events(50)))
    return path


def whole(path: Path, access: str = "map") -> dict[str, Any]:
    with objref.open(path, access=access) as image:
        return answers(image)


def call(ask: Any, image: objref.Image) -> Any:
    return ask(image)


@pytest.mark.parametrize("access", ["map", "pread"])
def test_every_question_from_many_threads(small: Path, access: str) -> None:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        truth = whole(small)
        for _ in range(3):  # the first touch of everything is the race
            with objref.open(small, access=access) as image, ThreadPoolExecutor(6) as pool:
                asked = questions(image)
                said = list(pool.map(call, [*asked.values()] * 2, [image] * 2 * len(asked)))
                assert said == [truth[name] for name in asked] * 2
    finally:
        sys.setswitchinterval(before)


def test_one_sidecar_open_many_times_in_a_process(small: Path) -> None:
    """LMDB forbids to open a file twice in a process; images that are opened twice share what is open."""
    truth = whole(small)
    images = [objref.open(small) for _ in range(5)]
    for image in images[:4]:
        assert image["item"][11] == truth["0/item[11] bytes"]
    for image in images[:3]:
        image.close()
    assert images[3]["item"][12] == images[4]["item"][12] == truth["0/item[12] bytes"]
    for image in images:
        image.close()
    gc.collect()
    assert whole(small) == truth


def test_a_closed_image_says_so(small: Path) -> None:
    image = objref.open(small, access="map")
    items = image["item"]
    assert items[11]
    image.close()
    image.close()
    for ask in (lambda: items[11], lambda: items.object(12), lambda: list(items), lambda: image["thing"][5]):
        with pytest.raises(objref.UsageError, match="the image was closed"):
            ask()


def test_closing_while_others_read(small: Path) -> None:
    """They get an answer or the error, and nobody's map is taken away."""

    def work() -> None:
        for _ in range(30):
            image = objref.open(small, access="map")
            items, started = image["item"], threading.Barrier(4)

            def read(items: objref.Space = items, started: threading.Barrier = started) -> None:
                started.wait()
                try:
                    while True:
                        assert items[11].startswith(b"item 1 of")
                except objref.UsageError:
                    pass

            threads = [threading.Thread(target=read) for _ in range(3)]
            for thread in threads:
                thread.start()
            started.wait()
            image.close()
            for thread in threads:
                thread.join(60)
                assert not thread.is_alive()

    assert in_child(work) == 0


def test_a_forked_child_opens_its_own(small: Path) -> None:
    truth = whole(small)
    with objref.open(small, access="map") as image:
        items = image["item"]
        with ThreadPoolExecutor(2) as pool:  # other threads have transactions of their own
            assert list(pool.map(items.__getitem__, range(10, 60)))
            parents = weakref.ref(items._keys.tree.local)  # type: ignore[attr-defined]

            def child() -> None:
                assert items[11] == truth["0/item[11] bytes"]
                assert parents() is not items._keys.tree.local  # type: ignore[attr-defined]
                assert [o.ordinal for o in items.objects()] == truth["0/item objects"]
                assert whole(small) == truth  # and again, from the name

            assert [in_child(child) for _ in range(3)] == [0, 0, 0]
        assert items[12] == truth["0/item[12] bytes"]


def test_many_processes(small: Path) -> None:
    code = "import sys, objref; image = objref.open(sys.argv[1]); print(sum(map(len, image['item'].values())))"
    readers = [
        subprocess.Popen([sys.executable, "-c", code, str(small)], stdout=subprocess.PIPE, text=True) for _ in range(6)
    ]
    said = {reader.communicate(timeout=60)[0] for reader in readers}
    assert len(said) == 1
    assert {reader.returncode for reader in readers} == {0}


def test_made_again_while_it_is_read(tmp_path: Path) -> None:
    """Who has it open keeps what he opened; who opens it finds the old one or the new one, whole."""
    path = tmp_path / "tree.tar"
    path.write_bytes(TREE)
    objref.index_file(path)
    held = objref.open(path)
    task, stop, wrong = held["task"][100], threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                with objref.open(path) as image:
                    assert image["task"][100] == task
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(10):
        objref.index_file(path, replace=True)
        assert held["task"][100] == task
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    held.close()


@pytest.fixture
def sealed(tmp_path: Path) -> Iterator[Path]:
    """A folder with a stream and its sidecar where nobody, not even root, can write."""
    folder = tmp_path / "sealed"
    folder.mkdir()
    root = os.geteuid() == 0
    if root and subprocess.run(["mount", "-t", "tmpfs", "tmpfs", folder], capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a tmpfs here")
    try:
        write_beside(folder / "small", list(small_events()))
        if root:
            subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
        else:
            folder.chmod(0o500)
        yield folder
    finally:
        if root:
            subprocess.run(["umount", folder], check=True)
        else:
            folder.chmod(0o700)


def test_a_folder_that_cannot_be_written(sealed: Path) -> None:
    """No lock file is made, none is looked for."""
    with pytest.raises(OSError, match=r"Read-only|denied"):
        (sealed / "more").touch()
    for access in ("map", "pread"):
        assert whole(sealed / "small", access)["0/item[11] bytes"].startswith(b"item 1 of")
    assert sorted(os.listdir(sealed)) == ["small", "small.objref-index"]


def test_what_others_may_write_to_is_read_through_sealed_memory(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mapped file that shrinks kills whoever reads it: here it shrinks while it is read."""
    truth, beside = whole(small), Path(f"{small}{layout.SUFFIX}")
    beside.chmod(0o666)

    def work() -> None:
        with objref.open(small, access="map") as image:
            assert image["item"][11] == truth["0/item[11] bytes"]
            os.truncate(beside, 0)
            items = image["item"]
            assert [items[key] for key in range(10, 60)] == [truth[f"0/item[{key}] bytes"] for key in range(10, 60)]

    assert in_child(work) == 0


def test_a_tree_too_large_to_copy(small: Path) -> None:
    Path(f"{small}{layout.SUFFIX}").chmod(0o622)
    with (
        pytest.raises(
            objref.LimitError, match=r"others may write to it, .* too large to copy, limit 4096: make your own"
        ),
        objref.open(small, limits=objref.Limits(tree=4096)) as image,
    ):
        image["item"][11]


def test_memory_that_is_sealed_cannot_change(small: Path) -> None:
    with objref.open(small) as image:
        source, length = image.container._beside, image.container._ending.tree  # type: ignore[attr-defined]
        checks = memoryview(image.container.table("tree checks")).cast("Q")
        fd = checked._sealed(checked._parts(source, length, checks), "x")
    try:
        for change in (lambda: os.pwrite(fd, b"x", 0), lambda: os.ftruncate(fd, 0), lambda: os.ftruncate(fd, 1 << 20)):
            with pytest.raises(PermissionError):
                change()
        assert stat.S_ISREG(os.fstat(fd).st_mode)
    finally:
        os.close(fd)


def test_the_sidecar_alone_copied_to_a_place_without_rights(small: Path, tmp_path: Path) -> None:
    """A stream of others, not mapped: every block is compared each time it is read."""
    truth = whole(small)
    shared = tmp_path / "shared"
    shared.mkdir()
    for path in (small, Path(f"{small}{layout.SUFFIX}")):
        shutil.copy(path, shared)
    (shared / "small").chmod(0o666)
    with objref.open(shared / "small") as image:
        assert type(image["item"]).__name__ == "Space"
        assert answers(image) == truth
