"""Streams with an index beside them, made of events, and the same as containers."""

from __future__ import annotations

import faulthandler
import io
import os
import tarfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import zstandard
from dobriyan.making import realistic
from linux_cr.making import stream as linux_cr_stream
from samples import Small

from objref.collector import Collector
from objref.container.output import Output
from objref.dialects import events as ev
from objref.limits import DEFAULT
from objref.sidecar.opening import beside
from objref.sidecar.writer import SidecarWriter
from openvz.making import scene as openvz_scene
from objref_index.build import Columns

IMAGES = Path(__file__).resolve().parents[1] / "images"
ASIDE = ("meta", "groups")
"""Questions about how it is stored, which a container answers otherwise."""


def stream_of(events: Sequence[ev.Event]) -> bytes:
    return b"".join(bytes(e.data) for e in events if isinstance(e, ev.Run | ev.Pages))


def write_beside(path: Path, events: Sequence[ev.Event], *, replace: bool = False) -> Path:
    """The stream of the events, and its sidecar. Returns the sidecar's path."""
    if not path.exists():
        path.write_bytes(stream_of(events))
    with Output(beside(path), replace=replace) as output:
        writer = SidecarWriter(output, path.stat().st_size)
        try:
            collector = Collector(writer, Small(), DEFAULT, Columns())  # type: ignore[arg-type]
            for event in events:
                collector.take([event])
                writer.end_batch()
            collector.finish({"kind": "tar", "compression": None})
        finally:
            writer.close()
        output.commit()
    return Path(beside(path))


def streams() -> Iterator[tuple[str, bytes]]:
    """A stream of every dialect that has one: (name, bytes)."""
    for path in sorted(IMAGES.glob("*.tar.zst")):
        yield path.name.removesuffix(".zst"), zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    yield "many.dobriyan", bytes(realistic(80))
    yield "many.cpt", openvz_scene(tasks=12).data
    for layout in ("v20", "v23-rc2"):
        yield f"{layout}.cr", b"".join(linux_cr_stream(tasks=8, pages=40, layout=layout))


def tar_of(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return out.getvalue()


def in_child(work: Callable[[], Any]) -> int:
    """Do it in a child of its own, since what it does to LMDB might end the process. Returns the wait status."""
    child = os.fork()
    if child == 0:
        code = 1
        faulthandler.disable()  # where it ends is all that is asked
        try:
            work()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(code)
    return os.waitpid(child, 0)[1]
