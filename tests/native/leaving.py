"""Images that leave as native streams and come back, and a forger of native streams."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from criu.making_scenes import SCENES
from dobriyan.making import realistic
from linux_cr.making import stream as linux_cr_stream
from openvz.making import FLAVOURS
from openvz.making import scene as openvz_scene
from samples import SAMPLE
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.native import layout as n
from objref.native.frames import FrameWriter


def leave(image: bytes | Path) -> bytes:
    """The native stream of an image."""
    out = io.BytesIO()
    with objref.open(image) as opened:
        done = opened.export(out, form="native")
    assert done.form == "native"
    assert done.bytes == len(out.getvalue())
    return out.getvalue()


def come_back(stream: bytes, path: Path, **options: Any) -> objref.Report:
    return objref.import_image(io.BytesIO(stream), path, replace=True, **options)


def sources() -> Iterator[tuple[str, Any]]:
    """(name, what makes a source) of every dialect: all scenes, layouts and flavours, and the real images."""
    for path in sorted(SAMPLE.parent.glob("*.zst")):
        yield path.name, path.read_bytes
    for name in SCENES:
        yield f"criu {name}", lambda name=name: SCENES[name]().tar()
    for flavour in FLAVOURS:
        yield f"openvz {flavour.name}", lambda flavour=flavour: openvz_scene(flavour).data
    for layout in ("v20", "v23-rc2"):
        yield f"linux-cr {layout}", lambda layout=layout: b"".join(linux_cr_stream(tasks=8, pages=40, layout=layout))
    yield "dobriyan", lambda: bytes(realistic(80))


class Whole(NamedTuple):
    """A frame of a stream, cut out."""

    kind: int
    operand: int
    payload: bytes
    position: int


def frames(stream: bytes) -> list[Whole]:
    """All frames, unchecked: a second reader, written after docs/native.md."""
    found, at = [], n.PROLOGUE.size
    while at < len(stream):
        kind, operand, _, length, _, _ = n.FRAME.unpack_from(stream, at)
        found.append(Whole(kind, operand, stream[at + n.FRAME.size : at + n.FRAME.size + length], at))
        at += n.FRAME.size + length
    return found


def joined(parts: Sequence[Whole], *, close: bool = True, sha256: Any = None) -> bytes:
    """A stream of these frames with links, checks and marks that are right: only what they say may be wrong."""
    writer = FrameWriter()
    out = [writer.begin()]
    for part in parts:
        if part.kind in (n.MARK, n.END) and close:
            said = n.MARK_BODY.unpack(part.payload)
            out += writer.mark(part.kind, said[2:7], said[8])[0]
            continue
        table = 8 + 8 * int.from_bytes(part.payload[:4], "little") if part.kind == n.RUNS else len(part.payload)
        pieces = [part.payload[:table], part.payload[table:]]
        out += writer.frame(part.kind, pieces, operand=part.operand, unsealed=1)
    return b"".join(bytes(piece) for piece in out)


def check(data: bytes) -> int:
    return int(xxh3(data))
