"""The tables of docs/criu.md say what the code does and what images hold.

Real images are those of the repository, and, when OBJREF_CORPUS names their folder, those of the shared corpus.
"""

from __future__ import annotations

import io
import os
import re
import tarfile
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import zstandard
from criu.making import MAGIC, PAYLOAD_MESSAGES, RAW, frames, prefix_of
from criu.making_model import split
from criu.making_scenes import SCENES

import objref
from objref.dialects.events import CUT, NOTHING
from objref.dialects.criu import memory as criu_memory
from objref.dialects.criu import splitter as criu
from objref.dialects.criu.kinds import FILES, FORMS, KIND, KINDS, LEGACY_FILE_KINDS, MADE, MESSAGES, ROLES, parse_name
from objref.dialects.criu.payload import PLANS
from objref.dialects.criu.refs import EXTRACT
from objref.dialects.criu.schema import message_class
from objref_index import FORM_BYTES, FORM_DECIMAL, FORM_HEX, FORM_PAIR

ROOT = Path(__file__).resolve().parents[2]
PAGE_FILE = ROOT / "docs" / "criu.md"


def table(first: str) -> list[list[str]]:
    """The rows of the table whose first column is called so."""
    rows: list[list[str]] = []
    inside = False
    for line in PAGE_FILE.read_text().splitlines():
        if line.startswith(f"| {first} |"):
            inside = True
        elif inside and not line.startswith("|"):
            return rows
        elif inside and not line.startswith("|--"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
    raise AssertionError(f"no table {first}")


def plain(cell: str) -> str:
    return cell.replace("`", "")


# -- spaces -------------------------------------------------------------------------------------------------

FORM_NAMES = {FORM_DECIMAL: "decimal", FORM_HEX: "hexadecimal", FORM_PAIR: "pair", FORM_BYTES: "bytes"}
KEY_NAMES = {"zero": "0", "name": "name", "index": "place", "name/index": "name/place"}
SPACES = [list(map(plain, row)) for row in table("space") if len(row) == 6]


def test_every_space_is_on_the_page_with_its_form() -> None:
    assert [(row[0], row[1]) for row in SPACES] == [(kind.name, FORM_NAMES[kind.form]) for kind in KINDS]
    assert set(FORMS) <= set(KIND)


def test_every_space_has_its_files_messages_and_keys() -> None:
    made = {kind.name for kind in MADE} | {"member"}
    for name, _, files, message, key, _ in SPACES:
        if name in made:
            assert files in ("made", "any")
            assert message == MESSAGES.get(name, "")
            continue
        specs = [(prefix, spec) for prefix, spec in FILES.items() if spec.kind == name]
        assert message == specs[0][1].message == MESSAGES.get(name, "")
        assert key == KEY_NAMES.get(specs[0][1].key, specs[0][1].key)
        for file in files.split(", "):
            found = parse_name(file.replace("-N", "-5").replace("-H", "-5f"))
            assert found is not None
            assert found.spec in [spec for _, spec in specs]
            assert found.spec.hexadecimal is ("-H" in file)
            assert found.number == (0x5F if "-H" in file else 5 if "-N" in file else 0)
        names = {re.sub(r"(-[NH])?(\.tar\.gz)?(\.img)?$", "", file) for file in files.split(", ")}
        assert names == {prefix for prefix, _ in specs}


def test_forms_follow_from_keys() -> None:
    """A pair of numbers needs both halves; a hexadecimal name is shown as it is written."""
    for spec in FILES.values():
        form = KINDS[KIND[spec.kind]].form
        assert (form == FORM_PAIR) is spec.key.startswith("name/")
        assert not spec.hexadecimal or form == FORM_HEX


def test_keys_are_fields_of_their_messages() -> None:
    for spec in FILES.values():
        field = spec.key.removeprefix("name/")
        if spec.message and field not in ("zero", "name", "index"):
            descriptor: Any = message_class(spec.message).DESCRIPTOR
            for step in field.split("."):
                found = descriptor.fields_by_name[step]
                descriptor = found.message_type
            assert found.cpp_type in (3, 4), "an unsigned number"  # CPPTYPE_UINT32, CPPTYPE_UINT64


def test_magics_are_those_of_the_facts() -> None:
    for prefix, spec in FILES.items():
        assert spec.magic == (0 if prefix in RAW else MAGIC[prefix])
    assert set(FILES) == {*MAGIC, *RAW}


def test_payloads_are_on_the_page() -> None:
    rows = payload_rows()
    assert {name for row in rows for name in plain(row[0]).split(", ")} == set(PLANS)
    assert {spec.kind for spec in FILES.values() if spec.payload} == set(PLANS)
    assert {FILES[prefix].kind for prefix in PAYLOAD_MESSAGES} == set(PLANS)


def payload_rows() -> list[list[str]]:
    text = PAGE_FILE.read_text().partition("| space | pieces after the message |\n|---|---|\n")[2]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.partition("\n\n")[0].splitlines()]


