"""`objref ls`."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from typing import Any

from objref.cli.terminal import safe, size
from objref.errors import UsageError

HELP = """\
List objects: objref, size, what is known at a glance. Without KIND, the kinds.

  objref ls x.objref              the kinds
  objref ls x.objref task         all tasks
  objref ls x.objref 1/pagemap    those of layer 1
  objref ls x.objref all          every object, in stream order
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("kind", metavar="KIND", nargs="?", help="a kind, or `all`")
    parser.add_argument("--json", action="store_true", help="one JSON object a line")


def run(args: argparse.Namespace) -> int:
    """Print."""
    from objref.image import open_image

    with open_image(args.image, access="pread") as image:
        if args.kind is None:
            _kinds(image, args.json)
        else:
            _objects(image, args.kind, args.json)
    return 0


def _kinds(image: Any, as_json: bool) -> None:
    for kind in image.kinds():
        if as_json:
            print(json.dumps(kind._asdict()))
        else:
            print(f"{safe(kind.name):<16}{kind.objects:>9}{size(kind.bytes):>11}")


def _select(image: Any, kind: str) -> Iterator[Any]:
    if kind == "all":
        yield from image.objects()
        return
    if ":" in kind:
        raise UsageError(
            f"{kind} is one object: objref show shows it; ls takes a KIND, such as {kind.partition(':')[0]}"
        )
    layers = [layer for layer, name in image.spaces() if name == kind]
    if "/" in kind or not layers:
        yield from image.space(kind).objects()
        return
    for layer in layers:
        yield from image.space(kind, layer).objects()


def _objects(image: Any, kind: str, as_json: bool) -> None:
    for found in _select(image, kind):
        if as_json:
            print(json.dumps({"objref": found.objref, "kind": found.kind, "size": found.size, "brief": found.brief}))
        else:
            print(f"{safe(found.objref):<24} {size(found.size):>8}  {safe(found.brief)}".rstrip())
