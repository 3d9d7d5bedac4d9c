"""`objref extract` of dialects whose images are streams: from an image, or from the stream with an index beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from linux_cr.making import pid, scene
from linux_cr.test_extract import linked, sound

import objref
from objref.cli.terminal import size

Run = Callable[..., tuple[int, str, str]]
TASK = f"task:{pid(2)}"


@pytest.fixture(params=["image", "index"])
def source(request: pytest.FixtureRequest, tmp_path: Path, run: Run) -> Path:
    """A stream of four tasks: imported, or with an index beside it."""
    (tmp_path / "whole.cr").write_bytes(scene("v23-rc2", tasks=4).out)
    if request.param == "index":
        assert run("index", tmp_path / "whole.cr")[0] == 0
        return tmp_path / "whole.cr"
    objref.import_image(tmp_path / "whole.cr", tmp_path / "whole.objref")
    return tmp_path / "whole.objref"


def test_a_shorter_stream(source: Path, tmp_path: Path, run: Run) -> None:
    code, said, _ = run("extract", source, TASK, "-o", tmp_path / "part.cr", "--stats")
    data = (tmp_path / "part.cr").read_bytes()
    assert code == 0
    assert f"part.cr: 1 task, {size(len(data))}" in said
    assert "restore:" not in said
    assert "cut session=keep" in said
    assert [name for name, _ in sound(data).objects if name.startswith("task:")] == [TASK]
    assert os.stat(tmp_path / "part.cr").st_mode & 0o777 == 0o600


def test_to_a_pipe_and_to_an_image(source: Path, tmp_path: Path, run: Run) -> None:
    assert run("extract", source, TASK, "-o", tmp_path / "part.cr", "--quiet") == (0, "", "")
    data = (tmp_path / "part.cr").read_bytes()
    words = [sys.executable, "-m", "objref", "extract", source, TASK, "-o", "-"]
    assert subprocess.run(words, capture_output=True, check=True, timeout=60).stdout == data
    assert run("extract", source, TASK, "-o", tmp_path / "part.objref", "--quiet")[0] == 0
    assert run("verify", tmp_path / "part.objref")[0] == 0
    run("export", tmp_path / "part.objref", "-o", tmp_path / "again.cr")
    assert (tmp_path / "again.cr").read_bytes() == data
    assert run("refs", tmp_path / "part.objref", TASK)[0] == 0


def test_everything_is_the_stream(source: Path, tmp_path: Path, run: Run) -> None:
    names = [f"task:{pid(k)}" for k in (1, 2, 3, 4)]
    assert run("extract", source, *names, "-o", tmp_path / "all.cr")[0] == 0
    assert (tmp_path / "all.cr").read_bytes() == (tmp_path / "whole.cr").read_bytes()


def test_forms_that_it_cannot_have(source: Path, tmp_path: Path, run: Run) -> None:
    before = sorted(os.listdir(tmp_path))
    for words in (["-o", tmp_path / "x", "--as", "tar"], ["-o", tmp_path / "x", "--as", "directory"]):
        code, _, err = run("extract", source, TASK, *words)
        assert (code, "it is a stream" in err) == (2, True)
    code, _, err = run("extract", source, TASK, "-o", source)
    assert code == 2
    assert sorted(os.listdir(tmp_path)) == before


def test_what_is_cut_must_be_decided(tmp_path: Path, run: Run) -> None:
    (tmp_path / "linked.cr").write_bytes(linked())
    objref.import_image(tmp_path / "linked.cr", tmp_path / "linked.objref")
    words = ["extract", tmp_path / "linked.objref", TASK]
    code, said, err = run(*words, "-o", tmp_path / "part.cr")
    assert code == 2
    assert "--cut unix=drop|hold" in err
    assert "cut terminal=fail" in said
    assert not (tmp_path / "part.cr").exists()
    code, said, err = run(*words, "--dry-run")
    assert (code, "would be refused; once decided: 1 task" in said) == (2, True)
    code, said, err = run(*words, "-o", tmp_path / "part.cr", "--cut", "unix=hold,terminal=hold,queue=drop")
    assert code == 0, err
    sound((tmp_path / "part.cr").read_bytes())


def test_damage_is_an_error_and_leaves_nothing(source: Path, tmp_path: Path, run: Run) -> None:
    """A byte of a page is flipped: the plan does not read it, the extract does."""
    data = bytearray(source.read_bytes())
    if source.suffix == ".cr":
        data[data.index(b"\xee\xff\xc0")] ^= 1  # of every page
    else:
        data[len(data) // 3] ^= 1
    source.write_bytes(data)
    code, _, err = run("extract", source, f"task:{pid(1)}", "--alone", "-o", tmp_path / "part.cr")
    assert code in (4, 7), err
    assert not (tmp_path / "part.cr").exists()
