"""Why are the defaults of `objref.Options` what they are? `python bench/options.py --quick [DIRECTORY…]`

Block sizes and levels against the size of the file, the time of an import and the time of a random read, for pages and
for records. Directories that are named are imported too, and their file sizes set against `tar | zstd -3`. Sizes are
exact; times come from interleaved rounds.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import making
import measuring
import reporting
import zstandard
from importing import Contest, missing
from measuring import Samples
from reporting import Run, Scale, Table

import objref
from objref.limits import DEFAULT

READS = 2000
SAMPLE = 20_000
"""Records to train a dictionary with, and as many others to compress."""
NO_CACHE = DEFAULT._replace(cache=0)
"""Every read decodes its block, but for two in the same block one after the other."""
PAGES: dict[str, dict[str, Any]] = {
    "16 KiB, level 1 (default)": {},
    "4 KiB, level 1": {"page_block_log2": 12},
    "64 KiB, level 1": {"page_block_log2": 16},
    "16 KiB, level 3": {"page_level": 3},
    "64 KiB, level 3": {"page_block_log2": 16, "page_level": 3},
    "raw": {"codec": "raw"},
}
RECORDS: dict[str, dict[str, Any]] = {
    "16 KiB, level 3 (default)": {},
    "4 KiB, level 3": {"block_log2": 12},
    "64 KiB, level 3": {"block_log2": 16},
    "16 KiB, level 1": {"level": 1},
    "16 KiB, level 9": {"level": 9},
    "raw": {"codec": "raw"},
}
SIZES: dict[str, dict[str, Any]] = {
    "default": {},
    "pages 4 KiB": {"page_block_log2": 12},
    "pages 64 KiB": {"page_block_log2": 16},
    "pages level 3": {"page_level": 3},
    "records 64 KiB": {"block_log2": 16},
    "raw": {"codec": "raw"},
}


def measure(run: Run) -> Iterator[Table]:
    """Pages, records, records one by one, and the images that were named."""
    pages, count = run.scale.megabytes << 8, run.scale.objects[0]
    memory, files = making.memory_image(run.folder, run.scale.megabytes), making.files_image(run.folder, count)
    yield from _sweep(f"{run.scale.megabytes} MiB of memory", run, memory, PAGES, partial(_page_reads, pages))
    yield from _sweep(f"{count:,} files", run, files, RECORDS, partial(_record_reads, count))
    yield _one_by_one(count)
    for name in run.arguments:
        yield _sizes(run, Path(name))


def _sweep(
    title: str, run: Run, source: Path, variants: dict[str, dict[str, Any]], read: Callable[[Path], float]
) -> Iterator[Table]:
    """Import with each set of options, and read from what it made."""
    contest = Contest(run.folder)
    several = {name: partial(contest.load, name, source, **how) for name, how in variants.items()}
    found = measuring.rounds(several, run.scale.rounds)
    yield Table(f"Blocks and levels, import of {title}", "s", 1, found, next(iter(variants)), contest.columns())
    images = {name: making.image(source, **how) for name, how in variants.items()}
    found = measuring.rounds({name: partial(read, image) for name, image in images.items()}, run.scale.rounds)
    yield Table(f"Blocks and levels, a random read in {title}", "µs", 1e6, found, next(iter(variants)))


def _page_reads(pages: int, image: Path) -> float:
    """Seconds for a page at a random address."""
    draw = random.Random(making.SEED)
    places = [making.MEMORY + draw.randrange(pages) * making.PAGE for _ in range(READS)]
    with objref.open(image, access="map", limits=NO_CACHE) as opened:
        memory = opened["mem:1"]
        return _warm(lambda place: memory.read(place, place + making.PAGE), places)


def _record_reads(count: int, image: Path) -> float:
    """Seconds for a record at random."""
    draw = random.Random(making.SEED)
    keys = [draw.randrange(1, count + 1) for _ in range(READS)]
    with objref.open(image, access="map", limits=NO_CACHE) as opened:
        return _warm(opened["file"].__getitem__, keys)


def _warm(get: Callable[[int], Any], keys: list[int]) -> float:
    """Seconds for each get(key), when all tables were read and checked before."""
    measuring.each(get, keys)
    return measuring.each(get, keys)


def _one_by_one(count: int) -> Table:
    """What records would take if each had a frame of its own; no times."""
    messages = list(islice(making.file_messages(count), SAMPLE))
    others = list(islice(making.file_messages(count, seed=making.SEED + 1), SAMPLE))
    dictionary = zstandard.train_dictionary(112 << 10, others)
    compressors = {
        "one by one": zstandard.ZstdCompressor(level=3),
        "one by one, dictionary of 112 KiB": zstandard.ZstdCompressor(level=3, dict_data=dictionary),
    }
    found = {name: sum(len(c.compress(message)) for message in messages) for name, c in compressors.items()}
    joined = b"".join(messages)
    blocks = (joined[at : at + (16 << 10)] for at in range(0, len(joined), 16 << 10))
    found["blocks of 16 KiB"] = sum(len(compressors["one by one"].compress(block)) for block in blocks)
    found["as they are"] = len(joined)
    samples = {name: Samples([float(size)]) for name, size in found.items()}
    return Table(f"{len(messages):,} records, compressed", "bytes", 1, samples, "as they are")


def _sizes(run: Run, source: Path) -> Table:
    """How large a real image becomes; no times."""
    left_out, found = missing("tar"), {}
    for name, how in SIZES.items():
        report = objref.import_image(source, run.folder / "sizes.objref", options=objref.Options(**how), replace=True)
        found[name] = Samples([float(report.file_length)])
    if not left_out:
        tar = subprocess.run(["tar", "-C", str(source), "-cf", "-", "."], check=True, stdout=subprocess.PIPE).stdout
        found["tar | zstd -3"] = Samples([float(len(zstandard.ZstdCompressor(level=3).compress(tar)))])
        found["tar"] = Samples([float(len(tar))])
    return Table(f"File size of {source.name}", "bytes", 1, found, "tar | zstd -3", left_out=left_out)


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((300_000,), 256, 3), Scale((100_000,), 64, 1)))
