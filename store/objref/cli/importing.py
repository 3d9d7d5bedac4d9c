"""`objref import`."""

from __future__ import annotations

import argparse
import json
import os
import sys
from string import hexdigits
from typing import TYPE_CHECKING

from objref.cli.destination import refuse_inputs
from objref.cli.terminal import Paint, count, progress, safe, size
from objref.errors import SourceError, UsageError

if TYPE_CHECKING:
    from objref.dialects.events import Note

HELP = """\
Put a checkpoint into one .objref file, in one pass.

SOURCE is a directory that `criu dump` wrote, a checkpoint archive of Podman,
CRI-O or containerd, any tar of image directories, a checkpoint stream of
another kind that is known, or what `objref export --as native` wrote (each
plain, gzip, zstd, xz or bzip2); as -, any of them but a directory on standard
input. A relative `parent` link of a directory
is followed inside the folder that holds it: the older images become layers.

The file appears under its name, mode 0600, only when it is whole. A SOURCE that
ends too early is refused; with --keep-partial what arrived whole is kept, and
`objref info` says what is missing.
"""
SHOWN_NOTES = 10
SEAL = 64


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    from objref.dialects.registry import NAMES

    parser.epilog = f"Dialects that are known: {', '.join(NAMES)}."
    parser.add_argument("source", metavar="SOURCE", help="directory, archive, or - for standard input")
    parser.add_argument("-o", "--output", metavar="IMAGE", required=True, help="the file to make")
    parser.add_argument(
        "--compress",
        choices=("zstd", "none"),
        default="zstd",
        help="none: larger, and the fastest to read (default: zstd)",
    )
    parser.add_argument("--keep-partial", action="store_true", help="import what is there of a SOURCE that is cut")
    parser.add_argument("--seal", metavar="FILE", help="take only the native stream with the seal in FILE")
    parser.add_argument(
        "--preset",
        choices=("fast", "small"),
        default="fast",
        help="small: a quarter less for real memory, and slower to read at random (default: fast)",
    )
    parser.add_argument(
        "--pages",
        choices=("zstd", "raw"),
        default="zstd",
        help="raw: memory pages as they are, aligned, so that programs can map them (default: zstd)",
    )
    parser.add_argument("--force", action="store_true", help="replace IMAGE if it exists")
    parser.add_argument(
        "--parent-root", metavar="DIR", help="how far `parent` links may lead (default: SOURCE's folder)"
    )
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    """Import."""
    from objref.importer import Options, import_image

    if args.output == "-":
        raise UsageError("an image cannot be written to a pipe: name a file with -o")
    source = sys.stdin.buffer if args.source == "-" else args.source
    if args.source == "-" and sys.stdin.isatty():
        raise UsageError("standard input is a terminal: pipe a tar into it, or name a SOURCE")
    refuse_inputs(args.output, args.source)
    codec = "raw" if args.compress == "none" else "zstd"
    options = Options.preset(args.preset, codec=codec, pages=args.pages)
    with progress("import", _length(args.source)) as shown:
        report = import_image(
            source,
            args.output,
            options=options,
            parent_root=args.parent_root,
            partial="keep" if args.keep_partial else "refuse",
            replace=args.force,
            seal=_read_seal(args.seal) if args.seal else None,
            progress=shown,
        )
    if args.json:
        fields = report._asdict() | {
            name: [note._asdict() for note in notes] for name, notes in (("notes", report.notes), ("cuts", report.cuts))
        }
        print(json.dumps(fields, indent=2))
        return 0
    if not args.quiet:
        print_notes(report.notes, report.notes_left_out)
        share = f", {report.file_length / report.stream_length:.0%}" if report.stream_length else ""
        partial = "from a native stream, " * report.native + "partial, " * bool(report.cuts)
        print(
            f"{safe(args.output)}: {partial}{count(report.objects, 'object')}, "
            f"{count(report.references, 'reference')}; "
            f"{size(report.stream_length)} in {size(report.file_length)}{share}"
        )
    return 0


def _read_seal(path: str) -> str:
    try:
        with open(path, "rb") as file:
            text = file.read(SEAL + 2).decode("ascii", "replace").strip()
    except OSError as error:
        raise SourceError(f"{path}: cannot be read: {os.strerror(error.errno or 0)}") from None
    if len(text) != SEAL or not all(c in hexdigits for c in text):
        raise UsageError(f"{path}: no seal: {SEAL} hexadecimal digits, as `objref export --seal` writes them")
    return text


def _length(source: str) -> int | None:
    """Bytes of a plain tar; unknown for what is compressed or a directory."""
    return os.path.getsize(source) if source.endswith(".tar") and os.path.isfile(source) else None


def print_notes(notes: list[Note], left_out: int) -> None:
    """What was noticed, the first of it, on standard error."""
    paint = Paint(sys.stderr)
    for note in notes[:SHOWN_NOTES]:
        where, text = note.where, note.text
        print(f"{paint('yellow', 'note')}: {safe(f'{where}: {text}' if where else text)}", file=sys.stderr)
    more = len(notes) + left_out - SHOWN_NOTES
    if more > 0:
        print(f"note: {more} more; see `objref info`", file=sys.stderr)
