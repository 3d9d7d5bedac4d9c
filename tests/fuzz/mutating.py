"""Mutations: of any bytes, of the objects that a stream has, of the members and items of a tar.

All of them take the dice, so that a seed tells what a run does. What has structure is kept in shape around what is
changed: blind bytes end at the first magic number.
"""

from __future__ import annotations

import io
import struct
import tarfile
from collections.abc import Callable, Mapping, Sequence
from random import Random

__all__ = ["MOST", "Bounds", "Mutation", "any_bytes", "change_inside", "items_of_tars", "objects_of"]

Mutation = Callable[[Random, bytes], bytes]
Bounds = Mapping[bytes, Sequence[tuple[int, int]]]
"""Genuine stream → (start, end) of its objects."""
MOST = 1 << 20
"""Bytes of an input: larger ones only take longer."""
SIZES = {1: "B", 2: "H", 4: "I", 8: "Q"}
WORD = struct.Struct("<I")


def any_bytes(dice: Random, data: bytes) -> bytes:
    """One to a few changes anywhere."""
    for _ in range(dice.choice((1, 1, 1, 2, 3, 8))):
        data = dice.choice(CHANGES)(dice, data, _place(dice, data))
    return data[:MOST]


def change_inside(dice: Random, data: bytes) -> bytes:
    """One change that keeps the length."""
    if not data:
        return data
    at = _place(dice, data)
    if dice.random() < 0.2:
        start, length = _place(dice, data), min(_length(dice, data), len(data) - at)
        part = dice.choice((data[start : start + length], bytes(length), dice.randbytes(length)))
        return (data[:at] + part + data[at + len(part) :])[: len(data)].ljust(len(data), b"\0")
    return dice.choice((_flip, _byte, _number, _number, _number))(dice, data, at)


def objects_of(genuine: Bounds) -> Mutation:
    """Changes of the objects of genuine streams: small ones as often as large ones."""

    def mutate(dice: Random, data: bytes) -> bytes:
        bounds = genuine.get(data)
        if not bounds or dice.random() < 0.1:
            return any_bytes(dice, data)
        for _ in range(dice.choice((1, 1, 2, 3, 8))):
            start, end = dice.choice(bounds)
            start, end = min(start, len(data)), min(end, len(data))
            if dice.random() < 0.3:
                other = dice.choice(bounds)
                data = dice.choice(MOVES)(data, start, end, data[other[0] : other[1]])
            else:
                at = dice.choice((start, start + 4, start + 8, dice.randint(start, max(start, end - 1))))
                data = dice.choice(CHANGES)(dice, data, min(at, max(len(data) - 1, 0)))
        return data[:MOST]

    return mutate


def items_of_tars(dice: Random, data: bytes) -> bytes:
    """Changes of a tar's members under headers that are right, and of the items of image files under lengths that are."""
    try:
        members = _members(data)
    except (tarfile.TarError, ValueError, OverflowError):
        return any_bytes(dice, data)
    if not members or dice.random() < 0.1:
        return any_bytes(dice, data)
    for _ in range(dice.choice((1, 1, 2, 4))):
        i = dice.randrange(len(members))
        info, content = members[i]
        members[i] = info, dice.choice((_item, _item, _item, any_bytes))(dice, content)
        dice.choice((_same,) * 8 + (_twice, _without, _elsewhere, _renamed))(dice, members, i)
    return _archive(members)[:MOST]


# -- anywhere -----------------------------------------------------------------------------------------------------


def _place(dice: Random, data: bytes) -> int:
    """Fronts and ends are where structure is."""
    n = max(len(data), 1)
    return dice.choice((dice.randrange(n), dice.randrange(n), dice.randrange(min(n, 256)), n - 1 - dice.randrange(min(n, 256))))


def _flip(dice: Random, data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1 << dice.randrange(8)]) + data[at + 1 :] if data else data


def _byte(dice: Random, data: bytes, at: int) -> bytes:
    return data[:at] + bytes([dice.choice((0, 1, 127, 128, 254, 255, dice.randrange(256)))]) + data[at + 1 :]


