"""What must hold of any bytes that a dialect takes for its own."""

from __future__ import annotations

import io
import os
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from typing import Any

from fuzz.asking import LIMITS, everything, folder, pieces, printable, short

import objref
from objref.cli.terminal import safe
from objref.container.format import TABLE_IDS
from objref.container.options import Options
from objref.container.writer import ContainerWriter
from objref.dialects.registry import find
from objref.errors import FormatError, ObjrefError, UsageError
from objref.collector import SplittingCollector
from objref.verify import verify_image
from objref_index.build import Columns

__all__ = ["any_conversion", "any_dump", "any_stream", "collected"]

TABLES = {number: name for name, number in TABLE_IDS.items()}


class Held:
    """A container's output in memory. Mutable."""

    def __init__(self) -> None:
        self.data = bytearray()

    @property
    def position(self) -> int:
        return len(self.data)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.data += data

    def align(self, unit: int) -> None:
        self.data += bytes(-len(self.data) % unit)

    def write_all(self, parts: Sequence[bytes | memoryview]) -> None:
        for part in parts:
            self.data += part

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])


def any_stream(data: bytes) -> None:
    """Any bytes are refused by an error about bytes, or become the same image whole and in pieces, which exports exactly
    these bytes, verifies, and whose objects all show as printable fields or say what is wrong with them."""
    made = collected(data, [data])
    again = collected(data, list(pieces(data)))
    if isinstance(made, str) or isinstance(again, str):
        assert made == again, "whole and in pieces differ"
        return
    assert made == again or tables(made) == tables(again), "whole and in pieces differ"
    report = verify_image(made)
    assert report.sound, f"what was just imported: {report.findings[0]}"
    with objref.open(made) as image:
        assert b"".join(image.stream()) == data, "another stream"
        broken = [e for e in everything(image) if isinstance(e, FormatError) and " (R" in str(e)]
        assert not broken, f"what was just imported: {broken[0]}"


def tables(made: bytes) -> list[object]:
    """All that an index says. Notes may come in another order: an item that is cut is told of as soon as it is known."""
    with objref.open(made) as image:
        found: list[object] = [sorted(note.items()) for note in image.notes()]
        found.sort(key=repr)
        c: Any = image.container
        return found + [bytes(c.table(TABLES[e.what], e.owner)) for e in c.tables() if TABLES[e.what] != "NOTES"]


def collected(data: bytes, parts: list[bytes]) -> bytes | str:
    """The container that becomes of a stream, or the class of the error."""
    try:
        dialect = find(data)
    except FormatError as error:
        return type(error).__name__
    out = Held()
    writer = ContainerWriter(out, Options(codec="raw", block_log2=12, page_block_log2=12))
    try:
        collector = SplittingCollector(writer, dialect, LIMITS, Columns())
        for part in parts:
            collector.feed(part)
        collector.end([])
        collector.finish({"kind": "stream", "compression": None})
    except FormatError as error:
        short(error)
        return type(error).__name__
    finally:
        writer.close()
    return bytes(out.data)



def any_dump(data: bytes) -> None:
    """What a dump of CRIU claims, `extract` either refuses by an error of objref that leaves nothing, or writes as a
    directory that can be imported."""
    with folder() as here:
        try:
            objref.import_image(io.BytesIO(data), here / "x.objref", partial="keep", limits=LIMITS)
        except ObjrefError as error:
            short(error)
            assert not os.listdir(here), "left behind"
            return
        with objref.open(here / "x.objref", limits=LIMITS) as image:
            names = [o.objref for o in islice(image.objects("task"), 4)] if any(k.name == "task" for k in image.kinds()) else []
            for name in names:
                extracted(image, name, here)


def extracted(image: objref.Image, name: str, here: Path) -> None:
    from objref.extracting import extract_image, plan_extract

    before = sorted(os.listdir(here))
    try:
        plan = plan_extract(image, (name,), cut=dict.fromkeys(("pipe", "unix", "session", "parent", "tty"), "drop"))
    except UsageError:
        plan = plan_extract(image, (name,)) if not _refuses(image, name) else None
    except ObjrefError:
        return
    if plan is None:
        return
    assert printable(*map(safe, (*plan.notes, *plan.descriptors)))
    try:
        extract_image(image, plan, here / "out.tar")
    except ObjrefError as error:
        short(error)
        assert sorted(os.listdir(here)) == before, "left behind"
        return
    objref.import_image(here / "out.tar", here / "out.objref", replace=True, limits=LIMITS)
    os.unlink(here / "out.tar")
    os.unlink(here / "out.objref")


def _refuses(image: objref.Image, name: str) -> bool:
    from objref.extracting import plan_extract

    try:
        plan_extract(image, (name,))
    except ObjrefError:
        return True
    return False


def any_conversion(data: bytes) -> None:
    """Any bytes are refused by an error of objref, or converted to a stream that converts back to exactly these."""
    from objref.dialects.linux_cr import DIALECT

    for layout in DIALECT.layouts:
        out = io.BytesIO()
        try:
            objref.convert_stream(io.BytesIO(data), out, to=layout, limits=LIMITS)
        except ObjrefError as error:
            short(error)
            continue
        if out.getvalue() == data:
            continue
        back = [_converted(out.getvalue(), to, layout) for to in DIALECT.layouts]
        assert data in back, f"to {layout}, and not back"


def _converted(data: bytes, to: str, origin: str) -> bytes | ObjrefError:
    out = io.BytesIO()
    try:
        objref.convert_stream(io.BytesIO(data), out, to=to, origin=origin, limits=LIMITS)
    except ObjrefError as error:
        return error
    return out.getvalue()
