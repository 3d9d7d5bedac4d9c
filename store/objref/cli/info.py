"""`objref info`."""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from objref.cli.terminal import Paint, count, safe, size, wrapped
from objref.errors import ObjrefError

HELP = """\
What an image is, what is in it, and what the import noticed.
"""
SHOWN_NOTES = 20
LABEL = 9


def add(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("image", metavar="IMAGE", help=".objref file, or a stream with an index beside it")
    parser.add_argument("--json", action="store_true", help="all of it as JSON")


def run(args: argparse.Namespace) -> int:
    """Print."""
    from objref.image import open_image

    with open_image(args.image, access="pread") as image:
        facts = _facts(image)
    if args.json:
        print(json.dumps(facts, indent=2))
    else:
        _print(facts, args.image)
    return 0


def _facts(image: Any) -> dict[str, Any]:
    container = image.container
    return {
        **container.about(),
        "stream": {"length": image.stream_length, "sha256": image.stream_sha256},
        "meta": image.meta,
        "format": _format(image),
        "layers": image.layers,
        "partial": image.partial,
        "lost_bytes": image.lost_bytes,
        "objects": len(image),
        "references": image.reference_count,
        "dangling": image.dangling_count,
        "kinds": [kind._asdict() for kind in image.kinds()],
        "sections": [s._asdict() for s in container.sections.values()],
        "notes": image.notes(),
    }


def _format(image: Any) -> dict[str, str]:
    """What the dialect knows of the stream; of a damaged one, why it does not."""
    about = image.dialect.about
    try:
        return dict(about(image)) if about is not None else {}
    except ObjrefError as error:
        return {"unknown": str(error)}


def _print(facts: dict[str, Any], name: str) -> None:
    paint = Paint(sys.stdout)
    meta, stream = facts["meta"], facts["stream"]
    source = _part(meta, "source")
    made = f"{source.get('kind', '?')}" + (f", {source['compression']}" if source.get("compression") else "")
    index = facts.get("index")
    share = "" if index or not stream["length"] else f" ({facts['file_length'] / stream['length']:.0%})"
    rows = [
        ("image", f"{name}, {size(facts['file_length'])}"),
        ("source", f"{made}; dialect {meta.get('dialect', '?')}; stream {size(stream['length'])}{share}"),
        *((label, text) for label, text in (("format", _named(facts["format"])),) if text),
        *(("partial", text) for text in facts["partial"]),
        *_recovered(meta, facts["lost_bytes"]),
        ("sha256", f"{stream['sha256']}"),
        ("made by", f"{meta.get('producer', '?')}{_packed(meta)}"),
        ("layers", ", ".join(str(path) or "." for path in facts["layers"]) or "none"),
        ("objects", f"{facts['objects']}, {count(facts['references'], 'reference')}, {facts['dangling']} dangling"),
    ]
    if not index:  # a stream that stays as it is stores each page that it has
        rows.append(("pages", _pages(_part(meta, "pages"))))
    if index:
        beside = f"{index['name']}, {size(index['length'])}, {index['entries']} keys in its tree"
        rows.insert(1, ("index", beside))
    for label, text in rows:
        first, *more = wrapped(text, LABEL)
        print(f"{paint('bold', f'{label:<{LABEL}}')}{first.lstrip()}", *more, sep="\n")
    print(f"\n{'kind':<16}{'objects':>9}{'bytes':>11}")
    for kind in facts["kinds"]:
        print(f"{safe(kind['name']):<16}{kind['objects']:>9}{size(kind['bytes']):>11}")
    _print_notes(facts["notes"], paint)


def _named(facts: dict[str, str]) -> str:
    return ", ".join(f"{name} {text}" for name, text in facts.items())


def _recovered(meta: dict[str, Any], lost: int) -> list[tuple[str, str]]:
    said = meta.get("recovered")
    if not isinstance(said, dict):
        return []
    if not lost and not said.get("cuts") and not said.get("lost_bytes"):
        return [("lost", "nothing; it was recovered from a damaged file")]
    objects = f"{count(said.get('lost_objects', 0), 'object')} without all of their bytes"
    return [("lost", f"{size(lost)} of the stream, {objects}; it was recovered from a damaged file")]


def _part(meta: dict[str, Any], name: str) -> dict[str, Any]:
    """What META says under a name, if that has names in turn: it is whatever its author wrote."""
    found = meta.get(name)
    return found if isinstance(found, dict) else {}


def _packed(meta: dict[str, Any]) -> str:
    before = meta.get("packed_from")
    if not isinstance(before, dict) or not isinstance(before.get("file_length"), int):
        return ""
    return f"; packed from {size(before['file_length'])} (made by {before.get('producer', '?')})"


def _pages(pages: dict[str, Any]) -> str:
    if not pages.get("all"):
        return "none"
    cap = "; the table of pages seen was full, repeats may be stored twice" if pages.get("cap_reached") else ""
    return f"{pages['all']}, of which {pages.get('zero')} zero and {pages.get('repeated')} repeated{cap}"


def _print_notes(notes: list[dict[str, str]], paint: Paint) -> None:
    if notes:
        print(f"\n{paint('bold', 'noticed by the import')}")
    for note in notes[:SHOWN_NOTES]:
        where = f"{note.get('where')}: " if note.get("where") else ""
        first, *more = wrapped(where + note.get("text", ""), 4)
        print(f"  {first.lstrip()}", *more, sep="\n")
    if len(notes) > SHOWN_NOTES:
        print(f"  and {len(notes) - SHOWN_NOTES} more; all with --json")