def test_which_is_task_17() -> None:
    assert FILES["pstree"].kind == "task"
    rows = {plain(row[1]): row[2] for row in table("what") if len(row) == 3 and ":17" in row[1]}
    model = split([SCENES["every_kind_of_a_modern_dump"]().tar()])
    roles = {(role, target.partition(":")[0]) for source, role, target in model.edges if source == "task:10"}
    for name, text in rows.items():
        if name != "task:17":
            assert (re.findall("`(.+?)`", text)[0], name.partition(":")[0]) in roles


# -- references ---------------------------------------------------------------------------------------------

FILE_SPACES = {"file", *LEGACY_FILE_KINDS.values()}
REFERENCES = [
    (plain(row[0]), row[1], plain(row[2]), targets) for row in table("role") for targets in plain(row[4]).split(", ")
]


def spaces(name: str) -> set[str]:
    return FILE_SPACES if name == "file*" else {name}


def triples(edges: list[tuple[str, str, str]]) -> set[tuple[str, str, str]]:
    def space(objref: str) -> str:
        return objref.partition(":")[0].rpartition("/")[2]

    return {(role, space(source), space(target)) for source, role, target in edges}


ALLOWED = {(role, a, b) for role, _, source, target in REFERENCES for a in spaces(source) for b in spaces(target)}


def test_every_role_is_on_the_page_with_its_strength() -> None:
    assert {(role, strength) for role, strength, _, _ in REFERENCES} == {(role.name, role.strength) for role in ROLES}
    assert len(ROLES) < 256  # one byte in the tables


def test_fields_of_references_are_fields() -> None:
    messages = {"pagemap_head", *(spec.message for spec in FILES.values() if spec.message)}
    names = {f.name for name in messages for f in fields_of(message_class(name).DESCRIPTOR)}
    for row in table("role"):
        for field in re.findall("`(.+?)`", row[3]):
            assert field.split(".")[-1].replace("*_ns_id", "net_ns_id") in names, row


def fields_of(descriptor: Any, depth: int = 4) -> list[Any]:
    inner = [
        f
        for field in descriptor.fields
        if depth and field.message_type
        for f in fields_of(field.message_type, depth - 1)
    ]
    return [*descriptor.fields, *inner]


def test_all_references_of_the_scenes_are_on_the_page_and_all_of_the_page_are_staged() -> None:
    found: set[tuple[str, str, str]] = set()
    for make in SCENES.values():
        found |= triples(split([make().tar()]).edges)
    assert found - ALLOWED == set()
    unseen = [
        (role, source, target)
        for role, _, source, target in REFERENCES
        if not any((role, a, b) in found for a in spaces(source) for b in spaces(target))
    ]
    assert unseen == []


def test_every_message_that_refers_is_that_of_a_file_or_in_one() -> None:
    assert set(EXTRACT) <= {spec.message for spec in FILES.values()}


# -- notes and limits ---------------------------------------------------------------------------------------


def test_every_note_is_on_the_page() -> None:
    from objref import ending, importer

    said = set()
    for path in (*Path(criu.__file__).parent.glob("*.py"), Path(importer.__file__), Path(ending.__file__)):
        text = path.read_text()
        said |= set(re.findall(r'(?:Note|_note)\(\s*"([a-z-]+)"', text))
        named = {"CUT": CUT, "NOTHING": NOTHING}
        said |= {named[name] for name in re.findall(r"Note\(\s*(?:ev\.)?(CUT|NOTHING),", text)}
        said |= set(re.findall(r'what = "([a-z]+)" if', text)) | set(re.findall(r'what = .* else "([a-z]+)"', text))
    assert {plain(row[0]) for row in table("note")} == said


