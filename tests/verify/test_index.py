"""Tables that contradict each other under right checksums: the index is asked as a whole, not where somebody looks."""

from __future__ import annotations

import itertools
import struct
from array import array
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import KINDS, MEM, Forger, content, small_events, write_events

import objref
from objref.container import ending
from objref.container.options import Options
from objref.dialects import events as ev
from objref.findings import Findings
from objref.verify import Report, extents
from objref.verify.sums import PairSums, RunSums
from objref_index import arrays


def texts(report: Report) -> str:
    """All that was found, in lines."""
    return "\n".join(f"{finding.where}: {finding.text}" for finding in report.findings)


@pytest.fixture
def forger(raw: bytes) -> Forger:
    return Forger(raw)


def owner(name: str) -> int:
    return [kind.name for kind in KINDS].index(name) + 1


def words(forger: Forger, name: str, code: str, of: int = 0) -> list[int]:
    table = forger.table(name, of)
    count = table.length // struct.calcsize(code)
    return list(struct.unpack_from(f"<{count}{code}", forger.data, table.offset))


def write(forger: Forger, name: str, code: str, values: list[int], of: int = 0) -> None:
    struct.pack_into(f"<{len(values)}{code}", forger.data, forger.table(name, of).offset, *values)


def found(forger: Forger) -> str:
    return texts(objref.verify_image(forger.seal()))


def test_keys_that_do_not_ascend(forger: Forger) -> None:
    write(forger, "keys", "Q", words(forger, "keys", "Q", owner("thing"))[::-1], owner("thing"))
    assert "space 0/thing: keys around place" in found(forger)


def test_order_and_place(forger: Forger) -> None:
    places = words(forger, "place", "I", owner("thing"))
    places[0], places[1] = places[1], places[0]
    write(forger, "place", "I", places, owner("thing"))
    assert "order and place contradict each other" in found(forger)


def test_objects_with_equal_keys_are_in_stream_order(forger: Forger) -> None:
    """Keys 0 5 5 77 2^64-1: `thing:0x5` and `thing:0x5~2` exchanged, in both tables alike."""
    order = words(forger, "order", "I", owner("thing"))
    order[1], order[2] = order[2], order[1]
    write(forger, "order", "I", order, owner("thing"))
    write(forger, "place", "I", [order.index(i) for i in range(5)], owner("thing"))
    assert "equal keys" in found(forger)


def test_names_that_do_not_ascend(forger: Forger) -> None:
    forger.data[forger.table("keys", 1).offset] = 0xFF
    assert "names around place" in found(forger)


def test_how_many_keys_are_distinct(forger: Forger) -> None:
    for i in range(len(KINDS)):
        forger.data[:] = forger.genuine
        at = forger.entry(5, i)
        forger.put(at + 32, "Q", max(struct.unpack_from("<Q", forger.genuine, at + 32)[0] - 1, 0))
        assert "distinct" in found(forger), i


def test_references_that_only_one_side_knows(forger: Forger) -> None:
    for table in ("targets", "sources"):
        forger.data[:] = forger.genuine
        values = words(forger, table, "I")
        write(forger, table, "I", [(values[0] + 1) % 17, *values[1:]])
        assert "are not those that lead back" in found(forger), table
    forger.data[:] = forger.genuine
    forger.data[forger.table("source roles").offset] ^= 1
    assert "are not those that lead back" in found(forger)


def test_references_to_nothing(forger: Forger) -> None:
    for target in (17, 1 << 30, 1 << 31 | 9, (1 << 32) - 1):
        forger.data[:] = forger.genuine
        forger.put(forger.table("targets").offset, "I", target)
        assert "targets that do not exist" in found(forger), target


def test_reference_ends_that_do_not_ascend(forger: Forger) -> None:
    for table in ("reference ends", "referrer ends"):
        forger.data[:] = forger.genuine
        forger.put(forger.table(table).offset + 8, "I", 3)
        forger.put(forger.table(table).offset + 12, "I", 2)
        assert "do not ascend" in found(forger), table


