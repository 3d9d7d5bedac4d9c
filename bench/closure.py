"""What some objects need, against how many there are: `python bench/closure.py --quick`.

Images of N nodes, made with the importer's own tables: one where everything branches (three references a node, at
random), one that is a single loop in stream order, one that is a single loop in random order, one of islands. A closure
is taken of one node in an image that was just opened, so that all index stripes that it meets are read and checked; a
dict of lists in memory, with a set and a stack, is the peer. An island is 100 objects, scattered over the image: the
whole of it, and its first object from a walk, in a process that has done it before and in a new one.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import making
import measuring
import numpy as np
import numpy.typing as npt

import objref
from objref import graph
from objref.container.options import Options
from objref.container.output import Output
from objref.container.writer import ContainerWriter
from objref.dialects import events as ev
from objref.importer import _Collector
from objref.limits import DEFAULT
from objref_index import FORM_BYTES, FORM_DECIMAL

Ordinals = npt.NDArray[np.int64]
ISLAND = 100
TARGETS = {"branching": 0.15, "loop": 1.0, "random loop": 1.0, "island": 5e-3, "first": 5e-3}
"""Seconds, for 1 M objects; of islands for any number."""


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


class Nodes:
    """What the importer asks of a dialect."""

    name = "nodes"
    kinds = (ev.Kind("member", FORM_BYTES), ev.Kind("node", FORM_DECIMAL))
    roles = (ev.Role("hard", "H"), ev.Role("owned", "O"))


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
            collector = _Collector(writer, Nodes(), DEFAULT)  # type: ignore[arg-type]
            nothing = np.zeros(count, np.uint64)
            collector._columns.add(0, np.arange(count, dtype=np.uint64), nothing, nothing + np.uint64(1 << 48))
            kinds, keys = np.ones(len(sources), np.uint16), targets.astype(np.uint64)
            collector._columns.refer(sources.astype(np.uint32), np.zeros(len(sources), np.uint8), 0, kinds, keys)
            writer.end_batch()
            collector.finish({"kind": "tar", "compression": None})
        finally:
            writer.close()
        output.commit()


def seconds(clock: str, call: Callable[[], Any]) -> float:
    """How long a call takes by a clock."""
    now = CLOCKS[clock]
    start = now()
    call()
    return now() - start


def close_over(clock: str, path: Path, root: int, expected: int) -> float:
    """Seconds for a closure in an image that was just opened."""
    with objref.open(path, access="map") as image:
        limit = image.container.footer.objects
        found: list[Any] = []
        taken = seconds(clock, lambda: found.append(image.closure(root, limit=limit)))
    if len(found[0]) != expected:
        raise SystemExit(f"{path.name}: a closure of {len(found[0])}, the model has {expected}")
    return taken


def first_result(clock: str, path: Path, draw: random.Random, count: int) -> float:
    """Seconds from an open image to the first object of an island."""
    with objref.open(path, access="map") as image:
        root = draw.randrange(count // ISLAND * ISLAND)
        return seconds(clock, lambda: next(graph.walk(image, root)))


def modelled(lists: dict[int, list[int]], root: int) -> set[int]:
    """The peer: a dict of lists, a set and a stack."""
    seen, stack = {root}, [root]
    while stack:
        for target in lists.get(stack.pop(), ()):
            if target not in seen:
                seen.add(target)
                stack.append(target)
    return seen


def cold(clock: str, path: Path) -> float:
    """Seconds for the first closure of a process that has not loaded numpy."""
    code = f"""if True:
        import objref, sys, time
        from objref import graph
        with objref.open({str(path)!r}, access="map") as image:
            start = time.{CLOCKS[clock].__name__}()
            next(graph.walk(image, 7))
            print(time.{CLOCKS[clock].__name__}() - start)
        assert "numpy" not in sys.modules"""
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, env=measuring.environment())
    return float(done.stdout)


def measure(clock: str, folder: Path, count: int, n: int) -> dict[str, measuring.Samples]:
    """Seconds, by shape and peer."""
    several: dict[str, Callable[[], float]] = {}
    draw = random.Random(making.SEED)
    for name, shape in SHAPES.items():
        sources, targets = shape(count)
        path = folder / f"{name.replace(' ', '-')}.objref"
        write_image(path, count, sources, targets)
        several |= _closures(clock, name, path, sources, targets)
    several["first"] = partial(first_result, clock, path, draw, count)
    several["first, new process"] = partial(cold, clock, path)
    return measuring.rounds(several, n)


def _closures(
    clock: str, name: str, path: Path, sources: Ordinals, targets: Ordinals
) -> dict[str, Callable[[], float]]:
    root = int(sources[0])
    if name == "island":
        return {name: partial(close_over, clock, path, root, ISLAND)}
    lists = _lists(sources, targets)
    size = len(modelled(lists, root))
    return {
        name: partial(close_over, clock, path, root, size),
        f"{name}, dict and set": partial(_peer, clock, lists, root),
    }


def _lists(sources: Ordinals, targets: Ordinals) -> dict[int, list[int]]:
    lists: dict[int, list[int]] = {}
    for source, target in zip(sources.tolist(), targets.tolist(), strict=True):
        lists.setdefault(source, []).append(target)
    return lists


def _peer(clock: str, lists: dict[int, list[int]], root: int) -> float:
    return seconds(clock, lambda: modelled(lists, root))


def show(count: int, found: dict[str, measuring.Samples]) -> dict[str, Any]:
    """Print a table; returns what goes into the JSON."""
    rows = [(name, f"{s.median * 1e3:,.2f}", f"{s.best * 1e3:,.2f}", f"{s.spread:.0%}") for name, s in found.items()]
    measuring.table(f"Closures in {count:,} objects", ("", "ms, median", "ms, best", "spread"), rows)
    reached = {}
    for name, most in TARGETS.items():
        if name in ("island", "first") or count == 1_000_000:
            reached[name] = {"measured": found[name].median, "at most": most, "reached": found[name].median <= most}
    return {"objects": count, "seconds": {k: s.summary() for k, s in found.items()}, "targets": reached}


def plot(path: str, results: list[dict[str, Any]]) -> None:
    """Time against N."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(7.5, 4.8))
    sizes = [r["objects"] for r in results]
    for name in results[0]["seconds"]:
        style = {"linewidth": 1.0, "linestyle": "--"} if "," in name else {"linewidth": 2.0}
        axes.plot(sizes, [r["seconds"][name]["median"] for r in results], marker="o", label=name, **style)
    axes.set(xscale="log", yscale="log", xlabel="objects in the image", ylabel="seconds for a closure")
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
    parser.add_argument("--sizes", default="10k,100k,1M", help="numbers of objects (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--quick", action="store_true", help="about a minute: three rounds")
    parser.add_argument("--clock", choices=tuple(CLOCKS), default="wall", help="cpu: where others use the machine too")
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--plot", metavar="FILE", help=".svg or .png; needs matplotlib")
    parser.add_argument("--dir", help="where the data is made (default: the system's folder for temporary files)")
    return parser.parse_args(argv)


def main(argv: list[str] | None = None) -> int:
    """Measure and report."""
    args = parse(argv)
    pinned, results = measuring.pin(), []
    for count in map(number, args.sizes.split(",")):
        with tempfile.TemporaryDirectory(dir=args.dir) as folder:
            results.append(show(count, measure(args.clock, Path(folder), count, 3 if args.quick else args.rounds)))
    if args.json:
        measuring.write_json(args.json, {"pinned": pinned, "clock": args.clock, "results": results})
    if args.plot:
        plot(args.plot, results)
    return 0


if __name__ == "__main__":
    sys.exit(main())
