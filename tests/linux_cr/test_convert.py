"""Between the layouts of rev 6: exactly, or not at all."""

from __future__ import annotations

import itertools
import random
import struct
from collections.abc import Iterable

import pytest
from linux_cr.making import MACHINES, Maker, Shape, pid, scene
from linux_cr.test_examples import A, B, C

from objref.dialects.linux_cr import DIALECT
from objref.errors import FormatError, LimitError, ObjrefError, TruncatedError, UnsupportedError, UsageError
from objref.limits import DEFAULT

FLAT = Shape(ttys=False, nested=False)
NAMES = {"v23-rc1": "v23-rc1", "b6cdf01": "renumbered", "v23-rc2": "v23-rc2"}
"""Layout of the product -> of the maker."""
PAIRS = list(itertools.product(NAMES, NAMES))


def convert(data: bytes, to: str, origin: str | None = None, pieces: Iterable[bytes] | None = None) -> bytes:
    assert DIALECT.converter is not None
    converter = DIALECT.converter(to, origin, DEFAULT)
    made = b"".join(piece for part in (pieces or [data]) for piece in converter.feed(part))
    return made + b"".join(converter.finish())


def made(layout: str, machine: str = "x86_64", tasks: int = 3, shape: Shape = FLAT) -> bytes:
    return bytes(scene(NAMES[layout], machine, tasks, shape).out)


def bytewise(data: bytes) -> Iterable[bytes]:
    return (data[i : i + 1] for i in range(len(data)))


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_stream_becomes_what_the_other_kernel_would_have_written(source: str, target: str, machine: str) -> None:
    assert convert(made(source, machine), target) == made(target, machine)


def test_layouts_are_those_of_the_dialect() -> None:
    assert DIALECT.layouts == tuple(NAMES)


@pytest.mark.parametrize(("source", "target"), [("v23-rc1", "v23-rc2"), ("v23-rc2", "v23-rc1"), ("v23-rc2", "b6cdf01")])
def test_pieces_make_no_difference(source: str, target: str) -> None:
    data = made(source, tasks=1, shape=FLAT._replace(files=1, pages=40))
    whole = convert(data, target)
    assert convert(data, target, pieces=bytewise(data)) == whole
    rng = random.Random(1)
    cuts = sorted(rng.randrange(len(data)) for _ in range(50))
    pieces = [data[a:b] for a, b in itertools.pairwise([0, *cuts, len(data)])]
    assert convert(data, target, pieces=pieces) == whole


def test_trailing_bytes_stay() -> None:
    data = made("v23-rc1") + b"signature"
    assert convert(data, "b6cdf01").endswith(b"signature")
    assert convert(convert(data, "b6cdf01"), "v23-rc1") == data


def test_long_records_pass_through() -> None:
    shape = FLAT._replace(pages=2000)
    assert convert(made("v23-rc1", shape=shape), "v23-rc2") == made("v23-rc2", shape=shape)


# -- what the stream does not tell --------------------------------------------------------------------------


def zombies(layout: str, n: int = 2) -> bytes:
    maker = Maker(layout, shape=FLAT)
    maker.leading([(k, 0) for k in range(1, n + 1)])
    for k in range(1, n + 1):
        maker.task(k, zombie=True)
    maker.tail()
    return bytes(maker.out)


def test_zombies_alone_do_not_tell_the_new_layouts_apart() -> None:
    data = zombies("v23-rc2")
    with pytest.raises(UnsupportedError, match="tells b6cdf01 from v23-rc2"):
        convert(data, "v23-rc1")
    assert convert(data, "v23-rc1", "v23-rc2") == convert(data, "v23-rc1", "b6cdf01") == zombies("v23-rc1")
    assert convert(zombies("v23-rc1"), "v23-rc2") == data


def test_nothing_differs_without_tasks() -> None:
    assert convert(A, "v23-rc1") == convert(A, "v23-rc2") == A


def test_example_c() -> None:
    old = convert(bytes(C), "v23-rc1", "v23-rc2")
    assert len(old) == len(C) - 40
    assert convert(old, "v23-rc2") == C


@pytest.mark.parametrize(("data", "origin"), [
    (made("v23-rc1"), "v23-rc2"), (made("v23-rc2"), "v23-rc1"), (made("b6cdf01"), "v23-rc2"),
])  # fmt: skip
def test_a_wrong_origin_is_noticed(data: bytes, origin: str) -> None:
    with pytest.raises((UsageError, UnsupportedError), match="at byte"):
        convert(data, "b6cdf01" if origin == "v23-rc1" else "v23-rc1", origin)


def test_layouts_that_are_none() -> None:
    with pytest.raises(UsageError, match="v23-rc1, b6cdf01, v23-rc2"):
        convert(A, "v24")
    with pytest.raises(UsageError, match="source 'v20'"):
        convert(A, "v23-rc1", "v20")


