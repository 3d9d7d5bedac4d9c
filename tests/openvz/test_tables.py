"""The tables of docs/openvz.md say what the code does."""

from __future__ import annotations

import re
from itertools import takewhile
from pathlib import Path

from objref.dialects import openvz
from objref.dialects.openvz import references
from objref.dialects.openvz.kinds import ALIASES, ARCHITECTURES, COVERED, KIND_OF, KINDS, MADE, NUMBER, OBJECTS, ROLES, VERSIONS
from objref.dialects.openvz.layouts import layout
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX
from openvz.collecting import Collected, collect
from openvz.making import FLAVOURS, I386, MIDDLE, NULL, OLD, SIZES, TYPES, Maker, page, scene

PAGE_TEXT = (Path(__file__).resolve().parents[2] / "docs" / "openvz.md").read_text()
FORM_NAMES = {FORM_DECIMAL: "decimal", FORM_HEX: "hexadecimal", FORM_BYTES: "bytes"}


def table(heading: str) -> list[list[str]]:
    """The rows of the table with these headings."""
    lines = PAGE_TEXT.partition(f"\n{heading}\n")[2].splitlines()[1:]
    rows = takewhile(lambda line: line.startswith("|"), lines)
    return [[cell.strip().replace("`", "") for cell in row.strip("|").split("|")] for row in rows]


TYPE_ROWS = table("| space | type | struct | older |")
FURTHER = table("| space | form | names | unique |")
OTHERS = table("| space | form | what | key |")
REFERENCES = table("| role | strength | from | field | to | none |")


def test_every_space_is_on_the_page_with_its_form() -> None:
    assert [row[:2] for row in FURTHER] == [[kind.name, FORM_NAMES[kind.form]] for kind in ALIASES]
    names = [row[0] for row in OTHERS]
    assert names == ["member", "header", "section", "unknown", *(kind.name for kind in MADE)]
    forms = {kind.name: FORM_NAMES[kind.form] for kind in KINDS}
    assert [row[1] for row in OTHERS] == [forms[name] for name in names]
    types = [row[0] for row in TYPE_ROWS]
    assert {kind.name for kind in KINDS} == {*types, *names, *(kind.name for kind in ALIASES)}
    assert {forms[name] for name in types} == {"hexadecimal"}


def test_every_type_is_on_the_page_with_the_lengths_of_its_struct() -> None:
    assert [int(row[1]) for row in TYPE_ROWS] == list(OBJECTS)
    for name, number, size, older in TYPE_ROWS:
        assert KINDS[KIND_OF[int(number)]].name == name
        known = layout(int(number), 1)
        assert size == (str(known.size) if known else "—")
        assert older == (" ".join(map(str, known.older)) if known else "")


def test_the_lengths_are_those_that_kernels_write() -> None:
    """The generator's, which were written from the facts by themselves."""
    for name, number in TYPES.items():
        known = layout(number, 1)
        if known is not None and name != "NAME":
            assert known.size == SIZES[name], name
            written = {sizes[name] for sizes in (OLD, MIDDLE) if name in sizes and sizes[name] < known.size}
            assert written <= set(known.older), name
    for name, size in I386.items():
        known = layout(TYPES[name], 0)
        assert known is not None
        assert size in (known.size, *known.older)


def test_versions_and_architectures() -> None:
    versions = [row[0] for row in table("| version | kernels | |")]
    assert versions == [*(f"{version:#x}" for version in sorted(COVERED)), "all others"]
    assert set(COVERED) < set(VERSIONS)
    machines = table("| architecture | | |")
    assert [(row[0], row[1]) for row in machines[:2]] == [(str(n), ARCHITECTURES[n]) for n in (0, 1)]
    data = bytearray(scene().data)
    for version in VERSIONS:
        data[6:8] = version.to_bytes(2, "little")
        assert ("version" in collect(bytes(data)).what()) == (version not in COVERED)


