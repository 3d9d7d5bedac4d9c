"""`objref verify` of a stream with an index beside it: all that a container is asked, and that they belong together."""

from __future__ import annotations

import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sidecar.making import in_child, streams
from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.cli import main
from objref.sidecar.layout import ENDING, HEAD, SUFFIX, decode
from objref.verify import Report
from objref_index.tree import build

SEED = 20261124
STREAMS = dict(streams())


class Pair:
    """A stream with its sidecar."""

    def __init__(self, file: Path) -> None:
        self.file, self.beside = file, file.with_name(file.name + SUFFIX)
        self.stream, self.sidecar = file.read_bytes(), self.beside.read_bytes()
        self.ending = decode(self.sidecar[-ENDING.size :], len(self.sidecar))

    def copied(self, folder: Path) -> Pair:
        for path in (self.file, self.beside):
            shutil.copy2(path, folder)
        return Pair(folder / self.file.name)

    def verify(self, **options: Any) -> Report:
        return objref.verify_image(self.file, access="pread", **options)


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """A real dump; verified in copies."""
    path = tmp_path_factory.mktemp("verify") / "tree.tar"
    path.write_bytes(STREAMS["tree.tar"])
    objref.index_file(path)
    return Pair(path)


@pytest.fixture
def pair(real: Pair, tmp_path: Path) -> Pair:
    return real.copied(tmp_path)


def flipped(data: bytes, at: int, pattern: int) -> bytes:
    return data[:at] + bytes([data[at] ^ pattern]) + data[at + 1 :]


def holders(file: Path, low: int, high: int) -> set[str]:
    """Objects that have a byte of low…high-1, asked one by one of a sound image."""
    with objref.open(file) as image:
        return {
            found.objref
            for found in image.objects()
            if any(start < high and low < start + length for start, length in found.places())
        }