# -- what is refused ----------------------------------------------------------------------------------------


def refused(data: bytes, to: str, why: str, origin: str | None = None) -> None:
    with pytest.raises(UnsupportedError, match=why) as caught:
        convert(data, to, origin)
    assert "at byte" in str(caught.value)


def start(layout: str) -> Maker:
    maker = Maker(NAMES[layout], shape=FLAT)
    maker.leading([(1, 0)])
    maker.record("TASK", length=80)
    return maker


def finish(maker: Maker) -> bytes:
    maker.mm()  # tells the layout
    maker.tail()
    return bytes(maker.out)


def test_v20_and_other_revisions() -> None:
    refused(B, "v23-rc2", "v20, whose tasks lack")
    refused(bytes(scene("rev5").out), "v23-rc2", "rev 5")


def test_a_tty() -> None:
    for source, target in (("v23-rc1", "b6cdf01"), ("v23-rc2", "v23-rc1")):
        refused(made(source, shape=FLAT._replace(ttys=True)), target, "TTY: .* does not have the same termios")
    with_tty = FLAT._replace(ttys=True)
    assert convert(made("b6cdf01", shape=with_tty), "v23-rc2") == made("v23-rc2", shape=with_tty)


def test_fields_that_only_the_last_layout_has() -> None:
    maker = Maker("v23-rc2", shape=FLAT)
    maker.leading([(1, 0)])
    maker.record("TASK", maker.pack("I", 0x40), 80)
    refused(finish(maker), "v23-rc1", "TASK: flags 64 is not 0")
    maker = start("v23-rc2")
    maker.record("VMA", maker.pack("IiiI6QH", 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 21), 80)
    refused(finish(maker), "b6cdf01", "VMA: hugetlb_shift 21 is not 0")
    maker = start("v23-rc2")
    maker.record("VMA", maker.pack("I", 9), 80)
    refused(finish(maker), "v23-rc1", "areas of type 9")
    maker = start("v23-rc2")
    maker.vma(1, 2, 0x1000)
    maker.raw(404, bytes(16))
    refused(bytes(maker.out), "v23-rc1", "has no HPAGE")


def test_pids_below() -> None:
    refused(made("v23-rc2", shape=FLAT._replace(nested=True)), "v23-rc1", "PIDS: pids in namespaces below")
    data = bytearray(made("v23-rc1"))
    at = data.index(struct.pack("<i", pid(1))) + 20
    data[at] = 1
    refused(bytes(data), "v23-rc2", "depth above 0")


def test_tables_of_pids_that_plain_numbers_could_not_give() -> None:
    data = made("v23-rc2")
    pids = data.index(struct.pack("<II", 101, 24))
    table, tree = pids + 24, data.index(struct.pack("<II", 102, 16)) + 16 + 8

    def patched(at: int, value: int) -> bytes:
        return data[:at] + struct.pack("<i", value) + data[at + 4 :]

    refused(patched(pids + 16, 7), "v23-rc1", "tags from 7 on")
    refused(patched(table + 8 + 4, pid(2)), "v23-rc1", "there twice")
    refused(patched(tree, 2), "v23-rc1", "another order")
    refused(patched(tree, 9), "v23-rc1", "9 is no tag")
    refused(patched(tree + 4, -4097), "v23-rc1", "-4097 is no tag")


def test_ids_without_counterpart() -> None:
    maker = start("v23-rc2")
    maker.user(1)  # the tag of the task
    refused(finish(maker), "v23-rc1", "the id 1 has no counterpart")
    maker = start("v23-rc1")
    maker.user((1 << 31) - 1)
    refused(finish(maker), "v23-rc2", "the id 2147483647")


@pytest.mark.parametrize(("record", "why"), [
    ((333, bytes(8)), "type 333 is not known"),
    ((8, bytes(8)), "SECURITY: what follows it is not known"),
    ((708, bytes(32)), "NETDEV: nothing tells a veth"),
    ((304, bytes(48)), "FILE of type 0 is not known"),
    ((304, struct.pack("<I", 2) + bytes(36)), "FILE of type pipe ends before its pipe_objref"),
    ((304, bytes(10)), "FILE of 18 bytes is none of v23-rc1"),
    ((6, struct.pack("<Ii", 50, 1)), "OBJREF of type 50"),
    ((6, struct.pack("<Ii", 3, -1)), "id that is not above 0"),
    ((101, bytes(8)), "a second TREE"),
    ((308, b""), "EPOLL_ITEMS of 8 bytes"),
])  # fmt: skip
def test_records_that_may_hold_ids_nobody_knows(record: tuple[int, bytes], why: str) -> None:
    maker = start("v23-rc1")
    maker.raw(*record)
    refused(finish(maker), "b6cdf01", why)


