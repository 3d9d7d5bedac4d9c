"""How fast `verify_image` is, against what it cannot do without: `python bench/verify.py`.

The floor decompresses every block of the same file once and takes XXH3 over what is stored, in one thread, block by
block, with the sizes looked up beforehand. Verifying does that, too, and besides joins the stream for its SHA-256, and
asks tables, objects, keys and references. The target is 0.7 of the floor's speed. SHA-256 alone costs two thirds of the
floor's time, so it can only be met where a second core is idle: CPU time is given, too, which does not depend on that.
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import making
import measuring
import xxhash
import zstandard

import objref
from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import open_path

TARGET = 0.7


def blocks(path: Path) -> list[tuple[int, int, int]]:
    """(offset, stored length, content length) of every block."""
    container = Container(open_path(path, "pread"))
    found = []
    for number in range(container.count(f.GROUPS)):
        trail = container.trail(number)
        for i in range(trail.header.pieces):
            piece, start = trail.piece(i), 0
            for index in range(piece.blocks):
                end = trail.ends[piece.first_block + index]
                content = min(1 << piece.block_log2, piece.length - (index << piece.block_log2))
                found.append((piece.offset + start, end - start, content))
                start = end
    container.close()
    return found


def floor(path: Path, places: list[tuple[int, int, int]]) -> None:
    """Read, check and decompress every block."""
    source, xxh3 = open_path(path, "pread"), xxhash.xxh3_64_intdigest
    decompress = zstandard.ZstdDecompressor().decompress
    for offset, stored, content in places:
        data = source.read(offset, stored)
        xxh3(data)
        if stored != content:
            decompress(data, max_output_size=content)
    source.close()


def verify(path: Path, depth: Any) -> None:
    """Verify; it must be sound."""
    report = objref.verify_image(path, depth=depth, access="pread")
    assert report.sound, report.findings[:3]


def _cpu(call: Callable[[], None]) -> float:
    """Seconds of all threads, the best of three."""
    found = []
    for _ in range(3):
        start = time.process_time()
        call()
        found.append(time.process_time() - start)
    return min(found)


def measure(name: str, folder: Path, n: int) -> dict[str, Any]:
    """One image: a row of the table."""
    image = folder / f"{name.split()[0]}.objref"
    report = objref.import_image(folder / name.split()[0], image)
    places = blocks(image)
    times = measuring.rounds(
        {
            "floor": lambda: measuring.seconds(partial(floor, image, places)),
            "full": lambda: measuring.seconds(partial(verify, image, "full")),
            "quick": lambda: measuring.seconds(partial(verify, image, "quick")),
        },
        n,
    )
    cpu = {"floor": _cpu(partial(floor, image, places)), "full": _cpu(partial(verify, image, "full"))}
    content = sum(length for _, _, length in places)
    speed = measuring.ratio(times["floor"], times["full"])
    rows = [(what, f"{s.median:.3f}", f"{content / 1e6 / s.median:.0f}") for what, s in times.items()]
    head = (f"{content / 1e6:.0f} MB in {len(places)} blocks, {report.objects} objects", "s", "MB/s of content")
    share = f"verify at {speed:.2f} of the floor's speed (target {TARGET})"
    measuring.table(f"{name}: {share}, CPU time {cpu['full'] / cpu['floor']:.1f} times the floor's", head, rows)
    summaries = {name: samples.summary() for name, samples in times.items()}
    return {"ratio": speed, "cpu": cpu, "objects": report.objects, "seconds": summaries}


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=int, default=256, help="of memory pages")
    parser.add_argument("--objects", type=int, default=1_000_000, help="open files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", help="where to write the results")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder, results = Path(name), {}
        if args.megabytes:
            making.write_memory_image(folder / "pages", args.megabytes)
            results["pages"] = measure("pages of memory", folder, args.rounds)
        if args.objects:
            making.write_files_image(folder / "files", args.objects)
            results["files"] = measure("files (open ones)", folder, args.rounds)
    results["memory"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(f"\npeak memory of all of it, import included: {results['memory'] / 1e6:.0f} MB")
    if args.json:
        measuring.write_json(args.json, results)


if __name__ == "__main__":
    main()
