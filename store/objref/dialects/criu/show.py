"""CRIU messages as `crit show` prints them, ready for JSON.

The rules were found by giving crit 4.1.1 and 4.2.1 images that hold every field of every message they can show,
with every bit set in turn (lengths, network addresses, ghost files: some values), and noting what came back;
tests/criu/test_against_crit.py compares again where a crit is at hand. Equality with crit wins, also where crit
contradicts CRIU; such places say "crit:".

The rules are a table in criu_show_rules; criu_show_message applies them to a message, and criu_show_payload shows
the bytes that follow some messages.

crit 4.2 is followed. crit 4.1 shows pagemap_entry's field 2 as nr_pages and not field 5, knows neither
MAP_DROPPABLE nor VMA_AREA_UPROBES, and leaves out inventory_entry.allow_uprobes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from objref.dialects.criu.show_message import DecodeError, parse, show
from objref.dialects.criu.show_payload import PAYLOADS
from objref.dialects.criu.show_rules import RULES, Json

if TYPE_CHECKING:
    from google.protobuf.message import Message

__all__ = ["RULES", "DecodeError", "parse", "payload_to_crit", "to_crit", "unknown_fields"]


def to_crit(message_name: str, data: bytes) -> dict[str, Json]:
    """One item as crit shows it: its fields that are present, in order of field number, without "extra".

    An enum value that criu.proto lacks is left out, as is every unknown field (see `unknown_fields`).
    Raises DecodeError if `data` is not such a message, UsageError if there is no message of that name.
    """
    return show(parse(message_name, data))


def unknown_fields(message_name: str, data: bytes) -> list[int]:
    """The numbers of the item's own fields that criu.proto does not know, ascending, each once.

    A known number is among them when its wire type, or its enum value, is not the known one.
    Fields of nested messages are not looked at. Raises as `to_crit`.
    """
    from google.protobuf.unknown_fields import UnknownFieldSet

    unknown: Any = UnknownFieldSet(parse(message_name, data))  # its type stub forgets that it is iterable
    return sorted({field.field_number for field in unknown})


def payload_to_crit(image_type: str, payload: bytes, message: Message) -> Json:
    """What crit shows as "extra" of an item: `payload` is what follows `message` in an image of `image_type`
    ("PIPES_DATA", as crit names the magic), with or without its padding. None: crit shows no "extra".

    To crit a sparse ghost file is a ghost_file_entry without "extra", then one entry a ghost_chunk_entry; hand
    the chunks over one by one. Raises DecodeError if `payload` is too short.
    """
    show_payload = PAYLOADS.get(image_type)
    return None if show_payload is None else show_payload(payload, message)
