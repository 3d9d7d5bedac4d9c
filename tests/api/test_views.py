"""Raw pages as they lie in the file: no copy, page-aligned, checked at the first touch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from samples import SAMPLE, Forger, small_image

import objref
from objref import Options
from objref.container import format as f
from objref.errors import IntegrityError, LimitError, NotFoundError, UsageError

RAW = Options.preset("small", pages="raw")


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real dump with raw pages, records compressed."""
    path = tmp_path_factory.mktemp("views") / "tree.objref"
    objref.import_image(SAMPLE, path, options=RAW)
    return path


def lies_in_the_file(image: objref.Image, view: memoryview) -> bool:
    """Whether a view is memory of the mapped file."""
    source = image.container.source
    file = np.frombuffer(source.read(0, source.length), np.uint8).ctypes.data
    at = int(np.frombuffer(view, np.uint8).ctypes.data)
    return bool(file <= at < file + source.length)


def pages(path: Path) -> objref.Image:
    return objref.open(path, access="map")


def test_memory_without_a_copy(path: Path) -> None:
    with pages(path) as image:
        seen = 0
        for memory in image.objects("mem"):
            for start, stop in memory.ranges:
                for at in range(start, stop, f.PAGE):
                    view = memory.view(at, at + f.PAGE)
                    assert view.readonly
                    assert view == memory.read(at, at + f.PAGE)
                    if any(view):
                        words = np.frombuffer(view, "<u8")
                        assert words.ctypes.data % f.PAGE == 0
                        assert lies_in_the_file(image, view)
                        assert not words.flags.writeable
                        seen += 1
        assert seen > 40


def test_ranges_of_all_lengths_are_the_same_bytes(path: Path) -> None:
    with pages(path) as image:
        memory = next(image.objects("mem"))
        whole = 0
        for start, stop in memory.ranges:
            for low, high in (
                (start, stop),
                (start + 1, stop),
                (start + 5, stop - 7),
                (start, start),
                (stop - 1, stop),
            ):
                view = memory.view(low, high)
                assert view == memory.read(low, high)
                whole += lies_in_the_file(image, view) if (low, high) == (start, stop) and high - low > f.PAGE else 0
        assert whole > 2  # runs of several pages lie together


def test_what_is_compressed_or_read_without_a_map_is_a_copy(path: Path, tmp_path: Path) -> None:
    objref.import_image(SAMPLE, tmp_path / "packed")
    with pages(tmp_path / "packed") as packed, objref.open(path, access="pread") as read, pages(path) as mapped:
        for a, b, c in zip(*(image.objects("mem") for image in (packed, read, mapped)), strict=True):
            for start, stop in a.ranges:
                assert a.view(start, stop) == b.view(start, stop) == c.view(start, stop)


def test_records_and_members(path: Path) -> None:
    with pages(path) as image:
        for found in image.objects():
            if found.sparse:
                with pytest.raises(UsageError, match="view a range"):
                    found.view()
            else:
                assert found.view() == found.bytes
                assert found.view(0, 9) == found.read(0, 9) == found.bytes[:9]


def test_addresses_that_are_not_there(path: Path) -> None:
    with pages(path) as image:
        memory = next(image.objects("mem"))
        (start, stop), *_ = memory.ranges
        for low, high in ((start - 1, start), (stop - 1, stop + 1), (0, 1 << 63)):
            with pytest.raises((NotFoundError, LimitError)):
                memory.view(low, high)
        with pytest.raises(UsageError):
            memory.view(stop, start)


def test_a_copy_is_limited_and_a_view_is_not(path: Path) -> None:
    limits = objref.Limits(read=f.PAGE)
    with objref.open(path, access="map", limits=limits) as image:
        memory = next(image.objects("mem"))
        longest = max(memory.ranges, key=lambda found: found[1] - found[0])
        lengths = {"view": 0, "refused": 0}
        for start, stop in memory.ranges:
            if stop - start > f.PAGE:
                try:
                    assert len(memory.view(start, stop)) == stop - start
                    lengths["view"] += 1
                except LimitError:
                    lengths["refused"] += 1
        assert lengths["view"]
        with pytest.raises(LimitError):
            memory.read(*longest)


def test_every_page_is_checked_when_it_is_looked_at(tmp_path: Path) -> None:
    forger = Forger(small_image("raw"))
    piece = next(p for p in forger.pieces if forger.sections[p.section].role == f.PAGES)
    forger.data[piece.offset + 5] ^= 1
    (tmp_path / "x").write_bytes(forger.data)
    with pages(tmp_path / "x") as image:
        memory = image["mem:7"]
        with pytest.raises(IntegrityError, match="page-data"):
            memory.view(0x1000, 0x2000)
        with pytest.raises(IntegrityError, match="page-data"):  # and not only once
            memory.view(0x1000, 0x1010)
        assert memory.view(0x9000, 0xA000) == bytes(f.PAGE)


def test_a_view_outlives_its_image(path: Path) -> None:
    with pages(path) as image:
        memory = next(image.objects("mem"))
        start, stop = memory.ranges[0]
        view, expected = memory.view(start, stop), memory.read(start, stop)
    assert view == expected