def test_the_position_is_that_of_the_record() -> None:
    maker = start("v23-rc1")
    at = len(maker.out)
    maker.raw(333, b"")
    refused(finish(maker), "b6cdf01", f"byte {at}: ")


def test_pids_are_a_table_directly_before_the_tree() -> None:
    data = made("v23-rc2")
    pids, tree = data.index(struct.pack("<II", 101, 24)), data.index(struct.pack("<II", 102, 16))
    with_table = data[:tree]
    refused(with_table + struct.pack("<II", 3, 8) + data[tree:], "v23-rc1", "CONTAINER where the TREE should be")
    refused(with_table + data[-16:], "v23-rc1", "TAIL where the TREE should be", "v23-rc2")
    refused(data[:pids] + data[pids:tree].replace(b"\x03", b"\0", 1) + data[tree:], "v23-rc1", "PIDS: ")
    refused(with_table + data[pids:], "v23-rc1", "PIDS where the TREE should be")


@pytest.mark.parametrize("length", [8, 12, 20, 32])
def test_heads_of_other_lengths(length: int) -> None:
    for layout, number, to in (("v23-rc1", 101, "b6cdf01"), ("v23-rc2", 102, "v23-rc1")):
        maker = Maker(NAMES[layout], shape=FLAT)
        maker.header()
        if layout == "v23-rc2":
            maker.pids(1)
        maker.raw(number, bytes(length - 8))
        maker.record("BUFFER", maker.tree_entry(1, 0))
        maker.record("TASK", length=80)
        with pytest.raises(UnsupportedError, match="TREE of"):
            convert(finish(maker), to)


@pytest.mark.parametrize("items", [0, 1, 5])
def test_items_of_an_epoll(items: int) -> None:
    maker = start("v23-rc1")
    maker.record("EPOLL_ITEMS", maker.pack("iI", 7, items))
    if items:
        maker.record("BUFFER", maker.pack("QIiIxxxx", 1, 2, 9, 4))
    data = finish(maker)
    if items == 5:
        refused(data, "b6cdf01", "5 items of an epoll in 24 bytes")
    else:
        assert convert(convert(data, "b6cdf01"), "v23-rc1") == data


def test_an_object_before_the_pids() -> None:
    maker = Maker("v23-rc1", shape=FLAT)
    maker.header()
    maker.user()
    maker.record("TREE", maker.pack("I", 1), 16)
    maker.record("BUFFER", maker.tree_entry(1, 0))
    maker.record("TASK", length=80)
    refused(finish(maker), "b6cdf01", "OBJREF before the pids")


# -- damage -------------------------------------------------------------------------------------------------


def test_cut_anywhere() -> None:
    data = made("v23-rc2", tasks=1, shape=Shape(1, 1, False, False))
    for n in (*range(0, len(data), 61), *range(len(data) - 40, len(data))):
        with pytest.raises((TruncatedError, UnsupportedError)):
            convert(data[:n], "v23-rc1")


def test_a_failed_checkpoint_has_no_tail() -> None:
    maker = start("v23-rc1")
    maker.record("ERROR")
    maker.record("STRING", b"\0busy\0")
    data = bytes(maker.out)
    assert convert(convert(data, "b6cdf01"), "v23-rc1", "b6cdf01") == data


def test_flipped_bytes_convert_back_or_not_at_all() -> None:
    """The promise: whatever comes out is exact."""
    data, rng, through = made("v23-rc1", tasks=2, shape=FLAT._replace(pages=1)), random.Random(5), 0
    for _ in range(400):
        hurt = bytearray(data)
        hurt[rng.randrange(rng.choice((1500, len(data))))] ^= 1 << rng.randrange(8)
        try:
            there = convert(bytes(hurt), "v23-rc2")
        except ObjrefError:
            continue
        through += 1
        assert convert(there, "v23-rc1") == hurt
    assert through > 20


def test_lengths_that_cannot_be() -> None:
    maker = start("v23-rc1")
    with pytest.raises(FormatError, match="below its header"):
        convert(bytes(maker.out) + struct.pack("<II", 4, 7), "b6cdf01")
    with pytest.raises(UnsupportedError, match="none of the facts"):
        convert(bytes(maker.out) + struct.pack("<II", 102, 1 << 20), "b6cdf01")
    with pytest.raises(LimitError):
        convert(bytes(maker.out[:72]) + struct.pack("<II", 4, 1 << 30), "b6cdf01")


def test_what_is_held_is_bounded() -> None:
    maker = start("v23-rc2")
    held = bytes(maker.out)
    maker.take()
    maker.record("PIPE_BUF", bytes(60_000))
    with pytest.raises(UnsupportedError, match="tells b6cdf01 from v23-rc2"):
        convert(b"", "v23-rc1", pieces=itertools.chain([held], itertools.repeat(bytes(maker.out))))
