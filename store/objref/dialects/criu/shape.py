"""The shape of a message: which fields it has, in which order, and nothing of what they say.

Messages that one program wrote in one place share it: of a million open files nearly all have one of a few shapes. One
of them is parsed by protobuf and taken apart here; what it takes to follow the others is a list of steps (columns.py),
and all that the steps do not read is what the parsed one says. So no rule of protobuf is told twice: defaults, unknown
numbers of an enum, fields of another type than expected, the last of several values.
"""

from __future__ import annotations

from collections.abc import Collection
from operator import attrgetter
from typing import Any, Literal, NamedTuple

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from objref.dialects.criu.wire import FIXED, LENGTH_DELIMITED, VARINT, Field, fields

__all__ = ["INTEGERS", "LITERAL_MAX", "WORD", "Shape", "Step", "shape_of"]

LITERAL_MAX = 5
"""Bytes of a literal: the longest tag there is. Of the 8 bytes read at once this leaves 3 for a length or number."""
WORD = 8
"""Bytes that are read at once."""
JOINED_MAX = 3
"""Up to so many bytes a tag joins the field before it."""
STEPS_MAX = 96
"""Each costs a dozen calls of numpy; real ones have 8 to 40."""

INTEGERS = frozenset([
    FieldDescriptor.TYPE_UINT32, FieldDescriptor.TYPE_UINT64, FieldDescriptor.TYPE_INT32, FieldDescriptor.TYPE_INT64,
    FieldDescriptor.TYPE_SINT32, FieldDescriptor.TYPE_SINT64, FieldDescriptor.TYPE_BOOL,
])  # fmt: skip
"""Types of fields that can be read from columns."""
TEXTS = (FieldDescriptor.TYPE_STRING, FieldDescriptor.TYPE_BYTES)

Action = Literal["number", "skip", "text", "open", "close", "same"]
Read = tuple[int, str, int]
"""A number of one byte: its place in the literal, the path of the field, its type."""


class Step(NamedTuple):
    """`literal` stands there; then comes a number, `size` bytes to skip, a length and so many bytes ("text"), a length
    and a message ("open"). "close": that message ends. `field`: the path of a number that is asked for, `type` its
    type. "same": nothing comes after the literal, of which only the bits of `mask` count, and `reads` are read."""

    literal: bytes
    action: Action
    size: int = 0
    field: str = ""
    type: int = 0
    mask: bytes = b""
    reads: tuple[Read, ...] = ()


class Shape:
    """What messages of one shape have in common. `message` is one of them."""

    __slots__ = ("message", "steps")

    def __init__(self, message: Any, steps: tuple[Step, ...]) -> None:
        self.message = message
        self.steps = steps

    def common(self, path: str) -> int:
        """The number that a field has in all of them: one that the steps do not read."""
        return int(attrgetter(path)(self.message))

    def has(self, path: str) -> bool:
        """Whether they have that field."""
        *outer, name = path.split(".")
        holder = attrgetter(".".join(outer))(self.message) if outer else self.message
        return bool(holder.HasField(name))


class _NoShapeError(Exception):
    """Such messages are left to protobuf."""


def shape_of(message: Any, item: bytes, asked: Collection[str]) -> Shape | None:
    """The shape of a message that `item` parsed to, to read the fields with these paths ("reg.fown.pid"). None when
    there are groups or packed numbers in it, when it has very many fields, or asks for what is no integer."""
    draft = _Draft(item, asked)
    try:
        draft.walk(message.DESCRIPTOR, 0, len(item), "")
    except _NoShapeError:
        return None
    return Shape(message, tuple(draft.steps()))


