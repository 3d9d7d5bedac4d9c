"""Items followed in columns are what protobuf makes of them: the same objects, references, notes, and state.

Messages are drawn with everything that may stand in one: fields in any order and again, unknown ones, those of another
type than expected, numbers longer than they need be or than they may be, messages cut short.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from objref.dialects.criu import alike, columns, items
from objref.dialects.criu.kinds import FILES, ImageName
from objref.dialects.criu.member import Member, Numbering
from objref.dialects.criu.schema import message_class
from objref.dialects.criu.state import LayerState
from objref.dialects.events import Alias, Edges, Event, Note, Objects
from objref.limits import DEFAULT

STEMS = ("files", "reg-files", "fdinfo", "fifo", "unixsk", "inetsk", "tty", "pidfd", "rlimit", "remap-fpath", "memfd")
NUMBERS = (0, 1, 2, 5, 7, 63, 64, 127, 128, 300, 1 << 14, 1 << 28, 1 << 31, (1 << 32) + 5, 1 << 49, 1 << 63, (1 << 64) - 1)

Make = Callable[[Random], bytes]
"""A field of a message with other values each time."""


def varint(value: int, size: int = 0) -> bytes:
    """A varint of at least `size` bytes."""
    out = bytearray()
    while value > 0x7F or len(out) + 1 < size:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def number(draw: Random) -> bytes:
    """A varint: mostly a usual one, else an overlong one, or one of more than 64 bits."""
    odd = draw.random()
    if odd < 0.04:
        return varint(draw.choice(NUMBERS), draw.randrange(2, 11))
    if odd < 0.06:
        return b"\xff" * 9 + bytes([draw.choice((0, 1, 2, 0x7F, 0x80, 0xFF))]) + b"\x01"
    return varint(draw.choice(NUMBERS) if odd < 0.5 else draw.randrange(200))


def text(draw: Random) -> bytes:
    """Bytes with their length, which rarely lies."""
    data = draw.randbytes(draw.choice((0, 1, 30, 130)))
    return varint(len(data) + (draw.random() < 0.02)) + data


def fixed(size: int) -> Make:
    """So many bytes."""
    return lambda draw: draw.randbytes(size)


@st.composite
def messages(draw: st.DrawFn, descriptor: Any, depth: int = 2) -> Make:
    """A shape: messages of one type that differ in what they say."""
    made = draw(st.lists(fields(descriptor, depth), max_size=8))
    return lambda random: b"".join(make(random) for make in made)


@st.composite
def fields(draw: st.DrawFn, descriptor: Any, depth: int) -> Make:
    """A field of that type of message: one that it has, as a rule."""
    known = draw(st.sampled_from([*descriptor.fields, None]))
    content: Make = draw(st.sampled_from([number, text, fixed(4), fixed(8)]))
    if known is None or not draw(st.integers(0, 9)):
        wire = draw(st.sampled_from(range(6)))
        tag = varint(draw(st.integers(1, 40)) << 3 | wire, draw(st.sampled_from([0, 0, 0, 3, 5])))
        by_wire: dict[int, Make] = {0: number, 1: fixed(8), 2: text, 5: fixed(4)}
        made = by_wire.get(wire, content)
        return lambda random: tag + made(random)
    if known.message_type is not None and depth:
        inner = draw(messages(known.message_type, depth - 1))
        tag = varint(known.number << 3 | 2)
        return lambda random: tag + (lambda data: varint(len(data)) + data)(inner(random))
    if known.enum_type is not None and draw(st.integers(0, 3)):  # mostly a value that all share
        data = varint(known.number << 3) + varint(draw(st.integers(0, 22)))
        return lambda random: data
    wire = 2 if known.type in (known.TYPE_STRING, known.TYPE_BYTES, known.TYPE_MESSAGE) else 0
    tag = varint(known.number << 3 | wire)
    return lambda random: tag + (text(random) if wire else number(random))


@st.composite
def batches(draw: st.DrawFn) -> tuple[str, list[bytes]]:
    """Items of a file: of a few shapes, some cut short or with a byte changed."""
    stem = draw(st.sampled_from(STEMS))
    descriptor = message_class(FILES[stem].message).DESCRIPTOR
    shapes = draw(st.lists(messages(descriptor), min_size=1, max_size=3))
    random = Random(draw(st.integers(0, 1 << 32)))
    made = []
    for _ in range(draw(st.integers(1, 60))):
        item = random.choice(shapes)(random)
        if item and random.random() < 0.1:
            at = random.randrange(len(item))
            item = item[:at] if random.random() < 0.5 else item[:at] + random.randbytes(1) + item[at + 1 :]
        made.append(item)
    return stem, made


def spoken(stem: str, made: list[bytes]) -> tuple[list[Any], dict[str, Any]]:
    """What a file of these items gives, and what it leaves behind."""
    state, size = LayerState(), sum(4 + len(item) for item in made)
    file = items.ImageFile(
        Member("a.img", 1, 1, 8 + size, None, 8 + size), Numbering(), ImageName(FILES[stem], 3), state, DEFAULT
    )
    head = items.COMMON_MAGIC.to_bytes(4, "little") + FILES[stem].magic.to_bytes(4, "little")
    data = head + b"".join(len(item).to_bytes(4, "little") + item for item in made)
    events = [*file.feed(memoryview(data)), *file.end()]
    return list(_plain(events)), vars(state) | {"inet": sorted(zip(*state.inet, strict=True))}


def _plain(events: list[Event]) -> Iterator[Any]:
    for event in events:
        if isinstance(event, Alias):
            yield "Alias", event.kind, event.layer, sorted(zip(event.keys, event.ordinals, strict=True))
        elif isinstance(event, Objects | Edges | Note):
            yield type(event).__name__, [list(v) if hasattr(v, "typecode") else v for v in event]


def both(stem: str, made: list[bytes], monkeypatch: pytest.MonkeyPatch) -> tuple[Any, Any, int]:
    """In columns where that goes, and by protobuf alone; and how many went in columns."""
    followed = 0
    follow = alike.follow

    def counted(*args: Any) -> Any:
        nonlocal followed
        found = follow(*args)
        followed += len(found.rows) if found is not None else 0
        return found

    with monkeypatch.context() as patch:
        patch.setattr(items, "MANY", 1 << 30)
        alone = spoken(stem, made)
    with monkeypatch.context() as patch:
        patch.setattr(items, "MANY", 1)
        patch.setattr(alike, "FEW", 1)
        patch.setattr(columns, "FEW", 1)
        patch.setattr(alike, "follow", counted)
        return spoken(stem, made), alone, followed


@settings(deadline=None, max_examples=80)
@given(batches())
def test_the_same_as_by_protobuf_alone(batch: tuple[str, list[bytes]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        found, alone, _ = both(*batch, patch)
    assert found == alone


# -- every byte ---------------------------------------------------------------------------------------------


def regular(key: int, size: int = 40, build: int = 0) -> bytes:
    """A regular file of that id as CRIU writes it."""
    message = message_class("file_entry")(type=1, id=key)
    message.reg.id, message.reg.flags, message.reg.pos, message.reg.name = key, 0o2000, 5000, "n" * size
    fown = message.reg.fown
    fown.uid, fown.euid, fown.signum, fown.pid_type, fown.pid = 0, 1000, 0, 1, key
    message.reg.mnt_id, message.reg.size, message.reg.mode = key % 500 - 1, key << 20, 0o644
    message.reg.build_id.extend([7] * build)
    return bytes(message.SerializePartialToString())


def plain_regular(key: int) -> bytes:
    """The same, of a process that nobody signals; or a process of a very small number."""
    message = message_class("file_entry").FromString(regular(key, 130, 5))
    fown = message.reg.fown
    fown.uid, fown.euid, fown.pid_type, fown.pid = 0, 0, key % 3, key % 2 and 5
    return bytes(message.SerializePartialToString())


def socket(key: int) -> bytes:
    """A socket with a peer, in a namespace."""
    message = message_class("file_entry")(type=5, id=key)
    usk = message.usk
    usk.id, usk.ino, usk.peer, usk.ns_id, usk.mnt_id, usk.backlog = key, key * 3, key ^ 1, 9, key, 1 << 27
    usk.fown.pid_type, usk.fown.pid = 0, 300
    return bytes(message.SerializePartialToString())


def descriptor(key: int) -> bytes:
    """An entry of a table of descriptors."""
    message = message_class("fdinfo_entry")(id=key, flags=0, type=1, fd=key)
    return bytes(message.SerializePartialToString())


ALIKE = {"files": [regular, socket, plain_regular], "fdinfo": [descriptor], "reg-files": [descriptor]}


def damaged(item: bytes) -> Iterator[bytes]:
    """One byte changed, one taken out, one put in, the end cut off: at every place."""
    for at, byte in enumerate(item):
        for other in {0, 1, 0x7F, 0x80, 0xFF, byte ^ 1, byte ^ 8, byte ^ 0x80, (byte + 1) % 256, (byte - 1) % 256}:
            yield item[:at] + bytes([other]) + item[at + 1 :]
        yield item[:at] + item[at + 1 :]
        for run in range(1, 12):  # in a varint: longer, up to one that no message may have
            yield item[:at] + b"\x80" * run + item[at:]
        yield item[:at]


@pytest.mark.parametrize("stem", ALIKE)
def test_every_byte_of_an_item(stem: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for make in ALIKE[stem]:
        made = [make(key) for key in range(1, 40)]
        made += damaged(make(77))
        found, alone, followed = both(stem, made, monkeypatch)
        assert found == alone
        assert followed > 50


def test_lengths_that_agree_only_in_sum(monkeypatch: pytest.MonkeyPatch) -> None:
    """An inner message that takes in the field after it, or leaves it its last one: every field is where it was."""
    good = b"\x08\x01\x10\x05\x1a\x0a\x08\x05\x10\x00\x2a\x02\x20\x07\x28\x09"  # 28: of fown, or of reg?
    made = [good[:11] + bytes([inner]) + good[12:] for inner in (0, 2, 4) for _ in range(3)]
    found, alone, followed = both("files", made, monkeypatch)
    assert found == alone
    assert followed


# -- where shapes help --------------------------------------------------------------------------------------


def test_nearly_all_files_are_followed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without this, a step that is wrong would only be slow."""
    made = [ALIKE["files"][key % 3](key) for key in range(1, 3000)]
    seen: list[int] = []
    parse_all = items.parse_all

    def counted(name: str, buffer: bytes, starts: Any, lengths: Any, places: Any) -> Any:
        seen.append(len(places))
        return parse_all(name, buffer, starts, lengths, places)

    monkeypatch.setattr(items, "parse_all", counted)
    spoken("files", made)
    assert sum(seen) < alike.LEARN


