"""What must hold of any bytes: for each parser one function that raises when it does not.

An error of objref's own is an answer. Any other exception, a wrong byte, something left behind is not. Memory and time
are bounded by whoever calls (`fuzz.campaign`).
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any
from zlib import crc32

from fuzz.sealing import unpair

import objref
from objref.archive.extract import extract
from objref.archive.sources import open_source
from objref.archive.tar import Begin, Content, Header, TarSplitter
from objref.cli.showing import _lines
from objref.cli.terminal import Paint, safe
from objref.container.format import TABLE_IDS
from objref.container.options import Options
from objref.container.writer import ContainerWriter
from objref.dialects.registry import find
from objref.errors import FormatError, LimitError, ObjrefError, SourceError, UsageError
from objref.importer import _Splitting
from objref.limits import DEFAULT
from objref.verify import verify_image

__all__ = ["any_archive", "any_container", "any_conversion", "any_dump", "any_native", "any_sidecar", "any_stream", "any_tar"]

LIMITS = DEFAULT._replace(read=16 << 20, item=16 << 20, table=16 << 20, directory=16 << 20, tree=16 << 20)
"""Smaller than the defaults, so that the bound on memory can be small."""
TABLES = {number: name for name, number in TABLE_IDS.items()}
MANY = 60
"""Objects that are asked of each image."""
BOMB = 32 << 20
"""What decompressing gives before nobody wants more."""


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

    def read(self, offset: int, length: int) -> bytes:
        return bytes(self.data[offset : offset + length])


@contextmanager
def folder() -> Iterator[Path]:
    """A folder in which nothing may be left but what is said to be."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


# -- an open image ------------------------------------------------------------------------------------------------


def everything(image: objref.Image) -> list[ObjrefError]:
    """Ask an image all that there is to ask, of its first objects. Returns the errors that it answered with."""
    errors: list[ObjrefError] = []

    def ask(question: Callable[[], object]) -> None:
        try:
            question()
        except ObjrefError as error:
            short(error)
            errors.append(error)

    for question in (lambda: image.meta, image.notes, image.kinds, image.spaces, lambda: (image.layers, image.partial),
                     lambda: image.dialect, lambda: image.dangling_count):  # fmt: skip
        ask(question)
    ask(lambda: [list(islice(image.space(name, layer), MANY)) for layer, name in image.spaces()])
    for ordinal in range(min(len(image), MANY)):
        ask(lambda o=ordinal: about(image.by_ordinal(o)))
    ask(lambda: list(image.closure(*([image.by_ordinal(0)] if len(image) else [])).objects()))
    return errors


def about(found: objref.Object) -> None:
    """What `ls`, `get`, `refs` and `show` print of one object."""
    assert image_of(found)[found.objref].ordinal == found.ordinal, f"{found.objref} is another object"
    for piece in islice(found.chunks(*found.ranges[0]) if found.sparse and found.ranges else found.chunks(), 64):
        len(piece)
    assert printable(safe(found.objref), safe(found.brief)), "a name or a brief that is not for a terminal"
    for reference in found.references[:MANY]:
        str(reference.target_objref)
    for reference in found.referrers[:MANY]:
        str(reference.source.objref)
    shown(found)


def image_of(found: objref.Object) -> objref.Image:
    return found._image


def shown(found: objref.Object) -> None:
    """Fields are JSON, and lines are lines, or a record says what is wrong with it."""
    if found.decodes:
        json.dumps(found.decode())
    assert printable(*_lines(found, Paint(io.StringIO()), True)), "a line that is not for a terminal"


def printable(*lines: str) -> bool:
    return all(line.isprintable() for line in lines)


def never(wrong: bool, text: str) -> None:
    assert not wrong, text


def short(error: ObjrefError) -> None:
    """Every message is one for people: something, and no pages of it."""
    assert str(error), f"{type(error).__name__} without a word"


# -- containers and sidecars --------------------------------------------------------------------------------------


def any_container(data: bytes) -> None:
    """Any bytes are refused by an error of objref, or an image whose stream has the digest that it states; what
    `verify` finds nothing wrong with answers every question, and what leaves as a native stream comes back."""
    report = verify_image(data, limits=LIMITS)
    try:
        image = objref.open(data, limits=LIMITS)
    except ObjrefError as error:
        short(error)
        never(report.sound, f"sound, and cannot be opened: {error}")
        return
    with image:
        errors = everything(image)
        with_stream(image, report.sound)
        if report.sound:
            believed(errors, image)
            if crc32(data) % 4 == 0:  # the dearest question: of every fourth
                travels(data)


def with_stream(image: objref.Image, sound: bool) -> None:
    sums = hashlib.sha256()
    try:
        for piece in image.stream():
            sums.update(piece)
    except ObjrefError as error:
        never(sound, f"sound, and cannot be joined: {error}")
        return
    assert sums.hexdigest() == image.stream_sha256, "a stream that is not what its digest says"


def believed(errors: Iterable[ObjrefError], image: objref.Image) -> None:
    """Of a sound image only its records may be wrong (they are the dialect's), or too large for a reader."""
    names = {"criu", "linux-cr", "openvz", "dobriyan"}
    ours = [e for e in errors if isinstance(e, FormatError) and not isinstance(e, LimitError)]
    if image.meta.get("dialect") in names:  # `show` may say that a record is broken
        ours = [e for e in ours if " (R" in str(e)]
    assert not ours, f"sound, and yet: {ours[0]}"