class _Draft:
    """A shape in the making. Mutable."""

    def __init__(self, item: bytes, asked: Collection[str]) -> None:
        self._item = item
        self._asked = asked
        self._steps: list[Step] = []
        self._literal = b""

    def steps(self) -> list[Step]:
        """All of them; call it last."""
        self._flush()
        return self._steps

    def walk(self, descriptor: Descriptor, at: int, end: int, prefix: str) -> None:
        """The fields of item[at:end]."""
        for field in fields(self._item, at, end):
            if len(self._steps) >= STEPS_MAX:
                raise _NoShapeError
            known = descriptor.fields_by_number.get(field.number)
            self._one(field, known, prefix)

    def _one(self, field: Field, known: FieldDescriptor | None, prefix: str) -> None:
        if field.wire == LENGTH_DELIMITED:
            self._delimited(field, known, prefix)
        elif field.wire == VARINT:
            self._number(field, known, prefix)
        elif field.wire in FIXED:
            self._refuse_asked(known, prefix)
            self._add(field, "skip", size=FIXED[field.wire])
        else:
            raise _NoShapeError

    def _number(self, field: Field, known: FieldDescriptor | None, prefix: str) -> None:
        if known is not None and known.type == FieldDescriptor.TYPE_ENUM:
            self._literally(self._item[field.tag : field.end])  # only so is sure what protobuf makes of it
            return
        path = prefix + known.name if known is not None else ""
        if known is None or path not in self._asked:
            self._add(field, "number")
        elif known.type in INTEGERS:
            self._add(field, "number", 0, path, known.type)
        else:
            raise _NoShapeError

    def _delimited(self, field: Field, known: FieldDescriptor | None, prefix: str) -> None:
        if known is None or known.type in TEXTS:
            self._add(field, "text")
        elif known.message_type is not None:
            if self._small(field, known.message_type, f"{prefix}{known.name}."):
                return
            self._add(field, "open")
            self.walk(known.message_type, field.content, field.end, f"{prefix}{known.name}.")
            self._flush()
            self._steps.append(Step(b"", "close"))
        else:
            raise _NoShapeError  # packed numbers

    def _small(self, around: Field, descriptor: Descriptor, prefix: str) -> bool:
        """A message of numbers that take one byte each, such as the owner of nearly all files: looked at as a whole.
        Those with larger numbers have a shape of their own."""
        inner = list(fields(self._item, around.content, around.end))
        if any(field.wire != VARINT or field.end - field.tag != 2 for field in inner):
            return False
        data, self._literal = bytearray(self._literal + self._item[around.tag : around.end]), b""
        mask, reads = bytearray(b"\xff" * len(data)), []
        for field in inner:
            at, known = len(data) - (around.end - field.value), descriptor.fields_by_number.get(field.number)
            if known is not None and known.type == FieldDescriptor.TYPE_ENUM:
                continue
            data[at], mask[at] = 0, 0x80
            if known is not None and prefix + known.name in self._asked:
                if known.type not in INTEGERS:
                    raise _NoShapeError
                reads.append((at, prefix + known.name, known.type))
        self._same(bytes(data), bytes(mask), reads)
        return True

    def _same(self, data: bytes, mask: bytes, reads: list[Read]) -> None:
        for at in range(0, len(data), WORD):
            here = tuple((i - at, path, kind) for i, path, kind in reads if at <= i < at + WORD)
            stop = at + WORD
            self._steps.append(Step(data[at:stop], "same", mask=mask[at:stop], reads=here))

    def _refuse_asked(self, known: FieldDescriptor | None, prefix: str) -> None:
        if known is not None and prefix + known.name in self._asked:
            raise _NoShapeError

    def _add(self, at: Field, action: Action, size: int = 0, field: str = "", kind: int = 0) -> None:
        self._literally(self._item[at.tag : at.value])
        self._steps.append(Step(self._literal, action, size, field, kind))
        self._literal = b""

    def _literally(self, data: bytes) -> None:
        if len(self._literal) + len(data) > JOINED_MAX:
            self._flush()
        if len(data) > LITERAL_MAX:
            self._same(data, b"\xff" * len(data), [])
            data = b""
        self._literal += data

    def _flush(self) -> None:
        if self._literal:
            self._same(self._literal, b"\xff" * len(self._literal), [])
            self._literal = b""
