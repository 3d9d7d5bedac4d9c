"""The golden files of the formats: what they said when they were written, they say today."""

from __future__ import annotations

import csv
import hashlib
import re
from pathlib import Path

import pytest
from samples import answers

import objref

HERE = Path(__file__).parent
FILES, DOCS = HERE / "files", HERE.parents[1] / "docs"
ROWS = list(csv.DictReader((HERE / "vectors.tsv").read_text().splitlines(), delimiter="\t"))
VALID = [row for row in ROWS if row["verdict"] == "valid"]
INVALID = [row for row in ROWS if row["verdict"] == "invalid"]


def name(row: dict[str, str]) -> str:
    return row["file"]


def opened(row: dict[str, str], folder: Path) -> Path:
    """What can be opened: a native stream is imported first."""
    path = FILES / row["file"]
    if row["reads"] == "native":
        objref.import_image(path, folder / "x.objref")
        return folder / "x.objref"
    return path


def test_they_are_what_they_were() -> None:
    """Nobody changed a file to make a test pass, and none is missing or too many."""
    sums = dict(line.split()[::-1] for line in (HERE / "SHA256SUMS").read_text().splitlines())
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in FILES.iterdir()}
    assert found == sums
    assert {row["file"] for row in ROWS} == {file for file in sums if not file.endswith(".objref-index")}


@pytest.mark.parametrize("page", ["format", "native"])
def test_every_numbered_rule_has_both(page: str) -> None:
    rules = set(re.findall(r"\*\*([RSN]\d+)\*\*", (DOCS / f"{page}.md").read_text()))
    assert len(rules) >= 18
    assert not rules - {rule for row in VALID for rule in row["rules"].split()}
    assert not rules - {row["rules"] for row in INVALID}


@pytest.mark.parametrize("row", VALID, ids=name)
def test_a_valid_one_is_read(row: dict[str, str], tmp_path: Path) -> None:
    path = opened(row, tmp_path)
    assert objref.verify_image(path).sound
    with objref.open(path) as image:
        if row["original"] == "lost":
            with pytest.raises(objref.LostError):
                b"".join(image.stream())
        else:
            assert hashlib.sha256(b"".join(image.stream())).hexdigest() == row["original"]
        assert (len(image), image.reference_count) == (int(row["objects"]), int(row["references"]))


@pytest.mark.parametrize(("later", "now"), [("future.objref", "raw.objref"), ("stream-future", "stream")])
def test_one_from_the_future_says_the_same(later: str, now: str) -> None:
    """To every question that this version can ask, but for the numbers of its own version."""
    with objref.open(FILES / later) as a, objref.open(FILES / now) as b:
        told, expected = answers(a), answers(b)
    kinds = {kind.name for kind in told.pop("kinds")} - {kind.name for kind in expected.pop("kinds")}
    assert kinds <= {"hologram"}
    assert told == expected


def test_a_native_stream_from_the_future_says_the_same(tmp_path: Path) -> None:
    for stream in ("image.native", "future.native"):
        objref.import_image(FILES / stream, tmp_path / stream)
    assert (tmp_path / "image.native").read_bytes() == (tmp_path / "future.native").read_bytes()


@pytest.mark.parametrize("row", INVALID, ids=name)
def test_an_invalid_one_is_refused(row: dict[str, str], tmp_path: Path) -> None:
    """With the class of error that the table names, and the rule."""
    path = FILES / row["file"]
    if row["reads"] == "native":
        with pytest.raises(getattr(objref, row["error"]), match=rf"\b{row['rules']}\b"):
            objref.import_image(path, tmp_path / "x")
        assert not list(tmp_path.iterdir())
        return
    report = objref.verify_image(path)
    assert row["rules"] in {rule for finding in report.findings for rule in finding.rules}
    if row["error"] != "verify":
        with pytest.raises(getattr(objref, row["error"])) as caught, objref.open(path) as image:
            answers(image)
        assert type(caught.value).__name__ == row["error"]
