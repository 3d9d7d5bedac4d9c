"""`objref extract`."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
import textwrap
from collections.abc import Iterator
from typing import TYPE_CHECKING

from objref.cli.destination import refuse_inputs
from objref.cli.terminal import safe, size
from objref.errors import UsageError

if TYPE_CHECKING:
    from objref.dialects.plan import Cut, Plan, Scope

HELP = """\
Make a smaller image with just what some tasks need: a directory that the stock
`criu restore` accepts, or a tar of it; of linux-cr a shorter stream; or another
.objref file.

  objref extract x.objref task:17 -o worker     task 17 and all its descendants
  objref extract x.objref task:17 --alone -o worker          without descendants
  objref extract x.objref task:17 --dry-run            what it would be, and cut

What is cut (a pipe to a task that is left out, a socket's peer, …) is listed
first. Where the programs would suffer, extract stops until you say what they
shall get: --cut pipe=drop, or for one object --cut pipe:96180=external.
"""
COLUMNS = 80
PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-")
SHOWN = 8
"""Files on disk that are named one by one, outside of --dry-run."""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("objrefs", metavar="OBJREF", nargs="+", help="such as task:17")
    parser.add_argument(
        "-o", "--output", metavar="DEST", help="what to make, or - for a tar or stream on standard output"
    )
    parser.add_argument(
        "--as",
        dest="form",
        choices=("auto", "directory", "tar", "stream", "objref"),
        default="auto",
        help="default: by suffix",
    )
    parser.add_argument("--alone", action="store_true", help="only the tasks named, without their descendants")
    parser.add_argument(
        "--cut", metavar="WHAT=POLICY", action="append", default=[], help="may be given again, or joined by commas"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the plan, write nothing")
    parser.add_argument("--stats", action="store_true", help="say how much of the image was read")
    parser.add_argument("--force", action="store_true", help="replace DEST if it is a file that exists")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Extract."""
    from objref.container.source import CountedSource, open_path
    from objref.extracting import check_cuts, extract_image, plan_extract
    from objref.image import open_image

    if args.output is None and not args.dry_run:
        raise UsageError("say where to: -o DEST, or --dry-run to see what it would be")
    to_pipe = args.output == "-"
    if to_pipe and sys.stdout.isatty() and not args.dry_run:
        raise UsageError("standard output is a terminal: pipe it into something, or name a DEST")
    refuse_inputs(args.output, args.image)
    out = sys.stderr if to_pipe and not args.dry_run else sys.stdout
    source = CountedSource(open_path(args.image, "pread"))
    with open_image(source) as image:
        scope: Scope = "alone" if args.alone else "subtree"
        plan = plan_extract(image, tuple(args.objrefs), scope=scope, cut=_policies(args.cut))
        if not args.quiet:
            _print(_cut_lines(plan), out)
        if not args.dry_run:
            dest = sys.stdout.buffer if to_pipe else args.output
            extract_image(image, plan, dest, form=args.form, replace=args.force)
        if not args.quiet:
            _print(_result_lines(plan, args), out)
        if args.dry_run:
            check_cuts(plan)
        if args.stats:
            _print([f"read {size(source.done)} of {size(source.tally.length)} in {source.reads} reads"], out)
    return 0


def _policies(given: list[str]) -> dict[str, str]:
    """`pipe=drop,unix=hold`. The last word on a thing counts."""
    found = {}
    for part in (part for text in given for part in text.split(",")):
        name, equals, policy = part.rpartition("=")
        if not equals or not name:
            raise UsageError(f"--cut {part!r}: expected WHAT=POLICY, such as pipe=drop or pipe:96180=external")
        found[name] = policy
    return found


def _print(lines: Iterator[str] | list[str], out: object) -> None:
    for line in lines:
        print(safe(line), file=out)  # type: ignore[call-overload]  # a text file


# -- what is said -------------------------------------------------------------------------------------------


def _cut_lines(plan: Plan) -> Iterator[str]:
    """Every cut; those of one kind and meaning as one."""
    groups: dict[tuple[str, str, str], list[Cut]] = {}
    for cut in plan.cuts:
        groups.setdefault((cut.name, cut.policy, cut.meaning), []).append(cut)
    for (name, policy, meaning), cuts in groups.items():
        first = cuts[0]
        yield from _wrapped(f"cut {name}={policy}: {first.source} → {first.target} ({first.role}){_more(cuts)}")
        yield from _wrapped(meaning, "    ")
        if policy == "fail":
            yield from _wrapped(f"choose: {', '.join(choice for choice in first.choices if choice != 'fail')}", "    ")


def _more(cuts: list[Cut]) -> str:
    return f" and {len(cuts) - 1} more" if len(cuts) > 1 else ""


def _result_lines(plan: Plan, args: argparse.Namespace) -> Iterator[str]:
    for note in plan.notes:
        yield from _wrapped(f"note: {note}")
    tasks = f"{len(plan.kept)} task{'s' * (len(plan.kept) != 1)}"
    what = args.output
    if args.dry_run:
        what = "would be refused; once decided" if plan.refused else "would be"
    if plan.objects:
        yield f"{what}: {len(plan.objects)} objects"
        return
    files = "" if plan.stream else f"{len(plan.files)} files, "
    yield f"{what}: {tasks}, {files}{size(plan.size)}"
    yield from _disk_lines(plan.on_disk, all_of_them=args.dry_run)
    for text in plan.descriptors:
        yield from _wrapped(f"descriptor {text}")
    if plan.command and not plan.refused:
        yield restore_line(plan, args.output, args.form)


def _disk_lines(paths: tuple[str, ...], *, all_of_them: bool) -> Iterator[str]:
    if not paths:
        return
    shown = paths if all_of_them else [path for path in paths if not path.startswith(("/usr/", "/lib"))][:SHOWN]
    rest = len(paths) - len(shown)
    if shown:
        yield "must be on disk as at the dump:"
    for path in shown:
        yield f"    {path}"
    if rest and shown:
        yield f"    and {rest} more (--dry-run names them)"
    elif rest:
        yield f"{rest} files must be on disk as at the dump (--dry-run names them)"


def restore_line(plan: Plan, output: str | None, form: str) -> str:
    """What makes the tasks run again, for a shell; so it is not broken into lines. DIR is any folder that is not there
    yet; a tar on standard output is expected on standard input."""
    from objref.extracting import form_of

    form = form_of(output or "DIR") if form == "auto" else form
    if output == "-":
        form, first = "tar", "mkdir DIR && tar xf - -C DIR && "
    else:
        first = UNPACK[form].format(_quoted(output or "DIR"))
    folder = _quoted(output or "DIR") if form == "directory" else "DIR"
    return f"restore: {first}" + " ".join(folder if word == "{}" else _quoted(word) for word in plan.command)


UNPACK = {
    "directory": "",
    "tar": "mkdir DIR && tar xf {} -C DIR && ",
    "objref": "objref export {} --as directory -o DIR && ",
}


def _quoted(word: str) -> str:
    """For a shell, in characters that a terminal shows as they are."""
    if word.isprintable():
        return shlex.quote(word)
    return "$'" + "".join(chr(b) if chr(b) in PLAIN else f"\\{b:03o}" for b in os.fsencode(word)) + "'"


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, COLUMNS, initial_indent=indent, subsequent_indent=indent or "    ", break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip
