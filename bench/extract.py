"""One task out of a dump of many: `python bench/extract.py --quick`.

`objref extract` against unpacking all of it (`tar x` of the same directory as tar.zst, which is what there is today),
both from the shell into a new directory on the same disk; and how much of the image an extract reads, against what its
closure takes in the image. Tasks have distinct pages: what several share would help objref only.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import making
import measuring

import objref
from objref.container.reader import Container
from objref.container.source import CountedSource, open_path
from objref.image import Image
from objref.limits import DEFAULT

EXTRACT, TAR = "objref extract", "tar x of the .tar.zst"
TARGETS = {"read": 1.1, "faster": 10.0}
OUTWARD = ("parent", "group", "session")
"""Roles that lead to the other tasks."""


class Data:
    """The same dump as a directory, a tar.zst and an image, in one folder."""

    def __init__(self, folder: Path, tasks: int, megabytes: int) -> None:
        self.folder = folder
        self.image, self.archive, self.out = folder / "x.objref", folder / "x.tar.zst", folder / "out"
        source = folder / "images"
        self.bytes = making.write_tree_image(source, tasks, megabytes)
        self.task = f"task:{making.ROOT_PID + tasks // 2}"
        objref.import_image(source, self.image)
        subprocess.run(["tar", "-C", source, "-I", "zstd -3 -T2", "-cf", self.archive, "."], check=True)
        shutil.rmtree(source)


def reads(data: Data) -> dict[str, float]:
    """Bytes that an extract reads, and that its closure takes: every block that holds a part of it, once."""
    source = CountedSource(open_path(data.image, "pread"))
    with objref.open(source) as image:
        plan = image.plan_extract(data.task)
        image.extract(data.task, dest=data.folder / "counted")
        shutil.rmtree(data.folder / "counted")
        read, length = source.done, source.length
    return {"read": read, "closure": stored(data), "image": length, "written": plan.size}


def stored(data: Data) -> int:
    """With a cache for all of it, so that no block is read twice; without what opening and the index take."""
    source = CountedSource(open_path(data.image, "pread"))
    with Image(Container(source, DEFAULT._replace(cache=1 << 34))) as image:
        found = list(image.closure(data.task, without=OUTWARD))
        before = source.done
        for one in found:
            for _ in one.stored_chunks():
                pass
        return source.done - before


def shells(data: Data, n: int) -> tuple[dict[str, measuring.Samples], dict[str, measuring.Samples]]:
    """Seconds for one command from the shell, and seconds of all processors that it took."""
    ours = [sys.executable, "-m", "objref", "extract", str(data.image), data.task, "-o", str(data.out), "--quiet"]
    theirs = ["tar", "-I", "zstd", "-xf", str(data.archive), "-C", str(data.out)]
    spent: dict[str, list[float]] = {EXTRACT: [], TAR: []}
    candidates = {
        EXTRACT: partial(run, data, ours, spent[EXTRACT]),
        TAR: partial(run, data, theirs, spent[TAR], make_folder=True),
    }
    found = measuring.rounds(candidates, n)
    return found, {name: measuring.Samples(values[1:]) for name, values in spent.items()}


def run(data: Data, command: list[str], spent: list[float], make_folder: bool = False) -> float:
    """Seconds from fork to exit, into an absent (or empty) folder; what it made before is removed first."""
    shutil.rmtree(data.out, ignore_errors=True)
    if make_folder:
        data.out.mkdir()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = measuring.seconds(lambda: subprocess.run(command, check=True, env=measuring.environment()))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return taken


def show(
    tasks: int,
    data: Data,
    found: dict[str, measuring.Samples],
    spent: dict[str, measuring.Samples],
    counted: dict[str, float],
) -> dict[str, Any]:
    """Print the tables of one size; returns what goes into the JSON."""
    rows = [(name, f"{s.median:.3g}", f"{s.best:.3g}", f"{s.spread:.0%}", f"{spent[name].median:.3g}")
            for name, s in found.items()]  # fmt: skip
    title = f"One of {tasks} tasks, of {data.bytes / 1e6:,.0f} MB together"
    measuring.table(title, ("", "s, median", "s, best", "spread", "s of CPU"), rows)
    sizes = [(name, f"{value / 1e6:,.2f} MB", f"{value / counted['image']:.2%}") for name, value in counted.items()]
    measuring.table("Bytes", ("", "", "of the image"), sizes)
    measured = {"read": counted["read"] / counted["closure"], "faster": measuring.ratio(found[TAR], found[EXTRACT])}
    reached = {"read": measured["read"] <= TARGETS["read"], "faster": measured["faster"] >= TARGETS["faster"]}
    cpu = measuring.ratio(spent[TAR], spent[EXTRACT])
    print(
        f"\nread / closure {measured['read']:.3f} (at most {TARGETS['read']}), {measured['faster']:.1f} times as fast"
        f" as tar (at least {TARGETS['faster']:.0f}), {cpu:.1f} times less CPU"
    )
    return {
        "tasks": tasks, "bytes": data.bytes, "counted": counted, "tar / extract, CPU": cpu,
        "seconds": {k: s.summary() for k, s in found.items()}, "CPU": {k: s.summary() for k, s in spent.items()},
        "targets": {k: {"measured": measured[k], "wanted": TARGETS[k], "reached": reached[k]} for k in TARGETS},
    }  # fmt: skip


def parse(argv: list[str] | None) -> argparse.Namespace:
    """Arguments."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=64)
    parser.add_argument("--megabytes", type=int, default=48, help="memory of each task (48)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="64 tasks of 24 MB, 3 rounds")
    parser.add_argument("--dir", help="where to put the data (default: the system's temporary folder)")
    parser.add_argument("--json", help="write all results to this file")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    tasks, megabytes, n = (64, 24, 3) if args.quick else (args.tasks, args.megabytes, args.rounds)
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        data = Data(Path(folder), tasks, megabytes)
        result = show(tasks, data, *shells(data, n), reads(data))
    if args.json:
        measuring.write_json(args.json, {"results": result})
    print(json.dumps(result["targets"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
