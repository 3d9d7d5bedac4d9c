"""Building the native core with the wheel, where that can be done: hatchling calls it (see pyproject.toml).

It is two C files, compiled by whatever `cc` is. Without a compiler or without Python's headers the wheel is of pure
Python, as fast to install and slower in use. With it the wheel is for this machine, and for every Python that knows
the stable ABI of 3.11. Why a hook, and not setuptools: there, what is optional still decides the name of the wheel, and
needs a setup.py at the top.

OBJREF_NATIVE=0 builds none; OBJREF_NATIVE=1 ends in the compiler's error if it cannot be built.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sysconfig
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

NAME = "_fast.abi3.so"
SOURCES = ("fast.c", "pages.c")
FLAGS = ("-O2", "-fPIC", "-shared", "-fvisibility=hidden", "-Wall")
HERE = Path(__file__).parent
PACKAGE = HERE.parent / "objref_index"


class BuildFast(BuildHookInterface[Any]):
    """Compiles into a temporary folder, or for an editable install into the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        wanted = os.environ.get("OBJREF_NATIVE", "")
        self._folder = tempfile.TemporaryDirectory()
        made = (PACKAGE if version == "editable" else Path(self._folder.name)) / NAME
        if wanted == "0" or not self._compiled(made, must=wanted == "1"):
            return
        build_data["pure_python"] = False
        build_data["tag"] = f"cp311-abi3-{_platform()}"
        build_data["force_include"][str(made)] = f"objref_index/{NAME}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        self._folder.cleanup()

    def _compiled(self, made: Path, *, must: bool) -> bool:
        compiler = shlex.split(os.environ.get("CC", "cc"))
        include = [f"-I{path}" for path in {sysconfig.get_path("include"), sysconfig.get_path("platinclude")}]
        command = [*compiler, *FLAGS, *include, *(str(HERE / name) for name in SOURCES), "-o", str(made)]
        try:
            subprocess.run(command, check=True, capture_output=not must, timeout=120)
        except (OSError, subprocess.SubprocessError) as error:
            if must:
                raise
            self.app.display_warning(f"no native core: {error}; objref works without")
            return False
        return True


def _platform() -> str:
    return sysconfig.get_platform().replace("-", "_").replace(".", "_")
