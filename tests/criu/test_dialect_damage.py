"""Image files that are cut, changed, or filled with the worst: an import goes on, keeps all, and says what it saw."""

from __future__ import annotations

import io
import random
import struct
from pathlib import Path
from typing import Any

import pytest
from criu.making import (
    COMMON,
    MAGIC,
    PRESENT,
    RAW,
    Folder,
    Link,
    Members,
    Scene,
    archive,
    framed,
    frames,
    header,
    image,
    message,
    page,
    prefix_of,
    small,
)
from criu.making_dumps import everything_folder, legacy_folder
from criu.making_model import Found, split
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import objref
from objref.dialects.criu import memory as criu_memory
from objref.dialects.criu import splitter as criu
from objref.dialects.criu.kinds import FILES
from objref.dialects.criu.schema import message_class
from objref.dialects.criu.splitter import CriuSplitter
from objref.dialects.events import Note, Run
from objref.limits import DEFAULT

EVERYTHING = {name: data for name, data in everything_folder().files.items() if isinstance(data, bytes)}
CUT = [name for name, data in EVERYTHING.items() if prefix_of(name) and len(data) < 1200]


def of(members: Members) -> Found:
    """What is found, the same whole and in pieces; every member's bytes are its own."""
    data = archive(members)
    found = split([data])
    assert found == split(data[i : i + 7] for i in range(0, len(data), 7))
    assert found.stream == data
    whole = {name: b"".join(pieces) for name, pieces in found.pieces.items() if name.startswith("member:")}
    contents = [content for _, content in members if isinstance(content, bytes)]
    assert sorted(whole.values()) == sorted(contents)
    return found


@pytest.mark.parametrize("name", CUT)
def test_cut_at_every_byte(name: str) -> None:
    content, prefix = EVERYTHING[name], prefix_of(name)
    full = of([(f"i/{name}".encode(), content)]).pieces
    for end in range(len(content)):
        found = of([(f"i/{name}".encode(), content[:end])])
        noted = ("truncated", f"i/{name}") in found.notes
        assert noted is not frames(prefix, content[:end])[1], end
        for name_of, pieces in found.pieces.items():
            if not name_of.startswith(("member:", "fdtable:", "pagemap")):
                assert b"".join(full[name_of]).startswith(b"".join(pieces)), (end, name_of)


@pytest.mark.parametrize("length", [0xFFFFFFFF, 0x80000000, 0x7FFFFFFF, DEFAULT.item + 1, 300])
@pytest.mark.parametrize("name", ["files.img", "pipes-data.img", "pagemap-10.img", "cgroup.img"])
def test_lengths_that_lie(name: str, length: int) -> None:
    content = EVERYTHING[name] + struct.pack("<I", length) + b"rest" * 20
    found = of([(f"i/{name}".encode(), content)])
    assert [note for note in found.notes if note[0] == "truncated"] == [("truncated", f"i/{name}")]


@pytest.mark.parametrize("name", ["files.img", "pipes-data.img"])
def test_an_item_above_the_limit_is_kept_however_it_comes(name: str) -> None:
    """Also when all of it is at hand at once."""
    data = archive([(f"i/{name}".encode(), EVERYTHING[name] + framed(bytes(5000)))])
    limits = DEFAULT._replace(item=4000)
    notes = []
    for step in (1, 500, 6000, 1 << 20):
        splitter = CriuSplitter(limits)
        events = [event for i in range(0, len(data), step) for event in splitter.feed(data[i : i + step])]
        events += splitter.finish()
        notes.append([event for event in events if isinstance(event, Note)])
        assert b"".join(bytes(event.data) for event in events if isinstance(event, Run)) == data
    assert notes[0][0].what == "oversized"
    assert notes == [notes[0]] * 4


# -- the worst that parses ----------------------------------------------------------------------------------

WORST: dict[str, list[Any]] = {
    "uint32": [0, 1, 10, (1 << 31), (1 << 32) - 1],
    "uint64": [0, 1, 10, (1 << 32), (1 << 48), (1 << 64) - 1],
    "int32": [-(1 << 31), -1, 0, 10, (1 << 31) - 1],
    "int64": [-(1 << 63), -1, 0, (1 << 63) - 1],
    "bool": [False, True],
}
TYPES = {
    13: "uint32",
    4: "uint64",
    5: "int32",
    3: "int64",
    17: "int32",
    18: "int64",
    8: "bool",
    6: "uint64",
    7: "uint32",
}
TREES = {"cgroup_dir_entry", "aa_namespace"}
"""Messages inside themselves."""


def worst(name: str, pick: random.Random, full: bool = False) -> Any:
    """A message with odd values in most of its fields."""
    made = message_class(name)()
    for field in made.DESCRIPTOR.fields:
        if not full and pick.random() < 0.15:
            continue
        times = pick.choice((1, 2, 3)) if field.is_repeated else 1
        for _ in range(times):
            put(made, field, pick, full)
    return made


