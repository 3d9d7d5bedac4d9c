"""Items parsed together are what they are one by one, whatever stands between the good ones."""

from __future__ import annotations

from array import array

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objref.dialects.criu import parsing

NAME = "file_entry"
BAD = (b"\x08", b"\x1a\x05\x08", b"\xff" * 12, b"\x0b")
"""A number without its value, a message cut short, no tag, a group without an end."""


def entry(key: int, size: int) -> bytes:
    """A regular file of that id, with a path of `size` letters."""
    from objref.dialects.criu.schema import message_class

    message = message_class(NAME)()
    message.type, message.id = 1, key
    message.reg.id, message.reg.flags, message.reg.pos, message.reg.name = key, 0, 0, "n" * size
    message.reg.fown.SetInParent()
    return bytes(message.SerializePartialToString())


ITEMS = st.one_of(
    st.builds(entry, st.integers(0, (1 << 32) - 1), st.sampled_from((0, 30, 60, 100, 200, parsing.LARGE))),
    st.sampled_from(BAD),
    st.binary(max_size=6),
)


def columns(items: list[bytes]) -> tuple[bytes, array[int], array[int]]:
    """The items as a file has them, each behind its length."""
    lengths = array("Q", map(len, items))
    starts, at = array("Q"), 0
    for length in lengths:
        starts.append(at + 4)
        at += 4 + length
    return b"".join(len(item).to_bytes(4, "little") + item for item in items), starts, lengths


def alone(items: list[bytes]) -> tuple[list[tuple[int, bytes]], list[tuple[int, str]]]:
    """What a call for each item says."""
    parse, good, bad = parsing.parser(NAME), [], []
    for i, item in enumerate(items):
        try:
            good.append((i, parse(item).SerializePartialToString()))
        except ValueError as error:
            bad.append((i, str(error)))
    return good, bad


def together(items: list[bytes]) -> tuple[list[tuple[int, bytes]], list[tuple[int, str]]]:
    """What `parse_all` says."""
    good, bad = [], []
    for some, errors in parsing.parse_all(NAME, *columns(items), range(len(items))):
        good += [(i, message.SerializePartialToString()) for i, message in some]
        bad += errors
    return good, bad


@settings(deadline=None)
@given(st.lists(ITEMS, min_size=parsing.FEW, max_size=40))
def test_the_same_messages_and_the_same_errors(items: list[bytes]) -> None:
    assert together(items) == alone(items)


@pytest.mark.parametrize("place", [0, 1, parsing.TOGETHER - 1, parsing.TOGETHER, 3 * parsing.TOGETHER - 1])
def test_one_bad_item_among_many(place: int) -> None:
    items = [entry(i, i % 90) for i in range(3 * parsing.TOGETHER)]
    items[place] = BAD[place % len(BAD)]
    found = together(items)
    assert found == alone(items)
    assert [i for i, _ in found[1]] == [place]


def test_good_items_are_parsed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, a broken frame would only be slow."""
    monkeypatch.setattr(parsing, "_one_by_one", lambda *items: pytest.fail("parsed again"))
    items = [entry(i, i % 900) for i in range(parsing.TOGETHER + parsing.FEW)]
    assert len(together(items)[0]) == len(items)


def test_items_of_every_length_are_framed() -> None:
    """Lengths of one byte and of two, and those beyond that are parsed alone."""
    items = [entry(i, size) for i, size in enumerate(range(parsing.LARGE + 40))]
    found = together(items)
    assert found == alone(items)
    assert len(found[0]) == len(items)
