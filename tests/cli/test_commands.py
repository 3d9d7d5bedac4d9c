"""The command line as its users meet it: what it prints, how it ends, and that mistakes end in one clear line."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import objref
from objref.cli import VERBS
from objref.cli.parser import build_parser

Run = Callable[..., tuple[int, str, str]]


def tar_of(sample: Path) -> bytes:
    with sample.open("rb") as file:
        return zstandard.ZstdDecompressor().stream_reader(file).read()


def objref_process(*arguments: object, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    """A real process, for pipes."""
    command = [sys.executable, "-m", "objref", *map(str, arguments)]
    return subprocess.run(command, input=data, capture_output=True, timeout=60, check=False)


# -- the main job -------------------------------------------------------------------------------------------


def test_import_says_what_it_made(run: Run, sample: Path, tmp_path: Path) -> None:
    code, out, err = run("import", sample, "-o", tmp_path / "x.objref")
    assert (code, err) == (0, "")
    assert "objects" in out
    assert (tmp_path / "x.objref").stat().st_mode & 0o777 == 0o600


def test_import_from_a_pipe_and_export_to_a_pipe_give_the_same_tar(sample: Path, tmp_path: Path) -> None:
    image = tmp_path / "x.objref"
    assert objref_process("import", "-", "-o", image, data=sample.read_bytes()).returncode == 0
    exported = objref_process("export", image, "-o", "-")
    assert exported.returncode == 0, exported.stderr
    assert exported.stdout == tar_of(sample)


def test_export_to_a_file_is_private_and_whole(run: Run, image: Path, sample: Path, tmp_path: Path) -> None:
    code, out, _ = run("export", image, "-o", tmp_path / "x.tar")
    assert code == 0
    assert "SHA-256 as imported" in out
    assert (tmp_path / "x.tar").read_bytes() == tar_of(sample)
    assert (tmp_path / "x.tar").stat().st_mode & 0o777 == 0o600


def test_an_archive_can_be_exported_as_a_directory(run: Run, image: Path, sample: Path, tmp_path: Path) -> None:
    assert run("export", image, "--as", "directory", "-o", tmp_path / "d")[0] == 0
    with tarfile.open(fileobj=io.BytesIO(tar_of(sample))) as judge:
        for member in judge:
            if member.isfile():
                content = judge.extractfile(member)
                assert content is not None
                assert (tmp_path / "d" / member.name).read_bytes() == content.read()


def test_a_directory_comes_back_as_a_directory(run: Run, image: Path, tmp_path: Path) -> None:
    run("export", image, "--as", "directory", "-o", tmp_path / "d")
    assert run("import", tmp_path / "d/tree", "-o", tmp_path / "x.objref")[0] == 0
    assert run("export", tmp_path / "x.objref", "-o", tmp_path / "e")[0] == 0
    compared = subprocess.run(["diff", "-r", tmp_path / "d/tree", tmp_path / "e"], capture_output=True, check=False)
    assert compared.stdout == b""


# -- looking ------------------------------------------------------------------------------------------------


def test_info_tells_the_digest_that_sha256sum_would(run: Run, image: Path, sample: Path) -> None:
    assert hashlib.sha256(tar_of(sample)).hexdigest() in run("info", image)[1]


def test_info_json_is_json(run: Run, image: Path) -> None:
    facts = json.loads(run("info", image, "--json")[1])
    assert facts["stream"]["length"] > 0
    assert {kind["name"] for kind in facts["kinds"]} >= {"task", "file", "mem"}


def test_ls_names_objects_that_get_finds(run: Run, image: Path) -> None:
    listed = [line.split()[0] for line in run("ls", image, "all")[1].splitlines()]
    with objref.open(image) as opened:
        assert len(listed) == len(opened)
        assert all(opened[name].objref == name for name in listed)


def test_ls_json_has_one_object_a_line(run: Run, image: Path) -> None:
    rows = [json.loads(line) for line in run("ls", image, "task", "--json")[1].splitlines()]
    assert [row["objref"] for row in rows] == ["task:100", "task:101"]


def test_get_writes_exactly_the_bytes(image: Path) -> None:
    with objref.open(image) as opened:
        for name in ("file:6", "member:tree/pstree.img", "sk-packet:0"):
            assert objref_process("get", image, name).stdout == opened[name].bytes


def test_get_reads_memory_by_address(image: Path) -> None:
    with objref.open(image) as opened:
        start, stop = opened["mem:101"].ranges[0]
        expected = opened["mem:101"].read(start, stop)
    for text in (f"{start:#x}..{stop:#x}", f"{start}+{stop - start}"):
        assert objref_process("get", image, "mem:101", "--range", text).stdout == expected


def test_show_has_the_fields_and_both_directions_of_references(run: Run, image: Path) -> None:
    out = run("show", image, "task:101", "file:6")[1]
    assert "ppid: 100" in out
    assert "→ parent           task:100" in out
    assert "← file" in out


def test_show_json_of_a_file_is_what_crit_prints_for_it(run: Run, image: Path) -> None:
    shown = json.loads(run("show", image, "member:tree/pstree.img", "--json")[1])
    assert shown["magic"] == "PSTREE"
    assert [entry["pid"] for entry in shown["entries"]] == [100, 101]


def test_nothing_for_people_is_wider_than_a_terminal(run: Run, image: Path) -> None:
    for command in (["info", image], ["ls", image], ["ls", image, "all"], ["show", image, "mm:100", "core:100"]):
        lines = run(*command)[1].splitlines()
        assert max(map(len, lines)) <= 80 or command[0] == "info" or command[:1] == ["show"], max(lines, key=len)
    for verb in VERBS:
        out = run(verb, "--help")[1]
        assert max(map(len, out.splitlines())) <= 80, verb


# -- mistakes -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["get", "{image}", "file:999"], 3, "nearest: file:"),
        (["get", "{image}", "fiel:6"], 3, "file"),
        (["get", "{image}", "file"], 2, "expected [LAYER/]SPACE:KEY"),
        (["get", "{image}", "file:six"], 2, "no number"),
        (["get", "{image}", "7/file:6"], 3, "layer 7"),
        (["get", "{image}", "mem:101"], 2, "--range"),
        (["get", "{image}", "mem:101", "--range", "0..16"], 3, "not in the image"),
        (["get", "{image}", "mem:101", "--range", "sixteen"], 2, "START..STOP"),
        (["get", "{image}", "file:6", "--part", "9"], 2, "has 1 part, counted"),
        (["show", "{image}", "pages:1", "--json"], 2, "no fields"),
        (["ls", "{image}", "tsk"], 3, "task"),
        (["info", "{sample}"], 4, "not an objref file"),
        (["info", "{missing}"], 7, "No such file"),
        (["import", "{missing}", "-o", "{new}"], 7, "No such file"),
        (["import", "{text}", "-o", "{new}"], 4, "expected a tar archive"),
        (["import", "{image}", "-o", "{new}"], 4, "objref container"),
        (["import", "{sample}", "-o", "{text}"], 2, "--force"),
        (["import", "{sample}", "-o", "-"], 2, "pipe"),
        (["import", "{sample}", "-o", "{nowhere}"], 7, "No such file"),
        (["export", "{image}", "-o", "{full}"], 2, "is a directory"),
        (["export", "{image}", "--as", "directory", "-o", "{full}"], 2, "not empty"),
        (["refs", "{image}", "task:102"], 3, "task:101"),
        (["refs", "{image}", "task:101", "--role", "prent"], 3, "parent"),
        (["refs", "{image}", "task:101", "--depth", "0"], 2, "--depth"),
        (["graph", "{image}", "-o", "{new}"], 2, ".svg"),
        (["graph", "{image}", "-o", "-", "--kind", "tsk"], 3, "task"),
        (["graph", "{image}", "-o", "-", "--strengths", "HX"], 2, "'X'"),
        (["graph", "{image}", "-o", "-", "--max-nodes", "0"], 2, "--max-nodes"),
        (["frobnicate"], 2, "no verb 'frobnicate'; there is: import, export"),
        (["ls", "{image}", "task:100"], 2, "is one object"),
        (["info", "/dev/null"], 2, "not a regular file"),
        (["info", "/"], 2, "is a directory"),
        (["get", "{image}", "file:6", "-o", "/"], 2, "is a directory"),
        (["export", "{image}", "-o", "/"], 2, "comes back as one file"),
        (["get", "{image}"], 2, "OBJREF"),
    ],
)
def test_a_mistake_ends_in_one_clear_line(
    run: Run, image: Path, sample: Path, tmp_path: Path, arguments: list[str], code: int, said: str
) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").touch()
    (tmp_path / "text").write_text("hello\n")
    names = {name: tmp_path / name for name in ("missing", "new", "text", "full")}
    names |= {"image": image, "sample": sample, "nowhere": tmp_path / "no/where"}
    found, _, err = run(*(argument.format(**names) for argument in arguments))
    assert found == code, err
    assert said in err
    assert "Traceback" not in err
    assert not (tmp_path / "new").exists()


def test_a_reader_that_goes_away_is_no_error(image: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "objref", "ls", str(image), "all"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait(timeout=30)


def test_escape_sequences_in_names_do_not_reach_the_terminal(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    folder.mkdir()
    (folder / "red\x1b[31m\nname").write_bytes(b"x")
    (folder / "pstree.img").write_bytes(b"\x19\x43\x56\x54\x30\x30\x27\x50\x02\x00\x00\x00\x08\x05")
    run("import", folder, "-o", tmp_path / "x.objref")
    for command in (["info"], ["ls"], ["ls", "all"]):
        out = run(command[0], tmp_path / "x.objref", *command[1:])[1]
        assert "\x1b" not in out
    assert run("get", tmp_path / "x.objref", "member:red\\x1b")[0] == 3


def test_force_replaces(run: Run, sample: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    path.write_text("old")
    assert run("import", sample, "-o", path, "--force")[0] == 0
    assert objref.open(path)["task:100"].kind == "task"


def test_the_directory_that_holds_the_image_needs_no_name(
    run: Run, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run("import", sample, "-o", "here.objref")[0] == 0
    assert os.listdir(tmp_path) == ["here.objref"]


# -- help and completion ------------------------------------------------------------------------------------


def test_every_verb_and_option_has_help() -> None:
    parser = build_parser()
    verbs = next(action for action in parser._actions if action.dest == "verb").choices
    assert verbs is not None
    for name in VERBS:
        for action in verbs[name]._actions:  # type: ignore[index]
            assert action.help, (name, action)


def test_readme_mentions_every_verb() -> None:
    readme = (Path(__file__).resolve().parents[2] / "README.md").read_text()
    assert all(f"objref {verb}" in readme for verb in VERBS)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ([""], "import"),
        (["ex"], "export"),
        (["get", "--r"], "--range"),
        (["ls", "{image}", "ta"], "task"),
        (["get", "{image}", "ta"], "task:"),
        (["show", "{image}", "task:10"], "task:101"),
        (["refs", "{image}", "--depth", "3", "task:10"], "task:101"),
        (["refs", "{image}", "--re"], "--reverse"),
        (["refs", "{image}", "--role", "pare"], "parent"),
        (["graph", "{image}", "task:1"], "task:101"),
        (["graph", "{image}", "--kind", "fdt"], "fdtable"),
        (["graph", "{image}", "--direction", "n"], "needs"),
    ],
)
def test_completion_offers_what_fits(run: Run, image: Path, words: list[str], offered: str) -> None:
    out = run("__complete", *(word.format(image=image) for word in words))[1]
    assert offered in out.splitlines()
    assert all(line.startswith(words[-1]) for line in out.splitlines())


@pytest.mark.parametrize("name", ["$(touch ran)", "`touch ran`", "a;touch ran", "a b", "*", "a>b", "a'b", "a\\b", "\x1b[2J"])
def test_completion_offers_nothing_that_a_shell_would_run(run: Run, tmp_path: Path, name: str) -> None:
    """What is offered goes into the line unquoted."""
    (tmp_path / "dump").mkdir()
    (tmp_path / "dump" / name).write_bytes(b"x")
    (tmp_path / "dump" / "inventory.img").write_bytes(b"x")
    run("import", tmp_path / "dump", "-o", tmp_path / "x.objref")
    assert run("__complete", "get", tmp_path / "x.objref", "member:")[1].split("\n") == ["member:", "member:inventory.img", ""]


def test_completion_is_silent_on_files_that_are_no_images(run: Run, sample: Path) -> None:
    assert run("__complete", "get", sample, "file:") == (0, "", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(run: Run, shell: str) -> None:
    assert "__complete" in run("completion", shell)[1]


@pytest.mark.parametrize("where", ["new", "old", "new/deep", "link"])
def test_an_image_is_not_made_inside_what_it_is_made_of(run: Run, tmp_path: Path, where: str) -> None:
    """It would be read while it grows, and come back as a file of the source."""
    for name in ("old", "new/deep"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "new" / "parent").symlink_to("../old")
    (tmp_path / "new" / "inventory.img").write_bytes(b"")
    (tmp_path / "link").symlink_to("new")
    code, _, error = run("import", tmp_path / "new", "-o", tmp_path / where / "x.objref", "--force")
    assert code == 2
    assert "which it is made of" in error
    assert not list(tmp_path.rglob("*objref*"))
    assert run("import", tmp_path / "new", "-o", tmp_path / "x.objref")[0] == 0


def test_device_nodes_come_back_for_who_asks(run: Run, tmp_path: Path) -> None:
    """Images made of a container's root hold some. Making them takes root; others are told so."""
    member = tarfile.TarInfo("null")
    member.type, member.devmajor, member.devminor = tarfile.CHRTYPE, 1, 3
    with tarfile.open(tmp_path / "dev.tar", "w") as archive:
        archive.addfile(member)
    run("import", tmp_path / "dev.tar", "-o", tmp_path / "x.objref", "--quiet")
    words = ("export", tmp_path / "x.objref", "--as", "directory", "-o", tmp_path / "out")
    code, _, error = run(*words)
    assert code == 4
    assert "--devices create" in error
    code, _, error = run(*words, "--devices", "create")
    if code == 0:
        assert (tmp_path / "out" / "null").stat().st_rdev == os.makedev(1, 3)
    else:
        assert code == 7
        assert "null" in error
    with objref.open(tmp_path / "x.objref") as image, pytest.raises(objref.UsageError, match="refuse, create"):
        image.export(tmp_path / "again", devices="all")  # type: ignore[arg-type]
