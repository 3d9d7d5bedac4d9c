"""What the defaults of `objref.Options` were chosen by: `python bench/options.py [DIRECTORY…]`.

Block sizes and levels against file size, import time and the time of a random read; threads; and the file sizes of real
images against `tar | zstd -3`. Sizes are exact; times come from interleaved rounds.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import making
import measuring
import zstandard

import objref

CHILD = """
import json, sys, time
import objref
from objref.container import writer
source, target, options, threads = json.loads(sys.argv[1])
writer.THREADS = threads
start = time.perf_counter()
objref.import_image(source, target, options=objref.Options(**options), replace=True)
print(time.perf_counter() - start)
"""
BLOCKS = (12, 13, 14, 15, 16)
READS = 2000


def load(source: Path, image: Path, threads: int = 2, **options: Any) -> float:
    """Seconds of an import in a process of its own."""
    arguments = json.dumps([str(source), str(image), options, threads])
    command = [sys.executable, "-c", CHILD, arguments]
    return float(subprocess.run(command, check=True, stdout=subprocess.PIPE, env=measuring.environment()).stdout)


def page_reads(image: Path, pages: int) -> float:
    """µs for a page at a random address, checks on."""
    draw = random.Random(making.SEED)
    places = [making.MEMORY + draw.randrange(pages) * making.PAGE for _ in range(READS)]
    with objref.open(image, access="map") as opened:
        memory = opened["mem:1"]
        start = time.perf_counter()
        for place in places:
            memory.read(place, place + making.PAGE)
        return (time.perf_counter() - start) / READS * 1e6


def record_reads(image: Path, count: int) -> float:
    """µs for a record at random."""
    draw = random.Random(making.SEED)
    keys = [draw.randrange(1, count + 1) for _ in range(READS)]
    with objref.open(image, access="map") as opened:
        files = opened["file"]
        start = time.perf_counter()
        for key in keys:
            files[key]
        return (time.perf_counter() - start) / READS * 1e6


def sweep(
    title: str, source: Path, variants: dict[str, dict[str, Any]], read: Callable[[Path], float], n: int
) -> dict[str, Any]:
    """Import with each set of options, and read from what it made."""
    images = {name: source.parent / f"{i}.objref" for i, name in enumerate(variants)}
    loads = measuring.rounds(
        {name: partial(load, source, images[name], **options) for name, options in variants.items()}, n
    )
    reads = measuring.rounds({name: partial(read, images[name]) for name in variants}, n)
    total = sum(file.stat().st_size for file in source.iterdir())
    shares = {name: images[name].stat().st_size / total for name in variants}
    rows = [
        (name, *_rates(total, loads[name]), f"{shares[name]:.4f}", f"{reads[name].median:.1f}") for name in variants
    ]
    measuring.table(title, ("", "import MB/s, median", "best", "file / source", "random read µs"), rows)
    return {
        name: {"import": loads[name].summary(), "share": shares[name], "read": reads[name].summary()}
        for name in variants
    }


def _rates(size: int, times: measuring.Samples) -> tuple[str, str]:
    return f"{size / 1e6 / times.median:.0f}", f"{size / 1e6 / times.best:.0f}"


def page_options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Blocks and levels of pages, and threads."""
    for log2 in BLOCKS:
        yield f"{1 << log2 >> 10} KiB, level 1", {"page_block_log2": log2}
    yield "16 KiB, level 3", {"page_level": 3}
    yield "64 KiB, level 3", {"page_block_log2": 16, "page_level": 3}
    for threads in (1, 3):
        yield f"16 KiB, level 1, {threads} threads", {"threads": threads}


