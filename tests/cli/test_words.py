"""What the command says: which names there are, sizes, grammar, and one line however odd a name is."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import zstandard

import objref
from objref.dialects.registry import NAMES
from objref.names import offered

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def raw(sample: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("raw") / "x.objref"
    objref.import_image(sample, path, options=objref.Options(codec="raw"))
    return path


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["get", "{image}", "file:"], 2, "'file:': key '' is no number"),
        (["get", "{image}", "file:6", "--range", "50+10"], 3, "file:6 has 49 bytes: 50+10 is not all in it"),
        (["get", "{image}", "file:6", "--range", "0..2000"], 3, "file:6 has 49 bytes: 0..2000 is not all in it"),
        (["get", "{image}", "file:6", "--range", "9..3"], 2, "--range 9..3: ends before it starts"),
        (["get", "{image}", "file:6", "--part", "x"], 2, "'x' is no whole number"),
        (["get", "{image}", "file:6~2"], 3, "1 object claims file:6"),
        (["refs", "{image}", "file:6", "--role", "prent"], 3, "no role 'prent'; nearest: parent"),
        (["refs", "{image}", "file:6", "--role", "qqqqqq"], 3, "no role 'qqqqqq'; there is: "),
        (["refs", "{image}", "file:6", "--depth", "x"], 2, "'x' is no whole number"),
        (["graph", "{image}", "-o", "-", "--max-nodes", "x"], 2, "'x' is no whole number"),
        (["show", "{image}", "pages:1", "--json"], 2, "pages:1 has no fields"),
        (["info", "{image}", "--nope"], 2, "objref info: unknown: --nope\ntry: objref info --help"),
        (["--nope", "info", "{image}"], 2, "objref: unknown: --nope"),
        (["info", "new\nline\x1b[m"], 7, "new\\nline\\x1b[m: cannot be opened"),
        (["frob\nnicate"], 2, "frob\\nnicate"),
        (["get", "{image}", "file:" + "9" * 5000], 2, "9… ("),
        (["get", "{image}", "x" * 5000], 2, "x… ("),
        (["get", "{image}", "x y " * 5000], 2, "characters)"),
        (["convert", "{image}", "--to", "v23-rc2"], 4, "`objref export` gives back the stream"),
        (["import", "{image}", "-o", "/dev/null"], 2, "name a file to make"),
        (["import", "{image}", "-o", ""], 2, "is empty"),
    ],
)
def test_what_is_said(run: Run, raw: Path, arguments: list[str], code: int, said: str) -> None:
    found, out, err = run(*(argument.replace("{image}", str(raw)) for argument in arguments))
    assert (found, out) == (code, ""), err
    assert said in err
    assert len(err) < 5000
    assert len(err.splitlines()) <= 2


def test_a_range_that_ends_with_the_object_is_whole(image: Path, run: Run) -> None:
    code, out, err = run("get", image, "member:tree/inventory.img", "--range", "4..8")
    assert (code, err, len(out.encode("utf-8", "surrogateescape"))) == (0, "", 4)


def test_offered_says_whether_a_list_is_whole() -> None:
    assert offered(("a",), ("a", "b")) == "nearest: a"
    assert offered((), ("a", "b")) == "there is: a, b"
    assert offered((), [str(n) for n in range(1000)]).endswith("39, …")


def test_help_names_every_dialect_and_every_code(run: Run) -> None:
    for arguments in (["--help"], ["import", "--help"]):
        _, out, _ = run(*arguments)
        assert all(name in out for name in NAMES)
    assert "convert" in run("--help")[1].partition("Exit codes")[2]
    assert all(len(line) <= 80 for line in run("--help")[1].splitlines())


def test_quiet_prints_nothing_but_errors(run: Run, sample: Path, tmp_path: Path) -> None:
    with sample.open("rb") as packed:
        data = zstandard.ZstdDecompressor().stream_reader(packed).read()
    (tmp_path / "cut.tar").write_bytes(data[: len(data) // 2])
    loud = run("import", tmp_path / "cut.tar", "-o", tmp_path / "loud", "--keep-partial")
    assert "note" in loud[2]
    for verb in (["import", tmp_path / "cut.tar", "-o", tmp_path / "x"], ["index", tmp_path / "cut.tar"]):
        assert run(*verb, "--keep-partial", "--quiet") == (0, "", "")


def test_a_cut_archive_is_told_of_in_the_words_of_the_command_line(run: Run, tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        member = tarfile.TarInfo("images/pages-1.img")
        member.size = 4096
        tar.addfile(member, io.BytesIO(bytes(4096)))
    (tmp_path / "x.tar").write_bytes(made.getvalue()[:1000])
    code, _, err = run("import", tmp_path / "x.tar", "-o", tmp_path / "x")
    assert code == 4
    assert "the content of 'images/pages-1.img'" in err
    assert "partial=" not in err


def test_pages_have_a_place_unless_they_are_packed(image: Path, raw: Path, run: Run) -> None:
    with objref.open(raw) as found:
        ((offset, length),) = found["pages:1"].places()
    assert (offset % 4096, length) == (0, 4096)
    assert run("get", raw, "pages:1", "--where") == (0, f"{offset:#x}+4096\n", "")
    code, out, err = run("get", image, "pages:1", "--where")
    assert (code, out) == (2, "")
    assert "is packed" in err
    assert "--pages raw" in err