def test_further_keys_are_the_fields_that_the_page_names() -> None:
    fields = {(row[0], *re.findall(r"^([\w-]+), by (\w+)", row[2])[0]) for row in FURTHER if row[0] != "pos"}
    rows = {
        (what, KINDS[KIND_OF[NUMBER[line.split()[0]]]].name, field)
        for line in references.OWN.strip().split("\n")
        for field, _, what in (line.split()[1].split(":"),)
    }
    assert rows == fields


# -- references ---------------------------------------------------------------------------------------------


def test_every_role_is_on_the_page_with_its_strength() -> None:
    strengths = {role.name: role.strength for role in ROLES}
    assert {row[0]: row[1] for row in REFERENCES} == strengths
    assert all(strengths[row[0]] == row[1] for row in REFERENCES)


def test_the_fields_that_refer_are_those_of_the_page() -> None:
    """Of the fields that always mean the same; the others are below."""
    coded = set()
    for line in (references.POSITIONS + references.INDEXES + references.PIDS).strip().split("\n"):
        if line:
            name, *entries = line.split()
            source = KINDS[KIND_OF[NUMBER[name]]].name
            for entry in entries:
                field, role, what = entry.split(":")
                to = what if what == what.lower() else KINDS[KIND_OF[NUMBER[what]]].name
                coded.add((role, source, field, to or "pos"))
    page = {(row[0], row[2], field, row[4]) for row in REFERENCES for field in row[3].split(", ")}
    assert coded <= page
    assert {(role, source) for role, source, *_ in page - coded} == {
        ("part", "any"), ("mem", "task"), ("mem", "mm"), ("content", "inode"), ("mount", "socket"), ("tty", "file"),
        ("socket", "file"), ("process", "file"), ("process", "cgroup"), ("bind", "vfsmount"), ("cgroup", "vfsmount"),
        ("section", "trailer"),
    }  # fmt: skip


def edges_of(found: Collected) -> set[tuple[str, str, str]]:
    """(role, kind of the source, kind of the object it leads to, or the space for what leads nowhere)."""
    edges = set()
    for source, role, space, key in found.edges:
        kind = found.things[source].kind
        edges.add((role, kind, found.find(space, key).kind if space == "pos" and role != "part" else space))
    return edges


def test_files_of_every_flavour_hold_the_references_of_the_page_and_no_others() -> None:
    rows = {(row[0], row[2], row[4]) for row in REFERENCES}
    met: set[tuple[str, str, str]] = set()
    for flavour in FLAVOURS:
        for role, source, target in edges_of(collect(scene(flavour).data)):
            anything = {(role, source, "pos"), (role, "any", "pos")}
            assert {(role, source, target), *anything} & rows, (role, source, target)
            met |= ({(role, source, target)} | anything) & rows
    unseen = {role for role, *_ in rows - met}
    assert unseen <= {"file", "shared", "master", "mount", "parent"}, unseen


# -- notes --------------------------------------------------------------------------------------------------


def test_every_note_is_on_the_page() -> None:
    source = "".join(path.read_text() for path in Path(openvz.__file__).parent.glob("*.py"))
    names = set(re.findall(r'(?:Note\(\s*|_tell\(|"layout" if what\[1\] else )"([\w-]+)"', source)) | {"layout", "unknown-type"}
    assert {row[0] for row in table("| note | means |")} == names


def test_a_table_of_page_blocks() -> None:
    """What each gives, by its content kind."""
    for name, content, body, size in (("PAGES", 2, page(1), 4096), ("PAGES", 0, b"", 4096), ("PAGES", 12, b"", 0),
                                      ("LAZYPAGES", 0, b"", 0), ("ITERPAGES", 2, bytes(8), 0)):  # fmt: skip
        m = Maker()
        m.section(4)
        mm = m.begin("MM", 1, o112=("Q", NULL))
        m.leaf(name, content, body, o16=("Q", 4096), o24=("Q", 8192))
        m.end()
        m.end()
        found = collect(m.finish())
        rows = [t.at for t in found.things if t.kind == "mem"]
        assert sum(len(row) for at in rows if at for row in at.values()) == size
        assert bool(found.references(mm, "mem")) == bool(size)
