"""Damage in several places at once: all of it is found, whom it touches is named, and what is left is said."""

from __future__ import annotations

import random

import pytest
from samples import Forger, content, foot

import objref
from objref.container import format as f
from objref.verify import Report

SEED = 20240607


def verify(data: bytes) -> Report:
    return objref.verify_image(bytes(data))


def damaged(data: bytes, *places: int, pattern: int = 0x40) -> bytes:
    changed = bytearray(data)
    for at in places:
        changed[at] ^= pattern
    return bytes(changed)


def readable(data: bytes) -> tuple[set[str], int]:
    """Objects that are read whole, and how many there are, asked one by one."""
    good, image = set(), objref.open(data)
    for ordinal in range(len(image)):
        try:
            found = image.by_ordinal(ordinal)
            content(found)
            good.add(found.objref)
        except objref.ObjrefError:
            continue
    return good, len(image)


def whats(report: Report) -> set[str]:
    return {finding.what for finding in report.findings}


def test_a_sound_image_is_sound(packed: bytes, raw: bytes, tree: bytes) -> None:
    for data in (packed, raw, tree):
        report = verify(data)
        assert report.sound
        assert report.whole
        assert (report.affected, report.findings_left_out) == (0, 0)
        with objref.open(data) as image:
            assert (report.objects, report.proven) == (len(image), image.stream_length)
            assert report.stream_sha256 == image.stream_sha256
        assert objref.verify_image(data, depth="quick").sound


def test_every_damaged_block_names_the_objects_that_cannot_be_read(tree: bytes) -> None:
    """What verify says of objects is what reading them one by one says."""
    forger = Forger(tree)
    dice = random.Random(SEED)
    for piece in forger.pieces:
        if forger.sections[piece.section].role in (f.BRAID, f.SPARE):
            continue
        trail = forger.trails[piece.group]
        end = trail.ends[piece.first_block + piece.blocks - 1]
        data = damaged(tree, piece.offset + dice.randrange(end))
        report = verify(data)
        good, count = readable(data)
        assert report.affected == count - len(good), forger.sections[piece.section].name
        named = {name for finding in report.findings for name in finding.objrefs}
        assert not named & good
        assert max(finding.affected for finding in report.findings) == report.affected
        assert not report.whole


def test_two_blocks_two_findings_each_with_its_own_objects(tree: bytes) -> None:
    forger = Forger(tree)
    pages = next(p for p in forger.pieces if forger.sections[p.section].role == f.PAGES)
    trail = forger.trails[pages.group]
    places = [pages.offset + trail.ends[pages.first_block + k] - 1 for k in (1, 5)]
    report = verify(damaged(tree, *places))
    blocks = [finding for finding in report.findings if finding.what == "block"]
    assert [finding.where for finding in blocks] == ["section page-data, block 1", "section page-data, block 5"]
    assert all(0 < finding.affected <= report.affected for finding in blocks)
    assert all(finding.objrefs for finding in blocks)


def test_superblock_table_block_and_trailer_at_once(raw: bytes) -> None:
    forger = Forger(raw)
    strand = next(p for p in forger.pieces if forger.sections[p.section].role == f.STRAND and p.group == 2)
    places = (3, forger.table("targets").offset, strand.offset, forger.trails[1].header.offset + 70)
    report = verify(damaged(raw, *places))
    assert whats(report) >= {"superblock", "table", "block", "group"}
    assert report.proven == forger.trails[0].header.stream_to
    assert report.proven_groups == 1
    assert 0 < report.affected < report.objects


def test_without_its_trailer_a_group_is_lost_and_the_others_are_not(raw: bytes) -> None:
    forger = Forger(raw)
    for group in range(3):
        data = damaged(raw, forger.trails[group].header.offset + 100)
        report = verify(data)
        good, count = readable(data)
        assert report.affected == count - len(good)
        assert report.proven_groups == group
        assert not [finding for finding in report.findings if finding.what == "layout"]


@pytest.mark.parametrize("what", ["footer", "directory", "both"])
def test_without_footer_or_directory_the_groups_still_tell(raw: bytes, packed: bytes, what: str) -> None:
    for data in (raw, packed):
        forger = Forger(data)
        places = {"footer": (foot(data) + 5,), "directory": (forger.footer.directory_offset + 9,)}
        places["both"] = places["footer"] + places["directory"]
        report = verify(damaged(data, *places[what]))
        assert not report.sound
        assert report.affected is None
        assert report.proven == forger.footer.stream_length
        assert report.proven_groups == 3


def test_torn_anywhere_it_says_how_far_it_can_be_recovered(raw: bytes, packed: bytes) -> None:
    for data in (raw, packed):
        ends = [t.header.offset + f.TRAILER.size + len(t.body) for t in Forger(data).trails]
        for length in range(1, len(data), 211):
            report = verify(data[:length])
            whole = sum(end <= length for end in ends)
            assert not report.sound
            assert report.proven_groups == whole, length


def test_zeroed_and_exchanged_ranges(tree: bytes, packed: bytes) -> None:
    dice = random.Random(SEED)
    for data in (tree, packed):
        for _ in range(30):
            changed = bytearray(data)
            length = dice.choice((1, 8, 64, 512, 4096))
            a, b = (dice.randrange(max(len(data) - length, 1)) for _ in range(2))
            if dice.random() < 0.5:
                changed[a : a + length] = bytes(len(changed[a : a + length]))
            else:
                changed[a : a + length], changed[b : b + length] = changed[b : b + length], changed[a : a + length]
            if len(changed) == len(data) and changed != data:
                assert not verify(bytes(changed)).sound, (a, b, length)


def test_all_blocks_damaged_is_bounded(tree: bytes) -> None:
    forger = Forger(tree)
    changed = bytearray(tree)
    for piece in forger.pieces:
        trail = forger.trails[piece.group]
        start = 0
        for i in range(piece.first_block, piece.first_block + piece.blocks):
            changed[piece.offset + start] ^= 1
            start = trail.ends[i]
    report = verify(bytes(changed))
    assert report.proven == 0
    assert 0 < len(report.findings) <= 1000
    good, count = readable(bytes(changed))
    assert report.affected == count - len(good)


def test_nothing_that_is_no_image_is_a_traceback() -> None:
    for data in (b"", b"x", b"\x89ORF\r\n\x1a\n", bytes(200), b"\x89ORF\r\n\x1a\n" + bytes(5000)):
        report = verify(data)
        assert not report.sound
        assert report.objects == 0


def test_an_image_of_the_future_is_not_verified(raw: bytes) -> None:
    """Nobody knows what would be right in it."""
    forger = Forger(raw)
    forger.put(8, "H", 7)
    report = verify(forger.seal())
    (finding,) = report.findings
    assert "version 7" in finding.text
    forger = Forger(raw)
    for at in (forger.entry(f.SECTIONS, 1) + 2, forger.body(0) + 64 + 2):
        forger.put(at, "B", 9)
    forger.put(forger.entry(f.SECTIONS, 1) + 5, "B", f.CRITICAL)
    assert any("cannot be verified" in finding.text for finding in verify(forger.seal()).findings)


def test_the_depth_has_a_name(raw: bytes) -> None:
    with pytest.raises(objref.UsageError, match="depth"):
        objref.verify_image(raw, depth="deep")  # type: ignore[arg-type]
