"""What a bench script shows: tables for the eye, JSON for later, a plot; and the command line they all have.

A script is a docstring, two scales and `measure(run)`, which gives tables.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import measuring
from measuring import Samples

__all__ = ["Run", "Scale", "Table", "Target", "main", "target_lines"]


class Scale(NamedTuple):
    """How much is measured."""

    objects: tuple[int, ...] = ()
    megabytes: int = 0
    rounds: int = 9


class Run(NamedTuple):
    """One call of a script. `folder` may hold what another script made."""

    folder: Path
    scale: Scale
    arguments: list[str]
    quick: bool = False


class Target(NamedTuple):
    """What was promised, and what came of it."""

    text: str
    samples: Samples
    """Round by round, in `unit`."""
    limit: float
    unit: str
    at_least: bool = False

    @property
    def reached(self) -> bool:
        """Whether the median of this run holds."""
        median = self.samples.median
        return median >= self.limit if self.at_least else median <= self.limit

    def cells(self) -> tuple[str, ...]:
        """For a table of targets. The best round says what the machine can do when nobody disturbs."""
        best = max(self.samples.values) if self.at_least else self.samples.best
        numbers = [f"{short(value)} {self.unit}" for value in (self.limit, self.samples.median, best)]
        numbers[0] = f"{'≥' if self.at_least else '≤'} {numbers[0]}"
        return self.text, *numbers, "reached" if self.reached else "**missed**"


class Table(NamedTuple):
    """Candidates of one question. Samples are in base units (seconds, bytes); shown are value × factor."""

    title: str
    unit: str
    factor: float
    samples: dict[str, Samples]
    peer: str = ""
    """The candidate that the others are set against."""
    more: Mapping[str, dict[str, str]] = MappingProxyType({})
    """Further columns: head -> candidate -> cell."""
    targets: tuple[Target, ...] = ()
    left_out: tuple[str, ...] = ()
    """Peers that are not installed here."""
    size: float = 0.0
    """Of the data, in any unit: tables with sizes are drawn as curves, too."""

    def lines(self) -> Iterator[str]:
        """Markdown."""
        peer = self.samples.get(self.peer)
        head = ["", f"{self.unit}, median", "best", "spread", *([f"x {self.peer}"] if peer else []), *self.more]
        rows = []
        for name, s in self.samples.items():
            cells = [name, short(s.median * self.factor), short(s.best * self.factor), f"{s.spread:.0%}"]
            cells += [short(measuring.ratios(s, peer).median)] if peer else []
            rows.append(cells + [column.get(name, "") for column in self.more.values()])
        yield from (f"**{self.title}**", "", *markdown(head, rows))
        if self.left_out:
            yield from ("", f"Not installed here, left out: {', '.join(self.left_out)}.")

    def json(self) -> dict[str, Any]:
        """All values."""
        return {
            **self._asdict(),
            "more": dict(self.more),
            "samples": {name: s.summary() for name, s in self.samples.items()},
            "targets": [t._asdict() | {"samples": t.samples.values, "reached": t.reached} for t in self.targets],
        }


def short(value: float) -> str:
    """Three figures."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """A Markdown table, aligned so that it can be read as it is."""
    head, *rows = ([cell.replace("|", "\\|") for cell in row] for row in (head, *rows))
    widths = [max(len(row[i]) for row in [head, *rows]) for i in range(len(head))]
    for row in (head, ["-" * width for width in widths], *rows):
        yield "| " + " | ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True)) + " |"


def target_lines(targets: Iterable[Target]) -> Iterator[str]:
    """Markdown."""
    return markdown(("target", "promised", "median", "best", ""), [target.cells() for target in targets])


def plot(path: str, tables: list[Table]) -> None:
    """Medians as bars, the range of the rounds as lines; one picture below the other. Last, curves of what grows."""
    import matplotlib

    matplotlib.use("agg")
    from matplotlib import pyplot

    growing = [table for table in tables if table.size]
    heights = [0.9 + 0.32 * len(table.samples) for table in tables] + [4.5] * (len(growing) > 1)
    figure, axes = pyplot.subplots(
        len(heights), figsize=(8, sum(heights)), squeeze=False, gridspec_kw={"height_ratios": heights}
    )
    for axis, table in zip(axes[:, 0], tables, strict=False):
        _bars(axis, table)
    if len(growing) > 1:
        _curves(axes[-1, 0], growing)
    figure.tight_layout()
    figure.savefig(path)


def _bars(axis: Any, table: Table) -> None:
    names, samples = list(table.samples), list(table.samples.values())
    medians = [s.median * table.factor for s in samples]
    ranges = [
        [m - s.best * table.factor for m, s in zip(medians, samples, strict=True)],
        [max(s.values) * table.factor - m for m, s in zip(medians, samples, strict=True)],
    ]
    colours = ["#1f5fa8" if "objref" in name or "import" in name else "#9aa5b1" for name in names]
    axis.barh(names, medians, xerr=ranges, color=colours, ecolor="#444444", capsize=2)
    axis.invert_yaxis()
    axis.set_title(table.title, fontsize=9, loc="left")
    axis.set_xlabel(table.unit, fontsize=8)
    axis.tick_params(labelsize=8)
    if min(medians) > 0 and max(medians) / min(medians) > 50:
        axis.set_xscale("log")


def _curves(axis: Any, tables: list[Table]) -> None:
    for name in tables[0].samples:
        points = [(t.size, t.samples[name].median * t.factor) for t in tables if name in t.samples]
        axis.plot(*zip(*points, strict=True), marker="o", label=name)
    axis.set(xscale="log", yscale="log", xlabel="size of the data", ylabel=tables[0].unit)
    axis.grid(True, alpha=0.3)
    axis.legend(fontsize=8)


def number(text: str) -> int:
    """10k, 1M."""
    units = {"k": 1_000, "M": 1_000_000}
    return int(text[:-1]) * units[text[-1]] if text[-1:] in units else int(text)


def _parse(doc: str, argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=doc.partition("\n")[0])
    parser.add_argument("arguments", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--quick", action="store_true", help="smaller data, fewer rounds: to see that it works")
    parser.add_argument("--objects", metavar="N,…", help="numbers of objects, such as 10k,1M")
    parser.add_argument("--megabytes", type=int, metavar="N", help="MiB of memory pages")
    parser.add_argument(
        "--gigabytes", dest="megabytes", type=lambda n: int(n) << 10, metavar="N", help="GiB of them instead"
    )
    parser.add_argument("--rounds", type=int, metavar="N")
    parser.add_argument("--json", metavar="FILE", help="write all values there")
    parser.add_argument("--plot", metavar="FILE", help="draw them: .svg or .png; needs matplotlib")
    parser.add_argument("--dir", metavar="FOLDER", help="where data is made and found again (default: temporary)")
    return parser.parse_args(argv)


def _scale(args: argparse.Namespace, full: Scale, quick: Scale) -> Scale:
    scale = quick if args.quick else full
    if args.objects:
        scale = scale._replace(objects=tuple(map(number, args.objects.split(","))))
    chosen = {name: value for name in ("megabytes", "rounds") if (value := getattr(args, name)) is not None}
    return scale._replace(**chosen)


def main(
    doc: str, measure: Callable[[Run], Iterable[Table]], full: Scale, quick: Scale, argv: list[str] | None = None
) -> int:
    """Measure and report."""
    args, tables = _parse(doc, argv), []
    with tempfile.TemporaryDirectory() as scratch:
        for table in measure(Run(Path(args.dir or scratch), _scale(args, full, quick), args.arguments, args.quick)):
            tables.append(table)
            print("\n".join(["", *table.lines()]), flush=True)
    if targets := [target for table in tables for target in table.targets]:
        print("\n".join(["", *target_lines(targets)]))
    if args.json:
        about = {"machine": measuring.machine(), "command": sys.argv, "tables": [table.json() for table in tables]}
        Path(args.json).write_text(json.dumps(about, indent=1) + "\n")
    if args.plot:
        plot(args.plot, tables)
    return 0
