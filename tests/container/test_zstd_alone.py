"""The extension of python-zstandard without its package: the same library, or the package when anything is unusual."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

START = "import sys; from objref.container.zstd import EXTENSION, library, load_extension; load_extension(); "
ASKS = {
    "it is the extension": "assert library().__name__ == EXTENSION",
    "and no package": "library(); assert 'zstandard' not in sys.modules and 'platform' not in sys.modules",
    "one library": "from zstandard import ZstdDecompressor, ZstdError; l = library();"
    " assert l.ZstdDecompressor is ZstdDecompressor and l.ZstdError is ZstdError",
    "it works": "import zstandard; data = zstandard.ZstdCompressor().compress(b'x' * 999);"
    " assert library().ZstdDecompressor().decompress(data) == b'x' * 999",
    "its errors": "from objref.container.blocks import check_frame; assert 'damaged' in check_frame(b'no frame', 8)",
    "twice": "load_extension(); assert library() is library() and library().__name__ == EXTENSION",
}
UNUSUAL = {
    "a policy of the user's": ({"PYTHON_ZSTANDARD_IMPORT_POLICY": "cffi_fallback"}, ""),
    "loaded before": ({}, "import zstandard; "),
    "another Python": ({}, "import sys; sys.implementation.name = 'other'; "),
}


def run(code: str, **environment: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, env={**os.environ, **environment}
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("ask", ASKS)
def test_alone(ask: str) -> None:
    run(START + ASKS[ask])


@pytest.mark.parametrize("case", UNUSUAL)
def test_unusual_cases_have_the_package(case: str) -> None:
    environment, before = UNUSUAL[case]
    run(before + START + "assert library().__name__ == 'zstandard'", **environment)


def test_an_extension_that_cannot_be_loaded(tmp_path: Path) -> None:
    """It is of another Python, or broken: what the package then says is what the user sees."""
    package = tmp_path / "zstandard"
    package.mkdir()
    (package / "__init__.py").write_text("NAME = 'the package'")
    for name in ("backend_c.py", "backend_c.abi3.so"):
        (package / name).write_bytes(b"raise SystemExit('not to be run')" if name.endswith(".py") else b"\x7fELF broken")
        run(f"import sys; sys.path.insert(0, {str(tmp_path)!r}); " + START + "assert library().NAME == 'the package'")
