"""Names of files are bytes; LMDB's binding takes text."""

from __future__ import annotations

import os
from pathlib import Path

import zstandard

import objref

SAMPLE = Path(__file__).resolve().parents[1] / "images/tree.tar.zst"


def test_a_stream_whose_name_is_not_utf8_can_be_indexed(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/b\xffx.tar"
    with SAMPLE.open("rb") as packed, open(path, "wb") as file:
        zstandard.ZstdDecompressor().copy_stream(packed, file)
    objref.index_file(os.fsdecode(path))
    assert sorted(os.listdir(os.fsencode(tmp_path))) == [b"b\xffx.tar", b"b\xffx.tar.objref-index"]
    with objref.open(os.fsdecode(path)) as image:
        assert image.object("task:101").bytes
