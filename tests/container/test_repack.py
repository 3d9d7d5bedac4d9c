"""Repack: another way to store, the same image. From every preset to every other, of real and of hostile images."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from samples import SAMPLE, Forger, answers, foot, small_events, small_image, write_events

import objref
from objref import Options, repack_image, repacker
from objref.cli import main
from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.errors import FormatError, IntegrityError, UnsupportedError, UsageError

TINY = Options(block_log2=12, bulk_log2=12, page_block_log2=12, whole_log2=12)
WAYS = {
    "fast": Options.preset("fast"),
    "small": Options.preset("small"),
    "raw": Options(codec="raw"),
    "raw pages": Options.preset("small", pages="raw"),
    "tiny blocks": TINY,
    "large blocks": TINY._replace(block_log2=16, page_block_log2=18, bulk_log2=20),
    "dictionary": TINY._replace(dictionary_log2=12, page_level=19),
}


def same(a: bytes | Path, b: bytes | Path) -> None:
    """All questions have the same answers, but for how it is stored."""
    with objref.open(a) as first, objref.open(b) as second:
        one, other = answers(first), answers(second)
    for said in (one, other):
        del said["meta"]
    assert one == other


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_groups_of_any_shape(tmp_path: Path, codec: str, way: str) -> None:
    """Three groups that end with short blocks: addresses behind them depend on the size of blocks."""
    before, after, again = (tmp_path / name for name in ("before", "after", "again"))
    before.write_bytes(small_image(codec, groups=True))
    report = repack_image(before, after, options=WAYS[way])
    same(before, after)
    with objref.open(before) as old, objref.open(after) as new:
        assert [g.stream_to for g in old.container.groups] == [g.stream_to for g in new.container.groups]
        assert report.stream_sha256 == new.stream_sha256 == old.stream_sha256
        assert new.meta["packed_from"]["options"] == old.meta["options"]
        assert new.meta["options"]["page_block_log2"] == WAYS[way].page_block_log2
        assert new.meta["packed_from"]["file_length"] == report.length_before == before.stat().st_size
    assert report.file_length == after.stat().st_size
    repack_image(after, again, options=TINY)
    same(before, again)


def test_the_same_file_twice(tmp_path: Path) -> None:
    write_events(tmp_path / "x", list(small_events()))
    for name, options in WAYS.items():
        for copy in ("a", "b"):
            repack_image(tmp_path / "x", tmp_path / copy, options=options, replace=True)
        assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes(), name


def test_a_real_dump_through_every_preset_and_back(tmp_path: Path) -> None:
    first = tmp_path / "first"
    objref.import_image(SAMPLE, first)
    sizes, last = {"import": first.stat().st_size}, first
    for preset in ("small", "smallest", "fast"):
        repack_image(last, tmp_path / preset, options=Options.preset(preset))
        last = tmp_path / preset
        same(first, last)
        sizes[preset] = last.stat().st_size
    assert sizes["smallest"] < sizes["small"] < sizes["import"]
    assert abs(sizes["fast"] - sizes["import"]) < 200  # META says where it comes from


def test_an_empty_image(tmp_path: Path) -> None:
    write_events(tmp_path / "x", [])
    repack_image(tmp_path / "x", tmp_path / "y")
    same(tmp_path / "x", tmp_path / "y")


def test_onto_itself(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(small_image(groups=True))
    with pytest.raises(UsageError, match="exists already"):
        repack_image(path, path)
    repack_image(path, path, replace=True)
    same(path, small_image(groups=True))


@pytest.mark.parametrize("codec", ["zstd", "raw"])
def test_damage_is_not_repacked(tmp_path: Path, codec: str) -> None:
    """Bytes flipped all over the file: an error and no file, or the same answers as before."""
    genuine = small_image(codec, groups=True)
    source, dest = tmp_path / "x", tmp_path / "y"
    for at in range(0, len(genuine), 17 if codec == "zstd" else 397):
        damaged = bytearray(genuine)
        damaged[at] ^= 0x10
        source.write_bytes(damaged)
        try:
            repack_image(source, dest, options=TINY, replace=True)
        except FormatError:
            assert os.listdir(tmp_path) == ["x"], at
        else:
            same(dest, genuine)
            dest.unlink()


def test_a_braid_that_lies_about_where_groups_end(tmp_path: Path) -> None:
    forger = Forger(small_image("raw", groups=True))
    at = forger.entry(f.GROUPS, 0)
    forger.put(at + 16, "Q", Container(BytesSource(forger.genuine)).groups[0].stream_to - 3)
    (tmp_path / "x").write_bytes(forger.seal())
    with pytest.raises(FormatError, match="R10"):
        repack_image(tmp_path / "x", tmp_path / "y")
    assert os.listdir(tmp_path) == ["x"]


def test_a_footer_with_the_digest_of_another_stream(tmp_path: Path) -> None:
    forger = Forger(small_image("raw"))
    forger.data[foot(forger.data) + 40] ^= 1
    (tmp_path / "x").write_bytes(forger.seal())
    with pytest.raises(IntegrityError, match="stream is not what its footer says"):
        repack_image(tmp_path / "x", tmp_path / "y")


def test_two_strands_of_one_name(tmp_path: Path) -> None:
    forger = Forger(small_image("raw"))
    strands = [i for i, s in enumerate(forger.sections.values()) if s.role == f.STRAND][:2]
    for i in strands:
        at = forger.entry(f.SECTIONS, i) + 24
        forger.data[at : at + 24] = b"twin".ljust(24, b"\0")
    (tmp_path / "x").write_bytes(forger.seal())
    with pytest.raises(FormatError, match="same name"):
        repack_image(tmp_path / "x", tmp_path / "y")


@pytest.mark.parametrize(("what", "field", "layout", "value"), [(f.TABLES, 0, "H", 500), (f.SECTIONS, 2, "B", 77)])
def test_what_a_later_version_added_is_not_lost_in_silence(
    tmp_path: Path, what: int, field: int, layout: str, value: int
) -> None:
    forger = Forger(small_image("raw"))
    forger.put(forger.entry(what, 0) + field, layout, value)
    (tmp_path / "x").write_bytes(forger.seal())
    with pytest.raises(UnsupportedError, match="would be lost"):
        repack_image(tmp_path / "x", tmp_path / "y")


def test_what_was_written_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A mistake of ours, of any kind that is looked for: the file does not get its name."""
    (tmp_path / "x").write_bytes(small_image(groups=True))
    moved = repacker._Repack._moved
    monkeypatch.setattr(repacker._Repack, "_moved", lambda self, where: moved(self, where) + (where[0] * 0 + 1))
    with pytest.raises(IntegrityError, match="the objects differs"):
        repack_image(tmp_path / "x", tmp_path / "y", options=TINY)
    assert os.listdir(tmp_path) == ["x"]