def record_options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Blocks and levels of records."""
    for log2 in BLOCKS:
        yield f"{1 << log2 >> 10} KiB, level 3", {"block_log2": log2}
    for level in (1, 9):
        yield f"16 KiB, level {level}", {"level": level}


def codec(megabytes: int, n: int) -> dict[str, Any]:
    """zstd alone, one thread, on the distinct pages: what blocks and levels cost before anything else does."""
    distinct = dict.fromkeys(page for batch in making.pages(megabytes << 8) for page in _cut(batch))
    data, shares = b"".join(distinct), {}
    several: dict[str, Callable[[], float]] = {}
    for level in (-1, 1, 3):
        for log2 in (12, 14, 16):
            name = f"{1 << log2 >> 10} KiB, level {level}"
            several[name] = partial(_rate, data, level, log2)
            shares[name] = _share(data, level, log2)
    found = measuring.rounds(several, n)
    rows = [(name, f"{s.median:.0f}", f"{max(s.values):.0f}", f"{shares[name]:.3f}") for name, s in found.items()]
    head = ("", "MB/s, median", "best", "compressed / pages")
    measuring.table("zstd alone on distinct pages, one thread", head, rows)
    return {name: s.summary() | {"share": shares[name]} for name, s in found.items()}


def _cut(batch: bytes) -> Iterator[bytes]:
    return (batch[at : at + making.PAGE] for at in range(0, len(batch), making.PAGE))


def _frames(data: bytes, level: int, log2: int) -> Iterator[int]:
    compressor, view = zstandard.ZstdCompressor(level=level), memoryview(data)
    for at in range(0, len(data), 1 << 20):
        part = view[at : at + (1 << 20)]
        blocks: list[Any] = [part[i : i + (1 << log2)] for i in range(0, len(part), 1 << log2)]
        yield compressor.multi_compress_to_buffer(blocks).size()


def _rate(data: bytes, level: int, log2: int) -> float:
    return len(data) / 1e6 / measuring.seconds(lambda: sum(_frames(data, level, log2)))


def _share(data: bytes, level: int, log2: int) -> float:
    return sum(_frames(data, level, log2)) / len(data)


def sizes(folders: list[Path]) -> dict[str, Any]:
    """Real images: file sizes, in bytes."""
    variants: dict[str, dict[str, Any]] = {
        "default": {}, "pages 4 KiB": {"page_block_log2": 12}, "pages 64 KiB": {"page_block_log2": 16},
        "pages level 3": {"page_level": 3}, "records 64 KiB": {"block_log2": 16}, "raw": {"codec": "raw"},
    }  # fmt: skip
    results: dict[str, dict[str, int]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        for folder in folders:
            made = {name: _size(folder, Path(scratch) / "x.objref", options) for name, options in variants.items()}
            tar = subprocess.run(["tar", "-C", str(folder), "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
            made |= {"tar": len(tar), "tar | zstd -3": len(zstandard.ZstdCompressor(level=3).compress(tar))}
            results[_name(folder)] = made
    head = ("tar", "tar | zstd -3", *variants)
    ratios = {name: made["default"] / made["tar | zstd -3"] for name, made in results.items()}
    rows = [(name, *(f"{made[k]:,}" for k in head), f"{ratios[name]:.2f}") for name, made in results.items()]
    measuring.table("File sizes in bytes", ("", *head, "default / tar.zst"), rows)
    return results


def _name(folder: Path) -> str:
    return next((part for part in reversed(folder.parts) if part not in ("images", "checkpoint")), str(folder))


def _size(folder: Path, image: Path, options: dict[str, Any]) -> int:
    return objref.import_image(folder, image, options=objref.Options(**options), replace=True).file_length


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("folders", nargs="*", type=Path, metavar="DIRECTORY", help="images to compare file sizes of")
    parser.add_argument("--objects", type=int, default=300_000, metavar="N", help="0: no records")
    parser.add_argument("--megabytes", type=int, default=256, metavar="N", help="0: no pages")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", metavar="FILE")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args, results = parse(argv), {}
    if args.folders:
        results["sizes"] = sizes(args.folders)
    with tempfile.TemporaryDirectory() as name:
        pages, records = Path(name) / "pages", Path(name) / "records"
        if args.megabytes:
            making.write_memory_image(pages, args.megabytes)
            results["codec"] = codec(args.megabytes // 2 or 1, args.rounds)
            read: Callable[[Path], float] = partial(page_reads, pages=args.megabytes << 8)
            results["pages"] = sweep("Pages", pages, dict(page_options()), read, args.rounds)
        if args.objects:
            making.write_files_image(records, args.objects)
            read = partial(record_reads, count=args.objects)
            results["records"] = sweep("Records", records, dict(record_options()), read, args.rounds)
    if args.json:
        measuring.write_json(args.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