def travels(data: bytes) -> None:
    with folder() as here, suppress(LimitError):
        (here / "x.objref").write_bytes(data)
        try:
            objref.repack_image(here / "x.objref", here / "y.objref", limits=LIMITS)
        except ObjrefError as error:
            assert sorted(os.listdir(here)) == ["x.objref"], "left behind"
            never(isinstance(error, SourceError), str(error))
        out = io.BytesIO()
        with objref.open(data, limits=LIMITS) as image:
            digest = image.stream_sha256
            try:
                image.export(out, form="native")
            except FormatError:  # other writers may number kinds as they like, which a native stream does not tell
                return
        back = objref.import_image(io.BytesIO(out.getvalue()), here / "z.objref", partial="keep", limits=LIMITS)
        assert back.stream_sha256 == digest


def any_sidecar(data: bytes) -> None:
    """Any stream with anything beside it is refused by an error of objref, or answers as an image whose stream are the
    bytes of the file; nothing of a tree whose checks are wrong reaches LMDB."""
    stream, sidecar = unpair(data)
    with folder() as here:
        (here / "x").write_bytes(stream)
        (here / "x.objref-index").write_bytes(sidecar)
        report = verify_image(here / "x", limits=LIMITS)
        try:
            image = objref.open(here / "x", limits=LIMITS)
        except ObjrefError as error:
            short(error)
            never(report.sound, f"sound, and cannot be opened: {error}")
            return
        with image:
            everything(image)
            with suppress(ObjrefError):
                assert b"".join(image.stream()) == stream, "another stream than the file"


# -- dialects -----------------------------------------------------------------------------------------------------


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
        collector = _Splitting(writer, dialect, LIMITS)
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


def pieces(data: bytes) -> Iterator[bytes]:
    """Cuts that follow from the bytes: dense at the front, then some."""
    dice, at = Random(crc32(data)), 0
    while at < len(data):
        length = dice.choice((1, 3, 17, 100, 511)) if at < 2048 else dice.choice((1, 4096, 20_000))
        yield data[at : at + length]
        at += length


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


# -- archives -----------------------------------------------------------------------------------------------------


def any_tar(data: bytes) -> None:
    """Any bytes are refused by an error about bytes, or are events that joined are these bytes; extracting them touches
    nothing outside of its folder and leaves all of it or nothing."""
    split([data], data)
    split(pieces(data), data)
    with folder() as here:
        (here / "outside").write_bytes(b"outside")
        try:
            extract(iter([data]), here / "tree", owners="ignore", limits=LIMITS)
            names = ["outside", "tree"]
        except ObjrefError as error:
            short(error)
            names = ["outside"]
        assert sorted(os.listdir(here)) == names, "left behind"
        assert (here / "outside").read_bytes() == b"outside", "written through"
        assert os.lstat(here / "outside").st_nlink == 1, "linked"


def split(parts: Iterable[bytes], data: bytes) -> None:
    splitter, done = TarSplitter(limits=LIMITS), bytearray()
    try:
        for part in parts:
            for event in splitter.feed(part):
                done += taken(event)
        for event in splitter.finish():
            done += taken(event)
    except FormatError as error:
        short(error)
        assert data.startswith(done), "other bytes than the archive's"
        return
    assert done == data, "other bytes than the archive's"


def taken(event: object) -> bytes:
    if isinstance(event, Begin):
        assert event.member.size >= 0
    return bytes(event.data) if isinstance(event, Content | Header) else b""


def any_archive(data: bytes) -> None:
    """Any bytes are refused by an error of objref, or decompressed in bounded memory, however much comes out."""
    done = 0
    try:
        with open_source(io.BytesIO(data), known=lambda _: True, limits=LIMITS) as source:
            for chunk in source:
                done += len(chunk)
                if done > BOMB:
                    return
    except ObjrefError as error:
        short(error)
        never(isinstance(error, SourceError), str(error))


def any_native(data: bytes) -> None:
    """Any bytes are refused by an error about bytes that leaves nothing, or become an image that verifies, and that
    leaves as a native stream which makes the same file again."""
    with folder() as here:
        path = here / "x.objref"
        try:
            objref.import_image(io.BytesIO(data), path, partial="keep", limits=LIMITS)
        except FormatError as error:
            short(error)
            assert not os.listdir(here), "left behind"
            return
        made = path.read_bytes()
        report = verify_image(made)
        assert report.sound, f"what was just imported: {report.findings[0]}"
        with objref.open(made) as image:
            broken = [e for e in everything(image) if isinstance(e, FormatError) and " (R" in str(e)]
            assert not broken, f"what was just imported: {broken[0]}"
            out = io.BytesIO()
            image.export(out, form="native")
        objref.import_image(io.BytesIO(out.getvalue()), path, replace=True, limits=LIMITS)
        with objref.open(made) as image, objref.open(path) as again:
            assert again.stream_sha256 == image.stream_sha256
            assert (len(again), again.reference_count) == (len(image), image.reference_count), "another image"


