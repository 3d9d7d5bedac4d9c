"""`objref export`."""

from __future__ import annotations

import argparse
import sys

from objref.cli.terminal import progress, safe, size
from objref.errors import UsageError

HELP = """\
Give the original back, byte for byte; its SHA-256 is checked on the way.

A directory comes back as a directory (names, contents, modes, owners when root,
times, links, holes), an archive as the uncompressed tar, any other stream as it
was. `-o -` writes to standard output, of a directory its tar:

  objref export x.objref -o restored
  objref export x.objref -o - | tar x
  objref export x.objref --as directory -o restored    an archive, unpacked
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("-o", "--output", metavar="DEST", required=True, help="the file or directory to make, or -")
    parser.add_argument(
        "--as",
        dest="form",
        choices=("auto", "directory", "tar"),
        default="auto",
        help="tar: the stream as one file; default: as it was",
    )
    parser.add_argument(
        "--devices",
        choices=("refuse", "create"),
        default="refuse",
        help="create: device nodes of a directory, too, which takes root (default: refuse them)",
    )
    parser.add_argument("--force", action="store_true", help="replace DEST if it is a file")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Export."""
    from objref.exporter import export_image
    from objref.image import open_image

    to_pipe = args.output == "-"
    if to_pipe and sys.stdout.isatty():
        raise UsageError("standard output is a terminal: pipe it into something, or name a DEST")
    with open_image(args.image, access="pread") as image, progress("export", image.stream_length) as shown:
        dest = sys.stdout.buffer if to_pipe else args.output
        done = export_image(image, dest, form=args.form, replace=args.force, devices=args.devices, progress=shown)
    for note in done.notes:
        print(f"note: {safe(note)}", file=sys.stderr)
    if not to_pipe and not args.quiet:
        print(f"{safe(args.output)}: {size(done.bytes)}, SHA-256 as imported")
        if len(done.folders) > 1:
            print(f"newest image directory: {safe(done.folders[0])}")
    return 0
