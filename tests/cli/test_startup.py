"""`objref get` has 50 ms. Python takes 13 of them, so what it imports is a list, not an accident."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import objref
from linux_cr.making import stream

HEAVY = {"numpy", "google.protobuf", "rich", "dataclasses", "importlib.metadata", "asyncio", "inspect", "shutil", "lzma"}
COSTLY = {
    "argparse", "collections", "contextlib", "enum", "functools", "gettext", "hashlib", "importlib", "locale", "lmdb",
    "platform", "random", "re", "secrets", "signal", "threading", "typing", "warnings", "zstandard",
}  # fmt: skip
"""Half a millisecond to ten each. What Python itself loads before is not ours."""
REPORT = """
import sys
from objref.cli import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""
BARE = "import sys; print(*sys.modules, file=sys.stderr)"


def run(code: str, *arguments: object) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, *map(str, arguments)], capture_output=True, check=True, timeout=60
    )
    return set(done.stderr.decode().split())


@cache
def bare() -> set[str]:
    return run(BARE)


def modules(*arguments: object) -> set[str]:
    """Names of the modules that a command had loaded at its end, and Python not at its start."""
    return run(REPORT, *arguments) - bare()


@pytest.fixture(scope="module")
def images(image: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, str]]:
    """(image, object) by name: a container, one with a dictionary, and a stream with an index beside it."""
    folder = tmp_path_factory.mktemp("startup")
    small, beside = folder / "small.objref", folder / "dump.cr"
    objref.repack_image(image, small)
    beside.write_bytes(b"".join(stream(3)))
    objref.index_file(beside)
    with objref.open(beside) as opened:
        found = next(iter(opened["file"].objects())).objref
    return {"container": (image, "file:6"), "small": (small, "file:6"), "sidecar": (beside, found)}


@pytest.mark.parametrize("name", ["container", "small", "sidecar"])
def test_get_imports_nothing_slow(images: dict[str, tuple[Path, str]], name: str) -> None:
    assert not modules("get", *images[name]) & (HEAVY | COSTLY)


def test_a_name_that_is_written_to_a_file_costs_no_more(image: Path, tmp_path: Path) -> None:
    with objref.open(image) as opened:
        member = next(iter(opened["member"].objects())).objref
    loaded = modules("get", image, member, "-o", tmp_path / "out")
    assert not loaded & (HEAVY | COSTLY)


def test_with_more_options_get_is_parsed_and_still_imports_nothing_heavy(image: Path) -> None:
    loaded = modules("get", image, "file:6", "--range", "0+1")
    assert "argparse" in loaded
    assert not loaded & (HEAVY | {"zstandard", "platform", "threading", "secrets", "lmdb"})


def test_get_imports_no_dialect_and_no_importer(image: Path) -> None:
    loaded = modules("get", image, "file:6")
    assert not [name for name in loaded if name.startswith(("objref.dialects", "objref.importer", "objref.exporter"))]


def test_importing_objref_imports_none_of_its_parts() -> None:
    code = "import sys, objref; print(*sorted(n for n in sys.modules if n.startswith('objref')))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["objref"]


def test_only_the_verb_that_was_asked_for_is_loaded(image: Path) -> None:
    verbs = {name for name in modules("ls", image) if name.startswith("objref.cli.")}
    assert verbs <= {f"objref.cli.{name}" for name in ("listing", "parser", "plain", "terminal")}
