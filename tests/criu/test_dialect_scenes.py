"""Every scene of making_scenes.py through the splitter, cut in all ways, and through a whole import."""

from __future__ import annotations

import io
import random
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from criu.making import Link, Sparse, Style, archive, members_of
from criu.making_model import Found, expected, split
from criu.making_scenes import SCENES

import objref
from objref import NotFoundError

if TYPE_CHECKING:
    from collections.abc import Iterator

OF_THE_IMPORT = "claimed-twice"
"""The note that only the index can make."""

every_scene = pytest.mark.parametrize("name", SCENES)


def same(found: Found, wanted: Found) -> None:
    """All that a scene says, with short messages."""
    assert found.stream == wanted.stream
    assert found.notes == [note for note in wanted.notes if note[0] != OF_THE_IMPORT]
    assert found.layers == wanted.layers
    texts = {name: [bytes(piece) for piece in pieces] for name, pieces in found.pieces.items()}
    assert sorted(texts.keys() - wanted.pieces.keys()) == []
    assert sorted(wanted.pieces.keys() - texts.keys()) == []
    wrong = {
        name: (texts[name], pieces) for name, pieces in wanted.pieces.items() if _full(texts[name]) != _full(pieces)
    }
    assert wrong == {}
    assert found.memory == wanted.memory
    assert sorted(set(found.edges) - set(wanted.edges)) == []
    assert sorted(set(wanted.edges) - set(found.edges)) == []
    assert found.edges == wanted.edges, "a reference twice"


def _full(pieces: list[bytes]) -> list[bytes]:
    """No pieces and one empty piece are the same: nothing."""
    return pieces if b"".join(pieces) else []


@every_scene
def test_all_is_found(name: str) -> None:
    scene = SCENES[name]()
    same(split([scene.tar()]), expected(scene))


