"""`objref refs`."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable
from itertools import chain, islice
from typing import Any

from objref.cli.terminal import Paint, number, safe
from objref.errors import UsageError

HELP = """\
Show what an object refers to, and what refers to it.

  objref refs x.objref task:17                 both, one step
  objref refs x.objref task:17 --depth 9       what that refers to as well, …
  objref refs x.objref file:31 --reverse       only what refers to it
  objref refs x.objref mm:17 --role mapping --role exe

The letter behind a role is its strength: H the target must exist, S it may be
missing, K it belongs to the source, O one exists because of the other.
An object is opened out once: (above) says that it was, (loop) that this branch
hangs from it, (dangling) that it is not in the image.
"""
COLOURS = {"loop": "yellow", "above": "dim", "dangling": "red"}
LINES = 1000


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("objref", metavar="OBJREF", help="such as file:31")
    parser.add_argument("--depth", type=number, metavar="N", default=1, help="steps (default: 1)")
    parser.add_argument("--reverse", action="store_true", help="only what refers to it")
    parser.add_argument("--role", action="append", metavar="ROLE", help="only references of this role; repeatable")
    parser.add_argument("--lines", type=number, metavar="N", default=LINES, help=f"at most (default: {LINES})")
    parser.add_argument("--json", action="store_true", help="one JSON object a reference, with `--lines`")


def run(args: argparse.Namespace) -> int:
    """Print."""
    from objref.branches import branches
    from objref.image import open_image

    if args.depth < 1 or args.lines < 1:
        raise UsageError("--depth and --lines are 1 or more")
    with open_image(args.image, access="pread") as image:
        root = image.object(args.objref)
        show = _as_json if args.json else _as_tree
        for reverse in (True,) if args.reverse else (False, True):
            show(root, reverse, branches(root, reverse=reverse, depth=args.depth, roles=args.role), args.lines)
    return 0


def _as_tree(root: Any, reverse: bool, found: Iterable[Any], lines: int) -> None:
    paint, rest = Paint(sys.stdout), iter(found)
    first = list(islice(rest, 1))  # before anything is printed: an unknown role is found out here
    brief = f"  {safe(root.brief)}" if root.brief else ""
    print(paint("bold", safe(root.objref)) + brief if not reverse else f"{safe(root.objref)} is referred to by")
    count = 0
    for branch in islice(chain(first, rest), lines):
        print(_line(paint, branch, "←" if reverse else "→"))
        count += 1
    if not count:
        print("└─ nothing")
    elif next(rest, None) is not None:
        print(f"… and more: only the first {lines} lines are shown (--lines)")


def _line(paint: Paint, branch: Any, arrow: str) -> str:
    *outer, last = branch.lasts
    stems = "".join("   " if ended else "│  " for ended in outer) + ("└─ " if last else "├─ ")
    reference = branch.reference
    role = paint("cyan", safe(reference.role)) + f" {reference.strength} {arrow} "
    if branch.mark:
        return f"{stems}{role}{safe(branch.objref)} {paint(COLOURS[branch.mark], f'({branch.mark})')}"
    brief = f"  {safe(branch.other.brief)}".rstrip()
    return stems + role + safe(branch.objref) + paint("dim", brief) * bool(brief)


def _as_json(root: Any, reverse: bool, found: Iterable[Any], lines: int) -> None:
    for branch in islice(found, lines):
        reference = branch.reference
        print(
            json.dumps(
                {
                    "source": reference.source.objref, "role": reference.role, "strength": reference.strength,
                    "target": reference.target_objref, "dangling": reference.dangling, "reverse": reverse,
                    "depth": branch.depth, "mark": branch.mark,
                }
            )
        )  # fmt: skip
