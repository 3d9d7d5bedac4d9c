"""`objref graph`."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from typing import Any, get_args

from objref.cli.destination import refuse_inputs
from objref.cli.terminal import count, number, safe
from objref.errors import SourceError, UsageError

HELP = """\
Draw objects and the references between them with Graphviz.

  objref graph x.objref task:17 -o task.svg         what task 17 needs
  objref graph x.objref -o all.svg                  everything, folded by kind
  objref graph x.objref file:31 --direction reverse -o who.png
  objref graph x.objref task:17 -o - | dot -Tps     Graphviz's language

SVG, PNG and PDF need Graphviz's program `dot`. Kinds with many objects are
folded into one box each until no more than --max-nodes boxes are left.
"""
DRAWN = (".svg", ".png", ".pdf")
SECONDS = 120


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    from objref.graph import Direction

    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("objrefs", metavar="OBJREF", nargs="*", help="such as task:17; default: all objects")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True, help=".dot, .svg, .png or .pdf; - writes .dot to the output"
    )
    parser.add_argument("--max-nodes", type=number, metavar="N", default=60, help="boxes (default: 60)")
    parser.add_argument("--kind", action="append", metavar="KIND", help="only objects of this kind; repeatable")
    parser.add_argument("--direction", choices=get_args(Direction), default="needs", help="default: needs")
    parser.add_argument("--role", action="append", metavar="ROLE", help="follow only this role; repeatable")
    parser.add_argument("--without", action="append", metavar="ROLE", help="do not follow this role; repeatable")
    parser.add_argument("--strengths", metavar="LETTERS", help="follow these strengths (default: HKO)")
    parser.add_argument("--force", action="store_true", help="replace FILE if it exists")


def run(args: argparse.Namespace) -> int:
    """Draw."""
    from objref.graph import closure
    from objref.image import open_image
    from objref.picture import picture

    if args.max_nodes < 1:
        raise UsageError("--max-nodes is 1 or more")
    suffix = _suffix(args.output)
    refuse_inputs(args.output, args.image)
    with open_image(args.image, access="pread") as image:
        for kind in args.kind or ():
            image.kind_number(kind)
        options = {"direction": args.direction, "roles": args.role, "without": args.without or ()}
        roots = args.objrefs or range(len(image))
        found = closure(image, roots, strengths=args.strengths, **options)
        drawn = picture(found, most=args.max_nodes, kinds=args.kind or ())
    if args.output == "-":
        sys.stdout.flush()
        sys.stdout.buffer.write(drawn.dot.encode())  # DOT is UTF-8, whatever the locale
    else:
        _write(args.output, _rendered(drawn.dot, suffix) if suffix in DRAWN else drawn.dot.encode(), args.force)
        _tell(args.output, drawn)
    return 0


def _suffix(output: str) -> str:
    suffix = os.path.splitext(output)[1].lower()
    if output != "-" and suffix not in (*DRAWN, ".dot", ".gv"):
        raise UsageError(f"{output}: the name must end in .dot, .gv, {', '.join(DRAWN)}, or be -")
    return suffix


def _rendered(dot: str, suffix: str) -> bytes:
    try:
        done = subprocess.run(["dot", f"-T{suffix[1:]}"], input=dot.encode(), capture_output=True, timeout=SECONDS)
    except FileNotFoundError:
        raise UsageError(f"{suffix} needs Graphviz's program `dot`, which is not here; write a .dot instead") from None
    except subprocess.TimeoutExpired:
        raise SourceError(f"dot was not done after {SECONDS} s: fewer --max-nodes, or --kind") from None
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()
        raise SourceError(f"dot failed with code {done.returncode}: {said[:500]}")
    return done.stdout


def _write(path: str, data: bytes, replace: bool) -> None:
    from objref.container.output import Output

    with Output(path, replace=replace) as output:
        output.write(data)
        output.commit()


def _tell(path: str, drawn: Any) -> None:
    print(f"{safe(path)}: {count(drawn.objects, 'object')}, {count(drawn.references, 'reference')}")
    if drawn.folded:
        several = ", ".join(f"{n} {safe(kind)}" for kind, n in drawn.folded.items())
        print(f"folded into one box each: {several} (--max-nodes, --kind)", file=sys.stderr)
