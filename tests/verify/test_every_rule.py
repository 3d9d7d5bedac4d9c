"""One broken file for each rule of docs/format.md, with all checksums right: verify names the rule."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from forgeries import R19, R20, SEALED, ZEROS, stretched
from samples import Forger, small_events, write_events


import objref
from objref.container import format as f
from objref.container.options import Options

DIRECTORY = Path(__file__).parents[2] / "docs" / "format.md"


def broken_rules(data: bytes, **options: str) -> set[str]:
    """The rules that are found broken."""
    report = objref.verify_image(data, **options)  # type: ignore[arg-type]
    assert not report.sound
    assert all(finding.text for finding in report.findings)
    return {rule for finding in report.findings for rule in finding.rules}


@pytest.mark.parametrize("where", ZEROS)
def test_bytes_that_must_be_zero(where: str, raw: bytes) -> None:
    forger = Forger(raw)
    ZEROS[where](forger)
    assert "R1" in broken_rules(forger.seal())


def test_the_padding_of_a_trailer_with_an_odd_number_of_blocks(tmp_path: Path) -> None:
    write_events(tmp_path / "odd", small_events(), Options(codec="raw", block_log2=12, page_block_log2=12))
    forger = Forger((tmp_path / "odd").read_bytes())
    (trail,) = forger.trails
    assert trail.header.blocks % 2
    forger.data[forger.body(0) + trail.header.pieces * f.PIECE.size + 4 * trail.header.blocks] = 1
    assert "R1" in broken_rules(forger.seal())


@pytest.mark.parametrize("rule", SEALED)
def test_a_rule_is_broken(rule: str, raw: bytes) -> None:
    forger = Forger(raw)
    SEALED[rule](forger)
    assert rule in broken_rules(forger.seal())


def test_r2_no_footer(raw: bytes) -> None:
    for data in (raw[:-1], raw[:-128], raw[: len(raw) // 2], raw[:100], raw + b"\0"):
        assert "R2" in broken_rules(data)


def test_r7_a_frame_that_says_another_size(tree: bytes) -> None:
    forger = Forger(tree)
    if not stretched(forger):  # raw: the braid alone may be compressed, and here it is too small
        assert all(s.codec == f.RAW or s.role == f.BRAID for s in forger.sections.values())
        return
    assert "R7" in broken_rules(forger.seal())


@pytest.mark.parametrize("how", R19)
def test_r19_dictionaries(how: str, dense: bytes) -> None:
    forger = Forger(dense)
    R19[how](forger)
    data = forger.seal()
    assert "R19" in broken_rules(data, depth="quick")
    assert "R19" in broken_rules(data)


@pytest.mark.parametrize("how", R20)
def test_r20_packed_tables(how: str, dense: bytes) -> None:
    forger = Forger(dense)
    R20[how](forger)
    assert "R20" in broken_rules(forger.seal(), depth="quick")


def test_a_packed_table_of_the_future_is_checked_all_the_same(dense: bytes) -> None:
    """Nobody knows its words, but its stripes have checksums."""
    forger = Forger(dense)
    i = next(i for i, t in enumerate(forger.tables) if t.codec == f.STRIPED and t.what != f.TABLE_IDS["objects"])
    forger.put(forger.entry(f.TABLES, i), "H", 500)
    data = bytearray(forger.seal())
    before = objref.verify_image(bytes(data), depth="quick").findings
    assert not [finding for finding in before if finding.where.startswith("table 500")]
    data[forger.tables[i].offset + 9] ^= 1
    after = objref.verify_image(bytes(data), depth="quick").findings
    assert [finding for finding in after if finding.where.startswith("table 500") and "stripe 0" in finding.text]


def test_every_rule_of_the_page_is_broken_here() -> None:
    rules = set(re.findall(r"\*\*(R\d+)\*\*", DIRECTORY.read_text()))
    assert rules == {"R1", "R2", "R7", "R19", "R20", "R21", *SEALED}


QUICK = ("R3", "R4", "R5", "R6", "R8", "R9", "R13", "R14", "R15", "R16")


@pytest.mark.parametrize("rule", QUICK)
def test_what_the_structure_tells_needs_no_content(rule: str, raw: bytes) -> None:
    forger = Forger(raw)
    SEALED[rule](forger)
    assert rule in broken_rules(forger.seal(), depth="quick")
