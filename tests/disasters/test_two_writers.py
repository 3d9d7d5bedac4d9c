"""Two imports to one name, a reader while a writer works, a file that shrinks under its reader, rights."""

from __future__ import annotations

import errno
import io
import multiprocessing
import os
import stat
import threading
from pathlib import Path
from typing import Any

import pytest
from samples import answers, deceived, folder_listing, questions, small_events, small_image, write_events

import objref
from objref.container.output import Output
from objref.errors import SourceError, TruncatedError, UsageError


def whole(path: Path) -> bool:
    with objref.open(path) as image:
        return bool(answers(image))


def test_the_second_of_two_writers_says_so(tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    with Output(path) as slow, Output(path) as fast:
        slow.write(b"slow")
        fast.write(b"fast")
        fast.commit()
        with pytest.raises(UsageError, match="appeared while it was written; the other file was left alone"):
            slow.commit()
    assert path.read_bytes() == b"fast"
    assert folder_listing(tmp_path) == ["x.objref"]


def test_without_hard_links_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refuse)
    test_the_second_of_two_writers_says_so(tmp_path)


def test_two_writers_that_may_replace_leave_one_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    with Output(path, replace=True) as a, Output(path, replace=True) as b:
        for output, text in ((a, b"a"), (b, b"b")):
            output.write(text * 1000)
        b.commit()
        a.commit()
    assert path.read_bytes() == b"a" * 1000
    assert folder_listing(tmp_path) == ["x.objref"]


def _race(path: str, start: Any, results: Any) -> None:
    start.wait()
    try:
        write_events(Path(path), list(small_events()))
        results.put("won")
    except UsageError:
        results.put("lost")


def test_a_race_of_processes_has_one_winner(tmp_path: Path) -> None:
    context = multiprocessing.get_context("fork")
    path, start, results = tmp_path / "x.objref", context.Event(), context.Queue()
    racers = [context.Process(target=_race, args=(str(path), start, results)) for _ in range(6)]
    for racer in racers:
        racer.start()
    start.set()
    said = sorted(results.get(timeout=60) for _ in racers)
    for racer in racers:
        racer.join(60)
    assert said == ["lost"] * 5 + ["won"]
    assert whole(path)
    assert folder_listing(tmp_path) == ["x.objref"]


def test_an_existing_file_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists already"):
        write_events(path, [])
    (tmp_path / "link").symlink_to("nowhere")
    with pytest.raises(UsageError, match="exists already"):
        write_events(tmp_path / "link", [])
    assert path.read_bytes() == b"mine"


@pytest.mark.parametrize("access", ["map", "pread"])
def test_a_reader_keeps_the_old_file_while_it_is_replaced(tmp_path: Path, access: str) -> None:
    path = tmp_path / "x.objref"
    path.write_bytes(small_image("raw"))
    with objref.open(path) as image:
        asked, truth = questions(image), answers(image)
    with objref.open(path, access=access) as old:
        half = old["item"][12]
        write_events(path, list(small_events(9)), replace=True)
        assert half == old["item"][12]
        assert {name: ask(old) for name, ask in asked.items()} == truth
        with objref.open(path) as new:
            assert len(new["item"]) == 9


def test_readers_while_writers_replace_again_and_again(tmp_path: Path) -> None:
    """Each open finds one whole image, whichever."""
    path = tmp_path / "x.objref"
    write_events(path, list(small_events(1)))
    wrong: list[object] = []
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            try:
                with objref.open(path, access="pread") as image:
                    texts = [bytes(found.bytes) for found in image["item"].objects()]
                    if texts != [b"item %d of the run;" % i + b"=" * i for i in range(len(image["item"]))]:
                        wrong.append(texts)
            except objref.ObjrefError as error:
                wrong.append(error)

    readers = [threading.Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for n in range(1, 40):
        write_events(path, list(small_events(1 + n % 9)), replace=True)
    done.set()
    for reader in readers:
        reader.join()
    assert not wrong


@pytest.mark.parametrize("left", [0, 64, 5000, 20_000])
def test_a_file_shortened_under_its_reader(tmp_path: Path, left: int) -> None:
    path = tmp_path / "x.objref"
    path.write_bytes(small_image("raw"))
    with objref.open(path, access="pread") as image:
        os.truncate(path, left)
        with pytest.raises(TruncatedError, match=r"bytes \d+…\d+ wanted, the file has"):
            _ = list(image.stream())


def test_a_file_overwritten_under_its_reader(tmp_path: Path) -> None:
    """In place, by something that knows no better: what was not read before is an error, never wrong bytes."""
    data, other = small_image("raw"), small_image("raw", groups=True)
    path = tmp_path / "x.objref"
    path.write_bytes(data)
    with objref.open(data) as image:
        asked, truth = questions(image), answers(image)
    image = objref.open(path, access="pread")
    with path.open("r+b") as file:
        file.write(other[: len(data)])
    for name, ask in asked.items():
        try:
            assert ask(image) == truth[name], name
        except objref.FormatError:
            continue
    image.close()
    assert not deceived(data, asked, truth)


class Sick(io.BytesIO):
    """A file object that fails, or that gives less than asked."""

    def __init__(self, data: bytes, step: int | None) -> None:
        super().__init__(data)
        self.step = step
        self.sick = False

    def read(self, size: int | None = -1, /) -> bytes:
        if self.sick:
            raise OSError(errno.EIO, "I/O error")
        return super().read(min(size or 0, self.step) if self.step else size)


def test_a_file_object_that_gives_little_at_a_time() -> None:
    data = small_image()
    with objref.open(data) as image:
        truth = answers(image)
    with objref.open(Sick(data, 10)) as image:
        assert answers(image) == truth


def test_a_file_object_that_fails() -> None:
    file = Sick(small_image(), None)
    image = objref.open(file)
    file.sick = True
    with pytest.raises(SourceError, match="cannot read at"):
        image["item"][10]
    file.close()
    with pytest.raises(SourceError, match="cannot read at"):
        image["item"][10]


@pytest.mark.parametrize("umask", [0, 0o022, 0o077, 0o277, 0o777])
def test_mode_0600_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        write_events(tmp_path / "x.objref", list(small_events()))
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.objref").stat().st_mode) == 0o600


def test_mode_0600_already_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    path.write_bytes(b"")
    path.chmod(0o666)
    with Output(path, replace=True) as output:
        (name,) = set(folder_listing(tmp_path)) - {"x.objref"}
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o600
        output.commit()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["ä" * 127, "x" * 255, "😀" * 63, "\udcff" * 255])
def test_the_longest_names_that_a_file_can_have(tmp_path: Path, name: str) -> None:
    write_events(tmp_path / name, list(small_events()))
    assert folder_listing(tmp_path) == [name]


def test_a_name_with_a_zero_byte(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no path"):
        write_events(tmp_path / "a\0b", [])
    with pytest.raises(UsageError, match="no path"):
        objref.open(tmp_path / "a\0b")
