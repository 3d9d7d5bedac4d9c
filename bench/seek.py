"""One object by its objref, out of a stream of a gigabyte: `python bench/seek.py --quick`.

"A stream just needs a way to quickly look up a file position by object id": here is what that way saves. One stream is
read front to back until the object comes (once through its own splitter, once as bytes that nobody looks at: no
scanner is faster), read by the index beside it, and read from a container. Each object is found in a process
that has the file open, and by a command from the shell. Objects are drawn uniformly; the files are in the page cache.
"""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from array import array
from collections.abc import Callable, Iterator
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

import lmdb
import making
import measuring
import numpy as np
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.archive.sources import open_source
from objref.container.source import open_path
from objref.dialects.events import Objects, Whole
from objref.dialects.registry import find, is_known
from objref.limits import DEFAULT
from objref.sidecar.checked import check_tree
from objref.sidecar.layout import CHECKED
from objref_index.build import Index, SpaceTables, build_int_keys
from objref_index.objects import ADDRESS_MASK
from objref_index.tree.build import build_tree
from objref_index.tree.layout import KEY, VALUE
from objref_index.tree.opened import Tree

TESTS = Path(__file__).resolve().parents[1] / "tests"
LAYOUT, FILES, PAGES = "v23-rc2", 200, 30
SPACE = "file"
SCANS, GETS = 5, 2000
SCAN, READ, BESIDE, INSIDE = "scan, decoding", "scan, only reading", "index beside it", "container"
BARE = "lmdb.get and pread, ready key"
LOAD, BUILD, CHECK = "lmdb, pairs in memory", "the tree, from columns", "comparing it with its checks"
SHELL_BESIDE, SHELL_INSIDE, NOTHING = "objref get, beside", "objref get, container", "python -c pass"

Measure = Callable[[], float]


