"""One message as `crit show` prints it: each field by its rule, or else by its type."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from objref.dialects.criu.schema import message_class
from objref.dialects.criu.show_rules import BASE64, HEX, PLAIN, RULES, TEXT, Json, Numbers, Render, Rule
from objref.errors import FormatError

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["DecodeError", "parse", "show"]


class DecodeError(FormatError, ValueError):
    """The bytes are no such message, or what follows the message is shorter than the message says."""


def parse(message_name: str, data: bytes) -> Message:
    """The item decoded. Depth (100) and sizes are bounded by protobuf. Raises as `to_crit`."""
    from google.protobuf.message import DecodeError as Malformed

    message = message_class(message_name)()
    try:
        message.ParseFromString(data)
    except Malformed as error:
        raise DecodeError(f"{message_name} of {len(data)} bytes: {error}") from None
    return message


def show(message: Message, numbers: Numbers = "plain") -> dict[str, Json]:
    """The fields that are present, in order of field number."""
    fields = _fields(message.DESCRIPTOR.name, numbers)
    shown = {}
    for field, value in message.ListFields():
        name, render = fields[field.number]
        shown[name] = render(value)
    return shown


@cache
def _fields(message_name: str, numbers: Numbers) -> Mapping[int, tuple[str, Render]]:
    """Field number -> (name, how its value is shown)."""
    fields = message_class(message_name).DESCRIPTOR.fields
    return {field.number: (field.name, _renderer(message_name, field, numbers)) for field in fields}


def _renderer(message_name: str, field: Any, numbers: Numbers) -> Render:
    rule = RULES.get((message_name, field.name)) or _rule_by_type(field, numbers)
    render = rule.render if field.message_type is None else partial(show, numbers=rule.inside)
    if rule.whole or field.has_presence:  # in proto2 the repeated fields, and only they, have no presence
        return render
    return lambda values: [render(value) for value in values]


def _rule_by_type(field: Any, numbers: Numbers) -> Rule:
    if field.enum_type is not None:
        return Rule({value.number: value.name for value in field.enum_type.values}.__getitem__)
    if field.cpp_type in (field.CPPTYPE_UINT32, field.CPPTYPE_UINT64):
        return HEX if numbers == "hex" else PLAIN
    return {field.TYPE_STRING: TEXT, field.TYPE_BYTES: BASE64}.get(field.type, PLAIN)
