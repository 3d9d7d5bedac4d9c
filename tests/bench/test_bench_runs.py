"""The benches run, from making the data to the page. How fast is not a test's business."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="the benches are not part of what is installed")
SMALL = ("--objects", "2k", "--megabytes", "2", "--rounds", "1")
CANDIDATES = {
    "lookup": ("objref files[id], raw", "objref files[id], zstd", "dict in memory", "decode everything"),
    "stores": ("objref, raw", "objref, fast", "lmdb", "SQLite", "zip", "tar"),
    "tools": ("python -c pass", "objref get", "objref show"),
    "lookup_shapes": ("pure Python",),
    "batches": ("joined, pure Python", "views, pure Python", "views, each taken, pure Python"),
    "opening": ("objref.open", "objref.open, first object"),
    "seek": ("scan, decoding", "scan, only reading", "objref, index beside it", "objref, container"),
    "closure": ("branching", "loop", "random loop", "random loop, dict and set", "island", "first of an island"),
    "split": ("criu, objects", "criu, pages", "dobriyan", "openvz", "linux-cr, records", "linux-cr, pages"),
    "extract": ("objref extract",),
    "density": ("zstd -3", "zstd -19", "objref, fast", "objref, small", "objref, raw pages", "objref, smallest"),
    "verify": ("decompress and XXH3", "objref verify", "objref verify, quick"),
    "recover": ("objref import", "a damaged block", "a damaged index", "a cut at two thirds"),
    "shell": ("objref get, 2,000 objects", "python -c pass"),
    "import_objects": ("objref import", "objref import, raw", "protobuf, each item"),
    "import_pages": ("objref import", "objref import, raw"),
    "export": ("objref export", "objref export, raw", "SHA-256"),
    "native": ("export", "import", "import, pages raw", "export | import", "SHA-256"),
    "memory": ("nothing", "2,000 files, no references", "2,000 sockets, three references each"),
}
TARGETS = {
    "lookup": 2, "lookup_shapes": 2, "batches": 2, "opening": 1, "shell": 1, "import_objects": 1, "memory": 3, "seek": 3, "closure": 5, "split": 2,
    "extract": 1, "verify": 2, "density": 3, "native": 4, "recover": 2,
}  # fmt: skip


def call(script: str, folder: Path, *arguments: str, **environment: str) -> str:
    """What a bench prints."""
    command = [sys.executable, str(BENCH / script), *arguments]
    around = {**os.environ, "TMPDIR": str(folder), **environment}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=around)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(name: str, folder: Path, *arguments: str, **environment: str) -> dict[str, Any]:
    """The JSON of a bench on small data, and what it printed."""
    target = folder / "results.json"
    printed = call(f"{name}.py", folder, *SMALL, "--json", str(target), *arguments, **environment)
    results: dict[str, Any] = json.loads(target.read_text())
    return results | {"printed": printed}


def check(found: dict[str, Any], name: str) -> None:
    """All that was promised is there, with figures."""
    assert found["machine"]["python"]
    assert found["machine"]["libraries"]["zstandard"]
    assert set(CANDIDATES[name]) <= set(found["tables"][0]["samples"])
    for table in found["tables"]:
        assert all(samples["median"] > 0 for samples in table["samples"].values())
        assert table["title"] in found["printed"]
    targets = [target for table in found["tables"] for target in table["targets"]]
    assert len(targets) >= TARGETS.get(name, 0)
    assert all(isinstance(target["reached"], bool) for target in targets)


@pytest.mark.parametrize("name", ["lookup", "lookup_shapes", "batches", "opening", "shell", "closure", "import_pages", "export", "verify", "recover"])
def test_every_candidate_has_figures(name: str, tmp_path: Path) -> None:
    check(measured(name, tmp_path), name)


def test_objects_out_of_streams_that_grow(tmp_path: Path) -> None:
    found = measured("seek", tmp_path)
    check(found, "seek")
    growth = next(table for table in found["tables"] if table["unit"] == "times as long")
    assert set(CANDIDATES["seek"]) <= set(growth["samples"])
    assert {table["size"] > 0 for table in found["tables"][:2]} == {True}
    assert "objref's tree, from columns" in found["tables"][-1]["samples"]


def test_every_dialect_is_split_and_imported(tmp_path: Path) -> None:
    found = measured("split", tmp_path)
    check(found, "split")
    alone, imports = found["tables"]
    assert set(alone["samples"]) == set(imports["samples"])
    assert alone["more"]["units"]["criu, objects"] == "20,004"


def test_bytes_of_an_extract_do_not_depend_on_the_machine(tmp_path: Path) -> None:
    found = measured("extract", tmp_path)
    check(found, "extract")
    sizes, stream = (
        {name: samples["median"] for name, samples in table["samples"].items()} for table in found["tables"][-2:]
    )
    assert sizes["blocks of the closure"] <= sizes["read by an extract"] < sizes["the image"]
    assert stream["read by an extract"] < stream["the image"]
    assert stream["written"] < stream["the stream"] // 10


@pytest.mark.skipif(not (shutil.which("tar") and shutil.which("zstd")), reason="the peers are tar and zstd")
def test_what_takes_the_bytes_of_a_real_image(tmp_path: Path) -> None:
    found = measured("density", tmp_path, str(BENCH.parent / "tests" / "images" / "tree.tar.zst"))
    check(found, "density")
    table = found["tables"][0]
    parts = {head: cells for head, cells in table["more"].items() if head != "page read µs"}
    for name in table["more"]["pages"]:
        whole = sum(int(cells[name].replace(",", "")) for cells in parts.values())
        assert whole == table["samples"][name]["median"]


def test_memory_of_sockets_that_have_the_references_that_are_claimed(tmp_path: Path) -> None:
    found = measured("memory", tmp_path)
    check(found, "memory")
    assert found["tables"][0]["more"]["references"]["2,000 sockets, three references each"] == "6,000"


def test_stores_that_are_installed_give_the_same_bytes(tmp_path: Path) -> None:
    found = measured("stores", tmp_path)
    check(found, "stores")
    modules = {"dulwich": "git pack (dulwich)", "plyvel": "LevelDB (plyvel)", "rocksdict": "RocksDB (rocksdict)"}
    names = set(found["tables"][-1]["samples"])
    for module, name in modules.items():
        assert (name in names) is (find_spec(module) is not None)
        assert (name in found["tables"][0]["left_out"]) is (find_spec(module) is None)


def test_tools_in_the_root_are_left_out_by_name_where_there_is_none(tmp_path: Path) -> None:
    found = measured("tools", tmp_path, CRIU_ROOT=str(tmp_path / "none"))
    check(found, "tools")
    assert found["tables"][0]["left_out"] == ["crit", "pycriu", "checkpointctl"]


def test_peers_that_are_not_installed_are_named(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    found = measured("import_objects", tmp_path, PATH=str(tmp_path / "empty"))
    check(found, "import_objects")
    assert found["tables"][0]["left_out"] == ["zstd"]
    assert "Not installed here, left out: zstd." in found["printed"]


def test_options_and_the_sizes_of_an_image(tmp_path: Path) -> None:
    measured("shell", tmp_path, "--dir", str(tmp_path / "made"))
    both = measured("options", tmp_path, str(tmp_path / "made" / "file_messages-2000"))
    found, printed = both["tables"], both["printed"]
    assert [len(table["samples"]) for table in found[:4]] == [6] * 4
    table = found[-1]
    assert table["samples"]["default"]["median"] < table["samples"]["raw"]["median"]
    assert "tar" in table["samples"] or not shutil.which("tar")
    assert "| tar | zstd" not in printed, "a bar inside a cell ends it"


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="plots need matplotlib")
def test_a_plot(tmp_path: Path) -> None:
    measured("shell", tmp_path, "--plot", str(tmp_path / "shell.svg"))
    assert (tmp_path / "shell.svg").read_text().startswith("<?xml")


@pytest.mark.skipif(find_spec("matplotlib") is None, reason="plots need matplotlib")
def test_a_plot_of_what_grows(tmp_path: Path) -> None:
    measured("closure", tmp_path, "--objects", "200,400", "--plot", str(tmp_path / "closure.svg"))
    assert "size of the data" in (tmp_path / "closure.svg").read_text()


def test_all_of_them_into_one_page(tmp_path: Path) -> None:
    page, before = tmp_path / "page.md", (BENCH / "README.md").read_text()
    call("run", tmp_path, "--only", "shell", "--out", str(page), "--results", str(tmp_path / "json"), *SMALL)
    text = page.read_text()
    assert (BENCH / "README.md").read_text() == before
    assert text.partition("<!-- tables")[0] == before.partition("<!-- tables")[0]
    for expected in ("### bench/shell.py", "| target ", "Python 3.", "--only shell"):
        assert expected in text
    assert sorted(path.stem for path in (tmp_path / "json").glob("*.json")) == ["shell"]
