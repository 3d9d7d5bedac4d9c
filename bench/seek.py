"""One object by its objref, out of a stream of a gigabyte: `python bench/seek.py --quick`

"A stream just needs a way to quickly look up a file position by object id": here is what that way saves. One stream is
read front to back until the object comes (once through its own splitter, once as bytes that nobody looks at: no
scanner is faster), read by the index beside it, and read from a container; at a hundredth, a tenth and all of the size.
Objects are drawn uniformly; the files are in the page cache; times of what does not scan are those of the thread. Then
what making the index's tree costs, against LMDB's append-load alone.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
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
import reporting
from measuring import Measure, Samples
from reporting import Run, Scale, Table, Target
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
SCAN, READ, BESIDE, INSIDE = "scan, decoding", "scan, only reading", "objref, index beside it", "objref, container"
BARE = "lmdb.get and pread, ready key"
LOAD, BUILD, CHECK = "lmdb, pairs in memory", "objref's tree, from columns", "comparing it with its checks"
INDEX, LOADED = "objref index", "objref import"
GET_AT_MOST, BUILD_AT_MOST = 1.5, 2.0
"""Times the peer."""


class Data:
    """One stream in all three shapes, and objects of it to look for. Mutable: holds open images."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.path, self.inside = folder / f"seek-{megabytes}.cr", folder / f"seek-{megabytes}.objref"
        with open(self.path, "wb") as out:
            out.writelines(_stream(megabytes))
        index, load = partial(objref.index_file, self.path), partial(objref.import_image, self.path, self.inside)
        makers = {INDEX: index, LOADED: load}
        self.made = {name: Samples([measuring.seconds(make)]) for name, make in makers.items()}
        self.sizes = {INDEX: Path(f"{self.path}.objref-index").stat().st_size, LOADED: self.inside.stat().st_size}
        self.size = self.path.stat().st_size
        self.beside, self.container = objref.open(self.path), objref.open(self.inside)
        self.fd = os.open(self.path, os.O_RDONLY)
        self.found = self._draw()
        self.keys = [key for key, _ in self.found]

    def _draw(self) -> list[tuple[int, int]]:
        """(key, where it ends in the stream) of objects, uniformly."""
        draw, space = random.Random(making.SEED), self.beside[SPACE]
        objects = [space.object(key) for key in draw.choices(list(space), k=GETS)]
        return [(int(o.objref.partition(":")[2], 0), o.row.address + o.row.length) for o in objects]

    def bare(self) -> tuple[Callable[[bytes], bytes], list[bytes]]:
        """The least that an index in LMDB costs: its tree asked with ready keys, and a read that nobody checks."""
        table: Any = self.beside[SPACE]._keys
        lookup, fd, pread = table.tree.local.get, self.fd, os.pread

        def one(key: bytes) -> bytes:
            where, what, _, _ = VALUE.unpack(lookup(key))
            return pread(fd, what & ADDRESS_MASK, where & ADDRESS_MASK)

        return one, [KEY.pack(table.number, key) for key in self.keys]

    def agree(self) -> None:
        """All ways lead to the same bytes, or the comparison is worth nothing."""
        bare, ready = self.bare()
        for key, packed in zip(self.keys[:100], ready, strict=False):
            if not self.beside[SPACE][key] == self.container[SPACE][key] == bare(packed):
                raise SystemExit(f"the ways differ on {SPACE}:{key}")

    def close(self) -> None:
        """Let go of the images."""
        self.beside.close()
        self.container.close()
        os.close(self.fd)