def _number(dice: Random, data: bytes, at: int) -> bytes:
    """A field that lies: ends of its type, neighbours, lengths."""
    size = dice.choice((1, 2, 4, 4, 8))
    layout = struct.Struct(dice.choice("<<<>") + SIZES[size])
    at = max(min(at - at % dice.choice((1, size)), len(data) - size), 0)
    if len(data) < size:
        return data
    top = (1 << 8 * size) - 1
    truth = layout.unpack_from(data, at)[0]
    lie = dice.choice(
        (0, 1, top, top - 1, top >> 1, (top >> 1) + 1, truth + 1, truth - 1, truth * 2, truth // 2, truth + 4096,
         truth + 8, truth - 8, len(data), len(data) - at, truth ^ 1 << dice.randrange(8 * size), 1 << dice.randrange(8 * size))
    )  # fmt: skip
    return data[:at] + layout.pack(lie & top) + data[at + size :]


def _length(dice: Random, data: bytes) -> int:
    return min(dice.choice((1, 2, 4, 8, 16, 64, 512, 4096, dice.randint(1, max(len(data), 1)))), 1 << 16)


def _cut(dice: Random, data: bytes, at: int) -> bytes:
    return data[:at] + data[at + _length(dice, data) :]


def _end(_: Random, data: bytes, at: int) -> bytes:
    return data[:at]


def _insert(dice: Random, data: bytes, at: int) -> bytes:
    length = _length(dice, data)
    return data[:at] + dice.choice((bytes(length), dice.randbytes(length), b"\xff" * length)) + data[at:]


def _splice(dice: Random, data: bytes, at: int) -> bytes:
    start, length = _place(dice, data), _length(dice, data)
    over = dice.choice((0, length))
    return data[:at] + data[start : start + length] + data[at + over :]


CHANGES = (_flip, _byte, _number, _number, _number, _cut, _end, _insert, _splice)


# -- objects ------------------------------------------------------------------------------------------------------


def _leave_out(data: bytes, start: int, end: int, other: bytes) -> bytes:
    return data[:start] + data[end:]


def _repeat(data: bytes, start: int, end: int, other: bytes) -> bytes:
    return data[:end] + data[start:end] + data[end:]


def _instead(data: bytes, start: int, end: int, other: bytes) -> bytes:
    return data[:start] + other + data[end:]


def _before(data: bytes, start: int, end: int, other: bytes) -> bytes:
    return data[:start] + other + data[start:]


MOVES = (_leave_out, _repeat, _instead, _before)


# -- members and items --------------------------------------------------------------------------------------------

Members = list[tuple[tarfile.TarInfo, bytes]]


def _members(data: bytes) -> Members:
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        found = []
        for info in tar:
            file = tar.extractfile(info) if info.isreg() else None
            content = file.read() if file is not None and info.size <= MOST else b""
            info.pax_headers = {}
            info.sparse = None  # type: ignore[attr-defined]
            info.type = tarfile.REGTYPE if info.isreg() else info.type
            found.append((info, content))
        return found


def _archive(members: Members) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.PAX_FORMAT, errors="surrogateescape") as tar:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return out.getvalue()


def _item(dice: Random, content: bytes) -> bytes:
    """One of the items that stand behind the magic numbers, each behind its length."""
    at, places = dice.choice((4, 8, 8)), []
    while at + 4 <= len(content):
        length = WORD.unpack_from(content, at)[0]
        if at + 4 + length > len(content):
            break
        places.append((at, at + 4 + length))
        at += 4 + length
    if not places:
        return any_bytes(dice, content)
    start, end = dice.choice(places)
    item = content[start + 4 : end]
    made = dice.choice(CHANGES)(dice, item, dice.randrange(max(len(item), 1))) if item else dice.randbytes(9)
    return content[:start] + WORD.pack(len(made)) + made + content[end:]


def _same(_: Random, members: Members, i: int) -> None:
    pass


def _twice(dice: Random, members: Members, i: int) -> None:
    members.insert(dice.randrange(len(members)), members[i])


def _without(_: Random, members: Members, i: int) -> None:
    del members[i]
    members.extend([] if members else [(tarfile.TarInfo("inventory.img"), b"")])


def _elsewhere(dice: Random, members: Members, i: int) -> None:
    members.insert(dice.randrange(len(members)), members.pop(i))


def _renamed(dice: Random, members: Members, i: int) -> None:
    info, content = members[i]
    other = dice.choice(members)[0].name
    name = dice.choice((other, other.replace("1", "2"), info.name + "x", f"a/{info.name}", "parent", "\x1b]0;x\x07.img"))
    members[i] = info.replace(name=name, deep=False), content
