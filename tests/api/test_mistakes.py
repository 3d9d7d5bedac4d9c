"""What callers get wrong: each mistake is a UsageError (or a KeyError with neighbours), no TypeError from inside."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from samples import small_image

import objref
from objref.errors import NotFoundError, SourceError, UsageError


@pytest.fixture(scope="module")
def data() -> bytes:
    return small_image("raw")


@pytest.fixture(params=["map", "pread", "bytes"])
def image(request: pytest.FixtureRequest, data: bytes, tmp_path: Path) -> Iterator[objref.Image]:
    path = tmp_path / "x.objref"
    path.write_bytes(data)
    found = objref.open(data) if request.param == "bytes" else objref.open(path, access=request.param)
    with found:
        yield found


# -- opening ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("thing", [None, 42, 1.5, [], object(), io.StringIO("text"), socket.socket])
def test_things_that_are_no_image(thing: object) -> None:
    with pytest.raises(UsageError):
        objref.open(thing)  # type: ignore[arg-type]


def test_a_memoryview_with_gaps(data: bytes) -> None:
    with pytest.raises(UsageError, match="gaps"):
        objref.open(memoryview(data)[::2])  # type: ignore[arg-type]
    assert len(objref.open(memoryview(data))) == len(objref.open(bytearray(data)))  # type: ignore[arg-type]


def test_files_that_cannot_be_read_in_any_order(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    with os.fdopen(reader, "rb") as pipe, pytest.raises(UsageError, match="cannot seek"):
        objref.open(pipe)
    os.close(writer)
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "fifo", tmp_path, Path("/dev/null")):
        with pytest.raises(UsageError, match=r"not a regular file|is a directory"):
            objref.open(path)
    with pytest.raises(SourceError, match="cannot be opened: No such file"):
        objref.open(tmp_path / "nothing")
    with pytest.raises(UsageError, match="access must be"):
        objref.open(tmp_path / "nothing", access="fast")


@pytest.mark.parametrize("access", ["map", "pread"])
def test_an_empty_file_and_a_text(tmp_path: Path, access: str) -> None:
    path = tmp_path / "x"
    for content in (b"", b"just a text\n", b"\x89ORF", b"\x89ORF\r\n\x1a\n" + bytes(300)):
        path.write_bytes(content)
        with pytest.raises(objref.FormatError):
            objref.open(path, access=access)


def test_a_failed_open_lets_go_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(b"no image" * 50)
    before = len(os.listdir("/proc/self/fd"))
    for access in ("map", "pread", "auto") * 5:
        with pytest.raises(objref.FormatError):
            objref.open(path, access=access)
    assert len(os.listdir("/proc/self/fd")) == before


def test_what_the_caller_opened_stays_open(data: bytes) -> None:
    file = io.BytesIO(data)
    with objref.open(file) as image:
        assert len(image)
    assert not file.closed


def test_a_closed_image_says_that_it_is_closed(image: objref.Image) -> None:
    found, space = image["member:pages.img"], image["thing"]
    image.close()
    image.close()
    for ask in (lambda: found.bytes, lambda: list(image.stream()), lambda: image["pair"][3 << 32]):
        with pytest.raises(UsageError, match="closed"):
            ask()
    with pytest.raises(UsageError, match="closed"):
        _ = [space.object(key).bytes for key in (0, 5)]


# -- asking -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [5, None, b"file:31", ("file", 31)])
def test_names_that_are_no_text(image: objref.Image, name: object) -> None:
    for ask in (image.__getitem__, image.object, image.get):
        with pytest.raises(UsageError):
            ask(name)  # type: ignore[arg-type]
    assert name not in image


NO_OBJREFS = [
    "", ":", "item:", "Item:5", "item:x", "item:-1", f"item:{2**64}", "item:1/2", "²/item:5", "9" * 5000 + "/item:10",
    "pair:1/2/3", f"pair:{2**32}/0", "item:" + "9" * 5000, "member:\ud800",
]  # fmt: skip


@pytest.mark.parametrize("name", NO_OBJREFS)
def test_texts_that_are_no_objref(image: objref.Image, name: str) -> None:
    with pytest.raises(UsageError):
        image.object(name)
    assert name not in image


@pytest.mark.parametrize("name", ["²/item", "nothing", "7/item", "9" * 5000 + "/item", "", "/item", "0/"])
def test_spaces_that_are_not_there(image: objref.Image, name: str) -> None:
    with pytest.raises(NotFoundError):
        image[name]
    assert name not in image


def test_what_is_there_is_in_it(image: objref.Image) -> None:
    for name in ("item", "0/item", "item:10", "thing:0x5~2", "member:items.img", "pair:3/1"):
        assert name in image
    for name in ("item:9", "thing:0x5~3", "thing:0x5~0", "member:items.im"):
        assert name not in image


@pytest.mark.parametrize("key", ["10", 10.0, None, b"10", (10,), float("nan"), 1j])
def test_keys_that_are_no_number(image: objref.Image, key: object) -> None:
    for space in ("item", "thing", "pair"):
        with pytest.raises(UsageError):
            image[space][key]
        image[space][next(iter(image[space]))]  # and once more, when the fast path is ready
        with pytest.raises(UsageError):
            image[space][key]


@pytest.mark.parametrize("key", [-1, 9, 15, 2**64 - 1, 2**64, -(2**64), 2**200])
def test_numbers_that_are_no_key(image: objref.Image, key: int) -> None:
    space = image["item"]
    for _ in range(2):
        with pytest.raises(KeyError) as caught:
            space[key]
        assert isinstance(caught.value, NotFoundError)
        assert f"no item:{key}" in str(caught.value)
        assert key not in space
        assert space.get(key) is None
        assert space.get(key, b"other") == b"other"
        assert space[12] == b"item 2 of the run;=="


@pytest.mark.parametrize("kind", [np.int8, np.uint8, np.int64, np.uint64, np.uint32, bool])
def test_numbers_of_other_kinds(image: objref.Image, kind: type) -> None:
    space = image["item"]
    for _ in range(2):
        for key in (0, 1, 10, 11, 14, 15, 127):
            number = kind(key)
            assert space.get(number) == space.get(int(number))


def test_names_of_members(image: objref.Image) -> None:
    space = image["member"]
    assert space["items.img"] == space[b"items.img"]
    assert space["empty \udcff"] == space[b"empty \xff"] == b""
    for key in (5, None, "\ud800", ["items.img"]):
        with pytest.raises(UsageError):
            space[key]
    with pytest.raises(NotFoundError) as caught:
        space["item.img"]
    assert caught.value.nearest[0] == "member:items.img"


def test_the_nearest_of_what_was_mistyped(image: objref.Image) -> None:
    tries = {
        "item:9": "item:10", "item:999": "item:14", "thing:6": "thing:0x5", "pair:3/2": "pair:3/1",
        "member:pages.jpg": "member:pages.img", "itme:10": "item",
    }  # fmt: skip
    for name, near in tries.items():
        with pytest.raises(NotFoundError) as caught:
            image[name]
        assert near in caught.value.nearest
        assert near in str(caught.value)
        assert caught.value.exit_code == 3
    with pytest.raises(NotFoundError, match="no kind"):
        _ = list(image.objects("itme"))


@pytest.mark.parametrize("ordinal", [-1, 17, 2**31, 2**64, None, "0", 1.0])
def test_ordinals_that_are_not_there(image: objref.Image, ordinal: object) -> None:
    with pytest.raises(NotFoundError):
        image.by_ordinal(ordinal)  # type: ignore[arg-type]


def test_the_last_object_has_an_ordinal_of_any_kind(image: objref.Image) -> None:
    assert image.by_ordinal(np.int64(16)).objref == "node:1"


@pytest.mark.parametrize("span", [(5, 2), (-1, 4), (-4, -1), (10**9, None), ("a", 3), (0, "b"), (1.0, 2.0), (None, 4)])
def test_ranges_that_make_no_sense(image: objref.Image, span: tuple[object, object]) -> None:
    for name in ("item:10", "mem:7", "member:pages.img"):
        found = image[name]
        if found.sparse and span == (10**9, None):
            continue
        with pytest.raises(UsageError):
            found.read(*span)  # type: ignore[arg-type]


def test_ranges_that_do(image: objref.Image) -> None:
    found = image["item:11"]
    assert found.read() == found.bytes == bytes(found.view()) == b"item 1 of the run;="
    assert (found.read(5), found.read(0, 4), found.read(5, 6), found.read(7, 7)) == (
        b"1 of the run;=",
        b"item",
        b"1",
        b"",
    )
    assert found.read(0, 10**30) == found.bytes
    assert found.read(np.int64(1), np.int64(4)) == b"tem"
    memory = image["mem:7"]
    assert memory.read(0x1FFE, 0x2002) == b"\1\1\0\0"
    assert memory.read(0x9000, 0xA000) == bytes(4096)
    for start, stop in ((0, 1), (0x3000 - 1, 0x3001), (0x9FFF, 0xA001), (0xFFF, 0x1001)):
        with pytest.raises(NotFoundError, match="is not in the image"):
            memory.read(start, stop)


def test_objects_compare_by_what_they_are(image: objref.Image) -> None:
    assert image["item:10"] == image.by_ordinal(0)
    assert len({image["item:10"], image.by_ordinal(0), image["item:11"]}) == 2
    assert image["item:10"] != "item:10"
    assert "item:10" in repr(image["item:10"])
    assert "next" in repr(image["item:10"].references[0])


def test_errors_have_one_root_and_exit_codes_of_their_own() -> None:
    errors = [getattr(objref, name) for name in objref.__all__ if name.endswith("Error")]
    assert all(issubclass(error, objref.ObjrefError) for error in errors)
    assert all(0 < error.exit_code < 8 for error in errors)
    assert issubclass(NotFoundError, KeyError)
    assert str(NotFoundError("no item:9", ("item:10",))) == "no item:9"
    assert str(SourceError("x.objref: full")) == "x.objref: full"
