"""`objref extract` from the command line: what is said, where it goes, and what mistakes give."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from objref.cli import main

CUT = ("--cut", "pipe=drop", "--cut", "unix=drop,terminal=null")
REFUSED = ("--cut", "session=fail,shared=fail")


def run(*words: object) -> int:
    try:
        return main([str(word) for word in words])
    except SystemExit as end:  # argparse
        return int(end.code or 0)


def test_a_directory_and_how_it_is_restored(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", image, "task:101", "-o", tmp_path / "child", *CUT) == 0
    said = capsys.readouterr().out.splitlines()
    assert any(line.startswith("cut session=new: task:101 → task:100") for line in said)
    assert any(
        line.endswith(f"{len(os.listdir(tmp_path / 'child'))} files, {_size(tmp_path / 'child')}") for line in said
    )
    words = shlex.split(said[-1])
    assert words[:5] == ["restore:", "criu", "restore", "-d", "-D"]
    assert Path(words[5]) == tmp_path / "child"
    assert "--file-locks" in words


def _size(folder: Path) -> str:
    from objref.cli.terminal import size

    return size(sum(path.stat().st_size for path in folder.iterdir()))


def test_a_terminal_of_80_columns_is_wide_enough(image: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", image, "task:101", "--dry-run") == 0
    said = capsys.readouterr().out
    assert all(len(line) <= 80 for line in said.splitlines() if not line.startswith(("restore: ", "    /")))


def test_a_dry_run_writes_nothing_and_names_all_files(
    image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("extract", image, "task:101", "--dry-run", *CUT) == 0
    said = capsys.readouterr().out
    assert "would be: 1 task" in said
    assert "    /tmp/tree/tree\n" in said
    assert os.listdir(tmp_path) == []


def test_quiet_is_quiet(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", image, "task:100", "-o", tmp_path / "all", "--quiet") == 0
    assert capsys.readouterr() == ("", "")


def test_what_was_read_is_told(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("extract", image, "task:101", "-o", tmp_path / "child", "--quiet", "--stats", *CUT) == 0
    assert " reads" in capsys.readouterr().out


def test_a_pipe_gets_a_tar_and_nothing_else(image: Path, tmp_path: Path) -> None:
    words = [sys.executable, "-m", "objref", "extract", image, "task:100", "-o", "-"]
    done = subprocess.run(words, capture_output=True, check=True, timeout=60)
    (tmp_path / "x.tar").write_bytes(done.stdout)
    with tarfile.open(tmp_path / "x.tar") as archive:
        assert "./pstree.img".lstrip("./") in archive.getnames()
    assert b"restore: mkdir DIR && tar xf - -C DIR && criu restore" in done.stderr


def test_the_suffix_says_the_form(image: Path, tmp_path: Path) -> None:
    for name, form in (("x.tar", "auto"), ("x.objref", "auto"), ("plain", "tar")):
        assert run("extract", image, "task:100", "-o", tmp_path / name, "--as", form, "--quiet") == 0
    assert (tmp_path / "x.tar").read_bytes() == (tmp_path / "plain").read_bytes()
    assert run("ls", tmp_path / "x.objref", "task") == 0


MISTAKES: list[tuple[list[str], int, str]] = [
    (["task:101"], 2, "-o DEST, or --dry-run"),
    (["task:99", "--dry-run"], 3, "no task:99; nearest: task:100, task:101"),
    (["task:x", "--dry-run"], 2, "no number"),
    (["file:1", "--dry-run"], 2, "CRIU restores tasks"),
    (["1/task:100", "--dry-run"], 3, "no layer 1"),
    (["task:101", "--dry-run", "--cut", "pipe"], 2, "expected WHAT=POLICY"),
    (["task:101", "--dry-run", "--cut", "pipe=open"], 2, "policies are fail, drop, external, hold"),
    (["task:101", "--dry-run", "--cut", "pipes=drop"], 2, "no cuts are called 'pipes'"),
    (["task:101", "-o", "child", "--as", "zip"], 2, "invalid choice"),
    ([], 2, "required"),
]


@pytest.mark.parametrize(("words", "code", "reason"), MISTAKES)
def test_mistakes(
    words: list[str], code: int, reason: str, image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    assert run("extract", image, *words) == code
    assert reason in capsys.readouterr().err
    assert os.listdir(tmp_path) == []


def test_a_file_that_is_no_image(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "x").write_bytes(bytes(100))
    assert run("extract", tmp_path / "x", "task:1", "--dry-run") == 4
    assert run("extract", tmp_path / "absent", "task:1", "--dry-run") == 7
    assert "Traceback" not in capsys.readouterr().err


def test_a_dry_run_ends_as_the_real_one(image: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What is refused gets no command to restore it, and the decisions that are missing."""
    for how in (("--dry-run",), ("-o", tmp_path / "child")):
        assert run("extract", image, "task:101", *how, *REFUSED) == 2
        said = capsys.readouterr()
        assert "restore:" not in said.out
        assert "--cut session=new|shell-job --cut shared=drop; nothing was written" in said.err
        assert ("would be refused; once decided: 1 task" in said.out) == ("--dry-run" in how)
    assert run("extract", image, "task:101", "--dry-run", "--quiet", *REFUSED) == 2
    assert capsys.readouterr().out == ""
    assert os.listdir(tmp_path) == []


NAMES = [b"x.objref", b"x.tar", b"a b.tar", b"it's $HOME.objref", b"caf\xc3\xa9.tar", b"\xff\xfe\n'.tar", b"\x1b[31m.objref"]


@pytest.mark.parametrize("name", NAMES)
def test_the_last_line_is_what_restores(name: bytes, image: Path, tmp_path: Path) -> None:
    """Typed into a shell it makes the folder that criu is called for, whatever the file is called."""
    dest = os.fsdecode(os.path.join(os.fsencode(tmp_path), name))
    words = [sys.executable, "-m", "objref"]
    made = subprocess.run([*words, "extract", image, "task:100", "-o", dest], capture_output=True, check=True, timeout=60)
    line = made.stdout.decode().splitlines()[-1]
    assert line.isprintable()
    script = line.removeprefix("restore: ")
    tools = {"criu": 'test -s "$4/pstree.img"; echo "$@"', "objref": f'exec {shlex.join(words)} "$@"'}
    (tmp_path / "bin").mkdir()
    for tool, body in tools.items():
        (tmp_path / "bin" / tool).write_text(f"#!/bin/sh -e\n{body}\n")
        (tmp_path / "bin" / tool).chmod(0o755)
    there = {**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, env=there, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split(b"\n")[-2].startswith(b"restore -d -D DIR")
