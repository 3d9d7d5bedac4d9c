"""What an open image is asked, and what every answer must be: right, an error of objref's own, and for a terminal."""

from __future__ import annotations

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from random import Random
from zlib import crc32

import objref
from objref.cli.showing import _lines
from objref.cli.terminal import Paint, safe
from objref.errors import ObjrefError
from objref.limits import DEFAULT

__all__ = ["LIMITS", "MANY", "everything", "folder", "never", "pieces", "printable", "short"]

LIMITS = DEFAULT._replace(read=16 << 20, item=16 << 20, table=16 << 20, directory=16 << 20, tree=16 << 20)
"""Smaller than the defaults, so that the bound on memory can be small."""
MANY = 20
"""Objects that are asked of each image; all of them when an input is tried again."""


@contextmanager
def folder() -> Iterator[Path]:
    """A folder in which nothing may be left but what is said to be."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as name:
        yield Path(name)


def pieces(data: bytes) -> Iterator[bytes]:
    """Cuts that follow from the bytes: dense at the front, then some."""
    dice, at = Random(crc32(data)), 0
    while at < len(data):
        length = dice.choice((1, 3, 17, 100, 511)) if at < 2048 else dice.choice((1, 4096, 20_000))
        yield data[at : at + length]
        at += length


def everything(image: objref.Image) -> list[ObjrefError]:
    """Ask an image all that there is to ask, of some of its objects. Returns the errors that it answered with."""
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
    for ordinal in Random(image.stream_sha256).sample(range(len(image)), min(len(image), MANY)):
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
