"""An image against a plain model: a dict of files, and what Python's own tarfile and protobuf say of them."""

from __future__ import annotations

import io
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import objref
from objref.dialects.criu.schema import message_class

SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
COMMON_MAGIC = 0x54564319
FILES_MAGIC, FDINFO_MAGIC = 0x56303138, 0x56213732


def image_file(magic: int, items: list[bytes]) -> bytes:
    head = COMMON_MAGIC.to_bytes(4, "little") + magic.to_bytes(4, "little")
    return head + b"".join(len(item).to_bytes(4, "little") + item for item in items)


def file_entry(number: int, name: str) -> bytes:
    message: Any = message_class("file_entry")()
    message.type, message.id = 1, number
    message.reg.id, message.reg.name = number, name
    return bytes(message.SerializeToString())


def fd_entry(fd: int, number: int) -> bytes:
    message: Any = message_class("fdinfo_entry")()
    message.id, message.type, message.fd, message.flags = number, 1, fd, 0
    return bytes(message.SerializeToString())


class Model:
    """What was put in."""

    def __init__(self, files: dict[int, str], fds: dict[int, int], members: dict[str, bytes]) -> None:
        self.files = {number: file_entry(number, name) for number, name in files.items()}
        self.fds = {fd: fd_entry(fd, number) for fd, number in fds.items()}
        self.targets = fds
        self.members = members | {
            "files.img": image_file(FILES_MAGIC, list(self.files.values())),
            "fdinfo-3.img": image_file(FDINFO_MAGIC, list(self.fds.values())),
        }

    def tar(self) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
            for name, content in self.members.items():
                info = tarfile.TarInfo(name)
                info.size = len(content)
                tar.addfile(info, io.BytesIO(content))
        return out.getvalue()


ids = st.integers(0, 2**32 - 1) | st.integers(0, 300)
pages = st.lists(st.sampled_from([bytes(4096), b"p" * 4096, b"q" * 4096]), max_size=6).map(b"".join)
contents = st.binary(max_size=5000) | pages | st.tuples(pages, st.binary(max_size=100)).map(b"".join)
names = st.sampled_from(["pages-1.img", "pages-7.img", "core-1.img", "notes.txt", "sub/x.img", "mm-2.img", "dump.log"])


@st.composite
def models(draw: Any) -> Model:
    files = draw(
        st.dictionaries(ids, st.text(max_size=20), max_size=30)
        | st.integers(1, 60).map(lambda n: {i: f"/file/{i}" for i in range(5, 5 + n)})
    )
    fds = draw(st.dictionaries(st.integers(0, 2000), ids | st.sampled_from([*files, 1]), max_size=20))
    return Model(files, fds, draw(st.dictionaries(names, contents, max_size=5)))


@SETTINGS
@given(models(), st.sampled_from(["zstd", "raw"]), st.sampled_from(["map", "pread"]), st.data())
def test_an_image_is_its_model(tmp_path: Path, model: Model, codec: str, access: str, data: st.DataObject) -> None:
    tar, path = model.tar(), tmp_path / "x.objref"
    report = objref.import_image(io.BytesIO(tar), path, options=objref.Options(codec=codec), replace=True)
    with objref.open(path, access=access) as image:
        assert b"".join(image.stream()) == tar
        assert len(image) == report.objects
        check_space(image, "file", model.files)
        check_space(image, "fd", {3 << 32 | fd: entry for fd, entry in model.fds.items()})
        members = image["member"]
        assert {name: members[name] for name in model.members} == model.members
        assert sorted(members) == sorted(name.encode() for name in model.members)
        check_references(image, model)
        name = data.draw(st.sampled_from(sorted(model.members)))
        whole = model.members[name]
        start = data.draw(st.integers(0, len(whole)))
        stop = data.draw(st.integers(start, len(whole) + 10))
        assert image[f"member:{name}"].read(start, stop) == whole[start:stop]


def check_space(image: objref.Image, name: str, expected: dict[int, bytes]) -> None:
    if not expected:
        assert image.get(f"{name}:0") is None
        return
    space = image[name]
    assert list(space) == sorted(expected)
    assert len(space) == len(expected)
    for key, content in expected.items():
        assert space[key] == content
        assert bytes(space.object(key).view()) == content
        assert key in space
    assert next(kind for kind in image.kinds() if kind.name == name).objects == len(expected)
    for absent in {key + 1 for key in expected} - set(expected):
        assert space.get(absent) is None


def check_references(image: objref.Image, model: Model) -> None:
    for fd, number in model.targets.items():
        found = {r.role: r for r in image[f"fd:3/{fd}"].references}
        assert found["file"].target_objref == f"file:{number}"
        assert found["file"].dangling == (number not in model.files)
    for number in model.files:
        holders = {r.source.objref for r in image[f"file:{number}"].referrers}
        assert holders == {f"fd:3/{fd}" for fd, target in model.targets.items() if target == number}


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_many_threads_read_one_image(tmp_path: Path, codec: str) -> None:
    model = Model({i: f"/a/rather/long/name/of/file/{i}" for i in range(20_000)}, {}, {"pages-1.img": b"ab" * 500_000})
    path = tmp_path / "x.objref"
    objref.import_image(io.BytesIO(model.tar()), path, options=objref.Options(codec=codec))
    with objref.open(path, access="map", limits=objref.Limits(cache=1 << 18)) as image:

        def reader(seed: int) -> int:
            files, wrong = image["file"], 0
            for i in range(seed, 20_000, 7):
                wrong += files[i] != model.files[i]
            return wrong + (image["member:pages-1.img"].bytes != model.members["pages-1.img"])

        with ThreadPoolExecutor(7) as pool:
            assert sum(pool.map(reader, range(7))) == 0
