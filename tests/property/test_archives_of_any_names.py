"""Archives with any names, the same ones twice, items that claim one id: all are kept, and found again."""

from __future__ import annotations

import io
import tarfile
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import objref
from objref.dialects.criu.schema import message_class
from objref.names import format_objref

SETTINGS = settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
FILES_HEAD = (0x54564319).to_bytes(4, "little") + (0x56303138).to_bytes(4, "little")
FORMATS = (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT)

part = st.text(
    st.characters(blacklist_characters="/\0", blacklist_categories=["Cs"]) | st.sampled_from("~%: \n\udcff\udc80é"),
    min_size=1,
    max_size=30,
).map(lambda text: f"m{text}")
names = st.lists(part, min_size=1, max_size=6).map("/".join)
contents = st.binary(max_size=2000) | st.integers(0, 9).map(lambda n: bytes(4096 * n) + b"x" * n)
members = st.lists(st.tuples(names | st.just("twice"), contents), max_size=12)


def tar_of(found: list[tuple[str, bytes]], form: int) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=form, errors="surrogateescape") as tar:
        for name, content in found:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


@SETTINGS
@given(members, st.sampled_from(FORMATS))
@example([("m%41~2:x", b"a"), ("m%2541~2:x", b"b"), ("mA~2:x", b"c")], tarfile.PAX_FORMAT)
@example([("m" + "ä" * 200, b"long")] * 3, tarfile.GNU_FORMAT)
def test_members_are_found_by_any_name(tmp_path: Path, found: list[tuple[str, bytes]], form: int) -> None:
    tar, path = tar_of(found, form), tmp_path / "x.objref"
    objref.import_image(io.BytesIO(tar), path, replace=True)
    model: dict[str, list[bytes]] = {}
    for name, content in found:
        model.setdefault(name, []).append(content)
    with objref.open(path) as image:
        assert b"".join(image.stream()) == tar
        assert len(image) == len(found)
        if not found:
            assert image.get("member:x") is None
            return
        space = image["member"]
        assert [key.decode("utf-8", "surrogateescape") for key in space] == sorted(
            model, key=lambda n: n.encode("utf-8", "surrogateescape")
        )
        for name, versions in model.items():
            assert space[name] == versions[0]
            key = name.encode("utf-8", "surrogateescape")
            for n, content in enumerate(versions, 1):
                text = format_objref(0, "member", key, space.form, n)
                assert text.isprintable()
                assert image[text].bytes == content
                assert image[text].objref == text
        kinds = {kind.name: (kind.objects, kind.bytes) for kind in image.kinds()}
        assert kinds == {"member": (len(found), sum(len(content) for _, content in found))}


def file_entry(number: int, note: int) -> bytes:
    message: Any = message_class("file_entry")()
    message.type, message.id = 1, number
    message.reg.id, message.reg.name = number, f"/claim/{note}"
    return bytes(message.SerializeToString())


@SETTINGS
@given(st.lists(st.integers(0, 3) | st.sampled_from([2**32 - 1, 1 << 31]) | st.integers(0, 2**32 - 1), max_size=40))
def test_items_that_claim_one_id_are_all_kept(tmp_path: Path, ids: list[int]) -> None:
    items = [file_entry(number, note) for note, number in enumerate(ids)]
    content = FILES_HEAD + b"".join(len(item).to_bytes(4, "little") + item for item in items)
    path = tmp_path / "x.objref"
    report = objref.import_image(io.BytesIO(tar_of([("files.img", content)], tarfile.GNU_FORMAT)), path, replace=True)
    claims: dict[int, list[bytes]] = {}
    for number, item in zip(ids, items, strict=True):
        claims.setdefault(number, []).append(item)
    with objref.open(path) as image:
        assert image["member:files.img"].bytes == content
        for number, expected in claims.items():
            assert image["file"][number] == expected[0]
            assert image[f"file:{number}"].decode()["reg"]["name"] == f"/claim/{ids.index(number)}"
            for n, item in enumerate(expected, 1):
                found = image[f"file:{number}~{n}"]
                assert (found.bytes, found.objref) == (item, f"file:{number}" + (f"~{n}" if n > 1 else ""))
            assert image.get(f"file:{number}~{len(expected) + 1}") is None
        if ids:
            assert list(image["file"]) == sorted(claims)
            assert len(list(image["file"].objects())) == len(ids)
    twice = [note for note in report.notes if note.what == "claimed-twice"]
    assert bool(twice) == (len(claims) < len(ids))


def test_a_missing_name_among_very_many_is_told_soon(tmp_path: Path) -> None:
    """`get` asks for neighbours too: comparing with each of a million names would take a minute."""
    found = [(f"m{i:05}", b"") for i in range(20_000)]
    objref.import_image(io.BytesIO(tar_of(found, tarfile.GNU_FORMAT)), tmp_path / "x.objref")
    with objref.open(tmp_path / "x.objref") as image:
        begin = time.thread_time()
        for i in range(10):
            assert image.get(f"member:m1{i:03}7x") is None
        assert time.thread_time() - begin < 1
        with pytest.raises(objref.NotFoundError) as caught:
            image["member:m10007x"]
        assert "member:m10007" in caught.value.nearest
