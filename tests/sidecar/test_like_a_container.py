"""The same stream, beside and inside: every object, key, reference and note is the same, and so is the stream."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from samples import answers, questions, small_events, write_events
from sidecar.making import ASIDE, stream_of, streams, write_beside

import objref
from objref.container.writer import Options

STREAMS = dict(streams())


def told(path: Path, access: str = "auto") -> dict[str, object]:
    with objref.open(path, access=access) as image:
        return {name: answer for name, answer in answers(image).items() if name not in ASIDE}


@pytest.mark.parametrize("access", ["map", "pread"])
@pytest.mark.parametrize("name", STREAMS)
def test_every_answer_is_that_of_the_container(tmp_path: Path, name: str, access: str) -> None:
    path = tmp_path / name
    path.write_bytes(STREAMS[name])
    report = objref.index_file(path)
    objref.import_image(path, tmp_path / "x.objref")
    assert path.read_bytes() == STREAMS[name]
    assert report.stream_sha256 == hashlib.sha256(STREAMS[name]).hexdigest()
    beside, inside = told(path, access), told(tmp_path / "x.objref")
    assert beside.keys() == inside.keys()
    assert [question for question in beside if beside[question] != inside[question]] == []


@pytest.mark.parametrize("name", STREAMS)
def test_the_parts_of_objects_are_the_same(tmp_path: Path, name: str) -> None:
    """A message and its payload are two extents, also where one follows the other."""
    path = tmp_path / name
    path.write_bytes(STREAMS[name])
    objref.index_file(path)
    objref.import_image(path, tmp_path / "x.objref")
    with objref.open(path) as beside, objref.open(tmp_path / "x.objref") as inside:
        for ordinal in range(len(inside)):
            assert beside.by_ordinal(ordinal).parts == inside.by_ordinal(ordinal).parts


@pytest.mark.parametrize("items", [1, 5, 200])
@pytest.mark.parametrize("access", ["map", "pread"])
def test_every_shape_of_key_table(tmp_path: Path, items: int, access: str) -> None:
    events = list(small_events(items))
    write_beside(tmp_path / "small", events)
    write_events(tmp_path / "x.objref", events, Options(codec="raw"))
    assert told(tmp_path / "small", access) == told(tmp_path / "x.objref")


@pytest.mark.parametrize("access", ["map", "pread"])
def test_missing_keys_are_missing_with_the_same_hints(tmp_path: Path, access: str) -> None:
    events = list(small_events())
    write_beside(tmp_path / "small", events)
    write_events(tmp_path / "x.objref", events)
    wrong = [
        "item:9",
        "item:15",
        "thing:6",
        "thing:4e",
        "thing:5~3",
        "pair:3/9",
        "mem:8",
        "node:0",
        "member:items",
        "x:1",
    ]
    with objref.open(tmp_path / "small", access=access) as beside, objref.open(tmp_path / "x.objref") as inside:
        for name in wrong:
            said = []
            for image in (beside, inside):
                with pytest.raises(objref.UsageError) as caught:
                    image.object(name)
                said.append(str(caught.value))
            assert said[0] == said[1]
        for key in (-1, 2**64, "text", 1.5, None):
            for image in (beside, inside):
                with pytest.raises(objref.UsageError):
                    image["item"][key]


def test_both_ends_of_u64_and_repeated_keys(tmp_path: Path) -> None:
    write_beside(tmp_path / "small", list(small_events()))
    with objref.open(tmp_path / "small", access="map") as image:
        things = image["thing"]
        assert list(things) == [0, 5, 77, 2**64 - 1]
        assert [o.objref for o in things.objects()] == [
            "thing:0x0",
            "thing:0x5",
            "thing:0x5~2",
            "thing:0x4d",
            "thing:0xffffffffffffffff",
        ]
        for _ in range(2):  # the second time by the short way
            assert things[2**64 - 1] == b"thing 0/"
            assert things[5] == image["thing:5~1"].bytes == b"thing 1/"
        assert image["thing:5~2"].bytes == b"thing 3/"


def test_the_same_stream_gives_the_same_sidecar(tmp_path: Path) -> None:
    made = []
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(STREAMS["tree.tar"])
        made.append(Path(objref.index_file(tmp_path / name).path).read_bytes())
    assert made[0] == made[1]


def test_the_stream_is_what_was_there(tmp_path: Path) -> None:
    events = list(small_events())
    write_beside(tmp_path / "small", events)
    with objref.open(tmp_path / "small") as image:
        assert b"".join(image.stream()) == stream_of(events) == (tmp_path / "small").read_bytes()
        assert questions(image)


def test_export_as_a_directory(tmp_path: Path) -> None:
    path = tmp_path / "tree.tar"
    path.write_bytes(STREAMS["tree.tar"])
    objref.index_file(path)
    with objref.open(path) as image:
        done = image.export(tmp_path / "out", form="directory")
        assert done.form == "directory"
        member = b"tree/pstree.img"
        assert (tmp_path / "out" / member.decode()).read_bytes() == image["member"][member]
