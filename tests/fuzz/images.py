"""What must hold of any bytes that say they are an image: a container, a native stream, a stream with an index beside it.

An error of objref's own is an answer. Any other exception, a wrong byte, something left behind is not. Memory and time
are bounded by whoever calls (`fuzz.campaign`).
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Iterable
from contextlib import suppress
from zlib import crc32

from fuzz.asking import LIMITS, everything, folder, never, short
from fuzz.sealing import unpair

import objref
from objref.errors import FormatError, LimitError, ObjrefError, SourceError
from objref.verify import verify_image

__all__ = ["any_container", "any_native", "any_sidecar"]


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
