"""Files of later versions: what was added is ignored or passed on, what is incompatible is refused by name."""

from __future__ import annotations

import struct
from collections.abc import Callable

import pytest
from samples import Forger, answers, foot, small_image

from xxhash import xxh3_64_intdigest as xxh3

import objref
from objref.container import format as f
from objref.errors import FormatError, UnsupportedError

Arrays = list[tuple[int, int, int, bytes]]
"""(what, entry size, entries, bytes) of each array."""


def rebuilt(data: bytes, change: Callable[[Arrays], None], more: bytes = b"") -> bytes:
    """The file with another directory, and something before it."""
    forger = Forger(data)
    start, length = forger.footer.directory_offset, forger.footer.directory_length
    old = data[start : start + length]
    arrays: Arrays = []
    for what, array in forger.arrays.items():
        size = array.entry_size * array.entries
        arrays.append((what, array.entry_size, array.entries, old[array.offset : array.offset + size]))
    change(arrays)
    head, body = f.DIRECTORY_HEAD.pack(len(arrays), 0), b""
    at = f.DIRECTORY_HEAD.size + f.ARRAY.size * len(arrays)
    for what, size, entries, content in arrays:
        head += f.ARRAY.pack(what, size, entries, at + len(body))
        body += content
    directory = head + body
    end = bytearray(data[foot(data) :])
    struct.pack_into("<QQQ", end, 8, start + len(more), len(directory), xxh3(directory))
    struct.pack_into("<Q", end, 88, start + len(more) + len(directory) + len(end))
    struct.pack_into("<Q", end, 112, xxh3(bytes(end[:112])))
    return data[:start] + more + directory + bytes(end)


@pytest.fixture(scope="module", params=["zstd", "raw"])
def image(request: pytest.FixtureRequest) -> bytes:
    return small_image(request.param, groups=True, plain_tables=True)


def same(data: bytes, image: bytes) -> None:
    with objref.open(image) as a, objref.open(data) as b:
        assert answers(a) == answers(b)


def test_the_same_directory_again(image: bytes) -> None:
    assert rebuilt(image, lambda arrays: None) == image


def test_arrays_that_nobody_knows(image: bytes) -> None:
    def change(arrays: Arrays) -> None:
        arrays.insert(0, (99, 7, 3, b"x" * 21))
        arrays.append((0xFFFF, 0, 0, b""))
        arrays.append((99, 65535, 0, b""))

    same(rebuilt(image, change), image)


def test_longer_entries(image: bytes) -> None:
    def change(arrays: Arrays) -> None:
        for i, (what, size, entries, content) in enumerate(arrays):
            longer = b"".join(content[k * size : (k + 1) * size] + b"\xee" * 9 for k in range(entries))
            arrays[i] = (what, size + 9, entries, longer)

    same(rebuilt(image, change), image)


@pytest.mark.parametrize(
    "broken", [(f.SPACES, 79, 0, b""), (f.TABLES, 48, 1 << 31, b""), (f.SECTIONS, 48, 1, b""), (f.KINDS, 48, 4, b"x")]
)
def test_arrays_that_are_not_sound(image: bytes, broken: tuple[int, int, int, bytes]) -> None:
    def change(arrays: Arrays) -> None:
        arrays[:] = [a for a in arrays if a[0] != broken[0]]
        arrays.append(broken)

    with pytest.raises(FormatError, match="R15"):
        objref.open(rebuilt(image, change))


def test_an_array_twice(image: bytes) -> None:
    with pytest.raises(FormatError, match="R15"):
        objref.open(rebuilt(image, lambda arrays: arrays.append(arrays[0])))


def test_tables_that_nobody_knows(image: bytes) -> None:
    def change(arrays: Arrays) -> None:
        i = next(i for i, a in enumerate(arrays) if a[0] == f.TABLES)
        what, size, entries, content = arrays[i]
        unknown = f.TABLE_ENTRY.pack(500, 1, 9, 3, 0, 2**60, 2**60, 2**60, 1, 0)
        arrays[i] = (what, size, entries + 1, content + unknown)

    same(rebuilt(image, change), image)


