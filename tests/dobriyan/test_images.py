"""Images as the posted code would write them: every object by its position, every reference, every byte."""

from __future__ import annotations

import io
import os
import random
import struct
import subprocess
import sys
import tarfile

import pytest
from dobriyan.collecting import read, split
from dobriyan.making import (
    EXAMPLE,
    FS,
    LENGTHS,
    NAMES,
    PID,
    UNDEFINED,
    Writer,
    header,
    realistic,
)

from objref.dialects.dobriyan import DIALECT
from objref.dialects.dobriyan.layouts import HEADER, LAYOUTS
from objref.dialects.dobriyan.layouts import UNDEFINED as OURS
from objref.limits import DEFAULT


def test_the_facts_example() -> None:
    found = read(EXAMPLE)
    assert len(EXAMPLE) == 232
    assert {name: len(data) for name, data in found.objects.items()} == {
        "header:0": 84, "pid:0x58": 16, "cred:0x68": 72, "file:0xb0": 56,
    }  # fmt: skip
    assert found.edges == {("file:0xb0", "cred", "cred:0x68")}
    assert found.positions == {0x58: "pid:0x58", 0x68: "cred:0x68", 0xB0: "file:0xb0"}
    assert found.notes == []


def test_the_generator_makes_the_facts_example() -> None:
    w = Writer()
    w.pid(1)
    w.file(w.cred())
    assert bytes(w) == EXAMPLE


@pytest.mark.parametrize("size", range(84, 89))
def test_the_smallest_images_are_a_header_with_or_without_its_padding(size: int) -> None:
    found = read(header().ljust(88, b"\0")[:size])
    assert found.objects == {"header:0": header()}
    assert found.notes == []


@pytest.mark.parametrize("tasks", [1, 2, 40])
def test_realistic_images(tasks: int) -> None:
    w = realistic(tasks)
    found = read(bytes(w))
    assert found.objects == w.objects | {"header:0": header()}
    assert found.edges == w.edges
    assert found.dangling == set()
    assert found.notes == []


def test_thousands_of_objects() -> None:
    w = realistic(1500)
    found = split([bytes(w)])
    assert found.stream == bytes(w)
    assert found.objects == w.objects | {"header:0": header()}
    assert found.edges == w.edges
    assert found.notes == []


def test_pids_of_all_depths_and_their_padding() -> None:
    for depth in (0, 1, 2, 3, 33, 1021):
        w = Writer()
        first, second = w.pid(*range(depth)), w.pid(*range(depth), level=7)
        w.cred()
        found = read(bytes(w), 1)
        assert found.objects == w.objects | {"header:0": header()}, (first, second)
        assert found.notes == []


def test_the_last_padding_may_be_missing() -> None:
    for number, body in ((FS, bytes(4)), (PID, bytes(12))):
        w = Writer()
        w.cred()
        w.put(number, body)
        for padding in range(5):
            found = read(bytes(w) + bytes(padding))
            assert found.objects == w.objects | {"header:0": header()}
            assert found.notes == []


def test_the_layouts_are_those_of_the_facts() -> None:
    assert {n: layout.kind for n, layout in LAYOUTS.items()} == dict(enumerate(NAMES, 1))
    assert {n: layout.length for n, layout in LAYOUTS.items()} == LENGTHS | {PID: 12}
    assert OURS == UNDEFINED
    for layout in (*LAYOUTS.values(), HEADER):
        at = 0 if layout is HEADER else 8
        for field in layout.fields:  # without gap or overlap, but for the header's rest
            assert field.offset == at, (layout.name, field.name)
            at += struct.calcsize("<" + field.code)
            assert len(field.roles) == (struct.calcsize("<" + field.code) // 8 if field.to else 0)
        assert at == layout.length, layout.name


def tar_of(name: str) -> bytes:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo(name))
    return archive.getvalue()


def test_detect() -> None:
    assert DIALECT.detect(EXAMPLE)
    assert DIALECT.detect(EXAMPLE[:8])
    assert DIALECT.detect(header(version=2))
    assert DIALECT.detect(header(version=1 << 32 | 1)), "April: a le32"
    tars = [tar_of(name) for name in ("LinuxC/R", "LinuxC/R/core-1.img", "LinuxC/R1")]
    linux_cr = struct.pack("<IIQ", 1, 72, 0x00FEED0CC0A2D200)
    openvz = bytes.fromhex("791c0163") + bytes(76)
    others = [b"", EXAMPLE[:7], *tars, linux_cr, linux_cr[::-1], openvz, b"\x16\x31\x31\x58" * 8]
    others += [random.Random(seed).randbytes(512) for seed in range(100)]
    assert not any(DIALECT.detect(head) for head in others)


def test_the_dialect_loads_without_its_machinery() -> None:
    code = (
        "import sys, objref.dialects.dobriyan as d; print(*[m for m in sys.modules if m.startswith(d.__name__ + '.')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ)
    assert loaded.stdout.split() == ["objref.dialects.dobriyan.kinds"]


def test_a_splitter_says_its_kinds() -> None:
    splitter = DIALECT.splitter(DEFAULT)
    assert splitter.kinds == DIALECT.kinds
    assert splitter.roles == DIALECT.roles