def bytewise(data: bytes) -> Iterator[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


def in_pieces(data: bytes, most: int, seed: int) -> Iterator[bytes]:
    pick, at = random.Random(seed), 0
    while at < len(data):
        size = pick.randint(0, most)
        yield data[at : at + size]
        at += size


@every_scene
def test_byte_by_byte_is_the_same(name: str) -> None:
    data = SCENES[name]().tar()
    assert split(bytewise(data)) == split([data])


@every_scene
@pytest.mark.parametrize("most", [5, 700, 5000])
def test_random_pieces_are_the_same(name: str, most: int) -> None:
    data = SCENES[name]().tar()
    whole = split([data])
    for seed in range(3):
        assert split(in_pieces(data, most, seed)) == whole


def has_holes(name: str) -> bool:
    scene = SCENES[name]()
    members = members_of(scene.folders) if scene.members is None else scene.members
    return any(isinstance(content, Sparse) for _, content in members)


@pytest.mark.parametrize("name", [name for name in SCENES if not has_holes(name)])
@pytest.mark.parametrize("style", [tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
def test_other_tars_of_the_same_files(name: str, style: Style) -> None:
    """Only headers differ; sparse members need pax."""
    scene = SCENES[name]()
    found = split([scene.tar(style)])
    assert found._replace(stream=b"") == split([scene.tar()])._replace(stream=b"")


# -- the whole import ---------------------------------------------------------------------------------------


def import_tar(data: bytes, path: Path) -> objref.Report:
    return objref.import_image(io.BytesIO(data), path)


@every_scene
def test_import_and_export(name: str, tmp_path: Path) -> None:
    scene = SCENES[name]()
    data, path = scene.tar(), tmp_path / "x.objref"
    report = import_tar(data, path)
    assert sorted((note.what, note.where) for note in report.notes) == sorted(scene.notes)
    with objref.open(path) as image:
        out = io.BytesIO()
        image.export(out)
        assert out.getvalue() == data
        agrees(image, split([data]))


def agrees(image: objref.Image, model: Found) -> None:
    """An image says all that the model says, and every objref finds its object again."""
    assert tuple(image.layers) == model.layers
    objects = list(image.objects())
    assert [one.objref for one in objects] == model.order
    for one in objects:
        assert image[one.objref] == one
        if one.sparse:
            remembers(one, model)
        else:
            pieces = [bytes(piece) for piece in model.pieces[one.objref]]
            assert one.bytes == b"".join(pieces)
            assert not one.size or one.kind in ("member", "pages") or one.parts == pieces
    edges = sorted((one.objref, to.role, to.target_objref) for one in objects for to in one.references)
    assert edges == model.edges
    back = sorted((to.source.objref, to.role, one.objref) for one in objects for to in one.referrers)
    assert back == [edge for edge in model.edges if edge[2] in image and image[edge[2]].objref == edge[2]]


def remembers(one: objref.Object, model: Found) -> None:
    ranges = model.memory[one.objref]
    assert one.ranges == [(at, at + len(data)) for at, data in ranges]
    for at, data in ranges:
        assert one.read(at, at + len(data)) == data
        middle = len(data) // 2
        assert one.read(at + middle, at + len(data)) == data[middle:]
        if (at + len(data)) not in [start for start, _ in ranges]:
            with pytest.raises(NotFoundError):
                one.read(at, at + len(data) + 1)


@pytest.mark.parametrize(
    "name", ["every_kind_of_a_modern_dump", "every_kind_of_a_legacy_dump", "three_layers_with_split_ranges"]
)
def test_a_directory_is_the_same(name: str, tmp_path: Path) -> None:
    """The objects, memory and references of a directory are those of an archive of it; layers by their own names."""
    scene = SCENES[name]()
    for path, content in members_of(scene.folders):
        file = tmp_path / "in" / path.decode()
        if content is None:
            file.mkdir(parents=True)
        elif isinstance(content, Link):
            file.symlink_to(content.target)
        else:
            assert isinstance(content, bytes)
            file.write_bytes(content)
    newest = tmp_path / "in" / scene.folders[0].name
    report = objref.import_image(newest, tmp_path / "x.objref")
    assert report.notes == []
    wanted = expected(scene)
    with objref.open(tmp_path / "x.objref") as image:
        found = {one.objref: one for one in image.objects() if one.kind != "member"}
        assert {k for k in wanted.pieces if not k.startswith("member:")} | set(wanted.memory) == set(found)
        edges = sorted((one.objref, to.role, to.target_objref) for one in found.values() for to in one.references)
        assert edges == wanted.edges
        for name, ranges in wanted.memory.items():
            assert [(at, found[name].read(at, at + len(data))) for at, data in ranges] == ranges
        image.export(tmp_path / "out")
    for folder in scene.folders:
        below = folder.name if len(scene.folders) > 1 else ""
        out = tmp_path / "out" / Path(below.removeprefix("c/") if below else "")
        for file_name, content in folder.files.items():
            if isinstance(content, bytes):
                assert (out / file_name).read_bytes() == content


def test_the_same_image_however_the_pipe_delivers(tmp_path: Path) -> None:
    class Slow(io.RawIOBase):
        def __init__(self, data: bytes) -> None:
            self.rest = data

        def read(self, size: int = -1) -> bytes:
            piece, self.rest = self.rest[: min(size, 777)], self.rest[min(size, 777) :]
            return piece

    data = SCENES["every_kind_of_a_modern_dump"]().tar()
    import_tar(data, tmp_path / "a.objref")
    objref.import_image(Slow(data), tmp_path / "b.objref")  # type: ignore[arg-type]
    assert (tmp_path / "a.objref").read_bytes() == (tmp_path / "b.objref").read_bytes()


def test_a_member_larger_than_any_object_is_refused(tmp_path: Path) -> None:
    """A sparse member may say any size; 2^48 bytes is what an object can have. The tar's fault."""
    for size in (1 << 48, (1 << 63) - 1):
        with pytest.raises(objref.LimitError, match="limit"):
            import_tar(archive([(b"a/pages-1.img", Sparse((), size))]), tmp_path / "x.objref")
    assert list(tmp_path.iterdir()) == []
