"""Mutations under checksums that are right: only so does a lie come to where it is believed.

Containers, sidecars and native streams cover every byte with a check, so blind changes never come further than that.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence
from functools import lru_cache
from random import Random

from fuzz.mutating import MOST, any_bytes, change_inside
from native.leaving import Whole, frames, joined
from samples import Forger

from objref.container import format as f
from objref.container.reader import Container
from objref.container.source import BytesSource
from objref.container.spare import decode_spare, encode_spare
from objref.errors import ObjrefError
from objref.native import layout as n
from objref.sidecar.layout import ENDING, HEAD, decode, encode

__all__ = ["containers", "native_streams", "pair", "redigest", "respare", "sidecars", "unpair"]

BLIND = 0.15
"""The part of inputs that are changed without sealing them."""
PAIR = struct.Struct("<Q")


# -- containers ---------------------------------------------------------------------------------------------------


def containers(dice: Random, data: bytes) -> bytes:
    """Structs, tables, blocks changed in place; then all checks, mostly also the digests, are right again."""
    if dice.random() < BLIND or (forger := _forger(data)) is None:
        return any_bytes(dice, data)
    return _forged(dice, forger)


@lru_cache(64)
def _forger(data: bytes) -> Forger | None:
    """None of what is no image: guided runs also change what was changed."""
    try:
        return Forger(data)
    except (ObjrefError, struct.error, IndexError, StopIteration, KeyError, ValueError):
        return None


def _forged(dice: Random, forger: Forger) -> bytes:
    forger.data[:] = forger.genuine
    regions = _regions(forger)
    for _ in range(dice.choice((1, 1, 2, 3))):
        start, end = dice.choice(regions[dice.choice(list(regions))])
        forger.data[start:end] = change_inside(dice, bytes(forger.data[start:end]))
    if dice.random() < 0.8:
        redigest(forger)
    return forger.seal(body=dice.random() < 0.95, tables=dice.random() < 0.95, blocks=dice.random() < 0.95)


def _regions(forger: Forger) -> dict[str, list[tuple[int, int]]]:
    """Places by what they are, so that few small structs are met as often as many long blocks."""
    footer = forger.footer
    found = {
        "ends": [(0, f.SUPERBLOCK.size), (len(forger.data) - f.FOOTER.size, len(forger.data))],
        "directory": [(footer.directory_offset, footer.directory_offset + footer.directory_length)],
        "tables": [(t.offset, t.offset + t.stored) for t in forger.tables if t.stored],
        "trailers": [(t.header.offset, t.header.offset + f.TRAILER.size + len(t.body)) for t in forger.trails],
        "entries": [
            (at := forger.entry(what, i), at + a.entry_size) for what, a in forger.arrays.items() for i in range(a.entries)
        ],
        "pieces": list(_pieces(forger)),
    }
    return {name: places for name, places in found.items() if places}


def _pieces(forger: Forger) -> list[tuple[int, int]]:
    """Those of every section, the braid's and the page table's included."""
    found = []
    for piece in forger.pieces:
        ends = forger.trails[piece.group].ends
        if piece.blocks and (length := ends[piece.first_block + piece.blocks - 1]):
            found.append((piece.offset, piece.offset + length))
    return found or [(0, 8)]


def redigest(forger: Forger) -> None:
    """SHA-256 of what the stream is now, where it still can be joined."""
    try:
        container = Container(BytesSource(forger.seal()))
        ends = [group.stream_to for group in container.groups]
        sums, done = hashlib.sha256(), 0
        for _, chunk in container.runs():
            sums.update(chunk)
            done += len(chunk)
            if done > MOST:
                return
            if done in ends:
                at = forger.trails[ends.index(done)].header.offset
                forger.data[at + 64 : at + 96] = sums.digest()
    except (ObjrefError, struct.error, IndexError):
        return
    at = len(forger.data) - f.FOOTER.size
    forger.data[at + 32 : at + 64] = sums.digest()


def respare(forger: Forger) -> None:
    """What the trailers say now, in the spares: where it has room, which frames of other bytes may need more of."""
    sealed = forger.seal()
    container = Container(BytesSource(sealed))
    for piece in forger.pieces:
        if forger.sections[piece.section].role == f.SPARE:
            data = bytes(sealed[piece.offset : piece.offset + piece.length])
            trail, said = container.trail(piece.group), decode_spare(data, piece.offset)[0]
            entries = [trail.piece(k) for k in range(trail.header.pieces)]
            places = [slice(e.first_block, e.first_block + len(one.checks)) for e, one in zip(entries, said.told, strict=True)]
            checks = [one._replace(checks=trail.checks[place]) for one, place in zip(said.told, places, strict=True)]
            said = said._replace(digest=trail.header.digest, previous=trail.header.previous, told=checks)
            told = encode_spare(said, piece.offset, 3)
            if len(told) <= piece.length:
                forger.data[piece.offset : piece.offset + piece.length] = told.ljust(piece.length, b"\0")


# -- a stream and the index beside it, as one input -----------------------------------------------------------------


def pair(stream: bytes, sidecar: bytes) -> bytes:
    """Length of the stream, the stream, its sidecar."""
    return PAIR.pack(len(stream)) + stream + sidecar


def unpair(data: bytes) -> tuple[bytes, bytes]:
    """What `pair` joined."""
    length = PAIR.unpack_from(data.ljust(PAIR.size, b"\0"))[0]
    return data[PAIR.size : PAIR.size + length], data[PAIR.size + length :]


def sidecars(dice: Random, data: bytes) -> bytes:
    """All but the tree is sealed: a tree with right checks is believed, as docs/threat-model.md says."""
    stream, sidecar = unpair(data)
    try:
        ending = decode(sidecar[-ENDING.size :], len(sidecar))
    except ObjrefError:
        return any_bytes(dice, data)
    if dice.random() < BLIND:
        return dice.choice((lambda: pair(any_bytes(dice, stream), sidecar), lambda: pair(stream, any_bytes(dice, sidecar))))()
    if dice.random() < 0.2:  # the ending, and the tree without its checks
        words = list(ending)
        words[dice.randrange(len(words))] ^= dice.choice((1, 512, 4096, 1 << 40, dice.randrange(1 << 16)))
        words[0] &= 0xFFFFFFFF
        tree = change_inside(dice, sidecar[: ending.tree]) if dice.random() < 0.5 else sidecar[: ending.tree]
        return pair(stream, tree + sidecar[ending.tree : -ENDING.size] + encode(type(ending)(*words)))
    tree, whole = sidecar[: ending.tree], sidecar[ending.tree : -ENDING.size]
    forger = _forger(whole[:HEAD] + stream + whole[HEAD:])
    if forger is None:
        return any_bytes(dice, data)
    made = _forged(dice, forger)
    rest = made[HEAD + len(stream) :]
    ending = ending._replace(length=len(tree) + HEAD + len(rest) + ENDING.size)
    return pair(made[HEAD : HEAD + len(stream)], tree + made[:HEAD] + rest + encode(ending))


# -- native streams -----------------------------------------------------------------------------------------------


def native_streams(dice: Random, data: bytes) -> bytes:
    """Frames changed, left out, repeated, exchanged, with links, checks and mostly digests that are right."""
    if dice.random() < BLIND:
        return any_bytes(dice, data)
    try:
        parts = frames(data)
    except struct.error:
        parts = []
    if not parts:
        return any_bytes(dice, data)
    for _ in range(dice.choice((1, 1, 2, 3))):
        parts = dice.choice(FRAME_CHANGES)(dice, parts)
    try:
        return joined(_marked(parts) if dice.random() < 0.8 else parts)
    except (struct.error, ValueError, IndexError):
        return joined(parts, close=False)


def _marked(parts: Sequence[Whole]) -> list[Whole]:
    """Marks that tell the digest of the bytes as they are now."""
    found, sums, done = [], hashlib.sha256(), 0
    for part in parts:
        if part.kind == n.RUNS:
            content = part.payload[8 + 8 * int.from_bytes(part.payload[:4], "little") :]
            sums.update(content)
            done += len(content)
        elif part.kind in (n.MARK, n.END):
            said = list(n.MARK_BODY.unpack(part.payload))
            said[2], said[8] = done, sums.digest()
            part = part._replace(payload=n.MARK_BODY.pack(*said))
        found.append(part)
    return found


def _payload(dice: Random, parts: list[Whole]) -> list[Whole]:
    i = dice.randrange(len(parts))
    changed = dice.choice((change_inside, change_inside, any_bytes))(dice, parts[i].payload)
    return [*parts[:i], parts[i]._replace(payload=changed), *parts[i + 1 :]]


def _left_out(dice: Random, parts: list[Whole]) -> list[Whole]:
    i = dice.randrange(len(parts))
    return parts[:i] + parts[i + 1 :] if len(parts) > 1 else parts


def _repeated(dice: Random, parts: list[Whole]) -> list[Whole]:
    i = dice.randrange(len(parts))
    return [*parts[:i], parts[i], *parts[dice.choice((i, 0)) :]][:200]


def _exchanged(dice: Random, parts: list[Whole]) -> list[Whole]:
    i, k = dice.randrange(len(parts)), dice.randrange(len(parts))
    parts[i], parts[k] = parts[k], parts[i]
    return parts


def _headed(dice: Random, parts: list[Whole]) -> list[Whole]:
    i = dice.randrange(len(parts))
    lie = dice.choice((0, 1, 2, 3, 0xFFFF, dice.randrange(1 << 16)))
    changed = dice.choice(({"operand": lie}, {"kind": lie & 0xFF}))
    return [*parts[:i], parts[i]._replace(**changed), *parts[i + 1 :]]


FRAME_CHANGES = (_payload, _payload, _payload, _payload, _left_out, _repeated, _exchanged, _headed)
