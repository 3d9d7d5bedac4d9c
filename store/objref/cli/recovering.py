"""`objref recover`."""

from __future__ import annotations

import argparse
import json
from typing import TYPE_CHECKING, Any

from objref.cli.terminal import count, progress, safe, size
from objref.errors import UsageError

if TYPE_CHECKING:
    from objref.recovery import Account

HELP = """\
Make a sound image of what is left of a damaged one (docs/recover.md).

What a checksum or a digest proves comes back: every object that the damage did
not touch has its id, its kind, its bytes and its references. The index is made
again where it is damaged. DAMAGED stays as it is, and NEW gets its name when it
was verified. Of what did not come back, NEW says that it is lost: `get` refuses
such an object, and `export` such a stream, unless --partial.

Exit code 0: nothing is lost; 8: something is, and NEW has the rest; 4: nothing
could be proven, and there is no NEW.
"""
SOME_LOST = 8
SHOWN = 10


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="DAMAGED", help=".objref file, also one that is cut")
    parser.add_argument("-o", "--output", metavar="NEW", required=True, help="the file to make")
    parser.add_argument("--force", action="store_true", help="replace NEW if it exists; never DAMAGED itself")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors; the exit code tells")
    parser.add_argument("--json", action="store_true", help="report as JSON")


def run(args: argparse.Namespace) -> int:
    """Recover."""
    from objref.recovery import recover

    if args.output == "-":
        raise UsageError("an image cannot be written to a pipe: name a file with -o")
    with progress("recover", None) as shown:
        account = recover(args.image, args.output, replace=args.force, progress=shown)
    if args.json:
        print(json.dumps(_facts(account), indent=2))
    elif not args.quiet:
        _print(account)
    return 0 if account.nothing_lost else SOME_LOST


def _facts(account: Account) -> dict[str, Any]:
    damage = [finding._asdict() for finding in account.damage]
    return {"nothing_lost": account.nothing_lost, **account._asdict(), "damage": damage}


def _print(account: Account) -> None:
    from objref.recovery.account import NO_REFERENCES

    for finding in account.damage[:SHOWN]:
        print(f"damaged: {safe(finding.what)}, {safe(finding.where)}: {safe(finding.text)}")
    _some(account.damage, "places")
    for start, stop in account.lost_ranges[:SHOWN]:
        print(f"lost: bytes {start}…{stop} of the stream")
    _some(account.lost_ranges, "ranges")
    for start, stop in account.unordered[:SHOWN]:
        print(f"lost: the order of what bytes {start}…{stop} consist of")
    for text in account.cuts[:SHOWN]:
        print(f"lost: {safe(text)}")
    for name in account.lost_names[:SHOWN]:
        print(f"lost: bytes of {safe(name)}")
    if account.lost_objects > SHOWN:
        print(f"and {account.lost_objects - SHOWN} more")
    if account.tables == NO_REFERENCES:
        print("lost: all references between objects")
    index = " (index made again)" if account.tables == "rebuilt" else ""
    said = "nothing lost, SHA-256 as imported" if account.nothing_lost else _lost(account)
    print(f"{safe(account.path)}: {count(account.objects, 'object')}{index}, {size(account.stream_length)}; {said}")


def _some(shown: list[Any], what: str) -> None:
    if len(shown) > SHOWN:
        print(f"and {len(shown) - SHOWN} more {what}; --json has them")


def _lost(account: Account) -> str:
    return f"{count(account.lost_objects, 'object')} not whole, {size(account.lost_bytes)} of the stream lost"