def test_from_the_shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, dest = str(tmp_path / "x"), str(tmp_path / "y")
    assert main(["import", str(SAMPLE), "-o", source, "--preset", "small", "--pages", "raw", "--quiet"]) == 0
    assert main(["repack", source, "-o", dest]) == 0
    assert "read back and right" in capsys.readouterr().out
    assert main(["repack", source, "-o", dest]) == 2
    assert main(["repack", source, "-o", "-"]) == 2
    assert main(["repack", source, "-o", dest, "--preset", "fast", "--force", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["file_length"] == os.path.getsize(dest)
    assert main(["info", dest]) == 0
    assert "packed from" in capsys.readouterr().out
    (tmp_path / "x").write_bytes(b"no image")
    assert main(["repack", source, "-o", dest, "--force"]) == 4
    assert os.path.getsize(dest)


def test_presets_are_named_decisions(tmp_path: Path) -> None:
    assert Options.preset("fast") == Options()
    assert Options.preset("small", pages="raw").pages == "raw"
    for name, changes in (("tiny", {}), ("", {}), ("fast", {"nothing": 1})):
        with pytest.raises(UsageError, match=r"preset|options"):
            Options.preset(name, **changes)
    for change in ({"pages": "lzma"}, {"tables": "no"}, {"whole_log2": 23}):
        with pytest.raises(UsageError):
            write_events(tmp_path / "x", [], Options()._replace(**change))  # type: ignore[arg-type]
    assert os.listdir(tmp_path) == []