def put(made: Any, field: Any, pick: random.Random, full: bool) -> None:
    if field.message_type is not None:
        if field.message_type.name in TREES and field.containing_type.name in TREES:
            return
        value = worst(field.message_type.name, pick, full)
        (getattr(made, field.name).append if field.is_repeated else getattr(made, field.name).CopyFrom)(value)
        return
    if field.enum_type is not None:
        value = pick.choice([v.number for v in field.enum_type.values])
    elif field.type in (9, 12):
        value = "x" if field.type == 9 else b"\xff\0"
    else:
        value = pick.choice(WORST[TYPES[field.type]])
    if field.is_repeated:
        getattr(made, field.name).append(value)
    else:
        setattr(made, field.name, value)


def worst_image(prefix: str, number: str, pick: random.Random) -> tuple[bytes, bytes]:
    name = f"i/{prefix}{number}" + ("" if prefix.startswith("stats") else ".img")
    messages = [worst(FILES[prefix].message, pick).SerializeToString() for _ in range(4)]
    if prefix.startswith("pagemap"):
        messages[0] = message("pagemap_head", pages_id=10)
    return name.encode(), image(prefix, *messages) + pick.randbytes(30)


def numbered(prefix: str) -> bool:
    return prefix == "mountpoints" or (FILES[prefix].key.startswith("name") and prefix != "binfmt-misc")


@pytest.mark.parametrize("seed", range(12))
def test_the_oddest_values_in_all_fields_of_all_kinds(seed: int, tmp_path: Path) -> None:
    """References, nodes, memory and the index are made of them, and nothing overflows."""
    pick = random.Random(seed)
    members: Members = []
    for prefix in MAGIC:
        if prefix in RAW:
            continue
        limit = (1 << 32) - 1 if FILES[prefix].key.startswith("name/") else (1 << 64) - 1
        numbers = (
            [f"-{n:x}" if FILES[prefix].hexadecimal else f"-{n}" for n in (0, 10, limit)] if numbered(prefix) else [""]
        )
        members += [worst_image(prefix, number, pick) for number in numbers]
    pick.shuffle(members)
    members.append((b"i/pages-10.img", page(1) * 3))
    if seed % 2:
        members = [one for one in members if one[0] != b"i/files.img"]  # a legacy dump
    found = of(members)
    data = archive(members)
    objref.import_image(io.BytesIO(data), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as opened:
        out = io.BytesIO()
        opened.export(out)
        assert out.getvalue() == data
        objects = list(opened.objects())
        assert [one.objref for one in objects] == found.order
        edges = sorted((one.objref, to.role, to.target_objref) for one in objects for to in one.references)
        assert edges == found.edges


@pytest.mark.parametrize("prefix", [prefix for prefix in MAGIC if prefix not in RAW])
def test_every_kind_cut_anywhere_after_odd_values(prefix: str) -> None:
    pick = random.Random(prefix)
    name, content = worst_image(prefix, "-10" if numbered(prefix) else "", pick)
    for _ in range(20):
        of([(name, content[: pick.randint(0, len(content))])])


# -- changed at random --------------------------------------------------------------------------------------

LEGACY = {name: data for name, data in legacy_folder().files.items() if isinstance(data, bytes)}
SOURCES = [*((name, data) for name, data in EVERYTHING.items()), *LEGACY.items()]
CHANGES = st.lists(
    st.tuples(
        st.integers(0, len(SOURCES) - 1),
        st.integers(0, 4000),
        st.sampled_from(
            [
                b"\xff\xff\xff\xff",
                b"\0\0\0\0",
                b"\x05\0\0\0",
                b"\x80",
                b"\x0a",
                struct.pack("<I", COMMON),
                b"\x08\xff\x01",
            ]
        ),
        st.sampled_from(["put", "insert", "delete", "cut"]),
    ),
    max_size=6,
)


def changed(content: bytes, at: int, what: bytes, how: str) -> bytes:
    at %= len(content) + 1
    if how == "put":
        return content[:at] + what + content[at + len(what) :]
    if how == "insert":
        return content[:at] + what + content[at:]
    return content[:at] if how == "cut" else content[:at] + content[at + len(what) :]


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(changes=CHANGES, chosen=st.sets(st.integers(0, len(SOURCES) - 1), max_size=8))
def test_changed_at_random_is_the_same_in_pieces(changes: list[tuple[int, int, bytes, str]], chosen: set[int]) -> None:
    files = {i: SOURCES[i] for i in chosen | {change[0] for change in changes}}
    for i, at, what, how in changes:
        name, content = files[i]
        files[i] = name, changed(content, at, what, how)
    of([(f"{i // len(EVERYTHING)}/{name}".encode(), content) for i, (name, content) in files.items()])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    prefix=st.sampled_from([p for p in MAGIC if p not in RAW]),
    items=st.lists(st.binary(max_size=40), max_size=5),
    end=st.binary(max_size=9),
)
def test_random_bytes_as_items(prefix: str, items: list[bytes], end: bytes) -> None:
    suffix = "" if prefix.startswith("stats") else ".img"
    name = f"i/{prefix}{'-10' if numbered(prefix) else ''}{suffix}"
    of([(name.encode(), header(prefix) + b"".join(map(framed, items)) + end)])


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_page_maps_of_any_sort(data: st.DataObject) -> None:
    """Up to three layers of entries of all sorts: segments ascend, and every page is where a plain search finds it."""
    number = st.integers(0, 12)
    entries = st.lists(st.tuples(number, st.integers(0, 4), st.integers(0, 7)), max_size=5)
    folders = []
    for layer in range(data.draw(st.integers(1, 3))):
        f = Folder(f"l{layer}", layer)
        maps, stored = data.draw(entries), data.draw(number)
        if data.draw(st.booleans()):
            maps = sorted(maps)
        f.files["mm-10.img"] = image("mm", message("mm_entry", mm_saved_auxv=[6, 4096]))  # else the file's size says it
        f.pagemap(10, 1, *({"vaddr": v << 12, "nr_pages": n, "flags": flags} for v, n, flags in maps))
        f.pages(1, b"".join(page(layer * 100 + i + 1) for i in range(stored)))
        f.files["parent"] = Link(f"../l{layer + 1}")
        folders.append((f, maps, stored))
    found = split([Scene(tuple(f for f, _, _ in folders)).tar()])
    for layer, _ in enumerate(folders):
        wanted = {v << 12: page(n) for v in range(20) if (n := plainly(folders, layer, v))}
        name = f"{layer}/mem:10" if layer else "mem:10"
        pages = {at + i: data[i : i + 4096] for at, data in found.memory[name] for i in range(0, len(data), 4096)}
        assert pages == wanted


