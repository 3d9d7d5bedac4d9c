"""How long does it take to find what some objects need? `python bench/closure.py --quick`

Images of N nodes, made with the importer's own tables: one where everything branches (three references a node, at
random), one that is a single loop in stream order, one that is a single loop in random order, one of islands. A closure
is taken of one node in an image that was just opened, so that all index stripes that it meets are read and checked; a
dict of lists in memory, with a set and a stack, is the peer. An island is 100 objects, scattered over the image: the
whole of it, and its first object from a walk, in a process that has done it before and in a new one. Times are those
of the thread.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import making
import measuring
import numpy as np
import numpy.typing as npt
import reporting
from measuring import Measure
from reporting import Run, Scale, Table, Target

import objref
from objref import graph
from objref.collector import Collector
from objref.container.options import Options
from objref.container.output import Output
from objref.container.writer import ContainerWriter
from objref.dialects import events as ev
from objref.limits import DEFAULT
from objref_index import FORM_BYTES, FORM_DECIMAL
from objref_index.build import Columns

Ordinals = npt.NDArray[np.int64]
ISLAND = 100
FIRST, NEW_PROCESS = "first of an island", "first of an island, new process"
TARGETS = {"branching": 0.15, "loop": 1.0, "random loop": 1.0, "island": 5e-3, FIRST: 5e-3}
"""Seconds, of up to a million objects."""
CODE = """
import objref, sys, time
from objref import graph
with objref.open(sys.argv[1], access="map") as image:
    start = time.thread_time()
    next(graph.walk(image, 7))
    print(time.thread_time() - start)
if "numpy" in sys.modules:
    sys.exit("a small closure loads numpy")
"""


class Nodes:
    """What the importer asks of a dialect."""

    name = "nodes"
    kinds = (ev.Kind("member", FORM_BYTES), ev.Kind("node", FORM_DECIMAL))
    roles = (ev.Role("hard", "H"), ev.Role("owned", "O"))


# -- shapes -------------------------------------------------------------------------------------------------


def branching(count: int) -> tuple[Ordinals, Ordinals]:
    """Three references a node, to anywhere."""
    draw = np.random.default_rng(making.SEED)
    return np.sort(draw.integers(0, count, 3 * count)), draw.integers(0, count, 3 * count)


def loop(count: int) -> tuple[Ordinals, Ordinals]:
    """Each refers to the next."""
    nodes = np.arange(count)
    return nodes, np.roll(nodes, -1)


def random_loop(count: int) -> tuple[Ordinals, Ordinals]:
    """One loop through all, in random order."""
    order = np.random.default_rng(making.SEED).permutation(count)
    following = np.empty(count, np.int64)
    following[order] = np.roll(order, -1)
    return np.arange(count), following


def islands(count: int) -> tuple[Ordinals, Ordinals]:
    """Loops of 100, scattered over the whole image."""
    order = np.random.default_rng(making.SEED).permutation(count)
    following = np.empty(count, np.int64)
    whole = order[: count // ISLAND * ISLAND].reshape(-1, ISLAND)
    following[order] = order
    following[whole] = np.roll(whole, -1, axis=1)
    return np.arange(count), following


SHAPES = {"branching": branching, "loop": loop, "random loop": random_loop, "island": islands}


def write_image(path: Path, count: int, sources: Ordinals, targets: Ordinals) -> None:
    """An image of nodes without bytes."""
    with Output(path) as output:
        writer = ContainerWriter(output, Options())
        try:
            collector = Collector(writer, Nodes(), DEFAULT, Columns())  # type: ignore[arg-type]
            nothing = np.zeros(count, np.uint64)
            collector._columns.add(0, np.arange(count, dtype=np.uint64), nothing, nothing + np.uint64(1 << 48))
            kinds, keys = np.ones(len(sources), np.uint16), targets.astype(np.uint64)
            collector._columns.refer(sources.astype(np.uint32), np.zeros(len(sources), np.uint8), 0, kinds, keys)
            writer.end_batch()
            collector.finish({"kind": "tar", "compression": None})
        finally:
            writer.close()
        output.commit()


# -- closures -----------------------------------------------------------------------------------------------


def close_over(path: Path, root: int, expected: int) -> float:
    """Seconds for a closure in an image that was just opened."""
    found: list[int] = []
    with objref.open(path, access="map") as image:
        limit = image.container.footer.objects
        # Objects are made when they are asked for, which is not asked here.
        taken = measuring.each(lambda root: found.append(len(image.closure(root, limit=limit))), [root])
    if found != [expected]:
        raise SystemExit(f"{path.name}: a closure of {found[0]}, the model has {expected}")
    return taken


def first_result(path: Path, draw: random.Random, count: int) -> float:
    """Seconds from an open image to the first object of an island."""
    with objref.open(path, access="map") as image:
        return measuring.each(lambda root: next(graph.walk(image, root)), [draw.randrange(count // ISLAND * ISLAND)])


def in_new_process(path: Path) -> float:
    """Seconds for the first closure of a process that has not loaded numpy."""
    command = [sys.executable, "-c", CODE, str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, env=measuring.environment())
    return float(done.stdout)


def modelled(lists: dict[int, list[int]], root: int) -> set[int]:
    """The peer: a dict of lists, a set and a stack."""
    seen, stack = {root}, [root]
    while stack:
        for target in lists.get(stack.pop(), ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen


def _lists(sources: Ordinals, targets: Ordinals) -> dict[int, list[int]]:
    lists: dict[int, list[int]] = {}
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        lists.setdefault(source, []).append(target)
    return lists


# -- report -------------------------------------------------------------------------------------------------


def measure(run: Run) -> Iterator[Table]:
    """One table for each number of objects."""
    for count in run.scale.objects:
        found = measuring.rounds(dict(_candidates(run.folder, count)), run.scale.rounds)
        targets = [
            Target(f"closure in {count:,} objects: {name}", found[name].times(1e3), most * 1e3, "ms")
            for name, most in TARGETS.items()
            if count == max(run.scale.objects)
        ]
        yield Table(f"Closures in {count:,} objects", "ms", 1e3, found, targets=tuple(targets), size=count)


def _candidates(folder: Path, count: int) -> Iterator[tuple[str, Measure]]:
    for name, shape in SHAPES.items():
        sources, targets = shape(count)
        path, root = folder / f"closure-{name.replace(' ', '-')}-{count}.objref", int(sources[0])
        if not path.exists():
            write_image(path, count, sources, targets)
        yield from _closures(name, path, root, partial(_lists, sources, targets))
    yield FIRST, partial(first_result, path, random.Random(making.SEED), count)
    yield NEW_PROCESS, partial(in_new_process, path)


def _closures(
    name: str, path: Path, root: int, lists: Callable[[], dict[int, list[int]]]
) -> Iterator[tuple[str, Measure]]:
    if name == "island":
        yield name, partial(close_over, path, root, ISLAND)
    else:
        model = partial(modelled, lists())
        yield name, partial(close_over, path, root, len(model(root)))
        yield f"{name}, dict and set", partial(measuring.each, model, [root])


if __name__ == "__main__":
    scales = Scale((10_000, 100_000, 1_000_000), 0, 7), Scale((10_000, 200_000), 0, 3)
    sys.exit(reporting.main(__doc__ or "", measure, *scales))
