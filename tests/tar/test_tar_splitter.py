"""TarSplitter and encode_member: what is fed, in any pieces, comes out again, or an error names the byte."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objref.archive.tar import (
    Begin,
    Content,
    End,
    Event,
    Header,
    Member,
    TarSplitter,
    encode_member,
)
from objref.archive.tar_header import BLOCK, END_OF_ARCHIVE, FLAGS, HEADER, padding
from objref.archive.tar_member import MemberType
from objref.archive.tar_pax import encode_record
from objref.errors import (
    FormatError,
    IntegrityError,
    LimitError,
    TruncatedError,
    UnsupportedError,
    UsageError,
)
from objref.limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

needs_gnu_tar = pytest.mark.skipif(
    b"GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, check=False).stdout
    if shutil.which("tar")
    else True,
    reason="needs GNU tar",
)


@contextmanager
def naming_a_byte() -> Iterator[None]:
    """Errors are allowed, if they say where."""
    try:
        yield
    except FormatError as error:
        if "tar stream, byte " not in str(error):
            raise


def split(pieces: Iterable[bytes], **options: object) -> list[Event]:
    splitter = TarSplitter(**options)  # type: ignore[arg-type]
    events = [event for piece in pieces for event in splitter.feed(piece)]
    return events + list(splitter.finish())


def cut(data: bytes, step: int) -> list[bytes]:
    return [data[at : at + step] for at in range(0, len(data), step)]


def merged(events: list[Event]) -> list[tuple[str, object]]:
    """Events as (sort, value), neighbouring data of one sort joined."""
    out: list[tuple[str, object]] = []
    for event in events:
        sort = type(event).__name__
        if isinstance(event, Header | Content):
            if out and out[-1][0] == sort:
                out[-1] = (sort, out[-1][1] + bytes(event.data))  # type: ignore[operator]
            else:
                out.append((sort, bytes(event.data)))
        else:
            out.append((sort, event.member if isinstance(event, Begin) else None))
    return out


def joined(events: list[Event]) -> bytes:
    return b"".join(bytes(event.data) for event in events if isinstance(event, Header | Content))


def members(data: bytes) -> list[Member]:
    return [event.member for event in split([data]) if isinstance(event, Begin)]


def contents(data: bytes) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    name = b""
    for event in split([data]):
        if isinstance(event, Begin):
            name = event.member.name
            found[name] = b""
        elif isinstance(event, Content):
            found[name] += bytes(event.data)
    return found


def whole(member: Member, content: bytes = b"") -> bytes:
    return encode_member(member) + content + padding(len(content))


def raw(name: bytes = b"f", content: bytes = b"", **fields: bytes) -> bytes:
    """A header with fields set by hand, the checksum put right, and its content."""
    base = {
        "name": name, "mode": b"0000644\0", "uid": b"0000000\0", "gid": b"0000000\0",
        "size": b"%011o\0" % len(content), "mtime": b"00000000000\0", "checksum": b" " * 8, "typeflag": b"0",
        "linkname": b"", "magic": b"ustar\x0000", "uname": b"", "gname": b"", "devmajor": b"",
        "devminor": b"",
        "prefix": b"", "tail": b"",
    }  # fmt: skip
    block = HEADER.pack(*(base | fields).values())
    return checked(block) + content + padding(len(content))


def checked(block: bytes, signed: bool = False) -> bytes:
    blank = block[:148] + b" " * 8 + block[156:]
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in blank)
    return block[:148] + b"%06o\0 " % total + block[156:]


def pax(*records: tuple[bytes, bytes]) -> bytes:
    return raw(b"x", b"".join(encode_record(key, value) for key, value in records), typeflag=b"x")


# Archives of other programs

RUNS = 30  # more than a header of old GNU and one extension block hold


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("tree")
    (root / "sub").mkdir()
    (root / "empty").write_bytes(b"")
    (root / "small").write_bytes(b"small content")
    (root / "block").write_bytes(bytes(range(256)) * 4)
    (root / "sub" / "inner").write_bytes(b"x" * 7_000)
    os.link(root / "small", root / "sub" / "linked")
    os.symlink("../small", root / "sub" / "symlink")
    os.mkfifo(root / "fifo")
    holes = root / "sub" / "holes"
    with holes.open("wb") as file:
        for at in range(RUNS):
            file.seek(at * 8192)
            file.write(bytes([at + 1]) * 4096)
        file.truncate(RUNS * 8192 + 4096)
    os.utime(root / "block", ns=(1_500_000_000_123_456_789, 1_500_000_000_123_456_789))
    return root


LONG = "d" * 60 + "/" + "n" * 99


def gnu(tree: Path, *options: str) -> bytes:
    command = ["tar", "-c", "-C", str(tree), *options, "."]
    return subprocess.run(command, capture_output=True, check=True).stdout


GNU_OPTIONS = [
    ["--format=gnu"],
    ["--format=oldgnu"],
    ["--format=ustar"],
    ["--format=posix"],
    ["--format=v7", "--exclude=fifo"],
    ["--format=gnu", "--sparse"],
    ["--format=posix", "--sparse", "--sparse-version=0.0"],
    ["--format=posix", "--sparse", "--sparse-version=0.1"],
    ["--format=posix", "--sparse", "--sparse-version=1.0"],
]


@needs_gnu_tar
@pytest.mark.parametrize("options", GNU_OPTIONS, ids=" ".join)
def test_gnu_tar_archives_agree_with_tarfile_and_survive_any_cut(tree: Path, options: list[str]) -> None:
    data = gnu(tree, *options)
    events = split([data])
    assert joined(events) == data
    for step in (13, 511, 513, 4096):
        assert merged(split(cut(data, step))) == merged(events)
    with tarfile.open(fileobj=io.BytesIO(data)) as judge:
        infos = judge.getmembers()
    found = members(data)
    assert [member.path.decode() or "." for member in found] == [os.path.normpath(info.name) for info in infos]
    for member, info in zip(found, infos, strict=True):
        assert (member.mode, member.uid, member.gid) == (info.mode, info.uid, info.gid)
        assert member.mtime_ns // 10**9 == int(info.mtime)
        assert (member.type == "dir", member.type == "symlink") == (info.isdir(), info.issym())
        assert (member.type == "hardlink", member.type == "fifo") == (info.islnk(), info.isfifo())
        assert member.linkname.decode() == info.linkname
        if info.isreg():
            assert member.real_size == info.size


@needs_gnu_tar
@pytest.mark.parametrize("options", GNU_OPTIONS[5:], ids=" ".join)
def test_holes_come_back_in_every_sparse_format(tree: Path, options: list[str]) -> None:
    data = gnu(tree, *options)
    expected = (tree / "sub" / "holes").read_bytes()
    member = next(one for one in members(data) if one.path == b"sub/holes")
    assert member.sparse is not None
    assert len(member.sparse) == RUNS
    assert member.size == RUNS * 4096
    assert member.real_size == len(expected)
    stored, rebuilt = contents(data)[member.name], bytearray(member.real_size)
    for offset, length in member.sparse:
        rebuilt[offset : offset + length], stored = stored[:length], stored[length:]
    assert bytes(rebuilt) == expected
    assert not stored


@needs_gnu_tar
@pytest.mark.parametrize("format_", ["gnu", "oldgnu", "posix"])
def test_long_names_of_gnu_tar(tmp_path: Path, format_: str) -> None:
    (tmp_path / LONG).parent.mkdir()
    (tmp_path / LONG).write_bytes(b"1")
    os.symlink(LONG, tmp_path / "link")
    found = {member.path: member for member in members(gnu(tmp_path, f"--format={format_}"))}
    assert found[LONG.encode()].size == 1
    assert found[b"link"].linkname == LONG.encode()


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_python_tarfile_archives(format_: int) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format_) as judge:
        info = tarfile.TarInfo(LONG)
        info.size, info.mtime, info.mode, info.uid = 5, 1_600_000_000, 0o751, 2_000_000
        judge.addfile(info, io.BytesIO(b"12345"))
        info = tarfile.TarInfo("device")
        info.type, info.devmajor, info.devminor = tarfile.CHRTYPE, 5, 1
        judge.addfile(info)
    file, device = members(buffer.getvalue())
    assert (file.name.decode(), file.size, file.mode, file.uid) == (LONG, 5, 0o751, 2_000_000)
    assert file.mtime_ns == 1_600_000_000 * 10**9
    assert (device.type, device.devmajor, device.devminor) == ("chardev", 5, 1)


def test_tarfile_numbers_beyond_octal_are_base_256() -> None:
    buffer = io.BytesIO()
    info = tarfile.TarInfo("f")
    info.uid, info.gid, info.mtime = 1 << 30, (1 << 31) - 1, -5
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.GNU_FORMAT) as judge:
        judge.addfile(info)
    (member,) = members(buffer.getvalue())
    assert (member.uid, member.gid, member.mtime_ns) == (1 << 30, (1 << 31) - 1, -5 * 10**9)


# Properties

names = st.lists(
    st.binary(min_size=1, max_size=40).filter(lambda name: not set(name) & {0, 0x2F}),
    min_size=1,
    max_size=8,
).map(b"/".join)
times = st.integers(-(10**20), 10**20)
ids = st.integers(0, 2**32 - 2)


@st.composite
def sparse_files(draw: st.DrawFn) -> tuple[Member, bytes]:
    gaps = draw(st.lists(st.tuples(st.integers(0, 9999), st.integers(1, 600)), max_size=60))
    runs: list[tuple[int, int]] = []
    end = 0
    for gap, length in gaps:
        if runs and not gap:
            gap = 1
        runs.append((end + gap, length))
        end += gap + length
    size = sum(length for _, length in runs)
    real_size = end + draw(st.integers(0, 10**13))
    member = Member(draw(names), sparse=tuple(runs), size=size, real_size=real_size)
    return member, draw(st.binary(min_size=1, max_size=1)) * size


@st.composite
def files(draw: st.DrawFn) -> tuple[Member, bytes]:
    content = draw(st.binary(max_size=1500))
    name, mode = draw(names), draw(st.integers(0, 0o7777))
    member = Member(name, mode=mode, uid=draw(ids), gid=draw(ids), mtime_ns=draw(times))
    return member._replace(size=len(content), real_size=len(content)), content


@st.composite
def others(draw: st.DrawFn) -> tuple[Member, bytes]:
    kinds: list[MemberType] = ["dir", "symlink", "hardlink", "fifo", "chardev", "blockdev"]
    kind = draw(st.sampled_from(kinds))
    member = Member(draw(names), kind, mtime_ns=draw(times))
    if kind in ("symlink", "hardlink"):
        member = member._replace(linkname=draw(names))
    if kind in ("chardev", "blockdev"):
        device = st.integers(0, 0o7777777)
        member = member._replace(devmajor=draw(device), devminor=draw(device))
    return member, b""


archives = st.lists(st.one_of(files(), sparse_files(), others()), max_size=6)


@given(archives, st.data())
@settings(deadline=None)
def test_what_is_encoded_is_split_again_however_it_is_cut(
    parts: list[tuple[Member, bytes]], draw: st.DataObject
) -> None:
    data = b"".join(whole(*part) for part in parts) + END_OF_ARCHIVE
    cuts = sorted(draw.draw(st.lists(st.integers(0, len(data)), max_size=20)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True)]
    events = split(pieces)
    assert joined(events) == data
    assert merged(events) == merged(split([data]))
    found = [event.member for event in events if isinstance(event, Begin)]
    for member, (expected, _) in zip(found, parts, strict=True):
        name = expected.name + b"/" if expected.type == "dir" else expected.name
        typeflag = FLAGS[expected.type]
        assert member._replace(pax=()) == expected._replace(name=name, typeflag=typeflag)
        assert encode_member(member) == encode_member(expected)


@given(archives, st.data())
@settings(deadline=None)
def test_damage_is_an_error_or_passes_but_never_anything_else(
    parts: list[tuple[Member, bytes]], draw: st.DataObject
) -> None:
    data = bytearray(b"".join(whole(*part) for part in parts) + END_OF_ARCHIVE)
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] ^= draw.draw(st.integers(1, 255))
    with naming_a_byte():
        assert joined(split(cut(bytes(data), 700))) == data


@given(st.lists(st.one_of(st.binary(max_size=600), st.just(bytes(BLOCK))), max_size=5).map(b"".join))
def test_noise_never_does_anything_but_fail(data: bytes) -> None:
    with suppress(FormatError):
        assert joined(split([data])) == data


@given(st.binary(max_size=300))
def test_noise_as_pax_records_never_does_anything_but_fail(content: bytes) -> None:
    data = raw(b"x", content, typeflag=b"x") + raw() + END_OF_ARCHIVE
    with naming_a_byte():
        assert joined(split([data])) == data


def test_byte_by_byte() -> None:
    data = sample() + END_OF_ARCHIVE
    assert merged(split(cut(data, 1))) == merged(split([data]))


# Torn and damaged


def sample() -> bytes:
    runs = ((0, 600), (4096, 10))
    return (
        whole(Member(b"./", "dir"))
        + whole(Member(b"a" * 120, mtime_ns=1, size=700), b"a" * 700)
        + whole(Member(b"s", sparse=runs, size=610, real_size=9999), b"s" * 610)
        + raw(b"longlink", b"l" * 200 + b"\0", typeflag=b"L")
        + raw(b"short", b"content")
    )


def test_torn_at_every_byte() -> None:
    data = sample() + END_OF_ARCHIVE
    for size in range(len(data) - 2 * BLOCK):
        with pytest.raises(TruncatedError, match=f"byte {size}:"):
            split([data[:size]])
    for size in range(len(data) - 2 * BLOCK, len(data) - BLOCK):
        with pytest.raises(TruncatedError):
            split([data[:size]])
    for size in range(len(data) - BLOCK, len(data)):  # one zero block is an end, as GNU tar has it
        assert joined(split([data[:size]])) == data[:size]


def test_bytes_held_back_when_the_stream_is_torn_are_given_out() -> None:
    data = sample()[: 3 * BLOCK + 77]
    splitter = TarSplitter()
    events = list(splitter.feed(data))
    last = splitter.finish()
    events.append(next(last))
    with pytest.raises(TruncatedError):
        next(last)
    assert joined(events) == data


@pytest.mark.parametrize("mask", [0x01, 0x20, 0x80, 0xFF])
def test_every_byte_of_a_header_flipped(mask: int) -> None:
    data = whole(Member(b"name", mtime_ns=10**18, size=3), b"abc") + END_OF_ARCHIVE
    expected = members(data)
    for at in range(BLOCK):
        bad = bytearray(data)
        bad[at] ^= mask
        if at == 155 or (at, mask) == (154, 0x20):  # what ends the digits: NUL or space, then nobody looks
            assert members(bytes(bad)) == expected
            continue
        with pytest.raises(FormatError, match="byte 0: header checksum"):
            split([bytes(bad)])


def test_the_second_header_is_named_by_its_byte() -> None:
    data = bytearray(whole(Member(b"a", size=600), b"a" * 600) + whole(Member(b"b")) + END_OF_ARCHIVE)
    data[3 * BLOCK] ^= 1
    with pytest.raises(IntegrityError, match=r"byte 1536: header checksum: its bytes add up to 0o\d+, it says"):
        split([bytes(data)])


def test_a_failed_splitter_stays_failed() -> None:
    splitter = TarSplitter()
    with pytest.raises(IntegrityError):
        list(splitter.feed(b"\1" * BLOCK))
    with pytest.raises(IntegrityError):
        list(splitter.feed(b""))
    with pytest.raises(IntegrityError):
        list(splitter.finish())


def test_no_bytes_at_all() -> None:
    with pytest.raises(TruncatedError, match="empty"):
        split([])


def test_end_marker_required_unless_told() -> None:
    data = whole(Member(b"a", size=3), b"abc")
    with pytest.raises(TruncatedError, match="without the end marker"):
        split([data])
    assert joined(split([data], end="optional")) == data
    with pytest.raises(TruncatedError):
        split([data[:-1]], end="optional")
    with pytest.raises(TruncatedError):
        split([pax((b"path", b"p"))], end="optional")


BAD_RECORDS = {
    "no length": b"x=1\n",
    "length too long": b"99 path=a\n",
    "length too short": b"7 path=abc\n",
    "length of nothing": b"0 path=a\n",
    "negative length": b"-5 path=a\n",
    "huge length": b"9" * 19 + b" path=a\n",
    "no newline": b"9 path=ab",
    "no equals": b"9 pathab\n",
    "no key": b"5 =a\n",
    "size no number": encode_record(b"size", b"12x"),
    "size negative": encode_record(b"size", b"-1"),
    "size too large": encode_record(b"size", b"9" * 20),
    "size endless": encode_record(b"size", b"9" * 5000),
    "mtime": encode_record(b"mtime", b"1e5"),
    "uid": encode_record(b"uid", b"root"),
}


@pytest.mark.parametrize("content", BAD_RECORDS.values(), ids=BAD_RECORDS.keys())
def test_pax_records_that_lie(content: bytes) -> None:
    data = raw(b"x", content, typeflag=b"x") + raw() + END_OF_ARCHIVE
    with pytest.raises(FormatError, match=r"tar stream, byte \d+: pax"):
        split([data])


BAD_FIELDS = {
    "octal": {"size": b"00000000009\0"},
    "negative": {"size": b"\xff" * 12},
    "beyond 2^63": {"size": b"\x80" + b"\x7f" * 11},
    "mode": {"mode": b"rw-r--r-"},
    "mtime": {"mtime": b"yesterday\0\0\0"},
}


@pytest.mark.parametrize("fields", BAD_FIELDS.values(), ids=BAD_FIELDS.keys())
def test_fields_that_lie(fields: dict[str, bytes]) -> None:
    with pytest.raises(FormatError, match=r"byte 0: .*(expected|found)"):
        split([raw(**fields) + END_OF_ARCHIVE])


def test_a_size_beyond_the_stream() -> None:
    data = encode_member(Member(b"pages-1.img", size=1 << 40)) + bytes(5000)
    with pytest.raises(TruncatedError, match=r"content of 'pages-1.img'; 1099511622776 more bytes"):
        split([data])


@pytest.mark.parametrize("typeflag", [b"x", b"g", b"L", b"K"])
def test_huge_extended_headers_are_refused_before_they_are_read(typeflag: bytes) -> None:
    with pytest.raises(LimitError, match="the limit is 1048576"):
        list(TarSplitter().feed(raw(size=b"%011o\0" % (1 << 32), typeflag=typeflag)))


def test_many_extended_headers_cannot_add_up() -> None:
    one = raw(b"x", encode_record(b"comment", b"c" * 2000), typeflag=b"x")
    with pytest.raises(LimitError):
        split([one * 10 + raw() + END_OF_ARCHIVE], limits=DEFAULT._replace(tar_header=10_000))
    each = raw(b"g", encode_record(b"k%d" % 1, b"c" * 2000), typeflag=b"g") + raw()
    split([each * 10 + END_OF_ARCHIVE], limits=DEFAULT._replace(tar_header=10_000))
    growing = b"".join(raw(b"g", encode_record(b"k%d" % i, b"c" * 2000), typeflag=b"g") + raw() for i in range(9))
    with pytest.raises(LimitError):
        split([growing + END_OF_ARCHIVE], limits=DEFAULT._replace(tar_header=10_000))


# Rules of reading


def test_checksums_over_signed_bytes() -> None:
    block = checked(raw("grüße".encode())[:BLOCK], signed=True)
    assert members(block + END_OF_ARCHIVE)[0].name == "grüße".encode()


def test_v7_headers_know_no_prefix_and_no_devices() -> None:
    junk = raw(b"old/", magic=b"", prefix=b"junk", devmajor=b"junk", typeflag=b"\0")
    (member,) = members(junk + END_OF_ARCHIVE)
    assert (member.name, member.type, member.path) == (b"old/", "dir", b"old")


def test_prefixes() -> None:
    posix = raw(b"name", prefix=b"some/folder")
    gnu_times = raw(b"name", prefix=b"00000000000\0", magic=b"ustar  \0")
    star = raw(b"name", prefix=b"folder".ljust(131, b"\0") + b"00000000000 00000000000 ", tail=b"\0" * 8 + b"tar\0")
    found = members(posix + gnu_times + star + END_OF_ARCHIVE)
    assert [member.name for member in found] == [b"some/folder/name", b"name", b"folder/name"]


@pytest.mark.parametrize("typeflag", [b"1", b"2", b"3", b"4", b"5", b"6"])
def test_a_size_on_types_without_content_is_no_content(typeflag: bytes) -> None:
    data = raw(b"n", size=b"%011o\0" % 5000, typeflag=typeflag) + raw(b"next", b"abc") + END_OF_ARCHIVE
    first, second = members(data)
    assert (first.size, first.real_size, second.name, second.size) == (0, 0, b"next", 3)


@pytest.mark.parametrize("typeflag", [b"7", b"A", b"M", b"V", b"D"])
def test_a_size_on_other_types_is_content(typeflag: bytes) -> None:
    data = raw(b"n", b"z" * 600, typeflag=typeflag) + raw(b"next", b"abc") + END_OF_ARCHIVE
    first, second = members(data)
    assert (first.size, second.name) == (600, b"next")
    assert first.type == {b"7": "file", b"D": "dir"}.get(typeflag, "other")


def test_a_name_with_a_slash_is_a_directory_only_without_content() -> None:
    data = raw(b"dir/", typeflag=b"0") + raw(b"file/", b"abc") + END_OF_ARCHIVE
    assert [member.type for member in members(data)] == ["dir", "file"]


def test_which_name_wins() -> None:
    long = raw(b"L", b"long\0", typeflag=b"L")
    link = raw(b"K", b"long link\0", typeflag=b"K")
    data = (
        long + link + raw(typeflag=b"2", linkname=b"x")
        + long + pax((b"path", b"pax")) + raw()
        + pax((b"path", b"first"), (b"path", b"second")) + raw()
        + pax((b"path", b"")) + raw()
        + raw(b"after")
        + END_OF_ARCHIVE
    )  # fmt: skip
    found = members(data)
    assert [member.name for member in found] == [b"long", b"pax", b"second", b"f", b"after"]
    assert found[0].linkname == b"long link"
    assert found[1].pax == ((b"path", b"pax"),)
    assert found[4].pax == ()


def test_pax_size_and_owner_and_time() -> None:
    records = pax((b"size", b"3"), (b"uid", b"4000000000"), (b"mtime", b"-1.25"), (b"hdrcharset", b"BINARY"))
    data = records + raw(size=b"%011o\0" % 0) + b"abc" + bytes(509) + END_OF_ARCHIVE
    (member,) = members(data)
    assert (member.size, member.uid, member.mtime_ns) == (3, 4_000_000_000, -1_250_000_000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"0", 0),
        (b"1.5", 1_500_000_000),
        (b"1.", 10**9),
        (b"1.123456789987", 1_123_456_789),
        (b"-0.000000001", -1),
        (b"-2", -2 * 10**9),
    ],
)
def test_times(text: bytes, expected: int) -> None:
    assert members(pax((b"mtime", text)) + raw() + END_OF_ARCHIVE)[0].mtime_ns == expected


def test_global_records_hold_until_changed_and_yield_to_own_ones() -> None:
    def everywhere(key: bytes, value: bytes) -> bytes:
        return raw(b"g", encode_record(key, value), typeflag=b"g")

    data = (
        everywhere(b"uid", b"7") + raw() + raw() + pax((b"uid", b"8")) + raw()
        + pax((b"uid", b"")) + raw() + everywhere(b"uid", b"9") + raw() + END_OF_ARCHIVE
    )  # fmt: skip
    assert [member.uid for member in members(data)] == [7, 7, 8, 0, 9]
    for key in (b"size", b"GNU.sparse.major"):
        with pytest.raises(UnsupportedError, match="one member only"):
            split([everywhere(key, b"1") + raw() + END_OF_ARCHIVE])


def test_solaris_headers_are_pax_headers() -> None:
    data = raw(b"X", encode_record(b"path", b"solaris"), typeflag=b"X") + raw() + END_OF_ARCHIVE
    assert members(data)[0].name == b"solaris"


@pytest.mark.parametrize("ending", [bytes(BLOCK), END_OF_ARCHIVE, bytes(10240)])
def test_what_follows_the_end_is_kept_and_not_interpreted(ending: bytes) -> None:
    second = whole(Member(b"second", size=5), b"12345") + END_OF_ARCHIVE + b"and text"
    data = whole(Member(b"first")) + ending + second
    splitter = TarSplitter()
    events = [event for piece in cut(data, 100) for event in splitter.feed(piece)] + list(splitter.finish())
    assert [event.member.name for event in events if isinstance(event, Begin)] == [b"first"]
    assert joined(events) == data
    assert splitter.ended
    assert splitter.stray_at == BLOCK + len(ending)
    assert splitter.position == len(data)


def test_zeros_after_the_end_are_nothing_strange() -> None:
    splitter = TarSplitter()
    list(splitter.feed(whole(Member(b"first")) + bytes(10240)))
    assert splitter.stray_at is None


@pytest.mark.parametrize(
    ("name", "path"),
    [
        (b"./", b""), (b".", b""), (b"./a", b"a"), (b"././/a/b//", b"a/b"), (b"a/", b"a"), (b"/a", b"/a"),
        (b"..", b".."), (b".a", b".a"), (b"./../a", b"../a"),
    ],
)  # fmt: skip
def test_paths(name: bytes, path: bytes) -> None:
    assert Member(name).path == path


# Sparse maps that lie


def sparse_1_0(text: bytes, stored: int = 0, real_size: bytes = b"100") -> bytes:
    records = pax(
        (b"GNU.sparse.major", b"1"), (b"GNU.sparse.minor", b"0"),
        (b"GNU.sparse.name", b"n"), (b"GNU.sparse.realsize", real_size),
    )  # fmt: skip
    text += padding(len(text))
    return records + raw(b"GNUSparseFile.0/n", text + b"d" * stored) + END_OF_ARCHIVE


BAD_MAPS = {
    "no count": b"\n",
    "count without lines": b"3\n0\n1\n",
    "no newline": b"1" * 512,
    "beyond the end": b"1\n99\n2\n",
    "backwards": b"2\n50\n1\n10\n1\n",
    "overlapping": b"2\n0\n10\n5\n10\n",
    "negative": b"1\n-1\n1\n",
    "stores less": b"1\n0\n10\n",
    "text": b"1\nzero\n1\n",
}


@pytest.mark.parametrize("text", BAD_MAPS.values(), ids=BAD_MAPS.keys())
def test_sparse_maps_that_lie(text: bytes) -> None:
    with pytest.raises(FormatError, match=r"byte \d+: sparse map"):
        split([sparse_1_0(text)])


def test_sparse_maps_have_limits() -> None:
    with pytest.raises(LimitError):
        split([sparse_1_0(b"99999999\n" + b"0\n" * 2000)])
    with pytest.raises(FormatError, match="longer than"):
        split([sparse_1_0(b"2\n" + b"0" * 5000 + b"\n1\n2\n3\n")])


def test_an_unknown_sparse_version() -> None:
    with pytest.raises(UnsupportedError, match="sparse format"):
        split([pax((b"GNU.sparse.major", b"2"), (b"GNU.sparse.minor", b"0")) + raw() + END_OF_ARCHIVE])


def test_sparse_without_a_size() -> None:
    with pytest.raises(FormatError, match="missing"):
        split([pax((b"GNU.sparse.map", b"0,0")) + raw() + END_OF_ARCHIVE])


@pytest.mark.parametrize("records", [["offset", "offset"], ["numbytes", "offset"], ["offset"]])
def test_sparse_0_0_records_out_of_order(records: list[str]) -> None:
    listed = [(b"GNU.sparse." + key.encode(), b"0") for key in records]
    with pytest.raises(FormatError, match="alternate"):
        split([pax((b"GNU.sparse.size", b"5"), *listed) + raw() + END_OF_ARCHIVE])


def test_old_sparse_with_endless_extensions_is_a_torn_stream_only() -> None:
    head = bytearray(raw(typeflag=b"S", magic=b"ustar  \0"))
    head[482] = 1
    more = bytes(504) + b"\1" + bytes(7)
    with pytest.raises(TruncatedError, match="sparse map of 'f'"):
        split([checked(bytes(head)) + more * 3])


def test_a_sparse_file_of_nothing_but_hole() -> None:
    member = Member(b"hole", sparse=(), real_size=1 << 33)
    (found,) = members(whole(member) + END_OF_ARCHIVE)
    assert (found.sparse, found.size, found.real_size) == ((), 0, 1 << 33)


# Writing headers


def test_plain_members_need_no_pax_header() -> None:
    assert len(encode_member(Member(b"core-1.img", mtime_ns=1_700_000_000 * 10**9, size=100))) == BLOCK
    assert len(encode_member(Member(b"core-1.img", mtime_ns=1))) == 3 * BLOCK


LIMITS = [
    ({"name": b"n" * 100}, None),
    ({"name": b"n" * 101}, b"path"),
    ({"name": "ü".encode()}, b"path"),
    ({"name": b"\xff"}, b"hdrcharset"),
    ({"linkname": b"l" * 101, "type": "symlink"}, b"linkpath"),
    ({"linkname": b"\xff", "type": "symlink"}, b"hdrcharset"),
    ({"uid": 0o7777777}, None),
    ({"uid": 0o10000000}, b"uid"),
    ({"gid": 0o10000000}, b"gid"),
    ({"size": (8 << 30) - 1}, None),
    ({"size": 8 << 30}, b"size"),
    ({"mtime_ns": 10**9}, None),
    ({"mtime_ns": 10**9 + 1}, b"mtime"),
    ({"mtime_ns": -(10**9)}, b"mtime"),
    ({"mtime_ns": (8 << 30) * 10**9}, b"mtime"),
]


@pytest.mark.parametrize(("fields", "first"), LIMITS)
def test_records_appear_only_when_needed(fields: dict[str, object], first: bytes | None) -> None:
    head = encode_member(Member(**({"name": b"n"} | fields)))  # type: ignore[arg-type]
    splitter = TarSplitter()
    (begin,) = [event for event in splitter.feed(head) if isinstance(event, Begin)]
    assert (begin.member.pax[0][0] if begin.member.pax else None) == first
    for field, value in fields.items():
        assert getattr(begin.member, field) == value


@needs_gnu_tar
def test_gnu_tar_and_tarfile_read_what_is_written(tmp_path: Path) -> None:
    runs = ((0, 4096), (1 << 20, 4096))
    content = b"a" * 4096 + b"b" * 4096
    odd = b"\xff\xfe-not-utf8"
    data = (
        whole(Member(b"./", "dir", mode=0o750))
        + whole(Member(b"dir/", "dir", mode=0o755))
        + whole(Member(b"dir/" + b"n" * 150, size=3, mtime_ns=1_600_000_000_123_456_789), b"abc")
        + whole(Member(b"holes", sparse=runs, size=8192, real_size=3 << 20), content)
        + whole(Member(b"hole", sparse=(), real_size=1 << 20))
        + whole(Member(odd, size=1), b"1")
        + whole(Member("größe".encode(), "symlink", linkname=b"dir/x"))
        + END_OF_ARCHIVE
    )
    subprocess.run(["tar", "-x", "-C", str(tmp_path)], input=data, check=True)
    assert (tmp_path / "holes").stat().st_size == 3 << 20
    assert (tmp_path / "holes").read_bytes()[1 << 20 : (1 << 20) + 4096] == b"b" * 4096
    assert (tmp_path / "holes").stat().st_blocks * 512 < 1 << 20
    assert (tmp_path / "hole").stat().st_size == 1 << 20
    assert (tmp_path / "dir" / ("n" * 150)).stat().st_mtime_ns == 1_600_000_000_123_456_789
    assert os.path.exists(os.fsencode(tmp_path) + b"/" + odd)
    assert os.readlink(tmp_path / "größe") == "dir/x"
    with tarfile.open(fileobj=io.BytesIO(data), encoding="utf-8", errors="surrogateescape") as judge:
        found = {info.name.encode(errors="surrogateescape"): info for info in judge}
        holes = judge.extractfile(found[b"holes"])
        assert holes is not None
        assert holes.read() == (tmp_path / "holes").read_bytes()
    assert odd in found


def test_what_no_header_can_say() -> None:
    for member in (
        Member(b"n", "other"),
        Member(b"n", mode=0o10000),
        Member(b"n", "chardev", devmajor=1 << 30),
    ):
        with pytest.raises(UsageError):
            encode_member(member)
    with pytest.raises(LimitError):
        encode_member(Member(b"n" * (1 << 20)))


def test_content_is_passed_without_copying() -> None:
    splitter = TarSplitter()
    list(splitter.feed(encode_member(Member(b"pages-1.img", size=1 << 30))))
    chunk = bytes(1 << 20)
    (event,) = splitter.feed(chunk)
    assert isinstance(event, Content)
    assert isinstance(event.data, memoryview)
    assert event.data.obj is chunk


def test_end_is_one_value() -> None:
    events = split([whole(Member(b"a")) + whole(Member(b"b")) + END_OF_ARCHIVE])
    assert [event for event in events if isinstance(event, End)] == [End(), End()]
