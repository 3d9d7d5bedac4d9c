"""How fast does an image leave through a pipe, and come back? `python bench/native.py --quick`

The native stream (docs/native.md): written by itself, read by itself from a file, and from one process to another
through a pipe, against the slower of the two. Each in processes of its own, from fork to exit, Python's start and the
fsync of the new file included. What must be paid in any case is SHA-256 of the original bytes, on both sides; it is
shown as hashlib does it in a warm process. "pages raw": memory is not compressed in the new file.
"""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from importing import Contest
from reporting import Run, Scale, Table, Target

import objref

OBJREF = [sys.executable, "-m", "objref"]
EXPORT, IMPORT, RAW, PIPE, SHA256 = "export", "import", "import, pages raw", "export | import", "SHA-256"
PIPE_AT_LEAST, OBJECTS_AT_LEAST, PAGES_AT_LEAST = 0.7, 500, 0.7


def measure(run: Run) -> Iterator[Table]:
    """Small objects, and memory."""
    for count in run.scale.objects:
        source = making.files_image(run.folder, count)
        found, more = _measured(run, source, source / "files.img")
        rate = found[IMPORT].over(count / 1e3)
        target = Target(f"native import of {count:,} objects", rate, OBJECTS_AT_LEAST, "k objects/s", True)
        yield _table(f"{count:,} files as a native stream", found, more, target)
    source = making.memory_image(run.folder, run.scale.megabytes)
    found, more = _measured(run, source, source / "pages-1.img")
    speed = measuring.ratios(found[SHA256], found[RAW])
    target = Target("native import of memory, pages raw, speed against SHA-256", speed, PAGES_AT_LEAST, "x", True)
    yield _table(f"{run.scale.megabytes:,} MiB of memory as a native stream", found, more, target)


def _measured(run: Run, source: Path, original: Path) -> tuple[dict[str, measuring.Samples], dict[str, dict[str, str]]]:
    image, contest = making.image(source), Contest(run.folder)
    left, made = image.with_suffix(".native"), run.folder / "native.objref"
    with objref.open(image) as opened:
        opened.export(left, form="native", replace=True)
    out = [*OBJREF, "export", str(image), "--as", "native", "-o"]
    into = [*OBJREF, "import", "--force", "-o", str(made)]
    commands = {
        EXPORT: [*out, "-"],
        IMPORT: [*into, str(left)],
        RAW: [*into, str(left), "--pages", "raw"],
        PIPE: ["sh", "-c", f"{shlex.join([*out, '-'])} | {shlex.join([*into, '-'])}"],
    }
    candidates = {name: partial(contest.run, name, command) for name, command in commands.items()}
    found = measuring.rounds(candidates | {SHA256: partial(_digest, original)}, run.scale.rounds)
    size = original.stat().st_size
    rates = {name: f"{size / 1e6 / s.median:,.0f}" for name, s in found.items()}
    left.unlink()
    return found, {"MB/s": rates, "CPU s": contest.columns()["CPU s"]}


def _table(title: str, found: dict[str, measuring.Samples], more: dict[str, dict[str, str]], target: Target) -> Table:
    slower = measuring.Samples([max(pair) for pair in zip(found[EXPORT].values, found[IMPORT].values, strict=True)])
    text = f"{title}, through a pipe: speed against the slower side"
    piped = Target(text, measuring.ratios(slower, found[PIPE]), PIPE_AT_LEAST, "x", True)
    return Table(title, "s", 1, found, SHA256, more, (piped, target))


def _digest(path: Path) -> float:
    with open(path, "rb", buffering=0) as source:
        return measuring.seconds(lambda: hashlib.file_digest(source, "sha256"))


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 1024, 5), Scale((200_000,), 192, 3)))
