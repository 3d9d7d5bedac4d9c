"""Bytes of an image are never run: nothing in the product could."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOTS = [Path(__file__).resolve().parents[2] / name for name in ("store", "index")]
NEVER = {"pickle", "marshal", "shelve", "ctypes", "ssl", "http", "urllib", "multiprocessing", "code", "runpy"}
CALLS = {"eval", "exec", "compile", "__import__"}
TALKS = {"connect", "create_connection", "bind", "listen", "system", "popen", "execv", "execve", "execvp", "posix_spawn"}
"""`socket` itself is imported for its constants."""
PROGRAMS = {"subprocess"}
MAY_RUN = {"picturing.py", "build_fast.py"}
"""Graphviz, for `objref graph -o x.svg`: its input is what test_picture calls hostile. And the compiler, when a wheel is
built: that file is no part of the wheel."""


def trees() -> Iterator[tuple[Path, ast.Module]]:
    for root in ROOTS:
        for path in root.rglob("*.py"):
            yield path, ast.parse(path.read_text())


def imports(tree: ast.Module) -> set[str]:
    found = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    found |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    return {name.partition(".")[0] for name in found}


def test_nothing_unpickles_evaluates_or_talks_to_others() -> None:
    seen = 0
    for path, tree in trees():
        seen += 1
        assert not imports(tree) & NEVER, path
        names = {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
        assert not names & CALLS, path
        attributes = {n.func.attr for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)}
        assert not attributes & TALKS, path
        assert not imports(tree) & PROGRAMS or path.name in MAY_RUN, path
    assert seen > 200
