"""How long does opening an image take? `python bench/opening.py --quick`

In a process that has done it before, by itself and with the first object that is read, against opening an lmdb
environment with the same objects. Times are those of the thread.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from time import thread_time

import making
import measuring
import peers
import reporting
from reporting import Run, Scale, Table, Target

import objref

LIMIT = 100
EACH = 20
"""Openings that one value is the mean of."""


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    left_out = () if find_spec("lmdb") else ("lmdb",)
    for count in run.scale.objects:
        image, middle = making.image(making.files_image(run.folder, count)), count // 2
        several: dict[str, measuring.Measure] = {
            "objref.open": partial(_objref, image, 0),
            "objref.open, first object": partial(_objref, image, middle),
        }
        if not left_out:
            path = peers.lmdb_environment(run.folder, count)
            several["lmdb.open, begin"] = partial(_lmdb, path, 0)
            several["lmdb.open, begin, first get"] = partial(_lmdb, path, middle)
        found = measuring.rounds(several, run.scale.rounds)
        targets = [Target(f"opening {count:,} objects, warm", found["objref.open"].times(1e6), LIMIT, "µs")]
        if not left_out:
            against = measuring.ratios(found["objref.open"], found["lmdb.open, begin"])
            targets.append(Target(f"opening {count:,} objects, against lmdb", against, 1.0, "x"))
        title = f"Opening {count:,} objects in a warm process"
        yield Table(title, "µs", 1e6, found, "lmdb.open, begin", targets=tuple(targets), left_out=left_out)


def _objref(path: Path, key: int) -> float:
    """Seconds to open an image and, if there is a key, to read one object. Closing does not count."""
    done = 0.0
    for _ in range(EACH):
        start = thread_time()
        image = objref.open(path, access="map")
        if key:
            image["file"][key]
        done += thread_time() - start
        image.close()
    return done / EACH


def _lmdb(path: Path, key: int) -> float:
    """Seconds to open an environment, to begin a read transaction and, if there is a key, to get one object."""
    done = 0.0
    for _ in range(EACH):
        start = thread_time()
        with peers.open_lmdb(path) as txn:
            if key:
                txn.get(peers.KEY.pack(key))
            done += thread_time() - start
    return done / EACH


if __name__ == "__main__":
    sys.exit(reporting.main(__doc__ or "", measure, Scale((10_000, 10_000_000), 0, 25), Scale((10_000, 200_000))))