def plainly(folders: list[tuple[Folder, list[tuple[int, int, int]], int]], layer: int, vpage: int) -> int:
    """The number of the page at an address, 0 for none: entry by entry, layer by layer."""
    if layer == len(folders):
        return 0
    _, maps, stored = folders[layer]
    last = offset = 0
    for start, pages, flags in maps:
        if start >= last and pages:
            last = start + pages
            if start <= vpage < last:
                if flags & PRESENT:
                    place = offset + vpage - start
                    return layer * 100 + place + 1 if place < stored else 0
                return plainly(folders, layer + 1, vpage) if flags & 1 else 0
        offset += pages if flags & PRESENT else 0
    return 0


# -- too many -----------------------------------------------------------------------------------------------


def test_more_folders_than_layers_can_be(tmp_path: Path) -> None:
    members: Members = [(b"f%d/seccomp.img" % i, image("seccomp", b"")) for i in range(criu.FOLDERS_MAX + 3)]
    report = objref.import_image(io.BytesIO(archive(members)), tmp_path / "x.objref")
    assert [note.what for note in report.notes] == ["folders"]
    with objref.open(tmp_path / "x.objref") as opened:
        assert len(opened.layers) == criu.FOLDERS_MAX
        assert len(opened["member"]) == len(members)


def test_folders_with_names_too_long_for_what_is_said_of_an_image(tmp_path: Path) -> None:
    """They stand in META, which readers take up to 1 MiB of; names of bytes that are no text take six times as much."""
    members: Members = [(b"%03d" % i + b"\xff" * 2000 + b"/seccomp.img", image("seccomp", b"")) for i in range(90)]
    report = objref.import_image(io.BytesIO(archive(members)), tmp_path / "x.objref")
    assert [note.what for note in report.notes] == ["folders"]
    with objref.open(tmp_path / "x.objref") as opened:
        assert 60 < len(opened.layers) < 70
        assert all(len(note["where"]) <= 1024 for note in opened.notes())


def test_a_chain_longer_than_is_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(criu_memory, "MAX_LAYERS", 3)
    folders = []
    for i in range(6):
        f = Folder(f"l{i}", i)
        f.pagemap(10, 1, {"vaddr": 0x1000, "nr_pages": 1, "flags": PRESENT if i == 5 else 1})
        f.pages(1, page(9) if i == 5 else b"")
        f.files["parent"] = Link(f"../l{i + 1}")
        folders.append(f)
    del folders[-1].files["parent"]
    found = split([Scene(tuple(folders)).tar()])
    assert found.notes == [("parent", "l0/pagemap-10.img"), ("parent", "l1/pagemap-10.img")]
    assert found.memory["2/mem:10"] == [(0x1000, page(9))]
    assert found.memory["mem:10"] == []


def test_more_notes_than_are_kept(tmp_path: Path) -> None:
    f = small()
    f.files["files.img"] += framed(b"\xff") * 30  # type: ignore[operator]
    data = Scene((f,)).tar()
    report = objref.import_image(io.BytesIO(data), tmp_path / "x.objref", limits=DEFAULT._replace(notes=10))
    assert (len(report.notes), report.notes_left_out) == (10, 20)
