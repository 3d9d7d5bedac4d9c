"""What does one question cost with the tools there are? `python bench/tools.py --quick`

From the shell, fork to exit, the answer thrown away. "What is file N?": objref get and show on an image, crit show of
files.img (what the manual says), and a script with pycriu that stops at the file. "What is in this checkpoint?": objref
info, checkpointctl inspect, on the archive of a container among the images of OBJREF_CORPUS.

crit, pycriu and checkpointctl run in the private root (.ci/criu-root make, as root; `.ci/criu-root run apt-get install
checkpointctl` for that one): what entering it takes is measured, too, and taken off.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from measuring import Samples
from reporting import Run, Scale, Table

import objref

ENTER = Path(__file__).resolve().parents[1] / ".ci" / "criu-root"
ROOT = Path(os.environ.get("CRIU_ROOT", "/opt/criu-root"))
IN_ROOT = {
    "crit": "usr/bin/crit",
    "pycriu": "usr/lib/python3/dist-packages/pycriu",
    "checkpointctl": "usr/bin/checkpointctl",
}
NOTHING, ENTERING = "python -c pass", "entering the root"
SCRIPT = """
import struct, sys
from pycriu.images import fdinfo_pb2
path, wanted = sys.argv[1], int(sys.argv[2])
with open(path, "rb") as file:
    file.seek(8)
    while head := file.read(4):
        item = fdinfo_pb2.file_entry()
        item.ParseFromString(file.read(*struct.unpack("<I", head)))
        if item.id == wanted:
            print(item)
            break
"""


def measure(run: Run) -> Iterator[Table]:
    """One file for each number of objects, then a container's archive."""
    left_out = tuple(name for name, path in IN_ROOT.items() if not (ROOT / path).exists() or os.geteuid())
    for count in run.scale.objects:
        yield _file(run, count, left_out)
    archive = Path(os.environ.get("OBJREF_CORPUS", "/nowhere")) / "podman.tar.zst"
    if archive.exists():
        yield _overview(run, archive, left_out)


def _file(run: Run, count: int, left_out: tuple[str, ...]) -> Table:
    source = making.files_image(run.folder, count)
    image, wanted = making.image(source), count // 2
    several = {
        "objref get": [_program(), "get", str(image), f"file:{wanted}"],
        "objref show": [_program(), "show", str(image), f"file:{wanted}"],
    }
    inside = {
        "crit show": ["crit", "show", "/bind/files.img"],
        "pycriu, up to it": ["python3", "-c", SCRIPT, "/bind/files.img", str(wanted)],
    }
    inside = {name: command for name, command in inside.items() if name.split()[0].strip(",") not in left_out}
    return _table(f"What is file {wanted:,} of {count:,}?", run, several, inside, source, left_out)


def _overview(run: Run, archive: Path, left_out: tuple[str, ...]) -> Table:
    folder = run.folder / "archive"
    folder.mkdir(exist_ok=True)
    shutil.copy(archive, folder)
    image = folder / "podman.objref"
    objref.import_image(archive, image, replace=True)
    several = {
        "objref info": [_program(), "info", str(image)],
        "objref ls, tasks": [_program(), "ls", str(image), "task"],
    }
    inside = {"checkpointctl inspect": ["checkpointctl", "inspect", f"/bind/{archive.name}"]}
    inside |= {"checkpointctl, tasks": ["checkpointctl", "inspect", "--ps-tree", f"/bind/{archive.name}"]}
    inside = inside if "checkpointctl" not in left_out else {}
    title = f"What is in {archive.name}, {archive.stat().st_size / 1e6:.1f} MB?"
    return _table(title, run, several, inside, folder, left_out)


def _table(
    title: str,
    run: Run,
    several: dict[str, list[str]],
    inside: dict[str, list[str]],
    folder: Path,
    left_out: tuple[str, ...],
) -> Table:
    commands: dict[str, measuring.Measure] = {NOTHING: partial(_run, [sys.executable, "-c", "pass"], folder)}
    commands |= {name: partial(_run, command, folder) for name, command in several.items()}
    if inside:
        commands |= {
            name: partial(_run, [str(ENTER), "run", *command], folder)
            for name, command in {ENTERING: ["true"], **inside}.items()
        }
    found = measuring.rounds(commands, run.scale.rounds)
    entering = found.pop(ENTERING, None)
    for name in inside:
        pairs = zip(found[name].values, entering.values if entering else (), strict=True)
        found[name] = Samples([max(value - way, 0.0) for value, way in pairs])
    return Table(title, "ms", 1e3, found, next(iter(several)), left_out=left_out)


def _program() -> str:
    beside = Path(sys.executable).with_name("objref")
    return str(beside) if beside.exists() else shutil.which("objref") or "objref"


def _run(command: Sequence[str], folder: Path) -> float:
    environment = measuring.environment() | {"CRIU_BIND": str(folder)}
    return measuring.seconds(lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment))


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 1_000_000), 0, 5), Scale((10_000,), 0, 3)))
