"""`objref export`."""

from __future__ import annotations

import argparse
import os
import sys
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from objref.cli.destination import refuse_inputs
from objref.cli.terminal import progress, safe, size
from objref.errors import UsageError

if TYPE_CHECKING:
    from objref.container.output import Output

HELP = """\
Give the original back, byte for byte; its SHA-256 is checked on the way.

A directory comes back as a directory (names, contents, modes, owners when root,
times, links, holes), an archive as the uncompressed tar, any other stream as it
was. `-o -` writes to standard output, of a directory its tar:

  objref export x.objref -o restored
  objref export x.objref -o - | tar x
  objref export x.objref --as directory -o restored    an archive, unpacked

`--as native` writes the image itself as a stream, objects and all, which
`objref import` makes the same image of. What is on the way may compress, sign
or encrypt it. The seal stands for every byte of it: sign that, and let the
other side take only the stream that has it:

  objref export x.objref --as native -o - | zstd | \\
    ssh host 'objref import - -o x.objref'
  objref export x.objref --as native -o x.native --seal x.seal
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("-o", "--output", metavar="DEST", required=True, help="the file or directory to make, or -")
    parser.add_argument(
        "--as",
        dest="form",
        choices=("auto", "directory", "tar", "native"),
        default="auto",
        help="tar: the stream as one file; native: image and index as one stream; default: as it was",
    )
    parser.add_argument("--seal", metavar="FILE", help="of a native stream: write its seal to FILE")
    parser.add_argument(
        "--devices",
        choices=("refuse", "create"),
        default="refuse",
        help="create: device nodes of a directory, too, which takes root (default: refuse them)",
    )
    parser.add_argument("--partial", action="store_true", help="zeros where a recovered image has lost bytes")
    parser.add_argument("--force", action="store_true", help="replace DEST and FILE if they are files")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")


def run(args: argparse.Namespace) -> int:
    """Export."""
    from objref.exporter import export_image
    from objref.image import open_image

    to_pipe = args.output == "-"
    if to_pipe and sys.stdout.isatty():
        raise UsageError("standard output is a terminal: pipe it into something, or name a DEST")
    if args.seal and args.form != "native":
        raise UsageError("only a native stream has a seal: say --as native")
    refuse_inputs(args.output, args.image)
    with (
        open_image(args.image, access="pread") as image,
        _sealed(args) as sealed,
        progress("export", image.stream_length) as shown,
    ):
        dest = sys.stdout.buffer if to_pipe else args.output
        lost = "fill" if args.partial else "refuse"
        done = export_image(
            image, dest, form=args.form, replace=args.force, devices=args.devices, lost=lost, progress=shown
        )
        missing = image.lost_bytes
        if sealed is not None:
            sealed.write(f"{done.seal}\n".encode())
            sealed.commit()
    for note in () if args.quiet else done.notes:
        print(f"note: {safe(note)}", file=sys.stderr)
    if not to_pipe and not args.quiet:
        native = f" of native stream, seal {done.seal}" if done.form == "native" else ""
        print(f"{safe(args.output)}: {size(done.bytes)}{native}, {_as(missing)}")
        if len(done.folders) > 1:
            print(f"newest image directory: {safe(done.folders[0])}")
    return 0


def _as(lost: int) -> str:
    return f"zeros for {size(lost)} that are lost" if lost else "SHA-256 as imported"


def _sealed(args: argparse.Namespace) -> AbstractContextManager[Output | None]:
    """The file for the seal, made before the export, so that what is wrong with it costs nothing."""
    from objref.container.output import Output

    if not args.seal:
        return nullcontext()
    if args.seal == "-":
        raise UsageError("--seal is a file: standard output is for the stream")
    refuse_inputs(args.seal, args.image)
    if os.path.realpath(args.seal) == os.path.realpath(args.output):
        raise UsageError(f"{args.seal}: is what is exported to; name another file for the seal")
    return Output(args.seal, replace=args.force)
