"""Chunks of a few pages, which go through many at a time: nothing differs but the time."""

from __future__ import annotations

import io
import itertools
import random
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from linux_cr.collecting import collect, cut
from linux_cr.making import MACHINES, PAGE, Maker

from objref.dialects import events as ev
from objref.dialects.linux_cr.splitter import LinuxCrSplitter
from objref.importer import import_image
from objref.sidecar.indexing import index_file

LAYOUTS = ("rev3", "v20", "renumbered", "v23-rc2")


def memories(layout: str, machine: str, sizes: list[list[int]], page: int = PAGE, repeat: int = 0) -> Maker:
    """A task for each list of chunk sizes: so many chunks of private memory. `repeat`: every such page is zero."""
    maker = Maker(layout, machine)
    maker.leading([(k + 1, 0) for k in range(len(sizes))])
    count = itertools.count(1)

    def mm(chunks: list[int]) -> int:
        key = maker.objref("mm")
        maker.record("MM", maker.pack("I", 2), 120)
        maker.record("BUFFER", b"auxv")
        for area, start in ((2, 0x1000_0000), (4, 0)):
            inode = maker.id() if area == 4 else 0
            maker.vma(key, area, 0x1000_0000, 0, inode)
            scale = page if area == 4 else 1
            at = start
            for n in chunks:
                chunk(f"shmem:{inode}" if inode else f"mem:{key}", [at + i * page // scale for i in range(n)], scale)
                at += (n + 1) * page // scale
            maker.end_pages()
        maker.record("MM_CONTEXT", length=48 if machine == "s390x" else 24)
        if not machine.startswith("x86"):
            maker.record("MM_CONTEXT_LDT")
        return key

    def chunk(memory: str, addresses: list[int], scale: int) -> None:
        before = len(maker.out)
        maker.chunk(memory, addresses, scale, page)
        if repeat and next(count) % repeat == 0:
            n = len(addresses) * page
            maker.out[-n:] = bytes(n)
            assert len(maker.out) > before

    for k, chunks in enumerate(sizes):
        maker.shared.clear()
        maker.mm = lambda chunks=chunks: mm(chunks)  # type: ignore[method-assign, misc]
        maker.task(k + 1)
    maker.tail()
    return maker


def woven(pieces: Iterator[bytes] | list[bytes]) -> int:
    """Bytes that came in turns."""
    splitter = LinuxCrSplitter()
    events = itertools.chain.from_iterable((*(splitter.feed(piece) for piece in pieces), splitter.finish()))
    return sum(len(event.data) for event in events if isinstance(event, ev.Woven))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_they_are_where_they_say(layout: str, machine: str) -> None:
    maker = memories(layout, machine, [[1] * 30, [2, 1, 3, 32, 33, 1, 1], [], [40, 1]])
    data = bytes(maker.out)
    got = collect([data])
    assert got.stream == data
    assert got.notes == []
    assert {name: pages for name, pages in got.memory.items() if pages} == maker.memory
    assert woven([data]) > len(data) // 3


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.lists(st.integers(1, 34), max_size=8), min_size=1, max_size=3), st.integers(0, 1 << 30),
    st.sampled_from(LAYOUTS), st.sampled_from(["x86_64", "x86_32", "ppc64"]), st.sampled_from([PAGE, 2 * PAGE]),
)  # fmt: skip
def test_pieces_make_no_difference(sizes: list[list[int]], seed: int, layout: str, machine: str, page: int) -> None:
    data = bytes(memories(layout, machine, sizes, page).out)
    rng = random.Random(seed)
    whole = collect([data])
    assert collect(cut(data, iter(lambda: rng.choice((1, 7, 4096, 5000, 70_000)), 0))) == whole
    assert whole.stream == data


@pytest.mark.parametrize("repeat", [0, 3])
def test_what_is_stored_does_not_depend_on_how_many_came_together(repeat: int, tmp_path: Path) -> None:
    """Enough for several batches of the pages, of their heads, and of the braid."""
    data = bytes(memories("v23-rc2", "x86_64", [[1] * 900, [1, 2, 5] * 60], repeat=repeat).out)
    made = set()
    for k, size in enumerate((1 << 20, 1 << 18, 4096, 100_003)):
        image = tmp_path / f"{k}.objref"
        import_image(_Slow(data, size), image)  # type: ignore[arg-type]  # all that it asks is read
        made.add(image.read_bytes())
    assert len(made) == 1
    assert woven([data]) > len(data) // 2
    assert not woven(cut(data, itertools.repeat(1000)))


class _Slow(io.BytesIO):
    """Reads no more than so much at once."""

    def __init__(self, data: bytes, size: int) -> None:
        super().__init__(data)
        self._most = size

    def read(self, size: int | None = -1, /) -> bytes:
        return super().read(self._most if size is None or size < 0 else min(size, self._most))


def test_an_index_beside_it_is_the_same(tmp_path: Path) -> None:
    from objref.image import open_image

    maker = memories("v23-rc2", "x86_64", [[1] * 300, [3, 1] * 20], repeat=4)
    (tmp_path / "x.cr").write_bytes(maker.out)
    index_file(tmp_path / "x.cr")
    import_image(tmp_path / "x.cr", tmp_path / "x.objref")
    with open_image(tmp_path / "x.cr") as beside, open_image(tmp_path / "x.objref") as inside:
        for a, b in zip(beside.objects(), inside.objects(), strict=True):
            assert (a.objref, a.size, a.ranges) == (b.objref, b.size, b.ranges)
            assert b"".join(a.stored_chunks()) == b"".join(b.stored_chunks())


@pytest.mark.parametrize("change", [(0, 404), (4, 24), (8, 0), (8, 2), (8, 1 << 40), (16, 5), (20, 4097), (20, 1 << 30)])
def test_one_among_them_that_is_broken(change: tuple[int, int]) -> None:
    """The same notes and objects, whether it came with others or alone."""
    data = memories("v20", "x86_64", [[1] * 12]).out
    head = struct.pack("<IIQII", 403, 16, 1, 4, 8 + 8 + PAGE)
    at = -1
    for _ in range(5):
        at = data.index(head, at + 1)
    offset, value = change
    struct.pack_into("<Q" if offset == 8 else "<I", data, at + offset, value)
    hurt = bytes(data)
    whole = collect([hurt])
    assert whole == collect(cut(hurt, itertools.repeat(911)))
    assert whole.stream == hurt
    assert whole.notes


def test_cut_anywhere_among_them() -> None:
    data = bytes(memories("v20", "x86_64", [[1] * 6]).out)
    first = data.index(struct.pack("<IIQII", 403, 16, 1, 4, 8 + 8 + PAGE))
    for n in (*range(first, first + 60), *range(first + 4000, first + 4300, 7), first + 3 * 4136, first + 3 * 4136 + 17):
        whole = collect([data[:n]])
        assert whole.stream == data[:n]
        assert whole.told("cut")
        assert whole == collect(cut(data[:n], itertools.repeat(613)))
