"""Cut, flipped, damaged, doubled: never an exception, never a lost byte, and a note that says what is wrong."""

from __future__ import annotations

import io
import random
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linux_cr.collecting import collect
from linux_cr.making import LAYOUTS, OLD, Maker, Shape, pid, scene, type_number
from linux_cr.test_view import FakeImage

from objref.dialects.linux_cr import DIALECT


def small(layout: str = "v20", machine: str = "x86_64") -> bytes:
    """All kinds of records, no more than a few pages."""
    return bytes(scene(layout, machine, tasks=1, shape=Shape(1, 1)).out)


@pytest.mark.parametrize("layout", ["rev3", "v20", "v23-rc2"])
def test_cut_anywhere(layout: str) -> None:
    data = small(layout)
    begins = range(0, len(data), 101)
    for n in (*begins, *range(250), *range(len(data) - 250, len(data))):
        got = collect([data[:n]])
        assert got.stream == data[:n]
        assert got.told("cut"), n


def test_cut_at_every_byte_of_a_tiny_stream() -> None:
    maker = Maker("v23-rc2")
    maker.leading([(1, 0)])
    maker.task(1, zombie=True)
    maker.tail()
    whole = collect([bytes(maker.out)])
    assert not whole.told("cut")
    for n in range(len(maker.out)):
        for got in (collect([bytes(maker.out[:n])]), collect(bytes([b]) for b in maker.out[:n])):
            assert got.stream == maker.out[:n]
            assert got.told("cut")


def test_cut_pages_keep_what_came() -> None:
    maker = scene("v20", tasks=1)
    data = bytes(maker.out)
    page = next(page for memory in maker.memory.values() for page in memory.values())
    mem = next(name for name in maker.memory if name.startswith("mem:"))
    at = data.index(list(maker.memory[mem].values())[3])
    got = collect([data[: at + 100]])
    assert got.memory[mem] == dict(list(maker.memory[mem].items())[:3])
    assert page in data
    assert "before the end of a record of mm:" in got.told("cut")[0].text


@pytest.mark.parametrize("layout", LAYOUTS)
def test_flipped_bytes(layout: str) -> None:
    data = small(layout, "s390x" if layout == "rev5" else "x86_64")
    rng = random.Random(layout)
    for _ in range(400):
        hurt = bytearray(data)
        for _ in range(rng.choice((1, 1, 20))):
            hurt[rng.randrange(min(len(hurt), rng.choice((4000, 1 << 30))))] ^= 1 << rng.randrange(8)
        assert collect([bytes(hurt)]).stream == hurt


@pytest.mark.parametrize("length", [0, 7, 0xFFFFFFFF])
def test_a_length_that_cannot_be(length: int) -> None:
    maker = scene("v20", tasks=2)
    at = maker.begins[40]
    hurt = maker.out[:at + 4] + maker.pack("I", length) + maker.out[at + 8 :]
    for pieces in ([bytes(hurt)], [hurt[i : i + 1] for i in range(len(hurt))]):
        got = collect(map(bytes, pieces))
        assert got.stream == hurt
        assert f"at {at} " in got.told("damaged")[0].text
        assert got.of(f"rest:{at}") == [bytes(hurt[at:])]


def test_an_id_defined_twice() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    maker.user(5)
    maker.user(5)
    maker.tail()
    got = collect([bytes(maker.out)])
    assert len(got.of("user:5")) == 2
    assert got.told("defined-twice")[0].where == "obj:5"
    assert f"again at {maker.begins[-3]:#x}, as user" in got.told("defined-twice")[0].text


def test_an_id_defined_twice_in_pieces() -> None:
    """The first one is the one that ends first, whether it lies in one piece or not."""
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    table = maker.file_table()
    maker.objref("file-table", table)
    maker.record("FILE_TABLE", length=16)
    maker.tail()
    first, second = collect([bytes(maker.out)]).of(f"file-table:{table}")
    assert (len(first) > 100, len(second)) == (True, 32)


