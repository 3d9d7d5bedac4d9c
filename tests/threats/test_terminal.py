"""Names, fields, paths of an image are its author's: none of them reaches a terminal as anything but text."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from criu.making import Folder, archive, item, members_of, small
from criu.making import image as image_file

import objref
from objref.cli import main

EVIL = "\x1b]0;owned\x07\x1b[2J\r\x9b31m\u202egpj.\u2028"
"""Sets the title, clears the screen, goes back in the line, colours by C1, turns text around, breaks lines."""


def hostile() -> Folder:
    """A dump in which every string that anybody chose is hostile."""
    folder = small(f"images{EVIL}")
    folder.write(
        "files.img",
        item("file:1", "file_entry", {"id": 1, "type": 1, "reg": {"id": 1, "name": EVIL}}),
        item("file:2", "file_entry", {"id": 2, "type": 1, "reg": {"id": 2, "name": f"/bin/{EVIL}"}}),
    )
    return folder


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("evil") / "x.objref"
    members = [*members_of([hostile()]), (f"{EVIL}.img".encode(), b"\x00" + EVIL.encode())]
    objref.import_image(io.BytesIO(archive(members)), made)
    return made


def said(capfd: pytest.CaptureFixture[str], *arguments: object) -> str:
    main([str(argument) for argument in arguments])
    out, err = capfd.readouterr()
    return out + err


def test_there_is_something_to_fear(path: Path) -> None:
    with objref.open(path) as image:
        assert any("\x1b" in key.decode("utf-8", "replace") for key in image["member"])
        assert image["file:2"].decode()["reg"]["name"] == f"/bin/{EVIL}"


@pytest.mark.parametrize(
    "words",
    [
        "info", "info --json", "ls", "ls all", "ls file", "ls all --json", "show file:1 file:2 task:10 mm:10 fd:3/0",
        "show file:1 --json", "refs task:10", "refs file:2 --reverse", "graph task:10", "verify", "verify --json",
        "get member:none", f"get member:{EVIL}", f"show {EVIL}:1", "extract task:10 --dry-run",
    ],
)  # fmt: skip
def test_no_verb_prints_a_control_character(path: Path, words: str, capfd: pytest.CaptureFixture[str]) -> None:
    verb, *rest = words.split(" ")
    printed = said(capfd, verb, path, *rest)
    assert printed
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []


def test_import_and_export_neither(path: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    source = tmp_path / f"tree{EVIL.replace('/', '')}"
    printed = said(capfd, "export", path, "-o", source, "--as", "directory")
    printed += said(capfd, "import", source, "-o", tmp_path / "y.objref")
    printed += said(capfd, "import", tmp_path / f"none{EVIL}", "-o", tmp_path / "z.objref")
    printed += said(capfd, "convert", source / "none", "--to", "v23-rc2", "-o", tmp_path / "z")
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []
    assert (tmp_path / "y.objref").exists()


def test_an_unreadable_image_file_is_told_of_in_text(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    broken = image_file("files", b"\xff" * 9)
    objref.import_image(io.BytesIO(archive([(f"a{EVIL}/files.img".encode(), broken)])), tmp_path / "x.objref")
    printed = said(capfd, "info", tmp_path / "x.objref")
    assert "\\x1b" in printed
    assert [c for c in printed if not c.isprintable() and c != "\n"] == []
