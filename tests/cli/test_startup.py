"""`objref get` has 50 ms. Python takes 10 of them, so what it imports is a list, not an accident."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

SLOW = ("numpy", "google.protobuf", "rich", "dataclasses", "importlib.metadata", "asyncio", "inspect", "shutil", "lzma")
REPORT = """
import sys
from objref.cli import main
code = main(sys.argv[1:])
print(*sorted(sys.modules), file=sys.stderr)
sys.exit(code)
"""


def modules(*arguments: object) -> set[str]:
    """Names of the modules that a command had loaded at its end."""
    done = subprocess.run(
        [sys.executable, "-I", "-c", REPORT, *map(str, arguments)], capture_output=True, check=True, timeout=60
    )
    return set(done.stderr.decode().split())


def test_get_imports_nothing_slow(image: Path) -> None:
    assert not modules("get", image, "file:6") & set(SLOW)


def test_get_imports_no_dialect_and_no_importer(image: Path) -> None:
    loaded = modules("get", image, "file:6")
    assert not [name for name in loaded if name.startswith(("objref.dialects", "objref.importer", "objref.exporter"))]


def test_importing_objref_imports_none_of_its_parts() -> None:
    code = "import sys, objref; print(*sorted(n for n in sys.modules if n.startswith('objref')))"
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["objref"]


def test_only_the_verb_that_was_asked_for_is_loaded(image: Path) -> None:
    verbs = {name for name in modules("ls", image) if name.startswith("objref.cli.")}
    assert verbs <= {"objref.cli.listing", "objref.cli.terminal"}
