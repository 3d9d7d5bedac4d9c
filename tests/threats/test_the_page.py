"""docs/threat-model.md names a test for each claim: they are there, and so are the campaigns."""

from __future__ import annotations

import re
from pathlib import Path

from fuzz.targets import TARGETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "threat-model.md").read_text()
NAMED = re.compile(r"`(\w+/test_\w+)?(?:::(test_\w+))?`")


def test_every_test_that_the_page_names_exists() -> None:
    seen, file = 0, ""
    for found in NAMED.finditer(PAGE):
        file = found[1] or file
        if found[1] or found[2]:
            text = (ROOT / "tests" / f"{file}.py").read_text()
            assert found[2] is None or f"def {found[2]}(" in text, found[0]
            seen += 1
    assert seen > 30


def test_every_campaign_that_the_page_names_exists() -> None:
    named = set(re.findall(r"campaigns? `([\w-]+)`", PAGE))
    assert named
    assert named <= set(TARGETS)