def test_a_newer_minor_version_and_compatible_features(image: bytes) -> None:
    forger = Forger(image)
    forger.put(10, "H", 900)
    forger.put(16, "I", 0xFFFFFFFF)
    same(forger.seal(), image)


def test_another_major_version(image: bytes) -> None:
    for major in (2, 0xFFFF):
        forger = Forger(image)
        forger.put(8, "H", major)
        with pytest.raises(UnsupportedError, match=rf"version {major}\.{f.MINOR}"):
            objref.open(forger.seal())


def test_incompatible_features(image: bytes) -> None:
    for bit in range(32):
        forger = Forger(image)
        forger.put(12, "I", 1 << bit)
        with pytest.raises(UnsupportedError, match="a newer objref is needed"):
            objref.open(forger.seal())


def test_a_codec_of_the_directory_that_nobody_knows(image: bytes) -> None:
    for codec in (2, 255):
        forger = Forger(image)
        forger.put(foot(forger.data) + 101, "B", codec)
        with pytest.raises(FormatError, match=r"codec.*R13"):
            objref.open(forger.seal())


def test_a_file_of_before_1_0(image: bytes) -> None:
    forger = Forger(image)
    forger.put(8, "I", 2 << 16)
    with pytest.raises(UnsupportedError, match=r"version 0\.2.*import the source again"):
        objref.open(forger.seal())


def test_a_larger_page_unit(image: bytes) -> None:
    forger = Forger(image)
    forger.put(foot(forger.data) + 100, "B", 16)
    with pytest.raises(UnsupportedError, match="2\\^16"):
        objref.open(forger.seal())


def section_at(forger: Forger, name: str) -> int:
    number = next(s.id for s in forger.sections.values() if s.name == name)
    index = list(forger.sections).index(number)
    return forger.entry(f.SECTIONS, index)


@pytest.mark.parametrize(("field", "value"), [(2, 9), (3, 7)])
def test_a_section_of_unknown_role_or_codec_hides_only_its_own_objects(image: bytes, field: int, value: int) -> None:
    forger = Forger(image)
    forger.put(section_at(forger, "things") + field, "B" if field < 6 else "H", value)
    with objref.open(forger.seal()) as opened, objref.open(image) as genuine:
        for space in ("item", "member", "pair"):
            assert dict(opened[space]) == dict(genuine[space])
        assert opened["thing"].keys() == genuine["thing"].keys()
        for key in opened["thing"]:
            with pytest.raises(UnsupportedError, match="section things"):
                opened["thing"][key]
        with pytest.raises(UnsupportedError, match="section things"):
            _ = list(opened.stream())  # the braid names it


def test_an_ancillary_section_is_passed_by(image: bytes) -> None:
    """One more section that no braid and no object names: a later version's hint."""

    def change(arrays: Arrays) -> None:
        what, size, entries, content = arrays[0]
        assert what == f.SECTIONS
        extra = f.SECTION_ENTRY.pack(4000, 200, 77, 12, 0, 0, 4096, 4096, b"hints")
        arrays[0] = (what, size, entries + 1, content + extra)

    same(rebuilt(image, change), image)


def test_a_table_of_unknown_codec(image: bytes) -> None:
    forger = Forger(image)
    forger.put(forger.entry(f.TABLES, forger.table_index("extents")) + 4, "B", 5)
    with objref.open(forger.seal()) as opened:
        assert opened.meta["dialect"]
        with pytest.raises(UnsupportedError, match="table extents"):
            opened["member"]["pages.img"]


def test_kinds_and_roles_that_have_no_entry(image: bytes) -> None:
    def change(arrays: Arrays) -> None:
        arrays[:] = [a for a in arrays if a[0] not in (f.KINDS, f.ROLES)]

    with objref.open(rebuilt(image, change)) as opened:
        assert opened["item"][10] == b"item 0 of the run;"
        first = opened.by_ordinal(0)
        assert first.kind == "kind1"
        assert [r.role for r in first.references] == ["role0", "role0"]
        assert opened.kinds() == []
