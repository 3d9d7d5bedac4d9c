"""`objref check`."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from typing import TYPE_CHECKING

from objref.cli.terminal import Paint, count, progress, safe, wrapped

if TYPE_CHECKING:
    from objref.findings import Finding

HELP = """\
Is the dump whole: does what its files say make sense, and would a restore go
well? Finds what is missing, left over from another dump, mixed or cut, ids that
lead nowhere, and pages that do not fit; says what it means and what can be done
(docs/check.md). That the bytes are those of the import is for `objref verify`.

Exit code 0: whole (there may be notes); 8: an error, a restore fails or goes
wrong; 9: only warnings.
"""
ERRORS, WARNINGS = 8, 9
INDENT = 9
STYLES = {"error": "red", "warning": "yellow", "note": "dim"}


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("--quiet", action="store_true", help="print nothing; the exit code tells")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each finding")


def run(args: argparse.Namespace) -> int:
    """Check, print what is found as it is found."""
    import objref

    counts: Counter[str] = Counter()
    say = _nothing if args.quiet else _json if args.json else _print
    with objref.open(args.image, access="pread") as image, progress("check", None, "objects") as shown:
        for finding in image.check(shown):
            counts[finding.severity] += max(finding.affected, 1) if not finding.where else 1
            say(finding)
    if say is _print:
        print(f"{safe(args.image)}: {_verdict(counts)}")
    return ERRORS if counts["error"] else WARNINGS if counts["warning"] else 0


def _nothing(finding: Finding) -> None:
    pass


def _json(finding: Finding) -> None:
    facts = finding._asdict()
    del facts["rules"]
    print(json.dumps(facts))


def _print(finding: Finding) -> None:
    paint = Paint(sys.stdout)
    print(f"{paint(STYLES[finding.severity], f'{finding.severity:<{INDENT}}')}{finding.what}  {safe(finding.where)}")
    print(*wrapped(finding.text, INDENT), sep="\n")
    print(*wrapped(f"→ {finding.meaning}", INDENT), sep="\n")


def _verdict(counts: Counter[str]) -> str:
    paint = Paint(sys.stdout)
    if not counts["error"] and not counts["warning"]:
        notes = f"; {count(counts['note'], 'note')}" if counts["note"] else ""
        return paint("green", "whole") + notes
    told = ", ".join(count(counts[name], name) for name in STYLES if counts[name])
    return f"{paint('red', 'not whole') if counts['error'] else paint('yellow', 'doubtful')}; {told}"
