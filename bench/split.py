"""How fast is each dialect's splitter? `python bench/split.py --quick`

Streams are made in memory, cut into the chunks that an import reads, and fed; events are counted and dropped. Splitting
is timed by the thread, whole imports of the same streams by the clock. Units are records of linux-cr, and objects of
the other dialects.
"""

from __future__ import annotations

import io
import struct
import sys
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import making
import measuring
import reporting
from measuring import Samples
from reporting import Run, Scale, Table, Target

import objref
from objref.archive.sources import open_source
from objref.dialects.events import Derived, Objects, Whole
from objref.dialects.registry import dialect
from objref.limits import DEFAULT

TESTS = Path(__file__).resolve().parents[1] / "tests"
CHUNK = 1 << 20
RECORDS, PAGES, SMALL = "linux-cr, records", "linux-cr, pages", "linux-cr, pages one by one"
BLOCKS = "openvz, pages one by one"
RECORD_RATE, PAGE_RATE = 150.0, 0.5
"""Thousands of records, and GB, a second."""


class Stream(NamedTuple):
    """What is split. `units`: how many records or objects are in it."""

    dialect: str
    chunks: list[bytes]
    units: int

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(map(len, self.chunks))


def split(stream: Stream) -> int:
    """Feed all of it; how many objects came."""
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


def streams(folder: Path, megabytes: int) -> dict[str, Stream]:
    """All that are measured. Folders of CRIU are made below `folder`, the others by what the dialects' tests have."""
    sys.path.insert(0, str(TESTS))
    return {
        "criu, objects": _criu(making.files_image(folder, megabytes * 10_000)),
        "criu, pages": _criu(making.memory_image(folder, megabytes)),
        "dobriyan": _dobriyan(megabytes << 20),
        "openvz": _openvz(megabytes << 20),
        BLOCKS: _openvz_pages(megabytes << 20),
        RECORDS: _linux_cr(megabytes << 20, files=500, pages=1),
        PAGES: _linux_cr(megabytes << 20, files=4, pages=2048),
        SMALL: _linux_cr(megabytes << 20, files=4, pages=2048, chunk=1),
    }


def _criu(source: Path) -> Stream:
    with open_source(source) as opened:
        return _of_objects("criu", opened)


def _dobriyan(size: int) -> Stream:
    from dobriyan.making import realistic

    return _of_objects("dobriyan", [bytes(realistic(size * 100 // len(realistic(100).data)).data)])


def _openvz(size: int) -> Stream:
    from openvz.making import scene

    return _of_objects("openvz", [scene(tasks=size * 100 // len(scene(tasks=100).data)).data])


def _openvz_pages(size: int) -> Stream:
    from openvz.making import page_blocks

    return _of_objects("openvz", [page_blocks(size // 4096)])


def _linux_cr(size: int, files: int, pages: int, chunk: int = 512) -> Stream:
    """Tasks with tables of so many files and so many pages of memory each, in chunks of so many."""
    from linux_cr.making import stream

    make = partial(stream, pages=pages, layout="v23-rc2", files=files, chunk=chunk)
    chunks = _chunked(make(max(4, size * 20 // sum(map(len, make(20))))))
    return Stream("linux-cr", chunks, sum(1 for _ in _records(b"".join(chunks))))


def _records(data: bytes) -> Iterator[int]:
    at, unpack = 0, struct.Struct("<4xI").unpack_from
    while at < len(data):
        yield at
        at += unpack(data, at)[0]


def _of_objects(name: str, pieces: Iterable[bytes]) -> Stream:
    stream = Stream(name, _chunked(pieces), 0)
    return stream._replace(units=split(stream))


def _chunked(pieces: Iterable[bytes]) -> list[bytes]:
    """As an import reads them."""
    data = b"".join(pieces)
    return [data[at : at + CHUNK] for at in range(0, len(data), CHUNK)]


# -- report -------------------------------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Table]:
    """Splitters alone, and imports."""
    made = streams(run.folder, run.scale.megabytes)
    alone = {name: partial(measuring.each, split, [stream]) for name, stream in made.items()}
    found = measuring.rounds(alone, run.scale.rounds)
    targets = (
        Target(f"splitting {RECORDS}", found[RECORDS].over(made[RECORDS].units / 1e3), RECORD_RATE, "k/s", True),
        *(
            Target(f"splitting {name}", found[name].over(made[name].size / 1e9), PAGE_RATE, "GB/s", True)
            for name in (PAGES, SMALL, BLOCKS)
        ),
    )
    yield Table("Splitters, alone", "ms", 1e3, found, more=_rates(made, found), targets=targets)
    imports = {name: partial(load, stream, run.folder) for name, stream in made.items()}
    found = measuring.rounds(imports, run.scale.rounds)
    yield Table("Imports of the same streams", "ms", 1e3, found, more=_rates(made, found))


def _rates(made: dict[str, Stream], found: dict[str, Samples]) -> dict[str, dict[str, str]]:
    return {
        "units": {name: f"{stream.units:,}" for name, stream in made.items()},
        "MB": {name: f"{stream.size / 1e6:,.0f}" for name, stream in made.items()},
        "k units/s": {name: f"{stream.units / found[name].median / 1e3:,.1f}" for name, stream in made.items()},
        "GB/s": {name: f"{stream.size / found[name].median / 1e9:.3f}" for name, stream in made.items()},
    }


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((), 32, 5), Scale((), 8, 2)))