def test_limits_are_those_of_the_code() -> None:
    rows = {
        row[0]: row[1]
        for row in table("what")
        if row[0] in ("one item", "layers", "layers that a page is looked up through")
    }
    rows |= {row[0]: row[1] for row in limit_rows()}
    assert rows["one item"] == f"{objref.Limits().item >> 20} MiB"
    assert rows["layers"].startswith(f"{criu.FOLDERS_MAX} folders, {criu.FOLDER_NAMES_MAX >> 10} KiB")
    assert rows["layers that a page is looked up through"] == str(criu_memory.MAX_LAYERS)
    assert rows["notes"].startswith(f"{objref.Limits().notes:,} ")


def limit_rows() -> list[list[str]]:
    text = PAGE_FILE.read_text().partition("## 7. Limits")[2]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]


# -- real images --------------------------------------------------------------------------------------------

SHIPPED = sorted((ROOT / "tests" / "images").glob("*.tar.zst"))
CORPUS = os.environ.get("OBJREF_CORPUS")


def archives() -> list[Any]:
    found = [pytest.param(path, id=path.name) for path in SHIPPED if ".files." not in path.name]
    if CORPUS is None:
        return [
            *found,
            pytest.param(None, marks=pytest.mark.skip("OBJREF_CORPUS names no folder with real images"), id="corpus"),
        ]
    return found + [
        pytest.param(path, id=path.name)
        for path in sorted(Path(CORPUS).glob("*.tar.zst"))
        if ".image." not in path.name
    ]


real = pytest.mark.parametrize("path", archives())


def tar_of(path: Path) -> bytes:
    return zstandard.ZstdDecompressor(max_window_size=1 << 27).stream_reader(path.read_bytes()).read()


def folders_of(data: bytes) -> dict[str, dict[str, bytes | str]]:
    """Folder → name → content, or the target of a link."""
    found: dict[str, dict[str, bytes | str]] = {}
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        for one in tar:
            folder, _, base = one.name.removeprefix("./").rpartition("/")
            if one.isreg():
                found.setdefault(folder, {})[base] = tar.extractfile(one).read()  # type: ignore[union-attr]
            elif one.issym():
                found.setdefault(folder, {})[base] = one.linkname
    return found


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """path → (tar, image), made once."""
    made: dict[Path, tuple[bytes, objref.Image]] = {}

    def get(path: Path) -> tuple[bytes, objref.Image]:
        if path not in made:
            data, out = tar_of(path), tmp_path_factory.mktemp("images") / "x.objref"
            assert objref.import_image(path, out).notes == []
            made[path] = data, objref.open(out)
        return made[path]

    yield get
    for _, image in made.values():
        image.close()


@real
def test_every_kind_that_occurs_is_on_the_page(path: Path, images: Any) -> None:
    _, image = images(path)
    assert {one.kind for one in image.objects()} <= {row[0] for row in SPACES}
    assert {name for _, name in image.spaces()} <= {row[0] for row in SPACES}


@real
def test_every_objref_finds_its_object_again(path: Path, images: Any) -> None:
    _, image = images(path)
    for one in image.objects():
        assert image[one.objref] == one
        assert "~" not in one.objref, "real dumps do not contradict themselves"


@real
def test_every_hard_reference_resolves_or_is_explained(path: Path, images: Any) -> None:
    _, image = images(path)
    lost = [to.target_objref for one in image.objects() for to in one.references if to.dangling and to.strength == "H"]
    assert lost == [], "what CRIU itself is in is no reference"
    edges = [(one.objref, to.role, to.target_objref) for one in image.objects() for to in one.references]
    assert triples(edges) - ALLOWED == set()
    assert len(edges) == len(set(edges))


