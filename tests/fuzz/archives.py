"""What must hold of any bytes that say they are an archive, or compressed."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable

from fuzz.asking import LIMITS, folder, never, pieces, short

from objref.archive.extract import extract
from objref.archive.sources import open_source
from objref.archive.tar import Begin, Content, Header, TarSplitter
from objref.errors import FormatError, ObjrefError, SourceError

__all__ = ["any_archive", "any_tar"]

BOMB = 32 << 20
"""What decompressing gives before nobody wants more."""


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
