"""The parsers: for each its genuine inputs, how they are changed, and what must hold of any bytes."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from random import Random
from typing import NamedTuple

import zstandard
from criu.making_scenes import SCENES
from dobriyan.making import realistic
from fuzz.archives import any_archive, any_tar
from fuzz.dialects import any_conversion, any_dump, any_stream, collected
from fuzz.images import any_container, any_native, any_sidecar
from fuzz.mutating import Mutation, any_bytes, items_of_tars, objects_of
from fuzz.sealing import containers, native_streams, pair, sidecars
from linux_cr.making import Shape
from linux_cr.making import scene as linux_cr_scene
from native.leaving import leave
from openvz.making import FLAVOURS
from openvz.making import scene as openvz_scene
from samples import SAMPLE, dense_image, small_events, small_image
from sidecar.making import write_beside

import objref
from objref.archive.tar_write import encode_member
from objref.archive.tar_member import Member

__all__ = ["TARGETS", "Target"]


class Target(NamedTuple):
    """A parser under test. `check` raises when what must hold does not; its docstring says what """

    name: str
    seeds: Callable[[], list[bytes]]
    mutate: Mutation
    check: Callable[[bytes], None]

    @property
    def invariant(self) -> str:
        """What must hold, in one sentence."""
        return " ".join((self.check.__doc__ or "").split())


# -- genuine inputs, made once ------------------------------------------------------------------------------------


@cache
def _criu() -> list[bytes]:
    """Every kind of a modern dump, and scenes below 30 KB: of contradictions one in three."""
    wanted = [name for name in SCENES if name.startswith(("every_kind", "three_layers", "podman"))]
    made = [SCENES[name]().tar() for name in wanted]
    return made + [data for make in list(SCENES.values())[::3] if len(data := make().tar()) < 30_000]


@cache
def _linux_cr() -> list[bytes]:
    layouts = ("v20", "v23-rc1", "v23-rc2", "rev3", "rev5", "renumbered")
    machines = ("x86_64", "x86_32", "ppc64")
    wanted = [(layout, "x86_64") for layout in layouts] + [("v20", machine) for machine in machines[1:]]
    return [bytes(linux_cr_scene(layout, machine, tasks=2).out) for layout, machine in wanted]


@cache
def _convertible() -> list[bytes]:
    """What has a counterpart in the other layouts, and some that has not."""
    flat = Shape(ttys=False, nested=False)
    wanted = [("v23-rc1", "x86_64"), ("renumbered", "x86_64"), ("v23-rc2", "x86_64"), ("v23-rc1", "ppc64"), ("v23-rc2", "x86_32")]
    return [bytes(linux_cr_scene(layout, machine, 2, flat).out) for layout, machine in wanted] + _linux_cr()[1:3]


@cache
def _openvz() -> list[bytes]:
    return [openvz_scene(flavour, tasks=2, files=2).data for flavour in FLAVOURS[::2]]


@cache
def _dobriyan() -> list[bytes]:
    return [bytes(realistic(tasks)) for tasks in (1, 3, 9)]


@cache
def _containers() -> list[bytes]:
    """Raw ones, in which every content can be forged, and packed ones."""
    made = [small_image("raw", groups=True, plain_tables=True), small_image("zstd", groups=True), dense_image(4200)]
    return [*made, *_of_dialects()]


@cache
def _of_dialects() -> list[bytes]:
    """Raw containers of each dialect: what stands in a record may be forged under checks that are right."""
    streams = [_criu()[0], SCENES["one_task"]().tar(), _linux_cr()[0], _openvz()[0], _dobriyan()[1]]
    made = [collected(stream, [stream]) for stream in streams]
    return [data for data in made if isinstance(data, bytes)]


@cache
def _native() -> list[bytes]:
    return [leave(image) for image in (_containers()[0], _containers()[1], *_of_dialects()[1:4:2], _of_dialects()[-1])]


@cache
def _sidecars() -> list[bytes]:
    found = []
    with tempfile.TemporaryDirectory() as name:
        here = Path(name)
        write_beside(here / "small", list(small_events()))
        (here / "many").write_bytes(_dobriyan()[2])
        objref.index_file(here / "many")
        for path in (here / "small", here / "many"):
            found.append(pair(path.read_bytes(), Path(f"{path}.objref-index").read_bytes()))
    return found


@cache
def _tars() -> list[bytes]:
    """Each way to write each thing: by Python in three formats, and what only others write: sparse maps, long names."""
    made = [SCENES["one_task"]().tar(), SCENES["pages_file_with_holes"]().tar()]
    for style in (tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w", format=style, pax_headers={"comment": "x"}) as tar:
            for number, kind in enumerate((tarfile.REGTYPE, tarfile.DIRTYPE, tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE)):
                info = tarfile.TarInfo(f"d{number}/" + "n" * (90 if style == tarfile.USTAR_FORMAT else 150))
                info.type, info.linkname = kind, "d0/" + "n" * (90 if style == tarfile.USTAR_FORMAT else 150)
                info.size = 700 if kind == tarfile.REGTYPE else 0
                tar.addfile(info, io.BytesIO(b"c" * 700))
        made.append(out.getvalue())
    holes = Member(b"holes", size=1024, real_size=9000, sparse=((0, 512), (8000, 512)))
    return [*made, encode_member(holes) + bytes(1024) * 3, _old_sparse()]


def _old_sparse() -> bytes:
    """A GNU old-format sparse member with an extension block."""
    head = bytearray(512)
    head[:4], head[100:108], head[124:136], head[156:157] = b"file", b"0000600\0", b"%011o\0" % 2560, b"S"
    head[257:265] = b"ustar  \0"
    for i in range(4):
        head[386 + 24 * i : 410 + 24 * i] = b"%011o\0%011o\0" % (4096 * i, 512)
    head[482], head[483:495] = 1, b"%011o\0" % 20480
    more = bytearray(512)
    more[:24] = b"%011o\0%011o\0" % (4096 * 4, 512)
    return _summed(bytes(head)) + bytes(more) + b"c" * 2560 + bytes(1024)


@cache
def _archives() -> list[bytes]:
    data = _tars()[0][:8192] + bytes(1024)
    frames = zstandard.ZstdCompressor(level=3, write_checksum=True).compress(data[:4096])
    return [
        gzip.compress(data, mtime=0), bz2.compress(data), lzma.compress(data),
        zstandard.ZstdCompressor(level=3).compress(data), frames + zstandard.ZstdCompressor(level=1).compress(data[4096:]),
        gzip.compress(data[:512], mtime=0) + gzip.compress(data[512:], mtime=0), SAMPLE.read_bytes()[:30_000],
    ]  # fmt: skip


# -- how they are changed -----------------------------------------------------------------------------------------


def _in_tars(dice: Random, data: bytes) -> bytes:
    """Anything, then checksums of headers that are right: without them nothing behind is ever read."""
    changed = any_bytes(dice, data)
    return _checksums(changed) if dice.random() < 0.85 else changed


def _checksums(data: bytes) -> bytes:
    """Every block that looks like a header gets the sum it should have."""
    return b"".join(_summed(block) for block in _blocks(data))


def _blocks(data: bytes) -> Iterator[bytes]:
    for at in range(0, len(data), 512):
        yield data[at : at + 512]


def _summed(block: bytes) -> bytes:
    if len(block) < 512 or b"ustar" not in block[250:270]:
        return block
    total = sum(block[:148]) + 8 * 32 + sum(block[156:])
    return block[:148] + b"%06o\0 " % total + block[156:]


@cache
def _mutation_of(seeds: Callable[[], list[bytes]]) -> Mutation:
    """Where the objects of a stream are, its index tells."""
    return objects_of({data: _bounds(data) for data in seeds()})


def _bounds(data: bytes) -> list[tuple[int, int]]:
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "x"
        path.write_bytes(data)
        objref.index_file(path, partial="keep")
        with objref.open(path) as image:
            found = {(at, at + length) for o in image.objects() if not o.sparse for at, length in o.places()}
    return sorted(found)


def _streams(seeds: Callable[[], list[bytes]]) -> Mutation:
    return lambda dice, data: _mutation_of(seeds)(dice, data)


TARGETS = {
    target.name: target
    for target in (
        Target("container", _containers, containers, any_container),
        Target("records", _of_dialects, containers, any_container),
        Target("sidecar", _sidecars, sidecars, any_sidecar),
        Target("native", _native, native_streams, any_native),
        Target("criu", _criu, items_of_tars, any_stream),
        Target("linux-cr", _linux_cr, _streams(_linux_cr), any_stream),
        Target("openvz", _openvz, _streams(_openvz), any_stream),
        Target("dobriyan", _dobriyan, _streams(_dobriyan), any_stream),
        Target("extract", _criu, items_of_tars, any_dump),
        Target("convert", _convertible, _streams(_convertible), any_conversion),
        Target("tar", _tars, _in_tars, any_tar),
        Target("compressed", _archives, any_bytes, any_archive),
    )
}
