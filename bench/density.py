"""How small do images get, and what takes the bytes? `python bench/density.py --quick [ARCHIVE…]`

Real images, each stored in every preset, against `tar | zstd -3`, `-19` and `-3 --long=27` of the same files, with the
bytes of each part and the time of a random page that is not in the cache; then what density costs: the CPU time of an
import from a pipe against `zstd -1 -T2`. Sizes are exact. The images are the archives that are named, those in the
folder OBJREF_CORPUS, or those of this repository. With --quick nothing large is compressed at level 19.
"""

from __future__ import annotations

import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import making
import measuring
import reporting
import zstandard
from importing import ZSTD, Contest, missing
from measuring import Samples
from reporting import Run, Scale, Table, Target

import objref
from objref import Options
from objref.container import format as f

SHIPPED = Path(__file__).resolve().parents[1] / "tests" / "images"
PEERS = {"zstd -3": ["-3"], "zstd -3 --long=27": ["-3", "--long=27"], "zstd -19": ["-19"]}
BASE, DEAREST, FASTEST = "zstd -3", "zstd -19", "zstd -1 -T2"
IMPORTS = {
    "objref, fast": Options.preset("fast"),
    "objref, small": Options.preset("small"),
    "objref, raw pages": Options.preset("fast", pages="raw"),
}
SMALLEST = "objref, smallest"
LARGE = 4_000_000
"""Bytes of a tar from which on a share of it is a fair measure: below, it is the overhead that counts."""
TARGETS = {"objref, fast": (1.0, 1.45), "objref, small": (0.85, 1.25), SMALLEST: (0.75, 1.05)}
"""Of the base: geometric mean of the large images, and the worst."""
OVERHEAD = 16_384
READS = 500
PARTS = dict(enumerate(("strands", "braid", "page table", "pages", "dictionary", "spares", "lost")))
"""By role."""


class Sizes(NamedTuple):
    """One image. Bytes by candidate; `parts`: part -> candidate -> bytes; `reads`: candidate -> seconds for a page."""

    name: str
    tar: int
    files: dict[str, int]
    parts: dict[str, dict[str, int]]
    reads: dict[str, float]

    def table(self) -> Table:
        """Parts that no candidate has are left out."""
        samples = {name: Samples([float(size)]) for name, size in self.files.items()}
        columns = {
            part: {name: f"{size:,}" for name, size in sizes.items()}
            for part, sizes in self.parts.items()
            if any(sizes.values())
        }
        if self.reads:
            columns["page read µs"] = {name: f"{seconds * 1e6:.0f}" for name, seconds in self.reads.items()}
        return Table(f"File size of {self.name}, {self.tar:,} bytes as tar", "bytes", 1, samples, BASE, columns)


# -- real images --------------------------------------------------------------------------------------------


def archives(folder: Path) -> Iterator[Path]:
    """Archives of dumps: not those of files to lay over / before a restore, nor of container images."""
    return (p for p in sorted(folder.glob("*.tar.zst")) if ".files." not in p.name and ".image." not in p.name)


def sizes(archive: Path, folder: Path, quick: bool) -> Sizes:
    """One image in every preset, and what the peers make of it."""
    source, path = unpacked(archive, folder / "source"), folder / "x.objref"
    tar = tar_of(source)
    small = not quick or len(tar) < LARGE
    found = Sizes(archive.name.partition(".")[0], len(tar), {}, {}, {})
    for name, arguments in PEERS.items():
        if small or name != DEAREST:
            found.files[name] = compressed(tar, arguments)
    for name, options in IMPORTS.items():
        objref.import_image(source, path, options=options, replace=True)
        _note(found, name, path)
    if small:
        objref.repack_image(path, path, options=Options.preset("smallest"), replace=True)
        _note(found, SMALLEST, path)
    return found


def unpacked(archive: Path, folder: Path) -> Path:
    """The image directory of an archive; the whole of it if it has none of that name."""
    folder.mkdir()
    reader = zstandard.ZstdDecompressor(max_window_size=1 << 27)
    with archive.open("rb") as file, tarfile.open(fileobj=reader.stream_reader(file), mode="r|") as tar:
        tar.extractall(folder, filter=_plain)
    return next(folder.glob("*/images"), folder)


def _plain(member: tarfile.TarInfo, folder: str) -> tarfile.TarInfo | None:
    """Files and folders: fifos and the like lie among the open files of a dump, which are not compared."""
    return tarfile.data_filter(member, folder) if member.isreg() or member.isdir() else None


def tar_of(folder: Path) -> bytes:
    """What `tar` makes of it."""
    command = ["tar", "--sort=name", "-C", str(folder), "-cf", "-", "."]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout


