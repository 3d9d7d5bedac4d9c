"""`objref verify`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from objref.cli.terminal import Paint, progress, safe, size

if TYPE_CHECKING:
    from objref.verify import Report

HELP = """\
Check every checksum, digest and rule of an image (docs/format.md, R1 to R18).

It goes on after damage, names the objects that are touched by it, and says what
can still be trusted. Exit code 0: nothing is wrong; 4: something is.
"""
SHOWN = 20


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file")
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
        print(f"{paint('red', finding.what)} {safe(finding.where)}: {safe(finding.text)}")
        if finding.affected:
            more = f" and {finding.affected - len(finding.objrefs)} more"
            named = ", ".join(finding.objrefs) + more * (finding.affected > len(finding.objrefs))
            print(f"  touches {safe(named)}")
    left = len(report.findings) + report.findings_left_out - SHOWN
    if left > 0:
        print(f"and {left} more findings{'; --json has them' if not report.findings_left_out else ''}")
    if report.sound:
        print(f"{safe(report.name)}: {paint('green', 'sound')}; {_sound(report)}")
    else:
        print(f"{safe(report.name)}: {paint('red', 'damaged')}; {_trusted(report)}")


def _sound(report: Report) -> str:
    counts = f"{report.objects} objects, {report.references} references"
    if report.depth == "quick":
        return f"{counts}; contents were not read"
    return f"{counts}, {report.blocks} blocks; SHA-256 of {size(report.stream_length)} as imported"


def _trusted(report: Report) -> str:
    """What is left."""
    parts = []
    if report.affected is not None:
        parts.append(f"{report.objects - report.affected} of {report.objects} objects are whole")
    if report.whole:
        parts.append("the stream is as imported")
    elif report.depth == "full":
        parts.append(f"the stream is proven up to byte {report.proven}")
    return "; ".join(parts) or "its contents were not read"
