"""`objref index`."""

from __future__ import annotations

import argparse
import json
import os

from objref.cli.importing import print_notes
from objref.cli.terminal import count, progress, safe, size

HELP = """\
Make an index beside a stream that stays as it is, in one pass.

FILE is an uncompressed tar, or a stream of a known dialect. FILE.objref-index
appears beside it, mode 0600, once it is whole; reading verbs then take FILE:

  objref index dump.tar
  objref ls dump.tar task
  objref get dump.tar file:31
  objref export dump.tar -o copy.tar     the bytes, their SHA-256 compared

The index belongs to these very bytes: once FILE changes it is refused, and this
verb makes it again. Both may be copied or renamed, together.
"""


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("file", metavar="FILE", help="the stream; it is only read")
    parser.add_argument("--keep-partial", action="store_true", help="index what is there of a FILE that is cut")
    parser.add_argument("--force", action="store_true", help="make it again even if the index fits")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    """Index."""
    from objref.errors import UsageError
    from objref.sidecar.indexing import index_file
    from objref.sidecar.opening import beside

    if args.file == "-":
        raise UsageError("standard input cannot be read again: save it to a file, or use `objref import`")
    index = beside(args.file)
    if os.path.exists(index) and os.path.exists(args.file) and os.path.samefile(index, args.file):
        raise UsageError(f"{args.file}: leads to {index}, where its index would be: name it by another name")
    total = os.path.getsize(args.file) if os.path.isfile(args.file) else None
    with progress("index", total) as shown:
        report = index_file(
            args.file,
            replace=args.force,
            partial="keep" if args.keep_partial else "refuse",
            progress=shown,
        )
    if args.json:
        fields = report._asdict() | {"notes": [note._asdict() for note in report.notes]}
        print(json.dumps(fields, indent=2))
        return 0
    if not args.quiet:
        print_notes(report.notes, report.notes_left_out)
        print(
            f"{safe(report.path)}: {count(report.objects, 'object')}, {count(report.references, 'reference')}; "
            f"{size(report.file_length)} beside {size(report.stream_length)}"
        )
    return 0