def _stream(megabytes: int) -> Iterator[bytes]:
    """Tasks with their files and memory, as Linux-CR wrote them, piece by piece."""
    sys.path.insert(0, str(TESTS))
    from linux_cr.making import stream

    make = partial(stream, pages=PAGES, layout=LAYOUT, files=FILES)
    return make(max(4, (megabytes << 20) * 20 // sum(map(len, make(20)))))


# -- one object ---------------------------------------------------------------------------------------------


def scan(path: Path, key: int) -> None:
    """Split the stream until the object has come."""
    with open_source(path, known=is_known) as source:
        chunks = iter(source)
        head = next(chunks)
        dialect = find(head)
        kind = next(i for i, k in enumerate(dialect.kinds) if k.name == SPACE)
        splitter = dialect.splitter(DEFAULT)
        for event in chain.from_iterable(map(splitter.feed, chain([head], chunks))):
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


def _scans(get: Callable[[Any], None], asked: list[Any]) -> Samples:
    """Once: a scan of a gigabyte takes long, and is warm after its first object."""
    return Samples([measuring.seconds(lambda: [get(one) for one in asked]) / len(asked)])


def _in_process(data: Data, n: int) -> Table:
    """In a process that has the file open."""
    quick = {
        BESIDE: partial(measuring.each, data.beside[SPACE].__getitem__, data.keys),
        INSIDE: partial(measuring.each, data.container[SPACE].__getitem__, data.keys),
        BARE: partial(measuring.each, *data.bare()),
    }
    slow = {
        SCAN: _scans(partial(scan, data.path), data.keys[:SCANS]),
        READ: _scans(partial(read, data.path), [end for _, end in data.found[:SCANS]]),
    }
    found = slow | measuring.rounds(quick, n)
    columns = {f"x {BARE}": {name: reporting.short(s.median / found[BARE].median) for name, s in found.items()}}
    title = f"One of {len(data.beside):,} objects in {data.size / 1e6:,.0f} MB"
    ratio = measuring.ratios(found[BESIDE], found[BARE])
    targets = (Target(f"an index beside {data.size / 1e6:,.0f} MB, time against {BARE}", ratio, GET_AT_MOST, "x"),)
    return Table(title, "µs", 1e6, found, more=columns, targets=targets, size=data.size / 1e6)


def _from_shell(data: Data, n: int) -> Table:
    """One command, from fork to exit."""
    program = Path(sys.executable).with_name("objref")
    command, name = [str(program)] if program.exists() else [sys.executable, "-m", "objref"], f"{SPACE}:{data.keys[0]}"
    several = {
        "objref get, index beside it": [*command, "get", str(data.path), name],
        "objref get, container": [*command, "get", str(data.inside), name],
        "python -c pass": [sys.executable, "-c", "pass"],
    }
    found = measuring.rounds({what: partial(_command, words) for what, words in several.items()}, n)
    return Table(f"The same from the shell, {data.size / 1e6:,.0f} MB", "ms", 1e3, found, "python -c pass")


def _command(words: list[str]) -> float:
    call = partial(subprocess.run, words, check=True, stdout=subprocess.DEVNULL, env=measuring.environment())
    return measuring.seconds(call)


# -- making -------------------------------------------------------------------------------------------------


def _making(path: Path, count: int, n: int) -> Table:
    """LMDB appends pairs that lie in memory; the index's builder makes them from columns and appends them; a reader
    compares the tree before LMDB sees a byte. Sparse keys, ascending in the stream."""
    index = _index(count)
    _fresh(path)
    length = build_tree(str(path), index, SystemExit).length
    pairs = list(Tree(str(path), length, SystemExit).entries(b"", b""))
    several: dict[str, Measure] = {
        LOAD: partial(_load, path, pairs),
        BUILD: partial(_build, path, index),
        CHECK: partial(_check, path, length),
    }
    found = measuring.rounds(several, n)
    text, ratio = f"a tree of {count:,} entries, time against LMDB's load", measuring.ratios(found[BUILD], found[LOAD])
    targets = (Target(text, ratio, BUILD_AT_MOST, "x"),)
    return Table(f"Making a tree of {count:,} entries", "ms", 1e3, found, LOAD, targets=targets)


def _index(count: int) -> Index:
    draw = np.random.default_rng(making.SEED)
    keys = np.unique(draw.integers(0, 1 << 40, count + count // 1000 + 1, np.uint64))[:count]
    shape, tables = build_int_keys(keys, np.arange(count, dtype=np.uint32))
    rows = np.arange(2 * count, dtype="<u8") + np.uint64(1 << 48)
    return Index([SpaceTables(0, 0, False, shape, tables)], {"objects": rows}, count, 0, 0, {})


def _load(path: Path, pairs: list[tuple[bytes, bytes]]) -> float:
    _fresh(path)
    with lmdb.open(str(path), subdir=False, lock=False, sync=False, map_size=1 << 34) as environment:
        return measuring.seconds(partial(_append, environment, pairs))


def _append(environment: lmdb.Environment, pairs: list[tuple[bytes, bytes]]) -> None:
    with environment.begin(write=True) as transaction:
        transaction.cursor().putmulti(pairs, append=True)


def _build(path: Path, index: Index) -> float:
    _fresh(path)
    return measuring.seconds(partial(build_tree, str(path), index, SystemExit))


def _check(path: Path, length: int) -> float:
    source = open_path(path, "pread")
    checks = array("Q", [xxh3(source.read(at, min(CHECKED, length - at))) for at in range(0, length, CHECKED)])
    taken = measuring.seconds(lambda: os.close(check_tree(source, length, memoryview(checks), DEFAULT)))
    source.close()
    return taken


def _fresh(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.touch()


# -- report -------------------------------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Table]:
    """Three sizes, what grew, and making."""
    largest, tables = run.scale.megabytes, []
    for megabytes in sorted({max(1, largest // part) for part in (100, 10, 1)}):
        data = Data(run.folder, megabytes)
        try:
            data.agree()
            tables.append(_in_process(data, run.scale.rounds))
            yield tables[-1]
            if megabytes == largest:
                yield _from_shell(data, run.scale.rounds)
                sizes = {"MB": {name: f"{size / 1e6:,.1f}" for name, size in data.sizes.items()}}
                yield Table(f"Making what finds them, {data.size / 1e6:,.0f} MB", "s", 1, data.made, more=sizes)
        finally:
            data.close()
    yield _growth(tables[0], tables[-1])
    for count in run.scale.objects:
        yield _making(run.folder / "seek-tree", count, run.scale.rounds)


def _growth(first: Table, last: Table) -> Table:
    """How many times as long in the largest stream as in the smallest."""
    times = {name: Samples([last.samples[name].median / s.median]) for name, s in first.samples.items()}
    return Table(f"From {first.size:,.0f} to {last.size:,.0f} MB", "times as long", 1, times)


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((1_000_000,), 1000, 9), Scale((200_000,), 100, 3)))
