"""What makes images small is verified like the rest: dictionaries, packed tables, a packed directory, raw pages."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from samples import SAMPLE, Forger, content, noise

import objref
from objref import Options
from objref.container import format as f
from objref.container.content import Content
from objref.container.dictionary import Dictionary
from objref.container.output import Output
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.container.writer import ContainerWriter, TableData

SEED = 20240607
WAYS = {
    "fast": Options.preset("fast"),
    "small": Options.preset("small"),
    "smallest": Options.preset("smallest"),
    "raw pages": Options.preset("fast", pages="raw"),
    "small, raw pages": Options.preset("small", pages="raw"),
    "nothing compressed": Options.preset("small", codec="raw"),
    "tiny blocks, a dictionary": Options(
        block_log2=12, bulk_log2=12, page_block_log2=12, whole_log2=12, dictionary_log2=13, tables="packed"
    ),
}


def section(forger: Forger, role: int) -> f.Section:
    return next(s for s in forger.sections.values() if s.role == role)


@pytest.mark.parametrize("way", WAYS)
def test_every_preset_is_sound(way: str, tmp_path: Path) -> None:
    path, again = tmp_path / "x.objref", tmp_path / "y.objref"
    objref.import_image(SAMPLE, path, options=WAYS[way])
    objref.repack_image(path, again, options=WAYS[way])
    for made in (path, again):
        for depth in ("quick", "full"):
            report = objref.verify_image(made, depth=depth)  # type: ignore[arg-type]
            assert report.sound, report.findings[:3]
        assert report.whole
        assert report.affected == 0


def test_the_sample_has_all_of_it(dense: bytes) -> None:
    """Else the tests beside this one would test nothing."""
    forger, container = Forger(dense), Container(BytesSource(dense))
    assert container.footer.codec == f.ZSTD
    assert section(forger, f.PAGES).dictionary == section(forger, f.DICTIONARY).id
    assert sum(table.codec == f.STRIPED for table in forger.tables) == 2
    assert len(forger.trails) == 2
    assert objref.verify_image(dense).sound


def test_no_flipped_byte_goes_unseen(dense: bytes) -> None:
    """Of every part of the file some, and of each stripe, of the dictionary and of the directory."""
    dice, forger = random.Random(SEED), Forger(dense)
    places = set(dice.sample(range(len(dense)), 80))
    for table in forger.tables:
        if table.codec == f.STRIPED:
            stop = -(-(table.offset + table.stored) // 8) * 8 + 16 * -(-table.length // f.STRIPE)
            places |= {dice.randrange(table.offset, stop) for _ in range(15)} | {table.offset + table.stored}
    number = section(forger, f.DICTIONARY).id
    (piece,) = (piece for piece in forger.pieces if piece.section == number)
    places |= {piece.offset + dice.randrange(1000) for _ in range(5)}
    footer = Container(BytesSource(dense)).footer
    places |= {footer.directory_offset + dice.randrange(footer.directory_length) for _ in range(15)}
    missed = []
    for at in sorted(places):
        changed = bytearray(dense)
        changed[at] ^= 1 << dice.randrange(8)
        if objref.verify_image(bytes(changed)).sound:
            missed.append(at)
    assert not missed


def test_a_damaged_dictionary_is_said_once_and_touches_who_needs_it(
    dense: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    forger = Forger(dense)
    number = section(forger, f.DICTIONARY).id
    (piece,) = (piece for piece in forger.pieces if piece.section == number)
    changed = bytearray(dense)
    changed[piece.offset + 100] ^= 1
    asked = []
    read = Content._dictionary_content
    monkeypatch.setattr(Content, "_dictionary_content", lambda self, user: asked.append(user.name) or read(self, user))
    report = objref.verify_image(bytes(changed))
    assert asked == ["page-data"]  # once, not for each block: it may be 4 MiB, for many thousands of them
    wheres = [finding.where for finding in report.findings]
    assert any(where.startswith("section page-data,") for where in wheres)
    assert any(where.startswith("section page-data dictionary,") for where in wheres)
    assert report.affected is not None
    touched = {name for finding in report.findings for name in finding.objrefs}
    assert {"mem:7", "member:pages.img"} <= touched
    with objref.open(bytes(changed)) as image:
        assert image["item:3"].bytes == b"0123456789ab"
        readable = 0
        for found in image.objects():
            try:
                content(found)
                readable += 1
            except objref.IntegrityError:
                continue
        assert readable == report.objects - report.affected


def test_what_was_stored_as_it_is_needs_no_dictionary(tmp_path: Path) -> None:
    """Pages that the dictionary does not make smaller are read although it is damaged."""
    options = Options(block_log2=12, page_block_log2=12, whole_log2=12, dictionary_log2=13)
    data, other = noise(1, 2 * f.PAGE), noise(2, 4 * f.PAGE)
    with Output(tmp_path / "x") as output:
        writer = ContainerWriter(output, options, Dictionary(data, 1))
        writer.append_pages(memoryview(data + other))
        writer.finish([], [], [], [], 0, 0)
        writer.close()
        output.commit()
    forger = Forger((tmp_path / "x").read_bytes())
    number = section(forger, f.DICTIONARY).id
    (piece,) = (piece for piece in forger.pieces if piece.section == number)
    forger.data[piece.offset + 5] ^= 1
    container = Container(BytesSource(bytes(forger.data)))
    pages = section(forger, f.PAGES).id
    assert container.read(pages, 2 * f.PAGE, 4 * f.PAGE) == other
    with pytest.raises(objref.IntegrityError, match="dictionary"):
        container.read(pages, 0, f.PAGE)


def test_blocks_are_decoded_together_with_their_dictionary(dense: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not one by one, as damaged ones are."""
    alone = []
    block = Container.block
    monkeypatch.setattr(Container, "block", lambda self, *args: alone.append(args[0].name) or block(self, *args))
    assert objref.verify_image(dense).sound
    assert not alone


def test_a_torn_file_proves_groups_that_need_a_dictionary(dense: bytes) -> None:
    report = objref.verify_image(dense[:-200])
    assert not report.sound
    assert report.proven_groups == 2
    with objref.open(dense) as image:
        assert report.proven == image.stream_length


def test_padding_before_the_checks_of_stripes(tmp_path: Path) -> None:
    """A table of bytes ends anywhere; what follows, up to the checks of its stripes, is zero (R1)."""
    notes = noise(5, 5 * f.STRIPE + 3)
    with Output(tmp_path / "x") as output:
        writer = ContainerWriter(output, Options(codec="raw"))
        writer.finish([TableData("NOTES", 0, notes), TableData("META", 0, b"{}")], [], [], [], 0, 0)
        writer.close()
        output.commit()
    forger = Forger((tmp_path / "x").read_bytes())
    table = forger.table("NOTES")
    assert (table.codec, table.stored % 8) == (f.RAW, 3)
    for broken in ((), ("R1",)):
        found = objref.verify_image(bytes(forger.data), depth="quick").findings
        assert tuple(rule for finding in found for rule in finding.rules) == broken
        forger.data[table.offset + table.stored] = 1