# -- sound ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", STREAMS)
def test_every_stream_is_sound(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(STREAMS[name])
    objref.index_file(path)
    report = objref.verify_image(path)
    assert not report.findings
    assert (report.whole, report.affected, report.proven) == (True, 0, len(STREAMS[name]))
    assert report.beside == f"{path}{SUFFIX}"
    with objref.open(path) as image:
        assert (report.objects, report.references) == (len(image), image.reference_count)
        assert report.stream_sha256 == image.stream_sha256
    assert objref.verify_image(path, depth="quick").sound
    assert objref.verify_image(path, access="map").sound


# -- FILE -----------------------------------------------------------------------------------------------------


def test_a_flipped_byte_of_the_stream_names_what_holds_it(pair: Pair) -> None:
    dice = random.Random(SEED)
    where: dict[int, set[str]] = {}
    for at in dice.sample(range(len(pair.stream)), 40):
        low = at >> 16 << 16
        if low not in where:
            pair.file.write_bytes(pair.stream)
            where[low] = holders(pair.file, low, low + (1 << 16))
        pair.file.write_bytes(flipped(pair.stream, at, dice.randrange(1, 256)))
        report = pair.verify()
        (found,) = report.findings
        assert found.where == f"stream, bytes {low}…{min(low + (1 << 16), len(pair.stream))}"
        assert (found.affected, report.affected) == (len(where[low]), len(where[low]))
        assert set(found.objrefs) <= where[low]
        assert not report.whole
        assert pair.verify(depth="quick").sound  # it does not look there


@pytest.mark.parametrize("name", ["many.cpt", "many.dobriyan", "v23-rc2.cr"])
def test_so_it_does_in_streams_of_other_dialects(name: str, tmp_path: Path) -> None:
    """Where objects lie in each other, are told by position, or are chunks of pages between records."""
    path, dice = tmp_path / name, random.Random(SEED)
    path.write_bytes(STREAMS[name])
    objref.index_file(path)
    pair = Pair(path)
    step = 1 << 16
    for low in range(0, len(pair.stream), step):
        high = min(low + step, len(pair.stream))
        pair.file.write_bytes(pair.stream)
        expected = holders(pair.file, low, high)
        pair.file.write_bytes(flipped(pair.stream, dice.randrange(low, high), dice.randrange(1, 256)))
        report = pair.verify()
        assert [found.where for found in report.findings] == [f"stream, bytes {low}…{high}"]
        assert report.affected == len(expected) > 0
        assert set(report.findings[0].objrefs) <= expected


@pytest.mark.parametrize("length", [0, 1, 1000, 65536, 200_000, -1])
def test_a_stream_that_is_cut(pair: Pair, length: int) -> None:
    cut = length % len(pair.stream)
    gone = holders(pair.file, cut >> 16 << 16, len(pair.stream))
    os.truncate(pair.file, cut)
    report = pair.verify()
    assert "S7" in report.findings[0].rules
    assert "run `objref index" in report.findings[0].text
    assert report.affected == len(gone)
    assert set(report.findings[1].objrefs) <= gone
    assert not pair.verify(depth="quick").sound


def test_a_stream_that_is_longer(pair: Pair) -> None:
    with pair.file.open("ab") as file:
        file.write(bytes(512))
    report = pair.verify()
    assert [found.rules for found in report.findings] == [("S7",)]
    assert (report.affected, report.proven, report.whole) == (0, len(pair.stream), False)


def test_an_index_of_other_bytes(pair: Pair) -> None:
    pair.file.write_bytes(bytes(b ^ 1 for b in pair.stream))
    report = pair.verify()
    (found,) = report.findings  # one run of blocks
    assert found.where == f"stream, bytes 0…{len(pair.stream)}"
    pair.file.write_bytes(pair.stream)
    assert report.affected == found.affected == len(holders(pair.file, 0, len(pair.stream)))


# -- the sidecar ----------------------------------------------------------------------------------------------


def regions(pair: Pair) -> dict[str, tuple[int, int]]:
    tree, end = pair.ending.tree, len(pair.sidecar)
    return {
        "tree": (0, tree),
        "superblock": (tree, tree + 64),
        "head": (tree + 64, tree + HEAD),
        "rest": (tree + HEAD, end - ENDING.size - 128),
        "footer": (end - ENDING.size - 128, end - ENDING.size),
        "ending": (end - ENDING.size, end),
    }


@pytest.mark.parametrize("name", ["tree", "superblock", "head", "rest", "footer", "ending"])
def test_a_flipped_byte_of_the_sidecar(pair: Pair, name: str) -> None:
    """Each is found; in a child, since LMDB ends the process where it is asked about damage."""
    low, high = regions(pair)[name]
    dice = random.Random(SEED)

    def damage() -> None:
        for at in dice.sample(range(low, high), 40):
            pair.beside.write_bytes(flipped(pair.sidecar, at, dice.randrange(1, 256)))
            quick, full = pair.verify(depth="quick"), pair.verify()
            assert not quick.sound or name == "rest", at  # the braid is content
            assert not full.sound, at

    assert in_child(damage) == 0


def test_a_damaged_tree_leaves_objects_and_stream_whole(pair: Pair) -> None:
    pair.beside.write_bytes(flipped(pair.sidecar, 5000, 1))
    report = pair.verify()
    assert [(found.where, found.rules) for found in report.findings] == [("tree, offset 0", ("S12",))]
    assert (report.affected, report.whole) == (0, True)


def test_a_damaged_tree_and_a_changed_stream(pair: Pair) -> None:
    """Objects whose keys are lost are still counted."""
    pair.file.write_bytes(flipped(pair.stream, 100_000, 1))
    expected = pair.verify().affected
    pair.beside.write_bytes(flipped(pair.sidecar, 5000, 1))
    report = pair.verify()
    assert {found.what for found in report.findings} == {"tree", "block"}
    assert report.affected == expected


def test_a_damaged_ending_is_made_up_for(pair: Pair) -> None:
    pair.file.write_bytes(flipped(pair.stream, 100_000, 1))
    pair.beside.write_bytes(flipped(pair.sidecar, len(pair.sidecar) - 60, 1))
    report = pair.verify()
    assert [found.what for found in report.findings] == ["ending", "block"]
    assert 0 < (report.affected or 0) < report.objects


def test_without_footer_the_stream_is_still_proven(pair: Pair) -> None:
    pair.beside.write_bytes(flipped(pair.sidecar, len(pair.sidecar) - ENDING.size - 100, 1))
    report = pair.verify()
    assert not report.sound
    assert (report.affected, report.proven) == (None, len(pair.stream))


def test_a_sidecar_cut_anywhere(pair: Pair) -> None:
    dice = random.Random(SEED)
    for size in [0, 1, 127, 128, *dice.sample(range(len(pair.sidecar)), 30)]:
        pair.beside.write_bytes(pair.sidecar[:size])
        assert not pair.verify().sound
        assert not pair.verify(depth="quick").sound


# -- checksums right, contents wrong --------------------------------------------------------------------------


def _forged(pair: Pair, monkeypatch: pytest.MonkeyPatch, batch: Callable[..., Any]) -> Report:
    real = build._batch
    monkeypatch.setattr(build, "_batch", lambda *given: batch(real, *given))
    objref.index_file(pair.file, replace=True)
    return pair.verify()


def test_rows_of_the_tree_that_lie(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every entry says one byte more than the objects table."""
    report = _forged(pair, monkeypatch, lambda real, *given: real(*given[:-1], given[-1] + np.uint64(1)))
    assert {found.rules for found in report.findings} == {("S10",)}
    with objref.open(pair.file) as image:
        spaces = [space for space in image.container.spaces if space.form != 3 and space.keys]
        assert sum(found.affected for found in report.findings) == sum(space.keys for space in spaces)
    assert all(found.objrefs for found in report.findings)


def test_one_row_that_lies_is_named(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    with objref.open(pair.file) as image:
        task = image["task:100"]

    def one(real: Any, number: int, keys: Any, ordinals: Any, claims: Any, rows: Any) -> Any:
        names, values = real(number, keys, ordinals, claims, rows)
        return names, [
            struct.pack("<QQII", where + (ordinal == task.ordinal), what, ordinal, n)
            for where, what, ordinal, n in (struct.unpack("<QQII", value) for value in values)
        ]

    report = _forged(pair, monkeypatch, one)
    (found,) = report.findings
    assert (found.where, found.rules, found.objrefs, found.affected) == ("space 0/task", ("S10",), ("task:100",), 1)


def test_keys_of_the_tree_that_lie(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    report = _forged(pair, monkeypatch, lambda real, *given: real(given[0], given[1] + np.uint64(1), *given[2:]))
    assert not report.sound
    assert {found.what for found in report.findings} == {"keys"}
    assert any("ordinal keys" in found.text for found in report.findings)


def test_claims_and_objects_that_do_not_exist(pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    def beyond(real: Any, *given: Any) -> Any:
        names, values = real(*given)
        return names, [value[:16] + b"\xff\xff\xff\x7f" + value[20:] for value in values]

    with monkeypatch.context() as patch:
        assert "of 128" in _forged(pair, patch, beyond).findings[0].text

    def third(real: Any, *given: Any) -> Any:
        names, values = real(*given)
        return names, [value[:20] + b"\3\0\0\0" for value in values]

    with monkeypatch.context() as patch:
        assert "is claim 3 of key" in _forged(pair, patch, third).findings[0].text


def test_an_ending_that_lies_about_its_entries(pair: Pair) -> None:
    ending = bytearray(pair.sidecar[-ENDING.size :])
    ending[48:56] = struct.pack("<Q", pair.ending.entries + 1)
    ending[112:120] = struct.pack("<Q", xxh3(bytes(ending[:112])))
    pair.beside.write_bytes(pair.sidecar[: -ENDING.size] + ending)
    (found,) = pair.verify().findings
    assert found.rules == ("S9",)


def test_section_one_is_the_stream(pair: Pair) -> None:
    """A head that is not zero, with nothing else wrong, and nothing that a checksum covers."""
    at = pair.ending.tree + 3000
    pair.beside.write_bytes(flipped(pair.sidecar, at, 1))
    assert {(found.what, found.rules) for found in pair.verify().findings} == {("head", ("S1",)), ("layout", ("R1",))}


# -- the command ----------------------------------------------------------------------------------------------


def test_the_command(pair: Pair, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(pair.file)]) == 0
    assert "as indexed" in capsys.readouterr().out
    assert main(["verify", "--quick", "--quiet", str(pair.file)]) == 0
    pair.file.write_bytes(flipped(pair.stream, 100_000, 1))
    assert main(["verify", str(pair.file)]) == 4
    out = capsys.readouterr().out
    assert "stream, bytes 65536…131072" in out
    assert "changed since it was indexed" in out
    assert "touches " in out
    assert main(["verify", "--json", str(pair.file)]) == 4
    report = json.loads(capsys.readouterr().out)
    assert (report["sound"], report["beside"]) == (False, str(pair.beside))


@pytest.mark.parametrize("depth", [[], ["--quick"]])
def test_without_an_index_it_says_how_to_make_one(
    pair: Pair, capsys: pytest.CaptureFixture[str], depth: list[str]
) -> None:
    pair.beside.unlink()
    assert main(["verify", *depth, str(pair.file)]) == 4
    out = " ".join(capsys.readouterr().out.split())
    assert "run `objref index" in out
    assert "footer" not in out


def test_the_index_itself_is_no_stream(pair: Pair) -> None:
    (found,) = objref.verify_image(pair.beside).findings
    assert found.text.startswith("an index beside a stream; open the stream, ")


def test_a_container_with_a_damaged_superblock_is_no_stream(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "x.objref"
    objref.import_image(pair.file, path)
    path.write_bytes(flipped(path.read_bytes(), 3, 1))
    report = objref.verify_image(path)
    assert [found.what for found in report.findings] == ["superblock"]
