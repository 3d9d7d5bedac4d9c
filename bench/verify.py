"""How fast is an image verified? `python bench/verify.py --quick`

Against what it cannot do without: the floor decompresses every block of the same file once and takes XXH3 over what is
stored, in one thread, block by block, with the sizes looked up beforehand. Verifying does that, too, and besides joins
the stream for its SHA-256, and asks tables, objects, keys and references. SHA-256 alone costs two thirds of the floor's
time, so the target can only be met where a second core is idle: CPU time does not depend on that.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

import making
import measuring
import reporting
import xxhash
import zstandard
from reporting import Run, Scale, Table, Target

import objref
from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import open_path

FLOOR, FULL, QUICK = "decompress and XXH3", "objref verify", "objref verify, quick"
AT_LEAST = 0.7


class Block(NamedTuple):
    """Where it is, and its length stored and decompressed."""

    offset: int
    stored: int
    content: int


def blocks(path: Path) -> Iterator[Block]:
    """All of an image."""
    container = Container(open_path(path, "pread"))
    for number in range(container.count(f.GROUPS)):
        trail = container.trail(number)
        for piece in map(trail.piece, range(trail.header.pieces)):
            start = 0
            for index in range(piece.blocks):
                end = trail.ends[piece.first_block + index]
                content = min(1 << piece.block_log2, piece.length - (index << piece.block_log2))
                yield Block(piece.offset + start, end - start, content)
                start = end
    container.close()


def floor(path: Path, places: list[Block]) -> None:
    """Read, check and decompress every block."""
    source, xxh3 = open_path(path, "pread"), xxhash.xxh3_64_intdigest
    decompress = zstandard.ZstdDecompressor().decompress
    for offset, stored, content in places:
        data = source.read(offset, stored)
        xxh3(data)
        if stored != content:
            decompress(data, max_output_size=content)
    source.close()


def verify(path: Path, depth: Literal["quick", "full"]) -> None:
    """Verify; it must be sound."""
    report = objref.verify_image(path, depth=depth, access="pread")
    if not report.sound:
        raise SystemExit(f"{path.name}: {report.findings[:3]}")


def measure(run: Run) -> Iterator[Table]:
    """Memory, and open files."""
    yield _table(f"{run.scale.megabytes:,} MiB of memory", making.memory_image(run.folder, run.scale.megabytes), run)
    for count in run.scale.objects:
        yield _table(f"{count:,} files", making.files_image(run.folder, count), run)


def _table(what: str, source: Path, run: Run) -> Table:
    image = making.image(source, record_dictionary_log2=0)  # the floor decompresses without one
    places = list(blocks(image))
    calls = {
        FLOOR: partial(floor, image, places),
        FULL: partial(verify, image, "full"),
        QUICK: partial(verify, image, "quick"),
    }
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    found = measuring.rounds({name: partial(_taken, call, cpu[name]) for name, call in calls.items()}, run.scale.rounds)
    content = sum(block.content for block in places)
    columns = {
        "MB/s": {name: f"{content / 1e6 / s.median:,.0f}" for name, s in found.items()},
        "CPU ms": {name: reporting.short(median(values) * 1e3) for name, values in cpu.items()},
    }
    text, speed = f"verifying {what}, speed against {FLOOR}", measuring.ratios(found[FLOOR], found[FULL])
    title = f"Verifying {what}, {len(places):,} blocks"
    return Table(title, "ms", 1e3, found, FLOOR, columns, (Target(text, speed, AT_LEAST, "x", True),))


def _taken(call: Callable[[], None], cpu: list[float]) -> float:
    """Seconds by the clock; those of all threads go into the list."""
    start = time.process_time()
    seconds = measuring.seconds(call)
    cpu.append(time.process_time() - start)
    return seconds


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 256, 5), Scale((200_000,), 64, 3)))
