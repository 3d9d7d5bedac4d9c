"""The tables of docs/dobriyan.md say what the code does."""

from __future__ import annotations

import re
import struct
from itertools import takewhile
from pathlib import Path

from objref.dialects import dobriyan
from objref.dialects.dobriyan.doubts import DOUBTS_MAX
from objref.dialects.dobriyan.framing import AHEAD
from objref.dialects.dobriyan.kinds import KINDS, ROLES
from objref.dialects.dobriyan.layouts import LAYOUTS
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "dobriyan.md").read_text()
FORM_NAMES = {FORM_DECIMAL: "decimal", FORM_HEX: "hexadecimal", FORM_BYTES: "bytes"}


def table(heading: str) -> list[list[str]]:
    """The rows of the table with these headings."""
    lines = PAGE.partition(f"\n{heading}\n")[2].splitlines()[1:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def test_every_space_is_on_the_page_with_its_form() -> None:
    rows = table("| space | form | type | struct | name in the posting |") + table("| space | form | what |")
    assert {row[0]: row[1] for row in rows} == {kind.name: FORM_NAMES[kind.form] for kind in KINDS}


def test_every_type_is_on_the_page() -> None:
    rows = table("| space | form | type | struct | name in the posting |")
    assert rows == [
        [layout.kind, "hexadecimal", str(number), str(layout.length) + (" + 4 × n" if layout.tail else ""), layout.name]
        for number, layout in LAYOUTS.items()
    ]


def test_every_reference_is_on_the_page_with_its_place_and_strength() -> None:
    strengths = {role.name: role.strength for role in ROLES}
    coded = [
        [role, strengths[role], layout.kind, field.name, str(field.offset + 8 * i), field.to]
        for layout in LAYOUTS.values()
        for field in layout.fields
        for i, role in enumerate(field.roles)
    ]
    assert table("| role | strength | from | field | offset | to |") == coded
    assert {row[0] for row in coded} == set(strengths)


def test_every_note_is_on_the_page() -> None:
    source = "".join(path.read_text() for path in Path(dobriyan.__file__).parent.glob("*.py"))
    assert {row[0] for row in table("| note | means |")} == set(re.findall(r'Note\(\s*"([\w-]+)"', source))


def test_limits() -> None:
    limits = {row[0]: row[1] for row in table("| what | limit |")}
    assert int(limits["objects in doubt at a time"]) == DOUBTS_MAX
    assert int(limits["a pid that is looked at in one piece"].split()[0]) == AHEAD


def test_versions_below_32_are_known_to_be_ours() -> None:
    for version in range(40):
        head = struct.pack("<8sQ", b"LinuxC/R", version)
        assert dobriyan.DIALECT.detect(head) == (0 < version < 32)