def compressed(data: bytes, arguments: list[str]) -> int:
    """Bytes that zstd makes of it."""
    command = ["zstd", "-q", "-c", *arguments]
    return len(subprocess.run(command, check=True, input=data, stdout=subprocess.PIPE).stdout)


def _note(found: Sizes, name: str, path: Path) -> None:
    found.files[name] = path.stat().st_size
    for part, size in parts(path).items():
        found.parts.setdefault(part, {})[name] = size
    if (seconds := page_read(path)) is not None:
        found.reads[name] = seconds


def parts(path: Path) -> dict[str, int]:
    """What takes the bytes of a file."""
    with objref.open(path, access="pread") as image:
        container = image.container
        found = dict.fromkeys(PARTS.values(), 0)
        for section in container.sections.values():
            found[PARTS[section.role]] += section.stored
        trails = [container.trail(n) for n in range(container.footer.groups)]
        found["trailers"] = sum(f.TRAILER.size + t.header.body_length for t in trails)
        found["index"] = sum(t.stored for t in container.tables())
        found["directory"] = container.footer.directory_length
        found["rest"] = path.stat().st_size - sum(found.values())
        return found


def page_read(path: Path) -> float | None:
    """Seconds for a page at random that is not in the cache of blocks, checks on, median. None without memory."""
    draw = random.Random(making.SEED)
    with objref.open(path, access="map", limits=objref.Limits(cache=1)) as image:
        places = [
            (memory, at) for memory in image.objects("mem") for a, b in memory.ranges for at in range(a, b, making.PAGE)
        ]
        if not places:
            return None
        reads = [partial(memory.read, at, at + making.PAGE) for memory, at in draw.choices(places, k=READS)]
        return statistics.median(map(measuring.seconds, reads))


# -- report -------------------------------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Table]:
    """Every image, all together, and what it costs."""
    left_out, found = missing("tar", "zstd"), []
    if left_out:
        raise SystemExit(f"not installed here: {', '.join(left_out)}")
    for archive in map(Path, run.arguments) if run.arguments else archives(_corpus()):
        with tempfile.TemporaryDirectory(dir=run.folder) as folder:
            found.append(sizes(archive, Path(folder), run.quick))
        yield found[-1].table()
    yield from _together(found)
    yield _speed(run)


def _corpus() -> Path:
    return Path(os.environ.get("OBJREF_CORPUS") or SHIPPED)


def _together(found: list[Sizes]) -> Iterator[Table]:
    """The images take the place of rounds: the median is that of the images."""
    large, small = ([one for one in found if (one.tar > LARGE) is big] for big in (True, False))
    if large:
        shares = {name: [o.files[name] / o.files[BASE] for o in large if name in o.files] for name in _names(large)}
        samples = {name: Samples(values) for name, values in shares.items()}
        targets = tuple(target for name in TARGETS if name in shares for target in _targets(name, shares[name]))
        yield Table(f"Large images ({len(large)}), share of tar | {BASE}", "x", 1, samples, targets=targets)
    if small:
        names = [name for name in TARGETS if name in _names(small)]
        over = {name: Samples([float(o.files[name] - o.files[BASE]) for o in small]) for name in names}
        targets = tuple(
            Target(f"{name}: largest overhead on small images", Samples([max(s.values)]), OVERHEAD, "bytes")
            for name, s in over.items()
        )
        yield Table(f"Small images ({len(small)}), bytes more than tar | {BASE}", "bytes", 1, over, targets=targets)


def _names(images: list[Sizes]) -> dict[str, int]:
    return {name: size for one in images for name, size in one.files.items()}


def _targets(name: str, shares: list[float]) -> Iterator[Target]:
    mean, worst = TARGETS[name]
    yield Target(f"{name}: size, geometric mean", Samples([statistics.geometric_mean(shares)]), mean, "x")
    yield Target(f"{name}: size, the worst", Samples([max(shares)]), worst, "x")


def _speed(run: Run) -> Table:
    """Imports of made memory from a pipe: CPU seconds of all threads, which others disturb least, with those of tar."""
    source, contest, n = making.memory_image(run.folder, run.scale.megabytes), Contest(run.folder), run.scale.rounds
    several = {
        name: partial(contest.load, name, source, piped=True, **options._asdict()) for name, options in IMPORTS.items()
    }
    several[FASTEST] = partial(contest.run, FASTEST, ZSTD, source)
    clock = measuring.rounds(several, n)
    cpu = {name: Samples(values[-n:]) for name, values in contest.cpu.items()}
    columns = {"clock s": {name: reporting.short(s.median) for name, s in clock.items()}}
    return Table(f"tar | import of {run.scale.megabytes} MiB of memory", "CPU s", 1, cpu, FASTEST, columns)


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((), 256, 5), Scale((), 64, 3)))
