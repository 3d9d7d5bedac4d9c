"""`objref verify`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from objref.cli.terminal import Paint, count, progress, safe, size, wrapped

if TYPE_CHECKING:
    from objref.verify import Report

HELP = """\
Check every checksum, digest and rule of an image (docs/format.md, R1 to R21),
or of a stream with its index (S1 to S12).

It goes on after damage, names the objects that are touched by it, and says what
can still be trusted. Exit code 0: nothing is wrong; 4: something is.
"""
SHOWN = 20
INDENT = 12


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("--quick", action="store_true", help="the structure and the tables only, not the contents")
    parser.add_argument("--quiet", action="store_true", help="print nothing; the exit code tells")
    parser.add_argument("--json", action="store_true", help="report as JSON, with all findings that were kept")


def run(args: argparse.Namespace) -> int:
    """Verify and print."""
    from objref.verify import verify_image

    with progress("verify", None) as shown:
        report = verify_image(args.image, depth="quick" if args.quick else "full", access="pread", progress=shown)
    if args.json:
        print(json.dumps(_facts(report), indent=2))
    elif not args.quiet:
        _print(report)
    return 0 if report.sound else 4


def _facts(report: Report) -> dict[str, Any]:
    findings = [finding._asdict() for finding in report.findings]
    return {"sound": report.sound, **report._asdict(), "findings": findings}


def _print(report: Report) -> None:
    paint = Paint(sys.stdout)
    for finding in report.findings[:SHOWN]:
        print(f"{paint('red', f'{finding.what:<{INDENT}}')}{safe(finding.where)}")
        print(*wrapped(finding.text, INDENT), sep="\n")
        if finding.affected:
            more = finding.affected - len(finding.objrefs)
            touched = f"touches {', '.join(finding.objrefs)}" + (f" and {more} more" if more > 0 else "")
            print(*wrapped(touched, INDENT), sep="\n")
    left = len(report.findings) + report.findings_left_out - SHOWN
    if left > 0:
        print(f"and {left} more" + (f"; --json has {len(report.findings)} of all" if not report.sound else ""))
    word, text = ("green", _sound(report)) if report.sound else ("red", _left(report))
    print(f"{safe(report.name)}: {paint(word, 'sound' if report.sound else 'not sound')}; {text}")


def _sound(report: Report) -> str:
    counts = f"{count(report.objects, 'object')}, {count(report.references, 'reference')}"
    if report.depth == "quick":
        return f"{counts}; contents were not read"
    told = f"{counts}, {count(report.blocks, 'block')}; SHA-256 of {size(report.stream_length)} as"
    if report.lost:
        return f"{told} recovered, {size(report.lost)} of it lost"
    return f"{told} {_made(report)}"


def _made(report: Report) -> str:
    return "imported" if report.beside is None else "indexed"


def _left(report: Report) -> str:
    """What can still be trusted."""
    if report.affected is not None:
        stream = f"the stream is as {_made(report)}" if report.whole else f"the stream up to byte {report.proven}"
        whole = f"{report.objects - report.affected} of {report.objects} objects are whole"
        return f"{whole}, {stream}" if report.proven else whole
    if report.depth == "quick":
        return "contents were not read"
    if report.proven:
        return f"what leads to its objects is lost, the stream up to byte {report.proven} is as imported"
    if any(finding.what == "index" for finding in report.findings):
        return "no image, or without its index"
    return "nothing of it can be trusted"
