"""A line that is understood without argparse means what argparse would have made of it, or it is left to argparse."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import objref.cli
from objref.cli import VERBS
from objref.cli.parser import build_parser
from objref.cli.plain import understood

OPTIONS = "-o -oX --output --out --output=X --force --where --part --range 0..4 1 - -- -1 --help -h @file"
OTHERS = ("", " ", "-x y", "x.objref", "file:31", "file:-1", "é", "\udcff")
WORDS = st.sampled_from([*OPTIONS.split(), *OTHERS, *VERBS]) | st.text(max_size=4)
LINES = st.lists(WORDS, max_size=6) | st.lists(WORDS, min_size=2, max_size=4).map(lambda words: ["get", *words])
OURS = ("image", "objref", "output", "range", "part", "where", "force")


def parsed(arguments: list[str]) -> dict[str, object] | None:
    """What argparse makes of a line; None for what it refuses."""
    try:
        args, unknown = build_parser("get").parse_known_args(arguments)
    except SystemExit:
        return None
    return None if unknown else {name: getattr(args, name) for name in OURS}


@settings(max_examples=400, deadline=None)
@given(LINES)
def test_whatever_is_understood_is_what_argparse_understands(arguments: list[str]) -> None:
    plain = understood(arguments)
    if plain is not None:
        assert {name: getattr(plain, name) for name in OURS} == parsed(arguments)


@pytest.mark.parametrize(
    ("line", "output"), [("get x.objref file:31", "-"), ("get x.objref mem:17 -o out", "out"), ("get - file:-1", None)]
)
def test_the_plainest_lines_are_understood(line: str, output: str | None) -> None:
    plain = understood(line.split())
    assert (plain and plain.output) == output


@pytest.fixture(params=["plain", "parsed"])
def road(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "parsed":
        monkeypatch.setattr(objref.cli, "understood", lambda arguments: None)
    return str(request.param)


ENDS: dict[tuple[str, ...], tuple[object, ...]] = {}
"""What a line gave on the first road."""
LINES_THAT_END = [
    ("get", "IMAGE", "file:6"),
    ("get", "IMAGE", "file:6", "-o", "FOLDER/new"),
    ("get", "IMAGE", "file:6", "-o", "IMAGE"),
    ("get", "IMAGE", "file:6", "-o", "FOLDER"),
    ("get", "IMAGE", "file:6", "-o", "FOLDER/none/here"),
    ("get", "IMAGE", "file:99999"),
    ("get", "IMAGE", "nosuch:1"),
    ("get", "IMAGE", "no objref"),
    ("get", "IMAGE", "file:"),
    ("get", "FOLDER/none", "file:6"),
    ("get", "FOLDER", "file:6"),
    ("get", "IMAGE", "mem:100"),
    ("get", "IMAGE", "x" * 5000),
    ("get", "IMAGE"),
    ("get", "IMAGE", "file:6", "-o"),
    ("get", "IMAGE", "file:6", "more"),
    ("get", "-h"),
]


@pytest.mark.parametrize("line", LINES_THAT_END, ids=lambda line: " ".join(line)[:40])
def test_both_roads_end_alike(
    line: tuple[str, ...], road: str, image: Path, tmp_path_factory: pytest.TempPathFactory, run: Callable[..., tuple[int, str, str]]
) -> None:
    folder = tmp_path_factory.getbasetemp() / "roads"
    folder.mkdir(exist_ok=True)
    (folder / "new").unlink(missing_ok=True)
    words = [word.replace("IMAGE", str(image)).replace("FOLDER", str(folder)) for word in line]
    made = folder / "new"
    found = (*run(*words), made.read_bytes() if made.exists() else None)
    assert "argparse" not in str(found)
    assert ENDS.setdefault(line, found) == found
    assert found[0] in (0, 2, 3, 4, 7)
