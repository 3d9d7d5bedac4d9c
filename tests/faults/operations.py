"""What is interrupted: command lines, each with what it finds and what it makes."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import zstandard
from criu.making_scenes import SCENES
from linux_cr.making import Shape
from linux_cr.making import scene as linux_cr_scene

import objref

__all__ = ["OPERATIONS", "Operation"]


class Operation(NamedTuple):
    """A command line in a folder that `prepare` fills; `outputs` are the names that may change."""

    name: str
    prepare: Callable[[Path], None]
    arguments: tuple[str, ...]
    outputs: tuple[str, ...]


def _tar() -> bytes:
    return SCENES["one_task"]().tar()


def _dump(here: Path) -> None:
    """A dump as a directory."""
    (here / "dump").mkdir()
    for name, content in _files():
        (here / "dump" / name).write_bytes(content)


def _files() -> list[tuple[str, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(_tar())) as tar:
        found = [(member, tar.extractfile(member)) for member in tar if member.isreg()]
        return [(Path(member.name).name, file.read()) for member, file in found if file is not None]


def _archive(here: Path) -> None:
    (here / "dump.tar").write_bytes(_tar())


def _packed(here: Path) -> None:
    (here / "dump.tar.zst").write_bytes(zstandard.compress(_tar()))


def _image(here: Path) -> None:
    _archive(here)
    objref.import_image(here / "dump.tar", here / "x.objref")
    (here / "dump.tar").unlink()


def _image_of_directory(here: Path) -> None:
    _dump(here)
    objref.import_image(here / "dump", here / "x.objref")


def _old(prepare: Callable[[Path], None], name: str) -> Callable[[Path], None]:
    """With something of the output's name there already."""

    def both(here: Path) -> None:
        prepare(here)
        (here / name).write_bytes(b"the old one")

    return both


def _stale(here: Path) -> None:
    """An index of other bytes."""
    _stream(here)
    objref.index_file(here / "dump.cr")
    data = bytearray((here / "dump.cr").read_bytes())
    data[-100] ^= 1
    (here / "dump.cr").write_bytes(data)


def _stream(here: Path) -> None:
    (here / "dump.cr").write_bytes(bytes(linux_cr_scene("v23-rc1", tasks=2, shape=Shape(ttys=False, nested=False)).out))


def _leaving(here: Path) -> None:
    _image(here)
    with objref.open(here / "x.objref") as image:
        image.export(here / "x.native", form="native")
    (here / "x.objref").unlink()


OPERATIONS = {
    operation.name: operation
    for operation in (
        Operation("import", _archive, ("import", "dump.tar", "-o", "x.objref"), ("x.objref",)),
        Operation("import-over", _old(_archive, "x.objref"), ("import", "dump.tar", "-o", "x.objref", "--force"), ("x.objref",)),
        Operation("import-packed", _packed, ("import", "dump.tar.zst", "-o", "x.objref"), ("x.objref",)),
        Operation("import-directory", _dump, ("import", "dump", "-o", "x.objref"), ("x.objref",)),
        Operation("import-native", _leaving, ("import", "x.native", "-o", "x.objref"), ("x.objref",)),
        Operation("index", _stream, ("index", "dump.cr"), ("dump.cr.objref-index",)),
        Operation("index-again", _stale, ("index", "dump.cr"), ("dump.cr.objref-index",)),
        Operation("repack", _image, ("repack", "x.objref", "-o", "y.objref"), ("y.objref",)),
        Operation("repack-over", _image, ("repack", "x.objref", "-o", "x.objref", "--force"), ("x.objref",)),
        Operation("export-file", _image, ("export", "x.objref", "-o", "out.tar"), ("out.tar",)),
        Operation("export-directory", _image_of_directory, ("export", "x.objref", "-o", "out"), ("out",)),
        Operation("export-native", _image, ("export", "x.objref", "--as", "native", "-o", "out", "--seal", "seal"), ("out", "seal")),
        Operation("extract-directory", _image, ("extract", "x.objref", "task:10", "-o", "out"), ("out",)),
        Operation("extract-tar", _image, ("extract", "x.objref", "task:10", "-o", "out.tar"), ("out.tar",)),
        Operation("extract-image", _image, ("extract", "x.objref", "task:10", "-o", "out.objref"), ("out.objref",)),
        Operation("convert", _stream, ("convert", "dump.cr", "--to", "v23-rc2", "-o", "out.cr"), ("out.cr",)),
        Operation("get", _image, ("get", "x.objref", "task:10", "-o", "out"), ("out",)),
    )
}  # fmt: skip