def stream(megabytes: int) -> Iterator[bytes]:
    """The stream that is searched, piece by piece: tasks with their files and memory, as Linux-CR wrote them."""
    sys.path.insert(0, str(TESTS))
    from linux_cr.making import stream as tasks

    twenty = sum(map(len, tasks(20, PAGES, LAYOUT, files=FILES)))
    return tasks(max(4, (megabytes << 20) * 20 // twenty), PAGES, LAYOUT, files=FILES)


class Data:
    """One stream in all three shapes, and objects of it to look for. Mutable: holds open images."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.path, self.inside = folder / "dump.cr", folder / "dump.objref"
        with open(self.path, "wb") as out:
            out.writelines(stream(megabytes))
        self.size = self.path.stat().st_size
        self.seconds = {
            "index": measuring.seconds(partial(objref.index_file, self.path)),
            "import": measuring.seconds(partial(objref.import_image, self.path, self.inside)),
        }
        self.index_size = Path(f"{self.path}.objref-index").stat().st_size
        self.container_size = self.inside.stat().st_size
        self.beside, self.container = objref.open(self.path), objref.open(self.inside)
        self.fd = os.open(self.path, os.O_RDONLY)
        self.objects = len(self.beside)
        self.found = self._draw(max(GETS, SCANS))

    def _draw(self, n: int) -> list[tuple[int, int]]:
        """(key, where it ends in the stream) of objects, uniformly."""
        draw, space = random.Random(making.SEED), self.beside[SPACE]
        objects = [space.object(key) for key in draw.choices(list(space), k=n)]
        return [(self._key(o), o.row.address + o.row.length) for o in objects]

    def _key(self, found: objref.Object) -> int:
        return int(found.objref.partition(":")[2], 0)

    def agree(self) -> None:
        """All ways lead to the same bytes, or the comparison is worth nothing."""
        for key, _ in self.found[:100]:
            if self.beside[SPACE][key] != self.container[SPACE][key]:
                raise SystemExit(f"the ways differ on {SPACE}:{key}")

    def close(self) -> None:
        """Let go of the images."""
        self.beside.close()
        self.container.close()
        os.close(self.fd)


# -- the ways -----------------------------------------------------------------------------------------------


def scan(path: Path, key: int) -> None:
    """Split the stream until the object has come."""
    with open_source(path, known=is_known) as source:
        chunks = iter(source)
        head = next(chunks)
        dialect = find(head)
        kind = next(i for i, k in enumerate(dialect.kinds) if k.name == SPACE)
        splitter = dialect.splitter(DEFAULT)
        for chunk in chain([head], chunks):
            for event in splitter.feed(chunk):
                if isinstance(event, Objects) and event.kind == kind and key in event.keys:
                    return
                if isinstance(event, Whole) and event.kind == kind and event.key == key:
                    return
    raise SystemExit(f"no {SPACE}:{key} in the stream")


def read(path: Path, end: int) -> None:
    """Read the bytes up to where the object ends."""
    buffer = bytearray(1 << 20)
    with open(path, "rb", buffering=0) as file:
        while end > 0:
            end -= file.readinto(buffer) or end


def get(space: objref.Space, keys: list[int]) -> float:
    """Mean seconds for one of these objects, all of them read."""
    return each(space.__getitem__, keys)


def bare(data: Data, keys: list[int]) -> Measure:
    """The least that an index in LMDB costs: its tree asked with keys made before, and the bytes read, unchecked."""
    table: Any = data.beside[SPACE]._keys
    lookup, fd, pread = table.tree.local.get, data.fd, os.pread
    ready = [KEY.pack(table.number, key) for key in keys]

    def one(key: bytes) -> bytes:
        where, what, _, _ = VALUE.unpack(lookup(key))
        return pread(fd, what & ADDRESS_MASK, where & ADDRESS_MASK)

    if [one(key) for key in ready[:100]] != [data.beside[SPACE][key] for key in keys[:100]]:
        raise SystemExit("the ways differ")
    return lambda: each(one, ready)


def each(measure: Callable[[Any], None], asked: list[Any]) -> float:
    """Mean seconds for one."""
    return measuring.seconds(lambda: [measure(one) for one in asked]) / len(asked)


def warm(data: Data, n: int) -> dict[str, measuring.Samples]:
    """Seconds to find one object."""
    keys = [key for key, _ in data.found]
    spaces = {BESIDE: data.beside[SPACE], INSIDE: data.container[SPACE]}
    quick: dict[str, Measure] = {name: partial(get, space, keys) for name, space in spaces.items()}
    quick[BARE] = bare(data, keys)
    some = data.found[:SCANS]
    slow: dict[str, Measure] = {
        SCAN: lambda: each(partial(scan, data.path), [key for key, _ in some]),
        READ: lambda: each(partial(read, data.path), [end for _, end in some]),
    }
    # A scan of a gigabyte takes minutes, and is warm after its first object.
    return {name: measuring.Samples([way()]) for name, way in slow.items()} | measuring.rounds(quick, n)


def shells(data: Data, n: int) -> dict[str, measuring.Samples]:
    """Seconds for one command, from fork to exit."""
    program = [str(Path(sys.executable).with_name("objref"))]
    command = program if Path(program[0]).exists() else [sys.executable, "-m", "objref"]
    name = f"{SPACE}:{data.found[0][0]}"
    several = {
        SHELL_BESIDE: [*command, "get", str(data.path), name],
        SHELL_INSIDE: [*command, "get", str(data.inside), name],
        NOTHING: [sys.executable, "-c", "pass"],
    }
    return measuring.rounds({what: partial(_run, words) for what, words in several.items()}, n)


def _run(command: list[str]) -> float:
    return measuring.seconds(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=measuring.environment())
    )


# -- making -------------------------------------------------------------------------------------------------


def making_a_tree(folder: Path, count: int, n: int) -> dict[str, measuring.Samples]:
    """Seconds for LMDB to append pairs that lie in memory, and for the index's builder to make them from columns and
    append them; and for a reader to compare the tree. Sparse keys, ascending in the stream."""
    draw = np.random.default_rng(making.SEED)
    keys = np.unique(draw.integers(0, 1 << 40, count + count // 1000, np.uint64))[:count]
    shape, tables = build_int_keys(keys, np.arange(count, dtype=np.uint32))
    rows = np.arange(2 * count, dtype="<u8") + np.uint64(1 << 48)
    index = Index([SpaceTables(0, 0, False, shape, tables)], {"objects": rows}, count, 0, 0, {})
    path = folder / "tree"
    _fresh(path)
    built = build_tree(str(path), index, SystemExit)
    pairs = list(Tree(str(path), built.length, SystemExit).entries(b"", b""))

    def load() -> float:
        _fresh(path)
        with lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=1 << 34) as environment:
            return measuring.seconds(lambda: _append(environment, pairs))

    def build() -> float:
        _fresh(path)
        return measuring.seconds(lambda: build_tree(str(path), index, SystemExit))

    def check() -> float:
        """What opening it costs, before LMDB sees a byte."""
        source = open_path(path, "pread")
        starts = range(0, built.length, CHECKED)
        checks = array("Q", [xxh3(source.read(at, min(CHECKED, built.length - at))) for at in starts])
        took = measuring.seconds(lambda: os.close(check_tree(source, built.length, memoryview(checks), DEFAULT)))
        source.close()
        return took

    return measuring.rounds({LOAD: load, BUILD: build, CHECK: check}, n)


def _fresh(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch()


def _append(environment: lmdb.Environment, pairs: list[tuple[bytes, bytes]]) -> None:
    with environment.begin(write=True) as transaction:
        transaction.cursor().putmulti(pairs, append=True)


# -- report -------------------------------------------------------------------------------------------------


def measure(folder: Path, megabytes: int, n: int) -> dict[str, Any]:
    """One size: make, measure, print."""
    data = Data(folder, megabytes)
    try:
        data.agree()
        found = warm(data, n) | shells(data, n)
    finally:
        data.close()
    rows = [(name, f"{s.median * 1e6:,.1f}", f"{s.spread:.0%}") for name, s in found.items()]
    measuring.table(f"One of {data.objects:,} objects in {data.size / 1e6:,.0f} MB", ("", "µs, median", "spread"), rows)
    made = ", ".join(f"{what} {seconds:.1f} s" for what, seconds in data.seconds.items())
    print(f"\nmade in: {made}; index {data.index_size / 1e6:,.1f} MB, container {data.container_size / 1e6:,.1f} MB")
    return {
        "bytes": data.size,
        "objects": data.objects,
        "seconds": {name: s.summary() for name, s in found.items()},
        "made": data.seconds,
        "index bytes": data.index_size,
        "container bytes": data.container_size,
    }


def growth(results: list[dict[str, Any]]) -> dict[str, float]:
    """How many times as long in the largest stream as in the smallest."""
    first, last = results[0]["seconds"], results[-1]["seconds"]
    return {name: last[name]["median"] / first[name]["median"] for name in first}


def plot(path: str, results: list[dict[str, Any]]) -> None:
    """Time for one object against the size of the stream."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
    sizes = [r["bytes"] / 1e6 for r in results]
    for name in results[0]["seconds"]:
        style = {"linewidth": 2.5, "color": "black"} if name == BESIDE else {"linewidth": 1.2}
        axes.plot(sizes, [r["seconds"][name]["median"] for r in results], marker="o", label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="MB of stream", ylabel="seconds for one object by its objref")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", default=None, help="sizes of the stream (default: 10,100,1000)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="10 and 100 MB, three rounds: about a minute")
    parser.add_argument(
        "--entries", type=int, default=1_000_000, help="of the tree that is made (default: %(default)s)"
    )
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help=".svg or .png; needs matplotlib")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    sizes = args.megabytes or ("10,100" if args.quick else "10,100,1000")
    n, results = 3 if args.quick else args.rounds, []
    pinned = measuring.pin()
    for megabytes in map(int, sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            results.append(measure(Path(folder), megabytes, n))
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        made = making_a_tree(Path(folder), args.entries, n)
    rows = [(name, f"{s.median:.3f}", f"{measuring.ratio(s, made[LOAD]):.2f}") for name, s in made.items()]
    measuring.table(f"Making a tree of {args.entries:,} entries", ("", "s, median", f"x {LOAD}"), rows)
    grown = growth(results)
    rows = [(name, f"{times:,.1f}") for name, times in grown.items()]
    measuring.table(
        f"From {results[0]['bytes'] / 1e6:,.0f} to {results[-1]['bytes'] / 1e6:,.0f} MB", ("", "times"), rows
    )
    if args.json:
        tree = {name: s.summary() for name, s in made.items()}
        measuring.write_json(args.json, {"pinned": pinned, "results": results, "growth": grown, "making a tree": tree})
    if args.plot:
        plot(args.plot, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
