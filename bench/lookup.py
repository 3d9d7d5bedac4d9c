"""One object by its id, against what else one could use: `python bench/lookup.py --quick`.

Same run, same data, same ids: uniform random, warm, one core. objref reads `files[id]` of an uncompressed image,
with its checksums verified (at first touch, before the clock starts). lmdb is asked twice: with ready-made keys,
which is lmdb.get alone and what the target is set against, and from the integer, as a program with an id would ask.
"""

from __future__ import annotations

import argparse
import os
import random
import sqlite3
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import lmdb
import making
import measuring

import objref

KEY = struct.Struct("=Q")
HOT, WHOLE = "objref files[id]", "decode everything"
LMDB = "lmdb.get, ready key"
GETS = 200_000
TARGETS = {"hot": 0.65, "open": 100e-6, "shell": 50e-3}

Measure = Callable[[], float]


class Data:
    """The same N messages in every shape, in one folder. Mutable: owns what it opens."""

    def __init__(self, folder: Path, count: int) -> None:
        self.folder, self.count = folder, count
        self.images = {codec: folder / f"{codec}.objref" for codec in ("raw", "zstd")}
        self.database, self.lmdb_path = folder / "objects.sqlite", folder / "lmdb"
        self.source = folder / "images"
        making.write_files_image(self.source, count)
        for codec, path in self.images.items():
            objref.import_image(self.source, path, options=objref.Options(codec=codec))
        self._fill_lmdb()
        self._fill_sqlite()

    def messages(self) -> Iterator[tuple[int, bytes]]:
        """(id, message)."""
        return enumerate(making.file_messages(self.count), 1)

    def _fill_lmdb(self) -> None:
        with lmdb.open(str(self.lmdb_path), map_size=1 << 36, max_dbs=1, sync=False) as env:
            db = env.open_db(b"files", integerkey=True)
            with env.begin(write=True, db=db) as txn:
                txn.cursor().putmulti(((KEY.pack(i), m) for i, m in self.messages()), append=True)

    def _fill_sqlite(self) -> None:
        db = sqlite3.connect(self.database)
        db.execute("create table files (id integer primary key, message blob)")
        db.executemany("insert into files values (?, ?)", self.messages())
        db.commit()
        db.close()


# -- lookup -------------------------------------------------------------------------------------------------


def get_items(mapping: Any, keys: Sequence[Any]) -> float:
    """Nanoseconds for each mapping[key]."""
    start = time.perf_counter_ns()
    for key in keys:
        mapping[key]
    return (time.perf_counter_ns() - start) / len(keys)


def call(get: Callable[[Any], Any], keys: Sequence[Any]) -> float:
    """Nanoseconds for each get(key)."""
    start = time.perf_counter_ns()
    for key in keys:
        get(key)
    return (time.perf_counter_ns() - start) / len(keys)


def scan(path: Path, wanted: int) -> bytes:
    """What CRIU and crit do: decode item after item until the one that is wanted."""
    parse, unpack = _parser("file_entry"), making.LENGTH.unpack_from
    data, at = path.read_bytes(), 8
    while at < len(data):
        length = unpack(data, at)[0]
        if parse(data[at + 4 : at + 4 + length]).id == wanted:
            return data[at + 4 : at + 4 + length]
        at += 4 + length
    raise KeyError(wanted)


def _parser(name: str) -> Callable[[bytes], Any]:
    from objref.dialects.criu.schema import message_class

    return message_class(name).FromString


