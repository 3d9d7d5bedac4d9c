"""`objref convert`."""

from __future__ import annotations

import argparse
import sys

from objref.cli.destination import refuse_inputs
from objref.cli.terminal import progress, safe, size
from objref.errors import UsageError

HELP = """\
Convert a checkpoint stream to another layout of its format, pipe to pipe:

  objref convert --to v23-rc2 < old.cr > new.cr
  zcat old.cr.gz | objref convert --to v23-rc1 | restart …

What comes out converts back to the same bytes. What has no exact counterpart is
refused with its position; what was written before that is no whole stream (of
a file named with -o nothing is left). Layouts of linux-cr: v23-rc1 (numbering
of v20 to v23-rc1), b6cdf01, v23-rc2 (numbering of 2011).
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("source", metavar="SOURCE", nargs="?", default="-", help="default: standard input")
    parser.add_argument("--to", metavar="LAYOUT", required=True, help="the layout to make")
    parser.add_argument(
        "--from", dest="origin", metavar="LAYOUT", help="that of SOURCE, where the stream does not tell"
    )
    parser.add_argument("-o", "--output", metavar="DEST", default="-", help="file to make (default: standard output)")
    parser.add_argument("--force", action="store_true", help="replace DEST if it is a file that exists")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Convert."""
    from objref.converter import convert_stream

    to_pipe, from_pipe = args.output == "-", args.source == "-"
    if to_pipe and sys.stdout.isatty():
        raise UsageError("standard output is a terminal: pipe it into something, or name a file with -o")
    if from_pipe and sys.stdin.isatty():
        raise UsageError("standard input is a terminal: pipe a stream into it, or name a SOURCE")
    refuse_inputs(args.output, args.source)
    source = sys.stdin.buffer if from_pipe else args.source
    dest = sys.stdout.buffer if to_pipe else args.output
    with progress("convert", None) as shown:
        done = convert_stream(source, dest, to=args.to, origin=args.origin, replace=args.force, progress=shown)
    if not to_pipe and not args.quiet:
        print(f"{safe(args.output)}: {size(done.written)} from {size(done.read)} of {done.dialect}")
    return 0
