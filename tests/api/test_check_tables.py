"""The tables of docs/check.md are those of the code, and every note of every dialect is judged."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

import objref
from objref.checking import CLAIMED, MOST
from objref.cli.checking import ERRORS, WARNINGS
from objref.dialects.checks import Checks
from objref.dialects.registry import NAMES, dialect

DOCS = Path(__file__).resolve().parents[2] / "docs"
PAGE = (DOCS / "check.md").read_text()


def rows(text: str, head: str) -> list[list[str]]:
    """The cells of the table whose first column is called so, backticks apart."""
    table = text.partition(f"\n| {head} |")[2].partition("\n\n")[0]
    return [[cell.strip().replace("`", "") for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def section(name: str) -> str:
    return PAGE.partition(f"\n## {name}\n")[2].partition("\n## ")[0]


def checks(name: str) -> Checks:
    make = dialect(name).checks
    assert make is not None
    return make()


@pytest.mark.parametrize("name", NAMES)
def test_what_is_judged_is_on_the_page(name: str) -> None:
    judged, text = checks(name), section(name)
    strengths = {f"strength {letter}": one for letter, one in judged.lost_otherwise.items()}
    for head, table in (("found", judged.findings), ("noted", judged.notes), ("lost", {**judged.lost, **strengths})):
        assert rows(text, head) == [[what, *one] for what, one in table.items() if one is not None]
    for what, one in judged.lost.items():
        assert one is not None or f"`{what}`" in text.rpartition("told by a look:")[2]


@pytest.mark.parametrize("name", NAMES)
def test_every_note_of_the_dialect_is_judged(name: str) -> None:
    page = (DOCS / f"{name}.md").read_text()
    assert {row[0] for row in rows(page, "note")} | {CLAIMED} == {what for what in checks(name).notes if " " not in what}


@pytest.mark.parametrize("name", NAMES)
def test_references_of_roles_that_there_are(name: str) -> None:
    known = {role.name for role in dialect(name).roles} | {kind.name for kind in dialect(name).kinds}
    assert {word.partition(":")[0] for what in checks(name).lost for word in what.split()} <= known
    assert {role.strength for role in dialect(name).roles} <= set(checks(name).lost_otherwise)


def test_texts_are_lines_of_a_table() -> None:
    for name in NAMES:
        judged = checks(name)
        for one in (*judged.findings.values(), *judged.notes.values(), *judged.lost.values()):
            assert one is None or (one.meaning and "|" not in one.meaning and "\n" not in one.meaning)


def test_severities_are_explained_from_bad_to_good() -> None:
    names = [row[0] for row in rows(PAGE, "severity")]
    assert names == ["error", "warning", "note"]
    used = {one.severity for name in NAMES for one in checks(name).findings.values()}
    assert used <= set(names)


def test_exit_codes_and_limits() -> None:
    codes = [row[0] for row in rows(PAGE, "exit code")]
    assert codes == ["0", str(ERRORS), str(WARNINGS)]
    assert all(int(a) < int(b) for a, b in pairwise(codes))
    assert f"Of each kind of finding {MOST} are told" in PAGE


def test_a_dialect_of_the_future_is_not_called_whole(tmp_path: Path) -> None:
    objref.import_image(DOCS.parent / "tests" / "images" / "scene.cr", tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        image._meta = {**image.meta, "dialect": "of-the-future"}
        with pytest.raises(objref.UnsupportedError, match="cannot be checked"):
            list(image.check())
