"""`objref show`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from objref.cli.terminal import Paint, safe, size

HELP = """\
Show objects for reading: fields, references from and to. With --json: the field
names and values of `crit show`; `member:NAME` of an image file gives what
`crit show NAME` prints.

  objref show x.objref task:17 file:31
  objref show x.objref member:pstree.img --json
"""
SHOWN_REFERENCES = 40
SHOWN_RANGES = 40
WIDTH = 80


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("objrefs", metavar="OBJREF", nargs="+", help="such as task:17")
    parser.add_argument("--json", action="store_true", help="fields only, as `crit show` has them; one document each")
    parser.add_argument("--all", action="store_true", help="all references and ranges, however many")


def run(args: argparse.Namespace) -> int:
    """Print."""
    from objref.image import open_image

    with open_image(args.image, access="pread") as image:
        for i, name in enumerate(args.objrefs):
            found = image.object(name)
            if args.json:
                print(json.dumps(found.decode(), indent=4))
            else:
                print("\n" * bool(i), end="")
                for line in _lines(found, Paint(sys.stdout), args.all):
                    print(line)
    return 0


def _lines(found: Any, paint: Paint, everything: bool) -> Iterator[str]:
    yield f"{paint('bold', safe(found.objref))}  {size(found.size)}"
    if found.decodes:
        yield from _fields(found.decode(), "  ", paint)
    elif found.sparse:
        yield from _ranges(found.ranges, paint, everything)
    yield from _references(found.references, "→", paint, everything)
    yield from _references(found.referrers, "←", paint, everything)


def _ranges(ranges: list[tuple[int, int]], paint: Paint, everything: bool) -> Iterator[str]:
    shown = len(ranges) if everything else SHOWN_RANGES
    for start, stop in ranges[:shown]:
        yield f"  {start:#018x}..{stop:#018x}  {size(stop - start):>8}"
    if len(ranges) > shown:
        yield paint("dim", f"  and {len(ranges) - shown} more ranges (--all)")


def _references(references: list[Any], arrow: str, paint: Paint, everything: bool) -> Iterator[str]:
    shown = len(references) if everything else SHOWN_REFERENCES
    for reference in references[:shown]:
        other = reference.target_objref if arrow == "→" else reference.source.objref
        lost = paint("yellow", "  not in the image") if reference.dangling else ""
        yield f"  {paint('cyan', arrow)} {reference.role:<16} {safe(other)}{lost}"
    if len(references) > shown:
        yield paint("dim", f"  {arrow} and {len(references) - shown} more (--all)")


def _fields(value: dict[str, Any], indent: str, paint: Paint) -> Iterator[str]:
    for name, field in value.items():
        yield from _field(name, field, indent, paint)


def _field(name: str, value: Any, indent: str, paint: Paint) -> Iterator[str]:
    label = f"{indent}{paint('blue', name)}:"
    if isinstance(value, dict):
        yield label
        yield from _fields(value, indent + "  ", paint)
    elif isinstance(value, list) and any(isinstance(item, dict) for item in value):
        yield label
        for item in value:
            yield f"{indent}-"
            yield from (
                _fields(item, indent + "  ", paint) if isinstance(item, dict) else [f"{indent}  {safe(str(item))}"]
            )
    elif isinstance(value, list):
        yield from _wrapped(label, len(indent) + len(name) + 1, value, indent + "  ")
    else:
        yield f"{label} {safe(str(value))}"


def _wrapped(label: str, used: int, values: list[Any], indent: str) -> Iterator[str]:
    """A list of scalars, filled to 80 columns."""
    line = label
    for value in values:
        text = safe(str(value))
        if used + 1 + len(text) > WIDTH and used > len(indent):
            yield line
            line, used = indent[:-1], len(indent) - 1
        line += f" {text}"
        used += 1 + len(text)
    yield line