def test_ids_far_apart() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    for key in (1, 1 << 26, (1 << 31) - 1, 1 << 26, 1):
        maker.user(key)
    maker.tail()
    told = collect([bytes(maker.out)]).told("defined-twice")
    assert [note.where for note in told] == ["obj:67108864", "obj:1"]


def test_unknown_types_errors_and_what_follows_the_tail() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    maker.raw(118, b"vpids")
    maker.raw(60000, bytes(100_000))
    maker.record("STRING", b"comm".ljust(16, b"\0"))
    maker.tail()
    data = bytes(maker.out) + b"and more"
    got = collect([data])
    assert got.stream == data
    assert len([name for name, _ in got.objects if name.startswith("record:")]) == 2
    assert len(got.told("unknown-record")) == 2
    assert got.of(f"rest:{len(maker.out)}") == [b"and more"]
    assert got.told("trailing")


@pytest.mark.parametrize("inside", [False, True])
def test_a_failed_checkpoint(inside: bool) -> None:
    maker = Maker("v20")
    maker.leading([(1, 0), (2, 1)])
    maker.record("TASK", length=64)
    if inside:
        maker.record("ERROR", b"\0[err -16][pos 5] busy\0")
    else:
        maker.record("ERROR")
        maker.record("STRING", b"\0[err -16][pos 5] busy\0")
    got = collect([bytes(maker.out)])
    assert got.stream == maker.out
    assert "[err -16][pos 5] busy" in got.told("error")[0].text
    assert "2 tasks, 1 of them came" in got.told("tree")[0].text
    assert not got.told("cut"), "the stream is whole: it is the checkpoint that failed"


def test_lengths_that_the_facts_do_not_have() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=72)
    maker.record("TASK_OBJS", maker.pack("3i", 1, 2, 3), 48)
    maker.tail()
    got = collect([bytes(maker.out)])
    assert len(got.told("unknown-layout")) == 2
    assert got.stream == maker.out
    assert not [edge for edge in got.dangling if edge[1] == "mm"]


def test_a_revision_that_the_facts_do_not_have() -> None:
    data = bytearray(small())
    data[24:26] = b"\x07\0"
    got = collect([bytes(data)])
    assert got.stream == data
    assert "rev 7" in got.told("unknown-layout")[0].text
    assert got.of("header:0") == [bytes(data[:72])]
    assert not got.edges


def test_pages_at_one_address_twice_and_beyond_the_top() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    mm = maker.objref("mm")
    maker.record("MM", maker.pack("Ii", 1, 0), 120)
    maker.record("BUFFER", b"")
    maker.vma(mm, 2, 0x1000)
    maker.chunk(f"mem:{mm}", [0x5000, 0x1000, 0x5000, (1 << 64) - 4096, 0x3001])
    maker.end_pages()
    maker.tail()
    got = collect([bytes(maker.out)])
    assert got.stream == maker.out
    assert sorted(got.memory[f"mem:{mm}"]) == [0x1000, 0x3001, 0x5000]
    assert "8192 bytes" in got.told("overlap")[0].text


def test_what_is_no_linux_cr_stream() -> None:
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.addfile(tarfile.TarInfo("inventory.img"))
    criu = bytes.fromhex("16313158") + bytes(80)
    for head in (archive.getvalue(), criu, random.Random(1).randbytes(4096), b"", b"\1"):
        assert not DIALECT.detect(head)
        assert collect([head]).stream == head
        assert collect([head]).notes


def test_nesting_without_end_is_bounded() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    for _ in range(1000):
        maker.objref("cred")
    got = collect([bytes(maker.out)])
    assert got.stream == maker.out
    assert len([name for name, _ in got.objects if name.startswith("cred:")]) == 1000


