"""How small images get, and what takes the bytes: `python bench/density.py --quick`.

Real images, each stored in every preset, against `tar | zstd -3`, `-19` and `-3 --long=27` of the same files, with the
share of each part; then what density costs: the CPU time of an import from a pipe against `zstd -1 -T2`, and the time
of a random page. Sizes are exact. The images are those of this repository, or the archives in the folder OBJREF_CORPUS.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import making
import measuring
import zstandard

import objref
from objref import Options
from objref.container import format as f

SHIPPED = Path(__file__).resolve().parents[1] / "tests" / "images"
PEERS = {"zstd -3": ["-3"], "zstd -3 --long=27": ["-3", "--long=27"], "zstd -19": ["-19"]}
BASE = "zstd -3"
IMPORTS = {
    "fast": Options.preset("fast"),
    "small": Options.preset("small"),
    "raw pages": Options.preset("fast", pages="raw"),
}
REPACK = "smallest"
LARGE = 4_000_000
"""Bytes of a tar from which on a share of it is a fair measure: below, it is the overhead that counts."""
TARGETS = {"fast": (1.0, 1.45), "small": (0.85, 1.25), REPACK: (0.75, 1.05)}
"""Of tar | zstd -3: geometric mean of the large images, and the worst."""
OVERHEAD = 16_384
READS = 500
CHILD = """
import json, sys
import objref
target, options = json.loads(sys.argv[1])
objref.import_image(sys.stdin.buffer, target, options=objref.Options(**options), replace=True)
"""
PARTS = dict(enumerate(("strands", "braid", "page table", "pages", "dictionary")))
"""By role."""


# -- real images ----------------------------------------------------------------------------------------------


def archives(folder: Path) -> Iterator[Path]:
    """Archives of dumps: not those of files to lay over / before a restore, nor of container images."""
    return (p for p in sorted(folder.glob("*.tar.zst")) if ".files." not in p.name and ".image." not in p.name)


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


def sizes(archive: Path, folder: Path, quick: bool) -> dict[str, Any]:
    """One image: bytes of every preset and peer."""
    source = unpacked(archive, folder / "source")
    tar, path = tar_of(source), folder / "x.objref"
    found: dict[str, Any] = {"tar": len(tar), "files": {}, "parts": {}, "peers": {}, "read": {}}
    for name, arguments in PEERS.items():
        if not (quick and name == "zstd -19"):
            found["peers"][name] = compressed(tar, arguments)
    for name, options in IMPORTS.items():
        objref.import_image(source, path, options=options, replace=True)
        _note(found, name, path)
    if not quick or len(tar) < LARGE:
        objref.repack_image(path, path, options=Options.preset(REPACK), replace=True)
        _note(found, REPACK, path)
    return found


def _note(found: dict[str, Any], name: str, path: Path) -> None:
    found["files"][name] = path.stat().st_size
    found["parts"][name] = parts(path)
    found["read"][name] = page_read(path)


def page_read(path: Path) -> float | None:
    """µs for a page at random that is not in the cache of blocks, checks on, median. None without memory."""
    draw = random.Random(making.SEED)
    with objref.open(path, access="map", limits=objref.Limits(cache=1)) as image:
        places = [
            (memory, at) for memory in image.objects("mem") for a, b in memory.ranges for at in range(a, b, making.PAGE)
        ]
        if not places:
            return None
        times = []
        for memory, at in draw.choices(places, k=READS):
            times.append(measuring.seconds(partial(memory.read, at, at + making.PAGE)))
        return statistics.median(times) * 1e6


# -- what it costs ----------------------------------------------------------------------------------------------


def speed(folder: Path, megabytes: int, n: int) -> dict[str, Any]:
    """Imports of made memory from a pipe: CPU seconds of all threads, which others disturb least, and the clock."""
    source = folder / "pages"
    making.write_memory_image(source, megabytes)
    commands = {
        name: [sys.executable, "-c", CHILD, json.dumps([str(folder / "x.objref"), options._asdict()])]
        for name, options in IMPORTS.items()
    }
    commands["zstd -1 -T2"] = ["zstd", "-1", "-T2", "-q", "-f", "-o", str(folder / "x.zst"), "-"]
    cpu: dict[str, list[float]] = {name: [] for name in commands}

    def taken(name: str) -> float:
        start = time.perf_counter()
        cpu[name].append(_cpu(commands[name], source))
        return time.perf_counter() - start

    clock = measuring.rounds({name: partial(taken, name) for name in commands}, n)
    least = {name: min(several) for name, several in cpu.items()}
    peer = "zstd -1 -T2"
    rows = [
        (
            name, f"{least[name]:.2f}", f"{least[peer] / least[name]:.2f}", f"{clock[name].median:.2f}",
            f"{measuring.ratio(clock[peer], clock[name]):.2f}",
        )
        for name in commands
    ]  # fmt: skip
    title = f"tar | import of {megabytes} MiB of memory"
    head = ("", "CPU s, least", f"x {peer}", "clock s, median", f"x {peer}, clock")
    measuring.table(title, head, rows)
    return {"megabytes": megabytes, "cpu": least, "clock": {name: s.summary() for name, s in clock.items()}}


def _cpu(command: list[str], source: Path) -> float:
    """CPU seconds of a command that reads what tar writes."""
    tar = ["tar", "-C", str(source), "-cf", "-", "."]
    with subprocess.Popen(tar, stdout=subprocess.PIPE) as writer:
        child = subprocess.Popen(command, stdin=writer.stdout, env=measuring.environment())
        _, status, used = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise SystemExit(f"{command[0]}: exit code {child.returncode}")
    return used.ru_utime + used.ru_stime


# -- report -----------------------------------------------------------------------------------------------------


def report(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Print the tables; returns the targets."""
    names = [*IMPORTS, REPACK]
    rows = []
    for image, one in found.items():
        base = one["peers"][BASE]
        cells = [one["peers"].get(name) for name in PEERS] + [one["files"].get(name) for name in names]
        rows.append((image, f"{one['tar']:,}", *(f"{c:,} ({c / base:.2f})" if c else "" for c in cells)))
    measuring.table(f"File sizes in bytes (share of tar | {BASE})", ("", "tar", *PEERS, *names), rows)
    for name in names:
        rows = [(image, *(f"{v:,}" for v in one["parts"][name].values()), _us(one["read"][name]))
                for image, one in found.items() if name in one["parts"]]  # fmt: skip
        if rows:
            head = ("", *next(one for one in found.values() if name in one["parts"])["parts"][name], "page read µs")
            measuring.table(f"What takes the bytes: {name}", head, rows)
    return _targets(found)


