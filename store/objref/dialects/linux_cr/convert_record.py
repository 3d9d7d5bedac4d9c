"""One record from one layout of rev 6 to another: its number, its fields, the ids in it.

What is exact is small: a record whose fields are the same in both, or differ only by those in `ADDED`. All else is
refused, with the reason.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from objref.dialects.linux_cr.entries import EPOLL_ITEM, FILE_TYPES
from objref.dialects.linux_cr.fields import Field, parse
from objref.dialects.linux_cr.numbering import Layout, object_kinds, record_names
from objref.dialects.linux_cr.records import X86_ONLY, Record, find_record, records_of

__all__ = ["LAYOUTS", "NEW", "InexactError", "Route", "shift_items"]

LAYOUTS = (Layout.V23_RC1, Layout.RENUMBERED, Layout.V23_RC2)
"""Those that can be converted, each to each."""
NEW = (Layout.RENUMBERED, Layout.V23_RC2)
ADDED = frozenset([("TASK", "flags"), ("VMA", "hugetlb_shift")])
"""Fields that only the last layout has: written as 0 on the way there, and must be 0 on the way back."""
UNSURE = {"SECURITY": "what follows it is not known", "NETDEV": "nothing tells a veth, which holds ids, from a macvlan"}
"""Records that may hold ids nobody knows of: refused when ids change."""
HUGETLB = 9
"""vma_type from which on only the last layout knows them."""
FILE_COMMON = 48
ID_MAX = (1 << 31) - 1


class InexactError(Exception):
    """A record cannot be converted exactly. The converter says where."""


class _Plan(NamedTuple):
    """What to do with records of one type and length. `ids`: offsets of s32 fields."""

    name: str
    type: int
    length: int
    ids: tuple[int, ...]
    remap: Callable[[bytes], bytes] | None


class Route:
    """From one layout to another, in one byte order. `shift`: what is added to every id; set when it is known."""

    def __init__(self, order: str, source: Layout, target: Layout, x86: bool) -> None:
        self.source, self.target, self.order = source, target, order
        self.shift = 0
        self._x86 = x86
        self._names = record_names(source)
        self._types = {name: type_ for type_, name in record_names(target).items()}
        self._object_types = {kind: type_ for type_, kind in object_kinds(target).items()}
        self._head, self._id, self._objref = struct.Struct(order + "II"), struct.Struct(order + "i"), order + "Ii"
        self.plan = lru_cache(1024)(self._plan)

    @property
    def renumbers(self) -> bool:
        """Whether ids and the numbers of records change."""
        return (self.source in NEW) != (self.target in NEW)

    def name(self, type_: int) -> str:
        """Name of a record in the source; "" when it is not known."""
        return self._names.get(type_, "")

    def head(self, name: str, length: int) -> bytes:
        """The header of a record of the target."""
        return self._head.pack(self._types[name], length)

    def record(self, data: bytes) -> bytes:
        """A whole record."""
        type_, length = self._head.unpack_from(data)
        plan = self.plan(type_, length)
        made = bytearray(data if plan.remap is None else plan.remap(data))
        self._head.pack_into(made, 0, plan.type, plan.length)
        if plan.name == "OBJREF":
            self._define(made)
        for offset in plan.ids:
            self.move(made, offset)
        if plan.name == "FILE":
            self._file(made)
        elif plan.name == "VMA" and self.target != Layout.V23_RC2:
            self._vma(made)
        return bytes(made)

    def move(self, made: bytearray, offset: int) -> None:
        """Shift the id at an offset."""
        (value,) = self._id.unpack_from(made, offset)
        if value == 0 or not self.shift:
            return
        if not 0 < value + self.shift <= ID_MAX or not value > 0:
            taken = f"; 1…{-self.shift} are tags of pids" if self.shift < 0 else ""
            raise InexactError(f"the id {value} has no counterpart{taken}")
        self._id.pack_into(made, offset, value + self.shift)

    # -- what a record needs -------------------------------------------------------------------------------

    def _plan(self, type_: int, length: int) -> _Plan:
        name = self.name(type_)
        if not name:
            raise InexactError(f"type {type_} is not known in {self.source.label}, and may hold ids")
        if name not in self._types:
            raise InexactError(f"{self.target.label} has no {name}")
        if name in UNSURE and self.renumbers:
            raise InexactError(f"{name}: {UNSURE[name]}")
        if name in X86_ONLY and not self._x86:  # no field of them is an id
            return _Plan(name, self._types[name], length, (), None)
        record = find_record(name, length, self.source)
        if record is None:
            raise InexactError(f"{name} of {length} bytes is none of {self.source.label}, and may hold ids")
        other = self._counterpart(record, length)
        ids = tuple(field.offset for field in parse(other.fields) if field.role)
        if other.fields == record.fields:
            return _Plan(name, self._types[name], length, ids, None)
        return _Plan(name, self._types[name], other.length, ids, _remap(record, other, self.order))

    def _counterpart(self, record: Record, length: int) -> Record:
        same = find_record(record.name, length, self.target)
        if same is not None and same.fields == record.fields:
            return same
        others = records_of(record.name, self.target)
        if len(others) != 1:
            raise InexactError(f"{self.target.label} has no such {record.name}")
        _compare(record, others[0], self.target.label)
        _compare(others[0], record, self.source.label)
        return others[0]

    def _define(self, made: bytearray) -> None:
        type_, _ = struct.unpack_from(self._objref, made, 8)
        kind = object_kinds(self.source).get(type_)
        if kind is None or kind not in self._object_types:
            raise InexactError(f"OBJREF of type {type_}, which is none of {self.source.label}")
        struct.pack_into(self.order + "I", made, 8, self._object_types[kind])
        if self._id.unpack_from(made, 12)[0] <= 0:
            raise InexactError("OBJREF of an id that is not above 0")
        self.move(made, 12)

    def _file(self, made: bytearray) -> None:
        (type_,) = struct.unpack_from(self.order + "I", made, 8)
        known = FILE_TYPES.get(type_)
        if known is None:
            raise InexactError(f"FILE of type {type_} is not known, and may hold ids")
        for field in parse(known[1]):
            if len(made) < FILE_COMMON + field.offset + 4:
                raise InexactError(f"FILE of type {known[0]} ends before its {field.name}")
            if field.role:
                self.move(made, FILE_COMMON + field.offset)

    def _vma(self, made: bytearray) -> None:
        (type_,) = struct.unpack_from(self.order + "I", made, 8)
        if type_ >= HUGETLB:
            raise InexactError(f"{self.target.label} has no areas of type {type_} (huge pages)")


def _compare(record: Record, other: Record, label: str) -> None:
    """Every field of the one must be in the other."""
    there = {(field.name, field.code, field.items) for field in parse(other.fields)}
    for field in parse(record.fields):
        if (field.name, field.code, field.items) not in there and (record.name, field.name) not in ADDED:
            raise InexactError(f"{record.name}: {label} does not have the same {field.name}")


def _remap(record: Record, other: Record, order: str) -> Callable[[bytes], bytes]:
    """Fields go by name. Bytes that are in no field must be 0, since they have no place to go."""
    here, there = parse(record.fields), {field.name: field for field in parse(other.fields)}
    pairs = [(_form(field, order), field.offset, there[field.name].offset) for field in here if field.name in there]
    spare = bytearray(b"\1" * (record.length - 8))
    for field in here:
        if field.name in there:
            size = struct.calcsize(_form(field, order))
            spare[field.offset - 8 : field.offset - 8 + size] = bytes(size)
    lost = [field for field in here if field.name not in there]

    def remap(data: bytes) -> bytes:
        if any(byte and unplaced for byte, unplaced in zip(data[8:], spare, strict=True)):
            names = ", ".join(f"{f.name} {f.value(data, order)}" for f in lost) or "its padding"
            raise InexactError(f"{record.name}: {names} is not 0 and has no place there")
        made = bytearray(other.length)
        for form, source, target in pairs:
            struct.pack_into(form, made, target, *struct.unpack_from(form, data, source))
        return bytes(made)

    return remap


def _form(field: Field, order: str) -> str:
    return f"{order}{field.items or 1}{field.code}"


def shift_items(route: Route, data: bytes) -> bytes:
    """The BUFFER of an EPOLL_ITEMS: the files that are watched."""
    made = bytearray(data)
    for at in range(8, len(data), EPOLL_ITEM.length):
        for field in EPOLL_ITEM.fields:
            if field.role:
                route.move(made, at + field.offset)
    return bytes(made)
