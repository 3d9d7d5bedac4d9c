"""The tables of docs/linux-cr.md say what the code does and what streams hold."""

from __future__ import annotations

import re
from itertools import chain
from pathlib import Path

import pytest
from linux_cr.collecting import collect
from linux_cr.making import LAYOUTS, scene

from objref.dialects import linux_cr
from objref.dialects.linux_cr import DIALECT
from objref.dialects.linux_cr.entries import EPOLL_ITEM, FILE_TYPES
from objref.dialects.linux_cr.fields import parse
from objref.dialects.linux_cr.kinds import KINDS, OBJECTS, ROLES
from objref.dialects.linux_cr.numbering import Layout, object_kinds
from objref.dialects.linux_cr.openers import OWN, PID_ROLES, TASK_ROLES
from objref.dialects.linux_cr.records import RECORDS, VETH, X86_ONLY
from objref.dialects.linux_cr.revision import BY_REV
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "linux-cr.md").read_text()
FORMS = {FORM_DECIMAL: "decimal", FORM_HEX: "hexadecimal", FORM_BYTES: "bytes"}
STRENGTH = {role.name: role.strength for role in ROLES}


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first column is called so."""
    _, _, rest = PAGE.partition(f"\n| {first} |")
    assert rest, f"no table {first}"
    rows = rest.partition("\n\n")[0].splitlines()[2:]
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


def test_layouts() -> None:
    told = [layout.label for layout in Layout if layout not in (Layout.UNKNOWN, Layout.REV6_OLD, Layout.REV6_NEW)]
    rows = table("layout")
    assert [row[0] for row in rows] == told
    assert {int(row[1]) for row in rows} == set(BY_REV)


def test_every_space_is_on_the_page_with_its_form() -> None:
    rows = table("space")
    assert [(row[0], row[1]) for row in rows] == [(kind.name, FORMS[kind.form]) for kind in KINDS]
    assert {row[0] for row in rows if row[2] == "objref"} == set(OBJECTS)


def test_what_an_objref_announces() -> None:
    kinds = set(chain.from_iterable(object_kinds(layout).values() for layout in Layout))
    assert kinds == set(OBJECTS) - {"object"}
    assert set(OWN) == kinds - {"mnt-ns", "security-ptr"}


def references() -> set[tuple[str, str, str, str]]:
    """(role, record, field, target), as the code has them."""
    texts = [(record.name, record.fields) for record in RECORDS]
    texts += [("FILE", text) for _, text in FILE_TYPES.values()]
    texts += [("NETDEV", VETH), ("BUFFER of EPOLL_ITEMS", EPOLL_ITEM.text)]
    found = {(f.role, name, f.name, f.space) for name, text in texts for f in parse(text) if f.role}
    names = ("vpid", "vppid", "vtgid", "vpgid", "vsid")
    found |= {(role, "BUFFER of TREE", name, "pid") for role, name in zip(PID_ROLES, names, strict=True)}
    found |= {(role, "BUFFER of TREE", name, "task") for role, name in zip(TASK_ROLES, names[1:], strict=True)}
    return found | {("mem", "MM", "", "mem")}


def test_references_are_those_of_the_code() -> None:
    rows = table("role")
    assert {(row[0], row[2], row[3], row[4]) for row in rows} == references()
    assert len(rows) == len(references())
    for role, strength, *_ in rows:
        assert STRENGTH[role] == strength
    assert {row[0] for row in rows} == set(STRENGTH)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_references_of_streams_are_on_the_page(layout: str) -> None:
    known = {(row[0], row[4]) for row in table("role")}
    for _, role, target in collect([bytes(scene(layout).out)]).edges:
        assert (role, target.partition(":")[0]) in known


def test_machines_whose_records_are_kept() -> None:
    (row,) = [row for row in table("kept") if "THREAD" in row[0]]
    assert set(re.findall(r"[A-Z_]{3,}", row[0])) == X86_ONLY


def test_notes_are_those_of_the_code() -> None:
    code = "".join(path.read_text() for path in Path(linux_cr.__file__).parent.glob("*.py"))
    told = set(re.findall(r'(?:notebook\.add|\bNote)\(\s*"([a-z-]+)"', code))
    told |= set(re.findall(r'_odd\([^)]*?"([a-z-]+)"\)', code, re.S))
    assert {row[0] for row in table("note")} == told


def test_layouts_of_convert() -> None:
    from objref.cli.converting import HELP

    for name in DIALECT.layouts:
        assert f"`{name}`" in PAGE
        assert name in HELP