def test_pages_that_nobody_expects() -> None:
    """After an mm has ended they are not its memory."""
    maker = scene("v20", tasks=1)
    maker.out = maker.out[: maker.begins[-1]]
    maker.chunk("nobody", [0x1000_0000])
    maker.tail()
    got = collect([bytes(maker.out)])
    assert got.stream == maker.out
    assert {name: pages for name, pages in got.memory.items() if pages} == {
        name: pages for name, pages in maker.memory.items() if name != "nobody"
    }
    assert "nothing says what they are part of" in got.told("page-chunk")[0].text


def test_words_of_another_machine() -> None:
    """A chunk whose length says 4-byte addresses, on a machine that has 8: damage, not memory."""
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    maker.objref("mm")
    maker.record("MM", maker.pack("Ii", 1, 0), 120)
    maker.record("BUFFER", b"")
    maker.vma(1, 2, 0x1000)
    maker.record("PGARR", maker.pack("Q", 1))
    maker.record("BUFFER", maker.pack("I", 0x1000) + bytes(4096))
    got = collect([bytes(maker.out)])
    assert got.stream == maker.out
    assert not got.memory["mem:1"]
    assert got.told("page-chunk")


@pytest.mark.parametrize("depth", [0xFFFFFFFF, 3])
def test_a_pid_that_does_not_fit(depth: int) -> None:
    maker = Maker("v23-rc2")
    maker.header()
    maker.raw(101, maker.pack("IIIxxxx", 2, 0, 1))
    maker.record("BUFFER", maker.pack("IiIi", 0, 77, depth, 1))
    maker.record("TREE", maker.pack("I", 2), 16)
    maker.record("BUFFER", maker.tree_entry(1, 0) + maker.tree_entry(2, 1))
    maker.task(1, zombie=True)
    maker.task(2, zombie=True)
    maker.tail()
    got = collect([bytes(maker.out)])
    assert "says 2 pids and has 1" in got.told("pids")[0].text
    assert [name for name, _ in got.objects if name.startswith("task:")] == ["task:77", f"task:{(1 << 32) + 1}"]
    assert ("task:4294967297", "pid", "pid:2") in got.dangling


def test_references_to_nothing_and_to_what_they_are_not_for() -> None:
    maker = Maker("v20")
    maker.leading([(1, 0)])
    maker.record("TASK", length=64)
    file = maker.file()
    maker.record("TASK_CREDS", maker.pack("ii", file, 99), 16)
    maker.tail()
    got = collect([bytes(maker.out)])
    task = f"task:{pid(1)}"
    assert got.dangling == {(task, "cred", f"cred:{file}"), (task, "effective-cred", "cred:99")}


NUMBERS = sorted({type_number(name, layout) for name in OLD for layout in LAYOUTS if name != "HEADER"} | {101, 404})
LENGTHS = (0, 8, 16, 24, 32, 40, 48, 56, 64, 72, 88, 112, 248, 320, 4104)
RECORDS = st.tuples(st.sampled_from(NUMBERS), st.sampled_from(LENGTHS), st.lists(st.integers(-2, 9), max_size=8))


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(list(LAYOUTS)), st.lists(RECORDS, max_size=25), st.integers(1, 300))
def test_any_records_in_any_order(layout: str, records: list[tuple[int, int, list[int]]], size: int) -> None:
    """Whatever they say of what follows: every byte stays, and pieces make no difference."""
    maker = Maker(layout)
    maker.header()
    for number, length, words in records:
        maker.raw(number, maker.pack(f"{len(words)}i", *words)[:length].ljust(length, b"\0"))
    data = bytes(maker.out)
    whole = collect([data])
    assert whole.stream == data
    assert collect(data[i : i + size] for i in range(0, len(data), size)) == whole
    kept = sum(len(held) for name, held in whole.objects if not name.startswith("pid:"))
    assert kept == len(data), "each byte is part of one object"
    for name, found in FakeImage(whole).items():
        if name != "layout":
            DIALECT.brief(found)
            assert not DIALECT.decodes(found) or DIALECT.decode(found)
