"""The benches run, from making the data to the JSON. How fast is not a test's business."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

BENCH = Path(__file__).parents[2] / "bench"
pytestmark = pytest.mark.skipif(not BENCH.is_dir(), reason="the benches are not part of what is installed")


def run(script: str, folder: Path, *arguments: str) -> dict[str, Any]:
    """The JSON that a bench writes."""
    command = [sys.executable, str(BENCH / script), *arguments, "--json", str(folder / "results.json")]
    environment = {**os.environ, "TMPDIR": str(folder)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
    assert done.returncode == 0, done.stderr
    results: dict[str, Any] = json.loads((folder / "results.json").read_text())
    assert results["machine"]["python"]
    return results


def test_lookup(tmp_path: Path) -> None:
    plot = ["--plot", str(tmp_path / "lookup.svg")] if find_spec("matplotlib") else []
    (result,) = run("lookup.py", tmp_path, "--sizes", "2k", "--rounds", "1", *plot)["results"]
    assert result["objects"] == 2000
    assert all(samples["median"] > 0 for samples in result["lookup"].values())
    assert set(result["targets"]) == {"hot", "open", "shell"}
    assert not plot or (tmp_path / "lookup.svg").read_text().startswith("<?xml")


@pytest.mark.skipif(not (shutil.which("zstd") and shutil.which("tar")), reason="the peers are zstd and tar")
def test_import(tmp_path: Path) -> None:
    results = run("import.py", tmp_path, "--objects", "2000", "--megabytes", "2", "--rounds", "1")
    assert results["objects"]["imports"]["import"][-1]["objects"] >= 2000
    assert results["pages"]["seconds"]["zstd -1 -T2"]["median"] > 0


@pytest.mark.skipif(not shutil.which("tar"), reason="the peer is tar")
def test_options(tmp_path: Path) -> None:
    spec = spec_from_file_location("bench_making", BENCH / "making.py")
    assert spec is not None
    assert spec.loader is not None
    making = module_from_spec(spec)
    spec.loader.exec_module(making)
    making.write_files_image(tmp_path / "made", 1000)
    sizes = run("options.py", tmp_path, "--objects", "0", "--megabytes", "0", str(tmp_path / "made"))["sizes"]
    assert sizes["made"]["default"] < sizes["made"]["raw"]


@pytest.mark.skipif(not (shutil.which("zstd") and shutil.which("tar")), reason="the peers are zstd and tar")
def test_density(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OBJREF_CORPUS", raising=False)
    plot = ["--plot", str(tmp_path / "density.svg")] if find_spec("matplotlib") else []
    results = run("density.py", tmp_path, "--quick", "--megabytes", "2", "--rounds", "1", *plot)
    sizes = results["sizes"]["tree"]
    assert sizes["files"]["smallest"] < sizes["files"]["small"] < sizes["files"]["fast"] < sizes["files"]["raw pages"]
    assert sum(sizes["parts"]["small"].values()) == sizes["files"]["small"]
    assert results["targets"]["small: overhead on small images"]["reached"]
