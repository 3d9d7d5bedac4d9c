"""Import and export, against what the bytes cost anyway: `python bench/import.py --quick`.

Many small objects (one files.img) and memory pages (one pages-1.img), from a directory and through a pipe,
against `zstd -1 -T2` on the same bytes and, for export, against hashlib's SHA-256. Every import runs in a process
of its own, for its peak memory; peers take turns; both cores are in use. objref syncs its file, zstd does not.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import making
import measuring

import objref

CHILD = """
import json, sys, time
import objref
source, target, options = json.loads(sys.argv[1])
source, options = sys.stdin.buffer if source == "-" else source, objref.Options(**options)
start = time.perf_counter()
report = objref.import_image(source, target, options=options, replace=True)
done = time.perf_counter() - start
peak = next(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM"))
print(json.dumps([done, int(peak) / 1024, report.objects, report.stream_length, report.file_length]))
"""
# VmHWM: ru_maxrss of a child begins with what its parent had.

ZSTD = ["zstd", "-1", "-T2", "-q", "-f", "-o"]
TARGETS = {"objects": 300_000, "pages": 0.6, "memory": 256}


class Import(NamedTuple):
    """What one import took: seconds, MiB at its peak; and what it made."""

    seconds: float
    peak: float
    objects: int
    stream: int
    file: int


class Bench:
    """One source directory and what is done with it. Mutable: keeps the last report of each import."""

    def __init__(self, folder: Path, source: Path) -> None:
        self.folder, self.source = folder, source
        self.imports: dict[str, list[Import]] = {}

    def image(self, name: str) -> Path:
        """Where an import of that name goes."""
        return self.folder / f"{name.replace(' ', '-')}.objref"

    def load(self, name: str, **options: Any) -> float:
        """Seconds to import the directory."""
        return self._child(name, str(self.source), options, None)

    def load_pipe(self, name: str) -> float:
        """Seconds to import what tar writes."""
        with self._tar() as tar:
            return self._child(name, "-", {}, tar.stdout)

    def _child(self, name: str, source: str, options: dict[str, Any], stdin: Any) -> float:
        arguments = json.dumps([source, str(self.image(name)), options])
        command = [sys.executable, "-c", CHILD, arguments]
        done = subprocess.run(command, check=True, stdin=stdin, stdout=subprocess.PIPE, env=measuring.environment())
        found = Import(*json.loads(done.stdout))
        self.imports.setdefault(name, []).append(found)
        return found.seconds

    def _tar(self) -> subprocess.Popen[bytes]:
        return subprocess.Popen(["tar", "-C", str(self.source), "-cf", "-", "."], stdout=subprocess.PIPE)

    def zstd(self, file: str) -> float:
        """Seconds of zstd on one file."""
        command = [*ZSTD, str(self.folder / "peer.zst"), str(self.source / file)]
        return measuring.seconds(lambda: subprocess.run(command, check=True))

    def zstd_pipe(self) -> float:
        """Seconds of zstd on what tar writes."""
        command = [*ZSTD, str(self.folder / "peer.zst")]
        with self._tar() as tar:
            return measuring.seconds(lambda: subprocess.run(command, check=True, stdin=tar.stdout))

    def export(self, name: str) -> float:
        """Seconds to give the stream back, digest checked."""
        with objref.open(self.image(name)) as image, open("/dev/null", "wb") as out:
            return measuring.seconds(partial(image.export, out))

    def sha256(self, file: str) -> float:
        """Seconds of hashlib on one file: what the digest of an export costs at least."""
        return measuring.seconds(partial(_digest, self.source / file))


def _digest(path: Path) -> None:
    digest, buffer = hashlib.sha256(), bytearray(1 << 20)
    with open(path, "rb", buffering=0) as source:
        while n := source.readinto(buffer):
            digest.update(memoryview(buffer)[:n])


def objects(folder: Path, count: int, n: int) -> dict[str, Any]:
    """Many small objects."""
    source = folder / "objects"
    size = making.write_files_image(source, count)
    bench = Bench(folder, source)
    several: dict[str, Callable[[], float]] = {
        "import": partial(bench.load, "import"),
        "import, nothing compressed": partial(bench.load, "raw", codec="raw"),
        "zstd -1 -T2": partial(bench.zstd, "files.img"),
        "export": partial(bench.export, "import"),
        "SHA-256": partial(bench.sha256, "files.img"),
    }
    found = measuring.rounds(several, n)
    rate = count / found["import"].median
    peak = max(i.peak for i in bench.imports["import"])
    best = count / found["import"].best
    title = f"{count:,} objects, {size / 1e6:.0f} MB: {rate / 1e3:,.0f} k objects/s, at best {best / 1e3:,.0f} k"
    return _report(title, size, found, bench) | {
        "objects": count,
        "targets": {
            "objects/s": _target(rate, TARGETS["objects"], rate >= TARGETS["objects"]),
            "peak MiB": _target(peak, TARGETS["memory"], peak < TARGETS["memory"]),
        },
    }


def descriptors(folder: Path, count: int, n: int) -> dict[str, Any]:
    """Objects with two references each, which is what takes most memory."""
    source = folder / "descriptors"
    size = making.write_descriptors_image(source, count)
    bench = Bench(folder, source)
    found = measuring.rounds({"import": partial(bench.load, "import")}, n)
    peak = max(i.peak for i in bench.imports["import"])
    return _report(f"{count:,} descriptors, two references each", size, found, bench) | {
        "descriptors": count,
        "targets": {"peak MiB": _target(peak, TARGETS["memory"], peak < TARGETS["memory"])},
    }


def pages(folder: Path, megabytes: int, n: int) -> dict[str, Any]:
    """Memory."""
    source = folder / "pages"
    making.write_memory_image(source, megabytes)
    bench = Bench(folder, source)
    several: dict[str, Callable[[], float]] = {
        "import": partial(bench.load, "import"),
        "zstd -1 -T2": partial(bench.zstd, "pages-1.img"),
        "tar | import": partial(bench.load_pipe, "pipe"),
        "tar | zstd -1 -T2": bench.zstd_pipe,
        "import, nothing compressed": partial(bench.load, "raw", codec="raw"),
        "export": partial(bench.export, "import"),
        "SHA-256": partial(bench.sha256, "pages-1.img"),
    }
    found = measuring.rounds(several, n)
    direct = measuring.ratio(found["zstd -1 -T2"], found["import"])
    piped = measuring.ratio(found["tar | zstd -1 -T2"], found["tar | import"])
    peak = max(i.peak for i in bench.imports["import"] + bench.imports["pipe"])
    title = f"{megabytes:,} MiB of memory: {direct:.2f} x the speed of zstd -1 -T2, through a pipe {piped:.2f} x"
    return _report(title, megabytes << 20, found, bench) | {
        "megabytes": megabytes,
        "targets": {
            "x zstd": _target(direct, TARGETS["pages"], direct >= TARGETS["pages"]),
            "x zstd, pipe": _target(piped, TARGETS["pages"], piped >= TARGETS["pages"]),
            "peak MiB": _target(peak, TARGETS["memory"], peak < TARGETS["memory"]),
        },
    }


def _target(measured: float, limit: float, reached: bool) -> dict[str, Any]:
    return {"measured": measured, "target": limit, "reached": reached}


def _report(title: str, size: int, found: dict[str, measuring.Samples], bench: Bench) -> dict[str, Any]:
    """Print the table; returns what goes into the JSON."""
    made = {"import": "import", "import, nothing compressed": "raw", "tar | import": "pipe"}
    rows = []
    for name, samples in found.items():
        report = bench.imports[made[name]][-1] if name in made else None
        shares = (f"{report.peak:.0f}", f"{report.file / report.stream:.3f}") if report else ("", "")
        times = (f"{samples.median:.2f}", f"{samples.best:.2f}", f"{samples.spread:.0%}")
        rows.append((name, *times, f"{size / 1e6 / samples.median:,.0f}", *shares))
    measuring.table(title, ("", "s, median", "s, best", "spread", "MB/s", "peak MiB", "file/stream"), rows)
    imports = {name: [i._asdict() for i in several] for name, several in bench.imports.items()}
    return {"seconds": {k: s.summary() for k, s in found.items()}, "imports": imports}


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--objects", type=int, default=1_000_000, metavar="N")
    parser.add_argument("--megabytes", type=int, default=1024, metavar="N")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="about a minute: 300,000 objects, 256 MiB, three rounds")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    if args.quick:
        args.objects, args.megabytes, args.rounds = 300_000, 256, 3
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        results = {"objects": objects(Path(folder), args.objects, args.rounds)}
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        results["descriptors"] = descriptors(Path(folder), args.objects, 1)
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        results["pages"] = pages(Path(folder), args.megabytes, args.rounds)
    if args.json:
        measuring.write_json(args.json, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