def test_items_without_company_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each has a shape of its own: looking for them ends soon, and all are there."""
    made = [b"\x08\x01\x10" + varint(key) + b"\x38\x01" * key for key in range(300)]
    learned: list[bytes] = []
    shape_of = alike.shape_of
    monkeypatch.setattr(alike, "shape_of", lambda *args: learned.append(args[1]) or shape_of(*args))
    (objects,) = (columns for name, columns in spoken("files", made)[0] if name == "Objects")
    assert objects[2] == list(range(300))
    assert len(learned) <= alike.LEARN


def test_steps_are_bounded() -> None:
    """A message of very many fields is no shape: each step would cost calls for all the others."""
    message = message_class("reg_file_entry")(build_id=range(1000))
    assert alike.shape_of(message, bytes(message.SerializePartialToString()), ["id"]) is None


def test_what_a_shape_relies_on_in_the_messages_of_criu() -> None:
    """Neither maps nor groups nor alternatives (oneof), no extensions; what is asked for is a single integer."""
    from objref.dialects.criu.refs import RULES
    from objref.dialects.criu.rules import asked_by
    from objref.dialects.criu.shape import INTEGERS

    for spec in FILES.values():
        if spec.message:
            for inner in _messages(message_class(spec.message).DESCRIPTOR):
                assert not any((inner.oneofs, inner.is_extendable, inner.GetOptions().map_entry)), inner.name
                assert all(field.type != field.TYPE_GROUP for field in inner.fields)
    for name, rules in RULES.items():
        for path in asked_by(rules):
            field = _field(message_class(name).DESCRIPTOR, path)
            assert field.type in INTEGERS or field.enum_type, (name, path)
            assert not getattr(field, "is_repeated", False), (name, path)


def _messages(descriptor: Any) -> Iterator[Any]:
    seen = {descriptor.full_name: descriptor}
    todo = [descriptor]
    while todo:
        for field in todo.pop().fields:
            if field.message_type and field.message_type.full_name not in seen:
                seen[field.message_type.full_name] = field.message_type
                todo.append(field.message_type)
    return iter(seen.values())


def _field(descriptor: Any, path: str) -> Any:
    *outer, name = path.split(".")
    for holder in outer:
        descriptor = descriptor.fields_by_name[holder].message_type
    return descriptor.fields_by_name[name]
