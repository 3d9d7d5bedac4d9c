"""The public names as a caller uses them: mappings that behave like mappings, errors that say what was meant."""

from __future__ import annotations

import doctest
import importlib
import io
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import objref

SAMPLE = Path(__file__).resolve().parents[1] / "images" / "tree.tar.zst"


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample, imported."""
    found = tmp_path_factory.mktemp("api") / "tree.objref"
    objref.import_image(SAMPLE, found)
    return found


@pytest.fixture
def image(path: Path) -> Iterator[objref.Image]:
    """The sample, open."""
    with objref.open(path) as found:
        yield found


def test_every_public_name_is_there_and_documented() -> None:
    for name in objref.__all__:
        assert getattr(objref, name).__doc__, name
    with pytest.raises(AttributeError):
        _ = objref.nonsense


def test_a_space_is_a_mapping(image: objref.Image) -> None:
    files = image["file"]
    assert isinstance(files, Mapping)
    assert dict(files) == {key: files[key] for key in files}
    assert files.get(10**9) is None
    assert 10**9 not in files
    with pytest.raises(KeyError):
        files[10**9]


def test_names_of_files_may_be_text_or_bytes(image: objref.Image) -> None:
    members = image["member"]
    assert members["tree/pstree.img"] == members[b"tree/pstree.img"] == image["member:tree/pstree.img"].bytes


def test_what_is_missing_names_its_neighbours(image: objref.Image) -> None:
    with pytest.raises(objref.NotFoundError) as caught:
        image["task:102"]
    assert caught.value.nearest == ("task:100", "task:101")
    with pytest.raises(objref.NotFoundError) as caught:
        image["taks"]
    assert "task" in caught.value.nearest
    assert image.get("task:102") is None
    assert "task:100" in image


@pytest.mark.parametrize("wrong", ["task", 1.5, None, b"x"])
def test_a_key_of_the_wrong_type_is_the_callers_mistake(image: objref.Image, wrong: object) -> None:
    with pytest.raises(objref.UsageError):
        image["task"][wrong]


@pytest.mark.parametrize(
    "wrong", ["", "task:", ":1", "task:1:2", "Task:1", "task:-1", "task:1~0", "fd:1/2/3", "task:1e3"]
)
def test_what_is_no_objref_is_refused(image: objref.Image, wrong: str) -> None:
    with pytest.raises(objref.UsageError):
        image.object(wrong)


@pytest.mark.parametrize("same", ["task:100", "0/task:100", "task:0x64", "task:100~1"])
def test_one_object_has_many_spellings(image: objref.Image, same: str) -> None:
    assert image[same] == image["task:100"]
    assert image[same].objref == "task:100"


def test_every_object_is_found_by_its_own_objref(image: objref.Image) -> None:
    for found in image.objects():
        assert image[found.objref].ordinal == found.ordinal


def test_references_lead_there_and_back(image: objref.Image) -> None:
    for found in image.objects():
        for reference in found.references:
            assert reference.source == found
            if reference.target is not None:
                backwards = [(r.role, r.source.ordinal) for r in reference.target.referrers]
                assert (reference.role, found.ordinal) in backwards


def test_all_ways_to_open_give_the_same_bytes(path: Path) -> None:
    data = path.read_bytes()
    with (
        objref.open(path, access="map") as mapped,
        objref.open(path, access="pread") as read,
        objref.open(data) as held,
        objref.open(io.BytesIO(data)) as stream,
    ):
        for found in mapped.objects():
            expected = [found.read(*span) for span in found.ranges]
            for other in (read, held, stream):
                assert [other[found.objref].read(*span) for span in found.ranges] == expected


def test_memory_is_read_by_address_and_gaps_are_said(image: objref.Image) -> None:
    memory = image["mem:100"]
    (start, stop), (later, _) = memory.ranges[1:3]
    whole = memory.read(start, stop)
    assert memory.read(start + 5, start + 4099) == whole[5:4099]
    with pytest.raises(objref.NotFoundError, match="not in the image"):
        memory.read(stop - 8, stop + 8)
    with pytest.raises(objref.NotFoundError):
        memory.read(stop, later)
    with pytest.raises(objref.UsageError):
        _ = memory.bytes


def test_too_much_at_once_is_a_limit(path: Path) -> None:
    with objref.open(path, limits=objref.Limits(read=100)) as image:
        with pytest.raises(objref.LimitError):
            _ = image["member:tree/files.img"].bytes
        assert len(image["member:tree/files.img"].read(0, 100)) == 100


def test_a_closed_image_says_so(path: Path) -> None:
    image = objref.open(path, access="pread")
    image.close()
    image.close()
    with pytest.raises(objref.ObjrefError):
        _ = image["member:tree/files.img"].bytes


def test_an_image_that_is_written_again_is_the_old_one_to_its_readers(tmp_path: Path) -> None:
    target = tmp_path / "x.objref"
    objref.import_image(SAMPLE, target)
    with objref.open(target) as image:
        (tmp_path / "d").mkdir()
        (tmp_path / "d/other").write_bytes(b"other")
        (tmp_path / "d/inventory.img").write_bytes(b"")
        objref.import_image(tmp_path / "d", target, replace=True)
        assert image["task:100"].kind == "task"
    with objref.open(target) as image:
        assert image["member:other"].bytes == b"other"


@pytest.mark.parametrize("module", ["objref", "objref.image", "objref.names"])
def test_examples_in_docstrings_run(module: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    objref.import_image(SAMPLE, "first.objref")
    with objref.open("first.objref") as image:
        image.export("copy", form="directory")
    (tmp_path / "copy/tree").rename(tmp_path / "tree")
    if module != "objref":
        objref.import_image("tree", "tree.objref")
    assert doctest.testmod(importlib.import_module(module)).failed == 0


def test_pairs_are_asked_for_as_they_are_written(image: objref.Image) -> None:
    space = image["fd"]
    for key in space:
        high, low = key >> 32, key & 0xFFFFFFFF
        assert space[key] == space[high, low] == space[f"{high}/{low}"] == image[f"fd:{high}/{low}"].bytes
    assert (99, 1) not in space
    for wrong in ((1, 2, 3), (-1, 2), (1, 2**32), "x", None, 1.5):
        with pytest.raises(objref.UsageError):
            space[wrong]
    with pytest.raises(objref.UsageError, match="are numbers"):
        image["task"]["100"]


def test_what_an_object_a_space_and_a_closure_have_is_documented() -> None:
    for module, name, fields in (
        ("graph", "Closure", "image roots ordinals"),
        ("object", "Object", "ordinal row"),
        ("space", "Space", "entry form layer name"),
    ):
        source = Path(str(importlib.import_module(f"objref.{module}").__file__)).read_text()
        body = source[source.index(f"class {name}") :]
        for field in fields.split():
            line = body[body.index(f"        self.{field} = ") :].split("\n", 2)
            assert line[1].startswith('        """'), (name, field)
