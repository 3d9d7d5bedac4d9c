"""Steps of writing a container: strands, pages and places where groups may end, and what was written."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pytest
from hypothesis import strategies as st

from objref.container import format as f
from objref.container.output import Output
from objref.container.writer import ContainerWriter, Options

SMALL = {"writer.GROUP": 40_000, "piece_writer.PIECE_BUFFER": 8192, "piece_writer.BATCH": 8192,
         "writer.READ_BACK_BLOCKS": 2, "piece_writer.IN_FLIGHT": 2, "output.LARGE": 8192}  # fmt: skip
"""So that a few hundred KB make several groups and many pieces, written by a thread, and pages are read back from the
file."""


class Bytes(NamedTuple):
    """The next bytes of a strand: `length` of them, made from a seed."""

    strand: int
    seed: int
    length: int

    @property
    def data(self) -> bytes:
        return hashlib.shake_128(bytes([self.seed & 3])).digest(self.length) if self.seed & 4 else b"ab" * self.length


class Pages(NamedTuple):
    """The next pages, by what fills them (0: zero pages)."""

    fills: tuple[int, ...]

    @property
    def data(self) -> bytes:
        return b"".join(bytes([fill]) * f.PAGE for fill in self.fills)


class End(NamedTuple):
    """A batch may end here, and with it a group."""


Step = Bytes | Pages | End
LENGTHS = st.one_of(st.integers(0, 60), st.sampled_from([4095, 4096, 4097, 8192, 20_000, 50_000]))
STEPS = st.lists(
    st.one_of(
        st.builds(Bytes, st.integers(0, 4), st.integers(0, 7), LENGTHS),
        st.builds(Pages, st.lists(st.integers(0, 8), max_size=20).map(tuple)),
        st.just(End()),
    ),
    max_size=40,
)


class Written(NamedTuple):
    """A file and where its bytes must be found: (section, address, data)."""

    data: bytes
    stream: bytes
    places: list[tuple[int, int, bytes]]
    pages: ContainerWriter


def write(steps: Sequence[Step], options: Options | None = None) -> Written:
    options = options or Options(block_log2=12, bulk_log2=13, page_block_log2=13)
    stream, places = [], []
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        for name, value in SMALL.items():
            patch.setattr(f"objref.container.{name}", value)
        path = Path(folder) / "x"
        with Output(path) as output:
            writer = ContainerWriter(output, options)
            for step in steps:
                if isinstance(step, End):
                    writer.end_batch()
                    continue
                if isinstance(step, Pages):
                    section, address = writer.page_section, writer.append_pages(memoryview(step.data))
                else:
                    section = writer.section(f"strand {step.strand}", bulk=step.strand == 4)
                    address = writer.append(section, step.data)
                stream.append(step.data)
                places.append((section, address, step.data))
            writer.finish([], [], [], [], 0, 0)
            writer.close()
            output.commit()
        return Written(path.read_bytes(), b"".join(stream), places, writer)
