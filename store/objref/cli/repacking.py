"""`objref repack`."""

from __future__ import annotations

import argparse
import json

from objref.cli.terminal import progress, safe, size
from objref.errors import UsageError

HELP = """\
Store an image in another way: the same objects, references, notes and stream.

It takes its time: the preset smallest some seconds for a megabyte of distinct
pages. Index and content are read back from what was written before the file
gets its name, and `objref info` says what it was packed from.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file")
    parser.add_argument("-o", "--output", metavar="OUT", required=True, help="the file to make")
    parser.add_argument(
        "--preset",
        choices=("fast", "small", "smallest"),
        default="smallest",
        help="fast, small: as of import (default: smallest)",
    )
    parser.add_argument("--compress", choices=("zstd", "none"), default="zstd", help="none: nothing is compressed")
    parser.add_argument("--pages", choices=("zstd", "raw"), default="zstd", help="raw: pages can be mapped")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists; it may be IMAGE itself")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    """Repack."""
    from objref.container.options import Options
    from objref.image import open_image
    from objref.repacker import repack_image

    if args.output == "-":
        raise UsageError("an image cannot be written to a pipe: name a file with -o")
    codec = "raw" if args.compress == "none" else "zstd"
    options = Options.preset(args.preset, codec=codec, pages=args.pages)
    with open_image(args.image, access="pread") as image:
        length = image.stream_length
    with progress("repack", 2 * length) as shown:
        done = repack_image(args.image, args.output, options=options, replace=args.force, progress=shown)
    if args.json:
        print(json.dumps(done._asdict(), indent=2))
    elif not args.quiet:
        share = f", {done.file_length / done.length_before:.0%}" if done.length_before else ""
        print(
            f"{safe(args.output)}: {size(done.length_before)} in {size(done.file_length)}{share}; read back and right"
        )
    return 0
