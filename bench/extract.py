"""How long does one task out of a dump of 64 take? `python bench/extract.py --quick`

`objref extract` against unpacking all of it (`tar x` of the same directory as tar.zst, which is what there is today),
both from the shell into a new directory on the same disk; and how much of the image an extract reads, against what its
closure takes in the image. Tasks have distinct pages: what several share would help objref only. CPU time is that of
all cores. Then the same of a linux-cr stream, for which there is no other tool.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from importing import Contest, missing
from measuring import Measure, Samples
from reporting import Run, Scale, Table, Target

import objref
from objref.container.reader import Container
from objref.container.source import CountedSource, open_path
from objref.image import Image
from objref.limits import DEFAULT

EXTRACT, TAR = "objref extract", "tar x of the .tar.zst"
READ, CLOSURE = "read by an extract", "blocks of the closure"
READ_AT_MOST, FASTER_AT_LEAST = 1.1, 10.0
OUTWARD = ("parent", "group", "session")
"""Roles that lead to the other tasks."""
DROP = {"pipe": "drop", "fifo": "drop", "unix": "drop", "terminal": "hold"}
TESTS = Path(__file__).resolve().parents[1] / "tests"
TASKS = 64
TASK = f"task:{making.ROOT_PID + TASKS // 2}"


def measure(run: Run) -> Iterator[Table]:
    """From the shell, and what is read."""
    source = making.tree_image(run.folder, TASKS, run.scale.megabytes)
    image, left_out = making.image(source), missing("tar", "zstd")
    yield _times(run, source, image, left_out)
    yield _bytes(image, run.folder / "extracted")
    yield _stream(run.folder, run.scale.megabytes)


# -- times --------------------------------------------------------------------------------------------------


def _times(run: Run, source: Path, image: Path, left_out: tuple[str, ...]) -> Table:
    out, contest = run.folder / "extracted", Contest(run.folder)
    command = [sys.executable, "-m", "objref", "extract", str(image), TASK, "-o", str(out), "--quiet"]
    several: dict[str, Measure] = {EXTRACT: partial(_run, contest, EXTRACT, out, command)}
    if not left_out:
        command = ["tar", "-I", "zstd", "-xf", str(_archive(source)), "-C", str(out)]
        several[TAR] = partial(_run, contest, TAR, out, command, make_folder=True)
    found = measuring.rounds(several, run.scale.rounds)
    shutil.rmtree(out)
    targets: tuple[Target, ...] = ()
    if TAR in found:
        faster = measuring.ratios(found[TAR], found[EXTRACT])
        targets = (Target(f"one task of {TASKS}, speed against tar x", faster, FASTER_AT_LEAST, "x", True),)
    size = sum(path.stat().st_size for path in source.iterdir())
    title = f"One of {TASKS} tasks, of {size / 1e6:,.0f} MB together"
    columns = {"CPU s": contest.columns()["CPU s"]}
    return Table(title, "s", 1, found, TAR, columns, targets, left_out)


def _run(contest: Contest, name: str, out: Path, command: list[str], make_folder: bool = False) -> float:
    """Seconds from fork to exit, into an absent (or empty) folder; what it made before is removed first."""
    shutil.rmtree(out, ignore_errors=True)
    if make_folder:
        out.mkdir()
    return contest.run(name, command)


def _archive(source: Path) -> Path:
    """The .tar.zst of a directory, made unless it is there."""
    path = source.with_name(f"{source.name}.tar.zst")
    if not path.exists():
        subprocess.run(["tar", "-C", source, "-I", "zstd -3 -T2", "-cf", path, "."], check=True)
    return path


# -- bytes --------------------------------------------------------------------------------------------------


def _bytes(image: Path, out: Path) -> Table:
    """Exact: no rounds."""
    source = CountedSource(open_path(image, "pread"))
    with objref.open(source) as opened:
        written = opened.plan_extract(TASK).size
        opened.extract(TASK, dest=out)
        read, length = source.done, source.length
    shutil.rmtree(out)
    sizes = {READ: read, CLOSURE: _closure(image), "written": written, "the image": length}
    found = {name: Samples([float(size)]) for name, size in sizes.items()}
    ratio = measuring.ratios(found[READ], found[CLOSURE])
    targets = (Target("bytes that an extract reads, against its closure", ratio, READ_AT_MOST, "x"),)
    return Table("Bytes of an extract", "MB", 1e-6, found, CLOSURE, targets=targets)


def _closure(image: Path) -> int:
    """Bytes of every block that holds a part of it, once: the cache holds all; without opening and the index."""
    source = CountedSource(open_path(image, "pread"))
    with Image(Container(source, DEFAULT._replace(cache=1 << 34))) as opened:
        found = list(opened.closure(TASK, without=OUTWARD))
        before = source.done
        for one in found:
            for _ in one.stored_chunks():
                pass
        return source.done - before


# -- a stream -----------------------------------------------------------------------------------------------


def _stream(folder: Path, megabytes: int) -> Table:
    """One task of a linux-cr stream, as a stream. Exact: no rounds."""
    sys.path.insert(0, str(TESTS))
    from linux_cr.making import stream

    source, image = folder / "tasks.cr", folder / "tasks.objref"
    with source.open("wb") as file:
        file.writelines(stream(TASKS, pages=megabytes * 256 // TASKS, layout="v23-rc2", files=100))
    objref.import_image(source, image, replace=True)
    counted = CountedSource(open_path(image, "pread"))
    with objref.open(counted) as opened:
        task = list(opened["task"])[TASKS // 2]
        made = opened.extract(f"task:{task}", dest=folder / "part.cr", scope="alone", cut=DROP, replace=True)
        sizes = {READ: counted.done, "written": made.bytes, "the image": counted.length}
    sizes["the stream"] = source.stat().st_size
    found = {name: Samples([float(size)]) for name, size in sizes.items()}
    return Table(f"Bytes of an extract of one of {TASKS} tasks of a linux-cr stream", "MB", 1e-6, found)


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((), 3072, 7), Scale((), 512, 3)))