def lookups(data: Data, n: int) -> dict[str, measuring.Samples]:
    """Nanoseconds a lookup, by candidate."""
    draw = random.Random(making.SEED)
    ids = [draw.randrange(1, data.count + 1) for _ in range(min(GETS, 20 * data.count))]
    packed = [KEY.pack(i) for i in ids]
    held = dict(data.messages())
    db = sqlite3.connect(data.database)
    db.execute(f"pragma mmap_size = {1 << 36}")
    db.execute("begin")
    select, query = db.cursor().execute, "select message from files where id = ?"
    with (
        objref.open(data.images["raw"], access="map") as raw,
        objref.open(data.images["zstd"], access="map") as zstd,
        lmdb.open(str(data.lmdb_path), readonly=True, lock=False, max_dbs=1) as env,
        env.begin(db=env.open_db(b"files", integerkey=True)) as txn,
    ):
        _agree(data, held, raw["file"], zstd["file"], txn)
        for key in range(1, data.count + 1, 512):  # every stripe and block is checked before the clock starts
            raw["file"][key]
        candidates: dict[str, Measure] = {
            HOT: partial(get_items, raw["file"], ids),
            "dict in memory": partial(get_items, held, ids),
            LMDB: partial(call, txn.get, packed),
            "lmdb.get, packing the id": partial(call, lambda i: txn.get(KEY.pack(i)), ids),
            "sqlite by rowid, one transaction": partial(
                call, lambda i: select(query, (i,)).fetchone()[0], ids[: GETS // 4]
            ),
            "objref files[id], compressed": partial(get_items, zstd["file"], ids[: GETS // 20]),
            # The middle one is the mean of uniform lookups.
            WHOLE: lambda: measuring.seconds(partial(scan, data.source / "files.img", data.count // 2)) * 1e9,
        }
        found = measuring.rounds(candidates, n)
    db.close()
    return found


def _agree(data: Data, held: dict[int, bytes], raw: Any, zstd: Any, txn: lmdb.Transaction) -> None:
    """All peers give the same bytes, or the comparison is worth nothing."""
    for i in {1, data.count // 2, data.count}:
        answers = {held[i], raw[i], zstd[i], txn.get(KEY.pack(i)), scan(data.source / "files.img", i)}
        if len(answers) != 1:
            raise SystemExit(f"the peers differ on object {i}")


# -- opening ------------------------------------------------------------------------------------------------


def open_objref(path: Path, key: int = 0) -> float:
    """Seconds to open an image, and to read one object if there is a key."""
    start = time.perf_counter()
    image = objref.open(path, access="map")
    if key:
        image["file"][key]
    done = time.perf_counter() - start
    image.close()
    return done


def open_lmdb(path: Path, key: int = 0) -> float:
    """Seconds to open an environment and begin a read transaction."""
    start = time.perf_counter()
    env = lmdb.open(str(path), readonly=True, lock=False, max_dbs=1)
    txn = env.begin(db=env.open_db(b"files", integerkey=True))
    if key:
        txn.get(KEY.pack(key))
    done = time.perf_counter() - start
    txn.abort()
    env.close()
    return done


def openings(data: Data, n: int) -> dict[str, measuring.Samples]:
    """Seconds, in a process that has done it before."""
    middle = data.count // 2
    several: dict[str, Measure] = {
        "objref.open": partial(open_objref, data.images["raw"]),
        "lmdb.open, begin": partial(open_lmdb, data.lmdb_path),
        "objref.open, first files[id]": partial(open_objref, data.images["raw"], middle),
        "lmdb.open, begin, first get": partial(open_lmdb, data.lmdb_path, middle),
    }
    return measuring.rounds(several, n)


# -- from the shell -----------------------------------------------------------------------------------------


def run(command: list[str]) -> float:
    """Seconds from fork to exit."""
    return measuring.seconds(
        lambda: subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=measuring.environment())
    )


def shells(data: Data, n: int) -> dict[str, measuring.Samples]:
    """Seconds for one command, bytecode cached (the discarded round sees to it)."""
    program = str(Path(sys.executable).with_name("objref"))
    command = [program] if os.path.exists(program) else [sys.executable, "-m", "objref"]
    get = partial(run, [*command, "get", str(data.images["zstd"]), f"file:{data.count // 2}"])
    return measuring.rounds({"objref get": get, "python -c pass": partial(run, [sys.executable, "-c", "pass"])}, n)


# -- report -------------------------------------------------------------------------------------------------


def show(count: int, found: dict[str, dict[str, measuring.Samples]]) -> dict[str, Any]:
    """Print the tables of one N; returns what goes into the JSON."""
    one, opened, shell = found["lookup"], found["open"], found["shell"]
    _table(f"One object of {count:,} by its id", "ns", 1, one, LMDB)
    _table(f"Opening {count:,} objects in a warm process", "µs", 1e6, opened, "lmdb.open, begin")
    _table(f"From the shell, {count:,} objects", "ms", 1e3, shell, "python -c pass")
    against = {name: measuring.ratio(one[HOT], s) for name, s in one.items()}
    reached = {
        "hot": [against[LMDB], TARGETS["hot"]],
        "open": [opened["objref.open"].median, TARGETS["open"]],
        "shell": [shell["objref get"].median, TARGETS["shell"]],
    }
    return {
        "objects": count,
        **{part: {k: s.summary() for k, s in samples.items()} for part, samples in found.items()},
        "files[id] against": against,
        "targets": {k: {"measured": m, "at most": t, "reached": m <= t} for k, (m, t) in reached.items()},
    }


def _table(title: str, unit: str, scale: float, found: dict[str, measuring.Samples], peer: str) -> None:
    rows = []
    for name, s in found.items():
        times = [_short(value * scale) for value in (s.median, s.best)]
        rows.append((name, *times, f"{s.spread:.0%}", _short(measuring.ratio(s, found[peer]))))
    measuring.table(title, ("", f"{unit}, median", f"{unit}, best", "spread", f"x {peer}"), rows)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def plot(path: str, results: list[dict[str, Any]]) -> None:
    """Time against N for all candidates."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
    sizes = [r["objects"] for r in results]
    for name in results[0]["lookup"]:
        style = {"linewidth": 2.5, "color": "black"} if name == HOT else {"linewidth": 1.2}
        axes.plot(sizes, [r["lookup"][name]["median"] for r in results], marker="o", label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="objects in the image", ylabel="ns for one object by its id")
    axes.grid(True, which="major", alpha=0.3)
    axes.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(path)


def number(text: str) -> int:
    """10k, 1M."""
    units = {"k": 1_000, "M": 1_000_000}
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--sizes", default="10k,1M", help="numbers of objects: 10k,1M,10M (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--quick", action="store_true", help="about a minute: three rounds")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help=".svg or .png; needs matplotlib")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    n, results = 3 if args.quick else args.rounds, []
    pinned = measuring.pin()
    for count in map(number, args.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            data = Data(Path(folder), count)
            found = {"lookup": lookups(data, n), "open": openings(data, 5 * n), "shell": shells(data, 3 * n)}
            results.append(show(count, found))
    if args.json:
        measuring.write_json(args.json, {"pinned": pinned, "results": results})
    if args.plot:
        plot(args.plot, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
