"""`objref index`, and the other verbs on a stream that stays as it is."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from samples import folder_listing
from sidecar.making import streams

from objref.cli.terminal import size

TREE = dict(streams())["tree.tar"]
LOADED = """
import sys
from objref.cli import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
SLOW = ("numpy", "google.protobuf", "rich", "dataclasses", "importlib.metadata", "asyncio", "inspect", "shutil", "lzma")


def run(*arguments: object, code: int = 0) -> tuple[str, str]:
    done = subprocess.run(
        [sys.executable, "-m", "objref", *map(str, arguments)], capture_output=True, check=False, timeout=60
    )
    assert done.returncode == code, done.stderr
    assert b"Traceback" not in done.stderr
    return done.stdout.decode(errors="replace"), done.stderr.decode()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    path = tmp_path / "tree.tar"
    path.write_bytes(TREE)
    return path


def test_a_user_indexes_and_reads(tree: Path, tmp_path: Path) -> None:
    _, error = run("ls", tree, code=4)
    assert f"run `objref index {tree}`" in error
    assert f"{tree}.objref-index: 128 objects, 133 references; " in run("index", tree)[0]
    assert "exists already and fits; --force" in run("index", tree, code=2)[1]
    assert run("index", tree, "--force", "--quiet") == ("", "")
    assert "task:100" in run("ls", tree, "task")[0]
    assert "pid: 100" in run("show", tree, "task:100")[0]
    assert "near" in run("get", tree, "task:1000", code=3)[1]
    run("get", tree, "member:tree/pstree.img", "-o", tmp_path / "pstree.img")
    assert (tmp_path / "pstree.img").read_bytes() in TREE
    run("export", tree, "-o", tmp_path / "again.tar", "--as", "tar")
    assert (tmp_path / "again.tar").read_bytes() == TREE


def test_info_names_the_index(tree: Path) -> None:
    run("index", tree)
    assert f"index{tree}.objref-index," in "".join(run("info", tree)[0].split())  # a long path is wrapped
    facts = json.loads(run("info", tree, "--json")[0])
    assert facts["stream"] == {"length": len(TREE), "sha256": hashlib.sha256(TREE).hexdigest()}
    assert facts["file_length"] == len(TREE)
    assert facts["index"]["entries"] > 90


def test_the_report_as_json(tree: Path) -> None:
    report = json.loads(run("index", tree, "--json")[0])
    assert report["path"] == f"{tree}.objref-index"
    assert report["stream_sha256"] == hashlib.sha256(TREE).hexdigest()


def test_standard_input_is_refused(tree: Path) -> None:
    assert "cannot be read again" in run("index", "-", code=2)[1]
    assert "a directory" in run("index", tree.parent, code=2)[1]
    assert folder_listing(tree.parent) == ["tree.tar"]


def test_get_imports_nothing_slow(tree: Path) -> None:
    run("index", tree)
    command = [sys.executable, "-I", "-c", LOADED, "get", str(tree), "file:6"]
    loaded = set(subprocess.run(command, capture_output=True, check=True, timeout=60).stderr.decode().split())
    assert not loaded & set(SLOW)
    assert "lmdb" not in loaded  # one question is walked
    assert not [
        name for name in loaded if name.startswith(("objref.dialects", "objref.importer", "objref.sidecar.index"))
    ]


def test_a_container_needs_no_lmdb(tree: Path, tmp_path: Path) -> None:
    run("import", tree, "-o", tmp_path / "x.objref")
    command = [sys.executable, "-I", "-c", LOADED, "get", str(tmp_path / "x.objref"), "file:6"]
    loaded = subprocess.run(command, capture_output=True, check=True, timeout=60).stderr.decode().split()
    assert not [name for name in loaded if name.startswith(("lmdb", "objref.sidecar", "objref_index.tree"))]


def test_extract_takes_tasks_out_of_a_stream(tree: Path, tmp_path: Path) -> None:
    """As out of a container; what is read of both files is told."""
    run("index", tree)
    run("import", tree, "-o", tmp_path / "tree.objref")
    cut = ("--quiet", "--cut", "pipe=drop,unix=drop,terminal=null")
    said, _ = run("extract", tree, "task:101", "-o", tmp_path / "a.tar", "--stats", *cut)
    both = size(len(TREE) + Path(f"{tree}.objref-index").stat().st_size)
    assert f" of {both} in " in said
    run("extract", tmp_path / "tree.objref", "task:101", "-o", tmp_path / "b.tar", *cut)
    assert (tmp_path / "a.tar").read_bytes() == (tmp_path / "b.tar").read_bytes()
    assert "task:100" in run("refs", tree, "task:101")[0]
    assert "digraph" in run("graph", tree, "task:101", "-o", "-")[0]
