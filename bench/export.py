"""How fast does the original come back? `python bench/export.py --quick`

Export of the stream to /dev/null, checksums of the blocks and SHA-256 of the stream checked, in a warm process,
against what must be paid in any case: hashlib's SHA-256 of the bytes, and zstd -d of the same bytes compressed.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import reporting
from importing import ZSTD, Contest, missing
from reporting import Run, Scale, Table

import objref


def measure(run: Run) -> Iterator[Table]:
    """Small objects, and memory."""
    for count in run.scale.objects:
        source = making.files_image(run.folder, count)
        yield _table(f"Export of {count:,} files", run, source, source / "files.img")
    source = making.memory_image(run.folder, run.scale.megabytes)
    yield _table(f"Export of {run.scale.megabytes:,} MiB of memory", run, source, source / "pages-1.img")


def _table(title: str, run: Run, source: Path, file: Path) -> Table:
    contest, left_out, packed = Contest(run.folder), missing("zstd"), run.folder / f"{source.name}.zst"
    candidates: dict[str, measuring.Measure] = {
        "objref export": partial(_export, making.image(source)),
        "objref export, raw": partial(_export, making.image(source, codec="raw")),
        "SHA-256": partial(_digest, file),
    }
    if not left_out:
        with open(packed, "wb") as out:
            subprocess.run([*ZSTD, str(file)], check=True, stdout=out)
        candidates["zstd -d"] = partial(contest.run, "zstd -d", ["zstd", "-dqc", str(packed)])
    found = measuring.rounds(candidates, run.scale.rounds)
    size = file.stat().st_size
    rates = {name: f"{size / 1e6 / s.median:,.0f}" for name, s in found.items()}
    return Table(title, "s", 1, found, "SHA-256", {"MB/s": rates}, (), left_out)


def _export(image: Path) -> float:
    with objref.open(image) as opened, open("/dev/null", "wb") as out:
        return measuring.seconds(partial(opened.export, out))


def _digest(path: Path) -> float:
    with open(path, "rb", buffering=0) as source:
        return measuring.seconds(lambda: hashlib.file_digest(source, "sha256"))


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 1024, 5), Scale((200_000,), 192, 3)))
