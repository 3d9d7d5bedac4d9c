"""Arrows run one way: cli → store → index. The code, not a promise, is asked."""

from __future__ import annotations

import ast
from pathlib import Path

import objref
import objref_index

STORE, INDEX = Path(objref.__file__).parent, Path(objref_index.__file__).parent
HEAVY = {"numpy", "google", "rich", "dataclasses", "asyncio", "importlib.metadata"}
INTERFACE = {f"objref.dialects.{name}" for name in ("checks", "cuts", "dialect", "events", "plan", "registry")}
LAZY = {"zstandard", "lzma", "bz2", "json", "hashlib"}
WITH_NUMPY = {INDEX / name for name in ("arrays.py", "flat.py", "frontier.py", "strides.py")} | {*INDEX.rglob("build*.py")}
WITH_NUMPY |= {STORE / name for name in ("asked.py", "batch.py", "gathering.py")}
WITH_NUMPY |= {path for folder in ("verify", "checking", "native", "large", "recovery") for root in (STORE, INDEX) for path in root.rglob(f"{folder}/*.py")}
WITH_NUMPY |= {STORE / "dialects" / "criu" / name for name in ("alike.py", "columns.py", "shape.py")}
"""Loaded where arrays are walked as a whole: by imports, verifications and large closures."""
WITHOUT_NUMPY = [path for path in (*STORE.rglob("*.py"), *INDEX.rglob("*.py")) if path not in WITH_NUMPY]


def imports(path: Path, *, at_top: bool = False) -> set[str]:
    """Absolute names that a module imports, anywhere or only when it is loaded itself."""
    tree = ast.parse(path.read_text())
    nodes = tree.body if at_top else ast.walk(tree)
    found: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add(node.module or "")
    return found


def roots(names: set[str]) -> set[str]:
    return {name.partition(".")[0] for name in names}


def test_the_index_knows_nothing_of_the_store() -> None:
    for path in INDEX.rglob("*.py"):
        assert "objref" not in roots(imports(path)), path


def test_the_store_knows_nothing_of_the_command_line() -> None:
    for path in STORE.rglob("*.py"):
        if path.parent.name != "cli" and path.name != "__main__.py":
            assert not any(name.startswith("objref.cli") for name in imports(path)), path


def test_the_container_knows_no_dialect() -> None:
    for path in (STORE / "container").rglob("*.py"):
        assert not any(name.startswith("objref.dialects") for name in imports(path)), path


def test_no_dialect_is_named_outside_of_the_registry() -> None:
    for path in [*STORE.glob("*.py"), *(STORE / "cli").glob("*.py"), *(STORE / "container").glob("*.py")]:
        named = {name for name in imports(path) if name.startswith("objref.dialects.")} - INTERFACE
        assert not named, f"{path} names {named}"


def test_heavy_libraries_are_imported_where_they_are_used() -> None:
    for path in WITHOUT_NUMPY:
        heavy = {name for name in imports(path, at_top=True) if name in HEAVY or name.partition(".")[0] in HEAVY}
        assert not heavy, f"{path} imports {heavy} when it is loaded"


def test_dialects_and_file_formats_open_no_files() -> None:
    """A splitter is pure: what it needs comes in as bytes."""
    for path in (STORE / "dialects").rglob("*.py"):
        if path.parent.name == "schema":
            continue  # it reads its own compiled form, which is part of the package
        names = roots(imports(path))
        assert not names & {"os", "io", "pathlib", "subprocess"}, path