def _us(value: float | None) -> str:
    return "" if value is None else f"{value:.0f}"


def _targets(found: dict[str, dict[str, Any]]) -> dict[str, Any]:
    made: dict[str, Any] = {}
    for name, (mean, worst) in TARGETS.items():
        both = [(o["files"][name], o["peers"][BASE], o["tar"]) for o in found.values() if name in o["files"]]
        shares = [size / peer for size, peer, tar in both if tar > LARGE]
        over = [size - peer for size, peer, tar in both if tar <= LARGE]
        if shares:
            measured = statistics.geometric_mean(shares), max(shares)
            reached = measured[0] <= mean and measured[1] <= worst
            made[f"{name}: geometric mean, worst"] = {"measured": measured, "target": (mean, worst), "reached": reached}
        if over:
            made[f"{name}: overhead on small images"] = {
                "measured": max(over), "target": OVERHEAD, "reached": max(over) <= OVERHEAD
            }  # fmt: skip
    rows = [
        (name, _shown(t["measured"]), _shown(t["target"]), "yes" if t["reached"] else "no") for name, t in made.items()
    ]
    measuring.table(f"Targets, of tar | {BASE}", ("", "measured", "at most", "reached"), rows)
    return made


def _shown(value: Any) -> str:
    return ", ".join(f"{v:.3f}" for v in value) if isinstance(value, tuple) else f"{value:,}"


def plot(path: str, found: dict[str, dict[str, Any]]) -> None:
    """Shares of tar | zstd -3, by image."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    names = [*PEERS, *IMPORTS, REPACK]
    figure, axes = pyplot.subplots(figsize=(9, 4.8))
    width = 0.8 / len(names)
    for i, name in enumerate(names):
        made = [(o["files"] | o["peers"]).get(name, 0) / o["peers"][BASE] for o in found.values()]
        axes.bar([k + i * width for k in range(len(found))], made, width, label=name)
    axes.set_xticks([k + 0.4 for k in range(len(found))], list(found))
    axes.set(ylabel=f"bytes, tar | {BASE} = 1", ylim=(0, 2))
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=256, metavar="N", help="of memory to import; 0: none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="under a minute: nothing that compresses at level 19")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help=".svg or .png; needs matplotlib")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args, found = parse(argv), {}
    if args.quick:
        args.megabytes, args.rounds = min(args.megabytes, 64), min(args.rounds, 3)
    for archive in archives(Path(os.environ.get("OBJREF_CORPUS") or SHIPPED)):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            found[archive.name.partition(".")[0]] = sizes(archive, Path(folder), args.quick)
    results: dict[str, Any] = {"sizes": found, "targets": report(found)}
    if args.megabytes:
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            results["speed"] = speed(Path(folder), args.megabytes, args.rounds)
    if args.json:
        measuring.write_json(args.json, results)
    if args.plot:
        plot(args.plot, found)
    return 0


if __name__ == "__main__":
    sys.exit(main())