def test_counts_of_kinds(forger: Forger) -> None:
    for at in (8, 16):
        forger.data[:] = forger.genuine
        forger.put(forger.entry(6, 1) + at, "Q", 4)
        assert "kind item: " in found(forger)


def test_objects_of_another_kind_than_their_space(forger: Forger) -> None:
    """Two objects exchange their kinds: the counts are right, the spaces are not."""
    values = words(forger, "objects", "Q")
    mask = (1 << 48) - 1
    values[1], values[11] = values[1] & mask | values[11] & ~mask, values[11] & mask | values[1] & ~mask
    write(forger, "objects", "Q", values)
    assert "has one key of its kind" in found(forger)


def test_an_extent_list_of_another_object(forger: Forger) -> None:
    values = words(forger, "objects", "Q")
    listed = [i for i in range(0, len(values), 2) if values[i] >> 48 == 0xFFFF]
    assert len(listed) > 1
    a, b = listed[:2]
    values[a], values[b] = values[b], values[a]
    write(forger, "objects", "Q", values)
    assert "R18" in found(forger)


def test_a_table_of_nobody_and_no_meta(forger: Forger) -> None:
    forger.put(forger.entry(4, forger.table_index("order", owner("thing"))) + 2, "H", 77)
    assert "which is no space" in found(forger)
    forger.data[:] = forger.genuine
    forger.put(forger.entry(4, forger.table_index("META")), "H", 999)
    assert "there is no META" in found(forger)


# -- many objects: several parts, windows, directories --------------------------------------------------------


def many_events(count: int, lists: int = 60) -> Iterator[ev.Event]:
    """Sorted keys with a radix directory, lists of extents of all lengths, references in both directions."""
    yield from small_events()
    keys = array("Q", (i * 37 % 65_537 << 20 for i in range(count)))
    yield ev.Run("many", bytes(count))
    yield ev.Objects(2, 0, keys, array("Q", range(count)), array("Q", [1]) * count)
    for i in range(lists):
        n = 1 + i * i % 50
        at = array("Q", range(0, 0x2000 * n, 0x2000))
        yield ev.Derived(MEM, 0, 100 + i, True, at, array("Q", [2]) * n, array("Q", [0]) * n, array("Q", [0x1000]) * n)
    sources = array("I", range(17, 17 + count))
    yield ev.Edges(0, sources, array("B", [0]) * count, array("H", [2]) * count, array("Q", keys[::-1]))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("many") / "many.objref"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "SMALL_TABLE", -1)  # nothing compressed
        write_events(path, list(many_events(3000)), Options(codec="raw"))
    return path


