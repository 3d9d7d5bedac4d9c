"""Whatever an import makes is sound: every scene of the CRIU dialect, real images, streams, whole and cut."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from criu.making_scenes import SCENES
from dobriyan.making import realistic
from samples import SAMPLE

import objref


def check(source: bytes | Path, folder: Path, **options: object) -> None:
    path = folder / "x.objref"
    opened = io.BytesIO(source) if isinstance(source, bytes) else source
    objref.import_image(opened, path, replace=True, **options)  # type: ignore[arg-type]
    report = objref.verify_image(path)
    assert report.sound, report.findings[:3]
    assert report.whole


@pytest.mark.parametrize("name", SCENES)
def test_scenes(name: str, tmp_path: Path) -> None:
    tar = SCENES[name]().tar()
    check(tar, tmp_path)
    check(tar[: len(tar) * 2 // 3], tmp_path, partial="keep", options=objref.Options(codec="raw"))


@pytest.mark.parametrize("path", sorted(SAMPLE.parent.glob("*.zst")), ids=lambda p: p.name)
def test_real_images(path: Path, tmp_path: Path) -> None:
    for codec in ("zstd", "raw"):
        check(path, tmp_path, options=objref.Options(codec=codec, block_log2=12))


def test_streams(tmp_path: Path) -> None:
    data = bytes(realistic(40))
    check(data, tmp_path)
    check(data[:-77], tmp_path, partial="keep")
