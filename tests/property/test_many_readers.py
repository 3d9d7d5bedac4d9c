"""Many threads ask one image at once, with a cache far too small for them: each gets right answers."""

from __future__ import annotations

import io
import random
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from samples import SAMPLE, answers, questions, small_image

import objref

TINY = objref.Limits(cache=4096)


@pytest.fixture
def hurried() -> Iterator[None]:
    """Threads change places as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("readers") / "tree.objref"
    objref.import_image(SAMPLE, path)
    return path.read_bytes()


def ask_from_threads(image: objref.Image, asked: dict[str, Any], truth: dict[str, Any], rounds: int) -> list[str]:
    wrong: list[str] = []
    together = threading.Barrier(6)

    def ask(seed: int) -> None:
        names = list(asked) * rounds
        random.Random(seed).shuffle(names)
        together.wait()
        for name in names:
            try:
                if asked[name](image) != truth[name]:
                    wrong.append(name)
            except Exception as error:  # whatever it is, it is wrong
                wrong.append(f"{name}: {error!r}")

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return wrong


@pytest.mark.parametrize("access", ["map", "pread", "bytes", "file"])
@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_every_question_from_many_threads(tmp_path: Path, hurried: None, access: str, codec: str) -> None:
    data = small_image(codec, groups=True, plain_tables=True)
    with objref.open(data) as image:
        asked, truth = questions(image), answers(image)
    path = tmp_path / "x.objref"
    path.write_bytes(data)
    for _ in range(3):  # the first touch of everything is the race
        opened = {
            "map": lambda: objref.open(path, access="map", limits=TINY),
            "pread": lambda: objref.open(path, access="pread", limits=TINY),
            "bytes": lambda: objref.open(data, limits=TINY),
            "file": lambda: objref.open(io.BytesIO(data), limits=TINY),
        }[access]()
        with opened:
            assert ask_from_threads(opened, asked, truth, 2) == []


def test_a_real_dump_from_many_threads(tree: bytes, hurried: None) -> None:
    with objref.open(tree) as image:
        asked, truth = questions(image), answers(image)
    with objref.open(tree, limits=TINY) as image:
        assert ask_from_threads(image, asked, truth, 1) == []


def test_the_first_touch_of_a_run_of_keys_by_all_at_once(tmp_path: Path, hurried: None) -> None:
    """The mapped fast path is made ready by whoever comes first; the others must not see half of it."""
    path = tmp_path / "x.objref"
    path.write_bytes(small_image("raw"))
    with objref.open(path, access="map") as image:
        truth = dict(image["item"])
    wrong: list[object] = []
    for _ in range(100):
        with objref.open(path, access="map") as image:
            space, together = image["item"], threading.Barrier(4)

            def read(space: objref.Space = space, together: threading.Barrier = together) -> None:
                together.wait()
                wrong.extend((key, space[key]) for key in truth if space[key] != truth[key])

            threads = [threading.Thread(target=read) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    assert not wrong
