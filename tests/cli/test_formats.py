"""`info` tells what the dialect knows of a stream as a whole: its layout, byte order and word size."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from linux_cr.making import stream
from openvz import making as openvz

import objref

Run = Callable[..., tuple[int, str, str]]
IMAGES = Path(__file__).resolve().parents[1] / "images"


def told(run: Run, path: Path) -> tuple[dict[str, str], str]:
    """As JSON, and as text, unwrapped."""
    return json.loads(run("info", path, "--json")[1])["format"], " ".join(run("info", path)[1].split())


@pytest.mark.parametrize("layout", ["v20", "v23-rc2"])
def test_layout_of_a_linux_cr_stream(run: Run, tmp_path: Path, layout: str) -> None:
    source = tmp_path / "x.cr"
    source.write_bytes(b"".join(stream(2, layout=layout)))
    objref.import_image(source, tmp_path / "x.objref")
    objref.index_file(source)
    for path in (tmp_path / "x.objref", source):
        facts, text = told(run, path)
        assert facts["layout"] == layout
        assert (facts["byte order"], facts["word size"]) == ("little-endian", "8")
        assert f"format layout {layout}, revision" in text


def test_an_archive_of_criu_has_nothing_to_tell(run: Run, image: Path) -> None:
    facts, text = told(run, image)
    assert facts == {}
    assert " format " not in text


def test_a_header_that_is_damaged_is_no_reason_to_tell_nothing_else(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "x.cr"
    source.write_bytes(b"".join(stream(2)))
    objref.import_image(source, tmp_path / "x.objref", options=objref.Options(codec="raw"))
    with objref.open(tmp_path / "x.objref") as image:
        offset, _ = image["header:0"].places()[0]
    data = bytearray((tmp_path / "x.objref").read_bytes())
    data[offset + 9] ^= 1
    (tmp_path / "x.objref").write_bytes(data)
    code, out, _ = run("info", tmp_path / "x.objref")
    assert code == 0
    assert "checksum" in out
    assert "objects" in out


def test_dot_is_utf_8_whatever_the_locale(tmp_path: Path) -> None:
    folder = tmp_path / "tree"
    folder.mkdir()
    (folder / "größe").write_bytes(b"x")
    (folder / "inventory.img").write_bytes(b"")
    objref.import_image(folder, tmp_path / "x.objref")
    command = [sys.executable, "-m", "objref", "graph", str(tmp_path / "x.objref"), "-o"]
    where = {**os.environ, "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    shown = subprocess.run([*command, "-"], capture_output=True, check=True, timeout=60, env=where).stdout
    subprocess.run([*command, str(tmp_path / "x.dot")], check=True, timeout=60, env=where, capture_output=True)
    assert "member:größe" in shown.decode("utf-8")
    assert shown == (tmp_path / "x.dot").read_bytes()


@pytest.mark.parametrize("data", [b"", b"hello\n"])
def test_what_is_no_checkpoint_is_told_what_may_come(tmp_path: Path, data: bytes) -> None:
    command = [sys.executable, "-m", "objref", "import", "-", "-o", str(tmp_path / "x.objref")]
    done = subprocess.run(command, input=data, capture_output=True, timeout=60)
    said = done.stderr.decode()
    assert done.returncode == 4
    assert "expected a tar archive of an image directory, or a stream of criu, linux-cr, openvz, dobriyan or native" in said
    assert not (tmp_path / "x.objref").exists()


def test_version_and_machine_of_an_openvz_file(run: Run, tmp_path: Path) -> None:
    source = tmp_path / "x.cpt"
    source.write_bytes(bytes(openvz.scene(openvz.FLAVOURS[8]).data))
    objref.import_image(source, tmp_path / "x.objref")
    facts, text = told(run, tmp_path / "x.objref")
    assert facts["layout"].startswith("32")
    assert (facts["machine"], facts["byte order"], facts["word size"]) == ("x86-64", "little-endian", "8")
    assert "format layout 32" in text
