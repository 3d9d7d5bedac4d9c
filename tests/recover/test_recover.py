"""Disasters, one by one: what comes back, what does not, and that nobody is told otherwise."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from linux_cr.making import stream as linux_cr_stream
from samples import SAMPLE, Forger, content, dense_image, small_image

import objref
from objref.archive import sources
from objref.cli import main
from objref.container import format as f
from objref.container import writer as container_writer


@pytest.fixture(scope="module")
def tree() -> bytes:
    """A real dump: one group."""
    return imported(objref.Options())


@pytest.fixture(scope="module")
def groups() -> bytes:
    """The same in several groups."""
    saved = container_writer.GROUP, sources.CHUNK
    container_writer.GROUP, sources.CHUNK = 80_000, 1 << 15
    try:
        return imported(objref.Options())
    finally:
        container_writer.GROUP, sources.CHUNK = saved


def imported(options: objref.Options) -> bytes:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.objref"
        objref.import_image(SAMPLE, path, options=options)
        return path.read_bytes()


def recovered(folder: Path, data: bytes) -> tuple[objref.Account, bytes]:
    """What comes of damaged bytes; the damaged file stays as it is."""
    damaged, new = folder / "damaged.objref", folder / "new.objref"
    damaged.write_bytes(data)
    account = objref.recover(damaged, new, replace=True)
    assert damaged.read_bytes() == data
    assert objref.verify_image(new).sound
    return account, new.read_bytes()


def flipped(data: bytes, *places: int) -> bytes:
    bad = bytearray(data)
    for at in places:
        bad[at] ^= 0x55
    return bytes(bad)


def same_objects(old: bytes, new: bytes) -> None:
    """All of them, with references."""
    with objref.open(old) as a, objref.open(new) as b:
        assert [about(found) for found in a.objects()] == [about(found) for found in b.objects()]


def about(found: objref.Object) -> tuple[object, ...]:
    return found.objref, found.kind, content(found), [(r.role, r.target_objref) for r in found.references]


def piece_of(forger: Forger, role: int, which: int = -1) -> f.PieceEntry:
    return [p for p in forger.pieces if forger.sections[p.section].role == role][which]


def spare_of(data: bytes, group: int = 0) -> int:
    forger = Forger(data)
    return next(p.offset for p in forger.pieces if forger.sections[p.section].role == f.SPARE and p.group == group)


# -- nothing lost ---------------------------------------------------------------------------------------------


def superblock(data: bytes) -> bytes:
    return flipped(data, 3)


def footer(data: bytes) -> bytes:
    return flipped(data, len(data) - 60)


def no_footer(data: bytes) -> bytes:
    return data[:-1]


def directory(data: bytes) -> bytes:
    return flipped(data, len(data) - f.FOOTER.size - 20)


def no_tables(data: bytes) -> bytes:
    with objref.open(data) as image:
        last = image.container.groups[-1].offset
        header = image.container.trail(len(image.container.groups) - 1).header
    return data[: last + f.TRAILER.size + header.body_length]


def a_table(name: str) -> Callable[[bytes], bytes]:
    def damage(data: bytes) -> bytes:
        with objref.open(data) as image:
            table = next(t for t in image.container.tables() if t.what == f.TABLE_IDS[name])
        return flipped(data, table.offset + table.stored // 2)

    return damage


def trailer(data: bytes) -> bytes:
    with objref.open(data) as image:
        return flipped(data, image.container.groups[0].offset + 200)


def trailer_and_footer(data: bytes) -> bytes:
    return footer(trailer(data))


def spare(data: bytes) -> bytes:
    return flipped(data, spare_of(data) + 50)


def spare_and_footer(data: bytes) -> bytes:
    return footer(spare(data))


def braid(data: bytes) -> bytes:
    return flipped(data, piece_of(Forger(data), f.BRAID, 0).offset + 5)


def braid_and_trailer(data: bytes) -> bytes:
    return trailer(braid(data))


def braid_and_directory(data: bytes) -> bytes:
    return directory(braid(data))


def nothing(data: bytes) -> bytes:
    return data


HARMLESS = [
    nothing, superblock, footer, no_footer, directory, no_tables, trailer, trailer_and_footer, spare, spare_and_footer,
    braid, braid_and_trailer, braid_and_directory,
]  # fmt: skip
TABLES = ("objects", "extents", "keys", "ordinals", "reference ends", "targets", "sources", "META")


@pytest.mark.parametrize("damage", HARMLESS)
@pytest.mark.parametrize("which", ["tree", "groups"])
def test_what_is_there_twice_is_not_lost(
    which: str, damage: Callable[[bytes], bytes], tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    data: bytes = request.getfixturevalue(which)
    account, new = recovered(tmp_path, damage(data))
    assert account.nothing_lost
    same_objects(data, new)
    with objref.open(data) as a, objref.open(new) as b:
        assert b"".join(a.stream()) == b"".join(b.stream())
        assert b.lost_bytes == 0


@pytest.mark.parametrize("name", TABLES)
def test_a_damaged_table_is_made_again(tree: bytes, name: str, tmp_path: Path) -> None:
    account, new = recovered(tmp_path, a_table(name)(tree))
    assert (account.nothing_lost, account.tables) == (True, "rebuilt")
    same_objects(tree, new)


# -- something lost -------------------------------------------------------------------------------------------


def test_a_lost_block_costs_the_objects_in_it(tree: bytes, tmp_path: Path) -> None:
    forger = Forger(tree)
    files = next(s for s in forger.sections.values() if s.name == "file")
    piece = next(p for p in forger.pieces if p.section == files.id)
    account, new = recovered(tmp_path, flipped(tree, piece.offset + 3))
    assert not account.nothing_lost
    assert account.lost_bytes == files.length
    with objref.open(tree) as a, objref.open(new) as b:
        assert set(a.spaces()) == set(b.spaces())
        for found in a["file"].objects():
            other = b[found.objref]
            assert [r.target_objref for r in other.references] == [r.target_objref for r in found.references]
            with pytest.raises(objref.LostError):
                _ = other.bytes
        assert a["task:100"].bytes == b["task:100"].bytes
        with pytest.raises(objref.LostError, match="are lost"):
            list(b.stream())
        filled, whole = b"".join(b.stream(fill=True)), b"".join(a.stream())
    assert len(filled) == len(whole)
    at = 0
    for start, stop in account.lost_ranges:
        assert filled[at:start] == whole[at:start]
        assert not any(filled[start:stop])
        at = stop
    assert filled[at:] == whole[at:]


def test_what_was_recovered_can_be_recovered_again(tree: bytes, tmp_path: Path) -> None:
    first, new = recovered(tmp_path, flipped(tree, piece_of(Forger(tree), f.PAGES).offset + 3))
    again, newer = recovered(tmp_path, new)
    assert (again.lost_bytes, again.lost_ranges) == (first.lost_bytes, first.lost_ranges)
    assert not again.nothing_lost
    other, newest = recovered(tmp_path, footer(new))
    assert other.lost_ranges == first.lost_ranges
    assert [*map(about_lost, objects(newest))] == [*map(about_lost, objects(newer))]


def objects(data: bytes) -> list[objref.Object]:
    return list(objref.open(data).objects())


def about_lost(found: objref.Object) -> tuple[str, bool]:
    try:
        content(found)
        return found.objref, False
    except objref.LostError:
        return found.objref, True


def test_order_lost_twice_costs_no_object(groups: bytes, tmp_path: Path) -> None:
    account, new = recovered(tmp_path, spare(braid(groups)))
    assert len(account.unordered) == 1
    assert not account.nothing_lost
    assert account.lost_objects == 0
    same_objects(groups, new)
    with objref.open(new) as image, pytest.raises(objref.LostError):
        list(image.stream())


def test_a_group_without_trailer_and_spare_is_lost_and_the_others_are_not(groups: bytes, tmp_path: Path) -> None:
    account, new = recovered(tmp_path, trailer(spare(groups)))
    with objref.open(groups) as a, objref.open(new) as b:
        assert len(a) == len(b)
        assert account.lost_ranges[0] == (0, a.container.groups[0].stream_to)  # and pages that others have of it
        for old, found in zip(a.objects(), b.objects(), strict=True):
            try:
                assert content(found) == content(old)
            except objref.LostError:
                continue


@pytest.mark.parametrize("share", [0.4, 0.5, 0.8, 0.99])
def test_a_cut_costs_what_lies_behind_it(tree: bytes, share: float, tmp_path: Path) -> None:
    end = Forger(tree).trails[0].header.offset
    account, new = recovered(tmp_path, tree[: int(end * share)])
    assert not account.nothing_lost
    with objref.open(tree) as a, objref.open(new) as b:
        assert {str(name) for name in a["task"]} == {str(name) for name in b["task"]}
        for found in a["file"].objects():
            assert b[found.objref].bytes == found.bytes


def test_a_cut_between_groups_and_inside_the_last(groups: bytes, tmp_path: Path) -> None:
    with objref.open(groups) as image:
        ends = [group.stream_to for group in image.container.groups]
        places = [group.offset + f.TRAILER.size for group in image.container.groups]
        whole = b"".join(image.stream())
    assert len(ends) > 2
    account, new = recovered(tmp_path, groups[: places[1]])
    assert not account.nothing_lost
    with objref.open(new) as image:
        assert image.lost_bytes == 0
        assert b"".join(image.stream(fill=True))[: ends[0]] == whole[: ends[0]]
        assert image.partial


def test_meta_and_a_block_lost_together(tree: bytes, tmp_path: Path) -> None:
    """The index stays; the dialect shows by how the stream begins."""
    damaged = a_table("META")(flipped(tree, piece_of(Forger(tree), f.PAGES).offset + 3))
    account, new = recovered(tmp_path, damaged)
    assert (account.tables, account.nothing_lost) == ("kept", False)
    with objref.open(tree) as a, objref.open(new) as b:
        assert b["task:100"].decode() == a["task:100"].decode()


def test_dictionaries_and_packed_tables(tmp_path: Path) -> None:
    dense = dense_image()
    account, new = recovered(tmp_path, trailer(dense))
    assert account.nothing_lost
    same_objects(dense, new)


def test_a_dialect_that_nobody_knows_keeps_its_index(tmp_path: Path) -> None:
    small = small_image("zstd", groups=True)
    account, new = recovered(tmp_path, trailer(small))
    assert account.nothing_lost
    same_objects(small, new)
    with pytest.raises(objref.UnsupportedError):
        recovered(tmp_path, footer(small))


# -- refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("data", [b"", b"x", bytes(100_000), b"\x89ORF\r\n\x1a\n" + bytes(5000)])
def test_nothing_to_recover_leaves_nothing(data: bytes, tmp_path: Path) -> None:
    with pytest.raises(objref.FormatError, match=r"nothing to recover|no group"):
        recovered(tmp_path, data)
    assert [path.name for path in tmp_path.iterdir()] == ["damaged.objref"]


def test_what_is_read_is_never_replaced(tree: bytes, tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(tree)
    (tmp_path / "y").symlink_to("x")
    for name in ("x", "y"):
        with pytest.raises(objref.UsageError, match="stays as it is"):
            objref.recover(tmp_path / "x", tmp_path / name, replace=True)
    (tmp_path / "z").write_bytes(b"")
    with pytest.raises(objref.UsageError, match="exists"):
        objref.recover(tmp_path / "x", tmp_path / "z")


def test_a_native_stream_and_a_stream_with_an_index_are_somebody_elses(tree: bytes, tmp_path: Path) -> None:
    with objref.open(tree) as image:
        image.export(tmp_path / "x.native", form="native")
        image.export(tmp_path / "x.tar", form="tar")
    objref.index_file(tmp_path / "x.tar")
    for name, said in (("x.native", "keep-partial"), ("x.tar", "objref index"), ("x.tar.objref-index", "objref index")):
        with pytest.raises(objref.UsageError, match=said):
            objref.recover(tmp_path / name, tmp_path / "new")


# -- the command ----------------------------------------------------------------------------------------------


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def test_exit_codes_and_what_the_other_verbs_say(
    tree: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damaged, new = tmp_path / "damaged", tmp_path / "new.objref"
    damaged.write_bytes(footer(tree))
    code, out, _ = run(capsys, "recover", damaged, "-o", new)
    assert (code, "nothing lost, SHA-256 as imported" in out) == (0, True)
    assert "nothing; it was recovered" in run(capsys, "info", new)[1]

    damaged.write_bytes(flipped(tree, piece_of(Forger(tree), f.PAGES).offset + 3))
    code, out, _ = run(capsys, "recover", damaged, "-o", new, "--force", "--json")
    account = json.loads(out)
    assert (code, account["nothing_lost"]) == (8, False)
    name = next(name for name in account["lost_names"] if name.startswith("pages:"))
    code, out, error = run(capsys, "get", new, name)
    assert (code, "are lost" in error) == (4, True)
    code, _, error = run(capsys, "export", new, "-o", tmp_path / "x.tar")
    assert (code, "--partial" in error) == (4, True)
    assert not (tmp_path / "x.tar").exists()
    assert run(capsys, "export", new, "-o", tmp_path / "x.tar", "--partial")[0] == 0
    assert run(capsys, "export", new, "-o", tmp_path / "x.native", "--as", "native", "--partial")[0] == 4
    assert run(capsys, "repack", new, "-o", tmp_path / "packed")[0] == 4
    assert "of the stream" in run(capsys, "info", new)[1]

    damaged.write_bytes(tree[:50])
    code, _, error = run(capsys, "recover", damaged, "-o", tmp_path / "none")
    assert (code, (tmp_path / "none").exists()) == (4, False)
    assert run(capsys, "recover", damaged, "-o", "-")[0] == 2


def test_small_chunks_of_pages_and_a_hole_among_them(tmp_path: Path) -> None:
    """They come many at a time, and the hole is where it is: what has no byte in it comes back, index made again."""
    (tmp_path / "x.cr").write_bytes(b"".join(linux_cr_stream(tasks=4, pages=30, chunk=1)))
    options = objref.Options(block_log2=12, page_block_log2=12)
    objref.import_image(tmp_path / "x.cr", tmp_path / "x.objref", options=options)
    data = (tmp_path / "x.objref").read_bytes()
    pages = piece_of(Forger(data), f.PAGES)
    account, new = recovered(tmp_path, flipped(footer(data), pages.offset + 5))
    assert account.tables == "rebuilt"
    assert 0 < account.lost_bytes < account.stream_length // 2  # a page that is stored once stands in many places
    assert account.lost_bytes % f.PAGE == 0
    with objref.open(data) as a, objref.open(new) as b:
        touched, whole = 0, 0
        for found in a.objects():
            try:
                assert about(b[found.objref]) == about(found)
                whole += 1
            except objref.LostError:
                touched += 1
        assert touched == account.lost_objects
        assert whole > touched > 0


def test_a_stream_that_begins_with_a_hole_keeps_its_objects(tree: bytes, tmp_path: Path) -> None:
    """Nobody can import what has no beginning. When only tables of references are damaged besides, the others do."""
    forger = Forger(tree)
    first = next(p for p in forger.pieces if forger.sections[p.section].role == f.STRAND and not p.address)
    account, new = recovered(tmp_path, flipped(tree, first.offset + 9, forger.table("targets").offset + 9))
    assert account.tables == "kept, no references"
    assert not account.nothing_lost
    with objref.open(tree) as a, objref.open(new) as b:
        assert (len(b), b.reference_count) == (len(a), 0)
        assert b["task"][101] == a["task"][101]
        assert b["mem:101"].read(0x401000, 0x401040) == a["mem:101"].read(0x401000, 0x401040)
