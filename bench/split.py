"""How fast is each dialect's splitter, and what does a whole import make of it: `python bench/split.py`.

Streams are made in memory, cut into the chunks that an import reads, and fed; events are counted and dropped. One
core, medians of rounds in turn; splitting in processor time, imports by the clock. `units`: records of linux-cr,
objects of the other dialects.
"""

from __future__ import annotations

import argparse
import io
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import making
import measuring

import objref
from objref.archive.sources import open_source
from objref.dialects.events import Derived, Objects, Whole
from objref.dialects.registry import dialect
from objref.limits import DEFAULT

TESTS = Path(__file__).resolve().parents[1] / "tests"
CHUNK = 1 << 20
TARGETS = {"linux-cr, records": ("k units/s", 150.0), "linux-cr, pages": ("GB/s", 0.5)}


class Stream(NamedTuple):
    """What is split. `units`: how many records or objects are in it."""

    dialect: str
    chunks: list[bytes]
    units: int

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.chunks))


def chunked(pieces: Iterable[bytes]) -> list[bytes]:
    """As an import reads them."""
    data = b"".join(pieces)
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


def split(stream: Stream) -> float:
    """Seconds of processor time to split it: a splitter neither waits nor has threads."""
    start = time.process_time()
    _split(stream)
    return time.process_time() - start


def _split(stream: Stream) -> int:
    splitter, objects = dialect(stream.dialect).splitter(DEFAULT), 0
    for events in (*(splitter.feed(chunk) for chunk in stream.chunks), splitter.finish()):
        for event in events:
            if isinstance(event, Objects):
                objects += len(event.keys)
            elif isinstance(event, Whole | Derived):
                objects += 1
    return objects


def load(stream: Stream, folder: Path) -> float:
    """Seconds to import it."""
    source = io.BytesIO(b"".join(stream.chunks))
    return measuring.seconds(lambda: objref.import_image(source, folder / "split.objref", replace=True))


# -- streams ------------------------------------------------------------------------------------------------


def criu(folder: Path, fill: Callable[[Path], Any]) -> Stream:
    """What an import reads from a directory of CRIU."""
    fill(folder)
    with open_source(folder) as source:
        stream = Stream("criu", list(source), 0)
    return stream._replace(units=_split(stream))


def dobriyan(megabytes: int) -> Stream:
    """Tasks with what they share."""
    from dobriyan.making import realistic

    tasks = (megabytes << 20) * 100 // len(realistic(100).data)
    stream = Stream("dobriyan", chunked([bytes(realistic(tasks).data)]), 0)
    return stream._replace(units=_split(stream))


def linux_cr(megabytes: int, files: int, pages: int) -> Stream:
    """Tasks with tables of so many files and so many pages of memory each."""
    from linux_cr.making import stream

    one = sum(map(len, stream(20, pages, "v23-rc2", files=files)))
    chunks = chunked(stream(max(4, (megabytes << 20) * 20 // one), pages, "v23-rc2", files=files))
    return Stream("linux-cr", chunks, sum(1 for _ in _records(b"".join(chunks))))


def _records(data: bytes) -> Iterator[int]:
    at, unpack = 0, struct.Struct("<4xI").unpack_from
    while at < len(data):
        yield at
        at += unpack(data, at)[0]


def streams(folder: Path, megabytes: int) -> dict[str, Stream]:
    """All that are measured."""
    sys.path.insert(0, str(TESTS))  # the makers of the dialects' tests
    files = partial(making.write_files_image, count=megabytes * 10_000)
    memory = partial(making.write_memory_image, megabytes=megabytes)
    return {
        "criu, objects": criu(folder / "objects", lambda place: files(place)),
        "criu, pages": criu(folder / "memory", lambda place: memory(place)),
        "dobriyan": dobriyan(megabytes),
        "linux-cr, records": linux_cr(megabytes, files=500, pages=1),
        "linux-cr, pages": linux_cr(megabytes, files=4, pages=2048),
    }


def report(made: dict[str, Stream], folder: Path, n: int) -> dict[str, Any]:
    """Measure, print the table; returns what goes into the JSON."""
    found = measuring.rounds({name: partial(split, stream) for name, stream in made.items()}, n)
    loads = measuring.rounds({name: partial(load, stream, folder) for name, stream in made.items()}, n)
    rows, results = [], {}
    for name, stream in made.items():
        seconds, whole = found[name].median, loads[name].median
        rates = {"k units/s": stream.units / seconds / 1e3, "GB/s": stream.size / seconds / 1e9}
        what, limit = TARGETS.get(name, ("", 0.0))
        reached = f"≥ {limit:g} {what}: {'yes' if rates[what] >= limit else 'NO'}" if what else ""
        rows.append((
            name, f"{stream.units:,}", f"{stream.size / 1e6:,.0f}",
            f"{rates['k units/s']:,.0f}", f"{rates['GB/s']:.2f}", f"{found[name].spread:.0%}",
            f"{stream.units / whole / 1e3:,.0f}", f"{stream.size / whole / 1e6:,.0f}", reached,
        ))  # fmt: skip
        results[name] = rates | {
            "units": stream.units, "bytes": stream.size, "split": found[name].summary(),
            "import": loads[name].summary(),
        }  # fmt: skip
    head = ("", "units", "MB", "split k/s", "GB/s", "spread", "import k/s", "MB/s", "target")
    measuring.table("Splitters, and whole imports of the same streams", head, rows)
    return results


def parse(argv: list[str] | None) -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--megabytes", type=int, default=64, metavar="N", help="of each stream")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    measuring.pin()
    with tempfile.TemporaryDirectory(dir=args.dir) as folder:
        results = report(streams(Path(folder), args.megabytes), Path(folder), args.rounds)
    if args.json:
        measuring.write_json(args.json, {"split": results})
    return 0


if __name__ == "__main__":
    sys.exit(main())