@pytest.mark.parametrize("part", [64, 1000, 1 << 16])
def test_parts_of_any_size_find_the_same(part: int, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "PART", part)
    monkeypatch.setattr(extents, "WINDOW", max(part // 2, 8))
    report = objref.verify_image(many)
    assert report.sound, report.findings[:3]
    assert report.objects > 3000


@pytest.mark.parametrize("part", [64, 1 << 16])
def test_a_directory_that_leads_elsewhere(part: int, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrays, "PART", part)
    forger = Forger(many.read_bytes())
    tables = [t for t in forger.tables if t.what == 8]
    assert tables
    for table in tables:
        for at in range(0, table.length, table.length // 12 // 4 * 4 or 4):
            forger.data[:] = forger.genuine
            forger.put(table.offset + at, "I", 2900 if at < 2000 else 1)
            assert "directory does not" in texts(objref.verify_image(forger.seal())), at


@pytest.mark.parametrize("window", [8, 1 << 16])
def test_any_extent_that_lies(window: int, many: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(extents, "WINDOW", window)
    forger = Forger(many.read_bytes())
    table = forger.table("extents")
    rows = table.length // 24
    for row in range(0, rows, 173):
        for field, lie in ((8, 1 << 50), (16, 1 << 47), (0, (1 << 64) - 1)):
            forger.data[:] = forger.genuine
            before = struct.unpack_from("<QQQ", forger.data, table.offset + 24 * row)
            forger.put(table.offset + 24 * row + field, "Q", lie)
            head = before[1] < 1 << 48
            if head and field == 0:
                continue  # flags: bits that nobody knows yet
            said = texts(objref.verify_image(forger.seal()))
            assert "R18" in said or "R17" in said, (row, field)


def one_by_one(data: bytes) -> int:
    """Objects that cannot be read, asked one by one."""
    lost, image = 0, objref.open(data)
    for ordinal in range(len(image)):
        try:
            content(image.by_ordinal(ordinal))
        except objref.ObjrefError:
            lost += 1
    return lost


def test_damaged_stripes_of_the_tables_of_objects(tmp_path: Path) -> None:
    """What verify counts is what cannot be read, also when the index itself is damaged."""
    path = tmp_path / "many.objref"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ending, "SMALL_TABLE", -1)
        write_events(path, list(many_events(9000, 200)), Options(codec="raw"))
    data = path.read_bytes()
    forger = Forger(data)
    for name, at in (("objects", 5), ("objects", 70_000), ("extents", 9), ("extents", 90_000)):
        changed = bytearray(data)
        changed[forger.table(name).offset + at] ^= 1
        report = objref.verify_image(bytes(changed))
        assert not report.sound
        assert report.affected == one_by_one(bytes(changed)), (name, at)
        assert any(finding.objrefs for finding in report.findings)
        assert report.whole


def test_an_object_that_breaks_a_rule_is_one_that_cannot_be_read(many: Path) -> None:
    forger = Forger(many.read_bytes())
    for at, lie in ((24 + 16, 1 << 40), (48, 1)):
        forger.data[:] = forger.genuine
        forger.put(forger.table("extents").offset + at, "Q", lie)
        data = forger.seal()
        assert objref.verify_image(data).affected == one_by_one(data)


# -- sums of pairs ---------------------------------------------------------------------------------------------

PAIRS = st.lists(st.tuples(st.integers(0, 99), st.integers(0, 2**64 - 1)), max_size=30)


@given(PAIRS, st.randoms())
def test_sums_are_the_same_in_any_order_and_differ_otherwise(pairs: list[tuple[int, int]], dice: object) -> None:
    def filled(change: list[tuple[int, int]]) -> PairSums:
        sums = PairSums(100)
        for columns, put in ((pairs, sums.add), (change, sums.take)):
            keys, values = zip(*columns, strict=True) if columns else ((), ())
            put(np.array(keys, np.uint64), np.array(values, np.uint64))
        return sums

    shuffled = list(pairs)
    dice.shuffle(shuffled)  # type: ignore[attr-defined]
    assert not filled(shuffled).differences()
    for k, (key, value) in enumerate(pairs):
        changed = [*pairs[:k], (key, value ^ 1), *pairs[k + 1 :]]
        assert any(first <= key < last for first, last in filled(changed).differences())


@given(st.lists(st.integers(0, 2), min_size=1, max_size=40), st.lists(st.integers(0, 40), max_size=6))
def test_runs_count_like_the_pairs_in_them(values: list[int], cuts: list[int]) -> None:
    """However the tables are cut; and a pair that is missing, doubled or another leaves a difference."""
    keys, column = np.arange(len(values)), np.array(values)

    def rest(kept: list[int]) -> list[tuple[int, int]]:
        sums, bounds = RunSums(len(values)), sorted({0, len(values), *(cut for cut in cuts if cut < len(values))})
        for start, stop in itertools.pairwise(bounds):
            sums.add(keys[start:stop], column[start:stop])
        for value in range(3):
            mine = np.array([k for k in kept if values[k] == value], np.int64)
            sums.take(mine, column[mine])
        return sums.differences()

    everything = list(range(len(values)))
    assert not rest(everything)
    for k in everything:
        assert min(first for first, _ in rest(everything[:k] + everything[k + 1 :])) <= k
        assert rest(sorted([*everything, k]))


def test_findings_are_bounded_and_not_repeated() -> None:
    findings = Findings(limit=3)
    for i in (1, 1, 2, 3, 4, 5):
        findings.say("what", "where", f"{i}")
    assert [finding.text for finding in findings.found] == ["1", "2", "3"]
    assert (len(findings), findings.left_out) == (5, 2)