@real
def test_as_many_objects_as_items(path: Path, images: Any) -> None:
    """Counted by a plain reader of the framing (pagemaps and what is made of others apart)."""
    data, image = images(path)
    wanted: Counter[str] = Counter()
    for files in folders_of(data).values():
        for name, content in files.items():
            prefix = prefix_of(name)
            if prefix and not prefix.startswith("pagemap") and isinstance(content, bytes):
                items, whole = frames(prefix, content)
                assert whole
                wanted[FILES[prefix].kind] += len(items)
    framed_kinds = {spec.kind for prefix, spec in FILES.items() if spec.message and not prefix.startswith("pagemap")}
    assert Counter(one.kind for one in image.objects() if one.kind in framed_kinds) == +wanted


# -- memory, computed once more, straight from the facts ----------------------------------------------------

Folder = dict[str, bytes | str]


def page_size(files: Folder) -> int:
    for name, content in sorted(files.items()):
        if name.startswith("mm-") and isinstance(content, bytes):
            auxv = message_class("mm_entry").FromString(frames("mm", content)[0][0]).mm_saved_auxv  # type: ignore[attr-defined]
            return int(dict(zip(auxv[::2], auxv[1::2], strict=True))[6])
    return 4096


def pages_of(folders: dict[str, Folder], folder: str, name: str, size: int) -> dict[int, bytes]:
    """Address → page, as the facts say: a running offset for PRESENT, the parent for PARENT."""
    files = folders[folder]
    content = files[name]
    assert isinstance(content, bytes)
    head, *entries = frames("pagemap", content)[0]
    store = files[f"pages-{message_class('pagemap_head').FromString(head).pages_id}.img"]  # type: ignore[attr-defined]
    assert isinstance(store, bytes)
    older: dict[int, bytes] = {}
    if "parent" in files:
        parent = os.path.normpath(os.path.join(folder, str(files["parent"])))
        if name in folders[parent]:
            older = pages_of(folders, parent, name, size)
    found, offset = {}, 0
    for entry in entries:
        m: Any = message_class("pagemap_entry").FromString(entry)
        flags = m.flags | 1 if m.in_parent else m.flags if m.HasField("flags") else 4
        for i in range(m.nr_pages if m.HasField("nr_pages") else m.compat_nr_pages):
            at = m.vaddr + i * size
            if flags & 4:
                found[at] = store[offset : offset + size]
                offset += size
            elif flags & 1:
                found[at] = older[at]
    assert offset == len(store)
    return found


@real
def test_memory_is_what_a_plain_reader_computes(path: Path, images: Any) -> None:
    data, image = images(path)
    folders = folders_of(data)
    checked = 0
    for layer, folder in enumerate(image.layers):
        files = folders[folder]
        for name in files:
            match = re.fullmatch(r"pagemap-(shmem-)?(\d+)\.img", name)
            if match is None:
                continue
            pages = pages_of(folders, folder, name, size := page_size(folders[image.layers[0]]))
            prefix = f"{layer}/" if layer else ""
            one = image[f"{prefix}shmem:{int(match[2]):#x}" if match[1] else f"{prefix}mem:{match[2]}"]
            found: dict[int, bytes] = {}
            for start, stop in one.ranges:
                run = one.read(start, stop)
                found |= {at: run[at - start : at - start + size] for at in range(start, stop, size)}
            assert found == pages
            checked += 1
    assert checked == len(list(image.objects("mem"))) + len(list(image.objects("shmem")))
    assert checked


@real
def test_page_maps_and_page_files_agree(path: Path, images: Any) -> None:
    """The rule of the sizes: an import of a sound dump has no note about them."""
    _, image = images(path)
    assert [note for note in image.notes() if note["what"] in ("pages-size", "page-map")] == []


@real
def test_sockets_are_found_by_their_inode(path: Path, images: Any) -> None:
    _, image = images(path)
    sockets = [one for one in image.objects("file") if one.decode().get("type") == "UNIXSK"]
    for one in sockets:
        assert image[f"unix:{one.decode()['usk']['ino']}"] == one
    assert ((0, "unix") in image.spaces()) is bool(sockets)


def test_the_corpus_is_there_if_it_is_named() -> None:
    if CORPUS is None:
        pytest.skip("OBJREF_CORPUS names no folder with real images")
    assert len(list(Path(CORPUS).glob("*.tar.zst"))) >= 5
